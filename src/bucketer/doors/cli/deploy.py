"""`bucketer deploy`: build and push the code of one function, or apply the whole template."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from bucketer.core.errors import BucketerError, InvalidRequest
from bucketer.publishing import archive
from bucketer.publishing.aws import AwsUnusable, open_client, open_session
from bucketer.publishing.function import FunctionCode, Packaged, bake, carry_over
from bucketer.publishing.s3_store import PublishError, S3Store

from .build import DEFAULT_ARCHITECTURE, DEFAULT_PYTHON, add_target
from .options import settings_of
from .terminal import GOOD, OPEN

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from bucketer.publishing.check import Checked
    from bucketer.publishing.stack import Before

    from .terminal import Terminal

#: Lambda prepares a snapshot in minutes; a person can wait for it.
_PATIENCE_S = 600.0
#: An upload of megabytes over a slow line is silent for long.
_READ_S = 60.0
#: Which setting gives which parameter of the template.
_FROM_SETTINGS: Final = {
    "DATAFILE_URL": "DatafileUrl",
    "DATAFILE_ACCESS_TOKEN": "DatafileAccessToken",
    "BUCKETER_WEBHOOK_SECRET": "WebhookSecret",
    "BUCKETER_PROJECT_ID": "ProjectId",
    "BUCKETER_KEYS": "Keys",
    "BUCKETER_SIGNING_SECRETS": "SigningSecrets",
}


class Pulled(NamedTuple):
    """The datafile as its source shows it, and as it goes into a package."""

    checked: Checked
    document: bytes


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
        help="of the template; DatafileUrl and others come from the settings where they are set, "
        "the rest stays as the last deployment left it",
    )
    parser.add_argument(
        "--no-pull",
        action="store_true",
        help="don't fetch the datafile; package what `bucketer datafile pull` has stored, if any",
    )
    parser.add_argument("--bucket", metavar="NAME", help="for the archives; made when not given")
    parser.add_argument("--profile", metavar="NAME", help="of AWS's configuration")
    parser.add_argument("--region", metavar="NAME", help="of AWS")
    add_target(parser, "the function's or the stack's own, or")
    parser.set_defaults(run=deploy_command)


def deploy_command(args: argparse.Namespace, terminal: Terminal) -> None:
    """Deploy; without --function everything that template.yaml describes."""
    region = args.region or terminal.environ.get("AWS_REGION")  # boto3 knows only the default's
    session = open_session(region, args.profile)
    if not session.region_name:
        raise AwsUnusable("no region of AWS is known; say --region NAME, or set AWS_REGION")
    with tempfile.TemporaryDirectory(prefix="bucketer-deploy-") as folder:
        if args.function:
            _push(args, session, Path(folder), terminal)
        else:
            _apply(args, session, Path(folder), terminal)


def _push(args: argparse.Namespace, session: Any, folder: Path, terminal: Terminal) -> None:
    if args.parameter:
        message = "--parameter is of the template; with --function there is none."
        raise InvalidRequest(message, field="parameter")
    client = open_client(session, "lambda", read_s=_READ_S)
    code = FunctionCode(args.function, client, patience_s=_PATIENCE_S)
    python, architecture = code.runtime()  # what it runs on is what we build for
    for asked, found in ((args.python, python), (args.arch, architecture)):
        if asked and asked != found:
            message = f"{code.where} runs on {found}, not on {asked}; change the function first."
            raise InvalidRequest(message)
    pulled = _pull(args, {}, terminal)
    content = _package(folder, python, architecture, pulled, terminal)
    terminal.text(f"{code.push(content)}.", GOOD)


def _apply(args: argparse.Namespace, session: Any, folder: Path, terminal: Terminal) -> None:
    from bucketer.publishing.stack import Stack, find_template

    stack = Stack(args.stack, session, terminal.say)
    before = stack.before()
    given = _given(args.parameter)
    parameters = {**_from_settings(terminal), **given}
    python, architecture = _target(args, given, before.parameters)
    parameters["Runtime"], parameters["Architecture"] = f"python{python}", architecture
    pulled = _pull(args, given, terminal)
    package = _package(folder, python, architecture, pulled, terminal)
    package, told = carry_over(package, _serving(before, session, terminal))
    terminal.text(f"{told[0].upper()}{told[1:]}.")
    built = archive.build(
        folder / "functions.zip", python=python, architecture=architecture, everything=True
    )
    _tell(built, terminal)
    archives = {"package.zip": package, "build/functions.zip": built.path.read_bytes()}
    text = find_template().read_text(encoding="utf-8")
    outputs = stack.apply(text, archives, parameters, bucket=args.bucket)
    for name, value in outputs.items():
        terminal.text(f"{name}: {value}")
    if "WebhookUrl" in outputs:
        _seed(outputs, pulled, session, terminal)
    elif parameters.get("WebhookSecret"):
        terminal.text("No webhook function: it needs DatafileUrl or ConfigLayer as well.", OPEN)
    _suggest(outputs.get("BucketerUrl"), pulled, terminal)


def _target(
    args: argparse.Namespace, given: Mapping[str, str], before: Mapping[str, str]
) -> tuple[str, str]:
    """Return Python and architecture: as given, as an option says, as the stack has, by default.

    Raises:
        InvalidRequest: parameter and option contradict each other.
    """
    named = {
        "--python": given.get("Runtime", "").removeprefix("python"),
        "--arch": given.get("Architecture"),
    }
    for (option, parameter), asked in zip(named.items(), (args.python, args.arch), strict=True):
        if parameter and asked and parameter != asked:
            message = f"{option} says {asked}, and --parameter says {parameter}."
            raise InvalidRequest(message, field=option.removeprefix("--"))
    python = named["--python"] or args.python or before.get("Runtime", "").removeprefix("python")
    architecture = named["--arch"] or args.arch or before.get("Architecture")
    return python or DEFAULT_PYTHON, architecture or DEFAULT_ARCHITECTURE


def _pull(args: argparse.Namespace, given: Mapping[str, str], terminal: Terminal) -> Pulled | None:
    """Fetch the datafile that is to be packaged; None where no URL is known, or none is wanted.

    Raises:
        SourceError: it can't be fetched.
        UnusableDatafile: what came can't be used.
    """
    import time

    from bucketer import wiring
    from bucketer.publishing.check import fetch_checked
    from bucketer.publishing.pull import envelope

    settings = settings_of(args, terminal)
    url = given.get("DatafileUrl", settings.datafile_url)
    if args.no_pull or not url:
        return None
    token = given.get("DatafileAccessToken", settings.datafile_access_token)
    settings = settings.but(datafile_url=url, datafile_access_token=token)
    source = wiring.build_source(url, settings, terminal.environ, mode=wiring.COMMAND)
    assert source is not None  # noqa: S101 -- only ``packaged`` gives none, and that is no URL
    try:
        checked = fetch_checked(source)
    except BucketerError:
        terminal.say("Nothing was deployed; with --no-pull it is, without a new datafile")
        raise
    terminal.say(f"Fetched revision {checked.revision} from {source.where}")
    return Pulled(checked, envelope(checked, source.label, time.time()))


def _package(
    folder: Path, python: str, architecture: str, pulled: Pulled | None, terminal: Terminal
) -> bytes:
    """Build the decision function's archive, with the datafile that was pulled or stored."""
    built = archive.build(folder / "package.zip", python=python, architecture=architecture)
    _tell(built, terminal)
    content = built.path.read_bytes()
    return content if pulled is None else bake(content, pulled.document)


