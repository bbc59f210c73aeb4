"""Settings in, outbox out: where impressions and conversions go from where this runs."""

from __future__ import annotations

import threading

from bucketer.runtime.ids import new_uuid

from .modes import COMMAND, LAMBDA, SERVER

#: Where events may go, beside a queue; what `auto` means comes first.
_EVENTS_SINKS = {
    SERVER: ("outbox", "stdout", "off"),
    LAMBDA: ("flush", "stdout", "off"),
    COMMAND: ("off", "stdout", "outbox", "flush"),
}

#: In the state directory, beside `outbox`: what waits for ODP.
ODP_OUTBOX = "outbox-odp"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bucketer.core.events import Event
    from bucketer.settings import Settings
    from bucketer.sinks.counters import Counters
    from bucketer.sinks.delivery import Delivery
    from bucketer.sinks.lazy_outbox import LazyOutbox
    from bucketer.sinks.odp import OdpOutbox
    from bucketer.sinks.outbox import Outbox, Sink
    from bucketer.sinks.sender import Transport
    from bucketer.sinks.sqs import Queue


def events_sink(settings: Settings, mode: str) -> str:
    """Return what the setting for events means in *mode*: `auto` is the first that it has.

    Raises:
        SettingsError: there is no such sink in *mode*.
    """
    chosen, sinks = settings.events, _EVENTS_SINKS[mode]
    if chosen == "auto":
        return sinks[0]
    if chosen in sinks or chosen.startswith("sqs://"):
        return chosen
    from bucketer.core.errors import SettingsError

    why = {SERVER: "a server does not freeze", LAMBDA: "Lambda keeps no files"}[mode]
    allowed = f"auto, {', '.join(sinks)}, sqs://…"
    raise SettingsError([f"BUCKETER_EVENTS: found '{chosen}', but {why}; allowed here: {allowed}"])


def works_after_responses(settings: Settings) -> bool:
    """Say whether a runtime in Lambda will ever have something to do after a response.

    Raises:
        SettingsError: there is no such sink for events in Lambda.
    """
    if events_sink(settings, LAMBDA) not in {"off", "stdout"}:
        return True
    if settings.environments or settings.sdk_keys == "any":  # which are refreshed as well
        return True
    named = (settings.datafile_url, *settings.datafile)
    return any(location not in {"", "packaged"} for location in named)


def build_outbox(
    settings: Settings, environ: Mapping[str, str], *, mode: str = SERVER
) -> Outbox | LazyOutbox | None:
    """Return what takes the events; None where they are off (a command sends none).

    Raises:
        SettingsError: they can't go there from *mode*.
    """
    chosen = events_sink(settings, mode)
    if chosen == "off":
        return None
    if mode == LAMBDA and chosen == "flush":
        from bucketer.sinks.lazy_outbox import LazyOutbox

        return LazyOutbox(lambda: _open_outbox(chosen, settings, environ, mode), new_uuid)
    return _open_outbox(chosen, settings, environ, mode)


class OdpEvents:
    """The outbox of events for ODP, opened for the first of them, or for what waits of before.

    Apart from the other one, whose impressions must not wait when ODP can't be reached.
    """

    def __init__(self, open_outbox: Callable[[], OdpOutbox], *, at_once: bool) -> None:
        self._open = open_outbox
        self._lock = threading.Lock()
        self._made: OdpOutbox | None = open_outbox() if at_once else None

    def add(self, events: Sequence[Event]) -> None:
        """Take *events*."""
        with self._lock:
            if self._made is None:
                self._made = self._open()
        for event in events:
            event.uuid = event.uuid or new_uuid()  # in Lambda impressions are named later
        self._made.add(events)

    @property
    def counters(self) -> Counters | None:
        """Its counters, once there was an event."""
        return None if self._made is None else self._made.counters

    def waits(self) -> bool:
        """Say whether `after_response` has something to deliver."""
        return self._made is not None and self._made.waits()

    def after_response(self, deadline_s: float) -> None:
        """Use at most *deadline_s* seconds to deliver."""
        if self._made is not None:
            self._made.after_response(deadline_s)

    def close(self) -> None:
        """Deliver or keep what is left."""
        if self._made is not None:
            self._made.close()

    def to_json(self) -> dict[str, object]:
        """Return its counters, for health; none before there was an event."""
        return {} if self._made is None else self._made.health()


