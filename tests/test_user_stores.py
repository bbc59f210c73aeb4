"""What is kept of users, from a request to where it is kept and back: as wiring puts it together."""

import json

import pytest
from tests.fakes.environments import environments_file
from tests.fakes.odp import Odp, with_odp
from tests.fakes.runtimes import a_runtime
from tests.fakes.waiting import wait_until

from bucketer.api.http import Request
from bucketer.wiring import COMMAND, LAMBDA, SERVER, build

EXPERIMENT, VARIATION = "checkout_flow_experiment", "two_step_checkout"


@pytest.fixture
def odp():
    with Odp("gold") as listening:
        yield listening


@pytest.fixture
def started(tmp_path, odp):
    """Make runtimes over one datafile and one state directory; all are closed in the end."""
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(with_odp(sdkKey="abc")))
    made = []

    def start(mode=SERVER, **settings):
        environ = {
            "BUCKETER_PROFILES_API": "on",
            "BUCKETER_DATAFILE": str(path),
            "BUCKETER_STATE_DIR": str(tmp_path / "state"),
            "BUCKETER_ODP_HOST": odp.url,
            "BUCKETER_EVENTS_ENDPOINT": "http://127.0.0.1:1/none",
            "BUCKETER_EVENTS_INTERVAL": "0.05",
            "BUCKETER_ODP_TIMEOUT": "5",
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9",
            **{f"BUCKETER_{name.upper()}": value for name, value in settings.items()},
        }
        made.append(build(environ=environ, mode=mode))
        return made[-1]

    yield start
    for each in made:
        each.close()


def asked(runtime, path, body=None, *, query="", method="POST", key="abc"):
    headers = {"x-optimizely-sdk-key": key, "content-type": "application/json"}
    raw = b"" if body is None else json.dumps(body).encode()
    response = runtime.serve(Request(method, path, query, headers, raw, "192.0.2.1", "r"))
    return response.status, json.loads(response.body) if response.body else None


def decided(runtime, user_id="ben"):
    _, answer = asked(runtime, "/v1/decide", {"userId": user_id}, query="keys=checkout_flow")
    return answer["variationKey"]


def override(runtime, user_id="ben", variation=VARIATION):
    body = {"userId": user_id, "experimentKey": EXPERIMENT, "variationKey": variation}
    return asked(runtime, "/v1/override", body)


def test_segments_are_fetched_once_and_then_remembered(started, odp):
    runtime = started()
    for _ in range(3):
        status, answer = asked(runtime, "/bucketer", query="f=vip&u=ben&segments=1", method="GET")
        assert (200, "on") == (status, answer["variation"])
    status, answer = asked(
        runtime, "/v1/decide", {"userId": "ben", "fetchSegments": True}, query="keys=vip"
    )

    assert (200, "on", 1) == (status, answer["variationKey"], len(odp.questions))
    _, health = asked(runtime, "/health", method="GET")
    assert (1, 3) == (health["segments"]["asked"], health["segments"]["cached"])


def test_what_odp_does_is_the_answers_fate(started, odp):
    runtime = started(odp_timeout="0.2")
    for mood in (500, "hang", "drip", "huge", "unknown", b"{"):
        odp.script = [mood]
        query = "f=vip&u=ben&segments=1"
        assert 503 == asked(runtime, "/bucketer", query=query, method="GET")[0]
    odp.script = []

    body = {"userId": "ben", "fetchSegments": True}
    assert 200 == asked(runtime, "/v1/decide", body)[0]


@pytest.mark.parametrize("mode", [SERVER, LAMBDA])
def test_an_event_for_odp_is_delivered(started, odp, mode):
    runtime = started(mode)
    status, answer = asked(
        runtime, "/v1/send-odp-event", {"action": "bought", "identifiers": {"email": "a@b.c"}}
    )
    assert (200, {"success": True}) == (status, answer)

    if mode == LAMBDA:
        assert runtime.has_work()
        runtime.after_response(5.0)
    wait_until(odp.sent)

    [event] = odp.sent()
    assert ("bought", 36) == (event["action"], len(event["data"]["idempotence_id"]))


def test_impressions_do_not_wait_for_odp(started, odp, tmp_path):
    odp.mood = 503
    runtime = started()
    asked(runtime, "/v1/send-odp-event", {"action": "a", "identifiers": {"b": "c"}})
    wait_until(lambda: odp.events)

    assert 0 == runtime.outbox.counters.retried
    lanes = [each.name for each in (tmp_path / "state").iterdir()]
    assert {"outbox", "outbox-odp"} <= set(lanes)


def test_what_waited_for_odp_is_delivered_by_the_next_process(started, odp):
    odp.mood = 503
    first = started()
    asked(first, "/v1/send-odp-event", {"action": "a", "identifiers": {"b": "c"}})
    first.close()
    odp.mood = "answer"
    before = len(odp.events)

    started()

    wait_until(lambda: len(odp.events) > before)
    assert "a" == odp.events[-1].json[0]["action"]


