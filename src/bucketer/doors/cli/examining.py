"""What `bucketer doctor` looks at, one function for each part; each yields what it found.

Nothing is changed but that the state directory is made where it isn't there, as the server does.
"""

from __future__ import annotations

import os
import stat
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bucketer import wire, wiring
from bucketer.api.local import is_loopback_name
from bucketer.api.options import ApiOptions
from bucketer.core.compile import compile_datafile
from bucketer.core.errors import BucketerError, SettingsError, SourceError
from bucketer.core.events import ENDPOINTS
from bucketer.core.parse import parse_datafile
from bucketer.settings import DEFAULT, TABLE
from bucketer.wiring.state_dir import check_state_dir, users_of
from bucketer.wiring.traces import add_traces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import DatafileSource
    from bucketer.settings import Settings

_TIMEOUT_S = 5.0
#: A clock that differs by more makes events and tokens of another time.
_CLOCK_S = 5.0
#: What an outbox should have room for, beside what is allowed to wait.
_FREE_BYTES = 64 * 1024 * 1024
_CONNECTIONS = 10_000
_DEMONSTRATION = "the demonstration's, since none is named"


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        state: `ok`, `warning` or `problem`.
        what: was looked at.
        found: a clause or a sentence; no secret.
        do: what to do about it; "" where all is well.
    """

    state: str
    what: str
    found: str
    do: str = ""


def problem(what: str, found: str, do: str) -> Finding:
    """Return a finding that keeps a server from its work."""
    return Finding("problem", what, found, do)


def warning(what: str, found: str, do: str) -> Finding:
    """Return one that somebody should know of."""
    return Finding("warning", what, found, do)


def settings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Look at what is set, as `read_settings` found it, and whether a server can do that."""
    for line in settings.unknown:
        yield warning("settings", line, "Take the variable away, or write it as it is meant.")
    try:
        if settings.traces != "off":
            add_traces(settings, environ, ApiOptions()).close()
        wiring.check(settings, environ)
    except SettingsError as error:
        # `state` looks at its directory.
        told = [each for each in error.problems if not each.startswith("BUCKETER_STATE_DIR")]
        for each in told:
            yield problem("settings", each, "Install the extra, or set what is allowed.")
        if told:
            return
    yield Finding("ok", "settings", f"{len(TABLE)} settings can be used")


def access(settings: Settings) -> Iterator[Finding]:
    """Look at who may ask."""
    from bucketer.access.ring import read_file

    count = len(settings.keys)
    if settings.is_keyed:
        try:
            from bucketer.wiring.access import add_access

            # Of its file a ring tells the log, and goes on.
            add_access(settings.but(keys_file=""), ApiOptions())
            if settings.keys_file:
                count += len(read_file(settings.keys_file))
        except FileNotFoundError:
            pass  # it has none yet
        except SettingsError as error:
            yield problem("access", error.problems[0], "docs/access.md shows how it is meant.")
            return
        except OSError as error:
            do = f"Let this user read it: chown {os.getuid()} {settings.keys_file}"
            yield problem("access", f"{settings.keys_file}: {error.strerror}", do)
            return
        except ValueError as error:
            do = "Take the line away; `bucketer keys create` writes sound ones."
            yield problem("access", f"{settings.keys_file}: {error}", do)
            return
        takes_tokens = settings.auth_hmac_secrets or settings.auth_jwks_url
        if not count and not takes_tokens:
            do = "`bucketer keys create` makes one."
            yield problem("access", "keys are asked for, and there are none", do)
            return
        told = f"{count} key{'s' * (count != 1)}{', and tokens' if takes_tokens else ''}"
        yield Finding("ok", "access", told)
    elif is_loopback_name(settings.host):
        yield Finding("ok", "access", f"open, to this machine alone ({settings.host})")
    else:
        do = "`bucketer keys create` makes a key; docs/access.md says how it is asked for."
        yield warning("access", f"open to whoever reaches {settings.host}", do)
    if settings.rate_per_address and not settings.trusted_proxies:
        do = "Behind a proxy, name it in BUCKETER_TRUSTED_PROXIES; else all visitors are one."
        yield warning("rates", "no proxy is trusted, so each peer counts as a visitor", do)


