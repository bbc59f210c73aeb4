"""`bucketer datafile`: pull it into the package, see where it stands, compare two of them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bucketer.core.errors import BucketerError, InvalidRequest

from .options import add_environment, datafile_place, settings_of
from .terminal import BAD, GOOD, NOTE, TITLE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from bucketer.ports import DatafileSource
    from bucketer.publishing.changes import Change
    from bucketer.publishing.check import Checked
    from bucketer.settings import Settings

    from .terminal import Terminal

_HTTP_OK = 200
_UNAVAILABLE = 503


def register(parser: argparse.ArgumentParser) -> None:
    """Add the commands below this one."""
    commands = parser.add_subparsers(required=True, metavar="ACTION")
    pull = commands.add_parser("pull", help=pull_command.__doc__)
    pull.add_argument(
        "url", nargs="?", metavar="URL", type=datafile_place, help="default: DATAFILE_URL"
    )
    pull.add_argument(
        "--into", metavar="FILE", help="put the datafile there as it came, not into the package"
    )
    add_environment(pull)
    pull.set_defaults(run=pull_command)
    status = commands.add_parser("status", help=status_command.__doc__)
    status.add_argument("--server", metavar="URL", help="ask a running service instead")
    status.add_argument("--json", action="store_true", help="for programs")
    add_environment(status)
    status.set_defaults(run=status_command)
    accept = commands.add_parser("accept", help=accept_command.__doc__)
    add_environment(accept)
    accept.set_defaults(run=accept_command)
    diff = commands.add_parser("diff", help=diff_command.__doc__)
    places = "a path or an https://, http:// or s3://BUCKET/KEY URL"
    diff.add_argument("old", metavar="OLD", type=datafile_place, help=places)
    diff.add_argument("new", metavar="NEW", type=datafile_place, help="as OLD")
    diff.add_argument("--json", action="store_true", help="for programs")
    diff.set_defaults(run=diff_command)


def pull_command(args: argparse.Namespace, terminal: Terminal) -> None:
    """Fetch the datafile, check it, and store it in the package."""
    from bucketer.publishing.pull import pull

    settings = settings_of(args, terminal)
    own = settings.datafile if args.of_environment else ()
    url = args.url or settings.datafile_url or next(iter(own), "")
    if not url:
        message = "Nothing says where the datafile is: set DATAFILE_URL, or give the URL."
        raise InvalidRequest(message)
    source = _source(url, settings, terminal.environ)
    checked = pull(source, Path(args.into) if args.into else None)
    terminal.text(f"Stored revision {checked.revision} from {source.where}.", GOOD)
    terminal.text(f"{_contents(checked)}", indent=2)


def status_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Ask every source what it has; exit status 1 when the first one has nothing usable.

    The first that has something usable is what would serve, if a service started now.
    """
    settings = settings_of(args, terminal)
    if args.server:
        return _server_status(args, terminal)
    from bucketer import wiring

    sources = wiring.build_sources(settings, terminal.environ, mode=wiring.COMMAND)
    rows = [_ask(source) for source in sources]
    first = next((row for row in rows if row["state"] == "ok"), None)
    if args.json:
        told = first and {name: first[name] for name in ("source", "where", "revision")}
        terminal.json({"sources": rows, "serves": told})
    else:
        heads = ("source", "where", "revision", "etag", "bytes", "state")
        terminal.table(heads, [[str(row.get(head) or "") for head in heads] for row in rows])
        if first is None:
            terminal.text("A service that starts now has no datafile.", BAD)
        else:
            serving = f"revision {first['revision']} from {first['where']}"
            tone = GOOD if first is rows[0] else NOTE
            terminal.text(f"A service that starts now serves {serving}.", tone)
    return 0 if rows[0]["state"] == "ok" else 1


def accept_command(args: argparse.Namespace, terminal: Terminal) -> None:
    """Let the older revision that a URL shows serve at the server's next look.

    Otherwise it waits for `BUCKETER_DATAFILE_OLDER_AFTER`. Run it beside the server, with the same
    settings: what it says lies in the state directory.
    """
    from bucketer import wiring
    from bucketer.core.errors import SourceError
    from bucketer.wiring.datafiles import shared_among

    settings = settings_of(args, terminal)
    sources = shared_among(wiring.build_sources(settings, terminal.environ, mode=wiring.SERVER))
    if not sources:
        message = "No URL is named that a server would fetch from: set DATAFILE_URL."
        raise InvalidRequest(message)
    for source in sources:
        try:
            source.accept_older()
        except OSError as error:
            why = f"can't be written to ({error.strerror or type(error).__name__})"
            raise SourceError("BUCKETER_STATE_DIR", why) from error
        terminal.line(f"An older revision from {source.where} serves at the server's next look,")
        terminal.line(f"within {source.max_age_s:g} s, if nothing newer is shown then.")


