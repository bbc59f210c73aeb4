"""`bucketer serve`: the server door, with options in the place of settings."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from bucketer.core.errors import BucketerError

from .options import add_datafile, add_setting, settings_of, what_is_missing

if TYPE_CHECKING:
    import argparse

    from bucketer.settings import Settings

    from .terminal import Terminal


class ServerMissing(BucketerError):
    """The libraries of the server door are not installed."""

    code = "server_missing"

    def __str__(self) -> str:
        return "The server needs the extra [server]: pip install 'bucketer[server]'"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_datafile(parser)
    add_setting(parser, "BUCKETER_HOST", "--host", "NAME")
    add_setting(parser, "BUCKETER_PORT", "--port", "NUMBER")
    add_setting(parser, "BUCKETER_WORKERS", "--workers", "NUMBER")
    add_setting(parser, "BUCKETER_EVENTS", "--events", "SINK")
    add_setting(parser, "BUCKETER_ENGINE", "--engine", "NAME")
    parser.add_argument(
        "--access-log",
        action="store_const",
        const=True,
        help="one line per request (default: BUCKETER_ACCESS_LOG, or off)",
    )
    parser.set_defaults(run=serve_command)


def serve_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Serve until SIGTERM or SIGINT."""
    settings = settings_of(args, terminal)
    if settings.log_format == "text":  # as JSON, the log has it, and has nothing beside it
        _tell_what_is_missing(settings, terminal)
    try:
        # By name: one door does not know another, and only this command pays for the server.
        door = import_module("bucketer.doors.server.process")
    except ModuleNotFoundError as error:
        if error.name in {"uvicorn", "httptools", "uvloop", "orjson"}:
            raise ServerMissing from error
        raise
    status: int = door.run(settings)
    return status


def _tell_what_is_missing(settings: Settings, terminal: Terminal) -> None:
    """Name the directory of a file that isn't there: mostly it is the wrong one.

    That doesn't stop the server, since the file may be on its way.
    """
    from bucketer import wiring

    for source in wiring.build_sources(settings, terminal.environ, mode=wiring.COMMAND):
        why = what_is_missing(source)
        if why is not None:
            terminal.say(f"bucketer: {source.where}: {why}; the server goes on looking for it")
