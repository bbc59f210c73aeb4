"""`bucketer verify`: does this datafile decide here as it does in the official SDK?"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from bucketer.core.errors import DatafileError, InvalidDatafile, SettingsError

from .options import add_datafile_argument, fetch_datafile, settings_of
from .terminal import BAD, GOOD, TITLE

if TYPE_CHECKING:
    from bucketer.core.diagnostic import Diagnostic
    from bucketer.verify.run import Difference, Report

    from .options import Found
    from .terminal import Terminal

_USERS = 1_000
#: So many parts of a datafile that the SDK refuses are named; lint names them all.
_SHOWN = 5


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_datafile_argument(parser)
    parser.add_argument(
        "--users",
        metavar="N",
        type=_count,
        default=_USERS,
        help=f"how many visitors to invent (default: {_USERS:,})",
    )
    parser.add_argument(
        "--seed",
        metavar="S",
        type=int,
        default=1,
        help="makes the same visitors again (default: 1)",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=verify_command)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"found {count}; allowed: 1 or more")
    return count


def verify_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Decide every experiment and flag for invented visitors, here and with the official SDK.

    Their attributes are the values that the datafile's audiences mention, the values next to them
    and values of wrong kinds. Nothing is sent. Exit status 1 when an answer differs, or the SDK
    refuses the datafile.
    """
    try:
        from bucketer.verify.run import verify
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "optimizely":
            raise
        problem = "`bucketer verify` needs the extra: pip install 'bucketer[sdk]'"
        raise SettingsError([problem]) from None
    fetched = fetch_datafile(settings_of(args, terminal), terminal)
    raw = fetched.used
    try:
        with terminal.progress(args.users, "visitors") as advance:
            report = verify(raw, args.seed, args.users, advance)
    except DatafileError as error:
        return _refused(args, terminal, fetched, error)
    if args.json:
        terminal.json({"source": fetched.where, **report.to_json()})
    else:
        _tell(report, fetched.where, terminal)
    return 1 if report.differing else 0


def _refused(
    args: argparse.Namespace, terminal: Terminal, fetched: Found[bytes], error: DatafileError
) -> int:
    """Say that there was nothing to compare, and what the SDK is likely to stumble over."""
    parts = _odd_parts(fetched.used)
    if args.json:
        pointer = error.pointer if isinstance(error, InvalidDatafile) else ""
        problem = {"code": error.code, "pointer": pointer, "message": str(error)}
        told = [each.to_json() for each in parts]
        terminal.json(
            {"source": fetched.where, "equal": None, "error": problem, "diagnostics": told}
        )
        return 1
    terminal.fail(error.code, f"{fetched.where}: {error}")
    for each in parts[:_SHOWN]:
        terminal.say(f"  {each}")
    if len(parts) > _SHOWN:
        terminal.say(f"  and {len(parts) - _SHOWN} more; `bucketer lint` shows them all")
    return 1


def _odd_parts(raw: bytes) -> list[Diagnostic]:
    """What `bucketer lint` says, errors first; nothing for what is no datafile."""
    from bucketer.core.compile import compile_datafile
    from bucketer.core.parse import parse_datafile

    try:
        found = compile_datafile(parse_datafile(raw)).diagnostics
    except DatafileError:
        return []
    return sorted(found, key=lambda each: each.severity != "error")


def _tell(report: Report, where: str, terminal: Terminal) -> None:
    for difference in report.differences:
        _show(difference, terminal)
    if report.raised:
        terminal.text(
            f"{report.raised:,} more answers the official SDK owes: it raises an exception where "
            "a condition is UNKNOWN here (docs/parity.md). `bucketer lint` shows the conditions."
        )
    visitors = f"{report.users:,} visitors, seed {report.seed}"
    asked = f"{report.comparisons:,} answers for {visitors}, on {where}"
    if not report.differing:
        terminal.text(f"Equal: {asked}.", GOOD)
        return
    terminal.text(f"{report.differing:,} differences in {asked}.", BAD)
    shown = len(report.differences)
    terminal.text(f"The first {shown} are above; the same seed and number show them again.")


def _show(difference: Difference, terminal: Terminal) -> None:
    terminal.text(f"Visitor {difference.number}: {difference.call}", TITLE)
    terminal.text(f"  user      {json.dumps(difference.user, ensure_ascii=False)}", below=12)
    terminal.text(f"  here      {difference.ours}", below=12)
    terminal.text(f"  SDK       {difference.theirs}", below=12)
    terminal.line()
