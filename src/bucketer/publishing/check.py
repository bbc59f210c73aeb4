"""A datafile as it was fetched in, a checked one out: it parses, and it compiles."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from bucketer.core.compile import compile_datafile
from bucketer.core.errors import BucketerError, DatafileError, InvalidDatafile, SourceError
from bucketer.core.parse import parse_datafile
from bucketer.core.revisions import is_newer as is_higher

if TYPE_CHECKING:
    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import DatafileSource


class Checked(NamedTuple):
    """A datafile that can be used.

    Attributes:
        raw: the JSON text as it was fetched.
        ruleset: what it compiles to, with its diagnostics.
        etag: the source's name for this content, or None.
        digest: SHA-256 of `raw`, in hex.
    """

    raw: bytes
    ruleset: Ruleset
    etag: str | None
    digest: str

    @property
    def revision(self) -> str:
        """Which publication this is."""
        return self.ruleset.revision


class UnusableDatafile(BucketerError):
    """What came is no usable datafile; whatever served before goes on serving.

    Attributes:
        where: the source without its secrets.
        size_bytes: of what came.
        status: of the HTTP answer that it came in, or None.
        pointer: the JSON pointer of what is wrong; ``""`` is the whole document.
        why: the reason, in one clause.
    """

    code = "invalid_datafile"

    def __init__(
        self, where: str, size_bytes: int, pointer: str, why: str, status: int | None = None
    ) -> None:
        super().__init__(where, size_bytes, pointer, why, status)
        self.where, self.size_bytes, self.pointer, self.why = where, size_bytes, pointer, why
        self.status = status

    def __str__(self) -> str:
        status = "" if self.status is None else f"status {self.status}, "
        return (
            f"{self.where}: what came ({status}{self.size_bytes} bytes) can't be used: {self.why}"
        )


def fetch_checked(source: DatafileSource) -> Checked:
    """Fetch from *source* whatever it has now, and check it.

    Raises:
        SourceError: it can't be fetched.
        UnusableDatafile: what came can't be used.
    """
    fetched = source.fetch(None)
    if fetched is None:
        raise SourceError(source.where, "said 'not modified' to a question without a condition")
    return check(fetched.raw, source.where, fetched.etag, fetched.status)


def check(raw: bytes, where: str, etag: str | None = None, status: int | None = None) -> Checked:
    """Parse and compile *raw*, which came from *where*.

    Raises:
        UnusableDatafile: it can't be used.
    """
    try:
        ruleset = compile_datafile(parse_datafile(raw))
    except DatafileError as error:
        pointer = error.pointer if isinstance(error, InvalidDatafile) else "/version"
        raise UnusableDatafile(where, len(raw), pointer, str(error), status) from error
    return Checked(raw, ruleset, etag, hashlib.sha256(raw).hexdigest())


def is_newer(revision: str, than: str | None) -> bool:
    """Say whether *revision* may replace *than* (None: nothing is there yet).

    Revisions are numbers in Optimizely. Others can't be ordered: any other text counts as newer.
    """
    if than is None:
        return True
    return is_higher(revision, than, otherwise=revision != than)
