"""Segments from the cache, from a question under way, or from ODP; and what failures cost."""

import threading
import time

import pytest
from tests.fakes.waiting import wait_until

from bucketer.core.integration import Integration
from bucketer.odp.cache import AN_ENTRY, Cache, key_of
from bucketer.odp.segments import OUTAGE


def test_the_second_question_is_answered_from_the_cache(segments, odp, integration):
    assert ("gold",) == segments.fetch(integration, "ben")
    assert ("gold",) == segments.fetch(integration, "ben")
    assert ("gold",) == segments.fetch(integration, "ann")

    assert 2 == len(odp.questions)
    assert (2, 1) == (segments.asked, segments.cached)


def test_after_ten_minutes_it_is_asked_again(segments, odp, integration, clock):
    segments.fetch(integration, "ben")
    clock.now += 599.9
    segments.fetch(integration, "ben")
    assert 1 == len(odp.questions)

    clock.now += 0.1
    segments.fetch(integration, "ben")
    assert 2 == len(odp.questions)


def test_who_is_in_no_segment_is_asked_about_each_time(segments, odp, integration):
    odp.qualified.clear()

    assert () == segments.fetch(integration, "ben")
    assert () == segments.fetch(integration, "ben")
    assert 2 == len(odp.questions)


def test_a_datafile_that_asks_about_none_asks_nobody(segments, odp):
    assert () == segments.fetch(Integration("https://odp.example", "key", ()), "ben")
    assert not odp.questions


def test_a_new_datafile_with_other_segments_is_answered_anew(segments, odp, integration):
    odp.qualified = {"gold", "bronze"}
    segments.fetch(integration, "ben")
    newer = Integration(integration.host, integration.public_key, ("bronze", "gold"))

    assert ("bronze", "gold") == segments.fetch(newer, "ben")


def test_names_that_were_not_asked_about_are_left_out(segments, odp, integration):
    odp.mood = (
        b'{"data": {"customer": {"audiences": {"edges": ['
        b'{"node": {"name": "other", "state": "qualified"}},'
        b'{"node": {"name": "silver", "state": "qualified"}}]}}}}'
    )

    assert ("silver",) == segments.fetch(integration, "ben")


def test_ignore_cache_neither_reads_nor_writes_it(segments, odp, integration):
    segments.fetch(integration, "ben", ignore_cache=True)
    segments.fetch(integration, "ben")
    odp.qualified = {"silver"}

    assert ("silver",) == segments.fetch(integration, "ben", ignore_cache=True)
    assert ("gold",) == segments.fetch(integration, "ben")
    assert 3 == len(odp.questions)


def test_reset_cache_forgets_the_users_of_that_account_alone(segments, odp, integration):
    other = Integration("https://odp.example", "other-key", ("gold",))
    for each in (integration, other):
        segments.fetch(each, "ben")
        segments.fetch(each, "ann")

    segments.fetch(integration, "ben", reset=True)
    segments.fetch(integration, "ann")
    segments.fetch(other, "ann")

    assert 6 == len(odp.questions)


@pytest.mark.parametrize("mood", [500, "unknown"])
def test_without_an_answer_there_are_no_segments_and_nothing_is_remembered(
    segments, odp, integration, mood
):
    odp.script = [mood]

    assert segments.fetch(integration, "ben") is None
    assert ("gold",) == segments.fetch(integration, "ben")


def test_an_unknown_user_is_no_outage(segments, odp, integration):
    odp.mood = "unknown"
    for _ in range(2 * OUTAGE):
        assert segments.fetch(integration, "ben") is None

    assert (0, 2 * OUTAGE, "") == (segments.failed, segments.unknown_users, segments.trouble)


def test_who_asks_the_same_at_the_same_time_shares_one_answer(segments, odp, integration):
    odp.released.clear()
    got = []
    threads = [
        threading.Thread(target=lambda: got.append(segments.fetch(integration, "ben")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: odp.questions)
    time.sleep(0.1)
    odp.released.set()
    for thread in threads:
        thread.join(10)

    assert [("gold",)] * 8 == got
    assert 1 == len(odp.questions)


def test_in_an_outage_one_request_asks_and_the_others_fail_at_once(odp, segments, integration):
    odp.mood = 503
    for number in range(OUTAGE):
        assert segments.fetch(integration, f"user-{number}") is None
    odp.released.clear()
    first = threading.Thread(target=segments.fetch, args=(integration, "first"))
    first.start()
    wait_until(lambda: len(odp.questions) == OUTAGE + 1)

    for number in range(20):
        assert segments.fetch(integration, f"other-{number}") is None

    assert (20, OUTAGE + 1) == (segments.spared, len(odp.questions))
    odp.mood = "answer"
    odp.released.set()
    first.join(10)
    assert ("gold",) == segments.fetch(integration, "ben")
    assert "" == segments.trouble


def test_the_counters_tell_what_is_wrong(segments, odp, integration, caplog):
    odp.mood = 500
    segments.fetch(integration, "ben")
    segments.fetch(integration, "ben")

    told = segments.to_json()
    assert ("status 500", 2) == (told["trouble"], told["failed"])
    assert 1 == len([each for each in caplog.records if "ODP can't be asked" in each.message])
    assert "ben" not in caplog.text


def test_the_cache_is_bounded_by_users():
    cache = Cache(capacity=3)
    for number in range(4):
        cache.save(key_of("a", f"{number}"), ("gold",), ("gold",), 0.0)

    assert 3 == len(cache)
    assert cache.lookup(key_of("a", "0"), ("gold",), 0.0) is None
    assert ("gold",) == cache.lookup(key_of("a", "3"), ("gold",), 0.0)


def test_the_cache_is_bounded_in_bytes():
    asked = tuple(f"segment-{number}" for number in range(1_000))
    cache = Cache(max_bytes=10 * (AN_ENTRY + 8 * 1_000))
    for number in range(11):
        cache.save(key_of("a", f"{number}"), asked, asked, 0.0)
        cache.save(key_of("a", f"{number}"), asked, asked, 0.0)

    assert 10 == len(cache)


def test_a_cache_for_nobody_holds_nobody():
    cache = Cache(capacity=0)
    cache.save(key_of("a", "b"), ("gold",), ("gold",), 0.0)

    assert 0 == len(cache)


def test_a_long_user_id_is_kept_by_its_hash():
    assert key_of("a", "x" * 100) == ("a", "x" * 100)
    assert 64 == len(key_of("a", "x" * 101)[1])
    assert key_of("a", "x" * 101) != key_of("a", "x" * 102)
