"""What is answered beside the loop: each kind of waiting has its own threads and its own room."""

import threading

import pytest
from tests.fakes.waiting import wait_until

from bucketer.api.http import (
    DatafileAnnounced,
    EnvironmentNeeded,
    KeysNeeded,
    ProfileNeeded,
    Reply,
    Request,
    Response,
    RevisionNeeded,
)
from bucketer.api.needs import OverrideGiven, OverridesNeeded, ProfileGiven, SegmentsNeeded
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.integration import Integration
from bucketer.runtime.apart import LARGE_BYTES, Apart, TooMuchAtOnce

NEEDS = {
    "predictions": PredictionNeeded("rule", "ben", ()),
    "segments": SegmentsNeeded(Integration("https://odp.example", "key", ("gold",)), "ben"),
    "profiles": ProfileNeeded("ben"),
    "environments": EnvironmentNeeded("key"),
    "revisions": RevisionNeeded("7"),
    "keys": KeysNeeded("keys", bool),
    "others": DatafileAnnounced(b"{}"),
}


class Hanging:
    """A runtime that provides some kinds of needs at once, and others when it is told to."""

    def __init__(self, *hang):
        self.hang = hang
        self.go_on = threading.Event()
        self.steps = []
        self.profile = None

    def answering(self, request, deadline):
        return HangingAnswering(self, request)

    def finish(self, request, reply):
        self.note("finish")
        return reply.response

    def note(self, what):
        self.steps.append((what, threading.current_thread().name.rpartition("_")[0]))


class HangingAnswering:
    """Needs what the path lists, one after the other."""

    def __init__(self, runtime, request):
        self.runtime = runtime
        self.needs = [NEEDS[each] for each in request.path.split("/") if each]

    def provide(self, needed):
        self.runtime.note("provide")
        if needed in map(NEEDS.get, self.runtime.hang):
            assert self.runtime.go_on.wait(10)
        if needed in self.needs:
            self.needs.remove(needed)

    def reply(self):
        if self.needs:
            raise self.needs[0]
        self.runtime.note("decide")
        return Reply(Response(200, (), b"done"), profile=self.runtime.profile)


@pytest.fixture
def apart_of():
    made = []

    def make(runtime, room_bytes=8_000_000, threads=1):
        made.append((runtime, Apart(runtime, room_bytes, threads=threads, wait_s=1.0)))
        return made[-1][1]

    yield make
    for runtime, apart in made:
        runtime.go_on.set()
        apart.close()


def needing(*kinds, body=b""):
    return Request("POST", "/" + "/".join(kinds), body=body)


def ask(apart, *kinds, body=b"", client=None):
    return apart.serve(needing(*kinds, body=body), NEEDS[kinds[0]], client)


@pytest.mark.parametrize("quick", NEEDS)
@pytest.mark.parametrize("hanging", NEEDS)
def test_what_waits_for_one_thing_holds_up_nobody_who_waits_for_another(apart_of, hanging, quick):
    runtime = Hanging(hanging)
    apart = apart_of(runtime)
    slow = [ask(apart, hanging) for _ in range(30)]
    other = ask(apart, quick)

    if quick == hanging:
        with pytest.raises(TimeoutError):
            other.result(0.05)
    else:
        assert b"done" == other.result(60).body
    assert not any(each.done() for each in slow)
    runtime.go_on.set()
    assert {200} == {each.result(60).status for each in slow}


@pytest.mark.parametrize(
    "needed",
    [
        OverridesNeeded("here", "ben"),
        OverrideGiven("here", "ben", "experiment", "variation"),
        ProfileGiven("ben", {}),
    ],
)
def test_what_is_in_the_profiles_file_waits_where_profiles_do(apart_of, needed):
    runtime = Hanging()
    apart_of(runtime).serve(needing(), needed, None).result(60)

    assert ("provide", "bucketer-profiles") in runtime.steps


def test_a_request_that_needs_two_things_waits_for_each_where_others_do(apart_of):
    runtime = Hanging("predictions")
    apart = apart_of(runtime)
    both = ask(apart, "profiles", "predictions")

    assert b"done" == ask(apart, "profiles").result(60).body
    assert not both.done()