def state(settings: Settings) -> Iterator[Finding]:
    """Look at the state directory, where one is needed."""
    needs = users_of(settings)
    if not needs:
        yield Finding("ok", "state directory", "none is needed")
        return
    try:
        check_state_dir(settings)
    except SettingsError as error:
        yield problem("state directory", error.problems[0], _owned(settings.state_dir))
        return
    folder = Path(settings.state_dir).expanduser()
    disk = os.statvfs(folder)
    free_bytes = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and not free_bytes:
        told = f"{folder} has no room left, so events are refused"
        yield problem("state directory", told, "Make room; it goes on by itself.")
        return
    needed = _FREE_BYTES + settings.events_max_bytes
    if free_bytes < needed:
        told = f"{folder} has {_size(free_bytes)} free, and {_size(needed)} may be needed"
        do = "Make room, or lower BUCKETER_EVENTS_MAX_BYTES."
        yield warning("state directory", told, do)
    if folder.stat().st_mode & stat.S_IWOTH:
        yield warning("state directory", f"everybody may write to {folder}", f"chmod o-w {folder}")
    told = f"{folder} can be written to, {_size(free_bytes)} free, for {' and '.join(needs)}"
    yield Finding("ok", "state directory", told)


def _owned(folder: str) -> str:
    """Say what makes *folder* one that this user may write to."""
    path, user = Path(folder).expanduser(), os.getuid()
    if path.is_dir():
        return f"Make it this user's: chown {user} {folder}"
    if os.path.lexists(path):
        return "Name a directory with BUCKETER_STATE_DIR."
    return f"As root: install -d -o {user} {folder}; or name another with BUCKETER_STATE_DIR."


def files(settings: Settings) -> Iterator[Finding]:
    """Look at the files that settings name: who may read them, whether they can be written."""
    secret = {"BUCKETER_KEYS_FILE": settings.keys_file, "BUCKETER_CONFIG": settings.config}
    for name, path in secret.items():
        if not path:
            continue
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 -- as it was written
        except OSError as error:
            do = "`bucketer keys create` makes it." if name == "BUCKETER_KEYS_FILE" else "Make it."
            yield warning(name, f"{path}: {error.strerror}", do)
            continue
        if not os.access(path, os.R_OK):
            continue  # `access` has told so, or `read_settings`
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            yield problem(name, f"others may write to {path}", f"chmod go-w {path}")
        elif mode & stat.S_IROTH:
            yield warning(name, f"everybody may read {path}", f"chmod o-r {path}")
        else:
            yield Finding("ok", name, f"{path} is its owner's")
    for name, path in (
        ("BUCKETER_LOG_FILE", settings.log_file),
        ("BUCKETER_ACCESS_LOG_FILE", settings.access_log_file),
    ):
        place = path if not path or os.path.exists(path) else os.path.dirname(path) or "."  # noqa: PTH110, PTH120
        if path and os.path.isdir(path):  # noqa: PTH112 -- as it was written
            yield problem(name, f"{path} is a directory", "Name a file in it.")
        elif path and not os.access(place, os.W_OK):
            yield problem(name, f"{path} can't be written", "Name another, or change its owner.")


def machine(settings: Settings) -> Iterator[Finding]:
    """Look at what the system allows this user."""
    if os.getuid() == 0:
        do = "Run it as a user of its own; it needs no rights."
        yield warning("user", "this is root", do)
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    from importlib import import_module

    # By name: one door does not know another. It needs no library of the server's.
    descriptors = import_module("bucketer.doors.server.descriptors")
    if hard == resource.RLIM_INFINITY:
        yield Finding("ok", "open files", "as many as it likes")
        return
    places = descriptors.places(hard, _CONNECTIONS)
    told = f"{hard} at most, which is {places} connections for each worker"
    if places < _CONNECTIONS:
        enough = _CONNECTIONS + descriptors.RESERVE
        do = f"Raise the hard limit to {enough}: LimitNOFILE, ulimit -Hn."
        yield warning("open files", told, do)
    else:
        yield Finding("ok", "open files", told)
    del settings, soft


