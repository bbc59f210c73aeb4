"""The store of what was refused, on a disk that takes a part only, and after a person edited it."""

import contextlib
import json
import resource

import pytest

from bucketer.core.envelope import Batch
from bucketer.sinks.dead_letters import LOGGED_BYTES, DeadLetters
from bucketer.sinks.delivery import Verdict
from bucketer.sinks.files import append_lines
from bucketer.sinks.store import Store

BATCH = Batch("US", '{"account_id": "1", "visitors": [')
REFUSED = Verdict("never", 400, "status 400", None)


def visitor(name):
    return f'{{"snapshots": [], "visitor_id": "{name}"}}'


@contextlib.contextmanager
def files_of_at_most(size):
    """As on a full disk: a write beyond it fits in part, and then fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def letters(tmp_path):
    return DeadLetters(tmp_path / "outbox/dead", "lane", 1 << 20)


def names(letters):
    return [letter.visitor.partition("visitor_id")[2].strip('": }') for letter in letters]


def test_a_letter_that_does_not_fit_leaves_no_part_and_spoils_none_after_it(letters, tmp_path):
    letters.add(BATCH, [visitor("a")], REFUSED, 1.0)
    path = tmp_path / "outbox/dead/lane.jsonl"
    before = path.read_bytes()

    with files_of_at_most(len(before) + 50), pytest.raises(OSError, match="too large"):
        letters.add(BATCH, [visitor("b")], REFUSED, 2.0)

    assert before == path.read_bytes()
    letters.add(BATCH, [visitor("c")], REFUSED, 3.0)
    assert names(letters) == ["a", "c"]


def test_a_line_that_a_crash_has_torn_costs_no_other(letters, tmp_path):
    letters.add(BATCH, [visitor("a")], REFUSED, 1.0)
    path = tmp_path / "outbox/dead/lane.jsonl"
    path.write_bytes(path.read_bytes() + b'{"at": 2.0, "stat')

    letters.add(BATCH, [visitor("c")], REFUSED, 3.0)

    assert names(letters) == ["a", "c"]


def test_letters_are_for_their_user_only(letters, tmp_path):
    letters.add(BATCH, [visitor("a")], REFUSED, 1.0)

    directory = tmp_path / "outbox/dead"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "lane.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[1]",
        (
            b'{"at": "x", "status": 400, "why": "w", "region": "US", "head": "{\\"visitors\\": [", '
            b'"visitor": {"snapshots": [], "visitor_id": "u"}}'
        ),
        (
            b'{"at": 1, "status": 400, "why": "w", "region": "MOON", "head": "{\\"visitors\\": [", '
            b'"visitor": {"snapshots": [], "visitor_id": "u"}}'
        ),
        (
            b'{"at": 1, "status": 400, "why": "w", "region": "US", "head": "{\\"visitors\\": [", '
            b'"visitor": {"a": 1}}'
        ),
        b"\xff\0",
    ],
)
def test_a_line_that_is_no_letter_is_set_aside_before_its_file_goes(letters, tmp_path, line):
    letters.add(BATCH, [visitor("a")], REFUSED, 1.0)
    append_lines(tmp_path / "outbox/dead/lane.jsonl", line + b"\n", sync=False)
    store = Store(tmp_path / "outbox", 1 << 20)
    assert (1, 1) == (store.status(0.0).dead, store.status(0.0).unreadable)

    lane, count = store.put_back()

    lane.release()
    assert count == 1
    [damaged] = (tmp_path / "outbox/damaged").iterdir()
    assert line + b"\n" == damaged.read_bytes()
    assert [] == list(letters.read())


def test_taking_twice_replaces_nothing(letters):
    letters.add(BATCH, [visitor("a")], REFUSED, 1.0)
    letters.take()
    letters.add(BATCH, [visitor("b")], REFUSED, 2.0)

    assert len(letters.take()) == 2
    assert names(letters) == ["a", "b"]


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_whichever_byte_of_a_letter_is_flipped_it_is_not_sent_changed(letters, tmp_path, flip):
    letters.add(BATCH, [visitor("a")], REFUSED, 1.0)
    path = tmp_path / "outbox/dead/lane.jsonl"
    data = path.read_bytes()

    for offset in range(len(data)):
        damaged = bytearray(data)
        damaged[offset] ^= flip
        path.write_bytes(damaged)

        found = list(letters.read())

        assert [isinstance(each, bytes) for each in found] in ([True], [True, True]) or (
            # Only the break at its end, or a byte of the checksum's own name, may pass.
            offset == len(data) - 1 and [each.visitor for each in found] == [visitor("a")]
        ), offset


def test_wherever_a_letter_is_cut_off_it_is_not_sent(letters, tmp_path):
    letters.add(BATCH, [visitor("a")], REFUSED, 1.0)
    path = tmp_path / "outbox/dead/lane.jsonl"
    data = path.read_bytes()

    for size in range(1, len(data) - 1):
        path.write_bytes(data[:size])

        assert [data[:size]] == list(letters.read())


def test_letters_without_a_checksum_are_sent_from_before_and_when_a_person_took_it_out(
    letters, tmp_path
):
    letters.add(BATCH, [visitor("a")], REFUSED, 1.0)
    path = tmp_path / "outbox/dead/lane.jsonl"
    line = json.loads(path.read_text())
    del line["crc32"]
    line["visitor"]["visitor_id"] = "b"
    path.write_text(json.dumps(line) + "\n")

    assert names(letters) == ["b"]


def test_when_the_store_is_full_the_log_takes_some_whole_and_the_rest_by_number(tmp_path, caplog):
    full = DeadLetters(tmp_path / "dead", "lane", 10)
    many = [visitor(f"{n:06}" + "x" * 10_000) for n in range(1_000)]

    assert not any(full.keep(BATCH, many, REFUSED, 1.0) for _ in range(5))

    logged = sum(len(record.getMessage()) for record in caplog.records)
    assert 0.9 * LOGGED_BYTES < logged < 1.2 * LOGGED_BYTES
    assert "1000 dead letters could not be kept (the limit of 10 bytes is reached)" in caplog.text
    assert caplog.text.count("are lost; the log has 0 of them") == 4
