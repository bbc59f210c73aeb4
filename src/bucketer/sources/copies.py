"""What the processes of a server tell each other of one source: small files in the state directory.

Each file is put in place in one step. Times are the file system's, by the wall clock, which all
processes share; one that lies in the future (the clock was set back since) says nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from bucketer.core.errors import SourceError

from .packaged import from_package, to_package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LOOK_EVERY_S = 0.02
#: The clocks of a file system and of the machine may differ by so much.
_SKEW_S = 1.0


class Copy(NamedTuple):
    """A datafile as it lies there.

    Attributes:
        mark: tells it from any other; the ETag where there is one.
        etag: the origin's name for it, or None.
        fetched_at: epoch seconds, or None where that isn't known.
        raw: the JSON text, without white space around it.
        admitted: it took the place of a newer revision, and was meant to.
    """

    mark: str
    etag: str | None
    fetched_at: float | None
    raw: bytes
    admitted: bool = False


class CopyFiles:
    """The files of one source. Methods raise OSError where the state directory can't be used.

    Attributes:
        lock: taken while the source is asked; touched when it has answered and all is stored.
        copy: the newest datafile.
        failure: why the source can't be had, as long as it can't.
        older: since when the source has shown nothing but older revisions than the copy.
    """

    def __init__(self, folder: Path, label: str, clock: Callable[[], float] = time.time) -> None:
        """Name the files in *folder* after *label*, without telling it; *clock* is the wall's."""
        name = f"datafile-{sha256(label.encode()).hexdigest()[:16]}"
        self.copy = folder / f"{name}.json"
        self.lock = folder / f"{name}.lock"
        self.failure = folder / f"{name}.failed"
        self.older = folder / f"{name}.older"
        self._clock = clock

    @contextmanager
    def alone(self, patience_s: float | None) -> Iterator[bool]:
        """Hold the lock that all processes share; the system drops it when a holder dies.

        Args:
            patience_s: how long to wait for it; None for as long as it takes, which a fetch's own
                time-out bounds. Then `False` is what the block is given.

        Raises:
            OSError: there can be no lock.
        """
        self.lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.lock.open("a") as lock:
            yield _take(lock.fileno(), patience_s)

    def read(self, where: str) -> Copy | None:
        """Return the copy; None where there is none, or a damaged one, which is as good.

        Raises:
            OSError: there may be one, and it can't be read.
        """
        try:
            meta, raw = from_package(self.copy.read_bytes(), where)
        except (FileNotFoundError, SourceError):
            return None
        mark, etag, fetched_at = (meta.get(name) for name in ("mark", "etag", "fetched_at"))
        if not isinstance(mark, str) or meta.get("sha256") != sha256(raw).hexdigest():
            return None
        return Copy(
            mark,
            etag if isinstance(etag, str) else None,
            self._past(fetched_at) if isinstance(fetched_at, float) else None,
            raw,
            meta.get("admitted") is True,
        )

    def write(self, copy: Copy) -> None:
        """Put *copy* there."""
        meta = copy._asdict()
        del meta["raw"]
        meta["sha256"] = sha256(copy.raw).hexdigest()
        _replace(self.copy, to_package(meta, copy.raw))

    def identity(self) -> tuple[int, int] | None:
        """Return what tells this copy from the one before, or None when none can be seen."""
        try:
            seen = self.copy.stat()
        except OSError:  # whoever asks has a datafile, and goes on with it
            return None
        return seen.st_ino, seen.st_mtime_ns

    def asked_at(self) -> float | None:
        """Return when the source last answered, epoch seconds; None where nobody knows."""
        return self._modified_at(self.lock)

    def note_answer(self) -> None:
        """The source has answered, and the copy is what it said."""
        self.failure.unlink(missing_ok=True)
        os.utime(self.lock)

    def failed_at(self) -> float | None:
        """Return when the source last failed; infinity where it does and nobody knows since when.

        None when it doesn't fail.
        """
        if not self.failure.exists():
            return None
        found = self._modified_at(self.failure)
        return float("-inf") if found is None else found

    def note_failure(self, error: SourceError) -> None:
        """Tell the other processes what this one was told."""
        _replace(self.failure, json.dumps((error.where, error.why, error.detail)).encode())

    def recorded_failure(self) -> SourceError | None:
        """Return what another process was told, if the source fails."""
        try:
            where, why, detail = json.loads(self.failure.read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):  # half a line is no message
            return None
        error = SourceError(str(where), str(why), str(detail))
        error.heard = True
        return error

    def older_since(self) -> float | None:
        """Return since when only older revisions were shown, epoch seconds; None if not known."""
        try:
            since = json.loads(self.older.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            return None
        return self._past(since) if isinstance(since, float) else None

    def note_older(self, since: float | None = None) -> None:
        """Only older revisions are shown, from *since* (now) on."""
        self.older.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(self.older, json.dumps(self._clock() if since is None else since).encode())

    def forget_older(self) -> None:
        """What is shown is not older."""
        self.older.unlink(missing_ok=True)

    def _modified_at(self, path: Path) -> float | None:
        try:
            return self._past(path.stat().st_mtime)
        except FileNotFoundError:
            return None

    def _past(self, moment: float) -> float | None:
        """Return *moment*, unless it is yet to come or is no moment."""
        return moment if 0.0 <= moment <= self._clock() + _SKEW_S else None


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


def _replace(path: Path, content: bytes) -> None:
    """Put *content* there in one step, for nobody else to read; half of it is taken away again."""
    half_made = path.with_suffix(".new")
    try:
        half_made.write_bytes(content)
        half_made.chmod(0o600)
        half_made.replace(path)
    except OSError:
        half_made.unlink(missing_ok=True)
        raise
