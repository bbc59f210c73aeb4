"""Events through a queue: handed over by the one function, delivered by the other.

The queue is moto's, over HTTP; it checks no signatures (those are held against botocore elsewhere).
"""

import contextlib
import http.server
import json
import logging
import socket
import threading
import time

import pytest
from tests.fakes.collector import Collector
from tests.fakes.queues import MotoQueue, moto_server
from tests.fakes.sources import Clock
from tests.fakes.visitors import a_ruleset, some_events

from bucketer.core.conversions import track
from bucketer.core.errors import SettingsError
from bucketer.core.events import Event, batch_of, visitor_json
from bucketer.core.user import User
from bucketer.doors.sqs import make_handler
from bucketer.settings import read_settings
from bucketer.sinks.delivery import LATER, NEVER, SENT, Delivery, Verdict
from bucketer.sinks.sqs import (
    MAX_MESSAGE_BYTES,
    HandOver,
    Queue,
    QueueAddress,
    from_message,
    to_message,
)
from bucketer.wiring import LAMBDA, SERVER, build_outbox

AWS = {
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


@pytest.fixture(scope="module")
def moto():
    with moto_server() as url:
        yield url


@pytest.fixture
def queue(moto, request):
    queue = MotoQueue(moto, f"events-{abs(hash(request.node.name))}", "eu-west-1")
    yield queue
    queue.close()


@pytest.fixture
def collector():
    with Collector() as collector:
        yield collector


@pytest.fixture
def outbox_for(collector):
    opened = []

    def open_(queue_setting, mode, **more):
        environ = {
            **AWS,
            "BUCKETER_EVENTS": queue_setting,
            "BUCKETER_EVENTS_ENDPOINT": collector.url,
            **more,
        }
        opened.append(build_outbox(read_settings(environ), environ, mode=mode))
        return opened[-1]

    yield open_
    for outbox in opened:
        outbox.close()


@pytest.fixture
def delivery(collector):
    delivery = Delivery(collector.url)
    yield delivery
    delivery.close()


def test_in_lambda_the_queue_has_the_events_before_the_answer(queue, collector, outbox_for):
    outbox = outbox_for(queue.setting, LAMBDA)

    outbox.add(some_events(3))

    [record] = queue.records()
    _, visitors = from_message(record["body"])
    assert [visitor_json(event) for event in some_events(3)] == visitors
    assert collector.requests == 0


def test_when_the_queue_cannot_be_told_the_events_are_sent_after_the_answer(collector, outbox_for):
    outbox = outbox_for("sqs://http://127.0.0.1:9/1/q", LAMBDA)

    outbox.add(some_events(3))
    outbox.after_response(2.0)

    assert collector.uuids() == ["000000", "000001", "000002"]


def test_on_a_server_the_outbox_delivers_to_the_queue(queue, collector, tmp_path, outbox_for):
    outbox = outbox_for(
        queue.setting, SERVER, BUCKETER_STATE_DIR=str(tmp_path), BUCKETER_EVENTS_INTERVAL="0.02"
    )

    outbox.add(some_events(3))
    until = time.monotonic() + 20  # closing waits for no queue, and this one may be slow
    while outbox.counters.sent < 3 and time.monotonic() < until:
        time.sleep(0.02)
    outbox.close()

    [record] = queue.records()
    assert len(from_message(record["body"])[1]) == 3
    assert outbox.counters.sent == 3


def test_from_end_to_end_what_arrives_is_what_was_sent(queue, collector, outbox_for, delivery):
    outbox = outbox_for(queue.setting, LAMBDA)
    outbox.add(some_events(3))
    outbox.add(some_events(2, a_ruleset("8"), first=3))
    deliver = make_handler(delivery, 500)

    answer = deliver({"Records": queue.records()}, None)

    assert answer == {"batchItemFailures": []}
    assert sorted(collector.uuids()) == [f"{n:06}" for n in range(5)]
    assert {p["revision"]: len(p["visitors"]) for p in collector.payloads} == {"7": 3, "8": 2}


def a_record(name, events):
    body = to_message(batch_of(events[0]), [visitor_json(event) for event in events])
    return {"messageId": name, "body": body}


def failures(answer):
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_messages_of_one_batch_travel_together(collector, delivery):
    records = [a_record(f"m{n}", some_events(2, first=2 * n)) for n in range(5)]

    make_handler(delivery, 500)({"Records": records}, None)

    assert [10] == [len(payload["visitors"]) for payload in collector.payloads]


def test_a_collector_that_is_down_fails_all_messages_after_one_attempt(collector, delivery):
    collector.mood = 503
    records = [a_record("m0", some_events(2)), a_record("m1", some_events(1, a_ruleset("8")))]

    answer = make_handler(delivery, 500)({"Records": records}, None)

    assert failures(answer) == ["m0", "m1"]
    assert collector.requests == 1


def test_a_refused_visitor_fails_its_message_only(collector, caplog, delivery):
    collector.judge = lambda payload: (
        400 if any(v["visitor_id"] == "user-3" for v in payload["visitors"]) else 200
    )
    records = [a_record(f"m{n}", some_events(2, first=2 * n)) for n in range(4)]

    with caplog.at_level(logging.ERROR):
        answer = make_handler(delivery, 500)({"Records": records}, None)

    assert failures(answer) == ["m1"]
    assert len(collector.uuids()) == 7
    assert '"visitor_id": "user-3"' in caplog.text


def test_messages_delivered_before_the_collector_asked_for_time_do_not_come_again(
    collector, delivery
):
    # m0 to m3 in one payload: refused, the first half taken, the second put off.
    collector.script = [400, 204, 429]
    records = [a_record(f"m{n}", some_events(2, first=2 * n)) for n in range(4)]

    answer = make_handler(delivery, 500)({"Records": records}, None)

    assert failures(answer) == ["m2", "m3"]
    assert collector.uuids() == [f"{n:06}" for n in range(4)]


def come_back(record, times=2):
    return {**record, "attributes": {"ApproximateReceiveCount": str(times)}}


def disliking(*users, mood=500):
    return lambda payload: (
        mood if any(v["visitor_id"] in users for v in payload["visitors"]) else 204
    )


@pytest.mark.parametrize("mood", [500, "close", 302])
def test_a_message_that_never_gets_through_takes_no_others_along_into_the_dead_letter_queue(
    collector, caplog, delivery, mood
):
    collector.judge = disliking("user-3", mood=mood)
    records = [a_record(f"m{n}", some_events(2, first=2 * n)) for n in range(4)]

    first = make_handler(delivery, 500)({"Records": records}, None)
    assert failures(first) == ["m0", "m1", "m2", "m3"]
    again = make_handler(delivery, 500)({"Records": [come_back(each) for each in records]}, None)

    assert failures(again) == ["m1"]
    assert {"000000", "000001", "000004", "000005", "000006", "000007"} <= set(collector.uuids())


def test_of_a_message_that_comes_back_the_others_are_delivered_and_the_guilty_one_is_named(
    collector, caplog, delivery
):
    collector.judge = disliking("user-3")
    records = [a_record("m0", some_events(6)), a_record("m1", some_events(1, first=6))]

    for _ in range(20):
        answer = make_handler(delivery, 500)({"Records": [come_back(r) for r in records]}, None)
        if len(set(collector.uuids())) == 6:
            break

    assert failures(answer) == ["m0"]
    assert {f"{n:06}" for n in range(7) if n != 3} == set(collector.uuids())
    assert '"visitor_id": "user-3"' in caplog.text


def test_messages_that_come_back_to_a_collector_that_is_down_are_a_few_attempts(
    collector, delivery
):
    collector.mood = 503
    records = [come_back(a_record(f"m{n}", some_events(1, first=n)), 4) for n in range(10)]

    answer = make_handler(delivery, 500)({"Records": records}, None)

    assert len(failures(answer)) == 10
    assert collector.requests == 5


@pytest.mark.parametrize("attributes", [None, {}, {"ApproximateReceiveCount": "x"}, 7])
def test_a_record_that_does_not_say_how_often_it_was_shown_is_new(collector, delivery, attributes):
    records = [
        {**a_record(f"m{n}", some_events(1, first=n)), "attributes": attributes} for n in (1, 2)
    ]

    make_handler(delivery, 500)({"Records": records}, None)

    assert len(collector.payloads) == 1


def test_a_message_delivered_in_part_comes_again(collector, delivery):
    collector.script = [400, 204, 429]

    answer = make_handler(delivery, 500)({"Records": [a_record("m0", some_events(2))]}, None)

    assert failures(answer) == ["m0"]


def a_body(**changes):
    whole = {"bucketer": 1, "region": "US", "head": '{"visitors": [', "visitors": [{}]}
    return json.dumps({**whole, **changes})


def test_the_smallest_message_of_ours_is_read():
    assert from_message(a_body()) == (("US", '{"visitors": ['), ["{}"])


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        "null",
        "1",
        '{"bucketer": 2}',
        '{"bucketer": 1}',
        a_body(bucketer=True),
        a_body(region="MOON"),
        a_body(region=[]),
        a_body(head=7),
        a_body(head=None),
        a_body(head="x"),
        a_body(head="{"),
        a_body(head='{"é": 1, "visitors": ['),
        a_body(visitors=[]),
        a_body(visitors="ab"),
        a_body(visitors={"a": 1}),
        a_body(visitors=[{}, 1]),
        a_body().replace("[{}]", '[{"x": NaN}]'),
    ],
)
def test_a_message_that_is_not_ours_fails_alone_and_is_logged(collector, caplog, body, delivery):
    records = [{"messageId": "odd", "body": body}, a_record("m1", some_events(1))]

    answer = make_handler(delivery, 500)({"Records": records}, None)

    assert failures(answer) == ["odd"]
    assert "message odd" in caplog.text
    assert len(collector.uuids()) == 1


