"""Law: attributes that are written down are read back, kind and all, in each of the forms."""

from __future__ import annotations

import contextlib
import json
import math
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from bucketer.api.bucketer.attributes import parse_attributes
from bucketer.api.query import parse_query
from bucketer.core.errors import InvalidRequest

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEYS = TEXT.filter(bool)
NUMBERS = st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = TEXT | NUMBERS | st.booleans() | st.none()
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=5)
SPACE = st.text(" \t\n\r\u00a0", max_size=3)


def same(expected, actual):
    """Equal, and of the same kinds: `1`, `1.0` and `True` are three things here."""
    assert actual == expected
    assert [*map(type, actual.values())] == [*map(type, expected.values())]
    for before, after in zip(expected.values(), actual.values(), strict=True):
        if isinstance(before, float):
            assert math.copysign(1, before) == math.copysign(1, after)


@settings(max_examples=300)
@given(ATTRIBUTES, st.booleans())
def test_json_object_is_read_as_json_reads_it(attributes, ascii_only):
    """The object form."""
    same(attributes, parse_attributes(json.dumps(attributes, ensure_ascii=ascii_only)))


@settings(max_examples=300)
@given(ATTRIBUTES, SPACE, st.booleans())
def test_list_with_quoted_keys_is_read_as_json_reads_it(attributes, space, ascii_only):
    """The list form, with white space wherever it is allowed, and empty items."""
    items = [
        f"{space}{json.dumps(key, ensure_ascii=ascii_only)}{space}:{space}"
        f"{json.dumps(value, ensure_ascii=ascii_only)}{space}"
        for key, value in attributes.items()
    ]

    same(attributes, parse_attributes(f",{space},".join(items)))


@settings(max_examples=300)
@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters=':,"{['), min_size=1), TEXT
)
def test_plain_key_and_plain_value_are_trimmed_text(key, value):
    """Everything before the first colon; everything up to the next comma."""
    plain = value.replace(",", "").strip()
    trimmed = key.strip()
    if not trimmed or plain[:1] in {'"', "[", "{"}:
        return

    found = parse_attributes(f"{key}:{value.replace(',', '')}")

    with contextlib.suppress(ValueError):
        json.loads(plain, parse_constant=_refuse)
        return  # it happened to be a JSON value
    assert found == {trimmed: plain}


def _refuse(constant):
    raise ValueError(constant)


@settings(max_examples=300)
@given(ATTRIBUTES)
def test_url_carries_attributes_unchanged(attributes):
    """Percent-encoded as a browser does it."""
    query = "a=" + quote(json.dumps(attributes, ensure_ascii=False), safe="")

    same(attributes, parse_attributes(parse_query(query, {"a": "a"})["a"]))


@settings(max_examples=700)
@given(
    st.lists(
        st.sampled_from('ab1 ,:"\\{}[]-.eu0\n\udc00')
        | st.sampled_from(["\\ud800", '\\"', "true", "1e9"])
    ).map("".join)
)
def test_any_text_is_read_or_refused_within_itself(text):
    """A refusal's position lies in the text, and what it quotes stands there."""
    attributes, refusal = {}, None
    try:
        attributes = parse_attributes(text)
    except InvalidRequest as error:
        refusal = error

    if refusal is not None:
        assert 0 <= refusal.position <= len(text)
        there = text[refusal.position : refusal.position + 24]
        assert (f"found '{there}" if there else "the end of the text") in str(refusal)
    assert all(attributes)
    assert all(isinstance(each, (str, int, float, type(None))) for each in attributes.values())