def diff_command(args: argparse.Namespace, terminal: Terminal) -> None:
    """Say what changed between two datafiles, by flag and rule."""
    from bucketer.core.parse import parse_datafile
    from bucketer.publishing.check import fetch_checked
    from bucketer.publishing.diff import diff

    settings = settings_of(args, terminal)
    old, new = (
        fetch_checked(_source(where, settings, terminal.environ, among=(args.old, args.new)))
        for where in (args.old, args.new)
    )
    changes = diff(parse_datafile(old.raw), parse_datafile(new.raw))
    if args.json:
        revisions = {"old": old.revision, "new": new.revision}
        terminal.json({**revisions, "changes": [each.to_json() for each in changes]})
        return
    if not changes:
        terminal.text("Nothing changed.")
    for place, lines in _grouped(changes).items():
        terminal.text(place, TITLE)
        for tone, line in lines:
            terminal.text(f"{line}", tone, indent=2)


def _grouped(changes: list[Change]) -> dict[str, list[tuple[str, str]]]:
    """Put the changes of one flag (experiment, audience, …) together."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for change in changes:
        place = change.where[0] if change.where else "the datafile"
        inner = change._replace(where=change.where[1:])
        text = str(inner).strip()
        tone = {"added": GOOD, "removed": BAD}.get(change.how, NOTE)
        groups.setdefault(place, []).append((tone, text))
    return groups


def _source(
    where: str, settings: Settings, environ: Mapping[str, str], *, among: Sequence[str] = ()
) -> DatafileSource:
    from bucketer import wiring

    source = wiring.build_source(where, settings, environ, mode=wiring.COMMAND, among=among)
    if source is None:
        message = "Nothing is packaged; `bucketer datafile pull` stores a datafile in the package."
        raise InvalidRequest(message)
    return source


def _ask(source: DatafileSource) -> dict[str, object]:
    from bucketer.publishing.check import fetch_checked

    row: dict[str, object] = {"source": source.kind, "where": source.where}
    started = time.perf_counter()
    try:
        checked = fetch_checked(source)
    except BucketerError as error:
        return {**row, "state": str(error).removeprefix(f"{source.where}: ")}
    return {
        **row,
        "state": "ok",
        "revision": checked.revision,
        "etag": checked.etag,
        "bytes": len(checked.raw),
        "took_ms": round((time.perf_counter() - started) * 1e3, 1),
    }


def _server_status(args: argparse.Namespace, terminal: Terminal) -> int:
    """Print what a running service says under /health."""
    from bucketer.wire import exchange, split_url

    address = split_url(args.server.rstrip("/") + "/health")
    answer = exchange(address, {}, timeout_s=10.0, max_bytes=1024 * 1024)
    try:
        report = json.loads(answer.body)
    except ValueError:
        report = None
    if answer.status not in {_HTTP_OK, _UNAVAILABLE} or not isinstance(report, dict):
        terminal.fail("source_failed", f"{address.host}: status {answer.status} from /health")
        return 1
    if args.json:
        terminal.json(report)
    else:
        serving, refresh = (_dict(report.get(each)) for each in ("datafile", "refresh"))
        told = f"revision {serving.get('revision')} serves" if serving else "nothing serves"
        tone = GOOD if answer.status == _HTTP_OK else BAD
        terminal.text(f"{report.get('status')}: {told}", tone)
        for name, value in {**report, **serving, **refresh}.items():
            if not isinstance(value, dict) and name != "status":
                terminal.text(f"{name}: {value}", indent=2)
    return 0 if answer.status == _HTTP_OK else 1


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _contents(checked: Checked) -> str:
    ruleset = checked.ruleset
    errors = sum(each.severity == "error" for each in ruleset.diagnostics)
    told = f", {errors} errors (see `bucketer lint packaged`)" if errors else ""
    contents = f"{len(ruleset.flags)} flags, {len(ruleset.experiments)} experiments and rules"
    return f"{len(checked.raw)} bytes, {contents}{told}"
