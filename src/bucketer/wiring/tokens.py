"""Settings in, who checks tokens and who issues them out."""

from __future__ import annotations

from bucketer.core.errors import SettingsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.options import ApiOptions
    from bucketer.ports import TokenChecker
    from bucketer.settings import Settings

_FETCH_S = 10.0


def add_tokens(settings: Settings, options: ApiOptions) -> None:
    """Put what concerns tokens into *options*; nothing is fetched yet.

    Raises:
        SettingsError: clients are named, and nothing to sign with; or the extra is missing.
    """
    secrets = settings.auth_hmac_secrets
    if settings.auth_clients and not secrets:
        why = "found clients, and no secret to sign tokens with; set BUCKETER_AUTH_HMAC_SECRETS"
        raise SettingsError([f"BUCKETER_AUTH_CLIENTS: {why}"])
    if not secrets and not settings.auth_jwks_url:
        return
    try:
        options.tokens = _checker(settings)
        if settings.auth_clients:
            from bucketer.tokens.issuing import Issuer

            options.issuer = Issuer(settings.auth_clients, secrets[0], settings.auth_ttl)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"jwt", "bcrypt", "cryptography"}:
            raise
        problem = "BUCKETER_AUTH_…: tokens need the extra: pip install 'bucketer[jwt]'"
        raise SettingsError([problem]) from None


def _checker(settings: Settings) -> TokenChecker:
    if not settings.auth_jwks_url:
        from bucketer.tokens.checking import SecretChecker

        return SecretChecker(settings.auth_hmac_secrets)
    from bucketer.clock import SteadyClock
    from bucketer.sources.url import UrlSource
    from bucketer.tokens.checking import PublishedChecker
    from bucketer.tokens.published import MAX_BYTES, PublishedKeys

    url = settings.auth_jwks_url

    def fetch() -> bytes:
        source = UrlSource(url, 0.0, timeout_s=_FETCH_S, max_bytes=MAX_BYTES)
        fetched = source.fetch(None)
        assert fetched is not None  # noqa: S101 -- nothing was asked conditionally
        return fetched.raw

    return PublishedChecker(PublishedKeys(fetch, settings.auth_jwks_age, SteadyClock()))
