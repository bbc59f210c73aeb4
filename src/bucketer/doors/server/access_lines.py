"""Access lines, written together at the end of each turn of the loop.

A line that goes through `logging` costs more than a decision: a record, a lock, a formatter, a
write and a flush, 30 us where a line of a turn of sixteen takes 4. Here a line is a text in a list,
and a turn's lines are one write. A program
that embeds the server and has configured logging gets them through it all the same (`logs.py`).
"""

from __future__ import annotations

import logging
import os
import sys
import time
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING

from bucketer.doors.server.logs import quotable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from bucketer.api.http import Request, Response

_log = logging.getLogger("bucketer.server")

#: What several processes may write to one pipe without cutting each other's lines.
_WHOLE_BYTES = 4096


class AccessLines:
    """Is told of each answer; see `watching.Watcher`. On the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        environment_of: Callable[[Request], str],
        *,
        as_json: bool,
        write: Callable[[bytes], object] | None = None,
    ) -> None:
        """Write text for people, or an object a line.

        Args:
            loop: the worker's.
            environment_of: names the environment that a request is for; never its key.
            as_json: an object a line.
            write: takes lines; standard output unless given.
        """
        self._loop = loop
        self._environment_of = environment_of
        self._made = self._json if as_json else self._text
        self._write = write or _to_stdout
        self._lines: list[str] = []
        self._second, self._written_second = 0, ""
        self._fails = False

    def __call__(self, request: Request, response: Response, seconds: float, /) -> None:
        """Write a line about one answer, soon."""
        if not self._lines:
            self._loop.call_soon(self._flush)
        self._lines.append(self._made(request, response, seconds))

    def _json(self, request: Request, response: Response, seconds: float) -> str:
        ip, method, path = request.ip, request.method, request.path
        who = quote(ip) if ip else "null"
        what = f"{quote(method)}, " if method else "null, "
        where = quote(path) if path else "null"
        return (
            f'{{"time": "{self._time()}", "ip": {who}, "method": {what}"path": {where}, '
            f'"status": {response.status}, "bytes": {len(response.body)}, '
            f'"request_id": "{request.request_id}", "seconds": {seconds:.6f}, '
            f'"environment": {quote(self._environment_of(request))}}}\n'
        )

    def _text(self, request: Request, response: Response, seconds: float) -> str:
        asked = f"{request.method} {quotable(request.path)}" if request.method else "-"
        return (
            f'{self._time()} {quotable(request.ip) or "-"} "{asked}" {response.status} '
            f"{len(response.body)} {request.request_id} {seconds:.6f}\n"
        )

    def _time(self) -> str:
        """Return what time it is, as RFC 3339 has it; the second is written once."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._written_second = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._written_second}{int((now - second) * 1000):03d}Z"

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        data = "".join(lines).encode("ascii", "backslashreplace")
        try:
            while data:
                end = len(data)
                if end > _WHOLE_BYTES:
                    end = data.rfind(b"\n", 0, _WHOLE_BYTES) + 1 or data.index(b"\n") + 1
                self._write(data[:end])
                data = data[end:]
            self._fails = False
        except OSError as error:
            if not self._fails:
                _log.error("access lines can't be written: %s", error.strerror)
            self._fails = True


def _to_stdout(data: bytes) -> None:
    sys.stdout.flush()
    fd = sys.stdout.fileno()
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # somebody who shares it has made it so; half a line is no choice
            import select

            select.select([], [fd], [])
