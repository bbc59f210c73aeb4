"""Bytes of a lane that are not what was written: told, and never delivered as something else."""

import json
import os
import shutil

import pytest

from bucketer.core.envelope import Batch
from bucketer.sinks import journal
from bucketer.sinks.cursor import Cursor, read_cursor
from bucketer.sinks.journal import Writer
from bucketer.sinks.lanes import adopt_lane, open_lane
from bucketer.sinks.quota import Quota
from bucketer.sinks.reader import Reader
from bucketer.sinks.records import lines_in, seal, seed_of, unseal

BATCHES = [Batch("US", f'{{"revision": "{n}", "visitors": [') for n in "12"]
VISITORS = [f'{{"snapshots": [], "visitor_id": "{name}"}}' for name in "abcd"]


class Found:
    """What a reader delivered of a lane, and what it told."""

    def __init__(self):
        self.delivered = []
        self.told = []

    def read(self, lane, writer=None, *, at_most=100):
        reader = Reader(lane, writer, lambda path, lines: self.told.append((path.name, lines)))
        self.drain(reader, at_most)
        reader.close()
        return self

    def drain(self, reader, at_most=100):
        while (parcel := reader.next(at_most, 1 << 20)) is not None:
            self.delivered += zip(parcel.batches, parcel.visitors, strict=True)
            reader.done(parcel)


def write_lane(lanes, name="lane", *, batches=BATCHES, delivered=0, segments=2):
    """Two visitors of each of two batches, in two segments or one; their process has ended."""
    lane = open_lane(lanes, name)
    writer = Writer(lane, Quota(lanes, 1 << 20), segment_bytes=1 << 20 if segments == 1 else 1)
    reader = Reader(lane, writer, print)
    for batch, pair in zip(batches, (VISITORS[:2], VISITORS[2:]), strict=True):
        writer.append(batch, pair)
    for _ in range(delivered):
        reader.done(reader.next(1, 1 << 20))
    writer.close()
    reader.note_end()
    reader.close()
    lane.release()
    return lane.directory


EXPECTED = list(zip([BATCHES[0], BATCHES[0], BATCHES[1], BATCHES[1]], VISITORS, strict=True))


@pytest.fixture
def lane(tmp_path):
    return write_lane(tmp_path / "lanes")


def copies_of(lane):
    """Directories like *lane*, as many as are asked for, one after the other."""
    saved = {path.name: path.read_bytes() for path in lane.iterdir()}
    while True:
        shutil.rmtree(lane, ignore_errors=True)
        lane.mkdir()
        for name, data in saved.items():
            (lane / name).write_bytes(data)
        yield lane


def read_and_remove(lane):
    found = Found().read(adopt_lane(lane))
    assert set(found.delivered) <= set(EXPECTED)
    assert len(set(found.delivered)) == len(found.delivered)
    return found


@pytest.mark.parametrize("name", ["0000000001.jsonl", "0000000002.jsonl"])
@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_whichever_byte_of_a_segment_is_flipped_no_event_arrives_changed(lane, name, flip):
    data = (lane / name).read_bytes()
    header = data.index(b"\n") + 1
    copies = copies_of(lane)

    for offset in range(len(data)):
        damaged = bytearray(data)
        damaged[offset] ^= flip
        (next(copies) / name).write_bytes(damaged)

        found = read_and_remove(lane)

        assert found.told, offset
        missing = len(EXPECTED) - len(found.delivered)
        assert missing <= 2, offset
        assert missing == 2 or offset >= header, offset


@pytest.mark.parametrize("name", ["0000000001.jsonl", "0000000002.jsonl"])
def test_wherever_a_segment_is_cut_off_it_is_told_and_the_rest_arrives(lane, name):
    data = (lane / name).read_bytes()
    copies = copies_of(lane)

    for size in range(len(data)):
        (next(copies) / name).write_bytes(data[:size])

        found = read_and_remove(lane)

        assert found.told, size
        assert all(each == name for each, _ in found.told)
        whole = max(0, data[:size].count(b"\n") - 1)
        assert len(found.delivered) == 2 + whole, size


