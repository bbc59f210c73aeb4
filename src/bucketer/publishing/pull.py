"""Fetch the datafile, check it, and store it in the package."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bucketer.core.errors import SourceError
from bucketer.sources.packaged import STORED, to_package

from .check import Checked, fetch_checked

if TYPE_CHECKING:
    from bucketer.ports import DatafileSource


def pull(
    source: DatafileSource, into: Path | None = None, *, package: Path = Path(STORED)
) -> Checked:
    """Fetch from *source*, check, and store; unless all of it succeeds, nothing changes.

    Args:
        source: where the datafile is published.
        into: the file that gets the datafile as it came, for whatever reads datafiles; when None,
            *package* is written instead.
        package: the package's own file, which has in it where the datafile came from, and when.

    Raises:
        SourceError: it can't be fetched, or the file can't be written.
        UnusableDatafile: what came can't be used.
    """
    checked = fetch_checked(source)
    target = package if into is None else into
    try:
        if into is None:
            write_atomically(package, envelope(checked, source.label, time.time()))
        else:
            write_atomically(into, checked.raw)
    except OSError as error:
        raise SourceError(str(target), error.strerror or type(error).__name__) from error
    return checked


def envelope(checked: Checked, url: str, fetched_at: float) -> bytes:
    """Return the document that the package holds; see `sources.packaged`."""
    meta = {
        "url": url,
        "revision": checked.revision,
        "etag": checked.etag,
        "fetched_at": round(fetched_at, 3),
    }
    return to_package(meta, checked.raw)


def write_atomically(target: Path, content: bytes) -> None:
    """Put *content* in place of *target* in one step: a reader sees the old or the new, whole.

    What is no file (`/dev/null`, a pipe) is written to, and stays what it is.

    Raises:
        OSError: it can't be written; *target* is as it was.
    """
    if target.exists() and not target.is_file():
        target.write_bytes(content)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
