"""The datafile that travels with the code: the one that was pulled, or the demonstration.

``data/packaged.json`` is one JSON document in two lines, so that storing it is one rename and
reading it doesn't parse the datafile twice:

    {"package": {"url": …, "revision": …, "etag": …, "fetched_at": …},
    "datafile": …the bytes as they were fetched…}
"""

from __future__ import annotations

import json
import os

from bucketer.core.errors import SourceError
from bucketer.ports import Fetched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: The folder of the package: `bucketer/`.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 -- pathlib costs 4 ms at cold start
STORED = os.path.join(_PACKAGE, "data", "packaged.json")  # noqa: PTH118 -- as above
DEMONSTRATION = os.path.join(_PACKAGE, "demo", "datafile.json")  # noqa: PTH118 -- as above

_HEAD = b'{"package": '
_MIDDLE = b',\n"datafile": '
_TAIL = b"}\n"


class PackagedSource:
    """The datafile that was stored in the package. It doesn't change while the process lives.

    Attributes: as `ports.DatafileSource` has them; `label` is the URL it was pulled from.
    """

    __slots__ = ("_path", "kind", "label", "max_age_s", "where")

    def __init__(self, path: str = STORED) -> None:
        self._path = path
        self.kind = "package"
        self.label = "package"
        self.where = "the packaged datafile"
        self.max_age_s = 0.0

    def fetch(self, mark: str | None) -> Fetched | None:
        """Read the file.

        Raises:
            SourceError: it can't be read, or wasn't written by `to_package`.
        """
        meta, raw = from_package(_read(self._path, self.where), self.where)
        self.label = str(meta.get("url") or self.label)
        known, fetched_at = meta.get("etag"), meta.get("fetched_at")
        if mark is not None and mark == known:
            return None
        return Fetched(
            raw,
            known if isinstance(known, str) else None,
            float(fetched_at) if isinstance(fetched_at, int | float) else None,
        )


class DemonstrationSource:
    """The demonstration datafile: what serves while nothing is configured."""

    __slots__ = ("kind", "label", "max_age_s", "where")

    def __init__(self) -> None:
        self.kind = "demonstration"
        self.label = "demonstration"
        self.where = "the demonstration datafile"
        self.max_age_s = 0.0

    def fetch(self, mark: str | None) -> Fetched | None:  # noqa: ARG002 -- it has none
        """Read the file.

        Raises:
            SourceError: the installation is damaged.
        """
        return Fetched(_read(DEMONSTRATION, self.where))


def is_stored(path: str = STORED) -> bool:
    """Say whether a datafile was stored in the package.

    One that can't be looked at counts: whoever fetches it is told why.
    """
    try:
        os.stat(path)  # noqa: PTH116 -- pathlib costs 4 ms at cold start
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def to_package(meta: Mapping[str, object], raw: bytes) -> bytes:
    """Put *meta* (url, revision, etag, fetched_at) and the datafile *raw* into one document."""
    return _HEAD + json.dumps(meta).encode() + _MIDDLE + raw.strip() + _TAIL


def from_package(document: bytes, where: str) -> tuple[dict[str, object], bytes]:
    """Take a document of `to_package` apart.

    Raises:
        SourceError: it isn't one.
    """
    head, middle, rest = document.partition(_MIDDLE)
    if not (middle and head.startswith(_HEAD) and rest.endswith(_TAIL)):
        raise SourceError(where, "not as `bucketer datafile pull` writes it; pull it again")
    try:
        meta = json.loads(head[len(_HEAD) :])
    except ValueError as error:
        raise SourceError(where, "its first line is damaged; pull it again") from error
    if not isinstance(meta, dict):
        raise SourceError(where, "its first line is damaged; pull it again")
    return meta, rest[: -len(_TAIL)]


def _read(path: str, where: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- pathlib costs 4 ms at cold start
            return file.read()
    except OSError as error:
        raise SourceError(where, error.strerror or type(error).__name__) from error
