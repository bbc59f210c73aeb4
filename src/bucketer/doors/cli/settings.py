"""`bucketer settings`: the table of settings, and what the variables and the file make of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bucketer.core.errors import SettingsError
from bucketer.settings import BY_NAME, TABLE, host_only, read_settings, shown
from bucketer.settings.file import read_file

from .terminal import BAD, TITLE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from bucketer.settings import Setting, Settings
    from bucketer.settings.file import ConfigFile

    from .terminal import Terminal

_NOT_SET = "(not set)"
_SET = "(set)"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=settings_command)


def settings_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Show every setting and environment; exit status 1 when something impossible is asked for."""
    found = _Found(terminal)
    if args.json:
        _print_json(found, terminal)
    else:
        _print_text(found, terminal)
        for line in found.unknown:
            terminal.say(f"bucketer: {line}")
        if found.problems:
            terminal.fail(SettingsError.code, "\n".join(found.problems))
    return 1 if found.problems else 0


def placed(
    problems: Iterable[str], environ: Mapping[str, str], args: argparse.Namespace
) -> Iterator[str]:
    """Go through *problems*, with file, line and key in the place of a variable that is set there.

    What only shows when all settings are known is told by the name of the variable.

    Args:
        problems: of a `SettingsError`.
        environ: variables, which win over the file.
        args: options, which win over both.
    """
    path = environ.get("BUCKETER_CONFIG", "").strip()
    try:
        file = read_file(path, environ) if path else None
    except SettingsError:
        file = None  # whose problems have their places already
    lines = {} if file is None else file.lines
    for problem in problems:
        name, _, told = problem.partition(": ")
        line = 0 if environ.get(name, "").strip() else lines.get(name, 0)
        key = BY_NAME[name].attribute if line else ""
        is_option = getattr(args, key, None) is not None
        yield f"{path}, line {line}, {key}: {told}" if line and not is_option else problem


class _Found:
    """What the variables say, what the file says, and what comes of both.

    Attributes:
        path: of the file; empty where none is named.
        settings: None where something can't be used.
        problems: what can't be used.
        unknown: what looks like a setting and is none.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._environ = terminal.environ
        self.path = terminal.environ.get("BUCKETER_CONFIG", "").strip()
        self.settings: Settings | None = None
        self.problems: tuple[str, ...] = ()
        self.unknown: tuple[str, ...] = ()
        self._file: ConfigFile | None = None
        try:
            if self.path:
                self._file = read_file(self.path, terminal.environ)
        except SettingsError:
            pass  # which is among the problems below
        try:
            self.settings = read_settings(terminal.environ)
            self.unknown = self.settings.unknown
        except SettingsError as error:
            self.problems = error.problems

    def origin(self, row: Setting) -> str:
        """Say where the value comes from: `variable`, `file` or `default`."""
        if self._by_variable(row):
            return "variable"
        return "file" if self._by_file(row) else "default"

    def written(self, row: Setting) -> str:
        """Return the text in use."""
        return self._by_variable(row) or self._by_file(row) or row.default

    def place(self, row: Setting) -> str:
        """Return file and line of what the file says of it, used or not; empty if nothing."""
        if self._file is None or not self._by_file(row):
            return ""
        line = self._file.lines.get(row.name)
        name = os.path.basename(self.path)  # noqa: PTH119 -- it stays as it was written
        return f"{name}, line {line}" if line else name

    def is_usable(self, row: Setting) -> bool:
        """Say whether the text in use is allowed."""
        try:
            row.parse(self.written(row))
        except ValueError:
            return False
        return True

    def environments(self) -> list[dict[str, object]]:
        """Return the environments, the default one first; of secrets, whether they are set."""
        if self.settings is None:
            return []
        listed = map(self.settings.of, self.settings.environments)
        return [
            {
                "name": each.environment,
                "default": each is self.settings,
                "sdk_key": _SET if each.sdk_key else "",
                "datafile": _datafiles(each),
                "access_token": _SET if each.datafile_access_token else "",
                "max_age": each.datafile_max_age,
                "webhook_secret": _SET if each.webhook_secret else "",
                "project_id": each.project_id,
            }
            for each in (self.settings, *listed)
        ]

    def _by_variable(self, row: Setting) -> str:
        return self._environ.get(row.name, "").strip()

    def _by_file(self, row: Setting) -> str:
        return "" if self._file is None else self._file.written.get(row.name, "")


def _datafiles(settings: Settings) -> list[str]:
    """Return where the datafile comes from, in order, as it may be shown."""
    named = settings.datafile or ((settings.datafile_url,) if settings.datafile_url else ())
    return [host_only(each) for each in named]


def _print_json(found: _Found, terminal: Terminal) -> None:
    rows = [
        {
            "name": row.name,
            "value": shown(row, found.written(row)),
            "set": found.origin(row) != "default",
            "from": found.origin(row),
            "default": row.default,
            "allowed": row.allowed,
            "explanation": row.explanation,
        }
        for row in TABLE
    ]
    told = {"settings": rows, "environments": found.environments()}
    terminal.json({**told, "problems": found.problems, "unknown": found.unknown})


def _print_text(found: _Found, terminal: Terminal) -> None:
    chosen = [row for row in TABLE if found.origin(row) != "default"]
    names = ", ".join(row.name for row in chosen)
    told = f"{len(chosen)} of them set: {names}" if chosen else "none of them set"
    terminal.text(f"{len(TABLE)} settings, {told}.", TITLE)
    terminal.line()
    for row in [*chosen, *(row for row in TABLE if row not in chosen)]:
        value = shown(row, found.written(row)) or _NOT_SET
        tone = TITLE if found.is_usable(row) else BAD
        terminal.text(f"{row.name} = {value}   [{_origin(found, row)}]", tone)
        terminal.text(row.explanation, indent=4, below=0)
        terminal.text(f"Allowed: {row.allowed}.", indent=4)
        terminal.line()
    if found.path and found.settings is not None:
        _print_environments(found, terminal)


def _origin(found: _Found, row: Setting) -> str:
    origin, place = found.origin(row), found.place(row)
    if origin == "default":
        return "the default"
    told = place if origin == "file" else "by variable"
    if origin == "variable" and place:
        told = f"{told}, not {place}"
    return f"{told}; default {row.default or _NOT_SET}"


def _print_environments(found: _Found, terminal: Terminal) -> None:
    environments = found.environments()
    terminal.text(f"{len(environments)} environments:", TITLE)
    terminal.line()
    for each in environments:
        terminal.text(f"{each['name']}{' (the default one)' * bool(each['default'])}", TITLE)
        for name, value in each.items():
            if name not in {"name", "default"} and value not in ("", None, []):
                told = ", ".join(value) if isinstance(value, list) else value
                terminal.text(f"{name} = {told}", indent=4)
        terminal.line()
