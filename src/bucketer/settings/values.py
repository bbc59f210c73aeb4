"""What may be written for a setting: each function turns a text into a value, or refuses it.

A parser raises ValueError where the text is not allowed; `Unusable` where it can say why.
"""

from __future__ import annotations

import re

from bucketer.core.errors import SourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Final

    from bucketer.access.keys import Key

#: Where Optimizely's contextual bandits are asked.
BANDITS: Final = "https://prediction.cmab.optimizely.com/predict/"
_HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)"
_ORIGIN = rf"[A-Za-z][A-Za-z0-9+.-]*://{_HOST}(:[0-9]{{1,5}})?"
_SEGMENT = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})+"
_HEADER = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}"
#: Nothing that a cold start would have to import the rest for.
_OPTIMIZELY_S = frozenset(
    {
        "https://cdn.optimizely.com/datafiles/{}.json",
        "https://config.optimizely.com/datafiles/auth/{}.json",
    }
)
_BUCKET = r"[A-Za-z0-9._-]+"
#: Datafiles that travel with the code.
OURS = ("packaged", "demonstration")


class Unusable(ValueError):
    """A parser's way to say why, where `allowed` doesn't: a clause that follows "which".

    Never with the value in it: it may be a secret.
    """


def text(value: str) -> str:
    """Any text."""
    return value


def switch(value: str) -> bool:
    """`on` and `off`, and the words that people use for them."""
    if word(value, {"on", "1", "true", "yes"}):
        return True
    if word(value, {"off", "0", "false", "no"}):
        return False
    raise ValueError


def word(value: str, words: Collection[str]) -> str | None:
    """The one of *words* that *value* is, in any case; None if it is none of them."""
    lower = value.lower()
    return lower if lower in words else None


def whole(minimum: int, maximum: int) -> Callable[[str], int]:
    """A whole number within both bounds."""

    def parse(value: str) -> int:
        # int() alone takes "1_0", " 7 " and Arabic digits, which in a setting are slips.
        if not (value.isascii() and value.isdigit()):
            raise ValueError
        number = int(value)
        if not minimum <= number <= maximum:
            raise ValueError
        return number

    return parse


def whole_or_auto(minimum: int, maximum: int) -> Callable[[str], int | None]:
    """A whole number within both bounds; `auto` is None."""
    parse_number = whole(minimum, maximum)

    def parse(value: str) -> int | None:
        return None if value.lower() == "auto" else parse_number(value)

    return parse


def seconds(minimum: float, maximum: float) -> Callable[[str], float | None]:
    """A number of seconds within both bounds; `auto` is None."""

    def parse(value: str) -> float | None:
        if value.lower() == "auto":
            return None
        number = float(value)
        if not minimum <= number <= maximum:  # also turns nan away
            raise ValueError
        return number

    return parse


def seconds_or_off(minimum: float, maximum: float) -> Callable[[str], float | None]:
    """A number of seconds within both bounds; `off` is None."""
    parse_number = number(minimum, maximum)

    def parse(value: str) -> float | None:
        return None if value.lower() == "off" else parse_number(value)

    return parse


def number(minimum: float, maximum: float) -> Callable[[str], float]:
    """A number within both bounds."""

    def parse(value: str) -> float:
        found = float(value)
        if not minimum <= found <= maximum:  # also turns nan away
            raise ValueError
        return found

    return parse


def rate(value: str) -> float | None:
    """A number of requests per second; `off` is None."""
    return None if value.lower() == "off" else number(0.01, 100_000)(value)


def one_of(*words: str) -> Callable[[str], str]:
    """One of a few words."""

    def parse(value: str) -> str:
        found = word(value, words)
        if found is None:
            raise ValueError
        return found

    return parse


def location(value: str) -> str:
    """A path, a URL that a datafile can be fetched from, `packaged` or `demonstration`."""
    return datafile_url(value) if "://" in value else word(value, OURS) or value


#: Where a comma can hardly be a part of a name.
_COMMA = re.compile(r",(?:[\w.+-]+://|[/~.]|packaged\b|demonstration\b|\s|$)", re.IGNORECASE)


def locations(value: str) -> tuple[str, ...]:
    """Locations between white space. Commas between them would make one path of all."""
    if _COMMA.search(value):
        raise ValueError
    return tuple(location(each) for each in value.split())


def web_url(value: str) -> str:
    """An `https://` or `http://` URL that can be asked; empty is allowed and means "not set"."""
    if value in {"", BANDITS}:  # nothing that a cold start would have to import the rest for
        return value
    if not value.startswith(("https://", "http://")):
        raise ValueError
    from bucketer.wire import split_url

    try:
        split_url(value)
    except SourceError as error:
        raise Unusable(error.why) from None
    return value


def datafile_url(value: str) -> str:
    """As `web_url`, or an `s3://` URL."""
    return s3_url(value) if value.startswith("s3://") else web_url(value)


def archive(value: str) -> str:
    """`off`, a directory, or an `s3://` URL, of which a bucket is enough."""
    if "://" not in value:
        return word(value, {"off"}) or value
    s3_url(f"{value.rstrip('/')}/any.json")
    return value


def s3_url(value: str) -> str:
    """An `s3://` URL with a bucket and a key; empty is allowed and means "not set"."""
    scheme, _, rest = value.partition("://")
    bucket, _, key = rest.partition("/")
    if value and not (scheme == "s3" and key and re.fullmatch(_BUCKET, bucket)):
        raise ValueError
    return value


