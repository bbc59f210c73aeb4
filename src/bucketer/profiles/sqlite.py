"""Profiles in an SQLite file that the processes of one machine share.

Losing a profile means being bucketed again, mostly into the same variation.
"""

from __future__ import annotations

from json import dumps

from .database import Database
from .shape import MAX_USER_ID_CHARS, MalformedProfile, merge, read_profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path

_TABLE = """
CREATE TABLE IF NOT EXISTS profiles (
    number INTEGER PRIMARY KEY,  -- in the order in which users were first saved
    user_id TEXT NOT NULL UNIQUE,
    profile TEXT NOT NULL        -- JSON: experiment id to variation id
)
"""
_INSERT = "INSERT INTO profiles (user_id, profile) VALUES (?, ?)"
_UPDATE = "UPDATE profiles SET profile = ? WHERE user_id = ?"
#: Numbers rise by one and only the lowest are deleted, so this leaves exactly the limit.
_MAKE_ROOM = "DELETE FROM profiles WHERE number <= (SELECT max(number) FROM profiles) - ?"


class SqliteProfiles:
    """Keeps the profiles of the users that came last. May be shared by threads."""

    def __init__(self, path: Path, max_users: int) -> None:
        """Nothing is opened yet; each thread opens the file when it first needs it.

        Args:
            path: of the file; it and its directory are made when they aren't there.
            max_users: the user whose first save is longest ago makes room.
        """
        self.path = path
        self._max_users = max_users
        self._database = Database(path, _TABLE)

    def lookup(self, user_id: str) -> Mapping[str, str] | None:
        """Return the profile, or None for a stranger.

        Raises:
            MalformedProfile: what is stored is none.
            sqlite3.Error, OSError, UnusableFile: the file can't be read.
        """
        found = self._read(self._database.connection(), user_id)
        return None if found is None else read_profile(found)

    def save(self, user_id: str, profile: Mapping[str, str]) -> None:
        """Remember *profile* beside what another process has saved meanwhile.

        Raises:
            sqlite3.Error, OSError, UnusableFile: the file can't be written, or another process
                kept it for longer than `BUSY_S`.
        """
        self._write(user_id, profile, keep=True)

    def replace(self, user_id: str, profile: Mapping[str, str]) -> None:
        """Remember *profile* and nothing else of the user.

        Raises:
            sqlite3.Error, OSError, UnusableFile: as in `save`.
        """
        self._write(user_id, profile, keep=False)

    def close(self) -> None:
        """Close the connections of all threads. None of them may be in use."""
        self._database.close()

    def _write(self, user_id: str, profile: Mapping[str, str], *, keep: bool) -> None:
        if len(user_id) > MAX_USER_ID_CHARS:
            return
        with self._database.writing() as connection:
            found = self._read(connection, user_id)
            if found is None:
                connection.execute(_INSERT, (user_id, dumps(dict(profile))))
                connection.execute(_MAKE_ROOM, (self._max_users,))
            else:
                merged = merge(_read_or_nothing(found) if keep else {}, profile)
                connection.execute(_UPDATE, (dumps(merged), user_id))

    @staticmethod
    def _read(connection: sqlite3.Connection, user_id: str) -> object:
        """Return what is stored for the user, of whatever type; None where there is nothing."""
        query = "SELECT profile FROM profiles WHERE user_id = ?"
        row = connection.execute(query, (user_id,)).fetchone()
        return None if row is None else row[0]


def _read_or_nothing(text: object) -> dict[str, str]:
    """Read what is about to be written over; what is malformed is lost with it."""
    try:
        return read_profile(text)
    except MalformedProfile:
        return {}
