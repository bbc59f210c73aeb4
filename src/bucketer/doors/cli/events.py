"""`bucketer events`: what waits in the outbox, what the collector refused, and another try."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bucketer.core.errors import BucketerError
from bucketer.sinks.outbox import OutboxFull
from bucketer.sinks.store import Store

from .options import add_setting, settings_of
from .terminal import BAD, GOOD, NOTE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from bucketer.core.envelope import Batch
    from bucketer.settings import Settings
    from bucketer.sinks.dead_letters import DeadLetter

    from .terminal import Terminal

_HOUR_S, _MINUTE_S = 3600, 60
#: So much is shown of a line that is no event.
_SHOWN_BYTES = 100
_DEAD = "refused by the collector; see `bucketer events list`"


class EventsWait(BucketerError):
    """Events could not be put back or delivered."""

    code = "events_wait"


class NoStateDirectory(BucketerError):
    """The directory that was named isn't there, so nothing can be said of it.

    Attributes:
        directory: its path.
    """

    code = "no_state_directory"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return f"{self.directory} is no directory (see BUCKETER_STATE_DIR or --state-dir)"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the commands below this one."""
    commands = parser.add_subparsers(required=True, metavar="ACTION")
    for name, command in (
        ("status", status_command),
        ("list", list_command),
        ("retry", retry_command),
        ("export", export_command),
    ):
        sub = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        add_setting(sub, "BUCKETER_STATE_DIR", "--state-dir", "DIRECTORY")
        said = "for programs" if name != "export" else "what it prints is JSON in any case"
        sub.add_argument("--json", action="store_true", help=said)
        sub.add_argument("--odp", action="store_true", help="events for ODP, which wait apart")
        if name in {"list", "export"}:
            sub.add_argument(
                "--waiting", action="store_true", help="what waits, instead of what was refused"
            )
        if name == "retry":
            sub.add_argument(
                "--within",
                type=float,
                default=30.0,
                metavar="SECONDS",
                help="how long to try (default: 30)",
            )
        sub.set_defaults(run=command)


def status_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Count what waits and what was refused; exit status 1 when somebody should look."""
    status = _store(settings_of(args, terminal), args).status(time.time())
    if args.json:
        terminal.json(status._asdict())
    else:
        terminal.table(
            ("what", "events", "remark"),
            [
                ("waiting", str(status.waiting), _oldest(status.oldest_age_s)),
                ("dead letters", str(status.dead), _DEAD),
                *((name, str(count), _remark(name)) for name, count in status.counters.items()),
            ],
        )
        write = "process writes" if status.processes == 1 else "processes write"
        terminal.text(f"{status.processes} {write} here.")
        if status.counters["refused"]:
            terminal.text(f"{status.counters['refused']} events were not kept, and are lost.", BAD)
        if status.unreadable:
            terminal.text(f"{status.unreadable} lines of dead/ can't be read.", BAD)
        if status.damaged_files:
            terminal.text(f"{status.damaged_files} files with damaged lines in damaged/.", BAD)
        if status.counters["lost"]:
            terminal.text(f"{status.counters['lost']} dead letters found no room: lost.", BAD)
        for each in status.unread:
            terminal.text(f"Not counted: {each}.", BAD)
        for trouble in status.trouble:
            terminal.text(f"Delivery fails now: {trouble}", BAD)
    counted = [status.counters[name] for name in ("refused", "lost", "damaged")]
    found = [status.dead, status.unreadable, status.damaged_files, *counted]
    return 1 if any(found) or status.trouble or status.unread else 0


def list_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """List the events that the collector refused, with its answer (or those that wait)."""
    store = _store(settings_of(args, terminal), args)
    unread: list[str] = []
    if args.waiting:
        rows = [_waiting_row(each) for each in store.waiting(unread)]
    else:
        rows = [_row(letter) for letter in store.letters(unread)]
    if args.json:
        for row in rows:
            terminal.json(row)
    else:
        heads = ("refused_at", "decided_at", "visitor", "event", "revision", "why")
        terminal.table(heads, [[str(row.get(head, "")) for head in heads] for row in rows])
    return _tell_unread(unread, terminal)


def retry_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Put the refused events back and deliver what waits here, of processes that are gone.

    Says to whom, before it does.
    """
    from bucketer.sinks.counters import Counters
    from bucketer.sinks.durable import Durable
    from bucketer.wiring import build_transport

    settings = settings_of(args, terminal)
    store = _store(settings, args)  # before anything is made: the directory may be mistyped
    receivers = _receivers(settings, store)
    if not args.json:
        terminal.text(f"To {', '.join(receivers) or 'nobody: there is nothing to deliver'}.")
    try:
        lane, count = store.put_back()
    except (OutboxFull, OSError) as error:
        raise EventsWait(str(error)) from error
    lane.release()
    counters = Counters()
    durable = Durable(
        _outbox_directory(settings, args),
        build_transport(settings, terminal.environ),
        counters,
        limit_bytes=settings.events_max_bytes,
    )
    until = time.monotonic() + args.within
    while _is_there(lane.directory) and time.monotonic() < until:
        time.sleep(0.02)
    durable.close()
    left = _is_there(lane.directory)
    found = {
        "to": receivers,
        "put_back": count,
        "sent": counters.sent,
        "refused_again": counters.dead,
        "left": left,
    }
    if args.json:
        terminal.json(found)
    else:
        terminal.text(f"{count} refused events were put back.")
        terminal.text(f"{counters.sent} events were delivered.", GOOD if counters.sent else NOTE)
        if counters.dead:
            terminal.text(f"{counters.dead} were refused again.", BAD)
        if left:
            why = counters.trouble or "time is up"
            terminal.text(f"The rest waits for a server, or another try ({why}).", BAD)
    return 1 if left or counters.dead else 0