@pytest.mark.parametrize("kinds", [("profiles",), ("environments",), ("profiles", "predictions")])
def test_a_large_body_is_decided_on_one_thread_whatever_it_waited_for(apart_of, kinds):
    runtime = Hanging()
    runtime.profile = ("ben", {})
    apart = apart_of(runtime, threads=4)
    body = b"x" * (LARGE_BYTES + 1)
    for future in [ask(apart, *kinds, body=body) for _ in range(5)]:
        future.result(60)

    assert {"bucketer-large"} == {where for what, where in runtime.steps if what == "decide"}
    told = {where for what, where in runtime.steps if what == "provide"}
    assert {f"bucketer-{kind}" for kind in kinds} == told
    # A store may be slow, too.
    assert {"bucketer-profiles"} == {where for what, where in runtime.steps if what == "finish"}


@pytest.mark.parametrize("hanging", NEEDS)
def test_of_each_kind_so_many_bytes_may_wait_and_the_others_have_their_own(apart_of, hanging):
    runtime = Hanging(hanging)
    apart = apart_of(runtime, room_bytes=9 * 100_000)
    body = b"x" * 40_000
    waiting = [ask(apart, hanging, body=body) for _ in range(3)]
    wait_until(lambda: runtime.steps)

    with pytest.raises(TooMuchAtOnce):
        ask(apart, hanging, body=body).result(60)
    for kind in NEEDS:
        if kind != hanging:
            assert b"done" == ask(apart, kind, body=body).result(60).body
    runtime.go_on.set()
    assert {200} == {each.result(60).status for each in waiting}
    wait_until(lambda: not any(apart._kept.values()))
    assert b"done" == ask(apart, hanging, body=body).result(60).body


def test_what_fails_in_a_thread_is_the_result_and_leaves_no_room_taken(apart_of):
    class Broken(Hanging):
        def finish(self, request, reply):
            raise ValueError("on purpose")

    apart = apart_of(Broken())

    with pytest.raises(ValueError, match="on purpose"):
        ask(apart, "profiles").result(60)
    wait_until(lambda: not any(apart._kept.values()))


@pytest.mark.parametrize("body", [b"", b"x" * (LARGE_BYTES + 1)], ids=["small", "large"])
def test_who_asks_a_thousand_times_holds_up_each_of_the_others_by_one(apart_of, body):
    runtime = Hanging("profiles")
    apart = apart_of(runtime, room_bytes=1_000_000_000)
    answered = []

    def note(client):
        return lambda _future: answered.append(client)

    for client, count in (("greedy", 1_000), ("one", 2), ("other", 1)):
        for _ in range(count):
            ask(apart, "profiles", body=body, client=client).add_done_callback(note(client))
    in_line = apart._lines["profiles"]._by_client.values()
    wait_until(lambda: sum(map(len, in_line)) == 1_002)  # one hangs, and all others are behind it
    runtime.go_on.set()
    wait_until(lambda: len(answered) == 1_003)

    assert {"one", "other"} <= set(answered[:6])
    assert 8 > answered.index("one") + answered[answered.index("one") + 1 :].index("one")
    assert not any(line._by_client for line in apart._lines.values())


@pytest.mark.parametrize("hanging", NEEDS)
def test_who_still_waits_at_the_end_is_refused_and_the_end_waits_for_what_has_begun(hanging):
    """Each of a thousand in line would have had its ten seconds first."""
    runtime = Hanging(hanging)
    apart = Apart(runtime, 1_000_000_000, threads=2, wait_s=1.0)
    asked = [ask(apart, hanging, client=number % 7) for number in range(50)]
    wait_until(lambda: len(runtime.steps) == 2)
    closing = threading.Thread(target=apart.close)
    closing.start()
    refused = asked[2:]
    for future in refused:
        with pytest.raises(TooMuchAtOnce):
            future.result(60)
    is_waiting = closing.is_alive()
    runtime.go_on.set()
    closing.join(60)

    assert is_waiting
    assert [200, 200] == [future.result(0).status for future in asked[:2]]
    assert 2 == [what for what, _ in runtime.steps].count("provide")
