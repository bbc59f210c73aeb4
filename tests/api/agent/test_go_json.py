"""JSON as Go writes it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketer.api.agent.go_json import Fields, NoJson, document, go_json


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        (1.5, "1.5"),
        (-2.0, "-2"),
        (0.0001, "0.0001"),
        (0.00001, "0.00001"),
        (0.000001, "0.000001"),
        (0.0000001, "1e-7"),
        (1.5e-10, "1.5e-10"),
        (1e16, "10000000000000000"),
        (123456789012345678, "123456789012345680"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
    ],
)
def test_a_number_is_written_as_a_double_of_gos(number, text):
    assert go_json(number) == text


@pytest.mark.parametrize(
    ("number", "word"), [(float("inf"), "+Inf"), (float("-inf"), "-Inf"), (float("nan"), "NaN")]
)
def test_a_number_that_json_lacks_is_refused_by_its_name(number, word):
    with pytest.raises(NoJson) as refused:
        go_json([number])
    assert refused.value.word == word


def test_what_html_could_misread_is_escaped():
    assert go_json("<a>&\u2028\u2029\x01\ud800") == (
        '"\\u003ca\\u003e\\u0026\\u2028\\u2029\\u0001\\ufffd"'
    )


def test_maps_are_in_order_and_structures_in_their_own():
    assert go_json({"b": 1, "a": None}) == '{"a":null,"b":1}'
    assert go_json(Fields(b=1, a=[True, {}])) == '{"b":1,"a":[true,{}]}'


def test_a_document_ends_with_a_line():
    assert document({"ü": False}) == '{"ü":false}\n'.encode()


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_whatever_is_written_reads_as_it_was(value):
    assert json.loads(go_json(value), parse_int=float) == value
