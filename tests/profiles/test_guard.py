import sqlite3

import pytest

from bucketer.profiles.guard import GuardedProfiles
from bucketer.profiles.shape import MalformedProfile
from bucketer.profiles.sqlite import SqliteProfiles


class Store:
    """Does what the test tells it to: give something back, or raise it."""

    def __init__(self, gives=None):
        self.gives = gives
        self.saved = []

    def lookup(self, user_id):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives

    def save(self, user_id, profile):
        if isinstance(self.gives, Exception):
            raise self.gives
        self.saved.append((user_id, profile))

    def close(self):
        """Nothing is open."""


def guarded(gives=None):
    return GuardedProfiles(Store(gives), "a store")


@pytest.mark.parametrize(("stored", "found"), [({"1": "11"}, 1), ({}, 1), (None, 0)])
def test_a_profile_is_handed_on_and_a_stranger_s_is_empty(stored, found):
    profiles = guarded(stored)

    assert (stored or {}) == profiles.lookup("ben")
    assert (1, found) == (profiles.lookups, profiles.found)


@pytest.mark.parametrize(
    "stored",
    [[], "text", 7, {"1": None}, {"1": 11}, {1: "11"}, {"1": {"variation_id": "11"}}],
)
def test_a_malformed_profile_is_empty_counted_and_told_once(stored, caplog):
    profiles = guarded(stored)

    assert [{}, {}] == [profiles.lookup("ben"), profiles.lookup("ann")]
    assert (2, 0, 0) == (profiles.malformed, profiles.failed_lookups, profiles.found)
    assert 1 == len(caplog.messages)


def test_a_store_that_says_itself_that_it_is_malformed_is_believed():
    profiles = guarded(MalformedProfile("expected JSON"))

    assert {} == profiles.lookup("ben")
    assert (1, 0) == (profiles.malformed, profiles.failed_lookups)


@pytest.mark.parametrize("error", [RuntimeError("no"), sqlite3.OperationalError("no"), OSError()])
def test_what_the_store_raises_never_comes_out(error):
    profiles = guarded(error)
    profiles.save("ben", {"1": "11"})

    assert {} == profiles.lookup("ben")
    assert (1, 1, 1) == (profiles.saves, profiles.failed_lookups, profiles.failed_saves)


def test_the_log_tells_when_it_begins_to_fail_when_it_fails_otherwise_and_when_it_ends(caplog):
    profiles = guarded()
    for gives in (RuntimeError("one"), RuntimeError("one"), RuntimeError("two"), None, None):
        profiles.store.gives = gives
        profiles.lookup("ben")
        profiles.save("ben", {"1": "11"})

    assert [
        "profiles: a store: look-up fails: RuntimeError: one",
        "profiles: a store: save fails: RuntimeError: one",
        "profiles: a store: look-up fails: RuntimeError: two",
        "profiles: a store: save fails: RuntimeError: two",
        "profiles: a store: look-up works again",
        "profiles: a store: save works again",
    ] == caplog.messages


def test_health_is_told_the_counts_and_the_trouble():
    profiles = guarded({"1": "11"})
    profiles.lookup("ben")
    profiles.store.gives = RuntimeError("full")
    profiles.save("ben", {"1": "11"})

    assert {
        "lookups": 1,
        "found": 1,
        "saves": 1,
        "malformed": 0,
        "failed_lookups": 0,
        "failed_saves": 1,
        "trouble": "save: RuntimeError: full",
    } == profiles.to_json()


def test_a_directory_that_can_not_be_made_costs_no_decision(tmp_path, caplog):
    """The user may have set a wrong path; the log says which, and why."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "profiles.sqlite"
    profiles = GuardedProfiles(SqliteProfiles(path, 10), str(path))

    assert {} == profiles.lookup("ben")
    [line] = caplog.messages
    assert str(path) in line
    assert "FileExistsError" in line or "NotADirectoryError" in line
