"""Environment in, `Runtime` out: the one place that reads `os.environ` and knows every part.

What a cold start of Lambda doesn't use is imported where it is needed.
"""

from __future__ import annotations

import os
import threading

from bucketer.api.http import ApiOptions
from bucketer.api.routes import Handler
from bucketer.runtime.edition import Edition
from bucketer.runtime.ids import new_uuid
from bucketer.runtime.runtime import Runtime
from bucketer.settings import Settings, read_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from bucketer.core.bandit import PredictionNeeded
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import Prediction
    from bucketer.ports import DatafileSource, Engine
    from bucketer.predictions.predictor import CachedPredictor
    from bucketer.profiles.guard import GuardedProfiles
    from bucketer.sinks.counters import Counters
    from bucketer.sinks.delivery import Delivery
    from bucketer.sinks.outbox import Home, Outbox
    from bucketer.sinks.postponed import Postponed
    from bucketer.sinks.sender import Courier
    from bucketer.sinks.sqs import Queue
    from bucketer.sources.shared import SharedSource

#: Where a runtime may live: what may be put off until after a response differs.
SERVER, LAMBDA, COMMAND = "server", "lambda", "command"

_MAX_AGE_S = {"s3": 10.0, "url": 60.0, "file": 2.0}
#: A maximum age of 0 means "ask after every response"; to the runtime 0 is "never".
_SMALLEST_AGE_S = 0.001
#: Users whose profiles are kept, where the setting doesn't say (docs/profiles-and-predictions.md).
_MAX_IN_MEMORY, _MAX_IN_FILE = 100_000, 1_000_000
#: Where events may go, beside a queue; what `auto` means comes first.
_EVENTS_HOMES = {
    SERVER: ("outbox", "stdout", "off"),
    LAMBDA: ("flush", "stdout", "off"),
    COMMAND: ("off", "stdout", "outbox", "flush"),
}
_TIMEOUT_S = {SERVER: 10.0, LAMBDA: 3.0, COMMAND: 20.0}


def build(
    settings: Settings | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    place: str = SERVER,
) -> Runtime:
    """Build the runtime that *settings* ask for, with a first edition if one can be had.

    Args:
        settings: read from *environ* when None.
        environ: the process's own when None; beside settings it holds AWS's variables.
        place: SERVER, LAMBDA or COMMAND.

    Raises:
        SettingsError: the environment asks for something impossible.
    """
    environ = os.environ if environ is None else environ
    settings = read_settings(environ) if settings is None else settings
    sources = build_sources(settings, environ, place=place)
    outbox = build_outbox(settings, environ, place=place)
    options = api_options(settings)
    options.makes_events = outbox is not None
    if outbox is not None:
        options.events = outbox.health
    if place == SERVER:
        options.webhook = (settings.webhook_secret, settings.project_id)
    make_handler, compile_raw = _engine(settings, options)
    shared = _shared_ones(sources) if place == SERVER else []
    reception = None
    if place == SERVER:
        reception = _reception(settings, environ, shared, lambda: runtime)
    profiles = _profiles(settings)
    predictor = _WhenNeeded(lambda: _predictor(settings))
    options.reports["predictions"] = predictor.to_json
    if profiles is not None:
        options.reports["profiles"] = profiles.to_json
    runtime = Runtime(
        sources,
        make_handler,
        compile_raw=compile_raw,
        outbox=outbox,
        profiles=profiles,
        predictor=predictor,
        archive=_archive(settings, environ, place, compile_raw),
        on_notice=reception,
        has_news=(lambda: any(each.has_news() for each in shared)) if shared else None,
        name_event=getattr(outbox, "name_event", new_uuid),
        inline=place == COMMAND or (place == LAMBDA and not _has_extensions(environ)),
    )
    options.freshness = runtime.freshness.to_json
    runtime.load(local_first=place == LAMBDA and settings.cold_start == "packaged")
    return runtime


def check(
    settings: Settings, environ: Mapping[str, str] | None = None, *, place: str = SERVER
) -> None:
    """Find what is impossible in *place* though each setting is allowed; nothing is begun.

    For a server, whose processes then needn't each find out for themselves.

    Raises:
        SettingsError: `build` would raise it as well.
    """
    environ = os.environ if environ is None else environ
    chosen = events_home(settings, place)
    if chosen.startswith("sqs://"):
        _events_queue(chosen, environ)
    engine_of(settings)
    if place == SERVER and settings.webhook_secret:
        _published_at(settings)