@pytest.mark.parametrize("name", ["0000000001.jsonl", "0000000002.jsonl"])
def test_a_segment_that_is_gone_is_told(lane, name):
    size = (lane / name).stat().st_size
    (lane / name).unlink()

    found = read_and_remove(lane)

    assert len(found.delivered) == 2
    [(told, [line])] = found.told
    assert (told, json.loads(line)["lost"]) == (name, size)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
@pytest.mark.parametrize("delivered", [0, 1, 2, 3])
def test_whichever_byte_of_a_cursor_is_flipped_no_event_is_passed_over(tmp_path, flip, delivered):
    lane = write_lane(tmp_path / "lanes", delivered=delivered)
    left = EXPECTED[delivered:]
    data = (lane / "sent").read_bytes()
    copies = copies_of(lane)

    for offset in range(len(data)):
        damaged = bytearray(data)
        damaged[offset] ^= flip
        (next(copies) / "sent").write_bytes(damaged)

        assert left == read_and_remove(lane).delivered[-len(left) :], offset


def test_wherever_a_cursor_is_cut_off_no_event_is_passed_over(tmp_path):
    lane = write_lane(tmp_path / "lanes", delivered=3)
    data = (lane / "sent").read_bytes()
    copies = copies_of(lane)

    for size in range(len(data)):
        (next(copies) / "sent").write_bytes(data[:size])

        assert EXPECTED[3:] == read_and_remove(lane).delivered[-1:], size


def test_what_was_delivered_before_the_damage_is_no_loss(tmp_path):
    lane = write_lane(tmp_path / "lanes", delivered=3)
    assert not (lane / "0000000001.jsonl").exists()

    assert (EXPECTED[3:], []) == ((found := read_and_remove(lane)).delivered, found.told)


def test_a_segment_that_loses_its_end_while_it_is_written_costs_what_it_lost(tmp_path):
    for size in range(90, 260):
        lane = open_lane(tmp_path / "lanes", f"{size}")
        writer = Writer(lane, Quota(tmp_path / "lanes", 1 << 20))
        found = Found()
        reader = Reader(lane, writer, lambda path, lines, to=found: to.told.append((path, lines)))
        writer.append(BATCHES[0], VISITORS[:2])
        path = lane.directory / "0000000001.jsonl"
        data = path.read_bytes()
        with path.open("r+b") as file:
            file.truncate(min(size, len(data)))

        found.drain(reader)
        writer.append(BATCHES[0], VISITORS[2:])
        found.drain(reader)

        expected = [(BATCHES[0], visitor) for visitor in VISITORS]
        whole = min(2, max(0, data[:size].count(b"\n") - 1))
        assert expected[:whole] + expected[2:] == found.delivered, size
        assert bool(found.told) is (size < len(data)), size
        assert reader.has_read_all()
        reader.close()
        writer.close()
        lane.release()


def test_what_waited_from_before_there_were_checksums_is_delivered(tmp_path):
    lane = tmp_path / "lanes/old"
    lane.mkdir(parents=True)
    (lane / "lock").touch()
    lines = [json.dumps({"bucketer": 1, "region": "US", "head": BATCHES[0].head}), *VISITORS[:2]]
    (lane / "0000000001.jsonl").write_text("\n".join(lines) + "\n")
    first = len(lines[0]) + len(lines[1]) + 2
    (lane / "sent").write_bytes(b"%010d %020d\n" % (1, first))

    found = Found().read(adopt_lane(lane))

    assert ([(BATCHES[0], VISITORS[1])], []) == (found.delivered, found.told)


def test_a_header_does_not_make_its_lines_ones_without_checksums(tmp_path):
    """A line without a checksum is no line of a segment whose header has one."""
    lane = write_lane(tmp_path / "lanes")
    path = lane / "0000000001.jsonl"
    header, first, second = path.read_bytes().splitlines()
    bare = unseal(first.decode(), seed_of(BATCHES[0])).encode()
    path.write_bytes(b"\n".join([header, bare, second]) + b"\n")

    found = read_and_remove(lane)

    assert EXPECTED[1:] == found.delivered
    assert [bare] == found.told[0][1]