def _receivers(settings: Settings, store: Store) -> list[str]:
    """Who gets what was refused and what waits: hosts, or a queue by its host and name."""
    from itertools import chain

    if settings.events.startswith("sqs://"):
        return [f"the queue {settings.events.removeprefix('sqs://')}"]
    unread: list[str] = []
    refused = (each.batch for each in store.letters(unread) if not isinstance(each, bytes))
    waiting = (each[0] for each in store.waiting(unread) if not isinstance(each, bytes))
    batches = sorted(set(chain(refused, waiting)))
    urls = [_url_of(batch, settings) for batch in batches]
    hosts = [url.partition("://")[2].partition("/")[0].rpartition("@")[2] for url in urls]
    return list(dict.fromkeys(each for each in hosts if each))


def _url_of(batch: Batch, settings: Settings) -> str:
    """Where a batch goes; "" if nobody can tell."""
    from bucketer.core.envelope import ODP
    from bucketer.core.events import ENDPOINTS
    from bucketer.core.odp import account_in

    if batch.region != ODP:
        return settings.events_endpoint or ENDPOINTS.get(batch.region, "")
    try:
        return settings.odp_host or account_in(batch)[0]
    except (KeyError, TypeError, ValueError):
        return ""


def export_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Print the refused events, each as a payload that can be posted (or those that wait)."""
    store = _store(settings_of(args, terminal), args)
    unread: list[str] = []
    letters = (each for each in store.letters(unread) if not isinstance(each, bytes))
    refused = ((letter.batch, letter.visitor) for letter in letters)
    waiting = (each for each in store.waiting(unread) if not isinstance(each, bytes))
    for batch, visitor in waiting if args.waiting else refused:
        terminal.line(f"{batch.head}{visitor}]}}")
    return _tell_unread(unread, terminal)


def _tell_unread(unread: Sequence[str], terminal: Terminal) -> int:
    """Say what could not be read, apart from what was; the exit status."""
    for each in unread:
        terminal.fail("events_unread", f"{each}: what is there isn't among this.")
    return 1 if unread else 0


def _store(settings: Settings, args: argparse.Namespace) -> Store:
    """The outbox of the state directory.

    Raises:
        NoStateDirectory: there is no such directory.
    """
    directory = _outbox_directory(settings, args)
    try:
        is_directory = stat.S_ISDIR(directory.parent.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_directory = False
    except OSError as error:
        raise EventsWait(f"{directory.parent}: {error.strerror}") from error
    if not is_directory:
        raise NoStateDirectory(directory.parent)
    return Store(directory, settings.events_max_bytes)


def _outbox_directory(settings: Settings, args: argparse.Namespace) -> Path:
    from bucketer.wiring.events import ODP_OUTBOX

    return Path(settings.state_dir).expanduser() / (ODP_OUTBOX if args.odp else "outbox")


def _is_there(directory: Path) -> bool:
    """Whether it is; what can't be seen is."""
    try:
        directory.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _row(letter: DeadLetter | bytes) -> dict[str, object]:
    if isinstance(letter, bytes):
        begins = letter[:_SHOWN_BYTES].decode("ascii", "backslashreplace").rstrip()
        return {"why": f"a line that is no letter: {begins}"}
    return {
        "refused_at": _utc(letter.at),
        "status": letter.status,
        "why": letter.why,
        **_facts(letter.batch, letter.visitor),
    }


def _waiting_row(waits: tuple[Batch, str] | bytes) -> dict[str, object]:
    if isinstance(waits, bytes):
        begins = waits[:_SHOWN_BYTES].decode("ascii", "backslashreplace").rstrip()
        return {"why": f"can't be read: {begins}"}
    return {"why": "waiting", **_facts(*waits)}


def _facts(batch: Batch, visitor: str) -> dict[str, object]:
    """What a person wants to know of an event, as far as its text tells."""
    try:
        about = json.loads(batch.head + "]}")
        found = json.loads(visitor)
        if "odp" in about:
            return {
                "visitor": json.dumps(found["identifiers"]),
                "event": found["action"],
                "uuid": found["data"]["idempotence_id"],
                "account": about["odp"]["key"],
                "region": batch.region,
            }
        [event] = found["snapshots"][0]["events"]
        return {
            "decided_at": _utc(event["timestamp"] / 1000),
            "visitor": found["visitor_id"],
            "event": event["key"],
            "uuid": event["uuid"],
            "account": about["account_id"],
            "project": about["project_id"],
            "revision": about["revision"],
            "region": batch.region,
        }
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, OSError, RecursionError):
        return {"why": f"can't be read: {visitor[:_SHOWN_BYTES]}"}


def _utc(epoch_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(epoch_s))


def _oldest(age_s: float) -> str:
    if not age_s:
        return ""
    if age_s < _MINUTE_S:
        return f"the oldest for {age_s:.0f} s"
    if age_s < _HOUR_S:
        return f"the oldest for {age_s / _MINUTE_S:.0f} min"
    return f"the oldest for {age_s / _HOUR_S:.1f} h"


def _remark(counter: str) -> str:
    return "for want of room, since the start: lost" if counter == "refused" else "since the start"
