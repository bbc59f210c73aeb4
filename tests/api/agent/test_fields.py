"""Bodies as Go's decoder takes them."""

import pytest

from bucketer.api.agent.fields import (
    FLAG,
    OBJECT,
    OBJECTS,
    TEXT,
    TEXT_MAP,
    TEXTS,
    Shape,
    Unreadable,
    fold,
    objects,
    read_fields,
)
from bucketer.api.agent.go_json import go_json

SHAPE = Shape(userId=TEXT, on=FLAG, map=OBJECT, list=TEXTS, all=OBJECTS, ids=TEXT_MAP)
NOTHING = {"userId": "", "on": False, "map": {}, "list": [], "all": [], "ids": {}}


def read(body):
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    return read_fields(raw, 32, SHAPE)


@pytest.mark.parametrize("body", ["", "null", "{}", " {}\n", '{"other": {"userId": "x"}}'])
def test_nothing_is_given(body):
    assert read(body) == NOTHING


@pytest.mark.parametrize("name", ["userId", "USERID", "userid", "u\u017fer\u0049d"])
def test_names_match_in_any_case(name):
    assert read(f'{{"{name}": "ben"}}')["userId"] == "ben"


def test_the_last_of_two_wins_and_null_changes_no_text():
    assert read('{"userId": "a", "USERID": "b"}')["userId"] == "b"
    assert read('{"userId": "a", "userId": null}')["userId"] == "a"


def test_two_objects_are_joined_and_null_empties_them():
    assert read('{"map": {"a": 1}, "map": {"b": 2}}')["map"] == {"a": 1, "b": 2}
    assert read('{"map": {"a": 1}, "map": null}')["map"] == {}


@pytest.mark.parametrize("name", ["map", "ids"])
def test_of_many_objects_by_one_name_each_entry_is_touched_once(name):
    found = SHAPE.nothing()
    kept = found[name]
    fold(found, ((name, (("a", "1"),)), (name, (("b", "2"),))), SHAPE)
    assert found[name] is kept
    assert kept == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    "body",
    [
        " ",
        '{"userId": "a"}x',
        "x",
        "[]",
        '"text"',
        "1",
        "{} {}",
        "{},",
        '{"userId": 1}',
        '{"userId": ["a"]}',
        '{"on": "true"}',
        '{"on": 1}',
        '{"map": []}',
        '{"map": "x"}',
        '{"map": {"a": 1e999}}',
        '{"map": {"a": NaN}}',
        '{"list": {}}',
        '{"list": [1]}',
        '{"all": {}}',
        '{"ids": {"a": 1}}',
        '{"userId": "a\nb"}',
        "\ufeff{}",
        '{"map": ' + "[" * 40 + "]" * 40 + "}",
        b"{\xff}",
    ],
)
def test_what_is_no_body_is_refused(body):
    with pytest.raises(Unreadable):
        read(body)


def test_bytes_that_are_no_utf8_and_lone_surrogates_become_the_replacement():
    assert read(b'{"userId": "a\xe2\x82b", "map": {"\\ud800": "\\ud83d\\ude00"}}') == {
        **NOTHING,
        "userId": "a\ufffd\ufffdb",
        "map": {"\ufffd": "\U0001f600"},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1.0", 1), ("2.5", 2.5), ("9007199254740993", 9007199254740992.0), ("1e20", 1e20)],
)
def test_numbers_are_doubles(text, value):
    found = read(f'{{"map": {{"n": {text}}}}}')["map"]["n"]
    assert found == value
    assert isinstance(found, int) is (value in {1, 9007199254740992})


@pytest.mark.parametrize("text", ["-0", "-0.0", "-0e9", "-1e-400", "0", "0.0", "1e-400"])
def test_a_zero_keeps_its_sign(text):
    assert go_json(read(f'{{"map": {{"n": {text}}}}}')["map"]) == f'{{"n":{"-" * (text < "0")}0}}'


def test_null_in_a_list_of_texts_is_an_empty_one():
    assert read('{"list": [null, "a"], "ids": {"a": null}}')["list"] == ["", "a"]


def test_structures_in_a_list_are_read_alike():
    shape = Shape(flagKey=TEXT)
    found = read('{"all": [{"FLAGKEY": "a"}, null]}')["all"]
    assert objects(found, shape) == [{"flagKey": "a"}, {"flagKey": ""}]
    with pytest.raises(Unreadable):
        objects(read('{"all": [1]}')["all"], shape)
