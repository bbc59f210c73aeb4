"""What concerns the API of Optimizely Agent, and the tokens that requests may have to show."""

from __future__ import annotations

from .setting import LOCATION, SECRET, Setting
from .values import auth_clients, number, secrets, switch, web_url, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ROWS: Final = (
    Setting(
        "BUCKETER_AGENT_NOTIFICATIONS",
        "off",
        switch,
        "`on` or `off`",
        "Whether a server tells of decisions, conversions and new datafiles at "
        "`/v1/notifications/event-stream`. Each worker tells of its own; Lambda never does.",
    ),
    Setting(
        "BUCKETER_AGENT_BATCH_MAX",
        "500",
        whole(1, 10_000),
        "a whole number from 1 to 10000",
        "The most operations that one `/v1/batch` may have.",
    ),
    Setting(
        "BUCKETER_AUTH_HMAC_SECRETS",
        "",
        secrets,
        "secrets in base64, between commas or spaces",
        "Tokens are then asked for by `/v1`, `/bucketer` and `/track`: JWTs that were signed with "
        "any of these. The first signs those that `/oauth/token` issues, so a new one is put in "
        "front of the old. Needs the extra `[jwt]`.",
        SECRET,
    ),
    Setting(
        "BUCKETER_AUTH_JWKS_URL",
        "",
        web_url,
        "an https:// or http:// URL",
        "Tokens are then asked for, and checked with the keys published there instead of "
        "`BUCKETER_AUTH_HMAC_SECRETS`. Needs the extra `[jwt]`.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_AUTH_JWKS_AGE",
        "300",
        number(1, 86_400),
        "seconds from 1 to 86400",
        "How old those keys may grow before they are fetched again.",
    ),
    Setting(
        "BUCKETER_AUTH_CLIENTS",
        "",
        auth_clients,
        "texts ID:HASH:SDK_KEY,SDK_KEY between spaces; HASH is base64 of a bcrypt hash",
        "Who gets tokens from `/oauth/token`, and for which SDK keys; as the `clients` of Agent.",
        SECRET,
    ),
    Setting(
        "BUCKETER_AUTH_TTL",
        "1800",
        number(1, 31_536_000),
        "seconds from 1 to 31536000",
        "How long those tokens are good.",
    ),
)
