"""Workers that tell each other what they have counted, by files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bucketer.metrics.workers import NoPlace, Place

SENT, CONNECTIONS = "bucketer_events_sent_total", "bucketer_connections"


class Worker:
    """One that counts."""

    def __init__(self, directory, sent=0, connections=1):
        self.sent, self.connections = sent, connections
        self.place = Place(directory, self.collect)

    def collect(self):
        return {SENT: {("events",): self.sent}, CONNECTIONS: {(): self.connections}}

    def total(self):
        return self.place.all()[SENT]["events",]


def test_whoever_is_asked_tells_of_all(tmp_path):
    one, other = Worker(tmp_path, 3), Worker(tmp_path, 4)

    assert (7, 7) == (one.total(), other.total())


def test_ones_own_are_told_up_to_now_and_the_others_up_to_their_last_beat(tmp_path):
    one, other = Worker(tmp_path), Worker(tmp_path)
    one.sent = other.sent = 5

    assert 5 == one.total()
    other.place.publish()
    assert 10 == one.total()


def test_of_a_worker_that_is_gone_the_counters_stay_and_the_rest_goes(tmp_path):
    one, other = Worker(tmp_path, 3, connections=2), Worker(tmp_path, 4, connections=5)
    assert 7 == one.place.all()[CONNECTIONS][()]

    other.place.close()

    assert (7, 2) == (one.total(), one.place.all()[CONNECTIONS][()])


def test_whoever_takes_its_place_counts_on(tmp_path):
    one, other = Worker(tmp_path, 3), Worker(tmp_path, 4)
    other.place.close()

    third = Worker(tmp_path, 10)

    assert (17, 17) == (one.total(), third.total())
    assert 2 == len(list(tmp_path.glob("*.json")))


def test_what_was_told_once_is_never_told_less(tmp_path):
    one, other = Worker(tmp_path), Worker(tmp_path)
    one.sent = 8
    told = one.total()

    assert told <= other.total()


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["count", "beat", "ask", "die"])), max_size=40
    )
)
def test_totals_only_go_up_and_come_to_the_sum_whatever_workers_do(tmp_path_factory, steps):
    directory = tmp_path_factory.mktemp("places")
    workers = {}
    counted, told = 0, 0
    for number, what in steps:
        if number not in workers:
            workers[number] = Worker(directory)
        worker = workers[number]
        if what == "count":
            worker.sent += 1
            counted += 1
        elif what == "beat":
            worker.place.publish()
        elif what == "ask":
            found = worker.total()
            assert told <= found <= counted
            told = found
        else:
            workers.pop(number).place.close()
    for worker in workers.values():
        worker.place.publish()

    last = Worker(directory)
    assert counted == last.total()
    for worker in [*workers.values(), last]:
        worker.place.close()


@pytest.mark.parametrize("broken", [b"", b"{", b"[[1,2,3]]", b'[["a",[],"b"]]', b"\xff"])
def test_what_another_wrote_and_nobody_can_read_costs_its_part(tmp_path, broken, caplog):
    one, other = Worker(tmp_path, 3), Worker(tmp_path, 4)
    (tmp_path / "1.json").write_bytes(broken)

    assert 3 == one.total()
    assert "can't be read" in caplog.text
    other.place.close()


def test_a_directory_that_is_not_there_is_no_place(tmp_path):
    with pytest.raises(NoPlace):
        Worker(tmp_path / "gone")


def test_a_directory_that_goes_away_costs_the_others_and_is_told_once(tmp_path, caplog):
    directory = tmp_path / "places"
    directory.mkdir()
    one = Worker(directory, 3)
    for each in directory.iterdir():
        each.unlink()
    directory.rmdir()
    one.sent = 4

    assert (4, 4) == (one.total(), one.total())
    assert 1 == caplog.text.count("can't be written")