def build_sources(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    place: str = SERVER,
    locations: Sequence[str] = (),
) -> list[DatafileSource]:
    """Return the sources in the order in which they are to be tried; at least one."""
    chosen = locations or settings.datafile
    if not chosen:
        chosen = (settings.datafile_url, "packaged") if settings.datafile_url else ("packaged",)
    found = (build_source(each, settings, environ, place=place, among=chosen) for each in chosen)
    sources = [source for source in found if source is not None]
    if place == SERVER:
        has_makeshift = any(source.kind in {"file", "package"} for source in sources)
        sources = [_shared(source, settings, has_makeshift) for source in sources]
    if sources:
        return sources
    from bucketer.sources.packaged import DemonstrationSource

    return [DemonstrationSource()]


def build_source(
    location: str,
    settings: Settings,
    environ: Mapping[str, str],
    *,
    place: str = SERVER,
    among: Sequence[str] = (),
) -> DatafileSource | None:
    """Return the source for one location; None for ``packaged`` where nothing is packaged.

    Args:
        location: a path, a URL, or ``packaged``.
        settings: say how old it may grow, and with which token it is asked.
        environ: for AWS's own variables.
        place: SERVER, LAMBDA or COMMAND.
        among: other locations that are asked as well; they decide whose the token is.
    """
    if location == "packaged":
        from bucketer.sources.packaged import PackagedSource, is_stored

        return PackagedSource() if is_stored() else None
    scheme = location.partition("://")[0].lower() if "://" in location else "file"
    kind = {"http": "url", "https": "url"}.get(scheme, scheme)
    age = settings.datafile_max_age
    max_age_s = _MAX_AGE_S[kind] if age is None else max(age, _SMALLEST_AGE_S)
    if kind == "file":
        from bucketer.sources.file import FileSource

        return FileSource(os.path.expanduser(location), max_age_s)  # noqa: PTH111 -- pathlib costs 4 ms at cold start
    if kind == "s3":
        from bucketer.sources.s3 import S3Source

        return S3Source.from_url(location, max_age_s, environ, timeout_s=_TIMEOUT_S[place])
    from bucketer.sources.url import UrlSource

    token = settings.datafile_access_token or None
    is_ours = token is None or _is_ours(location, settings, among)
    return UrlSource(
        location,
        max_age_s,
        timeout_s=_TIMEOUT_S[place],
        token=token if is_ours else None,
        withheld=not is_ours,
    )


def _is_ours(location: str, settings: Settings, among: Sequence[str]) -> bool:
    """Say whether the token is meant for the host of *location*: no other must learn it.

    It is for the host of `DATAFILE_URL`. Where that isn't set, it is for the one host that is
    named at all; of several nobody knows which.
    """
    from bucketer.wire import split_url

    named = (settings.datafile_url,) if settings.datafile_url else (*among, *settings.datafile)
    hosts = set()
    for each in (*named, location):
        if each.startswith(("https://", "http://")):
            address = split_url(each)
            hosts.add((address.secure, address.host.lower(), address.port))
    return len(hosts) == 1 and not settings.datafile_url.startswith("s3://")


def events_home(settings: Settings, place: str) -> str:
    """Return what the setting for events means in *place*: `auto` is the first that it has.

    Raises:
        SettingsError: there is no such home in *place*.
    """
    chosen, homes = settings.events, _EVENTS_HOMES[place]
    if chosen == "auto":
        return homes[0]
    if chosen in homes or chosen.startswith("sqs://"):
        return chosen
    from bucketer.core.errors import SettingsError

    why = {SERVER: "a server does not freeze", LAMBDA: "Lambda keeps no files"}[place]
    allowed = f"auto, {', '.join(homes)}, sqs://…"
    raise SettingsError([f"BUCKETER_EVENTS: found '{chosen}', but {why}; allowed here: {allowed}"])


