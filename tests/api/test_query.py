"""The raw query string: split by hand, decoded once."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from bucketer.api.query import parse_query, quote, unquote
from bucketer.core.errors import InvalidRequest

NAMES = {"e": "e", "u": "u", "user": "u", "a": "a"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("e=x", {"e": "x"}),
        ("e=x&u=y", {"e": "x", "u": "y"}),
        ("e", {"e": ""}),
        ("e=", {"e": ""}),
        ("&&e=x&", {"e": "x"}),
        ("e=a=b", {"e": "a=b"}),
        ("e=a%3Db%26c", {"e": "a=b&c"}),
        ("e=a+b%2Bc", {"e": "a b+c"}),
        ("e=%C3%A9", {"e": "é"}),
        ("e=é", {"e": "é"}),
        ("%65=x", {"e": "x"}),
        ("x=1&e=x", {"e": "x"}),
        ("x=%FF&e=x", {"e": "x"}),
        ("%FF=1&e=x", {"e": "x"}),
        ("x=1&x=2&e=x", {"e": "x"}),
        ("e=%", {"e": "%"}),
        ("e=%zz%4", {"e": "%zz%4"}),
        ("e=%%222", {"e": '%"2'}),
        ("e=%2%22", {"e": '%2"'}),
        ("e=%2522", {"e": "%22"}),
        ("e=%2c%3a%22", {"e": ',:"'}),
        ("e=%2C%3A%22%20", {"e": ',:" '}),
        ("e=%2C", {"e": ","}),
        ("e=x;u=y", {"e": "x;u=y"}),
        ("E=x", {}),
        ("e=%00", {"e": "\0"}),
    ],
)
def test_known_parameters_are_decoded_and_others_ignored(query, expected):
    """A percent sign without two hexadecimal digits stands for itself."""
    assert parse_query(query, NAMES) == expected


@pytest.mark.parametrize("query", ["u=a&u=b", "u=a&u=a", "u&u=", "u=a&e=x&%75=b"])
def test_parameter_given_twice_is_refused_by_name(query):
    """Which of the two would count is nothing to guess."""
    with pytest.raises(InvalidRequest, match="'u' is given twice") as caught:
        parse_query(query, NAMES)

    assert caught.value.field == "u"


@pytest.mark.parametrize(
    "value",
    ["%FF", "%C3", "%ED%A0%80", "a%FFb%22", "\udcff", "\ud800", "+%FF"],  # noqa: PT014 -- they differ
)
def test_bytes_that_are_no_utf_8_are_refused_by_name(value):
    """Percent-encoded, or raw as a door passes them on."""
    with pytest.raises(InvalidRequest, match="'u' is not valid UTF-8") as caught:
        parse_query(f"e=x&u={value}", NAMES)

    assert caught.value.field == "u"


@pytest.mark.parametrize(
    ("value", "position", "found"),
    [
        ("%FF", 0, "%FF"),
        ("\udcff", 0, "%FF"),
        ("%C3%A9%C3%A9+%C3", 3, "%C3"),
        ("tier:%22%C3gold%22", 6, '%C3gold"'),
        ("a%FF" + "b" * 23, 1, "%FF" + "b" * 23),
        ("a%FF" + "b" * 24, 1, "%FF" + "b" * 23 + "…"),
        ("%ED%A0%80", 0, "%ED%A0%80"),
    ],
)
def test_bytes_that_are_no_utf_8_are_named_with_their_place_among_the_characters(
    value, position, found
):
    """Counted in the decoded text, as the positions in attributes are."""
    with pytest.raises(InvalidRequest) as caught:
        parse_query(f"a={value}", {"a": "a"})

    message = f"Parameter 'a' is not valid UTF-8 at position {position}; found '{found}'."
    assert (message, position) == (str(caught.value), caught.value.position)


@pytest.mark.parametrize("text", ["", "plain", "a b", "a+b&c=d#%", "é😀", 'tier:"x",y:1', "\0\x7f"])
def test_quoting_survives_unquoting(text):
    """Doors that are given decoded text put it back this way."""
    assert unquote(quote(text)) == text
    assert parse_qsl(f"k={quote(text)}", keep_blank_values=True) == [("k", text)]


def test_lone_surrogate_is_quoted_to_what_will_be_refused():
    """It must end as a 400 and not in a user id."""
    with pytest.raises(UnicodeError):
        unquote(quote("\ud800"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("user=x", {"u": "x"}),
        ("u=x&user=x", {"u": "x"}),
        ("u=x&%75ser=%78", {"u": "x"}),
        ("user=&u=", {"u": ""}),
    ],
)
def test_two_names_for_one_thing_may_say_the_same(query, expected):
    assert parse_query(query, NAMES) == expected


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("u=x&user=y", "'u' and 'user' are one, and their values differ"),
        ("user=y&e=1&%75=x", "'user' and 'u' are one, and their values differ"),
        ("u=x&user=", "differ"),
        ("u=x&user=x&u=x", "'u' is given twice"),
        ("user=x&user=x", "'user' is given twice"),
    ],
)
def test_two_names_for_one_thing_must_not_say_two(query, said):
    with pytest.raises(InvalidRequest, match=said):
        parse_query(query, NAMES)