def cors_origins(value: str) -> tuple[str, ...]:
    """`*`, `off` (none), or origins as browsers send them: the port is there if it is unusual."""
    if value.lower() in {"*", "off"}:
        return ("*",) if value == "*" else ()
    found = [each.lower() for each in value.replace(",", " ").split()]
    # They are written into an answer's head, so nothing else may stand in them.
    if not found or not all(re.fullmatch(_ORIGIN, each) for each in found):
        raise ValueError
    usual = (("http://", ":80"), ("https://", ":443"))
    for scheme, port in usual:
        found = [each.removesuffix(port) if each.startswith(scheme) else each for each in found]
    return tuple(dict.fromkeys(found))


def cors_headers(value: str) -> tuple[str, ...]:
    """Names of headers between commas or white space."""
    found = tuple(value.replace(",", " ").split())
    if not found or not all(re.fullmatch(_HEADER, each) for each in found):
        raise ValueError
    return found


def path_prefix(value: str) -> str:
    """A path such as `/experiments/v1`, as it comes over the wire; `/` is none."""
    prefix = value.rstrip("/")
    segments = prefix.split("/")[1:]
    if prefix and not prefix.startswith("/"):
        raise Unusable("doesn't begin with a slash")
    if any(each in {"", ".", ".."} or not re.fullmatch(_SEGMENT, each) for each in segments):
        raise ValueError
    return prefix


def token(value: str) -> str:
    """What can stand in a header: printable ASCII without white space; empty is "not set"."""
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise Unusable("has white space or special characters in it")
    return value


def wait(value: str) -> float:
    """Seconds that somebody may be kept waiting."""
    number = float(value)
    if not 0 <= number <= 600:  # noqa: PLR2004 -- a Lambda function may run 900 s
        raise ValueError
    return number


def networks(value: str) -> tuple[str, ...]:
    """Addresses and networks between commas or white space."""
    found = tuple(value.replace(",", " ").split())
    if found:
        from bucketer.api.client_address import read_network

        for each in found:
            read_network(each)
    return found


def events_sink(value: str) -> str:
    """`auto`, `off`, `stdout`, `outbox`, `flush`, or the URL of an SQS queue as `sqs://…`."""
    if found := word(value, {"auto", "off", "stdout", "outbox", "flush"}):
        return found
    if value.startswith("sqs://") and value != "sqs://":
        return value
    raise ValueError


def profiles_home(value: str) -> str:
    """`off`, `memory`, `sqlite` or `sqlite:PATH`."""
    if found := word(value, {"off", "memory", "sqlite"}):
        return found
    if value.startswith("sqlite:") and value[7:]:
        return value
    raise ValueError


def url_of_key(value: str) -> str:
    """A URL with one `{}` in it, where an SDK key goes."""
    if value.count("{}") != 1:
        raise ValueError
    return value if value in _OPTIMIZELY_S else web_url(value)


def sdk_key(value: str) -> str:
    """An SDK key: 1 to 128 letters, digits, `+`, `/`, `=`, `_` and `-`."""
    if not re.fullmatch(r"[A-Za-z0-9+/=_-]{1,128}", value):
        raise ValueError
    return value


def quoted_key(key: str) -> str:
    """An SDK key as a URL's path has it: `+` and `=` stand for themselves, `/` doesn't."""
    return key.replace("/", "%2F")


def secrets(value: str) -> tuple[bytes, ...]:
    """Secrets in base64 between commas or white space."""
    return tuple(_from_base64(each) for each in value.replace(",", " ").split())


def signing_secrets(value: str) -> tuple[bytes, ...]:
    """The same, of secrets that nobody can guess."""
    found = secrets(value)
    if any(len(each) < 16 for each in found):  # noqa: PLR2004 -- 128 bits
        raise Unusable("has a secret of under 16 bytes")
    return found


def switch_or_url(value: str) -> str:
    """`on`; a URL; or `off`, which is empty."""
    if value.startswith(("https://", "http://")):
        return web_url(value)
    return "on" if switch(value) else ""


def switch_or_later(value: str) -> bool | str:
    """As `switch`, or `later`."""
    return word(value, {"later"}) or switch(value)


def auth_clients(value: str) -> tuple[tuple[str, bytes, tuple[str, ...]], ...]:
    """Clients between white space: id, bcrypt hash, SDK keys."""
    found = []
    for each in value.split():
        client, _, rest = each.partition(":")
        written, _, listed = rest.partition(":")
        keys = tuple(key for key in listed.split(",") if key)
        if not (client and written):
            raise Unusable("has a client without id or hash")
        if not keys:
            raise Unusable("has a client without SDK keys")
        hashed = _from_base64(written)
        if not re.fullmatch(rb"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}", hashed):
            raise Unusable("has a client whose hash isn't bcrypt's, in base64")
        found.append((client, hashed, keys))
    if len({client for client, _, _ in found}) < len(found):
        raise Unusable("has two clients with one id")
    return tuple(found)


def access_keys(value: str) -> tuple[Key, ...]:
    """Lines of keys between commas or white space."""
    if not value:
        return ()
    from bucketer.access.keys import read_keys

    try:
        return read_keys(value.replace(",", " ").split(), "key")
    except ValueError as error:
        raise Unusable(f"in {error}") from None


def _from_base64(text: str) -> bytes:
    from base64 import b64decode

    try:
        found = b64decode(text, validate=True)
    except ValueError:
        raise Unusable("isn't base64") from None
    if not found:
        raise Unusable("has an empty secret")
    return found
