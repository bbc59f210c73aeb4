"""One fetch for all processes of a server: the newest datafile lies in the state directory.

Whoever finds it too old takes the lock and asks; the others read what that one wrote, or why it
failed. What is there outlives the server, so a restart while the source is down still has a
datafile. Nobody who has a datafile to serve waits while another process asks.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from bucketer.core.errors import DatafileError, SourceError
from bucketer.core.parse import parse_datafile
from bucketer.ports import Fetched

from .packaged import from_package, to_package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bucketer.ports import DatafileSource

#: Processes that start together take one fetch for all.
_TOGETHER_S = 2.0
#: How long a start waits for a process that is asking, when it could also begin with less.
_PATIENCE_S = 1.0
_LOOK_EVERY_S = 0.02


class _Copy(NamedTuple):
    """What lies in the state directory."""

    mark: str
    etag: str | None
    fetched_at: float | None
    raw: bytes


class SharedSource:
    """A source, and a copy of what it gave last, on a local disk.

    Attributes: as `ports.DatafileSource` has them, taken over from the source.
    """

    def __init__(
        self,
        source: DatafileSource,
        folder: Path,
        *,
        has_makeshift: bool = False,
        keep: Callable[[str, bytes], None] | None = None,
    ) -> None:
        """Keep the copy of *source* in *folder*, which is made when it is needed.

        Args:
            source: is asked.
            folder: the state directory.
            has_makeshift: a process can begin without this source: something is packaged.
            keep: is given each revision, by its name, and the datafile; for an archive.
        """
        self.kind = source.kind
        self.label = source.label
        self.where = source.where
        self.max_age_s = source.max_age_s
        self._source = source
        name = f"datafile-{sha256(source.label.encode()).hexdigest()[:16]}"
        self._copy = folder / f"{name}.json"
        self._lock = folder / f"{name}.lock"
        self._failure = folder / f"{name}.failed"
        self._has_makeshift = has_makeshift
        self._keep = keep
        self._kept: str | None = None
        self._returned: tuple[int, int] | None = None
        self._not_before = 0.0
        self._looked_at: float | None = None

    def fetch(self, mark: str | None) -> Fetched | None:
        """Return what the source has, asking it only if no process has just done so.

        Raises:
            SourceError: the source fails, and there is no copy, or the caller has it already.
                `heard` where another process has found that out.
        """
        try:
            return self._fetch(mark)
        except OSError as error:
            why = f"the state directory can't be used: {error.strerror or type(error).__name__}"
            raise SourceError(self.where, why) from error
        finally:
            self._looked_at = time.time()

    def _fetch(self, mark: str | None) -> Fetched | None:
        began = time.time()
        with self._alone(self._patience_s(mark)) as alone:
            self._returned = self._identity()
            copy, trouble = self._read(), None
            if alone and self._is_due(mark, began, copy):
                try:
                    copy = self._ask(copy)
                except SourceError as error:
                    self._record(error)
                    trouble = error
            else:
                trouble = self._recorded()
        if copy is not None and copy.mark != mark:
            # Also where the source fails now: the next refresh says so.
            return Fetched(copy.raw, copy.etag, copy.fetched_at, copy.mark)
        if trouble is None and copy is None:
            trouble = SourceError(self.where, "another process of this server is still asking it")
            trouble.heard = True
        if trouble is not None:
            raise trouble
        return None

    def has_news(self) -> bool:
        """Say whether another process has put another copy in place. Costs one look at the disk."""
        return self._identity() not in {self._returned, None}

    def insist(self) -> None:
        """Believe no answer older than this moment: somebody says that there is a newer one."""
        self._not_before = time.time()

    def _patience_s(self, mark: str | None) -> float | None:
        """Return how long to wait for another process that is asking; None is until it is done."""
        if mark is not None:
            return 0.0
        return _PATIENCE_S if self._has_makeshift or self._read() is not None else None

    def _is_due(self, mark: str | None, began: float, copy: _Copy | None) -> bool:
        """Say whether it is this process's turn to ask. Only with the lock."""
        failed_at = _modified_at(self._failure)
        if failed_at is not None:
            # As long as it fails, whoever is first after a pause asks for all: an attempt that
            # was made since this process looked last counts as its own.
            last = began - _TOGETHER_S if self._looked_at is None else self._looked_at
            return failed_at <= max(last, self._not_before)
        fresh_s = _TOGETHER_S if mark is None else self.max_age_s / 2
        asked_at = _modified_at(self._lock)
        return copy is None or asked_at is None or asked_at < max(began - fresh_s, self._not_before)

    def _ask(self, known: _Copy | None) -> _Copy:
        """Ask the source; write what it gives, or that it gave nothing new. Return the copy.

        Raises:
            SourceError: it fails, or what it gives is no datafile at all (the copy must stay good).
        """
        fetched = self._source.fetch(None if known is None else known.etag)
        if known is not None and (fetched is None or fetched.raw.strip() == known.raw):
            copy = known
        elif fetched is not None:
            try:
                parse_datafile(fetched.raw)
            except DatafileError as error:
                raise SourceError(self.where, str(error), fetched.size()) from error
            copy = self._write(fetched)
        else:
            raise SourceError(self.where, "said 'not modified' to a question without a condition")
        self._failure.unlink(missing_ok=True)
        os.utime(self._lock)
        if self._keep is not None and copy.mark != self._kept:
            self._keep(parse_datafile(copy.raw)["revision"], copy.raw)
            self._kept = copy.mark
        return copy

    def _write(self, fetched: Fetched) -> _Copy:
        raw = fetched.raw.strip()
        digest = sha256(raw).hexdigest()
        copy = _Copy(fetched.etag or digest[:32], fetched.etag, time.time(), raw)
        meta = {"mark": copy.mark, "etag": copy.etag, "fetched_at": copy.fetched_at}
        _replace(self._copy, to_package({**meta, "sha256": digest}, raw))
        self._returned = self._identity()
        return copy

    def _record(self, error: SourceError) -> None:
        """Tell the other processes what this one was told."""
        told = (error.where, error.why, error.detail)
        _replace(self._failure, json.dumps(told).encode())

    def _recorded(self) -> SourceError | None:
        """Return what another process was told, if the source fails."""
        try:
            where, why, detail = json.loads(self._failure.read_bytes())
        except (OSError, ValueError, TypeError):
            return None
        error = SourceError(str(where), str(why), str(detail))
        error.heard = True
        return error

    def _read(self) -> _Copy | None:
        """Return the copy; None where there is none, or a damaged one, which is as good."""
        try:
            meta, raw = from_package(self._copy.read_bytes(), self.where)
        except (OSError, SourceError):
            return None
        mark, etag, fetched_at = (meta.get(name) for name in ("mark", "etag", "fetched_at"))
        if not isinstance(mark, str) or meta.get("sha256") != sha256(raw).hexdigest():
            return None
        return _Copy(
            mark,
            etag if isinstance(etag, str) else None,
            fetched_at if isinstance(fetched_at, float) else None,
            raw,
        )

    def _identity(self) -> tuple[int, int] | None:
        """Return what tells this copy from the one before, or None when there is none."""
        try:
            seen = self._copy.stat()
        except OSError:
            return None
        return seen.st_ino, seen.st_mtime_ns

    @contextmanager
    def _alone(self, patience_s: float | None) -> Iterator[bool]:
        """Hold the lock that all processes share; the system drops it when a holder dies.

        Args:
            patience_s: how long to wait for it; None for as long as it takes, which a fetch's own
                time-out bounds. Then `False` is what the block is given.
        """
        self._lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._lock.open("a") as lock:
            yield _take(lock.fileno(), patience_s)


def _take(lock: int, patience_s: float | None) -> bool:
    if patience_s is None:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return True
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_EVERY_S)
        else:
            return True


def _modified_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _replace(path: Path, content: bytes) -> None:
    """Put *content* there in one step, for nobody else to read. Only with the lock."""
    half_made = path.with_suffix(".new")
    half_made.write_bytes(content)
    half_made.chmod(0o600)
    half_made.replace(path)
