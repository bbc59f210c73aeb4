"""What both stores of overrides promise, and what only the file does."""

import sqlite3
import threading
import tracemalloc

import pytest

from bucketer.profiles.overrides import MAX_OF_USER, MemoryOverrides
from bucketer.profiles.sqlite import SqliteProfiles
from bucketer.profiles.sqlite_overrides import SqliteOverrides


@pytest.fixture(params=["memory", "file"])
def overrides(request, tmp_path):
    made = (
        MemoryOverrides()
        if request.param == "memory"
        else SqliteOverrides(tmp_path / "deep" / "profiles.sqlite")
    )
    yield made
    made.close()


def test_an_override_is_kept_until_it_is_removed(overrides):
    assert "" == overrides.put("production", "ben", "checkout", "one")
    assert {"checkout": "one"} == overrides.of("production", "ben")
    assert "one" == overrides.put("production", "ben", "checkout", "two")
    assert {"checkout": "two"} == overrides.of("production", "ben")
    assert "two" == overrides.put("production", "ben", "checkout", "")
    assert {} == overrides.of("production", "ben")
    assert "" == overrides.put("production", "ben", "checkout", "")


def test_users_and_places_are_apart(overrides):
    overrides.put("production", "ben", "checkout", "one")

    assert {} == overrides.of("production", "ann")
    assert {} == overrides.of("development", "ben")


def test_a_place_is_forgotten_alone(overrides):
    overrides.put("production", "ben", "checkout", "one")
    overrides.put("development", "ben", "checkout", "two")

    overrides.forget("production")

    assert {} == overrides.of("production", "ben")
    assert {"checkout": "two"} == overrides.of("development", "ben")


def test_of_one_user_the_last_are_kept(overrides):
    for number in range(MAX_OF_USER + 1):
        overrides.put("production", "ben", f"e{number}", "one")
    found = overrides.of("production", "ben")

    assert MAX_OF_USER == len(found)
    assert "e0" not in found
    assert f"e{MAX_OF_USER}" in found


@pytest.mark.parametrize("user_id", ["\N{GRINNING FACE}", "'; DROP TABLE overrides; --", "a\0b"])
def test_a_user_id_may_be_anything(overrides, user_id):
    overrides.put("production", user_id, "checkout", "one")

    assert {"checkout": "one"} == overrides.of("production", user_id)


def test_memory_is_bounded_in_bytes():
    overrides = MemoryOverrides(max_bytes=1_000_000)
    overrides.put("p", "first", "e", "v")
    tracemalloc.start()
    try:
        for number in range(3_000):
            overrides.put(
                "p", f"{number}" + "x" * 2_000, f"{number}" + "\N{GRINNING FACE}" * 20, "v"
            )
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 1_500_000
    assert {} == overrides.of("p", "first")
    assert overrides.of("p", "2999" + "x" * 2_000)


def test_what_was_read_stays_as_it_was_when_it_is_changed():
    overrides = MemoryOverrides()
    overrides.put("p", "ben", "a", "1")
    before = overrides.of("p", "ben")
    overrides.put("p", "ben", "b", "2")
    overrides.put("p", "ben", "a", "")

    assert {"a": "1"} == before


def test_a_file_is_bounded_by_their_number(tmp_path):
    overrides = SqliteOverrides(tmp_path / "profiles.sqlite", max_overrides=3)
    for number in range(4):
        overrides.put("p", f"user-{number}", "e", "v")

    assert {} == overrides.of("p", "user-0")
    assert all(overrides.of("p", f"user-{number}") for number in range(1, 4))
    overrides.close()


def test_processes_share_the_file_with_the_profiles(tmp_path):
    path = tmp_path / "profiles.sqlite"
    profiles = SqliteProfiles(path, 10)
    profiles.save("ben", {"1": "2"})
    one, other = SqliteOverrides(path), SqliteOverrides(path)
    one.put("p", "ben", "e", "v")

    assert {"e": "v"} == other.of("p", "ben")
    assert {"1": "2"} == profiles.lookup("ben")
    for each in (profiles, one, other):
        each.close()


def test_a_file_of_before_there_were_overrides_gets_their_table(tmp_path):
    path = tmp_path / "profiles.sqlite"
    profiles = SqliteProfiles(path, 10)
    profiles.save("ben", {"1": "2"})
    profiles.close()
    overrides = SqliteOverrides(path)
    overrides.put("p", "ben", "e", "v")
    overrides.close()
    connection = sqlite3.connect(path)

    assert [("ben",)] == connection.execute("SELECT user_id FROM profiles").fetchall()
    assert [("e",)] == connection.execute("SELECT experiment FROM overrides").fetchall()
    connection.close()


def test_threads_that_give_at_the_same_time_lose_nothing(overrides):
    def give(number):
        for each in range(20):
            overrides.put("p", f"user-{number}", f"e{each}", "v")

    threads = [threading.Thread(target=give, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert all(20 == len(overrides.of("p", f"user-{number}")) for number in range(4))
