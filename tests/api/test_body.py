"""The JSON body: UTF-8, an object, not too deep."""

from __future__ import annotations

import pytest

from bucketer.api.body import parse_object
from bucketer.core.errors import InvalidRequest


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", {}),
        (b' {"e": "x", "a": {"k": 1, "k": 2}} ', {"e": "x", "a": {"k": 2}}),
        ('{"u": "é"}'.encode(), {"u": "é"}),
        (b'{"x": [[[[]]]]}', {"x": [[[[]]]]}),
        (b'{"x": [[[[]]]], "y": []}', {"x": [[[[]]]], "y": []}),
        (b'{"x": "[[[[[[[[[["}', {"x": "[[[[[[[[[["}),
        (b'{"x": [[],[],[],[],[],[]]}', {"x": [[], [], [], [], [], []]}),
        (b'{"x": "\\"[[[[[["}', {"x": '"[[[[[['}),
    ],
)
def test_object_is_parsed_within_its_depth(body, expected):
    """Depth is what nests, not what is written in strings or side by side."""
    assert parse_object(body, max_depth=5) == expected


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The body is empty; send a JSON object."),
        (b" \n", "The body is empty; send a JSON object."),
        (b"e=x&u=y", "The body is a form, not JSON; send a JSON object."),
        (b'<a b="c">', "not JSON: Expecting value at position 0"),
        (b'{"e": "x"', "not JSON"),
        (b'{"e": "x"} {}', "not JSON: Extra data at position 11"),
        (b'{"e": NaN}', "not JSON: NaN at position 6"),
        (b'{"e": "NaN, \\"", "a": {"x": -Infinity}}', "not JSON: -Infinity at position 28"),
        (b'{"e": 1.5, "u": ' + b"9" * 5_000 + b"}", "a number out of range at position 16"),
        (b'{"e": "\xff"}', "not valid UTF-8 at byte 7"),
        ("{}".encode("utf-16"), "not valid UTF-8 at byte 0"),
        (b'\xef\xbb\xbf{"e": "x"}', "not JSON"),
        (b"[]", "must be a JSON object"),
        (b'"e"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"e": 1, "u": 2, "e": 3}', "'e' is given twice"),
        (b'{"x": [[[[[]]]]]}', "nested deeper than 5 levels"),
        (b"[" * 100_000, "nested deeper than 5 levels"),
        (b'{"a":' * 100_000, "nested deeper than 5 levels"),
    ],
)
def test_other_bodies_are_refused_with_a_reason(body, said):
    """Never by an error of the parser's own, however deep."""
    with pytest.raises(InvalidRequest) as caught:
        parse_object(body, max_depth=5)

    assert said in str(caught.value)
