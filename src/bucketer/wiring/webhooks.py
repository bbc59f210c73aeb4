"""Settings in, what acts on a webhook out."""

from __future__ import annotations

from .datafiles import build_source
from .places import SERVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bucketer.runtime.runtime import Runtime
    from bucketer.settings import Settings
    from bucketer.sources.shared import SharedSource


def build_reception(
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

    source = build_source(published_at(settings), settings, environ, place=SERVER)
    assert source is not None  # noqa: S101 -- it is a URL

    def insist(revision: str | None) -> None:
        for each in shared:
            each.insist(revision)

    return Reception(
        build_desk(settings, source, environ),
        runtime,
        insist=insist,
        wait_s=settings.webhook_wait,
    )


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
