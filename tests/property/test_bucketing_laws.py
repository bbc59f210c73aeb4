"""Laws of the traffic line: integers equal the SDK's floats, and no place is skipped."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from optimizely.bucketer import Bucketer
from optimizely.lib import pymmh3

from bucketer.core.bucketing import Allocation, bucket_of, bucket_value, hash_of, threshold

ALL = 10_000
HASHES = st.integers(0, 2**32 - 1)
ENDS = st.one_of(st.integers(0, ALL), st.floats(0, ALL))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(HASHES)
@example(0)
@example(2**32 - 1)
def test_the_integer_bucket_is_the_float_formulas(hashed):
    assert math.floor(float(hashed) / 2**32 * ALL) == bucket_of(hashed)


@given(TEXTS, TEXTS)
def test_the_hash_is_the_one_the_sdk_brings_along(bucketing_id, parent_id):
    theirs = pymmh3.hash(bucketing_id + parent_id, 1) & 0xFFFFFFFF

    assert theirs == hash_of(bucketing_id.encode(), parent_id.encode())


@given(TEXTS, TEXTS)
def test_the_bucket_is_the_sdks(bucketing_id, parent_id):
    theirs = Bucketer()._generate_bucket_value(bucketing_id + parent_id)

    assert theirs == bucket_value(bucketing_id, parent_id)


@given(HASHES, ENDS)
def test_a_bound_on_hashes_says_what_the_bound_on_buckets_says(hashed, end):
    assert (bucket_of(hashed) < end) is (hashed < threshold(end))


@given(st.lists(st.tuples(TEXTS, ENDS), max_size=8), HASHES)
def test_allocation_never_skips(entries, hashed):
    """The compiled line gives what scanning the entries for the first match gives."""
    bucket = bucket_of(hashed)
    first = next((entity for entity, end in entries if bucket < end), "")

    assert first == (Allocation(entries).entity_id(hashed) or "")


@pytest.mark.parametrize("parts", range(1, 7))
def test_each_bound_of_a_line_is_the_first_place_of_the_next_part(parts):
    """Lines of two, of up to four, and of more parts are searched in three ways."""
    line = Allocation([(str(part), 1_000 * (part + 1)) for part in range(parts)])

    for part, bound in enumerate(line.thresholds):
        assert (part, part + 1) == (line.part(bound - 1), line.part(bound))
