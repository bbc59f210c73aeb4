"""The durable outbox against a real collector on loopback."""

import itertools
import json
import threading
import time

import pytest
from tests.fakes.collector import Collector
from tests.fakes.visitors import a_ruleset, some_events
from tests.fakes.waiting import wait_until

from bucketer.sinks.dead_letters import DeadLetters


def test_events_arrive_in_order_in_batches_of_at_most_the_limit(open_outbox, collector):
    outbox = open_outbox(max_events=10)

    outbox.add(some_events(25))

    collector.wait_for(25)
    assert [f"{n:06}" for n in range(25)] == collector.uuids()
    assert max(len(payload["visitors"]) for payload in collector.payloads) == 10
    wait_until(lambda: outbox.counters.sent == 25)  # counted when the answer has been read
    assert outbox.counters.accepted == 25


def test_what_differs_in_revision_account_region_or_anonymize_never_shares_a_payload(
    open_outbox, collector
):
    rulesets = [a_ruleset(), a_ruleset("8"), a_ruleset(anonymize_ip=True), a_ruleset(account_id="3"),
                a_ruleset(project_id="4"), a_ruleset(region="EU")]  # fmt: skip
    outbox = open_outbox()

    outbox.add([event for n, r in enumerate(rulesets) for event in some_events(2, r, 2 * n)])

    collector.wait_for(12)
    assert [2] * 6 == [len(payload["visitors"]) for payload in collector.payloads]
    heads = [{k: v for k, v in p.items() if k != "visitors"} for p in collector.payloads]
    assert [h["revision"] for h in heads] == ["7", "8", "7", "7", "7", "7"]
    assert [h["anonymize_ip"] for h in heads] == [False, False, True, False, False, False]
    assert [h["account_id"] for h in heads] == ["1", "1", "1", "3", "1", "1"]


@pytest.mark.parametrize(
    "mood", [500, 503, 408, 429, "hang", "close", "midway", "garbage", (429, {"Retry-After": "0"})]
)
def test_what_fails_for_now_is_sent_again_and_nothing_overtakes_it(open_outbox, collector, mood):
    collector.script = [mood, mood]
    outbox = open_outbox(max_events=5)

    outbox.add(some_events(12))

    collector.wait_for(12)
    assert [f"{n:06}" for n in range(12)] == collector.uuids()
    wait_until(lambda: outbox.counters.sent == 12)
    assert outbox.counters.retried == 10
    assert outbox.counters.dead == 0


def test_a_collector_that_is_down_gets_everything_once_it_is_up(open_outbox, collector):
    port = collector.port
    collector.close()
    outbox = open_outbox()
    outbox.add(some_events(50))
    wait_until(lambda: outbox.counters.retried > 0)

    with Collector(port) as back:
        back.wait_for(50)

        # The collector knows before the outbox has read its answer.
        wait_until(lambda: outbox.health()["sent"] == 50)
        assert [f"{n:06}" for n in range(50)] == back.uuids()


def test_retry_after_is_honoured(open_outbox, collector):
    collector.script = [(429, {"Retry-After": "1"})]
    outbox = open_outbox()

    outbox.add(some_events(1))

    collector.wait_for(1)
    assert collector.times[1] - collector.times[0] >= 1.0


def test_a_refused_visitor_is_found_and_costs_the_others_nothing(open_outbox, collector, tmp_path):
    collector.judge = lambda payload: (
        400 if any(v["visitor_id"] == "user-13" for v in payload["visitors"]) else 200
    )
    outbox = open_outbox()

    outbox.add(some_events(40))

    collector.wait_for(39)
    wait_until(lambda: (outbox.counters.dead, outbox.counters.sent) == (1, 39))
    letters = list(DeadLetters(tmp_path / "outbox/dead", "x", 1 << 20))
    assert ["user-13"] == [json.loads(letter.visitor)["visitor_id"] for letter in letters]
    assert [400] == [letter.status for letter in letters]


@pytest.mark.parametrize(
    "guilty",
    [range(16), range(484, 500), range(0, 500, 32), range(100, 116), range(500), range(499)],
    ids=["first", "last", "spread", "together", "all", "all but one"],
)
def test_of_five_hundred_exactly_those_at_fault_are_refused(
    open_outbox, collector, tmp_path, caplog, guilty
):
    bad = {f"user-{n}" for n in guilty}
    collector.judge = lambda payload: (
        400 if any(v["visitor_id"] in bad for v in payload["visitors"]) else 204
    )
    outbox = open_outbox()

    outbox.add(some_events(500))

    wait_until(lambda: outbox.counters.sent + outbox.counters.dead == 500)
    assert [f"{n:06}" for n in range(500) if n not in guilty] == collector.uuids()
    letters = DeadLetters(tmp_path / "outbox/dead", "x", 1 << 20)
    assert bad == {json.loads(letter.visitor)["visitor_id"] for letter in letters}
    assert collector.requests <= 2 * 500
    # A line for each flush that came upon some: one, or a few where the machine is slow.
    assert 1 <= caplog.text.count("can't be delivered") <= 20


