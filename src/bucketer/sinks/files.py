"""Files beside the lanes, written so that neither a full disk nor another user gets at them."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def private_directory(directory: Path) -> None:
    """Make *directory* if it is missing, for this user only: events tell of people."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def append_lines(path: Path, data: bytes, *, sync: bool) -> None:
    """Append *data*, whole lines, for this user only; all of it or, when this raises, nothing.

    A line that a crash has torn at the file's end is closed first, so that it costs no other.

    Args:
        path: made if missing; its directory has to exist.
        data: ends with a line break.
        sync: return only when it is on the disk.

    Raises:
        OSError: the disk refused; what had been there is as it was.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.fchmod(fd, 0o600)
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            data = b"\n" + data
        try:
            while data:  # a disk with little room takes a part, then refuses
                data = data[os.write(fd, data) :]
            if sync:
                os.fsync(fd)
        except OSError:
            os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)


def sync_directory(directory: Path) -> None:
    """Without this a crash of the machine may lose a new file's name, and its bytes with it.

    Raises:
        OSError: the disk refused.
    """
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def listed(directory: Path, is_one: Callable[[os.DirEntry[str]], bool]) -> list[Path]:
    """The entries for which *is_one* holds, by name; none only if there is no such directory.

    Not `Path.glob`, `is_dir` and the like: to them, what can't be listed is empty.

    Raises:
        OSError: it can't be listed (too many open files, no right to, a bad disk).
    """
    try:
        with os.scandir(directory) as entries:
            return sorted(directory / entry.name for entry in entries if is_one(entry))
    except (FileNotFoundError, NotADirectoryError):
        return []
