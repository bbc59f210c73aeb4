"""Who may ask: keys of our own, and tokens that others sign."""

from __future__ import annotations

from .setting import LOCATION, SECRET, Setting
from .values import access_keys, auth_clients, number, one_of, rate, secrets, text, web_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ROWS: Final = (
    Setting(
        "BUCKETER_ACCESS",
        "auto",
        one_of("auto", "open", "keys"),
        "`auto`, `open` or `keys`",
        "Whether everybody may ask, or only who shows a key or a token (docs/access.md). `auto` is "
        "`keys` where any of the settings below names some, else `open`.",
    ),
    Setting(
        "BUCKETER_KEYS_FILE",
        "",
        text,
        "the path of a file, which needn't be there yet",
        "Where `bucketer keys` keeps the hashes of keys. It is looked at again every 5 s while "
        "requests come, so a revoked key is good for no longer.",
    ),
    Setting(
        "BUCKETER_KEYS",
        "",
        access_keys,
        "texts HASH:ROLE:ENVIRONMENT or HASH:evaluate:ENVIRONMENT:ORIGIN|ORIGIN, between commas "
        "or spaces",
        "Hashes of further keys, for Lambda: what `bucketer keys create` prints.",
        SECRET,
    ),
    Setting(
        "BUCKETER_AUTH_HMAC_SECRETS",
        "",
        secrets,
        "secrets in base64, between commas or spaces",
        "JWTs are then taken that were signed with any of these. The first signs those that "
        "`/oauth/token` issues, so a new one is put in front of the old. Needs the extra `[jwt]`.",
        SECRET,
    ),
    Setting(
        "BUCKETER_AUTH_JWKS_URL",
        "",
        web_url,
        "an https:// or http:// URL",
        "JWTs are then taken and checked with the keys published there instead of "
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
        "BUCKETER_AUTH_ISSUER",
        "",
        text,
        "a text",
        "What a JWT must say in `iss`. Not set: anything.",
    ),
    Setting(
        "BUCKETER_AUTH_AUDIENCE",
        "",
        text,
        "a text",
        "What a JWT must say in `aud`, or have among what it says there. Not set: anything.",
    ),
    Setting(
        "BUCKETER_AUTH_ROLE",
        "read",
        one_of("evaluate", "read", "admin"),
        "`evaluate`, `read` or `admin`",
        "What a JWT that names no role may do. With Optimizely Agent that is all that `admin` may.",
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
    Setting(
        "BUCKETER_RATE_PER_ADDRESS",
        "off",
        rate,
        "`off`, or requests per second from 0.01 to 100000",
        "How often one visitor's address may ask a worker of a server; of IPv6 the first 64 bits "
        "count. More gets 429. Name your proxies (`BUCKETER_TRUSTED_PROXIES`), or all who come "
        "through one are one address. This machine's own has no limit.",
    ),
    Setting(
        "BUCKETER_RATE_PER_KEY",
        "off",
        rate,
        "`off`, or requests per second from 0.01 to 100000",
        "The same for one key, or the subject of one token; not for publishable keys, which "
        "visitors share.",
    ),
    Setting(
        "BUCKETER_RATE_BURST",
        "10",
        number(0, 3600),
        "seconds from 0 to 3600",
        "Of how many seconds the requests may come at once; one may always.",
    ),
)
