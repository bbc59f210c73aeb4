"""`bucketer lint`: what the compiler gave up on, what is odd or idle, and what that costs."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bucketer.core.errors import DatafileError, InvalidDatafile

from .options import add_datafile_argument, fetch_datafile, settings_of
from .terminal import BAD, GOOD, NOTE, OPEN, TITLE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from bucketer.core.ruleset import Ruleset
    from bucketer.lint import Finding

    from .options import Found
    from .terminal import Terminal

_TONES = {"error": BAD, "warning": OPEN, "note": NOTE}


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_datafile_argument(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=lint_command)


def lint_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Look at a datafile from all sides; exit status 1 when something in it is an error.

    An error is what no longer decides, a warning what is odd, a note what is allowed and perhaps
    not meant.
    """
    from bucketer.core.parse import parse_datafile
    from bucketer.lint import lint

    fetched = fetch_datafile(settings_of(args, terminal), terminal)
    try:
        ruleset, findings = lint(parse_datafile(fetched.used))
    except DatafileError as error:
        return _refused(args, terminal, error, fetched)
    counts = {kind: sum(each.diagnostic.severity == kind for each in findings) for kind in _TONES}
    if args.json:
        told = [{**each.diagnostic.to_json(), "about": each.about} for each in findings]
        counted_all = {f"{kind}s": number for kind, number in counts.items()}
        about = {"source": fetched.where, "usable": True, "revision": ruleset.revision}
        terminal.json({**about, **counted_all, "diagnostics": told})
    else:
        _tell(findings, terminal)
        _sum_up(ruleset, counts, fetched, terminal)
    return 1 if counts["error"] else 0


def _tell(findings: Sequence[Finding], terminal: Terminal) -> None:
    for about, group in groupby(findings, key=lambda each: each.about):
        terminal.text(about, TITLE)
        for each in group:
            found = each.diagnostic
            terminal.text(str(found), _TONES[found.severity], indent=2, below=4)
        terminal.line()


def _sum_up(
    ruleset: Ruleset, counts: dict[str, int], fetched: Found[bytes], terminal: Terminal
) -> None:
    rules = len(ruleset.experiments)
    contents = f"{counted(len(ruleset.flags), 'flag')}, {rules} experiments and rules"
    found = ", ".join(counted(number, kind) for kind, number in counts.items())
    verdict = f"{fetched.named}, revision {ruleset.revision}: {contents}; {found}."
    terminal.text(verdict, BAD if counts["error"] else GOOD)


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _refused(
    args: argparse.Namespace, terminal: Terminal, error: DatafileError, fetched: Found[bytes]
) -> int:
    """Say that the document can't be used at all."""
    if args.json:
        pointer = error.pointer if isinstance(error, InvalidDatafile) else "/version"
        problem = {"code": error.code, "pointer": pointer, "message": str(error)}
        about = {"source": fetched.where, "usable": False}
        terminal.json({**about, "errors": 1, "warnings": 0, "notes": 0, "error": problem})
    else:
        terminal.fail(error.code, f"{fetched.where}: {error}")
    return 1
