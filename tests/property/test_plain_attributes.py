"""The quick way to read attributes gives what the thorough one gives, or leaves it to that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketer.api.bucketer.attributes import _parse_list, _parse_plain_list, parse_attributes

PIECES = ["a", "b1", "é", "$opt", ":", ":", ",", ",", '"', '"', "\\", " ", "0", "12", "٣", "-", ".",
          "true", "null", "NaN", "{", "}", "[", "\n", "x y", '"quoted"', '"with, comma"', "1e5"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_the_quick_way_agrees_wherever_it_answers(text):
    quick = _parse_plain_list(text)
    if quick is None:
        return

    thorough = _parse_list(text)

    assert quick == thorough
    assert list(map(type, quick.values())) == list(map(type, thorough.values()))
    assert list(quick) == list(thorough)


@pytest.mark.parametrize(
    "text",
    ['tier:"platinum",member_since_days:56', "tier:platinum,beta:true,gone:null,days:7", 'a:""'],
)
def test_what_programs_send_goes_the_quick_way(text):
    assert _parse_plain_list(text) == parse_attributes(text)


@pytest.mark.parametrize(
    "text",
    ["", "a", 'a:"x', 'a:"x,y"', 'a:"\\n"', "a:007", "a:٣", "a:1.5", "a:-1", " a:1", "$opt:1",
     "a:" + "1" * 16, 'a:"x"y', "a:b c", '{"a": 1}', "a:"],
)  # fmt: skip
def test_anything_else_is_left_to_the_thorough_way(text):
    assert _parse_plain_list(text) is None