def _serving(before: Before, session: Any, terminal: Terminal) -> Packaged | None:
    """Return the datafile that the stack's function has packaged; None where it can't be had."""
    name = before.outputs.get("BucketerFunctionName")
    if name is None:
        return None
    try:
        return FunctionCode(f"{name}:live", open_client(session, "lambda")).packaged()
    except PublishError as error:
        terminal.text(f"Can't see what is packaged now ({error}).", OPEN)
        return None


def _seed(
    outputs: Mapping[str, str], pulled: Pulled | None, session: Any, terminal: Terminal
) -> None:
    """Publish what was pulled where webhooks will: until the first, nothing would be there."""
    if pulled is None:
        return
    url = f"s3://{outputs['DatafileBucketName']}/datafile.json"
    store = S3Store(url, open_client(session, "s3", read_s=_READ_S))
    try:
        terminal.text(f"{store.where}: {store.publish(pulled.checked)}.")
    except PublishError as error:
        terminal.text(f"Not published ({error}); the first webhook does that.", OPEN)


def _suggest(url: str | None, pulled: Pulled | None, terminal: Terminal) -> None:
    if url is None:
        return
    experiments = pulled.checked.ruleset.experiments if pulled else ()
    key = next(iter(experiments), "checkout_flow_experiment")
    terminal.line()
    terminal.text("Try:", GOOD)
    terminal.line(f"  curl '{url}?e={quote(key, safe='')}&u=cooper34523569'")


def _from_settings(terminal: Terminal) -> dict[str, str]:
    """Take the template's parameters from the settings of the same meaning."""
    found = {ours: terminal.environ.get(name, "").strip() for name, ours in _FROM_SETTINGS.items()}
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
        terminal.text("Without bytecode: it works, and starts slower.", OPEN)
