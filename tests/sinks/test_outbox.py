"""What the shell hands its events to, whatever sink it has."""

import io
import json
import os
import subprocess
import sys
import time
import tracemalloc

import pytest
from tests.fakes.collector import Collector
from tests.fakes.visitors import a_ruleset, an_impression, some_events
from tests.fakes.waiting import wait_until

from bucketer.core.conversions import track
from bucketer.core.errors import SettingsError
from bucketer.core.events import Event, visitor_json
from bucketer.core.user import User
from bucketer.demo import ACCOUNT_ID, PROJECT_ID
from bucketer.settings import read_settings
from bucketer.sinks.counters import Counters
from bucketer.sinks.dedup import Deduplication
from bucketer.sinks.lazy_outbox import LazyOutbox
from bucketer.sinks.outbox import Outbox, OutboxFull
from bucketer.sinks.stdout import Lines
from bucketer.wiring import COMMAND, LAMBDA, SERVER, build_outbox, check


class Kept:
    """A sink that keeps everything, or refuses with *error*."""

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


def an_outbox(sink, *options, **named):
    return Outbox(sink, Counters(), *options, **named)


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
    assert f"8 now, 10 since the start ({told})" in caplog.records[1].getMessage()


def test_health_tells_why_events_are_refused_until_some_are_taken():
    sink = Kept(OutboxFull("no room"))
    outbox = an_outbox(sink)
    assert "refusing" not in outbox.health()

    outbox.add(some_events(2))
    assert outbox.health()["refusing"] == "no room"

    sink.error = None
    outbox.add(some_events(1))
    assert "refusing" not in outbox.health()
    assert outbox.health()["refused"] == 2
    outbox.close()


def test_what_nobody_foresaw_costs_neither_the_answer_nor_the_count(caplog):
    outbox = an_outbox(Kept(KeyError("MOON")))

    outbox.add(some_events(2))

    assert (outbox.counters.refused, outbox.counters.accepted) == (2, 0)
    assert "2 now, 2 since the start (KeyError)" in caplog.text


def test_deadlines_and_the_end_are_passed_on():
    sink = Kept()
    outbox = an_outbox(sink)

    outbox.after_response(0.7)
    outbox.close()

    assert (sink.deadline_s, sink.closed) == (0.7, True)


def demonstration():
    return a_ruleset(account_id=ACCOUNT_ID, project_id=PROJECT_ID)


def test_events_of_the_demonstration_are_never_sent(caplog):
    sink = Kept()
    outbox = an_outbox(sink)

    outbox.add(some_events(3, demonstration()))
    outbox.add(some_events(1))
    outbox.add(some_events(1, demonstration()))

    assert len(sink.visitors) == 1
    assert outbox.counters.accepted == 1
    assert "the demonstration datafile is in use" in caplog.text


def test_the_demonstration_is_told_of_once_though_environments_take_turns(caplog):
    outbox = an_outbox(Lines(io.StringIO()))
    one, other = demonstration(), a_ruleset()

    for _ in range(5):
        outbox.add(some_events(1, one))
        outbox.add(some_events(1, other))

    assert caplog.text.count("the demonstration datafile is in use") == 1
    assert outbox.counters.accepted == 5


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
    sink = Kept()
    outbox = an_outbox(sink, Deduplication(10.0))

    outbox.add([at(0), at(9_999), at(10_000), at(10_001)])

    assert len(sink.visitors) == 2
    assert outbox.counters.repeated == 2


def test_only_the_same_user_experiment_variation_and_revision_is_a_repeat():
    ruleset = a_ruleset()
    goal = track(ruleset, "purchase", User("u"))
    sink = Kept()
    outbox = an_outbox(sink, Deduplication(10.0))

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

    assert len(sink.visitors) == 7


def test_what_is_remembered_is_bounded_and_the_oldest_are_forgotten_first():
    repeats = Deduplication(1_000.0, max_remembered=10)

    for n in range(30):
        assert not repeats.is_repeat(at(n, user=f"u{n}"))

    assert repeats.is_repeat(at(31, user="u29"))
    assert not repeats.is_repeat(at(31, user="u0"))
    assert len(repeats._seen) == 10


def test_an_event_that_cannot_be_spelt_out_costs_no_other(caplog):
    sink = Kept()
    outbox = an_outbox(sink)
    first, broken, last = some_events(3)
    broken.user = None
    outbox.add([first, broken, last])

    assert 2 == len(sink.visitors)
    assert (2, 1) == (outbox.counters.accepted, outbox.counters.refused)
    assert "an event met something unforeseen" in caplog.text


@pytest.fixture
def build(tmp_path):
    opened = []

    def build_(mode, **environ):
        environ = {"BUCKETER_STATE_DIR": str(tmp_path), **environ}
        outbox = build_outbox(read_settings(environ), environ, mode=mode)
        if outbox is not None:
            opened.append(outbox)
        return outbox

    yield build_
    for outbox in opened:
        outbox.close()


@pytest.mark.parametrize(
    ("mode", "events", "sink"),
    [
        (SERVER, "auto", "Durable"),
        (SERVER, "outbox", "Durable"),
        (SERVER, "stdout", "Lines"),
    ],
)
def test_each_mode_has_its_sink(build, mode, events, sink):
    assert type(build(mode, BUCKETER_EVENTS=events)._sink).__name__ == sink


@pytest.mark.parametrize("events", ["auto", "flush"])
def test_lambda_opens_its_home_when_there_is_time(build, events):
    lazy = build(LAMBDA, BUCKETER_EVENTS=events)

    assert isinstance(lazy, LazyOutbox)
    assert type(lazy._up_to_date()._sink).__name__ == "Buffer"