def test_events_that_are_off_are_not_said_to_be_taken(started, odp):
    runtime = started(events="off")

    status, answer = asked(
        runtime, "/v1/send-odp-event", {"action": "a", "identifiers": {"b": "c"}}
    )

    assert (500, {"error": "ODP is not enabled"}) == (status, answer)


@pytest.mark.parametrize("profiles", ["off", "memory", "sqlite"])
def test_an_override_counts_until_it_is_forgotten(started, profiles):
    runtime = started(overrides="on", profiles=profiles)
    before = decided(runtime)
    assert None is override(runtime)[1]["messages"]

    assert VARIATION == decided(runtime) != before
    assert ["updating previous override"] == override(runtime)[1]["messages"]
    assert (200, {"result": True}) == asked(runtime, "/v1/reset")
    assert before == decided(runtime)
    assert ["no pre-existing override"] == override(runtime, variation="")[1]["messages"]


def test_workers_share_them_where_profiles_are_in_a_file(started):
    one = started(overrides="on", profiles="sqlite")
    other = started(overrides="on", profiles="sqlite")
    override(one)

    assert VARIATION == decided(other)


def test_without_such_a_file_another_worker_knows_nothing_of_them(started):
    one, other = started(overrides="on"), started(overrides="on")
    override(one)

    assert VARIATION != decided(other)


def test_a_file_that_can_not_be_used_is_told_to_who_gives_and_costs_no_decision(started, tmp_path):
    (tmp_path / "no-database").write_text("x" * 4_096)
    runtime = started(overrides="on", profiles=f"sqlite:{tmp_path}/no-database")

    assert 500 == override(runtime)[0]
    assert 500 == asked(runtime, "/v1/save", {"userId": "ben"})[0]
    assert 500 == asked(runtime, "/v1/reset")[0]
    assert 200 == asked(runtime, "/v1/decide", {"userId": "ben"})[0]


@pytest.mark.parametrize("profiles", ["memory", "sqlite"])
def test_a_profile_is_saved_whole_looked_up_and_used(started, profiles):
    runtime = started(profiles=profiles)
    stored = {"10000000301": {"variation_id": "10000000602"}}
    body = {"userId": "ben", "experimentBucketMap": stored}
    assert (200, None) == asked(runtime, "/v1/save", body)

    assert stored == asked(runtime, "/v1/lookup", {"userId": "ben"})[1]["experimentBucketMap"]
    assert VARIATION == decided(runtime)
    other = {"1": {"variation_id": "2"}}
    asked(runtime, "/v1/save", {"userId": "ben", "experimentBucketMap": other})
    assert other == asked(runtime, "/v1/lookup", {"userId": "ben"})[1]["experimentBucketMap"]
    asked(runtime, "/v1/save", {"userId": "ben"})
    assert {} == asked(runtime, "/v1/lookup", {"userId": "ben"})[1]["experimentBucketMap"]


def test_environments_have_overrides_of_their_own(started, tmp_path):
    datafiles = {name: with_odp(sdkKey=name, revision=name) for name in ("one", "two")}
    config = environments_file(tmp_path, datafiles, sdk_key="{name}")
    runtime = started(config=str(config), overrides="on")
    body = {"userId": "ben", "experimentKey": EXPERIMENT, "variationKey": VARIATION}
    asked(runtime, "/v1/override", body, key="one")

    def answer(key):
        asking = {"userId": "ben"}
        return asked(runtime, "/v1/decide", asking, query="keys=checkout_flow", key=key)[1]

    assert VARIATION == answer("one")["variationKey"]
    assert VARIATION != answer("two")["variationKey"]
    asked(runtime, "/v1/reset", key="two")
    assert VARIATION == answer("one")["variationKey"]


def test_a_command_makes_none_of_it(started, tmp_path):
    started(COMMAND)

    assert not (tmp_path / "state").exists()


class Waiting:
    """An outbox that takes its time, by a clock of its own, and notes how much it was given."""

    def __init__(self, takes_s=0.0):
        self.takes_s, self.now = takes_s, 1_000.0
        self.given = []

    def waits(self):
        return True

    def after_response(self, deadline_s):
        self.given.append(round(deadline_s, 6))
        self.now += self.takes_s

    def close(self):
        """Nothing is open."""


@pytest.mark.parametrize(("takes_s", "left"), [(0.0, [3.0]), (2.0, [1.0]), (3.0, []), (4.0, [])])
def test_odp_gets_the_time_that_impressions_leave(takes_s, left):
    outbox, odp_events = Waiting(takes_s), Waiting()
    runtime = a_runtime(outbox=outbox, odp_events=odp_events, monotonic=lambda: outbox.now)
    runtime.after_response(3.0)

    assert ([3.0], left) == (outbox.given, odp_events.given)
