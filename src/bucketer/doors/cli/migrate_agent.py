"""`bucketer migrate-agent`: the options of an Optimizely Agent in, our TOML file out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bucketer.core.errors import BucketerError

if TYPE_CHECKING:
    import argparse

    from bucketer.migration.writing import Migration

    from .terminal import Terminal


class YamlMissing(BucketerError):
    """PyYAML isn't installed."""

    code = "yaml_missing"

    def __str__(self) -> str:
        return "Reading YAML needs the extra [cli]: pip install 'bucketer[cli]'"


class CannotWrite(BucketerError):
    """The file can't be written.

    Attributes:
        why: a clause.
    """

    code = "cannot_write"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path, self.why = path, why

    def __str__(self) -> str:
        return f"'{self.path}' {self.why}"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "config",
        metavar="CONFIG",
        nargs="?",
        help="Agent's YAML file (default: OPTIMIZELY_CONFIG_FILENAME, or config.yaml if there)",
    )
    parser.add_argument(
        "--output",
        "-o",
        metavar="FILE",
        help="write there, readable by you alone, instead of on standard output",
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=migrate_command)


def migrate_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Write what Agent's options become, and say what has no counterpart."""
    from bucketer.migration.reading import read_options
    from bucketer.migration.writing import Migration

    raw, where = _read(args.config, terminal)
    try:
        migration = Migration(read_options(raw, where, terminal.environ))
    except ModuleNotFoundError as error:
        if error.name != "yaml":
            raise
        raise YamlMissing from error
    if args.output:
        _write(args.output, migration.text, force=args.force)
    if args.json:
        terminal.json({"toml": migration.text, "notes": migration.notes})
        return 0
    if not args.output:
        terminal.out.write(migration.text)
    _tell(migration, args.output, terminal)
    return 0


def _tell(migration: Migration, output: str | None, terminal: Terminal) -> None:
    for note in migration.notes:
        terminal.say(f"bucketer: {note}")
    path = output or "bucketer.toml"
    terminal.say(f"Start it with: BUCKETER_CONFIG={path} bucketer serve")


def _read(given: str | None, terminal: Terminal) -> tuple[bytes, str]:
    """Return the bytes of the file, and what it is called; nothing where Agent tolerates none."""
    from bucketer.migration.reading import AgentConfigError

    named = given or terminal.environ.get("OPTIMIZELY_CONFIG_FILENAME", "")
    path = Path(named or "config.yaml")
    try:
        return path.read_bytes(), str(path)
    except FileNotFoundError:
        if named:
            raise AgentConfigError(str(path), "there is no such file") from None
        return b"", "the environment"
    except OSError as error:
        raise AgentConfigError(str(path), error.strerror or "can't be read") from None


def _write(output: str, text: str, *, force: bool) -> None:
    """Write the file, which may hold secrets."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(output, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CannotWrite(output, "is there already; --force replaces it") from None
    except OSError as error:
        raise CannotWrite(output, error.strerror or "can't be written") from None
