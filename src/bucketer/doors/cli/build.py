"""`bucketer build`: package.zip for one Python and one architecture, or for all of them."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bucketer.publishing import archive

from .terminal import BAD, GOOD, OPEN

if TYPE_CHECKING:
    import argparse

    from .terminal import Terminal

DEFAULT_PYTHON, DEFAULT_ARCHITECTURE = "3.13", "x86_64"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_target(parser, "default")
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="package.zip", help="default: package.zip"
    )
    parser.add_argument(
        "--all", action="store_true", help="one per Python and architecture, into dist/"
    )
    parser.add_argument(
        "--everything",
        action="store_true",
        help="keep what the webhook and delivery functions need as well",
    )
    parser.set_defaults(run=build_command)


def add_target(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """Add `--python` and `--arch`; *otherwise* says what counts without, before the default."""
    for option, choices, default in (
        ("--python", archive.PYTHONS, DEFAULT_PYTHON),
        ("--arch", sorted(archive.PLATFORMS), DEFAULT_ARCHITECTURE),
    ):
        parser.add_argument(
            option, choices=choices, help=f"of the function ({otherwise} {default})"
        )


def build_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Build, and print the size and which datafile is inside; status 1 when that can't be used."""
    if args.all:
        return max(
            build_one(
                args,
                Path("dist") / f"package-{python}-{architecture}.zip",
                python,
                architecture,
                terminal,
            )
            for python in archive.PYTHONS
            for architecture in archive.PLATFORMS
        )
    python, architecture = args.python or DEFAULT_PYTHON, args.arch or DEFAULT_ARCHITECTURE
    return build_one(args, Path(args.output), python, architecture, terminal)


def build_one(
    args: argparse.Namespace, target: Path, python: str, architecture: str, terminal: Terminal
) -> int:
    """Build one archive and say what became of it; 1 when the datafile in it can't be used."""
    built = archive.build(
        target, python=python, architecture=architecture, everything=args.everything
    )
    what = f"Python {python}, {architecture}"
    terminal.text(f"{built.path}: {built.size_bytes:,} bytes, {built.files} files, {what}", GOOD)
    told, tone = datafile_inside(built.path)
    terminal.text(f"{told}", tone, indent=2)
    if not built.byte_compiled:
        terminal.text(
            f"  Without bytecode: no Python {python} was found on this machine. It works, and "
            "starts slower.",
            OPEN,
        )
    return 1 if tone == BAD else 0


def datafile_inside(package: Path) -> tuple[str, str]:
    """Say which datafile the archive *package* holds, in one line, and in which tone to say it."""
    from bucketer.core.errors import BucketerError
    from bucketer.publishing.check import check
    from bucketer.publishing.function import DATAFILE
    from bucketer.sources.packaged import from_package

    with zipfile.ZipFile(package) as file:
        document = file.read(DATAFILE) if DATAFILE in file.namelist() else None
    if document is None:
        told = (
            "No datafile is inside. With DATAFILE_URL the function fetches one, and answers 503 "
            "while it can't; without, it decides by the demonstration datafile. To put one in: "
            "`python webhook.py`, then build again."
        )
        return told, OPEN
    try:
        meta, raw = from_package(document, "the packaged datafile")
        ruleset = check(raw, "the packaged datafile").ruleset
    except BucketerError as error:
        return f"{error}. `python webhook.py` puts a good one in; then build again.", BAD
    told = f"Inside: revision {ruleset.revision} of project {ruleset.project_id}"
    return f"{told}, fetched {_day_of(meta.get('fetched_at'))}", GOOD


def _day_of(fetched_at: object) -> str:
    try:
        return f"{datetime.fromtimestamp(float(str(fetched_at)), UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):  # no number, or none that is a time
        return "at an unknown time"
