"""Settings in, how often who may ask, out: for a server, of which each worker counts by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.access.rates import Rates

if TYPE_CHECKING:
    from bucketer.api.options import ApiOptions
    from bucketer.settings import Settings


def add_rates(settings: Settings, options: ApiOptions) -> None:
    """Put the rates that are set into *options*."""
    per_address, per_key = settings.rate_per_address, settings.rate_per_key
    if per_address or per_key:
        options.rates = Rates(per_address, per_key, settings.rate_burst)
        if options.gate is not None:
            options.gate.rates = options.rates
