"""Arguments in, exit status out: 0 done, 1 our error, 2 wrong usage."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from bucketer import __version__
from bucketer.core.errors import BucketerError, SettingsError

from .terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


class Command(NamedTuple):
    """One row of the table: its name, the module in this package that registers it, its purpose."""

    name: str
    module: str
    purpose: str


#: In the order of `bucketer --help`: what a newcomer wants first comes first.
COMMANDS: Final = (
    Command("serve", "serve", "Answer GET /bucketer over HTTP."),
    Command("decide", "decide", "Show which variation a user gets, and why."),
    Command("lint", "lint", "Say what is wrong with a datafile, and what that costs."),
    Command("verify", "verify", "Decide for many invented users, here and with the official SDK."),
    Command("list", "listing", "List flags, experiments, attributes and events with their keys."),
    Command("datafile", "datafile", "Fetch, check and compare datafiles."),
    Command("events", "events", "See, replay and export events that wait or could not be sent."),
    Command("tail", "tail", "Show the decisions of a running server, as they happen."),
    Command("doctor", "doctor", "Look at all that a server needs, and say what to do."),
    Command("keys", "keys", "Make, list and revoke the keys of those who may ask."),
    Command("build", "build", "Make package.zip, ready for AWS Lambda."),
    Command("deploy", "deploy", "Put the code and the datafile into AWS Lambda."),
    Command("migrate-agent", "migrate_agent", "Turn the options of Optimizely Agent into ours."),
    Command(
        "settings", "settings", "Show each setting: its value, where it is from, what is allowed."
    ),
)


def main(argv: Sequence[str] | None = None, terminal: Terminal | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name; those of the process by default.
        terminal: where to write and what environment to believe; the process's by default.

    Returns:
        The exit status.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    terminal = terminal or Terminal(sys.stdout, sys.stderr, os.environ)
    try:
        args = build_parser(asked=_first_word(arguments)).parse_args(arguments)
        if "check" in args:
            args.check(args)
    except SystemExit as leaving:  # argparse has printed help, the version, or what is wrong
        return leaving.code if isinstance(leaving.code, int) else DONE
    try:
        return args.run(args, terminal) or DONE
    except SettingsError as error:
        from .settings import placed

        terminal.fail(error.code, "\n".join(placed(error.problems, terminal.environ, args)))
        return FAILED
    except BucketerError as error:
        terminal.fail(error.code, str(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has gone. Point stdout elsewhere, or the interpreter complains
        # about it once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED


class Parser(argparse.ArgumentParser):
    """A parser that complains with its own usage, and says what may have been meant.

    Attributes:
        may_be_empty: names of arguments that take an empty text for "not given".
    """

    has_commands = False
    may_be_empty: frozenset[str] = frozenset()

    def add_subparsers(self, **options: Any) -> Any:
        """As argparse does; from then on, no argument at all shows the help."""
        self.has_commands = True
        return super().add_subparsers(**options)

    def parse_known_args(  # type: ignore[override]  # the overloads of the original are one in here
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Leave with 2 for what this parser doesn't know: nobody above knows it any better."""
        if args is not None and not args and self.has_commands:
            self.print_help(sys.stderr)
            self.exit(WRONG_USAGE)
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}{self._meant(rest)}")
        return found, rest

    def error(self, message: str) -> NoReturn:
        """As argparse does, in lines that fit where a person is looking."""
        if sys.stderr.isatty() or os.environ.get("COLUMNS"):
            import shutil
            import textwrap

            prefix = f"{self.prog}: error: "
            told = prefix + message
            width = shutil.get_terminal_size().columns
            lines = textwrap.wrap(
                told, width, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
            )
            message = "\n".join(lines).removeprefix(prefix)
        super().error(message)

    def _meant(self, rest: Sequence[str]) -> str:
        """The option that is nearest to the first one that isn't known."""
        options = [each[2:] for each in self._option_string_actions if each.startswith("--")]
        wrong = (each[2:].partition("=")[0] for each in rest if each.startswith("--"))
        hint = _did_you_mean(next(wrong, ""), options, "--")
        return f".{hint}" if hint else ""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse does, with the nearest of what is allowed."""
        if action.choices is not None and value not in action.choices:
            allowed = [str(each) for each in action.choices]
            hint = _did_you_mean(str(value), allowed)
            message = f"found {str(value)!r}; allowed: {', '.join(allowed)}.{hint}"
            raise argparse.ArgumentError(action, message)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """As argparse does; an empty text is a variable that wasn't set, and nobody's wish."""
        is_sure = action.dest in self.may_be_empty or action.nargs == argparse.PARSER
        if not arg_string.strip() and not is_sure:
            message = "found an empty text; leave it out for the default, or say what is meant"
            raise argparse.ArgumentError(action, message)
        return super()._get_value(action, arg_string)


def _did_you_mean(written: str, known: Sequence[str], before: str = "") -> str:
    from bucketer.core.slips import nearest

    meant = nearest(written, known) if written else None
    return f" Did you mean '{before}{meant}'?" if meant else ""


def build_parser(asked: str | None = None) -> argparse.ArgumentParser:
    """The parser of the whole command.

    Args:
        asked: import and register this command only; None registers all of them, for the manual.
    """
    parser = Parser(
        prog="bucketer",
        description="A remote decision service for Optimizely Feature Experimentation.",
        epilog="`bucketer COMMAND --help` says more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"bucketer {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.purpose, description=command.purpose)
        if asked is None or asked == command.name:
            import_module(f"{__package__}.{command.module}").register(sub)
    return parser


def _first_word(arguments: Sequence[str]) -> str:
    """The command that is asked for; empty when none is, so that no module is imported."""
    return next((each for each in arguments if not each.startswith("-")), "")