def test_what_nobody_foresaw_fails_its_messages_and_no_others(collector, caplog):
    class Odd(Delivery):
        def send(self, batch, visitors, timeout_s):
            if '"revision": "8"' in batch.head:
                raise KeyError("MOON")
            return super().send(batch, visitors, timeout_s)

    odd = Odd(collector.url)
    records = [a_record("m0", some_events(1, a_ruleset("8"))), a_record("m1", some_events(1))]

    answer = make_handler(odd, 500)({"Records": records}, None)

    assert failures(answer) == ["m0"]
    assert len(collector.uuids()) == 1
    odd.close()


def test_dividing_what_is_refused_takes_no_longer_than_the_invocation_may(collector, delivery):
    class Context:
        def get_remaining_time_in_millis(self):
            return 1_400  # a second of it is kept free

    collector.mood, collector.delay_s = 400, 0.05
    records = [a_record(f"m{n}", some_events(10, first=10 * n)) for n in range(10)]
    started = time.monotonic()

    answer = make_handler(delivery, 500)({"Records": records}, Context())

    assert time.monotonic() - started < 3  # all of it would take ten
    assert failures(answer) == [f"m{n}" for n in range(10)]


def test_when_time_runs_out_the_rest_is_left_to_the_queue(collector, delivery):
    class Context:
        def get_remaining_time_in_millis(self):
            return 1_100  # a second of it is kept free

    answer = make_handler(delivery, 1)({"Records": [a_record("m0", some_events(1))]}, Context())

    assert failures(answer) == ["m0"]
    assert collector.requests == 0


