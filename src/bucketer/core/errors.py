"""Every error of the project, in one tree.

BucketerError
├── DatafileError            the document can't be used at all; the one in use stays
│   ├── InvalidDatafile          not JSON, or a required top-level field is missing or misshapen
│   └── UnsupportedVersion       a format other than 2, 3 and 4
├── InvalidRequest           the caller sent something that can't be understood
│   └── InvalidUser              a user id or bucketing id that can't be hashed
├── UnknownKey               the datafile in use has nothing by that key
│   ├── UnknownExperiment
│   ├── UnknownFlag
│   ├── UnknownVariable
│   └── UnknownEvent
├── UnknownRevision          the archive has no such revision of the datafile
├── RevisionUnavailable      the archive could not be asked for it, or has it in a bad state
├── WebhookRefused           a webhook that is not, or not provably, from our Optimizely project
├── UnknownSdkKey            no environment has that SDK key
├── EnvironmentUnavailable   the datafile of an SDK key that nobody listed can't be had now
│   └── EnvironmentsBusy         so many are being fetched that this one hasn't its turn
├── TokenRefused             a token that is missing, not genuine, or no longer good
│   └── ClaimsRefused            a genuine one that is for something else
├── AccessDenied             a genuine key or token, whose role or environment isn't enough
├── KeysUnavailable          the keys that tokens are checked by can't be had now
├── TokensBusy               too many ask for a token at once
├── NoDatafile               nothing has been loaded yet
├── SourceError              a datafile could not be fetched
└── SettingsError            the environment asks for something impossible

`code` is part of the HTTP API and never reworded; messages may be.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class BucketerError(Exception):
    """Whatever this project raises on purpose.

    Attributes:
        code: stable name of the kind of error, as the HTTP API shows it.
    """

    code = "internal_error"


class DatafileError(BucketerError):
    """A datafile that can't be used at all. The last good one stays in use."""

    code = "invalid_datafile"


class InvalidDatafile(DatafileError):
    """The document is not JSON, or a required top-level field is missing or has the wrong shape.

    Attributes:
        pointer: where, as a JSON pointer; `""` is the whole document.
        expected: what belongs there, in the datafile's words.
        found: the JSON type seen instead. Never the value: it may be a secret.
    """

    def __init__(self, pointer: str, expected: str, found: str) -> None:
        super().__init__(pointer, expected, found)  # plain arguments keep it picklable
        self.pointer, self.expected, self.found = pointer, expected, found

    def __str__(self) -> str:
        return f"{self.pointer or 'the datafile'}: expected {self.expected}, found {self.found}"


class UnsupportedVersion(DatafileError):
    """The datafile's `version` is not one of the strings "2", "3" and "4"."""

    code = "unsupported_version"

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        return f'/version: expected "2", "3" or "4" (a string), found {self.found}'