def works_after_responses(settings: Settings) -> bool:
    """Say whether a runtime in Lambda will ever have something to do after a response.

    Raises:
        SettingsError: there is no such home for events in Lambda.
    """
    delivers = events_home(settings, LAMBDA) not in {"off", "stdout"}
    named = (settings.datafile_url, *settings.datafile)
    return delivers or any(location not in {"", "packaged"} for location in named)


def build_outbox(
    settings: Settings, environ: Mapping[str, str], *, place: str = SERVER
) -> Outbox | Postponed | None:
    """Return what takes the events; None where they are off (a command sends none).

    Raises:
        SettingsError: they can't go there from *place*.
    """
    chosen = events_home(settings, place)
    if chosen == "off":
        return None
    if place == LAMBDA and chosen == "flush":
        from bucketer.sinks.postponed import Postponed

        return Postponed(lambda: _open_outbox(chosen, settings, environ, place), new_uuid)
    return _open_outbox(chosen, settings, environ, place)


def _open_outbox(chosen: str, settings: Settings, environ: Mapping[str, str], place: str) -> Outbox:
    from bucketer.sinks.counters import Counters
    from bucketer.sinks.outbox import Outbox

    counters = Counters()
    repeats = None
    if settings.events_dedup:
        from bucketer.sinks.dedup import Deduplication

        repeats = Deduplication(settings.events_dedup)
    home = _build_home(chosen, settings, environ, counters, place)
    return Outbox(home, counters, repeats, with_demonstration=chosen == "stdout")


def _build_home(
    chosen: str, settings: Settings, environ: Mapping[str, str], counters: Counters, place: str
) -> Home:
    """Return the home for events by the word in `BUCKETER_EVENTS`."""
    if chosen == "stdout":
        from bucketer.sinks.stdout import Lines

        return Lines()
    queue = _events_queue(chosen, environ) if chosen.startswith("sqs://") else None
    if chosen == "flush" or place == LAMBDA:
        from bucketer.sinks.buffer import Buffer

        delivery = _delivery(settings)
        buffer = Buffer(counters, delivery, max_events=settings.events_batch, last_resort=queue)
        if queue is None:
            return buffer
        from bucketer.sinks.sqs import HandOver

        return HandOver(queue, buffer)
    from pathlib import Path

    from bucketer.sinks.durable import Durable
    from bucketer.sinks.sender import Pace

    return Durable(
        Path(settings.state_dir).expanduser() / "outbox",
        build_courier(settings, environ),
        counters,
        limit_bytes=settings.events_max_bytes,
        sync_first=settings.events_fsync == "answer",
        pace=Pace(
            max_events=settings.events_batch,
            interval_s=settings.events_interval,
            timeout_s=settings.events_timeout,
        ),
    )


def build_courier(settings: Settings, environ: Mapping[str, str]) -> Courier:
    """Return who delivers what waits in an outbox directory: to the queue, or to the collector."""
    if settings.events.startswith("sqs://"):
        return _events_queue(settings.events, environ)
    return _delivery(settings)


def _delivery(settings: Settings) -> Delivery:
    from bucketer.sinks.delivery import Delivery

    return Delivery(settings.events_endpoint)


