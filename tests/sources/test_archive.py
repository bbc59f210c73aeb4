"""Older revisions: what is remembered of those that are there, and of those that aren't."""

from __future__ import annotations

import logging
import threading

import pytest
from tests.fakes.disks import fill, small_disk
from tests.fakes.sources import Clock, down
from tests.fakes.waiting import wait_until

from bucketer.core.errors import InvalidDatafile, RevisionUnavailable, SourceError
from bucketer.sources.archive import (
    FAILED_S,
    MAX_KEPT_BYTES,
    MAX_WAITING,
    MISSED_S,
    Archive,
    keep,
)
from bucketer.sources.file import FileSource


class Text(str):
    """Stands for an edition."""

    __slots__ = ()
    size_bytes = 100


class Shelf:
    """What lies in the archive, by revision; an exception is raised. Counts what was asked."""

    def __init__(self, **found):
        self.found, self.asked = found, []
        self.clock = Clock()
        self.archive = Archive(self.find, self.clock)

    def find(self, revision):
        self.asked.append(revision)
        found = self.found.get(revision) or _missing()
        if isinstance(found, Exception):
            raise found
        return Text(found) if isinstance(found, str) else found


def _missing():
    error = SourceError("s3://b", "status 404 NoSuchKey")
    error.missing = True
    return error


def test_the_last_eight_are_kept():
    shelf = Shelf(**{str(number): f"edition {number}" for number in range(9)})
    for number in (0, 1, 2, 3, 4, 5, 6, 7, 0, 8):
        assert f"edition {number}" == shelf.archive(str(number))
    before = len(shelf.asked)
    shelf.archive("0")  # asked later than 1, which has made room
    shelf.archive("1")

    assert 9 == before
    assert ["1"] == shelf.asked[before:]


def test_what_is_not_there_is_not_looked_for_again_for_a_while_and_not_logged(caplog):
    shelf = Shelf()
    for _ in range(3):
        assert shelf.archive("7") is None
    shelf.found["7"] = "edition 7"
    shelf.clock.now += MISSED_S - 0.1
    still = shelf.archive("7")
    shelf.clock.now += 0.1

    assert still is None
    assert "edition 7" == shelf.archive("7")
    assert ["7", "7"] == shelf.asked
    assert [] == caplog.records


def test_no_more_than_256_misses_are_remembered():
    shelf = Shelf()
    for number in range(257):
        shelf.archive(str(number))
    before = len(shelf.asked)
    shelf.archive("1")
    shelf.archive("0")

    assert ["0"] == shelf.asked[before:]


def test_an_archive_that_is_down_is_left_alone_for_a_while_whatever_is_asked(caplog):
    caplog.set_level(logging.WARNING, logger="bucketer")
    shelf = Shelf(a=down("status 503", "s3://b"), kept="edition")
    shelf.archive("kept")
    for revision in ("a", "a", "z"):
        with pytest.raises(RevisionUnavailable):
            shelf.archive(revision)
    down_asked = list(shelf.asked)
    shelf.clock.now += FAILED_S

    assert ["kept", "a"] == down_asked
    assert "edition" == shelf.archive("kept")
    assert shelf.archive("z") is None
    assert ["archive: revision a: s3://b: status 503"] == [x.getMessage() for x in caplog.records]


def test_an_archived_revision_that_cannot_be_used_is_unavailable_and_others_are_not():
    shelf = Shelf(broken=InvalidDatafile("", "JSON", "nothing"), good="edition")
    for _ in range(2):
        with pytest.raises(RevisionUnavailable):
            shelf.archive("broken")

    assert "edition" == shelf.archive("good")
    assert ["broken", "good"] == shelf.asked


def test_a_revision_that_is_kept_stays_as_it_is(tmp_path):
    folder = tmp_path / "new" / "archive"
    keep(str(folder), "7", b"first")
    keep(str(folder), "7", b"second")

    assert {"7.json": b"first"} == {each.name: each.read_bytes() for each in folder.iterdir()}


@pytest.mark.parametrize("name", ["../7", "", "a" * 33, "7/8", "."])
def test_a_revision_whose_name_is_no_files_is_not_kept(name, tmp_path, caplog):
    keep(str(tmp_path / "archive"), name, b"{}")

    assert [] == list(tmp_path.iterdir())
    assert ["archive: a revision is not kept: its name is no file's"] == [
        each.getMessage() for each in caplog.records
    ]


