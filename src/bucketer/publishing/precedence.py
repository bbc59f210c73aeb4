"""Two datafiles in, which may serve out: by whose they are, by revision, by content.

Revisions count the publications of one environment of one project. Between environments they say
nothing, so there what was asked for last wins (docs/decisions/0064).
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from bucketer.core.errors import DatafileError
from bucketer.core.parse import parse_datafile
from bucketer.core.revisions import publication_of

from .check import is_newer


class Standing(NamedTuple):
    """What is known of a datafile, without the datafile.

    Attributes:
        project: its project's id.
        origin: 16 hex digits that stand for project and environment; the SDK key is not in them.
        revision: which publication.
        digest: SHA-256 of its bytes, in hex.
    """

    project: str
    origin: str
    revision: str
    digest: str


def standing_of(raw: bytes) -> Standing | None:
    """Return what counts of the datafile *raw*; None when it is none: anything may replace it."""
    try:
        datafile = parse_datafile(raw)
    except DatafileError:
        return None
    project, environment, revision = publication_of(datafile)
    origin = hashlib.sha256(f"{project}\n{environment}".encode("utf-8", "surrogatepass"))
    digest = hashlib.sha256(raw).hexdigest()
    return Standing(project, origin.hexdigest()[:16], revision, digest)


def reason_to_keep(old: Standing | None, new: Standing) -> str | None:
    """Say why *old* goes on serving; None when *new* is to replace it.

    The same revision with another content replaces: the source shows that now, and whoever reads
    it directly decides by it.
    """
    if old is None or old.origin != new.origin or is_newer(new.revision, old.revision):
        return None
    if old.revision == new.revision and old.digest != new.digest:
        return None
    return f"kept revision {old.revision}, which is not older"


def replaced(old: Standing | None, new: Standing) -> str:
    """Say what *new* took the place of, where that is out of the ordinary; else nothing."""
    if old is None:
        return ""
    if old.project != new.project:
        return f", in place of revision {old.revision} of project {old.project}"
    if old.origin != new.origin:
        return f", in place of revision {old.revision} of another environment"
    same_number = old.revision == new.revision and old.digest != new.digest
    return " again, with other content" if same_number else ""
