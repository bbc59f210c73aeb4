"""The `a` parameter, sentence by sentence of its grammar (docs/http-api.md)."""

from __future__ import annotations

import contextlib
import json
import time

import pytest

from bucketer.api.bucketer.attributes import check_attributes, parse_attributes
from bucketer.core.errors import InvalidRequest

#: The largest integer that is not beyond a double, and the first that is.
LARGEST = int(1.7976931348623157e308)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the first one that the README shows
        ('tier:"platinum",member_since_days:56', {"tier": "platinum", "member_since_days": 56}),
        # nothing
        ("", {}),
        ("  \t\n", {}),
        (",", {}),
        (" , ,", {}),
        ("a:1,,b:2", {"a": 1, "b": 2}),
        ("a:1,", {"a": 1}),
        (",a:1", {"a": 1}),
        # words
        ("a:true,b:false,c:null", {"a": True, "b": False, "c": None}),
        ("a:True,b:nul,c:nulls", {"a": "True", "b": "nul", "c": "nulls"}),
        ("a:NaN,b:Infinity,c:-Infinity", {"a": "NaN", "b": "Infinity", "c": "-Infinity"}),
        # plain strings
        ("tier:platinum", {"tier": "platinum"}),
        ("version:2.1.0", {"version": "2.1.0"}),
        ("time:12:30", {"time": "12:30"}),
        ("a:two words", {"a": "two words"}),
        ("a:", {"a": ""}),
        ("a: ,b:1", {"a": "", "b": 1}),
        ('a:in "the" middle', {"a": 'in "the" middle'}),
        ("a:]}", {"a": "]}"}),
        ("a:\\n", {"a": "\\n"}),
        # white space around everything
        (' a : 1 , b : "x" , c : d e ', {"a": 1, "b": "x", "c": "d e"}),
        ("a\t:\n1", {"a": 1}),
        ("a\u00a0:\u00a0b\u00a0", {"a": "b"}),
        # keys
        ("two words:1", {"two words": 1}),
        ('"quoted":1', {"quoted": 1}),
        ('"with, comma: and colon":1', {"with, comma: and colon": 1}),
        ('"esc\\u0041ped" : 1', {"escAped": 1}),
        ('" ":1', {" ": 1}),
        ('in"side:1', {'in"side': 1}),
        ("ключ:значение", {"ключ": "значение"}),
        # strings
        ('a:"x,y:z"', {"a": "x,y:z"}),
        ('a:""', {"a": ""}),
        ('a:"\\"\\\\\\/\\b\\f\\n\\r\\t"', {"a": '"\\/\b\f\n\r\t'}),
        ('a:"\\u00e9"', {"a": "é"}),
        ('a:"\\ud83d\\ude00"', {"a": "😀"}),
        ('a:" kept "', {"a": " kept "}),
        ('a:"line\nbreak"', {"a": "line\nbreak"}),
        # the last of two equal keys wins, and its kind with it
        ("a:1,a:2", {"a": 2}),
        ('a:1,"a":x', {"a": "x"}),
        # the object form
        ('{"a": 1, "b": "x", "c": true, "d": null}', {"a": 1, "b": "x", "c": True, "d": None}),
        ("{}", {}),
        (" { } ", {}),
        (' {"a" : 1.0 } ', {"a": 1.0}),
        ('{"a":1,"a":2}', {"a": 2}),
        ('{"a": NaN, "b": -Infinity}', {"a": "NaN", "b": "-Infinity"}),
        ('{"a": ""}', {"a": ""}),
        ('{"x,y": "{:}"}', {"x,y": "{:}"}),
    ],
)
def test_readable_text_gives_attributes(text, expected):
    """Both forms, every kind of value, white space and empty items."""
    assert parse_attributes(text) == expected


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("0", 0),
        ("-0", 0),
        ("56", 56),
        ("-56", -56),
        ("56.0", 56.0),
        ("-0.0", -0.0),
        ("1e2", 100.0),
        ("1E+2", 100.0),
        ("1.5e-3", 0.0015),
        ("9007199254740993", 9007199254740993),
        (str(LARGEST), LARGEST),
        (str(-LARGEST), -LARGEST),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("1e-400", 0.0),
    ],
)
@pytest.mark.parametrize("form", ["a:%s", '{"a":%s}', " a : %s ,b:1"])
def test_numbers_keep_their_json_kind(digits, expected, form):
    """`56` is an integer, `56.0` is not."""
    number = parse_attributes(form % digits)["a"]

    assert number == expected
    assert type(number) is type(expected)


@pytest.mark.parametrize("text", ["01", "+1", "1.", ".5", "1e", "0x10", "1_000", "--1", "1 2", "٣"])
def test_what_only_looks_like_a_number_is_a_plain_string(text):
    """JSON's grammar decides, not Python's."""
    assert parse_attributes(f"a:{text}") == {"a": text}


