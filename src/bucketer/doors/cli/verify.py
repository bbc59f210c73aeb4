"""`bucketer verify`: does this datafile decide here as it does in the official SDK?"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from bucketer.core.errors import SettingsError

from .options import add_datafile_argument, fetch_datafile, settings_of
from .terminal import BAD, GOOD, TITLE

if TYPE_CHECKING:
    from bucketer.verify.run import Difference, Report

    from .terminal import Terminal

_USERS = 1_000


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
    and values of wrong kinds. Nothing is sent. Exit status 1 when an answer differs.
    """
    try:
        from bucketer.verify.run import verify
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "optimizely":
            raise
        problem = "`bucketer verify` needs the extra: pip install 'bucketer[sdk]'"
        raise SettingsError([problem]) from None
    raw = fetch_datafile(settings_of(args, terminal), terminal)
    with terminal.progress(args.users, "visitors") as advance:
        report = verify(raw, args.seed, args.users, advance)
    if args.json:
        terminal.json(report.to_json())
    else:
        _tell(report, terminal)
    return 1 if report.differing else 0


def _tell(report: Report, terminal: Terminal) -> None:
    for difference in report.differences:
        _show(difference, terminal)
    if report.raised:
        terminal.line(
            f"{report.raised:,} more answers the official SDK owes: it raises an exception where "
            "a condition is UNKNOWN here (docs/parity.md). `bucketer lint` shows the conditions."
        )
    asked = f"{report.comparisons:,} answers for {report.users:,} visitors, seed {report.seed}"
    if not report.differing:
        terminal.line(f"Equal: {asked}.", GOOD)
        return
    terminal.line(f"{report.differing:,} differences in {asked}.", BAD)
    shown = len(report.differences)
    terminal.line(f"The first {shown} are above; the same seed and number show them again.")


def _show(difference: Difference, terminal: Terminal) -> None:
    terminal.line(f"Visitor {difference.number}: {difference.call}", TITLE)
    terminal.line(f"  user      {json.dumps(difference.user)}")
    terminal.line(f"  here      {difference.ours}")
    terminal.line(f"  SDK       {difference.theirs}")
    terminal.line()