def test_an_archive_that_cannot_be_written_to_is_logged_and_no_more(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    keep(str(tmp_path / "file"), "7", b"{}")

    assert ["archive: revision 7 is not kept: File exists"] == [
        each.getMessage() for each in caplog.records
    ]


def test_a_file_that_is_not_there_is_missing_and_one_that_cannot_be_read_is_not(tmp_path):
    told = {}
    for name in ("none.json", "."):
        with pytest.raises(SourceError) as caught:
            FileSource(str(tmp_path / name), 1.0).fetch(None)
        told[name] = caught.value.missing

    assert {"none.json": True, ".": False} == told


class Sized:
    """An edition of so many bytes of text."""

    def __init__(self, size_bytes):
        self.size_bytes = size_bytes


def test_what_is_kept_has_a_bound_in_bytes():
    half = MAX_KEPT_BYTES // 2
    shelf = Shelf(a=Sized(half), b=Sized(half), c=Sized(1))
    for revision in ("a", "b", "a", "b", "c", "b", "c"):
        shelf.archive(revision)
    before = list(shelf.asked)
    shelf.archive("a")

    assert ["a", "b", "c"] == before
    assert ["a", "b", "c", "a"] == shelf.asked


@pytest.mark.parametrize(("over", "asked"), [(0, 1), (1, 2)])
def test_one_that_is_larger_than_all_may_be_is_found_and_not_kept(over, asked):
    shelf = Shelf(a=Sized(MAX_KEPT_BYTES + over))
    for _ in range(2):
        assert shelf.archive("a").size_bytes == MAX_KEPT_BYTES + over

    assert asked == len(shelf.asked)


class Slow(Shelf):
    """Finds nothing before it is let; counts how many look at a time."""

    def __init__(self, **found):
        super().__init__(**found)
        self.let, self.at_once, self.most = threading.Event(), 0, 0

    def find(self, revision):
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        assert self.let.wait(10)
        self.at_once -= 1
        return super().find(revision)


def asked_by_many(shelf, revisions):
    """What each of so many callers at once gets, those who can wait and those who can't."""
    told = []

    def ask(revision):
        try:
            told.append(shelf.archive(revision))
        except RevisionUnavailable as refused:
            told.append(refused)

    callers = [threading.Thread(target=ask, args=(each,)) for each in revisions]
    for number, each in enumerate(callers, 1):
        each.start()
        waiting = min(number, MAX_WAITING)
        wait_until(lambda waiting=waiting: shelf.archive._waiting == waiting)
    for each in callers[MAX_WAITING:]:
        each.join(10)  # these aren't kept waiting
    refused = list(told)
    shelf.let.set()
    for each in callers:
        each.join(10)
    return refused, told[len(refused) :]


@pytest.mark.parametrize("too_many", [0, 1, 4])
def test_one_revision_is_looked_for_at_a_time_and_few_may_wait(too_many):
    names = [f"r{number}" for number in range(MAX_WAITING + too_many)]
    shelf = Slow(**{name: f"edition {name}" for name in names})

    refused, answered = asked_by_many(shelf, names)

    assert too_many == len([each for each in refused if isinstance(each, RevisionUnavailable)])
    assert MAX_WAITING == len(answered)
    assert 1 == shelf.most
    assert shelf.archive(names[0])  # whoever comes afterwards may wait again


def test_those_who_ask_for_the_same_share_what_one_of_them_finds():
    shelf = Slow(a="edition a")

    _, answered = asked_by_many(shelf, ["a"] * MAX_WAITING)

    assert ["edition a"] * MAX_WAITING == answered
    assert ["a"] == shelf.asked


def test_a_revision_that_is_kept_is_had_while_another_is_looked_for():
    shelf = Slow(kept="edition kept", other="edition other")
    shelf.let.set()
    shelf.archive("kept")
    shelf.let.clear()
    looks = threading.Thread(target=shelf.archive, args=("other",))
    looks.start()

    had = shelf.archive("kept")
    shelf.let.set()
    looks.join(10)

    assert "edition kept" == had


def test_a_revision_that_a_full_disk_does_not_take_leaves_nothing_behind(tmp_path, caplog):
    with small_disk(tmp_path / "disk") as folder:
        fill(folder)
        keep(str(folder), "7", b"x" * 10_000)
        left = [path.name for path in folder.iterdir()]

    assert ["filler"] == left
    assert "revision 7 is not kept: No space left on device" in caplog.text
