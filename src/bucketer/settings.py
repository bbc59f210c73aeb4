"""Environment in, `Settings` out: one table, from which everything about settings is derived.

A row of `TABLE` is all there is to a setting: its default, what is allowed, what it is for. A new
setting is a row and an annotation in `Settings`. `bucketer settings` and docs/settings.md print the
table, and tests hold the three together.

This module takes the environment as an argument; only wiring and the doors read the real one.
"""

from __future__ import annotations

import re

from bucketer.core.errors import SettingsError, SourceError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final, NoReturn

#: How a value may be shown: as it is, by its host (the path of a datafile URL holds the SDK key),
#: or not at all.
PLAIN, LOCATION, SECRET = "plain", "location", "secret"

PREFIX: Final = "BUCKETER_"
_LONGEST_SHOWN = 40
_BANDITS = "https://prediction.cmab.optimizely.com/predict/"
_HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)"
_ORIGIN = rf"[A-Za-z][A-Za-z0-9+.-]*://{_HOST}(:[0-9]{{1,5}})?"
_BUCKET = r"[A-Za-z0-9._-]+"


class Unusable(ValueError):
    """A parser's way to say why, where `allowed` doesn't: a clause that follows "which".

    Never with the value in it: it may be a secret.
    """


class Setting:
    """One row of the table.

    Attributes:
        name: of the environment variable.
        default: as it would be written in the environment; `""` is "not set".
        parse: text → value; raises ValueError when the text is not allowed.
        allowed: what may be written, in words that finish "allowed: …".
        explanation: what it does; sentences for the reader of docs/settings.md.
        shown: PLAIN, LOCATION or SECRET.
    """

    __slots__ = ("allowed", "default", "explanation", "name", "parse", "shown")

    def __init__(
        self,
        name: str,
        default: str,
        parse: Callable[[str], object],
        allowed: str,
        explanation: str,
        shown: str = PLAIN,
    ) -> None:
        self.name, self.default, self.parse = name, default, parse
        self.allowed, self.explanation, self.shown = allowed, explanation, shown

    @property
    def attribute(self) -> str:
        """Its name in `Settings`: without the prefix, in lower case."""
        return self.name.removeprefix(PREFIX).lower()


# ---------------------------------------------------------------------------- parsers


def text(value: str) -> str:
    """Any text."""
    return value


def switch(value: str) -> bool:
    """`on` and `off`, and the words that people use for them."""
    word = value.lower()
    if word in {"on", "1", "true", "yes"}:
        return True
    if word in {"off", "0", "false", "no"}:
        return False
    raise ValueError


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
        return None if value == "auto" else parse_number(value)

    return parse


def seconds(minimum: float, maximum: float) -> Callable[[str], float | None]:
    """A number of seconds within both bounds; `auto` is None."""

    def parse(value: str) -> float | None:
        if value == "auto":
            return None
        number = float(value)
        if not minimum <= number <= maximum:  # also turns nan away
            raise ValueError
        return number

    return parse


def number(minimum: float, maximum: float) -> Callable[[str], float]:
    """A number within both bounds."""

    def parse(value: str) -> float:
        found = float(value)
        if not minimum <= found <= maximum:  # also turns nan away
            raise ValueError
        return found

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """One of a few words."""

    def parse(value: str) -> str:
        if value not in words:
            raise ValueError
        return value

    return parse


def location(value: str) -> str:
    """A path, or a URL that a datafile can be fetched from."""
    return datafile_url(value) if "://" in value else value


def locations(value: str) -> tuple[str, ...]:
    """Locations between white space."""
    return tuple(location(each) for each in value.split())


def web_url(value: str) -> str:
    """An `https://` or `http://` URL that can be asked; empty is allowed and means "not set"."""
    if value in {"", _BANDITS}:  # nothing that a cold start would have to import the rest for
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
        return value
    s3_url(f"{value.rstrip('/')}/any.json")
    return value


def s3_url(value: str) -> str:
    """An `s3://` URL with a bucket and a key; empty is allowed and means "not set"."""
    scheme, _, rest = value.partition("://")
    bucket, _, key = rest.partition("/")
    if value and not (scheme == "s3" and key and re.fullmatch(_BUCKET, bucket)):
        raise ValueError
    return value


