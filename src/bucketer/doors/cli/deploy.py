"""`bucketer deploy`: build and push the code of one function, or apply the whole template."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bucketer.core.errors import BucketerError, InvalidRequest
from bucketer.publishing import archive
from bucketer.publishing.function import FunctionCode

from .build import DEFAULT_ARCHITECTURE, DEFAULT_PYTHON, add_target
from .terminal import GOOD, OPEN

if TYPE_CHECKING:
    import argparse

    from .terminal import Terminal


class AwsMissing(BucketerError):
    """boto3 is not installed."""

    code = "aws_missing"

    def __str__(self) -> str:
        return "Deploying needs the extra [aws]: pip install 'bucketer[aws]'"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--function",
        metavar="NAME",
        help="push the code of this function; NAME:ALIAS moves the alias to it as well",
    )
    parser.add_argument(
        "--stack", metavar="NAME", default="bucketer", help="of CloudFormation (default bucketer)"
    )
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the template; DatafileUrl and others come from the settings where they are set",
    )
    parser.add_argument("--bucket", metavar="NAME", help="for the archives; made when not given")
    parser.add_argument("--profile", metavar="NAME", help="of AWS's configuration")
    parser.add_argument("--region", metavar="NAME", help="of AWS")
    add_target(parser)
    parser.set_defaults(run=deploy_command)


def deploy_command(args: argparse.Namespace, terminal: Terminal) -> None:
    """Deploy; without --function everything that template.yaml describes."""
    session = _session(args, terminal)
    with tempfile.TemporaryDirectory(prefix="bucketer-deploy-") as folder:
        if args.function:
            _push(args, session, Path(folder), terminal)
        else:
            _apply(args, session, Path(folder), terminal)


def _push(args: argparse.Namespace, session: Any, folder: Path, terminal: Terminal) -> None:
    code = FunctionCode(args.function, session.client("lambda"))
    python, architecture = code.runtime()  # what it runs on is what we build for
    built = archive.build(folder / "package.zip", python=python, architecture=architecture)
    _tell(built, terminal)
    version = code.update(built.path.read_bytes())
    terminal.line(f"{code.where} is at version {version}.", GOOD)


def _apply(args: argparse.Namespace, session: Any, folder: Path, terminal: Terminal) -> None:
    from bucketer.publishing.stack import Stack, find_template

    python, architecture = args.python or DEFAULT_PYTHON, args.arch or DEFAULT_ARCHITECTURE
    archives = {}
    for name, everything in (("package.zip", False), ("build/functions.zip", True)):
        built = archive.build(
            folder / name, python=python, architecture=architecture, everything=everything
        )
        _tell(built, terminal)
        archives[name] = built.path.read_bytes()
    stack = Stack(args.stack, session, terminal.say)
    parameters = {**_from_settings(terminal), **_given(args.parameter)}
    parameters["Architecture"] = architecture
    text = find_template().read_text(encoding="utf-8").replace("python3.13", f"python{python}")
    outputs = stack.apply(text, archives, parameters, bucket=args.bucket)
    for name, value in outputs.items():
        terminal.line(f"{name}: {value}")
    url = outputs.get("BucketerUrl")
    if url:
        terminal.line()
        terminal.line("Try:", GOOD)
        terminal.line(f"  curl '{url}?e=checkout_flow_experiment&u=cooper34523569'")


def _from_settings(terminal: Terminal) -> dict[str, str]:
    """Take the template's parameters from the settings of the same meaning."""
    names = {
        "DATAFILE_URL": "DatafileUrl",
        "DATAFILE_ACCESS_TOKEN": "DatafileAccessToken",
        "BUCKETER_WEBHOOK_SECRET": "WebhookSecret",
        "BUCKETER_PROJECT_ID": "ProjectId",
    }
    found = {ours: terminal.environ.get(name, "").strip() for name, ours in names.items()}
    return {name: value for name, value in found.items() if value}


def _given(pairs: list[str]) -> dict[str, str]:
    given = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not (name and separator):
            message = f"--parameter takes NAME=VALUE, not '{pair}'."
            raise InvalidRequest(message, field="parameter")
        given[name] = value
    return given


def _tell(built: archive.Built, terminal: Terminal) -> None:
    terminal.say(f"Built {built.path.name}: {built.size_bytes:,} bytes")
    if not built.byte_compiled:
        terminal.line("Without bytecode: it works, and starts slower.", OPEN)


def _session(args: argparse.Namespace, terminal: Terminal) -> Any:
    try:
        import boto3
    except ImportError as error:
        raise AwsMissing from error
    region = args.region or terminal.environ.get("AWS_REGION")  # boto3 knows only the default's
    return boto3.Session(profile_name=args.profile, region_name=region)
