"""Profiles in an SQLite file that the processes of one machine share.

In WAL mode, so that readers wait for nobody and a process that is killed loses nothing it has
saved; when the machine itself dies, the last moments may be lost (`synchronous=NORMAL`). Losing a
profile means being bucketed again, mostly into the same variation.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from json import dumps

from .shape import MAX_USER_ID_CHARS, MalformedProfile, merge, read_profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

#: The layout of the table. A file that carries another number is left alone.
LAYOUT = 1
#: How long (seconds) a writer waits for another process's write, which takes well below 1 ms.
BUSY_S = 1.0

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


class UnusableFile(Exception):
    """The file is not one of ours, or of another version."""


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
        self._of_thread = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    def lookup(self, user_id: str) -> Mapping[str, str] | None:
        """Return the profile, or None for a stranger.

        Raises:
            MalformedProfile: what is stored is none.
            sqlite3.Error, OSError, UnusableFile: the file can't be read.
        """
        found = self._read(self._connection(), user_id)
        return None if found is None else read_profile(found)

    def save(self, user_id: str, profile: Mapping[str, str]) -> None:
        """Remember *profile* beside what another process has saved meanwhile.

        Raises:
            sqlite3.Error, OSError, UnusableFile: the file can't be written, or another process
                kept it for longer than `BUSY_S`.
        """
        if len(user_id) > MAX_USER_ID_CHARS:
            return
        connection = self._connection()
        connection.execute(
            "BEGIN IMMEDIATE"
        )  # from the start, or two writers could both read first
        try:
            found = self._read(connection, user_id)
            if found is None:
                connection.execute(_INSERT, (user_id, dumps(dict(profile))))
                connection.execute(_MAKE_ROOM, (self._max_users,))
            else:
                merged = merge(_read_or_nothing(found), profile)
                connection.execute(_UPDATE, (dumps(merged), user_id))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the connections of all threads. None of them may be in use."""
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
            self._of_thread = threading.local()

    @staticmethod
    def _read(connection: sqlite3.Connection, user_id: str) -> object:
        """Return what is stored for the user, of whatever type; None where there is nothing."""
        query = "SELECT profile FROM profiles WHERE user_id = ?"
        row = connection.execute(query, (user_id,)).fetchone()
        return None if row is None else row[0]

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's connection: with one each, a waiting writer stops no reader."""
        connection: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._open()
            with self._lock:
                self._all.append(connection)
            self._of_thread.connection = connection
        return connection

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # User ids are personal data: nobody else may read them. SQLite's two other files get the
        # permissions of this one.
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            _patiently(lambda: _prepare(connection))
        except BaseException:
            connection.close()
            raise
        return connection


def _patiently(act: Callable[[], None]) -> None:
    """Do *act*, again and again for `BUSY_S` while another connection is in its way.

    SQLite waits by itself for a writer, but says "locked" at once when two connections turn a new
    file to WAL mode at the same time, since each waits for the other then.
    """
    until = time.monotonic() + BUSY_S
    while True:
        try:
            return act()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.005)


def _prepare(connection: sqlite3.Connection) -> None:
    """Set up *connection*, and the table in a new file.

    Raises:
        UnusableFile: it has another layout, which is left as it is.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if layout not in {0, LAYOUT}:
        raise UnusableFile(f"layout {layout} is of another version of bucketer")
    if layout == 0:
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA user_version = {LAYOUT}")


def _read_or_nothing(text: object) -> dict[str, str]:
    """Read what is about to be written over; what is malformed is lost with it."""
    try:
        return read_profile(text)
    except MalformedProfile:
        return {}