def conversions(count, note="", first=0):
    ruleset = a_ruleset()
    users = [User(f"user-{n}") for n in range(first, first + count)]
    return [
        Event(track(ruleset, "purchase", user, {"note": note}), user, ruleset, 1, user.id)
        for user in users
    ]


def test_messages_stay_within_the_limit_of_the_queue(queue, outbox_for):
    events = conversions(600, "x" * 1_000)
    outbox = outbox_for(queue.setting, LAMBDA)

    outbox.add(events)

    bodies = [record["body"] for record in queue.records()]
    assert 1 < len(bodies) < 8
    assert max(map(len, bodies)) <= MAX_MESSAGE_BYTES
    found = sorted(each for body in bodies for each in from_message(body)[1])
    assert sorted(visitor_json(event) for event in events) == found
    assert not outbox.waits()


@pytest.mark.parametrize(("over", "sent"), [(0, 1), (1, 0)])
def test_a_message_of_several_is_sent_up_to_the_limit_and_divided_above_it(over, sent):
    batch = batch_of(some_events(1)[0])
    [body] = [to_message(batch, ["{}", ""])]
    visitors = ["{}", "x" * (MAX_MESSAGE_BYTES - len(body) + over)]
    sqs = Sqs()

    verdict = sqs.asked_for(batch, visitors)

    assert (sent, SENT if sent else NEVER) == (len(sqs.bodies), verdict.kind)
    sqs.close()