def _events_queue(chosen: str, environ: Mapping[str, str]) -> Queue:
    """Return the queue, with requests signed as the datafile's are.

    Raises:
        SettingsError: it can't be a queue's address.
    """
    import time

    from bucketer.core.errors import SettingsError, SourceError
    from bucketer.sinks.sqs import ALLOWED, Queue, QueueAddress
    from bucketer.sources.credentials import CredentialChain
    from bucketer.sources.sigv4 import sign
    from bucketer.wire import split_url

    address = QueueAddress(chosen, environ)
    try:
        target = split_url(address.endpoint)
    except SourceError as error:
        problem = f"BUCKETER_EVENTS: found a queue's URL, which {error.why}; allowed: {ALLOWED}"
        raise SettingsError([problem]) from None
    credentials = CredentialChain(environ)

    def signed(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        return sign(
            "POST",
            target,
            headers,
            body,
            service="sqs",
            region=address.region,
            credentials=credentials(),
            now=time.time(),
        )

    return Queue(address, signed, environ.get("AWS_CA_BUNDLE") or None)


def _profiles(settings: Settings) -> GuardedProfiles | None:
    """Return the store of user profiles, which is opened when it is first needed; or None."""
    home = settings.profiles
    if home == "off":
        return None
    from bucketer.profiles.guard import GuardedProfiles

    limit = settings.profiles_max
    if home == "memory":
        from bucketer.profiles.memory import MemoryProfiles

        return GuardedProfiles(MemoryProfiles(limit or _MAX_IN_MEMORY), "memory")
    from pathlib import Path

    from bucketer.profiles.sqlite import SqliteProfiles

    path = home.removeprefix("sqlite").removeprefix(":")
    path = path or f"{settings.state_dir}/profiles.sqlite"
    store = SqliteProfiles(Path(path).expanduser(), limit or _MAX_IN_FILE)
    return GuardedProfiles(store, path)


def _predictor(settings: Settings) -> CachedPredictor:
    """Return what asks the bandits."""
    return open_predictor(settings.cmab_endpoint, settings.cmab_timeout)


def open_predictor(endpoint: str | None = None, timeout_s: float | None = None) -> CachedPredictor:
    """Return what asks contextual bandits and remembers their answers: one for a process.

    Args:
        endpoint: http:// or https://; the rule's id takes the place of `{}` in it, or goes behind
            it. None for Optimizely's.
        timeout_s: seconds for one attempt, of which there are two. None for 10.
    """
    from bucketer.predictions.client import ENDPOINT, TIMEOUT_S, PredictionClient
    from bucketer.predictions.predictor import CachedPredictor

    client = PredictionClient(
        _Line,
        ENDPOINT if endpoint is None else endpoint,
        TIMEOUT_S if timeout_s is None else timeout_s,
    )
    return CachedPredictor(client, new_uuid)


class _WhenNeeded:
    """A predictor made for the first rule that needs one: most projects have no bandit."""

    def __init__(self, make: Callable[[], CachedPredictor]) -> None:
        self._make = make
        self._made: CachedPredictor | None = None
        self._lock = threading.Lock()

    def predict(
        self,
        needed: PredictionNeeded,
        options: Collection[str] = (),
        deadline: float | None = None,
    ) -> Prediction | None:
        with self._lock:
            if self._made is None:
                self._made = self._make()
        return self._made.predict(needed, options, deadline)

    def close(self) -> None:
        if self._made is not None:
            self._made.close()

    def to_json(self) -> dict[str, object]:
        return {} if self._made is None else self._made.to_json()


class _Line:
    """The prediction client's way to speak HTTP: the client that sends events away, lent."""

    def __init__(self, url: str) -> None:
        from bucketer.sinks.post import Poster

        self._poster = Poster(url)

    def post(self, body: bytes, timeout_s: float) -> tuple[int, bytes]:
        from bucketer.predictions.client import NoPrediction
        from bucketer.wire import ExchangeFailed

        try:
            answer = self._poster.post(body, {"Content-Type": "application/json"}, timeout_s)
        except ExchangeFailed as failed:
            raise NoPrediction(failed.why) from failed
        return answer.status, answer.body

    def close(self) -> None:
        self._poster.close()


def api_options(settings: Settings) -> ApiOptions:
    """Return what the HTTP API needs to know of *settings*."""
    show = settings.debug_url
    if show == "auto":
        show = "host" if settings.datafile_access_token else "full"
    options = ApiOptions(
        debug_allowed=settings.debug,
        show_datafile=show,
        allow_origin="" if settings.cors_origin == "off" else settings.cors_origin,
        max_url_bytes=settings.max_url_bytes,
        max_body_bytes=settings.max_body_bytes,
        max_json_depth=settings.max_json_depth,
        profiles=settings.profiles != "off",
    )
    options.revisions = settings.revisions != "off"
    return options


def _engine(
    settings: Settings, options: ApiOptions
) -> tuple[Callable[[Edition | None], Handler], Callable[[bytes], Ruleset] | None]:
    """Return what makes a handler of an edition, and what compiles (None: the default)."""
    engine, compile_raw = engine_of(settings)

    def make_handler(edition: Edition | None) -> Handler:
        return Handler(edition, options, engine)

    return make_handler, compile_raw


def engine_of(settings: Settings) -> tuple[Engine, Callable[[bytes], Ruleset] | None]:
    """Return what decides, and what compiles for it (None: the default).

    Raises:
        SettingsError: the official SDK is asked for and not installed.
    """
    if settings.engine != "sdk":
        from bucketer.core import decide

        return decide, None
    try:
        from bucketer.reference import engine
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "optimizely":
            raise
        from bucketer.core.errors import SettingsError

        problem = "BUCKETER_ENGINE: `sdk` needs the extra: pip install 'bucketer[sdk]'"
        raise SettingsError([problem]) from None
    return engine, engine.compile_datafile


def _has_extensions(environ: Mapping[str, str]) -> bool:
    """Say whether work after the response is possible: emulators may run Lambda code without."""
    return bool(environ.get("AWS_LAMBDA_RUNTIME_API"))


def _shared(source: DatafileSource, settings: Settings, has_makeshift: bool) -> DatafileSource:
    """Let the processes of a server share one fetch; without a place to write, each fetches."""
    if source.kind not in {"url", "s3"}:
        return source
    from pathlib import Path

    from bucketer.sources.shared import SharedSource

    folder = Path(settings.state_dir).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return source
    if not os.access(folder, os.W_OK):
        return source
    keep: Callable[[str, bytes], None] | None = None
    if settings.revisions != "off" and "://" not in settings.revisions:
        from functools import partial

        from bucketer.sources import archive

        keep = partial(archive.keep, os.path.expanduser(settings.revisions))  # noqa: PTH111 -- it stays text
    return SharedSource(source, folder, has_makeshift=has_makeshift, keep=keep)


def _shared_ones(sources: Sequence[DatafileSource]) -> list[SharedSource]:
    from bucketer.sources.shared import SharedSource

    return [source for source in sources if isinstance(source, SharedSource)]


def _archive(
    settings: Settings,
    environ: Mapping[str, str],
    place: str,
    compile_raw: Callable[[bytes], Ruleset] | None,
) -> Callable[[str], Edition | None] | None:
    """Return what finds the edition of an older revision, and keeps the last few; or None."""
    if settings.revisions == "off":
        return None
    from bucketer.runtime.compiling import compile_quietly
    from bucketer.runtime.freshness import Freshness
    from bucketer.sources.archive import Archive

    base = settings.revisions.rstrip("/")

    def find(revision: str) -> Edition:
        source = build_source(f"{base}/{revision}.json", settings, environ, place=place)
        assert source is not None  # noqa: S101 -- it is a path or an S3 URL
        fetched = source.fetch(None)
        assert fetched is not None  # noqa: S101 -- nothing was asked conditionally
        ruleset = (compile_raw or compile_quietly)(fetched.raw)
        return Edition(ruleset, source, fetched, 0.0, Freshness())

    return Archive(find)


def _reception(
    settings: Settings,
    environ: Mapping[str, str],
    shared: Sequence[SharedSource],
    runtime: Callable[[], Runtime],
) -> Callable[[bytes], None] | None:
    """Return what acts on webhooks; None where they are refused anyway.

    Raises:
        SettingsError: they are taken, and there is nothing to fetch then.
    """
    if not settings.webhook_secret:
        return None
    from bucketer.publishing.desk import build_desk
    from bucketer.publishing.reception import Reception

    source = build_source(_published_at(settings), settings, environ, place=SERVER)
    assert source is not None  # noqa: S101 -- it is a URL

    def insist() -> None:
        for each in shared:
            each.insist()

    return Reception(
        build_desk(settings, source, environ),
        runtime,
        insist=insist,
        wait_s=settings.webhook_wait,
    )


def _published_at(settings: Settings) -> str:
    """Return the URL that is fetched from when a webhook says so.

    Raises:
        SettingsError: no URL is named.
    """
    for each in (settings.datafile_url, *settings.datafile):
        if each.startswith(("https://", "http://", "s3://")):
            return each
    from bucketer.core.errors import SettingsError

    why = "found a secret, and no URL to fetch from when a webhook comes; set DATAFILE_URL"
    raise SettingsError([f"BUCKETER_WEBHOOK_SECRET: {why}"])
