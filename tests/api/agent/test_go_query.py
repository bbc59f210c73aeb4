"""Queries as Go reads them."""

import pytest

from bucketer.api.agent.go_query import parse_go_query


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {}),
        ("&&", {}),
        ("keys=a&keys=b", {"keys": ["a", "b"]}),
        ("keys", {"keys": [""]}),
        ("keys=", {"keys": [""]}),
        ("=x", {"": ["x"]}),
        ("a=b=c", {"a": ["b=c"]}),
        ("a=1+2%20%C3%BC", {"a": ["1 2 ü"]}),
        ("%61=1", {"a": ["1"]}),
        ("a=%ff%fe", {"a": ["\ufffd\ufffd"]}),
        ("a=%zz&b=1", {"b": ["1"]}),
        ("a=%4&b=%", {}),
        ("a=1;b=2&c=3", {"c": ["3"]}),
    ],
)
def test_pairs_are_read_in_their_order_and_broken_ones_left_out(query, found):
    assert parse_go_query(query) == found
