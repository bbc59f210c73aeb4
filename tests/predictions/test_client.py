import json
import time

import pytest
from tests.fakes.bandit import Bandit

from bucketer.predictions.client import (
    NoPrediction,
    PredictionClient,
    request_body,
    variation_id_in,
)


def client_of(bandit, **facts):
    return PredictionClient(bandit.url, **facts)


def test_the_question_names_rule_user_attributes_and_prediction(client, bandit):
    found = client.ask("77", "ben", {"5": "gold", "6": None}, "uuid-1")
    [question] = bandit.questions

    assert "1" == found
    assert "/predict/77" == question.path
    assert "application/json" == question.headers["content-type"]
    assert {
        "visitorId": "ben",
        "experimentId": "77",
        "attributes": [
            {"id": "5", "value": "gold", "type": "custom_attribute"},
            {"id": "6", "value": None, "type": "custom_attribute"},
        ],
        "cmabUUID": "uuid-1",
    } == question.instance


@pytest.mark.parametrize(
    ("ending", "rule_id", "path"),
    [
        ("/predict/", "77", "/predict/77"),
        ("/predict", "77", "/predict/77"),
        ("/predict/{}", "77", "/predict/77"),
        ("/p/{}/now?a=b", "77", "/p/77/now?a=b"),
        ("/predict/", "a/../b c\r\n?", "/predict/a%2F..%2Fb%20c%0D%0A%3F"),
        ("/predict/", "", "/predict/"),
    ],
)
def test_the_rules_id_is_a_part_of_the_path(bandit, ending, rule_id, path):
    """And can't become anything else, whatever the datafile says it is."""
    client = PredictionClient(f"http://127.0.0.1:{bandit.port}{ending}")
    client.ask(rule_id, "ben", {}, "uuid-1")
    client.close()

    assert path == bandit.questions[0].path


@pytest.mark.parametrize("mood", [500, 503, 400, 404, 429, 302, 300, b"", b"[]", b"{", "close"])
def test_whatever_fails_is_tried_once_more(client, bandit, mood):
    """A refusal too: so does the SDK."""
    bandit.script = [mood]

    assert "1" == client.ask("77", "ben", {}, "uuid-1")
    assert 2 == len(bandit.questions)


@pytest.mark.parametrize("mood", [500, 404, b"{}", "close"])
def test_after_the_second_failure_there_is_no_third_attempt(client, bandit, mood):
    bandit.mood = mood
    with pytest.raises(NoPrediction):
        client.ask("77", "ben", {}, "uuid-1")

    assert 2 == len(bandit.questions)
    assert 2 == client.requests


def test_both_attempts_say_the_same(client, bandit):
    bandit.script = [500]
    client.ask("77", "ben", {"5": 1}, "uuid-1")
    first, second = bandit.questions

    assert first.body == second.body


@pytest.mark.parametrize("status", [200, 201, 299])
def test_any_2xx_is_an_answer(client, bandit, status):
    bandit.mood = status

    assert "1" == client.ask("77", "ben", {}, "uuid-1")
    assert 1 == len(bandit.questions)


def test_a_tenth_of_a_second_lies_between_them(bandit):
    waits = []
    client = client_of(bandit, sleep=waits.append)
    bandit.script = [500]
    client.ask("77", "ben", {}, "uuid-1")
    client.close()

    assert [0.1] == waits


@pytest.mark.parametrize("mood", ["hang", "drip"])
def test_each_attempt_ends_in_time_even_if_bytes_keep_coming(bandit, mood):
    client = client_of(bandit, timeout_s=0.2)
    bandit.mood = mood
    began = time.monotonic()
    with pytest.raises(NoPrediction, match="timed out"):
        client.ask("77", "ben", {}, "uuid-1")
    took = time.monotonic() - began

    assert 2 == len(bandit.questions)
    assert 0.5 <= took < 5


def test_a_deadline_cuts_an_attempt_short_and_leaves_out_the_second(bandit):
    client = client_of(bandit, timeout_s=5.0)
    bandit.mood = "hang"
    began = time.monotonic()
    with pytest.raises(NoPrediction):
        client.ask("77", "ben", {}, "uuid-1", deadline=began + 0.2)
    took = time.monotonic() - began

    assert 1 == len(bandit.questions)
    assert 0.2 <= took < 4.5


def test_a_deadline_that_has_passed_asks_nobody(client, bandit):
    with pytest.raises(NoPrediction, match="no time"):
        client.ask("77", "ben", {}, "uuid-1", deadline=time.monotonic() - 1)

    assert [] == bandit.questions


def test_nobody_listening_is_a_failure_that_tells_no_address():
    with Bandit() as bandit:
        url, port = bandit.url, bandit.port
    client = PredictionClient(url, sleep=lambda _: None)
    with pytest.raises(NoPrediction) as failure:
        client.ask("77", "ben", {}, "uuid-1")

    assert str(port) not in failure.value.why
    assert "ben" not in failure.value.why


def test_a_connection_is_used_again(client, bandit):
    for _ in range(5):
        client.ask("77", "ben", {}, "uuid-1")

    assert 5 == len(bandit.questions)
    assert 1 == bandit.connections


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('"10"', "10"),
        ("10", "10"),
        ("null", "None"),
        ("true", "True"),
        ("1.5", "1.5"),
        ('""', ""),
    ],
)
def test_a_variation_id_of_any_type_is_taken_as_text(said, found):
    """As the SDK takes it; what no variation is called leads to none."""
    answer = b'{"predictions": [{"variation_id": %s}, {}]}' % said.encode()

    assert found == variation_id_in(answer)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"null",
        b"[]",
        b'"predictions"',
        b"{}",
        b'{"predictions": null}',
        b'{"predictions": {}}',
        b'{"predictions": []}',
        b'{"predictions": [null]}',
        b'{"predictions": ["variation_id"]}',
        b'{"predictions": [{"variationId": "1"}]}',
        b'{"predictions": [{"variation_id": "1"}]',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_any_other_shape_is_no_answer(answer):
    with pytest.raises(NoPrediction):
        variation_id_in(answer)


def test_an_attribute_without_a_json_form_is_never_sent():
    with pytest.raises(NoPrediction):
        request_body("77", "ben", {"5": {1}}, "uuid-1")


def test_the_question_is_ascii():
    """So no proxy on the way has a reason to misread it."""
    body = request_body("77", "Zoë 🙂", {"5": "é"}, "uuid-1")

    assert body.isascii()
    assert "Zoë 🙂" == json.loads(body)["instances"][0]["visitorId"]
