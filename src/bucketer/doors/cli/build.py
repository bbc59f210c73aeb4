"""`bucketer build`: package.zip for one Python and one architecture, or for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bucketer.publishing import archive

from .terminal import GOOD, OPEN

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


def build_command(args: argparse.Namespace, terminal: Terminal) -> None:
    """Build, and print the size."""
    if args.all:
        for python in archive.PYTHONS:
            for architecture in archive.PLATFORMS:
                target = Path("dist") / f"package-{python}-{architecture}.zip"
                build_one(args, target, python, architecture, terminal)
        return
    python, architecture = args.python or DEFAULT_PYTHON, args.arch or DEFAULT_ARCHITECTURE
    build_one(args, Path(args.output), python, architecture, terminal)


def build_one(
    args: argparse.Namespace, target: Path, python: str, architecture: str, terminal: Terminal
) -> None:
    """Build one archive and say what became of it."""
    built = archive.build(
        target, python=python, architecture=architecture, everything=args.everything
    )
    what = f"Python {python}, {architecture}"
    terminal.line(f"{built.path}: {built.size_bytes:,} bytes, {built.files} files, {what}", GOOD)
    if not built.byte_compiled:
        terminal.line(
            f"  Without bytecode: no Python {python} was found on this machine. It works, and "
            "starts slower.",
            OPEN,
        )
