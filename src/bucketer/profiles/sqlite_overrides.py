"""Overrides in the SQLite file of the profiles, for the processes that share it."""

from __future__ import annotations

from .database import Database
from .overrides import MAX_OF_USER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Of all environments together; the API bounds each in bytes.
MAX_OVERRIDES = 10_000
_TABLE = """
CREATE TABLE IF NOT EXISTS overrides (
    number INTEGER PRIMARY KEY,  -- in the order in which they were given
    place TEXT NOT NULL,         -- the environment
    user_id TEXT NOT NULL,
    experiment TEXT NOT NULL,
    variation TEXT NOT NULL,
    UNIQUE (place, user_id, experiment)
)
"""
_OF_USER = (
    "SELECT experiment, variation FROM overrides WHERE place = ? AND user_id = ? ORDER BY number"
)
_ONE = "WHERE place = ? AND user_id = ? AND experiment = ?"
_BEFORE = f"SELECT variation FROM overrides {_ONE}"  # noqa: S608 -- our own text
_REMOVE = f"DELETE FROM overrides {_ONE}"  # noqa: S608 -- our own text
_INSERT = "INSERT INTO overrides (place, user_id, experiment, variation) VALUES (?, ?, ?, ?)"
_MAKE_ROOM = (
    "DELETE FROM overrides WHERE number IN "
    "(SELECT number FROM overrides ORDER BY number DESC LIMIT -1 OFFSET ?)"
)
_MAKE_ROOM_OF_USER = (
    "DELETE FROM overrides WHERE number IN (SELECT number FROM overrides "
    "WHERE place = ? AND user_id = ? ORDER BY number DESC LIMIT -1 OFFSET ?)"
)
_FORGET = "DELETE FROM overrides WHERE place = ?"


class SqliteOverrides:
    """As `MemoryOverrides`, beyond this process and its end. May be shared by threads."""

    #: Looking one up reads a file.
    is_quick = False

    def __init__(self, path: Path, max_overrides: int = MAX_OVERRIDES) -> None:
        """Nothing is opened yet. The override that was given first makes room for a new one."""
        self._database = Database(path, _TABLE)
        self._max_overrides = max_overrides

    def of(self, environment_id: str, user_id: str) -> Mapping[str, str]:
        """Return the user's overrides: experiment key → variation key.

        Raises:
            sqlite3.Error, OSError, UnusableFile: the file can't be read.
        """
        return dict(
            self._database.connection().execute(_OF_USER, (environment_id, user_id)).fetchall()
        )

    def put(
        self, environment_id: str, user_id: str, experiment_key: str, variation_key: str
    ) -> str:
        """Keep an override, or remove it if *variation_key* is empty; return the one before.

        Raises:
            sqlite3.Error, OSError, UnusableFile: the file can't be written.
        """
        one = environment_id, user_id, experiment_key
        with self._database.writing() as connection:
            row = connection.execute(_BEFORE, one).fetchone()
            connection.execute(_REMOVE, one)
            if variation_key:
                connection.execute(_INSERT, (*one, variation_key))
                connection.execute(_MAKE_ROOM_OF_USER, (environment_id, user_id, MAX_OF_USER))
                connection.execute(_MAKE_ROOM, (self._max_overrides,))
        return "" if row is None else str(row[0])

    def forget(self, environment_id: str) -> None:
        """Remove all overrides of that environment.

        Raises:
            sqlite3.Error, OSError, UnusableFile: the file can't be written.
        """
        with self._database.writing() as connection:
            connection.execute(_FORGET, (environment_id,))

    def close(self) -> None:
        """Close the connections of all threads. None of them may be in use."""
        self._database.close()
