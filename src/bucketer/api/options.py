"""What the settings say about the HTTP API."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable
    from typing import Any, TypeAlias, Unpack

    from bucketer.ports import EditionFacts, Engine, Overrides, TokenIssuer

    from .access import Gate, Rates
    from .route import Api, Route
    from .streams import Room
    from .wanted import Wanted

    #: What an API is made of: an edition, the options, the headers of every JSON answer, what
    #: decides, and the environment's own keys.
    ApiParts: TypeAlias = tuple[
        EditionFacts | None, "ApiOptions", tuple[tuple[str, str], ...], Engine, frozenset[str]
    ]
    #: Whether an environment of that name, which requests call by these keys, may be asked.
    May: TypeAlias = Callable[[str, Collection[str]], bool]
    #: Makes an API for one edition, when the first request comes for it.
    MakesApi: TypeAlias = Callable[[Unpack[ApiParts]], Api]


class WebhookRule:
    """What makes a webhook genuine for one environment.

    Attributes:
        environment: its name; empty for the default one.
        secret: shared with Optimizely; with an empty one everything is refused.
        project_id: the only one that is taken; empty takes any that is signed.
    """

    __slots__ = ("environment", "project_id", "secret")

    def __init__(self, environment: str, secret: str, project_id: str) -> None:
        """Keep the values."""
        self.environment, self.secret, self.project_id = environment, secret, project_id


class Operated:
    """What operators may ask of a server.

    Attributes:
        ready_max_age_s: a datafile that was confirmed longer ago takes no requests; None for any.
        describes: what the service is, for `/info`.
        settings: gives all settings, without secrets.
        started_at: epoch seconds.
        refresh: asks the sources of those environments of which name and keys may be asked, and
            gives what came of it. Takes its time.
    """

    __slots__ = ("describes", "ready_max_age_s", "refresh", "settings", "started_at")

    def __init__(
        self,
        ready_max_age_s: float | None,
        describes: dict[str, object],
        settings: Callable[[], dict[str, object]],
    ) -> None:
        """Keep the values; what a runtime knows comes later."""
        self.ready_max_age_s, self.describes, self.settings = ready_max_age_s, describes, settings
        self.started_at = 0.0
        self.refresh: Callable[[May], dict[str, object]]
        self.refresh = lambda _may: {}


class ApiOptions:
    """What the settings say about the HTTP API; frozen in spirit, read on every request.

    Attributes:
        apis: other APIs than `/bucketer`: the beginning of their paths, with a slash at its end,
            and what makes them; see `route.Api`.
        answers_bytes: how much of rendered answers may be kept.
        batch_max: how many operations a batch of Agent's may have.
        debug_allowed: False leaves the debug block out of every answer.
        show_datafile: how debug names the datafile: ``full``, ``host`` or ``off``. Health never
            tells more than the host.
        allow_origins: whose pages may read the answers: ``("*",)`` for everybody's, origins in
            lower case, or none, which sends no CORS headers.
        allow_headers: what they may send, as ``Access-Control-Allow-Headers`` has it.
        max_url_bytes: path and query together; more is 414.
        max_body_bytes: more is 413.
        max_json_depth: open brackets of a body; more is 400.
        odp: True when ODP may be asked for segments, and told of events.
        forced: True when `forced=` is heard.
        profiles_open: True where profiles may be told and changed through the API.
        overrides: what keeps them, or None where there are none. Only to be asked by `api`, and
            only where it says that it is quick; else see `needs.OverridesNeeded`.
        environment_id: what the environment's overrides are kept under.
        path_prefix: what may stand in front of each path: ``/experiments``; empty for nothing.
        profiles: True when a profile store is configured: each decision then asks for the
            user's profile first.
        events: gives the outbox's counters, for health; None where events are off.
        makes_events: False where events are off: what nobody keeps needn't be made.
        front: what stands at `/` in place of the index, made of that; None for the index itself.
        freshness: gives what is wrong with the datafile's sources, for health; see
            `runtime.Freshness`.
        revisions: True when archived revisions may be asked for, by ``revision=``.
        gate: knows who may do what, or None where access is open.
        health_max_age_s: a datafile that was last confirmed longer ago is told of; None for never.
        state_trouble: gives why the state directory can't be used, or ""; None where none is.
        reports: what else health tells, by name: each gives its counters, if any.
        rates: how often each address may ask; None for as often as it likes.
        token_rates: how often each address may ask for a token; None for as often as it likes.
        read_openapi: reads the description of the API, or None where there is none.
        issuer: issues tokens, or None where nobody gets one here.
        make_handler: makes a handler that does more than `routes.Handler`, of what that is made of
            and `environment`, its name; None for that itself.
        metrics: gives type and text of what the service counts, for an `Accept` header, and of
            those environments of which name and keys may be asked (None for all); None where
            nobody counts.
        metrics_open: True tells it to anybody, else to this machine alone.
        tail: gives a topic on which such decisions are told as are wanted, of the environments
            that `metrics` would tell of ("" where too many listen), and what is sent first; None
            where nobody can listen.
        watch: each makes of an engine and an environment's name an engine that decides the same,
            and takes note of it.
        listened: the topics of `streams` that somebody listens to, kept true by the door; None
            where nobody can.
        no_streams: why nobody can, a clause; empty for no more than that.
        webhook: secret and project id that make a webhook genuine (each may be empty), or None
            where webhooks are not taken.
        ofrep_bulk_impressions: True sends the impressions of all that OpenFeature's clients have
            evaluated at once; `later` gives a token for each (`exposure`).
        ofrep_experiments: True lets them ask for experiments by their keys.
        ofrep_off_values: True tells them the values of a flag that is off, in place of none.
        signing_secrets: what we sign and check with what we give out to get back, the first signs;
            none gives out nothing.
        exposure_ttl_s: how long an exposure token is good.
        environments_trouble: gives what other environments lack at a moment, or ""; None where
            there are none.
        event_streams: where OpenFeature's clients hear of new revisions: `on` for here, or a URL;
            empty for nowhere.
        stream_secrets: what addresses to listen at are signed and checked with.
        stream_room: whether one more can listen here, or None where nobody can.
        operated: what operators may ask; None where nothing of that is asked (Lambda).
        other_webhooks: gives the rules of other environments, or None where there are none.
    """

    __slots__ = (
        "allow_headers",
        "allow_origins",
        "answers_bytes",
        "apis",
        "batch_max",
        "debug_allowed",
        "environment_id",
        "environments_trouble",
        "event_streams",
        "events",
        "exposure_ttl_s",
        "forced",
        "freshness",
        "front",
        "gate",
        "health_max_age_s",
        "issuer",
        "listened",
        "make_handler",
        "makes_events",
        "max_body_bytes",
        "max_json_depth",
        "max_url_bytes",
        "metrics",
        "metrics_open",
        "no_streams",
        "odp",
        "ofrep_bulk_impressions",
        "ofrep_experiments",
        "ofrep_off_values",
        "operated",
        "other_webhooks",
        "overrides",
        "path_prefix",
        "profiles",
        "profiles_open",
        "rates",
        "read_openapi",
        "reports",
        "revisions",
        "show_datafile",
        "signing_secrets",
        "state_trouble",
        "stream_room",
        "stream_secrets",
        "tail",
        "token_rates",
        "watch",
        "webhook",
    )

    def __init__(
        self,
        *,
        debug_allowed: bool = True,
        show_datafile: str = "full",
        allow_origins: tuple[str, ...] = ("*",),
        max_url_bytes: int = 8 * 1024,
        max_body_bytes: int = 1024 * 1024,
        max_json_depth: int = 32,
        profiles: bool = False,
        events: Callable[[], dict[str, object]] | None = None,
    ) -> None:
        """Keep the values; `bucketer.settings` has checked them."""
        self.debug_allowed = debug_allowed
        self.show_datafile = show_datafile
        self.allow_origins = allow_origins
        self.max_url_bytes = max_url_bytes
        self.max_body_bytes = max_body_bytes
        self.max_json_depth = max_json_depth
        self.profiles = profiles
        self.events = events
        # What wiring knows only later, or seldom.
        self.makes_events = True
        self.ofrep_bulk_impressions: bool | str = False
        self.ofrep_experiments = self.ofrep_off_values = False
        self.apis: tuple[tuple[str, MakesApi], ...] = ()
        self.answers_bytes = 16 * 1024 * 1024
        self.signing_secrets: tuple[bytes, ...] = ()
        self.event_streams = ""
        self.stream_secrets: tuple[bytes, ...] = ()
        self.stream_room: Room | None = None
        self.exposure_ttl_s = 86_400.0
        self.freshness: Callable[[], dict[str, object]] | None = None
        self.front: Callable[[Route], Route] | None = None
        self.allow_headers = "Content-Type, X-Request-Id"
        self.health_max_age_s: float | None = None
        self.state_trouble: Callable[[], str] | None = None
        self.path_prefix = ""
        self.odp = self.forced = False
        self.profiles_open = False
        self.overrides: Overrides | None = None
        self.environment_id = ""
        self.revisions = False
        self.reports: dict[str, Callable[[], dict[str, object]]] = {}
        self.webhook: tuple[str, str] | None = None
        self.listened: Container[str] | None = None
        self.no_streams = ""
        self.read_openapi: Callable[[], bytes | None] | None = None
        self.batch_max = 500
        self.metrics: Callable[[str, May | None], tuple[str, bytes]] | None = None
        self.metrics_open = False
        self.tail: Callable[[Wanted, May | None], tuple[str, bytes]] | None = None
        self.make_handler: Callable[..., Any] | None = None
        self.watch: list[Callable[[Engine, str], Engine]] = []
        self.gate: Gate | None = None
        self.operated: Operated | None = None
        self.rates: Rates | None = None
        self.token_rates: Rates | None = None
        self.issuer: TokenIssuer | None = None
        self.other_webhooks: Callable[[], Iterable[WebhookRule]] | None = None
        self.environments_trouble: Callable[[float], str] | None = None

    def but(self, **changes: object) -> ApiOptions:
        """A copy with some values replaced: what the settings say of another environment."""
        copy = ApiOptions()
        for name in self.__slots__:
            setattr(copy, name, changes.get(name, getattr(self, name)))
        return copy
