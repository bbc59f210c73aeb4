"""Log records in, lines out: trouble to standard error, access lines to standard output.

Both as text for people or, by `BUCKETER_LOG_FORMAT`, as JSON, an object a line. Times are UTC and
say so. Whatever a client or a datafile had a hand in stays within its line and its quotes.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from bucketer.core.errors import SettingsError

if TYPE_CHECKING:
    from typing import Any

    from bucketer.api.http import Request, Response
    from bucketer.doors.server.speaker import Speaker

access_log = logging.getLogger("bucketer.access")

#: Characters of a path that a line of text has; the rest of a longer one is left out.
_SHOWN = 1_000
#: What could end a line, or be heard by a terminal.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: What else can't be between quotes as it is.
_UNQUOTABLE = re.compile(r'[^\x20-\x7e]|["\\]')
#: What uvicorn says on top of what it was told, or of what `Workers` says.
_SAID_ALREADY = ("Application startup failed", "Child process [")


class Appended:
    """A file that lines are written to, at its end whoever else writes there."""

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            OSError: it can't be written.
        """
        self._path = path
        self._fd = self._opened()

    def __call__(self, data: bytes) -> None:
        """Write whole lines."""
        while data:
            data = data[os.write(self._fd, data) :]

    def reopen(self) -> None:
        """Go on in the file that has the name by now; in the old one where that can't be opened."""
        try:
            fd = self._opened()
        except OSError as error:
            logging.getLogger("bucketer.server").warning(
                "access lines go on in the file from before: %s", error.strerror
            )
            return
        os.close(self._fd)
        self._fd = fd

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)


class LogFile(logging.FileHandler):
    """A file that log lines go to. What it can't take is told once, on standard error."""

    _fails = False

    def reopen(self) -> None:
        """Go on in the file that has the name by now; in the old one where that can't be opened.

        One that is only closed opens itself with the next line, and raises where that line was
        logged if it can't: so a signal would end the server.
        """
        try:
            stream = self._open()
        except OSError as error:
            logging.getLogger("bucketer.server").warning(
                "log lines go on in the file from before: %s", error.strerror
            )
            return
        self.acquire()
        try:
            before, self.stream = self.stream, stream
        finally:
            self.release()
        if before is not None:
            with suppress(OSError):  # it may have kept what there was no room for
                before.close()

    def flush(self) -> None:
        """Write what was logged, after each line.

        Raises:
            OSError: it can't be written, of which `handleError` is told.
        """
        super().flush()
        self._fails = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- logging's name
        """Say that a line can't be written, once and without a traceback for each."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._fails:
            self._fails = True
            print(f"bucketer: log lines can't be written: {error.strerror}", file=sys.stderr)  # noqa: T201 -- where else


#: What access lines are written to in place of standard output, once that was configured.
_appended: list[Appended] = []


def access_file() -> Appended | None:
    """Return what access lines are written to; None for standard output."""
    return _appended[0] if _appended else None


def configure_logs(
    level: str = "info",
    form: str = "text",
    speaker: Speaker | None = None,
    files: tuple[str, str] = ("", ""),
) -> None:
    """Send our lines and the warnings of libraries out, once per process.

    A program that embeds the server and has configured logging already keeps its own way.

    Args:
        level: `debug`, `info`, `warning` or `error`: what is less grave isn't written.
        form: `text` or `json`.
        speaker: knows what another worker tells; None where there is no other.
        files: where log and access lines go; "" for standard error and standard output.

    Raises:
        SettingsError: one of them can't be written.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    least = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(least, logging.WARNING))
    logging.getLogger("bucketer").setLevel(least)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    handler = _to(files[0])
    handler.setLevel(least)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    if speaker is not None:
        handler.addFilter(speaker)
    root.addHandler(handler)
    access_log.setLevel(logging.INFO)
    access_log.propagate = False
    if files[1]:
        try:
            _appended.append(Appended(files[1]))
        except OSError as error:
            raise _unwritable("BUCKETER_ACCESS_LOG_FILE", files[1], error) from None
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(JsonAccessLines() if form == "json" else TextAccessLines())
    access_log.addHandler(lines)


def _to(path: str) -> logging.Handler:
    """Return what takes log lines: the file at *path*, standard error without one.

    Raises:
        SettingsError: it can't be written.
    """
    if not path:
        return logging.StreamHandler(sys.stderr)
    try:
        return LogFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise _unwritable("BUCKETER_LOG_FILE", path, error) from None


def _unwritable(setting: str, path: str, error: OSError) -> SettingsError:
    why = error.strerror or type(error).__name__
    return SettingsError([f"{setting}: '{path}' can't be written: {why}"])


def reopen_logs() -> None:
    """Go on in the files that have the names by now."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogFile):
            handler.reopen()
    for each in _appended:
        each.reopen()


def note_access(request: Request, response: Response, seconds: float, /) -> None:
    """Write an access line; method and path are empty for what never became a request."""
    method, path, ip = request.method, request.path, request.ip
    asked = f"{method} {quotable(path)}" if method else "-"
    access_log.info(
        '%s "%s" %d %d %s %.6f',
        quotable(ip) or "-",
        asked,
        response.status,
        len(response.body),
        request.request_id,
        seconds,
        extra={
            "access": {
                "ip": ip or None,
                "method": method or None,
                "path": path or None,
                "status": response.status,
                "bytes": len(response.body),
                "request_id": request.request_id,
                "seconds": round(seconds, 6),
            }
        },
    )


def quotable(text: str) -> str:
    r"""Return *text* as it can stand between quotes on a line: ``"`` is ``\x22``, and so on."""
    shown = text[:_SHOWN]
    if _UNQUOTABLE.search(shown):
        shown = _UNQUOTABLE.sub(_escaped, shown)
    return shown if len(text) <= _SHOWN else f"{shown}..."


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 -- a byte


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_SAID_ALREADY)


def _time(record: logging.LogRecord) -> str:
    """Return when it was, as RFC 3339 has it: ``2026-11-28T08:00:00.123Z``."""
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


class TextLines(logging.Formatter):
    """Time, level, logger and message; of a traceback each further line is indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines if an exception is told."""
        message = _CONTROL.sub(_escaped, record.getMessage())
        line = f"{_time(record)} {record.levelname} {record.name}: {message}"
        if record.exc_info:
            told = self.formatException(record.exc_info)
            line += "".join(f"\n  {_CONTROL.sub(_escaped, each)}" for each in told.split("\n"))
        return line


class TextAccessLines(logging.Formatter):
    """Time and what `note_access` makes of a request."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return f"{_time(record)} {record.getMessage()}"


class JsonLines(logging.Formatter):
    """An object with `time`, `level`, `logger`, `message` and `process`.

    Where they are known also `request_id`, `environment` and `exception`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        for name in ("request_id", "environment"):
            if value := getattr(record, name, None):
                told[name] = value
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told)


class JsonAccessLines(logging.Formatter):
    """An object with `time` and the parts of an access line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        parts: dict[str, Any] = getattr(record, "access", {})
        return json.dumps({"time": _time(record), **parts})
