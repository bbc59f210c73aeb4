"""What OpenFeature's clients are told."""

from __future__ import annotations

from .setting import LOCATION, Setting
from .values import one_of, switch, switch_or_later, switch_or_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ROWS: Final = (
    Setting(
        "BUCKETER_OFREP",
        "on",
        switch,
        "`on` or `off`",
        "Whether `/ofrep/v1/…` is answered, which OpenFeature's clients in any language ask.",
    ),
    Setting(
        "BUCKETER_OFREP_OFF",
        "default",
        one_of("default", "values"),
        "`default` or `values`",
        "What a flag that is off for a user gives to OpenFeature's clients: no value, so that the "
        "default in their code counts, or the values that it has when it is off.",
    ),
    Setting(
        "BUCKETER_OFREP_EXPERIMENTS",
        "off",
        switch,
        "`on` or `off`",
        "Whether experiments can be asked for by their keys as well; the value is the key of the "
        "variation.",
    ),
    Setting(
        "BUCKETER_OFREP_BULK_IMPRESSIONS",
        "off",
        switch_or_later,
        "`on`, `off` or `later`",
        "Whether evaluating all flags at once, as pages do when they start, counts as seeing them. "
        "With `later` each has a token in its metadata, by which the page says that it was seen "
        "(`POST /expose`). A context says it for one request with `$opt_impressions`.",
    ),
    Setting(
        "BUCKETER_OFREP_EVENT_STREAMS",
        "off",
        switch_or_url,
        "`on`, `off` or an https:// or http:// URL",
        "Where clients are told to evaluate again when there is a new datafile. With `on` they "
        "listen to `bucketer serve` itself (Lambda and ASGI can't, and name nothing); a URL is "
        "that of another service, and is told to them as it stands.",
        LOCATION,
    ),
)