class Sqs:
    """SQS as far as its refusals go: `answer` is made of the message's length."""

    def __init__(self, answer=lambda _: (200, "{}")):
        sqs = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                message = body["MessageBody"]
                status, said = answer(len(message))
                if status == 200:
                    sqs.bodies.append(message)
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said.encode())

            def log_message(self, *_):
                pass

        self.bodies = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def asked_for(self, batch, visitors):
        queue = Queue(QueueAddress(f"sqs://{self.url}/1/q", AWS), lambda *_: {})
        with contextlib.closing(queue):
            return queue.send(batch, visitors, 2.0)

    def users(self):
        return [
            json.loads(each)["visitor_id"] for body in self.bodies for each in from_message(body)[1]
        ]


TOO_LONG = (
    '{"__type":"com.amazonaws.sqs#InvalidParameterValue","message":"One or more parameters are '
    'invalid. Reason: Message must be shorter than 262144 bytes."}'
)


def shorter_than(limit):
    return lambda length: (400, TOO_LONG) if length > limit else (200, "{}")


def test_on_a_server_an_event_too_large_for_the_queue_is_refused_and_holds_up_nothing(
    tmp_path, outbox_for
):
    sqs = Sqs(shorter_than(MAX_MESSAGE_BYTES))
    more = {"BUCKETER_STATE_DIR": str(tmp_path), "BUCKETER_EVENTS_INTERVAL": "0.02"}
    outbox = outbox_for(f"sqs://{sqs.url}/1/q", SERVER, **more)

    outbox.add([*some_events(3), *conversions(1, "x" * 300_000, first=3), *some_events(3, first=4)])
    outbox.close()

    assert [f"user-{n}" for n in range(7) if n != 3] == sorted(sqs.users())
    assert (outbox.counters.sent, outbox.counters.dead) == (6, 1)
    sqs.close()


def test_a_queue_that_takes_less_is_sent_smaller_messages(outbox_for):
    sqs = Sqs(shorter_than(2_000))
    outbox = outbox_for(f"sqs://{sqs.url}/1/q", LAMBDA)

    outbox.add(some_events(20))

    assert [f"user-{n}" for n in range(20)] == sqs.users()
    assert not outbox.waits()
    sqs.close()


def test_in_lambda_what_the_queue_will_never_take_is_sent_after_the_answer(collector, outbox_for):
    sqs = Sqs(shorter_than(2_000))
    outbox = outbox_for(f"sqs://{sqs.url}/1/q", LAMBDA)

    outbox.add([*some_events(2), *conversions(1, "x" * 3_000, first=2), *some_events(2, first=3)])
    outbox.after_response(2.0)

    assert sqs.users() == ["user-0", "user-1", "user-3", "user-4"]
    assert collector.uuids() == ["user-2"]
    sqs.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "com.amazonaws.sqs#RequestThrottled"),
        (400, "com.amazon.coral.service#ExpiredTokenException"),
        (400, "com.amazonaws.sqs#QueueDoesNotExist"),
        (400, "com.amazonaws.sqs#MissingParameter"),
        (403, "com.amazon.coral.service#AccessDeniedException"),
        (503, "InvalidParameterValue"),
    ],
)
def test_what_somebody_can_mend_lets_events_wait(status, kind):
    sqs = Sqs(lambda _: (status, json.dumps({"__type": kind})))

    verdict = sqs.asked_for(batch_of(some_events(1)[0]), ["{}"])

    assert (verdict.kind, verdict.status) == (LATER, status)
    assert kind in verdict.why
    sqs.close()


