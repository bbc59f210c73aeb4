"""The JSON body: UTF-8, an object, not too deep."""

from __future__ import annotations

import pytest

from bucketer.api.body import MAX_VALUES, parse_object
from bucketer.api.bucketer.body import parsed_body
from bucketer.api.http import Request
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
        (b"e=x&u=y", "The body is a form, not JSON; send a JSON object, or say that it is one."),
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


@pytest.mark.parametrize(
    "body",
    [
        b'{"e":"' + b"[" * 40 + b'\\"' * 40_000,
        b'{"e":"' + b"[" * 40 + b'\\"' * 40_000 + b"\\",
        b'{"e":"' + b"[{" * 40_000,
        b'{"e":"' + b"\\\\" * 40_000 + b'\\"' + b"[" * 40,
        b'"' * 40_001,
    ],
)
def test_a_string_that_never_ends_is_no_json_and_its_brackets_nest_nothing(body):
    with pytest.raises(InvalidRequest, match="not JSON"):
        parse_object(body, max_depth=32)


@pytest.mark.parametrize(
    "body",
    [
        b'{"x": "\\\\", "y": [[[[[[]]]]]]}',
        b'{"x": "\\"\\\\\\"", "y": [[[[[[]]]]]]}',
        b'{"x": "\\u005c", "y": [[[[[[]]]]]]}',
    ],
)
def test_escapes_hide_no_brackets(body):
    with pytest.raises(InvalidRequest, match="deeper than 5"):
        parse_object(body, max_depth=5)


@pytest.mark.parametrize(
    ("make", "allowed"),
    [
        (lambda n: b'{"x":[' + b",".join([b"0"] * (n - 2)) + b"]}", MAX_VALUES),
        (lambda n: b'{"x":[' + b",".join([b"{}"] * (n - 2)) + b"]}", None),
        (lambda n: b"{" + b",".join(b'"%d":0' % i for i in range(n - 1)) + b"}", MAX_VALUES),
        (lambda n: b'{"x":[' + b",".join([b'"[,{"'] * (n - 2)) + b"]}", MAX_VALUES),
    ],
)
def test_a_body_may_hold_so_many_values_and_no_more(make, allowed):
    """A comma in a string is none of them; an empty array counts twice."""
    if allowed:
        assert parse_object(make(allowed), max_depth=5)
    with pytest.raises(InvalidRequest, match="more than 20000 values"):
        parse_object(make(MAX_VALUES + 1), max_depth=5)


def test_text_is_one_value_however_long():
    text = ",[{" * 200_000

    assert parse_object(b'{"x": "' + text.encode() + b'"}', max_depth=5) == {"x": text}


def test_the_name_that_is_given_twice_is_found_among_thousands():
    body = b"{" + b",".join(b'"%06d":0' % i for i in range(16_000)) + b',"000000":0}'

    with pytest.raises(InvalidRequest, match="'000000' is given twice"):
        parse_object(body, max_depth=5)


@pytest.mark.parametrize(
    ("digits", "said"), [(309, "not JSON"), (310, "out of range at position 6")]
)
def test_a_long_integer_is_found_before_it_is_read(digits, said):
    body = b'{"x":[' + b",".join([b"9" * digits] * 50) + b"!"

    with pytest.raises(InvalidRequest, match=said):
        parse_object(body, max_depth=5)


@pytest.mark.parametrize(
    "body",
    [
        b'{"x":1.%s}' % (b"3" * 9_000),
        b'{"x":%se-9000}' % (b"3" * 9_000),
        b'{"x":"%s"}' % (b"3" * 9_000),
    ],
)
def test_long_numbers_that_are_no_integers_are_read(body):
    assert parse_object(body, max_depth=5)["x"] is not None


@pytest.mark.parametrize("body", [b'{"e": "x"}', b"{"])
def test_the_body_of_a_request_is_parsed_once(body):
    """It is asked for anew when something was fetched for the request, or an error is told."""
    request = Request("POST", "/bucketer", body=body)
    outcomes = []
    for _ in range(2):
        try:
            outcomes.append(parsed_body(request, 5))
        except InvalidRequest as error:
            outcomes.append(error)
        request.body = b""

    assert outcomes[0] is outcomes[1]
