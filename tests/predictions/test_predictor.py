import threading
import time

import pytest

from bucketer.core.decide import (
    IGNORE_CMAB_CACHE,
    INVALIDATE_USER_CMAB_CACHE,
    RESET_CMAB_CACHE,
)
from bucketer.predictions.client import PredictionClient
from bucketer.predictions.predictor import OUTAGE, CachedPredictor


def at_once(count, call):
    """Call it in *count* threads and return what they got, in no order."""
    got, start = [], threading.Barrier(count)

    def run(number):
        start.wait(10)
        got.append(call(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert count == len(got)
    return got


def test_the_second_question_is_answered_from_the_cache(predictor, bandit, needed):
    first = predictor.predict(needed(tier="gold"))
    second = predictor.predict(needed(tier="gold"))

    assert ("1", "uuid-1", False) == (first.variation_id, first.cmab_uuid, first.cached)
    assert ("1", "uuid-1", True) == (second.variation_id, second.cmab_uuid, second.cached)
    assert 1 == len(bandit.questions)


@pytest.mark.parametrize(
    "other",
    [
        {"user_id": "ann"},
        {"rule_id": "78"},
        {"tier": "silver"},
        {"tier": None},
        {},
    ],
)
def test_another_user_rule_or_attribute_is_asked_about(predictor, bandit, needed, other):
    predictor.predict(needed(tier="gold"))
    predictor.predict(needed(**({"tier": "gold"} | other) if other else {}))

    assert 2 == len(bandit.questions)


def test_after_half_an_hour_it_is_asked_again(predictor, bandit, needed, clock):
    predictor.predict(needed())
    clock.now += 1799
    predictor.predict(needed())

    assert 1 == len(bandit.questions)

    clock.now += 1
    predictor.predict(needed())

    assert 2 == len(bandit.questions)


def test_ignore_neither_reads_nor_writes_the_cache(predictor, bandit, needed):
    predictor.predict(needed(), {IGNORE_CMAB_CACHE})

    assert "uuid-2" == predictor.predict(needed()).cmab_uuid
    assert "uuid-3" == predictor.predict(needed(), {IGNORE_CMAB_CACHE}).cmab_uuid
    assert "uuid-2" == predictor.predict(needed()).cmab_uuid
    assert 3 == len(bandit.questions)


def test_invalidate_forgets_this_user_and_rule_alone(predictor, bandit, needed):
    predictor.predict(needed("ben"))
    predictor.predict(needed("ann"))

    assert "uuid-3" == predictor.predict(needed("ben"), {INVALIDATE_USER_CMAB_CACHE}).cmab_uuid
    assert "uuid-3" == predictor.predict(needed("ben")).cmab_uuid
    assert "uuid-2" == predictor.predict(needed("ann")).cmab_uuid


def test_reset_forgets_everybody(predictor, bandit, needed):
    predictor.predict(needed("ben"))
    predictor.predict(needed("ann"))

    assert "uuid-3" == predictor.predict(needed("ben"), {RESET_CMAB_CACHE}).cmab_uuid
    assert "uuid-4" == predictor.predict(needed("ann")).cmab_uuid


def test_ignore_wins_over_the_other_two(predictor, needed):
    predictor.predict(needed())
    predictor.predict(needed(), {IGNORE_CMAB_CACHE, RESET_CMAB_CACHE, INVALIDATE_USER_CMAB_CACHE})

    assert "uuid-1" == predictor.predict(needed()).cmab_uuid


def test_a_failure_is_none_and_is_not_remembered(predictor, bandit, needed):
    bandit.script = [500, 500]

    assert None is predictor.predict(needed())
    assert "1" == predictor.predict(needed()).variation_id
    assert 3 == len(bandit.questions)


def test_a_failure_after_other_attributes_has_forgotten_the_old_answer(predictor, bandit, needed):
    predictor.predict(needed(tier="gold"))
    bandit.script = [500, 500]
    predictor.predict(needed(tier="silver"))
    predictor.predict(needed(tier="gold"))

    assert 4 == len(bandit.questions)


def test_an_attribute_without_a_json_form_fails_without_asking(predictor, bandit, needed):
    assert None is predictor.predict(needed(tier={1}))
    assert None is predictor.predict(needed(tier={1}), {IGNORE_CMAB_CACHE})
    assert [] == bandit.questions


def test_those_who_ask_the_same_at_once_share_one_answer(predictor, bandit, needed):
    bandit.delay_s = 0.3
    got = at_once(20, lambda _: predictor.predict(needed(tier="gold")))

    assert {("1", "uuid-1")} == {(each.variation_id, each.cmab_uuid) for each in got}
    assert 1 == len(bandit.questions)
    assert 1 == predictor.asked
    assert 19 == predictor.shared + predictor.cached


def test_those_who_ask_the_same_at_once_share_a_failure_too(predictor, bandit, needed):
    """Or each would wait for the time-outs of all before it."""
    bandit.mood, bandit.delay_s = 500, 0.1
    got = at_once(10, lambda _: predictor.predict(needed()))

    assert {None} == set(got)
    assert 2 == len(bandit.questions)


def test_different_users_are_asked_about_at_the_same_time(predictor, bandit, needed):
    bandit.delay_s = 0.3
    at_once(10, lambda number: predictor.predict(needed(f"user {number}")))

    assert 10 == len(bandit.questions)
    assert bandit.most_at_once > 1


def test_who_wants_a_fresh_answer_does_not_take_one_that_is_under_way(predictor, bandit, needed):
    bandit.delay_s = 0.3
    options = [(), {INVALIDATE_USER_CMAB_CACHE}]
    at_once(2, lambda number: predictor.predict(needed(), options[number]))

    assert 1 <= len(bandit.questions) <= 2
    bandit.delay_s = 0.0
    before = len(bandit.questions)
    predictor.predict(needed(), {INVALIDATE_USER_CMAB_CACHE})
    assert before + 1 == len(bandit.questions)


def test_who_shares_an_answer_waits_no_longer_than_their_deadline(predictor, bandit, needed):
    bandit.delay_s = 1.0
    leader = threading.Thread(target=lambda: predictor.predict(needed()))
    leader.start()
    while not bandit.questions:
        time.sleep(0.01)
    began = time.monotonic()
    found = predictor.predict(needed(), deadline=began + 0.1)
    answered = not leader.is_alive()
    leader.join(10)

    assert None is found
    assert not answered


def test_in_an_outage_one_asks_and_the_others_fail_at_once(bandit, needed):
    """So that requests which need no bandit keep their threads."""
    client = PredictionClient(bandit.url, timeout_s=0.3)
    predictor = CachedPredictor(client, lambda: "uuid")
    bandit.mood = 500
    for number in range(OUTAGE):
        predictor.predict(needed(f"early {number}"))
    asked_before = predictor.asked
    bandit.mood = "hang"
    got = at_once(10, lambda number: predictor.predict(needed(f"user {number}")))

    assert {None} == set(got)
    assert asked_before + 1 <= predictor.asked < asked_before + 10
    assert 10 == predictor.spared + predictor.asked - asked_before

    bandit.mood = "answer"

    assert "1" == predictor.predict(needed("later")).variation_id
    got = at_once(3, lambda number: predictor.predict(needed(f"after {number}")))
    assert None not in got
    client.close()


def test_one_failure_less_is_no_outage(bandit, needed):
    client = PredictionClient(bandit.url, timeout_s=0.5)
    predictor = CachedPredictor(client, lambda: "uuid")
    bandit.mood = 500
    for number in range(OUTAGE - 1):
        predictor.predict(needed(f"early {number}"))
    bandit.mood, bandit.delay_s = "answer", 0.2
    got = at_once(5, lambda number: predictor.predict(needed(f"user {number}")))

    assert None not in got
    assert 0 == predictor.spared
    client.close()


def test_the_log_tells_when_it_begins_to_fail_and_when_it_works_again(
    predictor, bandit, needed, caplog
):
    bandit.mood = 503
    for _ in range(3):
        predictor.predict(needed())
    bandit.mood = "answer"
    for _ in range(3):
        predictor.predict(needed())

    assert [
        "predictions: the service can't be asked: status 503",
        "predictions: the service answers again after 3 failures",
    ] == caplog.messages


def test_health_is_told_what_happened(predictor, bandit, needed):
    predictor.predict(needed("ben"))
    predictor.predict(needed("ben"))
    bandit.mood = 503
    predictor.predict(needed("ann"))

    assert {
        "asked": 2,
        "cached": 1,
        "shared": 0,
        "failed": 1,
        "spared": 0,
        "requests": 3,
        "held": 1,
        "trouble": "status 503",
    } == predictor.to_json()
