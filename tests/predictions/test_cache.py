import pytest

from bucketer.core.user import Prediction
from bucketer.predictions.cache import CAPACITY, LONGEST, MAX_AGE_S, Cache, fingerprint, key_of

ONE = Prediction("1", "uuid-1")
TWO = Prediction("2", "uuid-2")


def test_a_prediction_is_found_under_its_key_and_attributes():
    cache = Cache()
    cache.save("k", "seen", ONE, now=0.0)

    assert ONE is cache.lookup("k", "seen", now=1.0)
    assert None is cache.lookup("other", "seen", now=1.0)


@pytest.mark.parametrize(("age_s", "found"), [(0, True), (1799.999, True), (1800, False)])
def test_it_is_kept_for_just_under_half_an_hour(age_s, found):
    """The SDK's bound: as old as the time-out is too old. Being used doesn't make it younger."""
    cache = Cache()
    cache.save("k", "seen", ONE, now=100.0)
    cache.lookup("k", "seen", now=100.0 + age_s / 2)

    assert found is (cache.lookup("k", "seen", now=100.0 + age_s) is not None)
    assert found is bool(len(cache))


def test_other_attributes_forget_it_even_if_no_new_one_comes():
    cache = Cache()
    cache.save("k", "seen", ONE, now=0.0)

    assert None is cache.lookup("k", "seen otherwise", now=1.0)
    assert None is cache.lookup("k", "seen", now=1.0)


@pytest.mark.parametrize(("others", "found"), [(2, True), (3, False)])
def test_the_one_not_used_for_longest_makes_room(others, found):
    cache = Cache(capacity=3)
    cache.save("k", "seen", ONE, now=0.0)
    for number in range(others):
        cache.save(str(number), "seen", TWO, now=0.0)

    assert found is (cache.lookup("k", "seen", now=0.0) is not None)


def test_looking_it_up_is_using_it():
    cache = Cache(capacity=2)
    cache.save("a", "seen", ONE, now=0.0)
    cache.save("b", "seen", TWO, now=0.0)
    cache.lookup("a", "seen", now=0.0)
    cache.save("c", "seen", TWO, now=0.0)

    assert ONE is cache.lookup("a", "seen", now=0.0)
    assert None is cache.lookup("b", "seen", now=0.0)


def test_one_or_all_can_be_forgotten():
    cache = Cache()
    for key in "abc":
        cache.save(key, "seen", ONE, now=0.0)
    cache.remove("a")
    cache.remove("was never there")

    assert 2 == len(cache)

    cache.reset()

    assert 0 == len(cache)


def test_the_bounds_are_the_sdks():
    assert (10_000, 1800.0) == (CAPACITY, MAX_AGE_S)


def test_users_and_rules_can_not_be_mistaken_for_one_another():
    """Without the length, user `1-2` of rule `3` would be user `1` of rule `2-3`."""
    assert "3-1-2-3" == key_of("1-2", "3")
    assert key_of("1", "2-3") != key_of("1-2", "3")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"1": "a", "2": "b"}, {"2": "b", "1": "a"}, True),
        ({"1": 1}, {"1": 1.0}, False),
        ({"1": 1}, {"1": True}, False),
        ({"1": 1}, {"1": "1"}, False),
        ({"1": None}, {}, False),
        ({"1": "é"}, {"1": "é"}, True),
    ],
)
def test_attributes_count_by_value_and_not_by_order(one, other, same):
    assert same is (fingerprint(one) == fingerprint(other))


def test_a_value_without_a_json_form_has_no_fingerprint():
    with pytest.raises(TypeError):
        fingerprint({"1": {1, 2}})


@pytest.mark.parametrize(("chars", "whole"), [(LONGEST - 5, True), (LONGEST - 4, False)])
def test_a_long_id_is_named_by_its_digest(chars, whole):
    """A hundred thousand times a megabyte is more than any worker has."""
    key = key_of("u" * chars, "3")  # its length before it, the rule's id behind it

    assert whole == ("u" * chars in key)
    assert key != key_of("u" * (chars - 1) + "v", "3")
    assert key_of("u" * 1_000_000, "3") == key_of("u" * 1_000_000, "3")
    assert len(key_of("\U0001f600" * 250_000, "3" * 10_000)) < 100