WITHOUT_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/x",
}


def test_without_credentials_the_events_are_sent_after_the_answer(collector, outbox_for, caplog):
    outbox = outbox_for("sqs://http://127.0.0.1:9/1/q", LAMBDA, **WITHOUT_CREDENTIALS)

    outbox.add(some_events(3))
    outbox.after_response(2.0)

    assert collector.uuids() == ["000000", "000001", "000002"]
    assert "can't be asked: 127.0.0.1: Connection refused" in caplog.text


def test_an_endpoint_for_credentials_that_hangs_keeps_a_caller_no_longer_than_the_queue(
    collector, outbox_for
):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        environ = {**WITHOUT_CREDENTIALS, "AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint}
        outbox = outbox_for("sqs://http://127.0.0.1:9/1/q", LAMBDA, **environ)
        started = time.monotonic()

        outbox.add(some_events(1))

        assert time.monotonic() - started < 4
    assert outbox.waits()


def test_without_credentials_or_collector_the_events_are_logged_whole_at_the_end(
    collector, outbox_for, capfd
):
    collector.mood = 503
    outbox = outbox_for("sqs://http://127.0.0.1:9/1/q", LAMBDA, **WITHOUT_CREDENTIALS)
    outbox.add(some_events(10))

    outbox.close()

    assert capfd.readouterr().err.count("outbox: undelivered (") == 10


def test_a_dead_queue_keeps_a_caller_no_longer_than_a_second_however_much_there_is(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("bucketer.sinks.sqs.monotonic", clock)

    class Dead:
        def send(self, batch, visitors, timeout_s):
            if len(visitors) > 1:
                return Verdict(NEVER, 413, "more than a message can hold", None)
            clock.now += min(0.1, timeout_s)
            return Verdict(LATER, 0, "timed out", None) if timeout_s < 0.1 else SENT_ONE

    kept = Kept()
    started = clock.now

    HandOver(Dead(), kept, timeout_s=0.35).write(batch_of(some_events(1)[0]), list("abcdefgh"))

    assert clock.now - started == pytest.approx(0.35)
    assert kept.visitors == list("defgh")


SENT_ONE = Verdict(SENT, 200, "", None)


class Kept:
    def write(self, _batch, visitors):
        self.visitors = visitors


@pytest.mark.parametrize(
    ("setting", "url", "region"),
    [
        ("sqs://sqs.us-east-2.amazonaws.com/1/q", "https://sqs.us-east-2.amazonaws.com/1/q", "us-east-2"),
        ("sqs://https://sqs.us-east-2.amazonaws.com/1/q", "https://sqs.us-east-2.amazonaws.com/1/q", "us-east-2"),
        ("sqs://arn:aws:sqs:eu-north-1:1:q", "https://sqs.eu-north-1.amazonaws.com/1/q", "eu-north-1"),
        ("sqs://arn:aws-cn:sqs:cn-north-1:1:q", "https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1"),
        ("sqs://http://127.0.0.1:5/1/q", "http://127.0.0.1:5/1/q", "eu-west-1"),
    ],
)  # fmt: skip
def test_a_queue_is_named_by_url_or_arn(setting, url, region):
    address = QueueAddress(setting, AWS)

    assert (address.url, address.region) == (url, region)


@pytest.mark.parametrize(
    "setting", ["sqs://arn:aws:sns:eu-north-1:1:q", "sqs://host", "sqs://arn:aws:sqs"]
)
def test_what_names_no_queue_is_refused_at_the_start(setting):
    with pytest.raises(SettingsError, match="BUCKETER_EVENTS"):
        QueueAddress(setting, AWS)


def test_a_queue_without_a_region_is_refused_at_the_start():
    with pytest.raises(SettingsError, match="AWS_REGION"):
        QueueAddress("sqs://http://127.0.0.1:5/1/q", {})


def test_a_large_message_body_is_json():
    message = to_message(batch_of(some_events(1)[0]), [visitor_json(some_events(1)[0])])

    assert json.loads(message)["region"] == "US"
