"""Settings in, what answers requests out: the options of the HTTP API, and the engine."""

from __future__ import annotations

from bucketer.api.options import ApiOptions
from bucketer.api.routes import Handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.options import ApiParts
    from bucketer.api.route import Api
    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import Engine
    from bucketer.runtime.edition import Edition
    from bucketer.runtime.environment import Environment
    from bucketer.settings import Settings


def api_options(settings: Settings) -> ApiOptions:
    """Return what the HTTP API needs to know of *settings*."""
    options = ApiOptions(
        debug_allowed=settings.debug,
        show_datafile=datafile_shown(settings),
        allow_origins=settings.cors_origin,
        max_url_bytes=settings.max_url_bytes,
        max_body_bytes=settings.max_body_bytes,
        max_json_depth=settings.max_json_depth,
        profiles=settings.profiles != "off",
    )
    options.allow_headers = ", ".join(settings.cors_headers)
    options.health_max_age_s = settings.health_max_age
    options.path_prefix = settings.path_prefix
    options.ofrep_experiments = settings.ofrep_experiments
    options.ofrep_off_values = settings.ofrep_off == "values"
    options.ofrep_bulk_impressions = settings.ofrep_bulk_impressions
    options.event_streams = settings.ofrep_event_streams
    options.signing_secrets = settings.signing_secrets
    options.exposure_ttl_s = settings.exposure_ttl
    options.forced = settings.forced
    options.profiles_open = settings.profiles != "off" and settings.profiles_api
    options.revisions = settings.revisions != "off"
    options.read_openapi = _read_openapi
    options.batch_max = settings.agent_batch_max
    options.apis = (("/v1/", agent_api), ("/oauth/", oauth_api))
    if settings.ofrep:
        options.apis += (("/ofrep/", openfeature_api),)
    return options


def _read_openapi() -> bytes | None:
    """Read the description of the API that is packaged; None where it isn't."""
    from pathlib import Path

    import bucketer

    try:
        return (Path(bucketer.__file__).parent / "api/service/openapi.yaml").read_bytes()
    except OSError:
        return None


def agent_api(*parts: *ApiParts) -> Api:
    """Make Optimizely Agent's API, which few processes are asked for."""
    from bucketer.api.agent.routes import AgentApi

    return AgentApi(*parts)


def openfeature_api(*parts: *ApiParts) -> Api:
    """Make the API that OpenFeature's clients ask."""
    from bucketer.api.ofrep.api import OfrepApi

    return OfrepApi(*parts)


def oauth_api(*parts: *ApiParts) -> Api:
    """Make the API that issues tokens, which fewer are asked for."""
    from bucketer.api.agent.tokens import OAuthApi

    return OAuthApi(*parts)


def datafile_shown(settings: Settings) -> str:
    """Return how debug names the datafile: in full only where its key is no secret."""
    if settings.debug_url != "auto":
        return settings.debug_url
    return "host" if settings.datafile_access_token else "full"


def build_engine(
    settings: Settings, options: ApiOptions, room_for: Callable[[int], int] | None = None
) -> tuple[
    Callable[[Edition | None, Environment], Handler],
    Callable[[bytes], Ruleset] | None,
]:
    """Return what makes a handler of an edition, and what compiles (None: the default).

    Args:
        settings: say which engine.
        options: of the environment's API.
        room_for: bytes of a datafile → of answers that may be kept; None leaves that to *options*.
    """
    engine, compile_raw = engine_of(settings)

    def make_handler(edition: Edition | None, environment: Environment) -> Handler:
        own = options
        if edition is not None and room_for is not None:
            own = options.but(answers_bytes=room_for(edition.size_bytes))
        watched = engine
        for watch in options.watch:
            watched = watch(watched, environment.name)
        if options.make_handler is not None:
            parts = (edition, own, watched, environment.keys)
            made: Handler = options.make_handler(*parts, environment=environment.name)
            return made
        return Handler(edition, own, watched, environment.keys)

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