@pytest.mark.parametrize("guilty", [0, 33, 39])
def test_a_rate_limit_while_a_batch_is_halved_repeats_nothing_and_comes_to_an_end(
    open_outbox, collector, guilty
):
    """One request passes, the next is asked to wait: less than halving from the start needs."""

    def judge(payload):
        if collector.requests % 2 == 0:
            return (429, {"Retry-After": "0.01"})
        return 400 if f"user-{guilty}" in {v["visitor_id"] for v in payload["visitors"]} else 204

    collector.judge = judge
    outbox = open_outbox(max_events=40)

    outbox.add(some_events(40))

    collector.wait_for(39)
    assert [f"{n:06}" for n in range(40) if n != guilty] == collector.uuids()
    wait_until(lambda: outbox.counters.sent + outbox.counters.dead == 40)
    assert (outbox.counters.sent, outbox.counters.dead) == (39, 1)
    assert collector.requests < 60


def test_a_forbidden_batch_goes_to_the_dead_letters_whole(open_outbox, collector, tmp_path):
    collector.script = [403]
    outbox = open_outbox()

    outbox.add(some_events(3))

    wait_until(lambda: outbox.counters.dead == 3)
    assert [403] * 3 == [x.status for x in DeadLetters(tmp_path / "outbox/dead", "x", 1 << 20)]
    assert collector.requests == 1


def test_the_next_process_delivers_what_this_one_could_not(
    nobody_is_suspected, open_outbox, collector, tmp_path
):
    collector.mood = 503
    first = open_outbox(closing_s=0.1)
    first.add(some_events(30))
    first.close()
    collector.mood = 200

    second = open_outbox()
    second.add(some_events(5, first=30))

    collector.wait_for(35)
    assert [f"{n:06}" for n in range(35)] == collector.uuids()
    second.close()
    assert [] == list((tmp_path / "outbox/lanes").iterdir())


def test_the_next_process_does_not_repeat_what_this_one_delivered(
    nobody_is_suspected, open_outbox, collector
):
    collector.script = [200]
    collector.mood = 503
    first = open_outbox(closing_s=0.05, max_events=5)
    first.add(some_events(12))
    wait_until(lambda: first.counters.retried)
    first.close()
    collector.mood = 200

    open_outbox()

    collector.wait_for(12)
    assert [f"{n:06}" for n in range(12)] == collector.uuids()


def test_two_processes_share_a_directory_and_neither_takes_the_others_lane(open_outbox, collector):
    one, other = open_outbox(), open_outbox()

    one.add(some_events(10))
    other.add(some_events(10, first=10))

    collector.wait_for(20)
    time.sleep(0.1)
    assert len(collector.uuids()) == 20
    assert one.counters.sent == other.counters.sent == 10


def test_when_full_events_are_refused_counted_and_logged_and_the_rest_arrives(
    nobody_is_suspected, open_outbox, collector, caplog
):
    collector.mood = 503
    outbox = open_outbox(limit_bytes=20_000)

    for n in range(100):
        outbox.add(some_events(1, first=n))

    accepted, refused = outbox.counters.accepted, outbox.counters.refused
    assert accepted + refused == 100
    assert 10 < accepted < 90
    assert "the limit of 20000 bytes is reached" in caplog.text
    collector.mood = 200
    collector.wait_for(accepted)
    assert [f"{n:06}" for n in range(accepted)] == collector.uuids()


