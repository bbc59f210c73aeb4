"""What the shell hands its events to, whatever home it has."""

import io
import json

import pytest
from tests.fakes.collector import Collector
from tests.fakes.visitors import a_ruleset, an_impression, some_events

from bucketer.core.errors import SettingsError
from bucketer.core.events import Event, track
from bucketer.core.user import User
from bucketer.demo import ACCOUNT_ID, PROJECT_ID
from bucketer.settings import read_settings
from bucketer.sinks.counters import Counters
from bucketer.sinks.dedup import Deduplication
from bucketer.sinks.outbox import Outbox, OutboxFull
from bucketer.sinks.stdout import Lines
from bucketer.wiring import COMMAND, LAMBDA, SERVER, build_outbox, check


class Kept:
    """A home that keeps everything, or refuses with *error*."""

    def __init__(self, error=None):
        self.visitors = []
        self.error = error
        self.closed = False

    def write(self, batch, visitors):
        if self.error:
            raise self.error
        self.visitors += visitors

    def waits(self):
        return True

    def after_response(self, deadline_s):
        self.deadline_s = deadline_s

    def close(self):
        self.closed = True


def an_outbox(home, *options, **named):
    return Outbox(home, Counters(), *options, **named)


@pytest.mark.parametrize(
    ("error", "told"),
    [(OutboxFull("no room"), "no room"), (OSError(5, "Input/output error"), "Input/output error")],
)
def test_what_the_home_refuses_is_counted_and_told_once_in_a_while(error, told, caplog):
    outbox = an_outbox(Kept(error))

    for _ in range(5):
        outbox.add(some_events(2))

    assert outbox.counters.refused == 10
    assert outbox.counters.accepted == 0
    assert len(caplog.records) == 1
    assert told in caplog.text
    outbox.close()
    assert "8 events could not be kept" in caplog.records[1].getMessage()


def test_what_nobody_foresaw_costs_neither_the_answer_nor_the_count(caplog):
    outbox = an_outbox(Kept(KeyError("MOON")))

    outbox.add(some_events(2))

    assert (outbox.counters.refused, outbox.counters.accepted) == (2, 0)
    assert "2 events could not be kept (KeyError)" in caplog.text


def test_deadlines_and_the_end_are_passed_on():
    home = Kept()
    outbox = an_outbox(home)

    outbox.after_response(0.7)
    outbox.close()

    assert (home.deadline_s, home.closed) == (0.7, True)


def demonstration():
    return a_ruleset(account_id=ACCOUNT_ID, project_id=PROJECT_ID)


def test_events_of_the_demonstration_are_never_sent(caplog):
    home = Kept()
    outbox = an_outbox(home)

    outbox.add(some_events(3, demonstration()))
    outbox.add(some_events(1))
    outbox.add(some_events(1, demonstration()))

    assert len(home.visitors) == 1
    assert outbox.counters.accepted == 1
    assert "the demonstration datafile is in use" in caplog.text


def test_standard_output_shows_events_of_the_demonstration_too():
    out = io.StringIO()
    outbox = an_outbox(Lines(out), with_demonstration=True)

    outbox.add(some_events(2, demonstration()))

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["visitors"][0]["visitor_id"] for line in lines] == ["user-0", "user-1"]
    assert lines[0]["region"] == "US"
    assert lines[0]["account_id"] == ACCOUNT_ID


def at(ms, user="u", ruleset=None, what=None):
    return Event(what or an_impression(), User(user), ruleset or a_ruleset(), ms, "x")


def test_a_repeat_within_the_window_is_left_out_and_counted():
    home = Kept()
    outbox = an_outbox(home, Deduplication(10.0))

    outbox.add([at(0), at(9_999), at(10_000), at(10_001)])

    assert len(home.visitors) == 2
    assert outbox.counters.repeated == 2


def test_only_the_same_user_experiment_variation_and_revision_is_a_repeat():
    ruleset = a_ruleset()
    goal = track(ruleset, "purchase", User("u"))
    home = Kept()
    outbox = an_outbox(home, Deduplication(10.0))

    outbox.add(
        [
            at(0),
            at(0, user="v"),
            at(0, ruleset=a_ruleset("8")),
            at(0, what=an_impression(experiment_id="23")),
            at(0, what=an_impression(variation_id="34")),
            at(0, what=goal),
            at(0, what=goal),
        ]
    )

    assert len(home.visitors) == 7