def cors_origin(value: str) -> str:
    """`*`, `off`, or an origin as browsers send it: scheme, host, and the port if it is unusual."""
    # It is written into every answer's head, so nothing else may stand in it.
    if value not in {"*", "off"} and not re.fullmatch(_ORIGIN, value):
        raise ValueError
    return value


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
        from ipaddress import ip_network  # 2 ms, and only where proxies are named

        for each in found:
            ip_network(each, strict=False)
    return found


def events_home(value: str) -> str:
    """`auto`, `off`, `stdout`, `outbox`, `flush`, or the URL of an SQS queue as `sqs://…`."""
    if value in {"auto", "off", "stdout", "outbox", "flush"}:
        return value
    if value.startswith("sqs://") and value != "sqs://":
        return value
    raise ValueError


def profiles_home(value: str) -> str:
    """`off`, `memory`, `sqlite` or `sqlite:PATH`."""
    if value in {"off", "memory", "sqlite"} or (value.startswith("sqlite:") and value[7:]):
        return value
    raise ValueError


# ---------------------------------------------------------------------------- the table

TABLE: Final = (
    Setting(
        "DATAFILE_URL",
        "",
        datafile_url,
        "an https://, http:// or s3://BUCKET/KEY URL",
        "Where the project's datafile is published. It is fetched at the start and again when it "
        "is older than `DATAFILE_MAX_AGE`. When it can't be reached at the start, the datafile "
        "packaged by `bucketer datafile pull` answers; without one, 503 until it can be. Not set, "
        "and nothing packaged: the demonstration datafile.",
        LOCATION,
    ),
    Setting(
        "DATAFILE_ACCESS_TOKEN",
        "",
        token,
        "the datafile access token of a secure environment",
        "Sent as `Authorization: Bearer …` to the host of `DATAFILE_URL`, and to no other. Without "
        "`DATAFILE_URL`, to the one host that is named otherwise; where several are, to none.",
        SECRET,
    ),
    Setting(
        "DATAFILE_MAX_AGE",
        "auto",
        seconds(0, 86_400),
        "`auto`, or seconds from 0 to 86400",
        "How old a datafile may grow before it is asked for again, behind the request that finds "
        "it old. `auto` is 10 s for s3:// and 60 s for other URLs.",
    ),
    Setting(
        "BUCKETER_DATAFILE",
        "",
        locations,
        "paths, https://, http:// or s3:// URLs and the word `packaged`, between spaces",
        "Sources tried in this order. It wins over `DATAFILE_URL`, which is the same with one URL "
        "and `packaged` behind it.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_COLD_START",
        "packaged",
        one_of("packaged", "fetch"),
        "`packaged` or `fetch`",
        "What a new Lambda environment does first: `packaged` answers from the packaged datafile "
        "at once and fetches behind the first answer; `fetch` asks the sources before it answers.",
    ),
    Setting(
        "BUCKETER_REVISIONS",
        "off",
        archive,
        "`off`, a directory, or s3://BUCKET/PREFIX",
        "Where older revisions are kept, one `REVISION.json` each: a server puts what it fetches "
        "into a directory, `BUCKETER_PUBLISH` fills a bucket. Set, it allows "
        "`GET /bucketer?revision=` and `bucketer decide --revision`; no impression is sent then.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_ENGINE",
        "bucketer",
        one_of("bucketer", "sdk"),
        "`bucketer` or `sdk`",
        "Who decides: this project, or the official `optimizely-sdk` behind the same answers "
        "(needs the extra `[sdk]`; much slower, to compare with).",
    ),
    Setting(
        "BUCKETER_EVENTS",
        "auto",
        events_home,
        "`auto`, `off`, `stdout`, `outbox`, `flush` or sqs://QUEUE-URL",
        "What becomes of impressions and conversions. `outbox`: a durable file in the state "
        "directory, sent behind the answer. `flush`: sent after the answer, before Lambda freezes "
        "the environment. `sqs://…`: handed to a queue before the answer. `stdout`: one JSON line "
        "each. `auto` is `outbox` for the server, `flush` in Lambda. With the demonstration "
        "datafile nothing is ever sent to Optimizely.",
    ),
    Setting(
        "BUCKETER_EVENTS_ENDPOINT",
        "",
        web_url,
        "an https:// or http:// URL",
        "Send events there instead of Optimizely's endpoint for the datafile's region.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_EVENTS_FSYNC",
        "second",
        one_of("second", "answer"),
        "`second` or `answer`",
        "When events of the `outbox` are brought to the disk itself. Either way the death of the "
        "process can't take them; a crash of the machine can take the last second or so, unless "
        "`answer` makes each answer wait for the disk.",
    ),
    Setting(
        "BUCKETER_EVENTS_MAX_BYTES",
        "1073741824",
        whole(1_048_576, 1_099_511_627_776),
        "a whole number from 1048576 to 1099511627776",
        "How much may wait in the state directory. Beyond it requests are still answered, and the "
        "events that are refused are counted and logged. The dead-letter store has as much again.",
    ),
    Setting(
        "BUCKETER_EVENTS_BATCH",
        "500",
        whole(1, 10_000),
        "a whole number from 1 to 10000",
        "The most events that are sent in one request.",
    ),
    Setting(
        "BUCKETER_EVENTS_INTERVAL",
        "1",
        number(0.01, 3_600),
        "seconds from 0.01 to 3600",
        "The longest that an event of the `outbox` waits for others to be sent with.",
    ),
    Setting(
        "BUCKETER_EVENTS_TIMEOUT",
        "10",
        number(0.05, 120),
        "seconds from 0.05 to 120",
        "The longest that one attempt to send events may take before it counts as failed and is "
        "made again.",
    ),
    Setting(
        "BUCKETER_EVENTS_FLUSH",
        "1",
        number(0.05, 10),
        "seconds from 0.05 to 10",
        "The longest that `flush` keeps a Lambda environment after an answer. What could not be "
        "sent by then is carried over to the next.",
    ),
    Setting(
        "BUCKETER_EVENTS_DEDUP",
        "0",
        number(0, 86_400),
        "seconds from 0 to 86400; 0 is off",
        "Leave out an impression when this process has sent one of the same user, experiment, "
        "variation and revision within so many seconds.",
    ),
    Setting(
        "BUCKETER_STATE_DIR",
        "~/.local/state/bucketer",
        text,
        "a directory that can be written to; `~` is the home directory",
        "Where the server keeps its outbox, its user profiles, and the copy of the datafile that "
        "its workers share.",
    ),
    Setting(
        "BUCKETER_PROFILES",
        "off",
        profiles_home,
        "`off`, `memory`, `sqlite` or sqlite:PATH",
        "Whether users keep the variation they once got when the traffic allocation changes: a "
        "store of user profiles, for this process or in a file in the state directory.",
    ),
    Setting(
        "BUCKETER_PROFILES_MAX",
        "auto",
        whole_or_auto(1, 1_000_000_000),
        "`auto`, or a whole number from 1 to 1000000000",
        "Users whose profiles are kept. Beyond it `memory` drops whoever was not seen for longest, "
        "`sqlite` whoever was first saved longest ago. `auto` is 100000 in memory, 1000000 in a "
        "file.",
    ),
    Setting(
        "BUCKETER_CMAB_ENDPOINT",
        _BANDITS,
        web_url,
        "an https:// or http:// URL; the rule's id replaces `{}` in it, or is appended",
        "Who is asked for the predictions of contextual multi-armed bandit rules.",
    ),
    Setting(
        "BUCKETER_CMAB_TIMEOUT",
        "10",
        number(0.05, 60),
        "seconds from 0.05 to 60",
        "The longest that one attempt to get a prediction may take. There is a second after 0.1 s, "
        "if the request has time for it; without a prediction the user gets no variation.",
    ),
    Setting(
        "BUCKETER_DEBUG",
        "on",
        switch,
        "`on` or `off`",
        "Whether `debug=1` is heard. `off` leaves the debug block out of every answer.",
    ),
    Setting(
        "BUCKETER_DEBUG_URL",
        "auto",
        one_of("auto", "full", "host", "off"),
        "`auto`, `full`, `host` or `off`",
        "How the debug block names the datafile: by its URL (whose path holds the SDK key), by its "
        "host, or not at all. `auto` is `full`, but `host` when `DATAFILE_ACCESS_TOKEN` is set: "
        "the key of a secure environment is not for visitors. `/health` names the host at most.",
    ),
    Setting(
        "BUCKETER_CORS_ORIGIN",
        "*",
        cors_origin,
        "an origin such as https://shop.example or http://localhost:3000, `*`, or `off`",
        "Which web pages may read the answers: the value of `Access-Control-Allow-Origin`.",
    ),
    Setting(
        "BUCKETER_MAX_URL_BYTES",
        "8192",
        whole(256, 65_536),
        "a whole number from 256 to 65536",
        "The longest path and query that is answered; a longer one gets 414.",
    ),
    Setting(
        "BUCKETER_MAX_BODY_BYTES",
        "1048576",
        whole(1_024, 67_108_864),
        "a whole number from 1024 to 67108864",
        "The largest body that is read; a larger one gets 413.",
    ),
    Setting(
        "BUCKETER_MAX_JSON_DEPTH",
        "32",
        whole(1, 500),
        "a whole number from 1 to 500",
        "How deep arrays and objects of a body may be nested; deeper gets 400.",
    ),
    Setting(
        "BUCKETER_HOST",
        "127.0.0.1",
        text,
        "a name or address of this machine; 0.0.0.0 for all of its networks",
        "Where the server listens. The default is reached from this machine only.",
    ),
    Setting(
        "BUCKETER_PORT",
        "8080",
        whole(0, 65_535),
        "a whole number from 0 to 65535; 0 takes any free port",
        "The port on which the server listens.",
    ),
    Setting(
        "BUCKETER_WORKERS",
        "1",
        whole(1, 256),
        "a whole number from 1 to 256",
        "Processes that share the server's port. One per core is the most that pays.",
    ),
    Setting(
        "BUCKETER_ACCESS_LOG",
        "off",
        switch,
        "`on` or `off`",
        "One line per request on standard output, without the query, which may name visitors.",
    ),
    Setting(
        "BUCKETER_TRUSTED_PROXIES",
        "",
        networks,
        "addresses and networks such as 10.0.0.0/8, between commas or spaces",
        "Proxies whose `X-Forwarded-For` is believed. The visitor is then the right-most address "
        "in it that is no such proxy; otherwise the peer.",
    ),
    Setting(
        "BUCKETER_WEBHOOK_SECRET",
        "",
        text,
        "the secret that Optimizely shows for the webhook",
        "Checks the signature of webhooks. Not set: every webhook is refused. On a webhook a "
        "server fetches from `DATAFILE_URL`, or from the first URL in `BUCKETER_DATAFILE`; it "
        "needs one.",
        SECRET,
    ),
    Setting(
        "BUCKETER_WEBHOOK_WAIT",
        "20",
        wait,
        "seconds from 0 to 600",
        "How long a webhook waits for `DATAFILE_URL` to show the revision that it announced; a "
        "CDN takes a few seconds.",
    ),
    Setting(
        "BUCKETER_PUBLISH",
        "",
        s3_url,
        "an s3://BUCKET/KEY URL",
        "Where a webhook puts the new datafile; each revision is kept beside it, under "
        "`revisions/`.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_PUBLISH_FUNCTION",
        "",
        text,
        "the name of a Lambda function, or NAME:ALIAS",
        "The function whose package a webhook rebuilds with the new datafile in it; a new version "
        "is published, and the alias moved to it.",
    ),
    Setting(
        "BUCKETER_PROJECT_ID",
        "",
        text,
        "the id of an Optimizely project",
        "Webhooks for another project are refused. Not set: the project of the datafile in use.",
    ),
)