def test_room_comes_back_when_segments_are_delivered(open_outbox, collector):
    outbox = open_outbox(limit_bytes=40_000, max_events=10)

    for n in range(300):
        outbox.add(some_events(1, first=n))
        time.sleep(0.001)
        if n % 20 == 0:
            collector.wait_for(n)

    collector.wait_for(300)
    assert outbox.counters.refused == 0


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        pytest.param(lambda data: data[:-40], 1, id="torn at the end"),
        pytest.param(lambda data: b"\0" * len(data), 20, id="zeroes"),
        pytest.param(lambda data: data.replace(b"user-7", b"us\xff\0r-7"), 1, id="a bad line"),
        pytest.param(lambda data: data.replace(b'"user-7"}', b'"user-7}}'), 1, id="bad JSON"),
        pytest.param(lambda data: b"x" + data, 20, id="a bad header"),
        pytest.param(lambda data: b"", 20, id="nothing left"),
    ],
)
def test_a_damaged_file_costs_the_damaged_lines_and_is_told(
    open_outbox, collector, tmp_path, caplog, damage, lost
):
    collector.mood = 503
    first = open_outbox(closing_s=0.05)
    first.add(some_events(20))
    first.close()
    [segment] = (tmp_path / "outbox/lanes").glob("*/*.jsonl")
    segment.write_bytes(damage(segment.read_bytes()))
    (segment.parent / "sent").write_bytes(b"\xff\xff")
    collector.mood = 200

    second = open_outbox()
    second.add(some_events(5, first=20))

    collector.wait_for(25 - lost)
    time.sleep(0.1)
    assert len(collector.uuids()) == 25 - lost
    if segment.name and damage(b"x"):
        assert "are no event; set aside" in caplog.text
        assert list((tmp_path / "outbox/damaged").iterdir())


def test_a_directory_that_cannot_be_made_refuses_events_and_says_so(open_outbox, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")

    outbox = open_outbox(home=tmp_path / "file/outbox")
    outbox.add(some_events(3))

    assert outbox.counters.refused == 3
    assert "can't be used: Not a directory" in caplog.text


def test_many_threads_may_add(open_outbox, collector):
    outbox = open_outbox()

    def add(first):
        for n in range(50):
            outbox.add(some_events(1, first=first + n))

    threads = [threading.Thread(target=add, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    collector.wait_for(200)
    assert len(collector.uuids()) == 200


def test_the_end_does_not_wait_for_a_collector_that_hangs(open_outbox, collector):
    collector.mood = "hang"
    outbox = open_outbox(closing_s=0.2, timeout_s=30.0)
    outbox.add(some_events(3))
    wait_until(lambda: collector.requests == 1)
    started = time.monotonic()

    outbox.close()

    assert time.monotonic() - started < 10  # and not the thirty of its attempt
    collector.mood = 200
    open_outbox()
    collector.wait_for(3)


@pytest.mark.parametrize("asked", ["0", "0.001"])
def test_a_collector_that_asks_for_next_to_no_wait_is_backed_off_from(
    open_outbox, collector, asked
):
    collector.script = [(429, {"Retry-After": asked})] * 4
    outbox = open_outbox(first_wait_s=0.1, longest_wait_s=0.2)

    outbox.add(some_events(1))

    collector.wait_for(1)
    waits = [after - before for before, after in itertools.pairwise(collector.times)]
    assert min(waits) >= 0.05
    assert max(waits[1:]) < 0.8  # to which it would have doubled


def test_events_that_trickle_in_travel_together(open_outbox, collector):
    collector.delay_s = 0.01  # while it answers, the next ones come
    outbox = open_outbox(interval_s=0.4)
    started = time.monotonic()

    for n in range(150):
        outbox.add(some_events(1, first=n))
        time.sleep(0.005)

    took_s = time.monotonic() - started
    collector.wait_for(150)
    assert collector.requests <= 2 + (took_s + 0.4) / 0.4


def test_a_full_batch_leaves_at_once_and_the_rest_waits_for_others(open_outbox, collector):
    outbox = open_outbox(interval_s=30.0, max_events=10)
    wait_until(lambda: outbox._sink._sender._due_at)  # it has looked, and waits

    outbox.add(some_events(25))

    collector.wait_for(20)
    time.sleep(0.1)
    assert len(collector.uuids()) == 20
    outbox.close()
    collector.wait_for(25)


def test_why_the_outbox_cannot_be_opened_is_told_each_time(open_outbox, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    outbox = open_outbox(home=tmp_path / "file/outbox")

    outbox.add(some_events(1))

    assert "Not a directory" in caplog.records[-1].getMessage()
    assert "1 now, 1 since the start" in caplog.records[-1].getMessage()


def test_environments_that_take_turns_are_sent_together(open_outbox, collector, tmp_path):
    outbox = open_outbox(interval_s=0.5)
    rulesets = [a_ruleset(revision=revision) for revision in "12"]
    for number in range(100):
        outbox.add(some_events(1, rulesets[number % 2], first=number))

    collector.wait_for(100)

    assert len(list(tmp_path.glob("outbox/lanes/*/*.jsonl"))) == 1
    assert len(collector.payloads) <= 4  # two, or four if delivery began in between
    for payload in collector.payloads:
        parity = {int(each["visitor_id"][-1]) % 2 for each in payload["visitors"]}
        assert parity == {int(payload["revision"]) - 1}