@pytest.mark.parametrize("text", ["", "x", '{"snapshots": []}', "]" * 20, "a b", " "])
def test_a_line_gives_back_what_was_put_into_it(text):
    assert text == unseal(seal(text))


def test_a_cursor_says_how_much_had_been_written(tmp_path):
    lane = write_lane(tmp_path / "lanes", delivered=1)

    cursor, doubt = read_cursor(lane)

    assert isinstance(cursor, Cursor)
    assert (doubt, cursor.sequence) == ("", 1)
    assert cursor.written == (2, (lane / "0000000002.jsonl").stat().st_size)


@pytest.mark.parametrize("flip", [0x01, 0xFF])
def test_in_a_segment_of_several_batches_no_event_is_taken_for_one_of_another(tmp_path, flip):
    lane = write_lane(tmp_path / "lanes", segments=1)
    [path] = lane.glob("*.jsonl")
    data = path.read_bytes()
    copies = copies_of(lane)

    for offset in range(len(data)):
        damaged = bytearray(data)
        damaged[offset] ^= flip
        next(copies).joinpath(path.name).write_bytes(damaged)
        shown = [each for each in lines_in(path, 0) if not isinstance(each, bytes)]

        found = read_and_remove(lane)

        assert shown == found.delivered, offset
        assert found.told, offset
        # At most the header's own two, and the one whose line has run together with it.
        assert len(EXPECTED) - len(found.delivered) <= 3, offset


@pytest.mark.parametrize("at_most", [1, 2, 3, 100])
@pytest.mark.parametrize("delivered", range(5))
def test_wherever_delivery_stopped_each_event_keeps_its_batch(tmp_path, delivered, at_most):
    lane = write_lane(tmp_path / "lanes", segments=1, delivered=delivered)
    offset = int((lane / "sent").read_bytes().split()[1])
    [path] = lane.glob("*.jsonl")
    shown = list(lines_in(path, offset))

    found = Found().read(adopt_lane(lane), at_most=at_most)

    assert EXPECTED[delivered:] == shown == found.delivered
    assert [] == found.told


@pytest.mark.parametrize("at_most", [3, 4, 5, 100])
def test_a_part_that_waits_is_read_once_whatever_joins_it(tmp_path, monkeypatch, at_most):
    lanes = tmp_path / "lanes"
    writer = Writer(open_lane(lanes, "lane"), Quota(lanes, 1 << 20))
    found, read = Found(), []
    pread = os.pread
    reader = Reader(writer.lane, writer, lambda path, lines: found.told.append((path.name, lines)))
    writer.append(BATCHES[0], VISITORS[:2])
    assert reader.next(at_most, 1 << 20).visitors == VISITORS[:2]
    monkeypatch.setattr(os, "pread", lambda *of: read.append(pread(*of)) or read[-1])
    before = writer.committed
    writer.append(BATCHES[1], VISITORS[2:])  # a header, and two more
    parcel = reader.next(at_most, 1 << 20)

    assert sum(map(len, read)) == writer.committed - before
    assert parcel.batches == [BATCHES[0], BATCHES[0], BATCHES[1], BATCHES[1]][: at_most - 1]
    assert parcel.visitors == VISITORS[: at_most - 1]
    assert parcel.is_last == (at_most >= 5)
    reader.done_with(parcel, 1)
    found.drain(reader, at_most)
    assert found.delivered == EXPECTED[1:]
    assert found.told == []
    reader.close()
    writer.close()