def reach(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Ask for keys of tokens, datafiles, then the collector; and compare clocks with it."""
    if settings.auth_jwks_url:
        yield _published(settings.auth_jwks_url)
    ruleset, is_demonstration = None, False
    each_settings = [settings, *(settings.of(each) for each in settings.environments)]
    for each in each_settings:
        findings, found = _datafile(each, environ)
        yield from findings
        ruleset = ruleset or found
        is_demonstration |= findings[-1].found == _DEMONSTRATION and each is settings
    sink = wiring.events_sink(settings, wiring.SERVER)
    if sink in {"off", "stdout"} or sink.startswith("sqs://"):
        yield Finding("ok", "collector", f"isn't asked (BUCKETER_EVENTS={sink})")
        return
    if is_demonstration:
        yield Finding("ok", "collector", "isn't asked: of the demonstration nothing is sent")
        return
    region = "US" if ruleset is None else ruleset.region
    yield from _collector(settings.events_endpoint or ENDPOINTS.get(region, ENDPOINTS["US"]))


def _published(url: str) -> Finding:
    """Ask for the keys that tokens are checked with."""
    what = "keys of tokens"
    do = "Until they can be had, who shows a token gets 503. See BUCKETER_AUTH_JWKS_URL."
    try:
        from bucketer.tokens.published import read_keys
        from bucketer.wiring.access import fetch_published

        count = len(read_keys(fetch_published(url)))
    except ModuleNotFoundError:  # as `access` has said
        return problem(what, "the extra [jwt] isn't installed", "pip install 'bucketer[jwt]'")
    except (SourceError, ValueError) as error:
        return problem(what, str(error), do)
    told = f"{count} from {_host(url)}"
    return Finding("ok", what, told) if count else problem(what, f"{told} can be used", do)


def _datafile(
    settings: Settings, environ: Mapping[str, str]
) -> tuple[list[Finding], Ruleset | None]:
    """Ask each source in its order, up to the first that can be used."""
    what, findings = f"datafile of {settings.environment}", []
    locations = settings.datafile or ((settings.datafile_url,) if settings.datafile_url else ())
    sources = wiring.build_sources(settings, environ, mode=wiring.COMMAND, locations=locations)
    for source in sources:
        began = time.monotonic()
        try:
            fetched = source.fetch(None)
            assert fetched is not None  # noqa: S101 -- nothing was asked conditionally
            ruleset = compile_datafile(parse_datafile(fetched.raw))
        except BucketerError as error:
            do = f"`{_lint(settings)}` says what is wrong with it."
            if isinstance(error, SourceError):
                do = "Is it there, and may this user, on this machine, reach it?"
                if error.why in {"status 401", "status 403"}:
                    do = "Is the SDK key right, and, if it needs one, DATAFILE_ACCESS_TOKEN?"
            made = problem if source is sources[-1] else warning
            findings.append(made(what, str(error), do))
            continue
        took_s = time.monotonic() - began
        findings.append(_described(what, source, ruleset, took_s, _lint(settings)))
        return findings, ruleset
    return findings, None


def _lint(settings: Settings) -> str:
    """The command that looks at the datafile of *settings*."""
    named = "" if settings.environment == DEFAULT else f" --environment {settings.environment}"
    return f"bucketer lint{named}"


def _described(
    what: str, source: DatafileSource, ruleset: Ruleset, took_s: float, lint: str
) -> Finding:
    told = f"revision {ruleset.revision} from {source.where} in {took_s:.2f} s"
    errors = sum(each.severity == "error" for each in ruleset.diagnostics)
    if source.kind == "demonstration":
        do = "Set DATAFILE_URL, or BUCKETER_CONFIG."
        return warning(what, _DEMONSTRATION, do)
    if errors:
        return warning(what, f"{told}, with {errors} errors", f"`{lint}` tells which.")
    return Finding("ok", what, told)


def _collector(endpoint: str) -> Iterator[Finding]:
    """Ask *endpoint* for its head: any answer at all says that it can be reached."""
    try:
        address = wire.split_url(endpoint)
        line = wire.Line(address)
        try:
            deadline = time.monotonic() + _TIMEOUT_S
            answer = line.ask({}, method="HEAD", body=b"", deadline=deadline, max_bytes=0, cut=True)
        finally:
            line.close()
    except (wire.ExchangeFailed, BucketerError) as error:
        why = error.why if isinstance(error, wire.ExchangeFailed) else str(error)
        do = "Events wait meanwhile. Open the way for HTTPS, or set BUCKETER_EVENTS_ENDPOINT."
        yield problem("collector", f"{_host(endpoint)}: {why}", do)
        return
    yield Finding("ok", "collector", f"{address.host} answers ({answer.status})")
    yield from _clock(answer.headers.get("date", ""), time.time())


def _clock(told: str, now: float) -> Iterator[Finding]:
    """Compare *now* with what another machine has *told* of the time."""
    try:
        theirs = parsedate_to_datetime(told).timestamp()
    except ValueError:
        return
    ahead_s = now - theirs
    if abs(ahead_s) > _CLOCK_S:
        side = "ahead of" if ahead_s > 0 else "behind"
        do = "Start a time service (chrony, systemd-timesyncd): events and tokens go by the clock."
        yield problem("clock", f"{abs(ahead_s):.0f} s {side} the collector's", do)
    else:
        yield Finding("ok", "clock", f"within {_CLOCK_S:g} s of the collector's")


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def _size(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:  # noqa: PLR2004 -- of each unit in the next
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
