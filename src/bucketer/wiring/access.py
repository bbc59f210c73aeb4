"""Settings in, who may do what, and who issues tokens, out."""

from __future__ import annotations

from bucketer.access.gate import Gate
from bucketer.access.keys import EVERY
from bucketer.access.ring import Ring
from bucketer.api.grant import ROLES
from bucketer.api.http import WorkNeeded
from bucketer.core.errors import SettingsError, TokenRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bucketer.api.options import ApiOptions
    from bucketer.ports import TokenChecker
    from bucketer.settings import Settings

_FETCH_S = 10.0


class CheckerWhenNeeded:
    """Knows which tokens are genuine, once the first has come: the library is slow to import."""

    def __init__(self, make: Callable[[], TokenChecker]) -> None:
        """Have *make* make what checks."""
        self._make = make
        self._checker: TokenChecker | None = None

    def claims(self, token: str, now: float) -> Mapping[str, object]:
        """Return the claims of *token*; see `ports.TokenChecker`.

        Raises:
            TokenRefused: there is none.
            WorkNeeded: the library has to be imported first.
        """
        if self._checker is None:
            if not token:
                raise TokenRefused("empty token")
            raise WorkNeeded("tokens", self._load)
        return self._checker.claims(token, now)

    def _load(self) -> None:
        self._checker = self._make()


def add_access(settings: Settings, options: ApiOptions, *, lazily: bool = False) -> None:
    """Put what concerns keys and tokens into *options*; nothing is fetched yet.

    Args:
        settings: what is set.
        options: of the default environment's API, and of all others'.
        lazily: what checks tokens is imported with the first one.

    Raises:
        SettingsError: what is set contradicts itself; or the extra is missing.
    """
    secrets = settings.auth_hmac_secrets
    check_access(settings)
    checker = None
    try:
        if secrets or settings.auth_jwks_url:
            checker = _when_needed(settings) if lazily else _checker(settings)
        if settings.auth_clients:
            from bucketer.tokens.issuing import Issuer

            expected = (settings.auth_issuer, settings.auth_audience)
            options.issuer = Issuer(settings.auth_clients, secrets[0], settings.auth_ttl, *expected)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"jwt", "bcrypt", "cryptography"}:
            raise
        problem = "BUCKETER_AUTH_…: tokens need the extra: pip install 'bucketer[jwt]'"
        raise SettingsError([problem]) from None
    ring = Ring(settings.keys, settings.keys_file)
    options.gate = Gate(ring, checker, ROLES[settings.auth_role])


def check_access(settings: Settings) -> None:
    """Refuse what can't be meant, where keys or tokens are asked for.

    Raises:
        SettingsError: access is open and keys are set; a key is for an environment that isn't; or
            clients are to get tokens that nobody can sign.
    """
    if settings.auth_clients and not settings.auth_hmac_secrets:
        why = "found clients, and no secret to sign tokens with; set BUCKETER_AUTH_HMAC_SECRETS"
        raise SettingsError([f"BUCKETER_AUTH_CLIENTS: {why}"])
    if settings.access == "open":
        why = "found `open`, and keys or tokens beside it; leave one of them out"
        raise SettingsError([f"BUCKETER_ACCESS: {why}"])
    names = {settings.environment, *(each.name for each in settings.environments), EVERY}
    unknown = sorted({key.environment for key in settings.keys} - names)
    if unknown:
        there = ", ".join(sorted(names - {EVERY}))
        told = f"found keys for {', '.join(unknown)}; there are the environments: {there}"
        raise SettingsError([f"BUCKETER_KEYS: {told}"])


def _when_needed(settings: Settings) -> TokenChecker:
    """Return what will check tokens.

    Raises:
        ModuleNotFoundError: it could not, for want of the library.
    """
    from importlib.util import find_spec

    if find_spec("jwt") is None:
        raise ModuleNotFoundError(name="jwt")
    return CheckerWhenNeeded(lambda: _checker(settings))


def _checker(settings: Settings) -> TokenChecker:
    expected = (settings.auth_issuer, settings.auth_audience)
    if not settings.auth_jwks_url:
        from bucketer.tokens.checking import SecretChecker

        return SecretChecker(settings.auth_hmac_secrets, *expected)
    from bucketer.clock import SteadyClock
    from bucketer.tokens.checking import PublishedChecker
    from bucketer.tokens.published import PublishedKeys

    url = settings.auth_jwks_url
    keys = PublishedKeys(lambda: fetch_published(url), settings.auth_jwks_age, SteadyClock())
    return PublishedChecker(keys, *expected)


def fetch_published(url: str) -> bytes:
    """Return the JWKS at *url*.

    Raises:
        SourceError: it can't be had.
    """
    from bucketer.sources.url import UrlSource
    from bucketer.tokens.published import MAX_BYTES

    fetched = UrlSource(url, 0.0, timeout_s=_FETCH_S, max_bytes=MAX_BYTES).fetch(None)
    assert fetched is not None  # noqa: S101 -- nothing was asked conditionally
    return fetched.raw
