"""`bucketer events` on an outbox that a server left behind."""

import io
import json

import pytest
from tests.fakes.collector import Collector
from tests.fakes.odp import Odp, with_odp
from tests.fakes.visitors import some_events
from tests.fakes.waiting import wait_until

from bucketer.core.compile import compile_datafile
from bucketer.core.odp import odp_event
from bucketer.core.parse import parse_datafile
from bucketer.doors.cli.main import main
from bucketer.doors.cli.terminal import Terminal
from bucketer.sinks.counters import Counters
from bucketer.sinks.delivery import Delivery
from bucketer.sinks.durable import Durable
from bucketer.sinks.odp import OdpOutbox
from bucketer.sinks.outbox import Outbox
from bucketer.sinks.pace import Pace


@pytest.fixture
def collector():
    with Collector() as collector:
        yield collector


@pytest.fixture
def run(tmp_path, collector):
    def run_(*argv):
        out, err = io.StringIO(), io.StringIO()
        environ = {
            "BUCKETER_STATE_DIR": str(tmp_path),
            "BUCKETER_EVENTS_ENDPOINT": collector.url,
            "HOME": str(tmp_path),
            "COLUMNS": "10000",
        }
        status = main(["events", *argv], Terminal(out, err, environ))
        assert err.getvalue() == ""
        return status, out.getvalue()

    return run_


@pytest.fixture
def leave_behind(tmp_path, collector):
    """Run an outbox in some mood of the collector's until that has shown, then end it."""

    def leave(mood, count):
        collector.mood = mood
        counters = Counters()
        pace = Pace(interval_s=0.02, timeout_s=0.3, first_wait_s=0.02)
        durable = Durable(
            tmp_path / "outbox",
            Delivery(collector.url),
            counters,
            limit_bytes=1 << 30,
            pace=pace,
            closing_s=0.05,
        )
        outbox = Outbox(durable, counters)
        outbox.add(some_events(count))
        wait_until(lambda: counters.dead + counters.retried + counters.sent >= count)
        outbox.close()
        collector.mood = 200

    return leave


def test_status_of_nothing_is_all_zeroes_and_fine(run):
    status, text = run("status", "--json")

    found = json.loads(text)
    assert status == 0
    assert (found["waiting"], found["dead"], found["processes"]) == (0, 0, 0)


def test_status_counts_what_waits_and_what_was_refused(run, leave_behind):
    leave_behind(403, 3)
    leave_behind(503, 4)

    status, text = run("status", "--json")

    found = json.loads(text)
    assert status == 1
    assert (found["waiting"], found["dead"]) == (4, 3)
    assert found["oldest_age_s"] > 0


def test_status_for_a_person_names_the_command_that_helps(run, leave_behind):
    leave_behind(403, 3)

    _, text = run("status")

    assert "see `bucketer events list`" in text


def test_list_shows_each_refused_event_and_why(run, leave_behind):
    leave_behind(403, 2)

    _, text = run("list", "--json")
    _, table = run("list")

    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["visitor"] for row in rows] == ["user-0", "user-1"]
    assert rows[0]["status"] == 403
    assert rows[0]["event"] == "campaign_activated"
    assert rows[0]["revision"] == "7"
    assert "status 403" in table


def test_list_waiting_shows_what_a_process_left(run, leave_behind):
    leave_behind(503, 2)

    _, text = run("list", "--waiting", "--json")

    assert [json.loads(line)["visitor"] for line in text.splitlines()] == ["user-0", "user-1"]


def test_retry_delivers_what_was_refused_and_what_was_left(run, leave_behind, collector):
    leave_behind(403, 3)
    leave_behind(503, 2)
    collector.payloads.clear()

    status, text = run("retry", "--json")

    assert status == 0
    told = json.loads(text)
    [receiver] = told.pop("to")
    assert receiver.startswith("127.0.0.1:")
    assert told == {"put_back": 3, "sent": 5, "refused_again": 0, "left": False}
    assert len(collector.uuids()) == 5
    _, after = run("status", "--json")
    assert (json.loads(after)["waiting"], json.loads(after)["dead"]) == (0, 0)


def test_retry_keeps_what_is_refused_again(run, leave_behind, collector):
    leave_behind(403, 3)
    collector.mood = 403

    status, text = run("retry", "--json")

    assert status == 1
    assert json.loads(text)["refused_again"] == 3
    assert json.loads(run("status", "--json")[1])["dead"] == 3


def test_retry_says_to_whom_before_it_delivers(run, leave_behind):
    leave_behind(403, 1)

    _, text = run("retry")

    assert text.startswith("To 127.0.0.1:")


def test_retry_with_nothing_to_deliver_says_so(run, leave_behind, collector):
    leave_behind(200, 1)

    assert "To nobody: there is nothing to deliver." == run("retry")[1].splitlines()[0]


