"""What both stores promise, and what only the file does."""

import json
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bucketer.profiles.database import LAYOUT, UnusableFile
from bucketer.profiles.memory import MemoryProfiles
from bucketer.profiles.shape import MAX_USER_ID_CHARS, MalformedProfile, read_profile
from bucketer.profiles.sqlite import SqliteProfiles


@pytest.fixture(params=["memory", "sqlite"])
def make(request, tmp_path):
    """Makes a store of that kind, for so many users."""
    made = []

    def of(max_users=1_000):
        if request.param == "memory":
            store = MemoryProfiles(max_users)
        else:
            store = SqliteProfiles(tmp_path / "deep" / "profiles.sqlite", max_users)
        made.append(store)
        return store

    yield of
    for store in made:
        store.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "profiles.sqlite"


@pytest.fixture
def file(path):
    store = SqliteProfiles(path, 1_000)
    yield store
    store.close()


def test_a_stranger_has_none(make):
    assert None is make().lookup("ben")


@pytest.mark.parametrize("user_id", ["ben", "", "Zoë 🙂", "a'; DROP TABLE profiles; --", "\x00"])
def test_what_was_saved_is_found_by_the_same_user_alone(make, user_id):
    store = make()
    store.save(user_id, {"1": "11"})

    assert {"1": "11"} == store.lookup(user_id)
    assert None is store.lookup(user_id + " ")


def test_the_later_variation_counts_and_other_experiments_stay(make):
    """Two requests at once may each save the half of it that they know."""
    store = make()
    store.save("ben", {"1": "11", "2": "21"})
    store.save("ben", {"2": "22", "3": "31"})

    assert {"1": "11", "2": "22", "3": "31"} == store.lookup("ben")


@pytest.mark.parametrize(("others", "is_there"), [(2, True), (3, False)])
def test_no_more_users_than_allowed(make, others, is_there):
    store = make(max_users=3)
    store.save("first", {"1": "11"})
    for number in range(others):
        store.save(f"user {number}", {"1": "12"})

    assert is_there is (store.lookup("first") is not None)
    assert store.lookup(f"user {others - 1}") is not None


def test_saving_again_takes_no_room(make):
    store = make(max_users=2)
    for number in range(10):
        store.save("ben", {"1": str(number)})
        store.save("ann", {"1": str(number)})

    assert {"1": "9"} == store.lookup("ben")


@pytest.mark.parametrize(("length", "kept"), [(MAX_USER_ID_CHARS, True), (1_025, False)])
def test_ids_beyond_the_limit_are_not_remembered(make, length, kept):
    store = make()
    store.save("x" * length, {"1": "11"})

    assert kept is (store.lookup("x" * length) is not None)


def test_threads_lose_nothing_of_each_other(make):
    store = make()

    def save(number):
        for step in range(20):
            store.save("ben", {f"{number}/{step}": "1"})
            store.lookup("ben")

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert 160 == len(store.lookup("ben"))


# The file


def test_the_file_is_kept_for_the_next_process(file, path):
    file.save("ben", {"1": "11"})
    file.close()

    later = SqliteProfiles(path, 1_000)
    assert {"1": "11"} == later.lookup("ben")
    later.close()


def test_many_may_make_the_file_at_the_same_time(tmp_path):
    """SQLite says "locked" at once to two that turn one new file to WAL; one round in ten did."""
    for attempt in range(40):
        store = SqliteProfiles(tmp_path / f"{attempt}.sqlite", 1_000)
        together = threading.Barrier(8)

        def save(number, store=store, together=together):
            together.wait(10)
            store.save("ben", {str(number): "1"})

        threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert 8 == len(store.lookup("ben"))
        store.close()


def test_nobody_else_may_read_it(file, path):
    """User ids are personal data."""
    file.save("ben", {"1": "11"})
    modes = {stat.S_IMODE(each.stat().st_mode) for each in path.parent.glob("profiles.sqlite*")}

    assert {0o600} == modes


def test_readers_do_not_wait_for_a_writer(file, path):
    file.save("ben", {"1": "11"})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE profiles SET profile = '{}'")

    assert {"1": "11"} == file.lookup("ben")

    other.close()


