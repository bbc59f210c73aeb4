"""Options that several commands share, each made of what the settings table or the spec says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from bucketer.api.bucketer.revision import check_revision
from bucketer.core.errors import (
    BucketerError,
    DatafileError,
    InvalidRequest,
    NoDatafile,
    SourceError,
)
from bucketer.settings import BY_NAME, LOCATION, Setting, location, read_settings, refusal

Used = TypeVar("Used")

if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import DatafileSource
    from bucketer.settings import Settings

    from .terminal import Terminal

_PLACES = "a path, an https://, http:// or s3://BUCKET/KEY URL, `packaged` or `demonstration`"
#: So many environments are named where none of them looks like the one that was asked for.
_TOLD = 10
_WHERE = f"{_PLACES}; default: what the settings say, the demonstration if they say nothing"


def add_setting(parser: argparse.ArgumentParser, name: str, option: str, metavar: str) -> None:
    """Add *option*, which wins over the setting *name* and allows what that allows."""
    row = BY_NAME[name]
    parser.add_argument(
        option,
        dest=row.attribute,
        metavar=metavar,
        type=_checked(row),
        help=f"{row.allowed} (default: {name}, or {row.default})",
    )


def _checked(row: Setting) -> Callable[[str], object]:
    def parse(written: str) -> object:
        try:
            return row.parse(written)
        except ValueError as error:
            raise argparse.ArgumentTypeError(refusal(row, written, error)) from None

    return parse


#: What says, as the type of an argument, where one datafile is.
datafile_place = _checked(Setting("WHERE", "", location, _PLACES, "", LOCATION))


def add_datafile(parser: argparse.ArgumentParser) -> None:
    """Add `--datafile`."""
    parser.add_argument("-d", "--datafile", metavar="WHERE", type=datafile_place, help=_WHERE)


def add_datafile_argument(parser: argparse.ArgumentParser) -> None:
    """Add the datafile as what the command is about, and `--environment`."""
    parser.add_argument(
        "datafile",
        metavar="DATAFILE",
        nargs="?",
        type=datafile_place,
        help=_WHERE,
    )
    add_environment(parser)


def add_environment(parser: argparse.ArgumentParser) -> None:
    """Add `--environment`."""
    parser.add_argument(
        "--environment",
        dest="of_environment",
        metavar="NAME",
        help="the datafile of this environment of the file that BUCKETER_CONFIG names",
    )


def settings_of(args: argparse.Namespace, terminal: Terminal) -> Settings:
    """The environment's settings, with what the options say in their place.

    Raises:
        SettingsError: the environment asks for something impossible.
        InvalidRequest: `--environment` names none, or not alone what is meant.
    """
    settings = read_settings(terminal.environ)
    for line in settings.unknown:
        terminal.say(f"bucketer: {line}")
    name = getattr(args, "of_environment", None)
    if name is not None:
        settings = _of_environment(settings, name, args)
    changes = {
        name: value
        for name, value in vars(args).items()
        if name in settings.__slots__ and name != "datafile" and value is not None
    }
    if getattr(args, "datafile", None):
        changes["datafile"] = (args.datafile,)  # as it stands: a path may hold spaces
    return settings.but(**changes)


def _of_environment(settings: Settings, name: str, args: argparse.Namespace) -> Settings:
    """The settings of the environment *name*, by which only its own datafile is found."""
    for other, what in (("datafile", "a datafile"), ("url", "a URL"), ("revision", "--revision")):
        if getattr(args, other, None):
            why = "archived revisions are the default environment's"
            why = why if other == "revision" else "each says which datafile is meant"
            message = f"Give --environment or {what}, not both: {why}."
            raise InvalidRequest(message, field="environment")
    listed = {each.name: each for each in settings.environments}
    if name in listed:
        own = settings.of(listed[name])
        # What is packaged is the default environment's.
        return own if own.datafile else own.but(datafile=(own.datafile_url,))
    if name == settings.environment:
        return settings
    from bucketer.core.slips import nearest

    names = [settings.environment, *listed]
    meant = nearest(name, names)
    hint = f" Did you mean '{meant}'?" if meant else f" There is: {', '.join(names[:_TOLD])}."
    raise InvalidRequest(f"No environment is called '{name[:64]}'.{hint}", field="environment")


def add_revision(parser: argparse.ArgumentParser) -> None:
    """Add `--revision`."""
    parser.add_argument(
        "--revision",
        metavar="NUMBER",
        help="decide by this revision of the archive that BUCKETER_REVISIONS names",
    )


def at_revision(settings: Settings, revision: str | None) -> Settings:
    """*settings* with the archived datafile of *revision* in the place of the current one.

    Raises:
        InvalidRequest: no archive is configured, or that can be no revision.
    """
    if revision is None:
        return settings
    if settings.revisions == "off":
        message = (
            "--revision needs an archive: set BUCKETER_REVISIONS to its directory or s3:// URL."
        )
        raise InvalidRequest(message, field="revision")
    check_revision(revision)
    return settings.but(datafile=(f"{settings.revisions.rstrip('/')}/{revision}.json",))


class UnusableDatafile(DatafileError):
    """A datafile that can't be used at all, with the place where it was found."""

    def __init__(self, where: str, error: DatafileError) -> None:
        super().__init__(where, error)
        self.where, self.error, self.code = where, error, error.code

    def __str__(self) -> str:
        return f"{self.where}: {self.error}"