def test_retry_leaves_the_rest_when_the_collector_is_down(run, leave_behind, collector):
    leave_behind(403, 3)
    collector.mood = 503

    status, text = run("retry", "--within", "0.2")

    assert status == 1
    assert "The rest waits for a server" in text
    found = json.loads(run("status", "--json")[1])
    assert (found["waiting"], found["dead"]) == (3, 0)


def test_export_prints_payloads_that_can_be_posted(run, leave_behind):
    leave_behind(403, 2)

    _, text = run("export")

    payloads = [json.loads(line) for line in text.splitlines()]
    assert [p["visitors"][0]["visitor_id"] for p in payloads] == ["user-0", "user-1"]
    assert payloads[0]["account_id"] == "1"


def test_export_waiting_prints_what_was_left(run, leave_behind):
    leave_behind(503, 2)

    _, text = run("export", "--waiting")

    assert len(text.splitlines()) == 2


def test_status_is_bad_while_events_are_refused_for_want_of_room(run, tmp_path, collector):
    counters = Counters()
    durable = Durable(tmp_path / "outbox", Delivery(collector.url), counters, limit_bytes=500)
    outbox = Outbox(durable, counters)
    outbox.add(some_events(3))
    [lane] = (tmp_path / "outbox/lanes").iterdir()
    wait_until(lambda: '"refused": 3' in counters_of(lane))

    status, text = run("status")
    outbox.close()

    assert status == 1
    assert "3 events were not kept, and are lost." in text
    assert ["dead letters", "refused"] == [
        line.split("  ")[0] for line in text.splitlines() if "refused" in line.split("since")[0]
    ]


def counters_of(lane):
    path = lane / "counters.json"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("action", ["status", "list", "export", "retry"])
def test_a_state_directory_that_is_none_is_an_error_and_is_not_made(tmp_path, action):
    mistyped = tmp_path / "mistyped"
    out, err = io.StringIO(), io.StringIO()

    status = main(
        ["events", action, "--state-dir", str(mistyped)],
        Terminal(out, err, {"HOME": str(tmp_path)}),
    )

    assert status == 1
    assert "mistyped is no directory" in err.getvalue()
    assert not mistyped.exists()


def test_lists_go_on_after_a_line_that_cannot_be_read(run, leave_behind, tmp_path):
    leave_behind(403, 1)
    leave_behind(503, 1)
    [segment] = (tmp_path / "outbox/lanes").glob("*/*.jsonl")
    [letters] = (tmp_path / "outbox/dead").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes() + b'{"snapshots": []}\n{garbage}\n')
    letters.write_bytes(letters.read_bytes() + b"garbage\n")

    waiting = [json.loads(line) for line in run("list", "--waiting", "--json")[1].splitlines()]
    dead = [json.loads(line) for line in run("list", "--json")[1].splitlines()]

    assert ["waiting", 'can\'t be read: {"snapshots": []}', "can't be read: {garbage}"] == [
        row["why"] for row in waiting
    ]
    assert ["status 403: ok", "a line that is no letter: garbage"] == [row["why"] for row in dead]
    status, text = run("status")
    assert status == 1
    assert "1 lines of dead/ can't be read." in text
    assert "2 lines are damaged" in text


def test_export_takes_the_option_of_the_other_commands(run, leave_behind):
    leave_behind(403, 1)

    assert run("export") == run("export", "--json")


def test_events_for_odp_are_shown_and_tried_again_apart(tmp_path):
    ruleset = compile_datafile(parse_datafile(json.dumps(with_odp())))
    event = odp_event(ruleset, "", "bought", {"email": "a@b.c"}, {}, 0, "uuid-1")

    def run(*argv, status=0):
        out, err = io.StringIO(), io.StringIO()
        environ = {
            "BUCKETER_STATE_DIR": str(tmp_path),
            "BUCKETER_ODP_HOST": odp.url,
            "HOME": str(tmp_path),
            "COLUMNS": "10000",
        }
        assert status == main(["events", *argv, "--odp", "--json"], Terminal(out, err, environ))
        assert err.getvalue() == ""
        return [json.loads(line) for line in out.getvalue().splitlines()]

    with Odp() as odp:
        odp.mood = 400
        counters = Counters()
        pace = Pace(interval_s=0.02, timeout_s=5.0)
        durable = Durable(
            tmp_path / "outbox-odp",
            Delivery(odp_host=odp.url),
            counters,
            limit_bytes=1 << 30,
            pace=pace,
        )
        OdpOutbox(durable, counters).add([event])
        wait_until(lambda: counters.dead)
        durable.close()

        assert [1] == [each["dead"] for each in run("status", status=1)]
        [row] = run("list")
        assert ("bought", "uuid-1", "ODP", 400) == (
            row["event"],
            row["uuid"],
            row["region"],
            row["status"],
        )
        assert '"visitors": [{"type": "fullstack"' in json.dumps(run("export")[0])
        odp.mood = "answer"
        [told] = run("retry")

        assert ([odp.url.partition("://")[2]], 1, 1) == (told["to"], told["put_back"], told["sent"])
        assert "bought" == odp.sent()[-1]["action"]
