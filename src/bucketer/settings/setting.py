"""One setting: a row of the table, and how what was written for it may be told to anybody."""

from __future__ import annotations

from .values import Unusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

#: How a value may be shown: as it is, by its host (the path of a datafile URL holds the SDK key),
#: or not at all.
PLAIN, LOCATION, SECRET = "plain", "location", "secret"

PREFIX: Final = "BUCKETER_"
#: What the default environment is called when the file doesn't name it; each that nobody listed.
DEFAULT: Final = "default"
UNLISTED: Final = "(not listed)"
_LONGEST_SHOWN = 40


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


def shown(row: Setting, written: str) -> str:
    """What was *written* for a setting, as it may be shown to somebody at a terminal."""
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
