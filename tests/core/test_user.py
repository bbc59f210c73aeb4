"""What is known of a visitor."""

import pytest

from bucketer.core.errors import InvalidUser
from bucketer.core.user import Prediction, User


def test_a_user_is_hashed_by_the_user_id():
    assert User("ü").hash_prefix == "ü".encode()


@pytest.mark.parametrize(("value", "prefix"), [("b", b"b"), ("", b"")])
def test_a_string_bucketing_id_is_hashed_instead_even_an_empty_one(value, prefix):
    assert User("a", {"$opt_bucketing_id": value}).hash_prefix == prefix


@pytest.mark.parametrize("value", [None, 5, True, ["b"], {"b": 1}, 1.5])
def test_any_other_bucketing_id_is_ignored(value):
    assert User("a", {"$opt_bucketing_id": value}).hash_prefix == b"a"


@pytest.mark.parametrize("user_id", [None, 5, b"a", ["a"]])
def test_a_user_id_must_be_a_string(user_id):
    with pytest.raises(InvalidUser) as refused:
        User(user_id)

    assert refused.value.field == "u"


def test_half_a_character_in_the_user_id_is_refused_with_its_place():
    with pytest.raises(InvalidUser) as refused:
        User("ab\ud800")

    assert (refused.value.field, refused.value.position) == ("u", 2)


def test_half_a_character_in_the_bucketing_id_is_refused_too():
    with pytest.raises(InvalidUser) as refused:
        User("a", {"$opt_bucketing_id": "x\udfff"})

    assert (refused.value.field, refused.value.position) == ("a", 1)


def test_of_most_users_nothing_else_is_known():
    user = User("a", {"tier": "gold"})

    assert user.known is None
    assert (user.segments, user.profile, user.predictions) == (None, None, None)
    assert (user.forced_decisions, user.forced_variations) == (None, None)


def test_what_is_found_out_is_added_and_the_rest_kept():
    prediction = Prediction("7", "uuid")
    user = User("a", {"tier": "gold"}, segments=["s"], profile={})

    wiser = user.knowing(predictions={"9": prediction})

    assert (wiser.id, wiser.attributes, wiser.segments, wiser.profile) == (
        "a",
        {"tier": "gold"},
        ["s"],
        {},
    )
    assert wiser.predictions == {"9": prediction}


def test_a_profile_can_be_taken_away():
    assert User("a", profile={"1": "2"}).knowing(profile=None).profile is None
