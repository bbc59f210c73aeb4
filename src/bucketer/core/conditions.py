"""Conditions in, predicates out: functions of a `User` that answer True, False or None.

None is UNKNOWN, the third truth value. A predicate never raises, whatever the datafile or the
user holds. Everything that can be known from the datafile alone is settled when it is compiled.

Source: optimizely-sdk 5.7.0, helpers/condition.py.
Differs: what raises there is UNKNOWN here (docs/parity.md).
"""

from __future__ import annotations

import operator
from functools import lru_cache
from numbers import Integral

from . import semver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from .user import User

    Predicate: TypeAlias = Callable[[User], "bool | None"]

TYPES = ("custom_attribute", "third_party_dimension")
#: Numbers beyond it can't be told apart in every SDK's language, so none of them compares.
MAX_NUMBER = 2**53

#: Visitors have few versions among them, so what conditions made of them is remembered: for all
#: datafiles of the process together, since what one request leaves behind has a bound in bytes.
REMEMBERED_VERSIONS = 4_096
#: Longer texts are judged anew each time, for the same reason.
LONGEST_REMEMBERED = 40


def unknown(_user: User) -> None:
    """Answer UNKNOWN, for a condition that can't be evaluated for anybody."""


def is_finite(value: object) -> bool:
    """Whether *value* is a number that every SDK compares alike: no NaN, nothing beyond ±2**53."""
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return -MAX_NUMBER <= value <= MAX_NUMBER
    return isinstance(value, Integral)


def exact(name: str, value: object) -> Predicate | None:
    """Compare with *value*; None where that is neither text, nor boolean, nor a finite number."""
    if isinstance(value, str):

        def same_text(user: User) -> bool | None:
            have = user.attributes.get(name)
            return have == value if isinstance(have, str) else None

        return same_text
    if isinstance(value, bool):

        def same_truth(user: User) -> bool | None:
            have = user.attributes.get(name)
            return have is value if isinstance(have, bool) else None

        return same_truth
    if not is_finite(value):
        return None

    def same_number(user: User) -> bool | None:
        have = user.attributes.get(name)
        return have == value if is_finite(have) else None

    return same_number


def _exists(name: str, _value: object) -> Predicate:
    return lambda user: user.attributes.get(name) is not None


def _substring(name: str, value: object) -> Predicate | None:
    if not isinstance(value, str):
        return None

    def contains(user: User) -> bool | None:
        have = user.attributes.get(name)
        return value in have if isinstance(have, str) else None

    return contains


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[str, object], Predicate | None]:
    """Make the builder of a numeric comparison."""

    def build(name: str, value: object) -> Predicate | None:
        if not is_finite(value):
            return None

        def compares(user: User) -> bool | None:
            have = user.attributes.get(name)
            return holds(have, value) if is_finite(have) else None

        return compares

    return build


VERSION_MATCHES: dict[str, Callable[[int], bool]] = {
    "semver_eq": lambda order: order == 0,
    "semver_gt": lambda order: order > 0,
    "semver_ge": lambda order: order >= 0,
    "semver_lt": lambda order: order < 0,
    "semver_le": lambda order: order <= 0,
}


class VersionTest:
    """A comparison with one version, which is split once, here.

    Attributes:
        holds: what the order of the two has to be.
        target: the version to compare with.
    """

    __slots__ = ("holds", "target")

    def __init__(self, holds: Callable[[int], bool], target: semver.Version) -> None:
        self.holds, self.target = holds, target


def version_test(match: str, value: str) -> VersionTest | None:
    """Make the comparison that *match* means; None when *value* is no version."""
    target = semver.parse(value)
    return None if target is None else VersionTest(VERSION_MATCHES[match], target)


class _LastVersion:
    """What was split last: many conditions may ask for the same attribute of one user.

    Told by identity, and kept in one piece, so that threads may share it.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: tuple[str, semver.Version | None] = ("", None)

    def parse(self, text: str) -> semver.Version | None:
        last, version = self._last
        if last is not text:
            version = semver.parse(text)
            self._last = (text, version)
        return version


_last_version = _LastVersion()


def judge_version(test: VersionTest, text: str) -> bool | None:
    """Answer the comparison for a version's text."""
    version = _last_version.parse(text)
    order = None if version is None else semver.compare(version, test.target)
    return None if order is None else test.holds(order)


#: The same for texts of at most LONGEST_REMEMBERED.
remembered_version = lru_cache(REMEMBERED_VERSIONS)(judge_version)


def _version(match: str) -> Callable[[str, object], Predicate | None]:
    """Make the builder of a version comparison."""

    def build(name: str, value: object) -> Predicate | None:
        test = version_test(match, value) if isinstance(value, str) else None
        if test is None:
            return None

        def compares(user: User) -> bool | None:
            have = user.attributes.get(name)
            if not isinstance(have, str):
                return None
            judge = remembered_version if len(have) <= LONGEST_REMEMBERED else judge_version
            return judge(test, have)

        return compares

    return build


def _qualified(_name: str, value: object) -> Predicate | None:
    if not isinstance(value, str):
        return None
    return lambda user: user.segments is not None and value in user.segments


MATCHES: dict[str, Callable[[str, object], Predicate | None]] = {
    "exact": exact,
    "exists": _exists,
    "substring": _substring,
    "gt": _ordered(operator.gt),
    "ge": _ordered(operator.ge),
    "lt": _ordered(operator.lt),
    "le": _ordered(operator.le),
    "qualified": _qualified,
    **{match: _version(match) for match in VERSION_MATCHES},
}


def compile_leaf(condition: Mapping[str, object]) -> Predicate | None:
    """Compile one condition; None when no user can ever be judged by it.

    Args:
        condition: `name`, `value`, `type` and `match` as the datafile has them; a missing
            `match` means `exact`, a missing `type` makes it UNKNOWN.
    """
    match, name = match_of(condition), condition.get("name")
    if match is None or (match != "qualified" and not is_hashable(name)):
        return None
    # A name that is no string (or missing) is no attribute's key, but is looked up all the same.
    return MATCHES[match](name, condition.get("value"))  # type: ignore[arg-type]


def match_of(condition: Mapping[str, object]) -> str | None:
    """The condition's match by name (`exact` where it has none); None where it can't be judged."""
    match = condition.get("match")
    if match is None:
        match = "exact"
    known = isinstance(match, str) and match in MATCHES and condition.get("type") in TYPES
    return match if known else None  # type: ignore[return-value]  # `known` makes it a string


def is_hashable(value: object) -> bool:
    """Whether *value* can stand for an attribute's name: only then is it looked up."""
    return value is None or isinstance(value, (str, int, float))
