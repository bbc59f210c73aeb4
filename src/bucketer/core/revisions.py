"""Which of two datafiles is the newer publication of the same environment.

Revisions count the publications of one environment of one project; between environments they say
nothing (docs/decisions/0064). In Optimizely they are whole numbers; other text has no order.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    #: Project id, what tells its environments apart (a secret: the SDK key), revision.
    Publication: TypeAlias = tuple[str, str, str]


def publication_of(datafile: Mapping[str, Any]) -> Publication:
    """Return what tells by which publication of what *datafile* is."""
    return str(datafile["projectId"]), environment_of(datafile), str(datafile["revision"])


def environment_of(datafile: Mapping[str, Any]) -> str:
    """Return what tells the environments of a project apart: the SDK key, or else its name."""
    return str(datafile.get("sdkKey") or datafile.get("environmentKey") or "")


def is_older(publication: Publication, than: Publication) -> bool:
    """Say whether *publication* is an earlier one of the same environment of the same project."""
    return publication[:2] == than[:2] and is_newer(than[2], publication[2])


def is_newer(revision: str, than: str, *, otherwise: bool = False) -> bool:
    """Say whether *revision* is the higher number; *otherwise* where either is no number."""
    new, old = _order(revision), _order(than)
    return otherwise if new is None or old is None else new > old


def _order(revision: str) -> tuple[int, str] | None:
    """Return what orders whole numbers of any length; `int` refuses more than 4,300 digits."""
    if not (revision.isascii() and revision.isdecimal()):
        return None
    digits = revision.lstrip("0")
    return len(digits), digits
