"""`bucketer tail`: decisions of a running server, as they happen."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from bucketer.api.service.tail import MOST, PATH, REASONS, USUAL
from bucketer.core.errors import BucketerError

from .terminal import BAD, GOOD, NOTE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import TypeAlias

    from .terminal import Terminal

    #: An event and its kind, or why there are no more of one worker.
    Heard: TypeAlias = "tuple[str, dict[str, object]] | CannotTail"

#: The server says something at least so often.
_SILENCE_S = 60.0
_MOST_LINE_BYTES = 64 * 1024
#: Connections for each worker that there is, until all are heard: the kernel spreads them.
_TRIES = 16
_PAUSE_S = 0.6


class CannotTail(BucketerError):
    """The server can't be listened to, or no longer."""

    code = "cannot_tail"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--url", metavar="URL", default="http://127.0.0.1:8080", help="the server (%(default)s)"
    )
    parser.add_argument(
        "--key-file", metavar="PATH", help="holds a key with the role admin, where there are keys"
    )
    for name in ("environment", "flag", "user", "variation"):
        article = "an" if name[0] in "aeiou" else "a"
        parser.add_argument(f"--{name}", metavar=name.upper(), help=f"only of {article} {name}")
    parser.add_argument(
        "--reason",
        metavar="REASON",
        choices=REASONS,
        help=f"only of a reason: {', '.join(REASONS)}",
    )
    parser.add_argument(
        "--per-second",
        metavar="NUMBER",
        type=int,
        default=USUAL,
        help=f"decisions of a second at the most, up to {MOST} (%(default)s); the rest is counted",
    )
    parser.add_argument("--json", action="store_true", help="for programs: an object a line")
    parser.set_defaults(run=tail_command)


def tail_command(args: argparse.Namespace, terminal: Terminal) -> None:
    """Show decisions until Ctrl-C, or until the server ends."""
    names = ("environment", "flag", "user", "variation", "reason", "per_second")
    asked = {name: value for name in names if (value := getattr(args, name)) is not None}
    for kind, told in _listen(args.url, asked, _key_of(args.key_file)):
        if args.json:
            terminal.json({"event": kind, **told})
        elif kind == "lost":
            terminal.line(f"{told.get('lost')} not told: they came too fast", BAD)
        else:
            _show(told, terminal)


def _show(told: dict[str, object], terminal: Terminal) -> None:
    if told.get("skipped"):
        terminal.line(f"{told['skipped']} more", NOTE)
    at_ms = told.get("at_ms")
    moment = time.gmtime(at_ms / 1000 if isinstance(at_ms, int) else 0)
    words = [
        time.strftime("%H:%M:%SZ", moment),
        str(told.get("environment")),
        f"{told.get('flag')} → {told.get('variation') or '(none)'}",
        " ".join(str(told[each]) for each in ("reason", "rule") if told.get(each)),
        json.dumps(told.get("user")),  # within its quotes, whatever a visitor is called
    ]
    terminal.line("  ".join(words), GOOD if told.get("variation") else NOTE)


def _key_of(path: str | None) -> str:
    if path is None:
        return ""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise CannotTail(f"the key can't be read from {path}: {why}") from None
    # Behind a key `bucketer keys create` writes what BUCKETER_KEYS is to have.
    key = text.strip().partition("\n")[0].strip()
    if not (key.isascii() and key.isprintable() and key):
        raise CannotTail(f"the key can't be read from {path}: its first line is none")
    return key


def _listen(
    url: str, asked: dict[str, object], key: str
) -> Iterator[tuple[str, dict[str, object]]]:
    """Give each event of each worker, with its kind, as they come.

    A connection hears the worker that took it; there are as many as it takes to hear all of them.

    Raises:
        CannotTail: there is no server, or it refuses, or it is gone.
    """
    heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
    left = 0
    for stream in _of_each_worker(url, asked, key):
        left += 1
        _follow(stream, heard)
    while True:
        found = heard.get()
        if not isinstance(found, CannotTail):
            yield found
            continue
        left -= 1
        if not left:
            raise found


def _of_each_worker(url: str, asked: dict[str, object], key: str) -> Iterator[_Stream]:
    """Connect until each worker is heard, or for long enough; give a stream of each, at once."""
    stream, here = _connect(url, asked, key)
    yield stream
    listening = {here.get("worker")}
    workers = here.get("of")
    if not isinstance(workers, int):
        return
    for _ in range(_TRIES * workers):
        if len(listening) >= workers:
            return
        try:
            stream, here = _connect(url, asked, key)
        except CannotTail:  # as many listen at that worker as may: we did, a moment ago
            time.sleep(_PAUSE_S)
            continue
        if here.get("worker") in listening:
            stream.close()
            continue
        listening.add(here.get("worker"))
        yield stream


def _follow(stream: _Stream, heard: queue.SimpleQueue[Heard]) -> None:
    """Have a thread put each event into *heard*, and why there are no more at its end."""

    def follow() -> None:
        try:
            for event in stream.events():
                heard.put(event)
        except CannotTail as error:
            heard.put(error)

    threading.Thread(target=follow, daemon=True).start()


def _connect(url: str, asked: dict[str, object], key: str) -> tuple[_Stream, dict[str, object]]:
    """Begin to listen; return the stream, and what it said first."""
    stream = _Stream(url, asked, key)
    kind, here = next(stream.events())
    if kind != "worker":
        raise CannotTail(f"{url}: found an event {kind[:40]!r}; expected the worker's")
    return stream, here


class _Stream:
    """One connection to a server.

    Raises:
        CannotTail: it can't be made, or is refused.
    """

    def __init__(self, url: str, asked: dict[str, object], key: str) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise CannotTail(f"--url: found {url!r}; allowed: http://HOST:PORT or https://HOST")
        self._where = parts.netloc
        headers = {"Accept": "text/event-stream"} | ({"X-API-Key": key} if key else {})
        path = f"{parts.path.rstrip('/')}{PATH}?{urlencode(asked)}"
        try:
            self._connection = make(parts.hostname, parts.port, timeout=_SILENCE_S)
            self._connection.request("GET", path, headers=headers)
            self._answer = self._connection.getresponse()
            if self._answer.status != http.client.OK:
                body = self._answer.read(_MOST_LINE_BYTES)
                raise CannotTail(_refusal(self._answer.status, body))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CannotTail(f"{self._where}: {error or type(error).__name__}") from None

    def events(self) -> Iterator[tuple[str, dict[str, object]]]:
        """Give each event with its kind.

        Raises:
            CannotTail: there are no more.
        """
        kind = "decision"
        try:
            while line := self._answer.readline(_MOST_LINE_BYTES):
                name, _, value = line.decode("utf-8", "replace").rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    told = json.loads(value)
                    if isinstance(told, dict):
                        yield kind, told
                    kind = "decision"
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CannotTail(f"{self._where}: {error or type(error).__name__}") from None
        raise CannotTail(f"{self._where}: the server has ended the stream")

    def close(self) -> None:
        """Listen no more."""
        self._answer.close()
        self._connection.close()


def _refusal(status: int, body: bytes) -> str:
    try:
        message = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = "no reason given"
    hint = " Is BUCKETER_TAIL on there?" if status == http.client.NOT_FOUND else ""
    return f"the server answers {status}: {message}{hint}"
