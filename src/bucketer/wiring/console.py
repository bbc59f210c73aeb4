"""Settings in, the console's part of the API out: who may see it, its files, what it is told."""

from __future__ import annotations

import json
import threading
import zlib
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from bucketer.api.bucketer.revision import check_revision
from bucketer.api.console.api import ConsoleApi
from bucketer.api.console.pages import PREFIX, FrontRoute
from bucketer.api.console.parts import ConsoleParts, File, Room
from bucketer.api.console.refusal import Refused
from bucketer.api.http import Request
from bucketer.api.local import is_loopback_name
from bucketer.api.service.health import HealthRoute
from bucketer.core.errors import InvalidRequest
from bucketer.core.parse import parse_datafile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from bucketer.api.options import ApiOptions, ApiParts
    from bucketer.api.route import Api, Route
    from bucketer.metrics.collector import Collector
    from bucketer.ports import EditionFacts
    from bucketer.publishing.changes import Change
    from bucketer.runtime.runtime import Runtime
    from bucketer.settings import Settings

    Done = TypeVar("Done")

#: The page's files, which the package brings along.
_FOLDER = Path(__file__).resolve().parents[1] / "web"
#: What a browser is told of each; nothing else is served.
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
#: Revisions to choose from; older ones can be asked for by name.
_MOST_LISTED = 1_000
#: So many may wait for their turn; each has a thread.
_MOST_WAITING = 8
_GZIP = 31


class Turn:
    """Does one thing after the other: each takes a processor for itself while it lasts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)

    def __call__(self, work: Callable[[], Done]) -> Done:
        """Do *work* when its turn comes.

        Raises:
            Refused: too many wait.
        """
        if not self._waiting.acquire(blocking=False):
            message = "Too many ask the console at once; ask again in a moment."
            raise Refused(503, "console_busy", message, (("Retry-After", "1"),))
        try:
            with self._lock:
                return work()
        finally:
            self._waiting.release()


class Files:
    """The page's files, read and packed when they are first asked for."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        """Read from *folder*."""
        self._folder = folder
        self._found: Mapping[str, File] | None = None

    def __call__(self) -> Mapping[str, File]:
        """Return them by their paths, with slashes."""
        if self._found is None:
            self._found = {
                path.relative_to(self._folder).as_posix(): _file(path)
                for path in sorted(self._folder.rglob("*"))
                if path.suffix in _KINDS and path.is_file()
            }
        return self._found


def _file(path: Path) -> File:
    body = path.read_bytes()
    packer = zlib.compressobj(9, wbits=_GZIP)
    packed = packer.compress(body) + packer.flush()
    etag = f'"{sha256(body).hexdigest()[:16]}"'
    return File(_KINDS[path.suffix], body, packed if len(packed) < len(body) else b"", etag)


def _health(edition: EditionFacts | None, options: ApiOptions, now: float) -> dict[str, object]:
    """What `/health` answers: asked itself, so the two never differ."""
    request = Request("GET", "/health", "", {}, b"", "", "")
    reply = HealthRoute(edition, options, ()).answer(request, now, str, None)
    told: dict[str, object] = json.loads(reply.response.body)
    return told


def _archived(archive: Callable[[str], EditionFacts | None], revision: str) -> EditionFacts | None:
    check_revision(revision)  # it becomes a file's name
    return archive(revision)


def _listed(folder: Path) -> list[str]:
    """The revisions in a directory: numbers from the greatest down, then other names."""
    names = [each.stem for each in folder.glob("*.json") if _is_revision(each.stem)]
    names.sort(key=lambda name: (name.isdecimal(), int(name) if name.isdecimal() else 0, name))
    return names[: -_MOST_LISTED - 1 : -1]


def _is_revision(name: str) -> bool:
    try:
        check_revision(name)
    except InvalidRequest:
        return False
    return True


def _differences(old: bytes, new: bytes) -> Iterable[Change]:
    from bucketer.publishing.diff import diff

    return diff(parse_datafile(old), parse_datafile(new))


def _requests(collector: Collector) -> dict[str, object]:
    """Answers of all workers so far, and those of them that say that the service failed."""
    counted = collector.samples().get("bucketer_requests_total", {})
    numbers = [
        (labels[-1], value) for labels, value in counted.items() if not isinstance(value, list)
    ]
    failed = sum(value for status, value in numbers if status >= "500")
    return {"total": sum(value for _, value in numbers), "errors": failed}


def add_console(
    settings: Settings, options: ApiOptions, collector: Collector | None
) -> Callable[[Runtime], None]:
    """Put the console into *options*, where it may be; return what gives it the rest."""
    is_loopback = is_loopback_name(settings.host)
    if settings.console == "off" or (settings.console == "auto" and not is_loopback):
        return lambda _runtime: None
    from bucketer import __version__

    takes_keys = settings.console == "on"
    parts = ConsoleParts(is_open=is_loopback, takes_keys=takes_keys, version=__version__)
    parts.files, parts.in_turn, parts.health = Files(), Turn(), _health
    if collector is not None:
        parts.counters = partial(_requests, collector)

    def make(*given: *ApiParts) -> Api:
        return ConsoleApi(parts, *given)

    def front(index: Route) -> Route:
        return FrontRoute(parts, settings.path_prefix, index)

    options.apis += ((PREFIX, make),)
    options.front = front
    return partial(_furnish, parts, settings.revisions)


def _furnish(parts: ConsoleParts, revisions: str, runtime: Runtime) -> None:
    """Give the console what it tells of a *runtime*."""
    environments = runtime.environments
    parts.started_at = runtime.clock()
    archive = runtime.archive
    if archive is not None:
        parts.archive, parts.diff = partial(_archived, archive), _differences
        if "://" not in revisions:
            parts.revisions = partial(_listed, Path(revisions).expanduser())

    def rooms() -> Iterable[Room]:
        for each in (environments.default, *environments.listed):
            name = "" if each is environments.default else each.name
            yield Room(name, each.name, each.edition, each.freshness.to_json())

    parts.rooms = rooms