@pytest.mark.parametrize(("mode", "events"), [(COMMAND, "auto"), (SERVER, "off"), (LAMBDA, "off")])
def test_events_can_be_off_and_commands_send_none(build, mode, events):
    assert build(mode, BUCKETER_EVENTS=events) is None


@pytest.mark.parametrize(
    ("mode", "events", "allowed"),
    [
        (SERVER, "flush", "auto, outbox, stdout, off, sqs://…"),
        (LAMBDA, "outbox", "auto, flush, stdout, off, sqs://…"),
    ],
)
def test_a_home_that_a_place_does_not_have_is_told_at_the_start_with_all_that_it_has(
    build, mode, events, allowed
):
    with pytest.raises(SettingsError) as caught:
        build(mode, BUCKETER_EVENTS=events)

    [problem] = caught.value.problems
    assert problem.startswith(f"BUCKETER_EVENTS: found '{events}', but ")
    assert problem.endswith(f"allowed here: {allowed}")


@pytest.mark.parametrize("mode", [SERVER, LAMBDA, COMMAND])
def test_a_check_finds_what_a_mode_does_not_have_and_begins_nothing(mode, tmp_path):
    environ = {"BUCKETER_STATE_DIR": str(tmp_path / "state"), "AWS_REGION": "x"}
    sound = {SERVER: "outbox", LAMBDA: "flush", COMMAND: "stdout"}[mode]
    check(read_settings(environ | {"BUCKETER_EVENTS": sound}), environ, mode=mode)
    check(read_settings(environ | {"BUCKETER_EVENTS": "sqs://h:81/1/q"}), environ, mode=mode)
    for queue in ("sqs://h", "sqs://h:abc/1/q", "sqs://ftp://h/1/q", "sqs://u@h/1/q"):
        with pytest.raises(SettingsError, match=r"^BUCKETER_EVENTS: .*allowed: sqs://QUEUE-URL"):
            check(read_settings(environ | {"BUCKETER_EVENTS": queue}), environ, mode=mode)

    assert [] == list((tmp_path / "state").glob("*"))


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


def test_a_burst_of_refusals_is_summed_up_though_nothing_comes_after_it(caplog):
    outbox = an_outbox(Kept(OutboxFull("no room")), log_every_s=0.1)

    for _ in range(5):
        outbox.add(some_events(2))

    wait_until(lambda: len(caplog.records) == 2)
    assert "8 now, 10 since the start (no room)" in caplog.records[1].getMessage()
    outbox.close()
    assert len(caplog.records) == 2


def test_an_impression_that_could_not_be_kept_makes_its_like_no_repeat():
    sink = Kept(OutboxFull("no room"))
    outbox = an_outbox(sink, Deduplication(10.0))
    outbox.add([at(0), at(1, user="v")])
    sink.error = None

    outbox.add([at(2), at(3, user="v"), at(4)])

    assert len(sink.visitors) == 2
    assert (1, 2) == (outbox.counters.repeated, outbox.counters.refused)


def test_a_clock_that_is_set_back_suppresses_nothing():
    repeats = Deduplication(10.0)

    found = [repeats.is_repeat(at(ms)) for ms in (3_600_000, 0, 5_000, 1_800_000, 1_809_999)]

    assert [False, False, True, False, True] == found


def test_a_long_user_id_takes_no_more_memory_than_a_short_one():
    repeats = Deduplication(1_000.0)
    tracemalloc.start()

    for n in range(1_000):
        repeats.is_repeat(at(n, user=f"{n}" + "u" * 7_000))

    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 500_000


WRITER = """
import sys
from bucketer.core.envelope import Batch
from bucketer.sinks.stdout import Lines
lines = Lines()
sys.stdin.readline()
visitors = [f'{{"visitor_id": "{sys.argv[1]}-{n}", "tag": "{"x" * 5_000}"}}' for n in range(40)]
for _ in range(100):
    lines.write(Batch("US", '{"visitors": ['), visitors)
"""


def test_lines_of_two_processes_on_one_pipe_never_mix():
    reading, writing = os.pipe()
    command = [sys.executable, "-c", WRITER]
    processes = [
        subprocess.Popen([*command, name], stdout=writing, stdin=subprocess.PIPE) for name in "ab"
    ]
    os.close(writing)
    time.sleep(0.5)  # until both are ready
    for process in processes:
        process.stdin.close()

    with os.fdopen(reading, "rb") as pipe:
        found = [json.loads(line)["visitors"][0]["visitor_id"] for line in pipe]

    assert [0, 0] == [process.wait(10) for process in processes]
    assert sorted(f"{name}-{n}" for name in "ab" for n in range(40) for _ in range(100)) == sorted(
        found
    )


class Counted(dict):
    """Attributes that count how often all of them were gone through."""

    rounds = 0

    def items(self):
        self.rounds += 1
        return super().items()


def test_what_events_of_one_answer_say_of_their_user_is_put_into_words_twice_at_most():
    """Once for the first, as most are alone, and once for all the others."""
    sink, facts = Kept(), Counted(tier="gold")
    user, other_user = User("u", facts), User("v", {"tier": "tin"})
    one, other = a_ruleset(), a_ruleset(attribute_ids={"tier": "8"})
    impression = an_impression()
    events = [Event(impression, user, one, 0, f"{number:08}") for number in range(50)]
    events += [
        Event(impression, user, other, 0, "other"),
        Event(impression, other_user, one, 0, "v"),
    ]

    an_outbox(sink).add(events)

    assert facts.rounds == 3
    assert sink.visitors == [visitor_json(event) for event in events]