@pytest.mark.parametrize("spare", [-1, 0, 1])
def test_a_part_that_waits_is_joined_by_no_more_bytes_than_fit(tmp_path, spare):
    lanes = tmp_path / "lanes"
    writer = Writer(open_lane(lanes, "lane"), Quota(lanes, 1 << 20))
    reader = Reader(writer.lane, writer, print)
    writer.append(BATCHES[0], VISITORS[:1])
    size = sum(len(seal(each, seed_of(BATCHES[0]))) + 1 for each in VISITORS[:2]) + spare
    assert reader.next(100, size).visitors == VISITORS[:1]
    writer.append(BATCHES[0], VISITORS[1:])

    expected = 1 if spare < 0 else 2
    parcel = reader.next(100, size)
    assert parcel.visitors == VISITORS[:expected]
    assert not parcel.is_last
    assert reader.next(1, size).visitors == VISITORS[:1]  # less than was read is asked for
    reader.close()
    writer.close()


def test_a_damaged_line_that_joins_a_part_that_waits_is_told_when_it_is_dealt_with(tmp_path):
    lanes = tmp_path / "lanes"
    writer = Writer(open_lane(lanes, "lane"), Quota(lanes, 1 << 20))
    found = Found()
    reader = Reader(writer.lane, writer, lambda path, lines: found.told.append((path.name, lines)))
    writer.append(BATCHES[0], VISITORS[:1])
    reader.next(100, 1 << 20)
    at = writer.committed + 40
    writer.append(BATCHES[0], VISITORS[1:])
    segment = writer.lane.segments()[0]
    data = bytearray(segment.read_bytes())
    data[at] ^= 1
    segment.write_bytes(data)
    parcel = reader.next(100, 1 << 20)

    assert parcel.visitors == [VISITORS[0], *VISITORS[2:]]
    assert found.told == []
    reader.done(parcel)
    assert [len(lines) for _, lines in found.told] == [1]
    assert reader.next(100, 1 << 20) is None
    reader.close()
    writer.close()


def test_what_a_batch_gives_to_its_checksums_is_worked_out_once_as_long_as_it_stays(
    tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(journal, "seed_of", lambda batch: asked.append(batch) or seed_of(batch))
    lanes = tmp_path / "lanes"
    writer = Writer(open_lane(lanes, "lane"), Quota(lanes, 1 << 20))
    for batch in (BATCHES[0], BATCHES[0], BATCHES[1], BATCHES[1], BATCHES[0]):
        writer.append(batch, VISITORS[:1])

    assert asked == [BATCHES[0], BATCHES[1], BATCHES[0]]
    writer.close()


def test_of_what_waits_hardly_more_is_read_than_is_taken(tmp_path, monkeypatch):
    """A megabyte for each five hundred lines would be most of what reading costs."""
    lanes = tmp_path / "lanes"
    writer = Writer(open_lane(lanes, "lane"), Quota(lanes, 1 << 24))
    reader = Reader(writer.lane, writer, print)
    writer.append(BATCHES[0], VISITORS * 1_000)
    reader.done(reader.next(100, 1 << 20))
    read, taken, pread = [], [], os.pread
    monkeypatch.setattr(os, "pread", lambda *of: read.append(len(pread(*of))) or pread(*of))
    while (parcel := reader.next(100, 1 << 20)) is not None:
        taken.append(len(parcel.visitors))
        reader.done(parcel)

    assert sum(taken) == 3_900
    assert sum(read) < 1.5 * writer.committed
    assert max(taken) == 100
    reader.close()
    writer.close()


def test_lines_that_grow_and_shrink_are_all_read(tmp_path):
    lanes = tmp_path / "lanes"
    writer = Writer(open_lane(lanes, "lane"), Quota(lanes, 1 << 24))
    reader = Reader(writer.lane, writer, print)
    sizes = [1, 1, 50_000, 1, 200_000, 1, 1, 1, 3_000] * 5
    sent = [f'{{"snapshots": [], "visitor_id": "{"x" * size}{n}"}}' for n, size in enumerate(sizes)]
    writer.append(BATCHES[0], sent)
    found = []
    while (parcel := reader.next(3, 100_000)) is not None:
        assert len(parcel.visitors) <= 3
        found += parcel.visitors
        reader.done(parcel)

    assert found == sent
    reader.close()
    writer.close()