class InvalidRequest(BucketerError):
    """What the caller sent can't be understood. The message says what, where and what to do.

    Attributes:
        message: one sentence for the caller.
        field: the parameter at fault, if one is.
        position: 0-based index into the field's text, where it is known.
    """

    code = "invalid_request"

    def __init__(
        self, message: str, *, field: str | None = None, position: int | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.field, self.position = message, field, position

    def __str__(self) -> str:
        return self.message


class InvalidUser(InvalidRequest):
    """A user id or bucketing id that can't be hashed: not a string, or not valid Unicode."""


class UnknownKey(BucketerError):
    """The datafile has nothing by that key.

    Attributes:
        key: what was asked for.
        revision: of the datafile that was asked.
        suggestion: the nearest key that exists, or None.
        hint: a clause that says which key of another kind it is, or may be; or empty.
        item: which part of a list asked for it, with a colon and a space; else empty.
    """

    noun = "thing"
    item = ""

    def __init__(
        self, key: str, revision: str, suggestion: str | None = None, hint: str = ""
    ) -> None:
        super().__init__(key, revision, suggestion, hint)
        self.key, self.revision, self.suggestion, self.hint = key, revision, suggestion, hint

    def __str__(self) -> str:
        hint = f" {self.hint}." if self.hint else ""
        hint += f" Did you mean '{self.suggestion}'?" if self.suggestion else ""
        return (
            f"{self.item}No {self.noun} has the key '{_cut(self.key)}' in revision "
            f"{self.revision}.{hint}"
        )


class UnknownExperiment(UnknownKey):
    """No experiment (or delivery rule) has that key."""

    code = "unknown_experiment"
    noun = "experiment"


class UnknownFlag(UnknownKey):
    """No flag has that key."""

    code = "unknown_flag"
    noun = "flag"


class UnknownVariable(UnknownKey):
    """The flag has no variable by that key."""

    code = "unknown_variable"
    noun = "variable"


class UnknownEvent(UnknownKey):
    """No conversion event has that key."""

    code = "unknown_event"
    noun = "event"


class UnknownRevision(BucketerError):
    """The archive has no such revision of the datafile.

    Attributes:
        asked: the revision that was asked for.
        revision: the one in use.
    """

    code = "unknown_revision"

    def __init__(self, asked: str, revision: str) -> None:
        super().__init__(asked, revision)
        self.asked, self.revision = asked, revision

    def __str__(self) -> str:
        return f"The archive has no revision '{self.asked}'; in use is {self.revision}."


class RevisionUnavailable(BucketerError):
    """The archive could not be asked for that revision, or what it has of it can't be used.

    Attributes:
        asked: the revision that was asked for.
    """

    code = "revision_unavailable"

    def __init__(self, asked: str) -> None:
        super().__init__(asked)
        self.asked = asked

    def __str__(self) -> str:
        return f"Revision '{self.asked}' can't be had from the archive now. Try again in a moment."


class WebhookRefused(BucketerError):
    """A webhook that is not, or not provably, from our Optimizely project.

    Attributes:
        why: one clause, which tells a forger nothing that helps.
    """

    code = "webhook_refused"

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"The webhook is refused: {self.why}."


class UnknownSdkKey(BucketerError):
    """No environment has the SDK key that a request names. The key is never told."""

    code = "unknown_sdk_key"

    def __str__(self) -> str:
        return "No environment here has the SDK key that the request names; check the key."


class EnvironmentUnavailable(BucketerError):
    """An SDK key may be right, but its datafile can't be had now; the caller should try again.

    Attributes:
        why: one clause, without the key.
    """

    code = "environment_unavailable"

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"The environment of the SDK key can't answer now: {self.why}. Try again."


class EnvironmentsBusy(EnvironmentUnavailable):
    """So many datafiles of SDK keys that nobody listed are being fetched that others must wait."""


class NoDatafile(BucketerError):
    """No datafile could be loaded yet; ask again in a moment."""

    code = "no_datafile"

    def __str__(self) -> str:
        return "No datafile could be loaded yet. Try again in a few seconds."


class TokenRefused(BucketerError):
    """A token that is missing, not genuine, or no longer good.

    Attributes:
        why: one clause, with nothing of the token in it.
    """

    code = "unauthorized"

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        how = "A key or token is needed, as `Authorization: Bearer` or `X-API-Key`"
        return f"{how}. This request was refused: {self.why}."


class ClaimsRefused(TokenRefused):
    """A genuine token, for something else than what was asked."""


class AccessDenied(BucketerError):
    """Whoever asks is known, and may not ask that. The message says what is missing, of no key."""

    code = "forbidden"


class KeysUnavailable(BucketerError):
    """The keys that tokens are checked by can't be had now.

    Attributes:
        why: one clause.
    """

    code = "keys_unavailable"

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return "The keys that tokens are checked with can't be had. Try again in a few seconds."


class TokensBusy(BucketerError):
    """Too many ask for a token at once."""

    code = "tokens_busy"

    def __str__(self) -> str:
        return "Too many ask for a token at once. Try again in a few seconds."


class SourceError(BucketerError):
    """A datafile could not be fetched.

    Attributes:
        where: the source without its secrets: a path, or the host of a URL (never its path,
            which carries the SDK key).
        why: one clause: a status, a time-out. The same for the same trouble, each time.
        detail: more of it, such as sizes, which may be others each time; or empty.
        missing: the place answers, and has nothing under that name.
        heard: another process of this server has found this out, and logs it.
        found_by_each: each process of a server finds it out by itself.
    """

    code = "source_failed"
    heard = missing = found_by_each = False

    def __init__(self, where: str, why: str, detail: str = "") -> None:
        super().__init__(where, why, detail)
        self.where, self.why, self.detail = where, why, detail

    def __str__(self) -> str:
        return f"{self.gist} ({self.detail})" if self.detail else self.gist

    @property
    def gist(self) -> str:
        """The message without *detail*: by it the log tells new trouble from what it knows."""
        return f"{self.where}: {self.why}"


class SettingsError(BucketerError):
    """One or more settings can't be used.

    Attributes:
        problems: one line each: the variable's name, the shape of its value, what is allowed.
    """

    code = "invalid_settings"

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


def _cut(key: str) -> str:
    """The key as a message shows it: it came from outside, and may be a megabyte."""
    return key if len(key) <= _SHOWN_CHARS else f"{key[:_SHOWN_CHARS]}…"


#: Nobody writes longer keys; of one that somebody does, a message shows the beginning.
_SHOWN_CHARS = 200
