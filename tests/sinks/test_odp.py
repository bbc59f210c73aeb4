"""Events for ODP, from the outbox to a server on loopback."""

import json
from pathlib import Path

import pytest
from tests.fakes.odp import KEY, Odp, with_odp
from tests.fakes.waiting import wait_until

from bucketer.core.compile import compile_datafile
from bucketer.core.odp import odp_event
from bucketer.core.parse import parse_datafile
from bucketer.demo import PATH
from bucketer.sinks.buffer import Buffer
from bucketer.sinks.counters import Counters, timestamp_of
from bucketer.sinks.delivery import LATER, NEVER, SENT, Delivery
from bucketer.sinks.durable import Durable
from bucketer.sinks.odp import OdpOutbox
from bucketer.sinks.pace import Pace
from bucketer.sinks.sqs import from_message, to_message


@pytest.fixture
def odp():
    with Odp() as listening:
        yield listening


@pytest.fixture
def ruleset():
    return compile_datafile(parse_datafile(json.dumps(with_odp())))


def an_event(ruleset, number=1, **data):
    uuid = f"uuid-{number}"
    return odp_event(ruleset, "", f"action-{number}", {"fs_user_id": "ben"}, data, 5_000, uuid)


def test_a_batch_is_one_post_with_the_accounts_key(odp, ruleset):
    delivery = Delivery(odp_host=odp.url)
    events = [an_event(ruleset, 1), an_event(ruleset, 2)]

    verdict = delivery.send(events[0].batch, [each.text for each in events], 5.0)

    assert SENT == verdict.kind
    [asked] = odp.events
    assert "/v3/events" == asked.path
    assert KEY == asked.headers["x-api-key"]
    assert ["action-1", "action-2"] == [each["action"] for each in asked.json]
    delivery.close()


def test_the_endpoint_of_impressions_gets_none_of_them(odp, ruleset):
    delivery = Delivery("http://127.0.0.1:1/v1/events", odp_host=odp.url)

    assert SENT == delivery.send(an_event(ruleset).batch, [an_event(ruleset).text], 5.0).kind
    delivery.close()


@pytest.mark.parametrize(("mood", "kind"), [(500, LATER), (429, LATER), (400, NEVER), (403, NEVER)])
def test_what_odp_answers_is_judged_as_of_any_collector(odp, ruleset, mood, kind):
    odp.mood = mood
    delivery = Delivery(odp_host=odp.url)

    assert kind == delivery.send(an_event(ruleset).batch, [an_event(ruleset).text], 5.0).kind
    delivery.close()


@pytest.mark.parametrize("host", ["http://169.254.169.254", "ftp://x", "nothing"])
def test_a_host_that_is_not_asked_is_told_of_and_holds_up_nobody(host):
    ruleset = compile_datafile(parse_datafile(json.dumps(with_odp(host))))
    event = an_event(ruleset)

    verdict = Delivery().send(event.batch, [event.text], 5.0)

    assert (NEVER, True) == (verdict.kind, "no https:// URL" in verdict.why)


def test_events_go_through_the_disk_to_odp(odp, ruleset, tmp_path):
    counters = Counters()
    delivery = Delivery(odp_host=odp.url)
    sink = Durable(
        tmp_path / "outbox-odp",
        delivery,
        counters,
        limit_bytes=10_000_000,
        pace=Pace(max_events=10, interval_s=0.05, timeout_s=5.0),
    )
    outbox = OdpOutbox(sink, counters)
    odp.script = [503]

    outbox.add([an_event(ruleset, number, snapshots="x") for number in range(3)])

    wait_until(lambda: counters.sent == 3)
    outbox.close()
    assert {"action-0", "action-1", "action-2"} == {each["action"] for each in odp.sent()}
    assert (3, 3, 0) == (counters.accepted, counters.sent, counters.dead)


def test_what_a_dead_process_left_goes_to_odp(odp, ruleset, tmp_path):
    directory = tmp_path / "outbox-odp"
    unreachable = Durable(
        directory,
        Delivery(odp_host="http://127.0.0.1:1"),
        Counters(),
        limit_bytes=10_000_000,
        pace=Pace(max_events=10, interval_s=0.05, timeout_s=0.2),
        closing_s=0.1,
    )
    OdpOutbox(unreachable, Counters()).add([an_event(ruleset)])
    unreachable.close()
    assert not odp.events

    heir = Durable(
        directory,
        Delivery(odp_host=odp.url),
        Counters(),
        limit_bytes=10_000_000,
        pace=Pace(max_events=10, interval_s=0.05, timeout_s=5.0),
    )
    wait_until(lambda: odp.events)
    heir.close()

    assert ["action-1"] == [each["action"] for each in odp.sent()]


def test_they_go_through_memory_where_there_is_no_disk(odp, ruleset):
    counters = Counters()
    outbox = OdpOutbox(Buffer(counters, Delivery(odp_host=odp.url)), counters)
    outbox.add([an_event(ruleset)])
    assert outbox.waits()

    outbox.after_response(5.0)
    outbox.close()

    assert 1 == len(odp.sent())


def test_they_go_through_a_queue_unchanged(ruleset):
    event = an_event(ruleset, text='"timestamp": 5')
    batch, [text] = from_message(to_message(event.batch, [event.text]))

    assert (event.batch, json.loads(event.text)) == (batch, json.loads(text))


def test_of_the_demonstration_nothing_is_sent(odp):
    datafile = json.loads(Path(PATH).read_text())
    datafile["integrations"] = with_odp()["integrations"]
    ruleset = compile_datafile(parse_datafile(json.dumps(datafile)))
    counters = Counters()
    outbox = OdpOutbox(Buffer(counters, Delivery(odp_host=odp.url)), counters)

    outbox.add([an_event(ruleset)])

    assert not outbox.waits()
    outbox.close()


def test_nobody_takes_what_a_sender_says_for_the_time_of_an_event(ruleset):
    event = an_event(ruleset, timestamp=5)

    assert '"timestamp": 5' in event.text
    assert timestamp_of(event.text) is None
