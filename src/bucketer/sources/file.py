"""A datafile on disk, read again when it changes."""

from __future__ import annotations

import os

from bucketer.core.errors import SourceError
from bucketer.ports import Fetched

#: Far above any real datafile (the biggest seen are some MB), far below what hurts a process.
MAX_DATAFILE_BYTES = 64 * 1024 * 1024


class FileSource:
    """A datafile in a file of the user's. Its mark is made of time, size and inode."""

    __slots__ = ("kind", "label", "max_age_s", "where")

    def __init__(self, path: str, max_age_s: float) -> None:
        self.kind = "file"
        self.label = self.where = path
        self.max_age_s = max_age_s

    def fetch(self, mark: str | None) -> Fetched | None:
        """Read the file, unless it looks as it did.

        Raises:
            SourceError: it can't be read, or it is bigger than `MAX_DATAFILE_BYTES`.
        """
        try:
            with open(self.label, "rb") as file:  # noqa: PTH123 -- pathlib costs 4 ms at cold start
                seen = os.fstat(file.fileno())
                now = f"{seen.st_mtime_ns:x}-{seen.st_size:x}-{seen.st_ino:x}"
                if now == mark:
                    return None
                raw = file.read(MAX_DATAFILE_BYTES + 1)
        except OSError as error:
            failure = SourceError(self.where, error.strerror or type(error).__name__)
            failure.missing = isinstance(error, FileNotFoundError)
            raise failure from error
        if len(raw) > MAX_DATAFILE_BYTES:
            raise SourceError(self.where, f"bigger than {MAX_DATAFILE_BYTES} bytes")
        return Fetched(raw, mark=now)
