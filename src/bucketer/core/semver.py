"""Version comparison as Optimizely's SDKs do it, which is not SemVer's.

The target is a pattern of leading parts: target `2.1` equals user `2.1.3`. Pre-release words are
compared as plain strings. See `tests/vectors/semver.json` for what the reference answers.

Source: optimizely-sdk 5.7.0, helpers/condition.py:compare_user_version_with_target_version.
"""

from __future__ import annotations

_MAX_DOTS = 2


class Version:
    """A version split into parts.

    Attributes:
        parts: numeric parts first, then the one suffix, if there is any.
        pre_release: it has a `-` before any `+`.
        build: it has a `+` before any `-`.
    """

    __slots__ = ("_read", "build", "parts", "pre_release")

    def __init__(self, parts: list[str], *, pre_release: bool, build: bool) -> None:
        self.parts = parts
        self.pre_release = pre_release
        self.build = build
        self._read: dict[int, tuple[bool, int | None]] = {}

    def read(self, index: int) -> tuple[bool, int | None]:
        """Whether a part is all digits, and the number that it is; found out once.

        None where it is none: `²`, a word, more digits than CPython reads.
        """
        found = self._read.get(index)
        if found is None:
            part = self.parts[index]
            try:
                number: int | None = int(part)
            except ValueError:
                number = None
            found = self._read[index] = (part.isdigit(), number)
        return found


def parse(text: str) -> Version | None:
    """Split *text*; None when it is no version: a space, more than two dots, a part not digits."""
    if " " in text:
        return None
    dash, plus = text.find("-"), text.find("+")
    pre_release = dash >= 0 and (dash < plus or plus < 0)
    build = plus >= 0 and (plus < dash or dash < 0)
    if pre_release:
        prefix, *suffix = text.split("-", 1)
    elif build:
        prefix, *suffix = text.split("+", 1)
    else:
        prefix, suffix = text, []
    parts = prefix.split(".", _MAX_DOTS + 1)
    if len(parts) > _MAX_DOTS + 1 or not all(part.isdigit() for part in parts):
        return None
    return Version(parts + suffix, pre_release=pre_release, build=build)


def compare(user: Version, target: Version) -> int | None:
    """Order *user* against *target*: negative, zero or positive; None where the reference raises.

    Differs: a numeric user part against a pre-release word, superscript digits and numbers of
    more than 4,300 digits raise `ValueError` in the reference; here they are UNKNOWN
    (docs/parity.md).
    """
    for index, wanted in enumerate(target.parts):
        if index >= len(user.parts):
            return 1 if target.pre_release or target.build else -1
        part = user.parts[index]
        is_digits, have = user.read(index)
        if is_digits:
            _, want = target.read(index)
            if have is None or want is None:
                return None
            if have != want:
                return 1 if have > want else -1
        elif part < wanted:
            return 1 if target.pre_release and not user.pre_release else -1
        elif part > wanted:
            return -1 if user.pre_release and not target.pre_release else 1
    return -1 if user.pre_release and not target.pre_release else 0
