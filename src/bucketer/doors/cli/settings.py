"""`bucketer settings`: the table of settings, with what this environment makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.core.errors import SettingsError
from bucketer.settings import TABLE, read_settings, shown

from .terminal import BAD, TITLE

if TYPE_CHECKING:
    import argparse

    from bucketer.settings import Setting

    from .terminal import Terminal


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=settings_command)


def settings_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Show every setting; exit status 1 when the environment asks for something impossible."""
    problems, unknown = _check(terminal)
    if args.json:
        _print_json(terminal, problems, unknown)
    else:
        _print_text(terminal)
        for line in unknown:
            terminal.say(f"bucketer: {line}")
        if problems:
            terminal.fail(SettingsError.code, "\n".join(problems))
    return 1 if problems else 0


def _check(terminal: Terminal) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What can't be used, and what looks like a setting and is none."""
    try:
        return (), read_settings(terminal.environ).unknown
    except SettingsError as error:
        return error.problems, ()


def _print_json(terminal: Terminal, problems: tuple[str, ...], unknown: tuple[str, ...]) -> None:
    rows = [
        {
            "name": row.name,
            "value": shown(row, terminal.environ),
            "set": _is_set(row, terminal),
            "default": row.default,
            "allowed": row.allowed,
            "explanation": row.explanation,
        }
        for row in TABLE
    ]
    terminal.json({"settings": rows, "problems": problems, "unknown": unknown})


def _print_text(terminal: Terminal) -> None:
    chosen = [row for row in TABLE if _is_set(row, terminal)]
    names = ", ".join(row.name for row in chosen)
    told = f"{len(chosen)} of them set: {names}" if chosen else "none of them set"
    terminal.text(f"{len(TABLE)} settings, {told}.", TITLE)
    terminal.line()
    for row in [*chosen, *(row for row in TABLE if row not in chosen)]:
        is_set = row in chosen
        value = shown(row, terminal.environ) or "(not set)"
        wrong = is_set and not _usable(row.name, terminal)
        origin = f"default {row.default or '(not set)'}" if is_set else "the default"
        terminal.text(f"{row.name} = {value}   [{origin}]", BAD if wrong else TITLE)
        terminal.text(row.explanation, indent=4, below=0)
        terminal.text(f"Allowed: {row.allowed}.", indent=4)
        terminal.line()


def _is_set(row: Setting, terminal: Terminal) -> bool:
    return bool(terminal.environ.get(row.name, "").strip())


def _usable(name: str, terminal: Terminal) -> bool:
    try:
        read_settings({name: terminal.environ[name]})
    except SettingsError:
        return False
    return True
