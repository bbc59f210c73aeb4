"""`bucketer lint`: what the compiler gave up on, where, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.core.errors import DatafileError, InvalidDatafile

from .options import add_datafile_argument, fetch_datafile, settings_of
from .terminal import BAD, GOOD, OPEN

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from bucketer.core.diagnostic import Diagnostic

    from .terminal import Terminal


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_datafile_argument(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=lint_command)


def lint_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Compile a datafile and print every diagnostic; exit status 1 when one is an error."""
    from bucketer.core.compile import compile_datafile
    from bucketer.core.parse import parse_datafile

    raw = fetch_datafile(settings_of(args, terminal), terminal)
    try:
        ruleset = compile_datafile(parse_datafile(raw))
    except DatafileError as error:
        return _refused(args, terminal, error)
    errors = sum(each.severity == "error" for each in ruleset.diagnostics)
    warnings = len(ruleset.diagnostics) - errors
    if args.json:
        terminal.json(
            {
                "usable": True,
                "revision": ruleset.revision,
                "errors": errors,
                "warnings": warnings,
                "diagnostics": _as_json(ruleset.diagnostics),
            }
        )
        return 1 if errors else 0
    for each in ruleset.diagnostics:
        terminal.line(str(each), BAD if each.severity == "error" else OPEN)
    rules = len(ruleset.experiments)
    contents = f"{counted(len(ruleset.flags), 'flag')}, {rules} experiments and rules"
    found = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"
    verdict = f"Revision {ruleset.revision}: {contents}; {found}."
    terminal.line(verdict, BAD if errors else GOOD)
    return 1 if errors else 0


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _refused(args: argparse.Namespace, terminal: Terminal, error: DatafileError) -> int:
    """Say that the document can't be used at all."""
    if args.json:
        pointer = error.pointer if isinstance(error, InvalidDatafile) else "/version"
        problem = {"code": error.code, "pointer": pointer, "message": str(error)}
        terminal.json({"usable": False, "errors": 1, "warnings": 0, "error": problem})
    else:
        terminal.fail(error.code, str(error))
    return 1


def _as_json(diagnostics: Sequence[Diagnostic]) -> list[dict[str, str]]:
    return [
        {
            "severity": each.severity,
            "pointer": each.pointer,
            "expected": each.expected,
            "found": each.found,
            "consequence": each.consequence,
        }
        for each in diagnostics
    ]
