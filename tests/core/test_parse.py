"""Bytes in, a datafile out, or a clear refusal."""

import gzip
import json

import pytest

from bucketer.core.errors import InvalidDatafile, UnsupportedVersion
from bucketer.core.parse import LONG_CHARACTERS, _load_in_pieces, parse_datafile

WHOLE = {
    "version": "4",
    "revision": "22",
    "projectId": "1",
    "accountId": "2",
    "experiments": [],
    "groups": [],
    "events": [],
    "audiences": [],
    "attributes": [],
}


def text(**changes):
    """The smallest whole datafile, with these fields changed; `...` takes a field away."""
    changed = {**WHOLE, **changes}
    return json.dumps({name: value for name, value in changed.items() if value is not ...})


def test_the_smallest_datafile_is_read():
    assert parse_datafile(text()) == WHOLE


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_each_known_version_is_read(version):
    assert parse_datafile(text(version=version))["version"] == version


@pytest.mark.parametrize("version", ["1", "5", "", "4.0", " 4"])
def test_any_other_version_is_refused_by_name(version):
    with pytest.raises(UnsupportedVersion) as refused:
        parse_datafile(text(version=version))

    assert json.dumps(version) in str(refused.value)
    assert refused.value.code == "unsupported_version"


@pytest.mark.parametrize("name", WHOLE)
def test_every_required_field_is_missed_by_its_pointer(name):
    with pytest.raises(InvalidDatafile) as refused:
        parse_datafile(text(**{name: ...}))

    assert refused.value.pointer == f"/{name}"
    assert refused.value.found == "nothing"


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize(("value", "found"), [(None, "null"), (4, "a number"), ({}, "an object")])
def test_a_required_field_of_the_wrong_type_is_refused(name, value, found):
    with pytest.raises(InvalidDatafile) as refused:
        parse_datafile(text(**{name: value}))

    assert (refused.value.pointer, refused.value.found) == (f"/{name}", found)


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("", "nothing"),
        (b"  \n", "nothing"),
        ("{", "expecting property name enclosed in double quotes at line 1, column 2"),
        ("[]", "an array"),
        ('"s"', "a string"),
        ("null", "null"),
        (b"\xff\xfe\xff", "text that is not valid Unicode or a number too long to read"),
        ("[" * 100_000, "nesting too deep to read"),
        ("<html>the CDN is having a day</html>", "HTML or XML"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE HTML><title>Log in to this network", "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
        (
            gzip.compress(b"{}", mtime=0),
            "gzip; unpack it, or serve it with `Content-Encoding: gzip`",
        ),
        (b"\x28\xb5\x2f\xfd\x24", "zstd; it must be JSON, or gzip that says so"),
        (b"PK\x03\x04datafile.json", "a zip archive"),
        ("moved", "text that is not JSON: expecting a value at line 1, column 1"),
        ('{"a', "text that is not JSON: unterminated string starting at line 1, column 2"),
    ],
)
def test_what_is_no_datafile_at_all_says_what_it_is(raw, found):
    with pytest.raises(InvalidDatafile) as refused:
        parse_datafile(raw)

    assert found in refused.value.found


def test_bytes_may_start_with_a_byte_order_mark():
    assert parse_datafile(b"\xef\xbb\xbf" + text().encode()) == WHOLE


def test_text_may_not():
    with pytest.raises(InvalidDatafile):
        parse_datafile("\ufeff" + text())


def test_half_a_character_is_refused_since_it_can_be_neither_hashed_nor_sent():
    with pytest.raises(InvalidDatafile) as refused:
        parse_datafile(text(revision="\ud800").encode())

    assert refused.value.found == "a lone surrogate"


@pytest.mark.parametrize(
    "raw",
    [
        text(revision="@").encode().replace(b"@", b"\xed\xa0\x80"),
        text(revision="@").encode("utf-16").replace("@".encode("utf-16")[2:], b"\x00\xd8"),
        text(revision="\ud800").encode("utf-16"),
        text(revision="\ud800").encode("utf-32"),
        text(revision="@").replace("@", "\ud800"),
    ],
    ids=["UTF-8", "UTF-16", "spelled in UTF-16", "spelled in UTF-32", "a caller's text"],
)
def test_half_a_character_is_refused_in_every_encoding(raw):
    with pytest.raises(InvalidDatafile):
        parse_datafile(raw)


def test_a_whole_character_spelled_as_a_pair_is_welcome():
    assert parse_datafile(text(revision="🎉").encode())["revision"] == "🎉"


def test_the_message_never_shows_a_value():
    with pytest.raises(InvalidDatafile) as refused:
        parse_datafile(text(experiments="a-secret"))

    assert "a-secret" not in str(refused.value)


# -------------------------------------------------------------------- in pieces

LONG = json.dumps({**WHOLE, "padding": "x" * LONG_CHARACTERS})


@pytest.mark.parametrize("indent", [None, 0, 3])
def test_a_long_document_is_read_as_a_short_one_would_be(indent):
    several = {**WHOLE, "events": [{"id": str(each), "in": [[], {}, [each]]} for each in range(9)]}
    several |= {"padding": ["x" * LONG_CHARACTERS], "empty": [], "spaced": {}, "none": None}
    document = json.dumps(several, indent=indent).replace("[]", "[ \n]")

    assert json.loads(document) == parse_datafile(document) == _load_in_pieces(document)


@pytest.mark.parametrize(
    "twice", ['{"events": [1], "events": [2, 3]}', '{"a": 1, "a": [2]}', '{"a": [1], "a": {}}']
)
def test_of_a_name_that_is_there_twice_the_last_one_counts_in_pieces_too(twice):
    assert json.loads(twice) == _load_in_pieces(twice)


@pytest.mark.parametrize(
    "cut",
    [
        LONG[:-1],
        LONG + "x",
        LONG[1:],
        LONG.replace('"events": []', '"events": [1,]'),
        LONG.replace('"events": []', '"events": [1 2]'),
        LONG.replace('"events": []', '"events": [,]'),
        LONG.replace('"events": []', '"events" []'),
        LONG.replace('"events": []', "5: []"),
        LONG.replace('"events": []', '"events": ['),
        "[" + LONG + "]" * 2,
    ],
)
def test_a_long_document_that_is_none_is_told_as_a_short_one_would_be(cut):
    with pytest.raises(InvalidDatafile) as refused:
        parse_datafile(cut)
    with pytest.raises(json.JSONDecodeError) as plain:
        json.loads(cut)

    where = f"at line {plain.value.lineno}, column {plain.value.colno}"
    assert refused.value.found.endswith(where)


def test_a_long_list_is_no_datafile():
    with pytest.raises(InvalidDatafile) as refused:
        parse_datafile(json.dumps(["x" * LONG_CHARACTERS]))

    assert "an array" == refused.value.found


def test_the_depth_of_a_long_document_is_told():
    deep = LONG[:-1] + ', "deep": ' + "[" * 100_000
    with pytest.raises(InvalidDatafile, match="nesting too deep"):
        parse_datafile(deep)
