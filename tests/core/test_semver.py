"""Versions from outside: whatever is sent, no more of it is taken apart than a version has."""

import pytest

from bucketer.core import conditions
from bucketer.core.conditions import LONGEST_REMEMBERED, compile_leaf
from bucketer.core.semver import compare, parse
from bucketer.core.user import User


@pytest.mark.parametrize(
    "text", ["1.2.3.4", "1." * 100_000, "." * 100_000, "1.2.3." + "x" * 100_000]
)
def test_more_than_two_dots_are_no_version(text):
    assert parse(text) is None


@pytest.mark.parametrize("text", ["1", "1.2", "1.2.3", "1.2.3-rc.1.2.3.4", "1.2.3+a.b.c.d"])
def test_the_suffix_may_have_dots(text):
    version = parse(text)

    assert version is not None
    assert compare(version, version) == 0


class Text(str):
    """Counts how often it is looked through for what a version must not have."""

    __slots__ = ("looked",)

    def __contains__(self, part):
        self.looked = getattr(self, "looked", 0) + 1
        return super().__contains__(part)


def leaf(match, value):
    return compile_leaf(
        {"type": "custom_attribute", "match": match, "name": "version", "value": value}
    )


def test_a_long_version_is_split_once_however_many_conditions_ask_for_it():
    """300 conditions took apart 60,000 digits 300 times: 0.1 s, on the loop."""
    asked = [leaf("semver_lt", f"{number}.1") for number in range(300)]
    text = Text("7.2" + "0" * LONGEST_REMEMBERED)
    user = User("ben", {"version": text})

    found = [each(user) for each in asked]

    assert found == [number > 7 for number in range(300)]
    assert text.looked == 1


def test_the_digits_of_a_long_version_are_read_once():
    version = parse("0." + "1" * 4_300)

    assert compare(version, parse("0.1")) > 0
    assert version.read(1) is version.read(1)


def test_of_two_long_versions_in_turn_none_is_taken_for_the_other():
    older, newer = ("1.0-" + "a" * 50, "3.0-" + "a" * 50)
    is_old = leaf("semver_lt", "2.0")

    assert [True, False, True, False] == [
        is_old(User("ben", {"version": each})) for each in (older, newer, older, newer)
    ]
    assert conditions._last_version.parse(older) is not conditions._last_version.parse(newer)
