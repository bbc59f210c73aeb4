"""`bucketer doctor`: all that a server needs, looked at; and what to do about what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.core.errors import SettingsError
from bucketer.settings import read_settings

from . import examining
from .terminal import BAD, GOOD, NOTE, OPEN, Node

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from .examining import Finding
    from .terminal import Terminal

_TONES = {"ok": GOOD, "warning": OPEN, "problem": BAD}


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--json", action="store_true", help="for programs: an object a finding")
    parser.add_argument("--offline", action="store_true", help="leave out what asks other machines")
    parser.set_defaults(run=doctor_command)


def doctor_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Look at it all; exit status 1 when something is a problem."""
    findings: list[Finding] = []
    for finding in _examine(terminal, asks=not args.offline):
        findings.append(finding)
        if args.json:
            terminal.json(finding._asdict())
    problems = sum(each.state == "problem" for each in findings)
    warnings = sum(each.state == "warning" for each in findings)
    if not args.json:
        told = f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}"
        shown = [
            Node(
                f"{each.what}: {each.found}",
                _TONES[each.state],
                (Node(each.do),) if each.do else (),
            )
            for each in findings
        ]
        terminal.tree(Node(told, BAD if problems else NOTE, tuple(shown)))
    return 1 if problems else 0


def _examine(terminal: Terminal, *, asks: bool) -> Iterator[Finding]:
    try:
        settings = read_settings(terminal.environ)
    except SettingsError as error:
        for problem in error.problems:
            yield examining.problem("settings", problem, "`bucketer settings` shows all of them.")
        return
    yield from examining.settings(settings, terminal.environ)
    yield from examining.access(settings)
    yield from examining.state(settings)
    yield from examining.files(settings)
    yield from examining.machine(settings)
    if asks:
        yield from examining.reach(settings, terminal.environ)


def _counted(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'s' * (number != 1)}"