BY_NAME: Final = {row.name: row for row in TABLE}


class Settings:
    """What the environment says, checked. Frozen: assigning raises AttributeError.

    The attributes are the names of `TABLE` without `BUCKETER_`, in lower case; what each means is
    told there. `unknown` lists variables that look like ours and are not, each with the setting
    that may have been meant: not an error, since an older version must start beside newer settings.
    """

    __slots__ = (*(row.attribute for row in TABLE), "unknown")

    datafile_url: str
    datafile_access_token: str
    datafile_max_age: float | None
    datafile: tuple[str, ...]
    cold_start: str
    revisions: str
    engine: str
    events: str
    events_endpoint: str
    events_fsync: str
    events_max_bytes: int
    events_batch: int
    events_interval: float
    events_timeout: float
    events_flush: float
    events_dedup: float
    state_dir: str
    profiles: str
    profiles_max: int | None
    cmab_endpoint: str
    cmab_timeout: float
    debug: bool
    debug_url: str
    cors_origin: str
    max_url_bytes: int
    max_body_bytes: int
    max_json_depth: int
    host: str
    port: int
    workers: int
    access_log: bool
    trusted_proxies: tuple[str, ...]
    webhook_secret: str
    webhook_wait: float
    publish: str
    publish_function: str
    project_id: str
    unknown: tuple[str, ...]

    def __init__(self, values: Mapping[str, object]) -> None:
        """Take the values by attribute; `read_settings` is the way to make one."""
        for name in self.__slots__:
            object.__setattr__(self, name, values[name])

    def __setattr__(self, name: str, value: object) -> NoReturn:
        message = f"settings are read once and then kept; {name} can't be assigned"
        raise AttributeError(message)

    def __delattr__(self, name: str) -> NoReturn:
        self.__setattr__(name, None)

    def but(self, **changes: object) -> Settings:
        """A copy with some values replaced, by attribute; they are not checked again."""
        return Settings({**self._values(), **changes})

    def __reduce__(self) -> tuple[type[Settings], tuple[dict[str, object]]]:
        """Pickle by value: the server's workers are processes."""
        return Settings, (self._values(),)

    def _values(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Check the whole environment and return its `Settings`.

    A variable that is empty counts as not set, as templates and compose files leave it.

    Raises:
        SettingsError: with one line for each variable that can't be used, all of them at once.
    """
    values: dict[str, object] = {"unknown": _unknown(environ)}
    problems = []
    for row in TABLE:
        written = environ.get(row.name, "").strip() or row.default
        try:
            values[row.attribute] = row.parse(written)
        except ValueError as error:
            problems.append(f"{row.name}: {refusal(row, written, error)}")
    if problems:
        raise SettingsError(problems)
    return Settings(values)


def _unknown(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that begin as ours do and are none, with the nearest that is."""
    lines = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in BY_NAME:
            # Without the prefix, which would make any two of them look alike.
            meant = nearest(
                name.removeprefix(PREFIX), [row.removeprefix(PREFIX) for row in BY_NAME]
            )
            hint = f" Is {PREFIX}{meant} meant?" if meant else ""
            lines.append(f"{name} is no setting.{hint}")
    return tuple(lines)


def refusal(row: Setting, written: str, error: ValueError) -> str:
    """What was found and what is allowed, when parsing *written* raised *error*."""
    why = f", which {error}" if isinstance(error, Unusable) else ""
    return f"found {shape(row, written)}{why}; allowed: {row.allowed}"


def shape(row: Setting, written: str) -> str:
    """What was found, told without telling a secret."""
    if row.shown != PLAIN:
        scheme, separator, _ = written.partition("://")
        kind = f"a {scheme[:10]}:// URL" if separator and scheme.isalnum() else "a text"
        return f"{kind} of {len(written)} characters"
    if len(written) > _LONGEST_SHOWN:
        return f"{written[:_LONGEST_SHOWN]!r} and {len(written) - _LONGEST_SHOWN} characters more"
    return repr(written)


def shown(row: Setting, environ: Mapping[str, str]) -> str:
    """The value in use, as it may be shown to somebody at a terminal."""
    written = environ.get(row.name, "").strip() or row.default
    if row.shown == SECRET:
        return "(set)" if written else ""
    if row.shown == LOCATION:
        return " ".join(host_only(each) for each in written.split())
    return written


def host_only(url: str) -> str:
    """A URL without its path, its query and its password; a path or a word as it is."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    authority = rest.replace("?", "/").replace("#", "/").partition("/")[0]
    return f"{scheme}://{authority.rpartition('@')[2]}/…"
