"""Settings in, how often who may ask, out: for a server, of which each worker counts by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.access.rates import Rates

if TYPE_CHECKING:
    from bucketer.api.options import ApiOptions
    from bucketer.settings import Settings

#: Requests per second of one address for a token, and the seconds of them that come at once: two
#: addresses that guess don't take all that can be compared.
_TOKENS, _TOKENS_BURST_S = 1.0, 10.0


def add_rates(settings: Settings, options: ApiOptions) -> None:
    """Put the rates that are set into *options*, and the one that tokens have in any case."""
    per_address, per_key = settings.rate_per_address, settings.rate_per_key
    if per_address or per_key:
        options.rates = Rates(per_address, per_key, settings.rate_burst)
        if options.gate is not None:
            options.gate.rates = options.rates
    if options.issuer is not None:
        options.token_rates = Rates(_TOKENS, None, _TOKENS_BURST_S)
