"""Settings in, what acts on a webhook out."""

from __future__ import annotations

from .datafiles import build_source
from .modes import SERVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bucketer.api.options import WebhookRule
    from bucketer.publishing.webhook_queue import WebhookQueue
    from bucketer.runtime.environment import Environment
    from bucketer.runtime.environments import Environments
    from bucketer.settings import Settings


def build_webhook_queues(
    settings: Settings, environ: Mapping[str, str], environments: Environments
) -> Callable[[bytes, tuple[str, ...]], None] | None:
    """Return what acts on webhooks; None where they are refused anyway.

    Raises:
        SettingsError: they are taken, and there is nothing to fetch then.
    """
    own = {environment.name: environment for environment in environments.listed}
    own[""] = environments.default
    queues = {
        name: _webhook_queue(theirs, own[name], environ)
        for name, theirs in taking_webhooks(settings).items()
    }
    if not queues:
        return None

    def pass_on(body: bytes, names: tuple[str, ...]) -> None:
        for name in names:
            if name in queues:
                queues[name](body)

    return pass_on


def taking_webhooks(settings: Settings) -> dict[str, Settings]:
    """Return the settings of each environment that has a secret, by name; the default one's by "".

    What `BUCKETER_PUBLISH` and `BUCKETER_PUBLISH_FUNCTION` say is for the default one alone.
    """
    found = {}
    if settings.webhook_secret:
        found[""] = settings.but(publish=settings.publish or settings.stored_at)
    for listed in settings.environments:
        theirs = settings.of(listed)
        if theirs.webhook_secret:
            found[listed.name] = theirs.but(publish=theirs.stored_at, publish_function="")
    return found


def _webhook_queue(
    settings: Settings, environment: Environment, environ: Mapping[str, str]
) -> WebhookQueue:
    from bucketer.publishing.publisher import build_publisher
    from bucketer.publishing.webhook_queue import WebhookQueue

    source = build_source(published_at(settings), settings, environ, mode=SERVER)
    assert source is not None  # noqa: S101 -- it is a URL
    publisher = build_publisher(settings, source, environ)
    return WebhookQueue(
        publisher, environment, insist=environment.insist, wait_s=settings.webhook_wait
    )


def other_rules(
    settings: Settings, environments: Environments
) -> Callable[[], list[WebhookRule]] | None:
    """Return what tells which webhooks are genuine for the listed environments, if any are."""
    from bucketer.api.options import WebhookRule

    named = {environment.name: environment for environment in environments.listed}
    signed = {name: theirs for name, theirs in taking_webhooks(settings).items() if name}
    if not signed:
        return None

    def rules() -> list[WebhookRule]:
        found = []
        for name, theirs in signed.items():
            edition = named[name].edition
            project_id = theirs.project_id or (edition.ruleset.project_id if edition else "")
            found.append(WebhookRule(name, theirs.webhook_secret, project_id))
        return found

    return rules


def published_at(settings: Settings) -> str:
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
