"""The SQLite file that the processes of one machine share: one connection for each thread.

In WAL mode, so that readers wait for nobody and a process that is killed loses nothing it has
saved; when the machine itself dies, the last moments may be lost (`synchronous=NORMAL`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: The layout of its tables. A file that carries another number is left alone.
LAYOUT = 1
#: How long (seconds) a writer waits for another process's write, which takes well below 1 ms.
BUSY_S = 1.0


class UnusableFile(Exception):
    """The file is not one of ours, or of another version."""


class Database:
    """The file, opened by each thread when it first needs it.

    Args:
        path: of the file; it and its directory are made when they aren't there.
        tables: SQL that makes the tables which aren't there yet.
    """

    def __init__(self, path: Path, tables: str) -> None:
        self.path = path
        self._tables = tables
        self._of_thread = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    def connection(self) -> sqlite3.Connection:
        """Return this thread's connection: with one each, a waiting writer stops no reader.

        Raises:
            sqlite3.Error, OSError, UnusableFile: the file can't be used.
        """
        connection: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._open()
            with self._lock:
                self._all.append(connection)
            self._of_thread.connection = connection
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Write from the start, or two writers could both read first; all of it or nothing.

        Raises:
            sqlite3.Error, OSError, UnusableFile: the file can't be written, or another process
                kept it for longer than `BUSY_S`.
        """
        connection = self.connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
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

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # User ids are personal data: nobody else may read them. SQLite's two other files get the
        # permissions of this one.
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            _patiently(lambda: self._prepare(connection))
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Set up *connection*, and the tables where they are missing.

        Raises:
            UnusableFile: it has another layout, which is left as it is.
        """
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        if layout not in {0, LAYOUT}:
            raise UnusableFile(f"layout {layout} is of another version of bucketer")
        connection.execute(self._tables)
        if layout == 0:
            connection.execute(f"PRAGMA user_version = {LAYOUT}")


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