def test_a_writer_waits_for_another_for_a_bounded_time(file, path):
    file.save("ben", {"1": "11"})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        file.save("ben", {"2": "21"})
    other.close()
    file.save("ben", {"3": "31"})

    assert {"1": "11", "3": "31"} == file.lookup("ben")


MANY_SAVES = """
import sys
from pathlib import Path
from bucketer.profiles.sqlite import SqliteProfiles
path, name = Path(sys.argv[1]), sys.argv[2]
store = SqliteProfiles(path, 1_000)
for step in range(100):
    store.save("everybody", {f"{name}/{step}": "1"})
    store.save(f"{name}/{step}", {"1": "11"})
store.close()
"""


def test_four_processes_write_one_file_and_nothing_is_lost(path):
    writers = [
        subprocess.Popen([sys.executable, "-c", MANY_SAVES, str(path), name]) for name in "abcd"
    ]
    assert [0, 0, 0, 0] == [writer.wait(60) for writer in writers]
    store = SqliteProfiles(path, 1_000)

    assert 400 == len(store.lookup("everybody"))
    assert all(store.lookup(f"{name}/99") == {"1": "11"} for name in "abcd")

    store.close()


KILLED = """
import os, sys
from pathlib import Path
from bucketer.profiles.sqlite import SqliteProfiles
store = SqliteProfiles(Path(sys.argv[1]), 1_000)
store.save("ben", {"1": "11"})
os.kill(os.getpid(), 9)
"""


def test_what_was_saved_survives_the_death_of_the_process(path):
    assert -9 == subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode
    store = SqliteProfiles(path, 1_000)

    assert {"1": "11"} == store.lookup("ben")

    store.close()


MALFORMED = [
    "",
    "{",
    "null",
    "[]",
    "7",
    '"text"',
    '{"1": null}',
    '{"1": 11}',
    '{"1": {"variation_id": "11"}}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_no_profile_is_malformed_and_written_over(file, path, text):
    file.save("ben", {"1": "11"})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("UPDATE profiles SET profile = ?", (text,))
    other.close()
    with pytest.raises(MalformedProfile):
        file.lookup("ben")

    file.save("ben", {"2": "21"})

    assert {"2": "21"} == file.lookup("ben")


def test_a_profile_may_be_a_blob_or_a_number_by_mistake():
    for stored in (b"{}", 7, None):
        with pytest.raises(MalformedProfile):
            read_profile(stored)


def test_a_file_of_another_version_is_left_alone(path):
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA user_version = {LAYOUT + 1}")
    other.close()
    store = SqliteProfiles(path, 1_000)
    with pytest.raises(UnusableFile):
        store.save("ben", {"1": "11"})
    with sqlite3.connect(path) as other:
        tables = other.execute("SELECT name FROM sqlite_master").fetchall()
    other.close()

    assert [] == tables


def test_a_file_that_is_no_database_is_left_alone(path):
    path.write_text("somebody's notes, which nobody may destroy" * 100)
    before = path.read_bytes()
    store = SqliteProfiles(path, 1_000)
    with pytest.raises(sqlite3.DatabaseError):
        store.lookup("ben")

    assert before == path.read_bytes()


def test_a_file_that_comes_back_is_used_again(path):
    """Nothing is given up for good: each call tries to open it anew."""
    path.mkdir()
    store = SqliteProfiles(path, 1_000)
    with pytest.raises(OSError, match="directory"):
        store.lookup("ben")
    path.rmdir()
    store.save("ben", {"1": "11"})

    assert {"1": "11"} == store.lookup("ben")

    store.close()


def test_what_is_stored_can_be_read_by_a_person(file, path):
    """`sqlite3 profiles.sqlite 'SELECT * FROM profiles'`."""
    file.save("ben", {"1": "11"})
    other = sqlite3.connect(path)
    rows = other.execute("SELECT user_id, profile FROM profiles").fetchall()
    other.close()

    assert [("ben", json.dumps({"1": "11"}))] == rows


def test_the_directory_is_made(tmp_path):
    store = SqliteProfiles(Path(tmp_path) / "a" / "b" / "profiles.sqlite", 10)
    store.save("ben", {"1": "11"})
    store.close()

    assert ["profiles.sqlite"] == [each.name for each in (tmp_path / "a" / "b").iterdir()]