class Found(NamedTuple, Generic[Used]):
    """What was made of a datafile, and where that came from.

    Attributes:
        where: the source without its secrets, as an error names it.
    """

    used: Used
    where: str

    @property
    def named(self) -> str:
        """The same as the beginning of a sentence."""
        return (
            self.where[:1].upper() + self.where[1:] if self.where.startswith("the ") else self.where
        )


def load_ruleset(settings: Settings, terminal: Terminal) -> Found[Ruleset]:
    """Fetch and compile the datafile that *settings* name; nothing is sent anywhere.

    As in the server, a source that has no usable datafile gives way to the next one; but here that
    is told.

    Raises:
        SourceError, DatafileError: what the last source had to say.
        NoDatafile: there is none.
    """
    from bucketer.core.compile import compile_datafile
    from bucketer.core.parse import parse_datafile
    from bucketer.wiring import engine_of

    def compile_ours(raw: bytes) -> Ruleset:
        return compile_datafile(parse_datafile(raw))

    return _first(settings, terminal, engine_of(settings)[1] or compile_ours)


def fetch_datafile(settings: Settings, terminal: Terminal) -> Found[bytes]:
    """The text of the datafile that *settings* name, from the first source that has one.

    Raises:
        SourceError: no source has one; the last trouble is told.
        NoDatafile: there is none.
    """
    return _first(settings, terminal, lambda raw: raw)


def _first(settings: Settings, terminal: Terminal, use: Callable[[bytes], Used]) -> Found[Used]:
    """What *use* makes of the first source that it can use; the sources before it are told."""
    from bucketer import wiring

    trouble: BucketerError | None = None
    for source in wiring.build_sources(settings, terminal.environ, mode=wiring.COMMAND):
        if trouble is not None:
            terminal.fail(trouble.code, f"{trouble}; trying the {source.kind} datafile instead")
        try:
            return Found(use(_fetch(source)), _where(source, settings))
        except SourceError as error:
            trouble = error
        except DatafileError as error:
            trouble = UnusableDatafile(source.where, error)
    raise trouble or NoDatafile


def _where(source: DatafileSource, settings: Settings) -> str:
    """Name the source; where nobody has chosen it, say so, for it is meant to be another."""
    if source.kind == "demonstration" and not (settings.datafile or settings.datafile_url):
        return f"{source.where} (DATAFILE_URL is not set)"
    return source.where


def _fetch(source: DatafileSource) -> bytes:
    try:
        fetched = source.fetch(None)
    except SourceError as error:
        why = what_is_missing(source)
        if why is None:
            raise
        raise SourceError(source.where, why) from error
    if fetched is None:
        raise SourceError(source.where, "said 'not modified' to a question without a condition")
    return fetched.raw


def what_is_missing(source: DatafileSource) -> str | None:
    """Where a file was looked for in vain; None where it is there, or can't be there."""
    if source.kind != "file":
        return None
    path = Path(source.label).absolute()
    try:
        path.stat()
    except FileNotFoundError:
        if path.parent.is_dir():
            return f"there is no '{path.name}' in {path.parent}"
        return f"there is no directory {path.parent}"
    except OSError:
        return None  # whoever reads it will say what is wrong with it
    return None
