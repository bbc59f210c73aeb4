"""One fetch for all processes of a server: the newest datafile lies in the state directory.

Whoever finds it too old takes the lock and asks; the others read what that one wrote. What is
there outlives the server, so a restart while the source is down still has a datafile.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from bucketer.core.errors import SourceError
from bucketer.core.parse import parse_datafile
from bucketer.ports import Fetched

from .packaged import from_package, to_package

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bucketer.ports import DatafileSource

#: Processes that start together take one fetch for all.
_TOGETHER_S = 2.0


class SharedSource:
    """A source, and a copy of what it gave last, on a local disk.

    Attributes: as `ports.DatafileSource` has them, taken over from the source.
    """

    def __init__(self, source: DatafileSource, folder: Path) -> None:
        """Keep the copy of *source* in *folder*, which is made when it is needed."""
        self.kind = source.kind
        self.label = source.label
        self.where = source.where
        self.max_age_s = source.max_age_s
        self._source = source
        name = f"datafile-{sha256(source.label.encode()).hexdigest()[:16]}"
        self._copy = folder / f"{name}.json"
        self._lock = folder / f"{name}.lock"
        self._returned: tuple[int, int] | None = None
        self._not_before = 0.0

    def fetch(self, mark: str | None) -> Fetched | None:
        """Return what the source has, asking it only if no process has just done so.

        Raises:
            SourceError: the source fails, and there is no copy, or the caller has it already.
        """
        began = time.time()
        fresh_s = _TOGETHER_S if mark is None else self.max_age_s / 2
        with self._alone():
            if self._asked_at() < max(began - fresh_s, self._not_before):
                try:
                    self._ask()
                except SourceError:
                    if mark is not None or self._identity() is None:
                        raise
                    # A start while the source is down: the copy serves, and the next refresh
                    # says what is wrong.
            self._returned = self._identity()
            meta, raw = from_package(self._copy.read_bytes(), self.where)
        now = str(meta["mark"])
        if now == mark:
            return None
        etag, fetched_at = meta.get("etag"), meta.get("fetched_at")
        return Fetched(
            raw,
            etag if isinstance(etag, str) else None,
            fetched_at if isinstance(fetched_at, float) else None,
            now,
        )

    def has_news(self) -> bool:
        """Say whether another process has put another copy in place. Costs one look at the disk."""
        return self._identity() not in {self._returned, None}

    def insist(self) -> None:
        """Believe no answer older than this moment: somebody says that there is a newer one."""
        self._not_before = time.time()

    def _ask(self) -> None:
        """Ask the source; write what it gives, or that it gave nothing new.

        Raises:
            SourceError: it fails, or what it gives is no datafile at all (the copy must stay good).
            DatafileError: see there.
        """
        meta, raw = self._read()
        known = meta.get("etag")
        fetched = self._source.fetch(known if isinstance(known, str) else None)
        if fetched is None or fetched.raw.strip() == raw:
            os.utime(self._lock)
            return
        parse_datafile(fetched.raw)
        mark = fetched.etag or sha256(fetched.raw).hexdigest()[:32]
        meta = {"mark": mark, "etag": fetched.etag, "fetched_at": time.time()}
        half_made = self._copy.with_suffix(".new")
        half_made.write_bytes(to_package(meta, fetched.raw))
        half_made.chmod(0o600)
        half_made.replace(self._copy)
        os.utime(self._lock)

    def _read(self) -> tuple[dict[str, object], bytes]:
        try:
            return from_package(self._copy.read_bytes(), self.where)
        except (OSError, SourceError):
            return {}, b""  # none yet, or damaged: it is fetched again, whole

    def _asked_at(self) -> float:
        """Return when a process last asked the source with success: the age of the lock."""
        return self._lock.stat().st_mtime if self._copy.exists() else 0.0

    def _identity(self) -> tuple[int, int] | None:
        """Return what tells this copy from the one before, or None when there is none."""
        try:
            seen = self._copy.stat()
        except OSError:
            return None
        return seen.st_ino, seen.st_mtime_ns

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock that all processes share; the system drops it when a holder dies."""
        try:
            self._lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._lock.open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # for as long as one fetch takes: it is bounded
                yield
        except OSError as error:
            why = f"the state directory can't be used: {error.strerror or type(error).__name__}"
            raise SourceError(self.where, why) from error