@pytest.mark.parametrize(
    ("text", "position", "what", "found"),
    [
        # no colon
        ("a", 0, "no colon", "'a'"),
        ("a:1,b", 4, "no colon", "'b'"),
        ("a:1, b ,c:2", 5, "no colon", "'b ,c:2'"),
        ('"a"', 0, "no colon", "'\"a\"'"),
        ('"a" ,b:1', 0, "no colon", "'\"a\" ,b:1'"),
        ("[1]", 0, "no colon", "'[1]'"),
        # empty key
        (":1", 0, "an empty key", "':1'"),
        ("a:1, :2", 5, "an empty key", "':2'"),
        ('"":1', 0, "an empty key", "'\"\":1'"),
        # unterminated string
        ('"a', 0, "an unterminated string", "'\"a'"),
        ('a:"x', 2, "an unterminated string", "'\"x'"),
        ('a:"x,b:1', 2, "an unterminated string", "'\"x,b:1'"),
        ('a:"x\\"', 2, "an unterminated string", "'\"x\\\"'"),
        # text after a closing quote
        ('a:"x"y', 5, "text after a closing quote", "'y'"),
        ('a:"x" y,b:1', 6, "text after a closing quote", "'y,b:1'"),
        ('"a"b:1', 3, "text after a closing quote", "'b:1'"),
        # an array or object
        ("a:[1]", 2, "an array", "'[1]'"),
        ("a: [", 3, "an array", "'['"),
        ('a:{"x":1}', 2, "an object", "'{\"x\":1}'"),
        # strings that are not strings
        ('a:"\\x"', 3, "a bad escape", "'\\x\"'"),
        ('a:1,b:"ok\\u12"', 9, "a bad escape", "'\\u12\"'"),
        ('a:"\\ud800"', 2, "a lone surrogate", "'\"\\ud800\"'"),
        ('a:"\\udc00\\ud800"', 2, "a lone surrogate", "'\"\\udc00\\ud800\"'"),
        ('"\\udfff":1', 0, "a lone surrogate", "'\"\\udfff\":1'"),
        # numbers beyond a double
        ("a:1e309", 2, "a number that is too large", "'1e309'"),
        (f"a:-{LARGEST * 10}", 2, "a number that is too large", "'-17976931348623157081452"),
        ("a:" + "9" * 5_000, 2, "a number that is too large", "'999999999999999999999999…'"),
        # the object form
        ('{"a":[1]}', 5, "an array", "'[1]}'"),
        ('{"a":{}}', 5, "an object", "'{}}'"),
        ('{"a":x}', 5, "no JSON value", "'x}'"),
        ('{"a":01}', 5, "no JSON value", "'01}'"),
        ('{"a":1,}', 7, "no key in quotes", "'}'"),
        ("{a:1}", 1, "no key in quotes", "'a:1}'"),
        ('{"a"', 4, "no colon after the key", "the end of the text"),
        ('{"a" 1}', 5, "no colon after the key", "'1}'"),
        ('{"a":1', 6, "no comma or closing brace", "the end of the text"),
        ('{"a":true "b":1}', 10, "no comma or closing brace", "'\"b\":1}'"),
        ('{"a":-}', 5, "no JSON value", "'-}'"),
        ("{", 1, "no key in quotes", "the end of the text"),
        ('{"a', 1, "an unterminated string", "'\"a'"),
        ('{"a":"x', 5, "an unterminated string", "'\"x'"),
        ('{"a":"x"y}', 8, "text after a closing quote", "'y}'"),
        ('{"":1}', 1, "an empty key", "'\"\":1}'"),
        ('{"a":1} x', 8, "text after the closing brace", "'x'"),
        ('{"a":"\\ud800"}', 5, "a lone surrogate", "'\"\\ud800\"}'"),
        ('{"a":"\\q"}', 6, "a bad escape", "'\\q\"}'"),
        ('{"a":1e999}', 5, "a number that is too large", "'1e999}'"),
    ],
)
def test_unreadable_text_is_refused_where_it_is_wrong(text, position, what, found):
    """The error names the position and the text there."""
    with pytest.raises(InvalidRequest) as caught:
        parse_attributes(text)

    assert caught.value.position == position
    assert caught.value.field == "a"
    assert f"at position {position}: {what}" in str(caught.value)
    assert f"found {found}" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '"' * 8_000,
        " " * 8_000 + "x",
        "a" + " " * 8_000,
        'a:"\\' * 2_000,
        "a:" * 4_000,
        '"a" ' * 2_000,
        "a:" + " " * 8_000 + '"',
        "a:" + "1" * 7_000 + "x",
        'a:"' + '\\"' * 4_000,
        "{" + " " * 8_000,
        '{"a":' + " " * 8_000 + "x",
        "a:" + "[" * 8_000,
        "a:1" + " ," * 4_000 + "x",
    ],
)
def test_hostile_text_is_read_in_linear_time(text):
    """A pattern that goes back over what it read would need seconds for these."""
    started = time.process_time()

    with contextlib.suppress(InvalidRequest):
        parse_attributes(text)

    assert time.process_time() - started < 2


@pytest.mark.parametrize("value", ["x", "", 1, -1.5, True, False, None, LARGEST, "é😀"])
def test_attributes_of_a_json_body_may_have_any_flat_value(value):
    """`json` has parsed them, so only kinds are checked."""
    check_attributes({"a": value})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"a": [1]}, "Attribute at /a/a is an array; give"),
        ({"a": {}}, "/a/a is an object"),
        ({"ok": 1, "b/c~d": []}, "/a/b~1c~0d is an array"),
        ({"": 1}, "an empty key"),
        ({"a": "\ud800"}, "a lone surrogate"),
        ({"\ud800": 1}, "/a/\\ud800 has a lone surrogate in it"),
        ({"a": float("inf")}, "too large"),
        ({"a": LARGEST * 10}, "too large"),
        ({"a": -LARGEST * 10}, "too large"),
    ],
)
def test_attributes_of_a_json_body_are_refused_by_pointer(given, said):
    """A body has no positions that its writer could count, so the pointer is named."""
    with pytest.raises(InvalidRequest) as caught:
        check_attributes(given)

    assert said in str(caught.value)
    json.dumps(str(caught.value)).encode("ascii")
    str(caught.value).encode()
