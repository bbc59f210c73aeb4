"""Versions from outside: whatever is sent, no more of it is taken apart than a version has."""

import pytest

from bucketer.core.semver import compare, parse


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
