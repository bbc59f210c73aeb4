"""Options that several commands share, each made of what the settings table or the spec says."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bucketer.api.revision import check_revision
from bucketer.core.errors import BucketerError, InvalidRequest, NoDatafile, SourceError
from bucketer.settings import BY_NAME, LOCATION, Setting, location, read_settings, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bucketer.runtime import Edition
    from bucketer.settings import Settings

    from .terminal import Terminal

_PLACES = "a path, an https://, http:// or s3://BUCKET/KEY URL, or `packaged`"
_WHERE = (
    f"{_PLACES} (default: what the settings say; the demonstration datafile if they say nothing)"
)


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
    """Add the datafile as what the command is about."""
    parser.add_argument(
        "datafile",
        metavar="DATAFILE",
        nargs="?",
        type=datafile_place,
        help=_WHERE,
    )


def settings_of(args: argparse.Namespace, terminal: Terminal) -> Settings:
    """The environment's settings, with what the options say in their place.

    Raises:
        SettingsError: the environment asks for something impossible.
    """
    settings = read_settings(terminal.environ)
    for line in settings.unknown:
        terminal.say(f"bucketer: {line}")
    changes = {
        name: value
        for name, value in vars(args).items()
        if name in settings.__slots__ and name != "datafile" and value is not None
    }
    if getattr(args, "datafile", None):
        changes["datafile"] = (args.datafile,)  # as it stands: a path may hold spaces
    return settings.but(**changes)


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


def load_edition(settings: Settings, environ: Mapping[str, str]) -> Edition:
    """Fetch and compile the datafile that *settings* name; nothing is sent anywhere.

    Raises:
        SourceError: it can't be had, or it is no usable datafile.
    """
    from bucketer import wiring

    quiet = settings.but(events="off", profiles="off")
    runtime = wiring.build(quiet, environ, place=wiring.COMMAND)
    edition = runtime.edition
    if edition is None:
        if runtime.freshness.trouble:
            where, _, why = runtime.freshness.trouble.partition(": ")
            raise SourceError(where, why)
        raise NoDatafile
    return edition


def fetch_datafile(settings: Settings, environ: Mapping[str, str]) -> bytes:
    """The text of the datafile that *settings* name, from the first source that has one.

    Raises:
        SourceError: no source has one; the last trouble is told.
    """
    from bucketer import wiring

    trouble: BucketerError = NoDatafile()
    for source in wiring.build_sources(settings, environ, place=wiring.COMMAND):
        try:
            fetched = source.fetch(None)
        except SourceError as error:
            trouble = error
            continue
        if fetched is not None:
            return fetched.raw
    raise trouble