def test_what_is_remembered_is_bounded_and_the_oldest_are_forgotten_first():
    repeats = Deduplication(1_000.0, max_remembered=10)

    for n in range(30):
        assert not repeats.is_repeat(at(n, user=f"u{n}"))

    assert repeats.is_repeat(at(31, user="u29"))
    assert not repeats.is_repeat(at(31, user="u0"))
    assert len(repeats._seen) == 10


@pytest.fixture
def build(tmp_path):
    opened = []

    def build_(place, **environ):
        environ = {"BUCKETER_STATE_DIR": str(tmp_path), **environ}
        outbox = build_outbox(read_settings(environ), environ, place=place)
        if outbox is not None:
            opened.append(outbox)
        return outbox

    yield build_
    for outbox in opened:
        outbox.close()


@pytest.mark.parametrize(
    ("place", "events", "home"),
    [
        (SERVER, "auto", "Durable"),
        (LAMBDA, "auto", "Buffer"),
        (LAMBDA, "flush", "Buffer"),
        (SERVER, "outbox", "Durable"),
        (SERVER, "stdout", "Lines"),
    ],
)
def test_each_place_has_its_home(build, place, events, home):
    assert type(build(place, BUCKETER_EVENTS=events)._home).__name__ == home


@pytest.mark.parametrize(("place", "events"), [(COMMAND, "auto"), (SERVER, "off"), (LAMBDA, "off")])
def test_events_can_be_off_and_commands_send_none(build, place, events):
    assert build(place, BUCKETER_EVENTS=events) is None


@pytest.mark.parametrize(
    ("place", "events", "allowed"),
    [
        (SERVER, "flush", "auto, outbox, stdout, off, sqs://…"),
        (LAMBDA, "outbox", "auto, flush, stdout, off, sqs://…"),
    ],
)
def test_a_home_that_a_place_does_not_have_is_told_at_the_start_with_all_that_it_has(
    build, place, events, allowed
):
    with pytest.raises(SettingsError) as caught:
        build(place, BUCKETER_EVENTS=events)

    [problem] = caught.value.problems
    assert problem.startswith(f"BUCKETER_EVENTS: found '{events}', but ")
    assert problem.endswith(f"allowed here: {allowed}")


@pytest.mark.parametrize("place", [SERVER, LAMBDA, COMMAND])
def test_a_check_finds_what_a_place_does_not_have_and_begins_nothing(place, tmp_path):
    environ = {"BUCKETER_STATE_DIR": str(tmp_path / "state"), "AWS_REGION": "x"}
    sound = {SERVER: "outbox", LAMBDA: "flush", COMMAND: "stdout"}[place]
    check(read_settings(environ | {"BUCKETER_EVENTS": sound}), environ, place=place)
    check(read_settings(environ | {"BUCKETER_EVENTS": "sqs://h:81/1/q"}), environ, place=place)
    for queue in ("sqs://h", "sqs://h:abc/1/q", "sqs://ftp://h/1/q", "sqs://u@h/1/q"):
        with pytest.raises(SettingsError, match=r"^BUCKETER_EVENTS: .*allowed: sqs://QUEUE-URL"):
            check(read_settings(environ | {"BUCKETER_EVENTS": queue}), environ, place=place)

    assert not (tmp_path / "state").exists()


def test_a_queue_that_is_none_is_told_at_the_start(build):
    with pytest.raises(SettingsError, match="BUCKETER_EVENTS"):
        build(LAMBDA, BUCKETER_EVENTS="sqs://arn:aws:sns:x:1:t", AWS_REGION="x")


def test_settings_reach_the_outbox(build):
    with Collector() as collector:
        outbox = build(
            SERVER,
            BUCKETER_EVENTS_ENDPOINT=collector.url,
            BUCKETER_EVENTS_BATCH="2",
            BUCKETER_EVENTS_INTERVAL="0.02",
            BUCKETER_EVENTS_FSYNC="answer",
            BUCKETER_EVENTS_DEDUP="60",
        )
        outbox.add([*some_events(5), *some_events(5)])

        collector.wait_for(5)
        assert [len(payload["visitors"]) for payload in collector.payloads] == [2, 2, 1]
        assert outbox.counters.repeated == 5
        outbox.close()