def build_odp_events(
    settings: Settings, environ: Mapping[str, str], *, mode: str = SERVER
) -> OdpEvents | None:
    """Return what takes the events for ODP; None where those, or all, are off.

    Raises:
        SettingsError: they can't go there from *mode*.
    """
    chosen = events_sink(settings, mode)
    if chosen == "off" or not settings.odp:
        return None

    def open_outbox() -> OdpOutbox:
        from bucketer.sinks.counters import Counters
        from bucketer.sinks.odp import OdpOutbox

        counters = Counters()
        sink = _build_sink(chosen, settings, environ, counters, mode, directory=ODP_OUTBOX)
        return OdpOutbox(sink, counters, with_demonstration=chosen == "stdout")

    at_once = False
    if mode == SERVER:
        from pathlib import Path

        at_once = (Path(settings.state_dir).expanduser() / ODP_OUTBOX / "lanes").is_dir()
    return OdpEvents(open_outbox, at_once=at_once)


def _open_outbox(chosen: str, settings: Settings, environ: Mapping[str, str], mode: str) -> Outbox:
    from bucketer.sinks.counters import Counters
    from bucketer.sinks.outbox import Outbox

    counters = Counters()
    repeats = None
    if settings.events_dedup:
        from bucketer.sinks.dedup import Deduplication

        repeats = Deduplication(settings.events_dedup)
    sink = _build_sink(chosen, settings, environ, counters, mode)
    return Outbox(sink, counters, repeats, with_demonstration=chosen == "stdout")


def _build_sink(
    chosen: str,
    settings: Settings,
    environ: Mapping[str, str],
    counters: Counters,
    mode: str,
    directory: str = "outbox",
) -> Sink:
    """Return the sink for events by the word in `BUCKETER_EVENTS`."""
    if chosen == "stdout":
        from bucketer.sinks.stdout import Lines

        return Lines()
    queue = build_queue(chosen, environ) if chosen.startswith("sqs://") else None
    if chosen == "flush" or mode == LAMBDA:
        from bucketer.sinks.buffer import Buffer

        delivery = _delivery(settings)
        buffer = Buffer(counters, delivery, max_events=settings.events_batch, last_resort=queue)
        if queue is None:
            return buffer
        from bucketer.sinks.sqs import HandOver

        return HandOver(queue, buffer)
    from pathlib import Path

    from bucketer.sinks.durable import Durable
    from bucketer.sinks.pace import Pace

    return Durable(
        Path(settings.state_dir).expanduser() / directory,
        build_transport(settings, environ),
        counters,
        limit_bytes=settings.events_max_bytes,
        sync_first=settings.events_fsync == "answer",
        pace=Pace(
            max_events=settings.events_batch,
            interval_s=settings.events_interval,
            timeout_s=settings.events_timeout,
        ),
    )


def build_transport(settings: Settings, environ: Mapping[str, str]) -> Transport:
    """Return who delivers what waits in an outbox directory: to the queue, or to the collector."""
    if settings.events.startswith("sqs://"):
        return build_queue(settings.events, environ)
    return _delivery(settings)


def _delivery(settings: Settings) -> Delivery:
    from bucketer.sinks.delivery import Delivery

    return Delivery(settings.events_endpoint, odp_host=settings.odp_host)


def build_queue(chosen: str, environ: Mapping[str, str]) -> Queue:
    """Return the queue, with requests signed as the datafile's are.

    Raises:
        SettingsError: it can't be a queue's address.
    """
    from bucketer.core.errors import SettingsError, SourceError
    from bucketer.sinks.sqs import ALLOWED, Queue, QueueAddress
    from bucketer.sources.credentials import CredentialChain
    from bucketer.sources.signing import Signer
    from bucketer.wire import split_url

    address = QueueAddress(chosen, environ)
    try:
        target = split_url(address.endpoint)
    except SourceError as error:
        problem = f"BUCKETER_EVENTS: found a queue's URL, which {error.why}; allowed: {ALLOWED}"
        raise SettingsError([problem]) from None
    signer = Signer("sqs", CredentialChain(environ))

    def signed(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        return signer.sign("POST", target, address.region, headers, body)

    return Queue(address, signed, environ.get("AWS_CA_BUNDLE") or None, learn=signer.learn)
