"""Settings in, sources of datafiles out, and the archive of older revisions."""

from __future__ import annotations

import os

from bucketer.runtime.compiling import compile_quietly
from bucketer.runtime.edition import Edition
from bucketer.runtime.freshness import Freshness
from bucketer.settings import DEFAULT, UNLISTED

from .modes import COMMAND, LAMBDA, SERVER

_MAX_AGE_S = {"s3": 10.0, "url": 60.0, "file": 2.0}
#: A maximum age of 0 means "ask after every response"; to the runtime 0 is "never".
_SMALLEST_AGE_S = 0.001
_TIMEOUT_S = {SERVER: 10.0, LAMBDA: 3.0, COMMAND: 20.0}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import DatafileSource
    from bucketer.settings import Settings
    from bucketer.sources.shared import SharedSource


def build_sources(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    mode: str = SERVER,
    locations: Sequence[str] = (),
    share: bool = True,
) -> list[DatafileSource]:
    """Return the sources in the order in which they are to be tried; at least one.

    Args:
        settings: of one environment.
        environ: for AWS's own variables.
        mode: SERVER, LAMBDA or COMMAND.
        locations: in place of those that *settings* name.
        share: let the processes of a server share what they fetch, in the state directory.
    """
    chosen = locations or settings.datafile
    if not chosen:
        chosen = (settings.datafile_url, "packaged") if settings.datafile_url else ("packaged",)
    if stored_at := settings.stored_at:
        chosen = (stored_at, *chosen)
    found = (build_source(each, settings, environ, mode=mode, among=chosen) for each in chosen)
    sources = [source for source in found if source is not None]
    if mode == SERVER and share:
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
    mode: str = SERVER,
    among: Sequence[str] = (),
) -> DatafileSource | None:
    """Return the source for one location; None for ``packaged`` where nothing is packaged.

    Args:
        location: a path, a URL, ``packaged`` or ``demonstration``.
        settings: say how old it may grow, and with which token it is asked.
        environ: for AWS's own variables.
        mode: SERVER, LAMBDA or COMMAND.
        among: other locations that are asked as well; they decide whose the token is.
    """
    if location == "demonstration":
        from bucketer.sources.packaged import DemonstrationSource

        return DemonstrationSource()
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

        return S3Source.from_url(location, max_age_s, environ, timeout_s=_TIMEOUT_S[mode])
    from bucketer.sources.url import UrlSource

    token = settings.datafile_access_token or None
    is_ours = token is None or _is_ours(location, settings, among)
    named = {DEFAULT: "DATAFILE_ACCESS_TOKEN", UNLISTED: "KEY:TOKEN"}.get(settings.environment)
    whose = "it is for the host of DATAFILE_URL" if named else "`datafile` names several hosts"
    return UrlSource(
        location,
        max_age_s,
        timeout_s=_TIMEOUT_S[mode],
        token=token if is_ours else None,
        token_name=named or "`access_token`",
        withheld="" if is_ours else whose,
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


def _shared(source: DatafileSource, settings: Settings, has_makeshift: bool) -> DatafileSource:
    """Let the processes of a server share one fetch."""
    if source.kind not in {"url", "s3"}:
        return source
    from pathlib import Path

    from bucketer.sources.shared import SharedSource

    keep: Callable[[str, bytes], None] | None = None
    if settings.revisions != "off" and "://" not in settings.revisions:
        from functools import partial

        from bucketer.sources import archive

        keep = partial(archive.keep, os.path.expanduser(settings.revisions))  # noqa: PTH111 -- it stays text
    return SharedSource(
        source,
        Path(settings.state_dir).expanduser(),
        has_makeshift=has_makeshift,
        keep=keep,
        older_after_s=settings.datafile_older_after,
    )


def shared_among(sources: Sequence[DatafileSource]) -> list[SharedSource]:
    """Return those of *sources* whose fetches the processes of a server share."""
    from bucketer.sources.shared import SharedSource

    return [source for source in sources if isinstance(source, SharedSource)]


def build_archive(
    settings: Settings,
    environ: Mapping[str, str],
    mode: str,
    compile_raw: Callable[[bytes], Ruleset] | None,
) -> Callable[[str], Edition | None] | None:
    """Return what finds the edition of an older revision, and keeps the last few; or None."""
    if settings.revisions == "off":
        return None
    from bucketer.sources.archive import Archive

    base = settings.revisions.rstrip("/")

    def find(revision: str) -> Edition:
        source = build_source(f"{base}/{revision}.json", settings, environ, mode=mode)
        assert source is not None  # noqa: S101 -- it is a path or an S3 URL
        fetched = source.fetch(None)
        assert fetched is not None  # noqa: S101 -- nothing was asked conditionally
        ruleset = (compile_raw or compile_quietly)(fetched.raw)
        return Edition(ruleset, source, fetched, 0.0, Freshness())

    return Archive(find)
