"""The wire format in its details; tests/parity/test_events.py has it against the official SDK."""

import json

import pytest
from tests.fakes.visitors import a_ruleset, an_impression

from bucketer.core.conversions import track
from bucketer.core.envelope import ROOM_BYTES
from bucketer.core.errors import InvalidRequest, UnknownEvent
from bucketer.core.events import (
    Event,
    batch_of,
    envelope_of,
    largest_of,
    payload,
    visitor_json,
)
from bucketer.core.user import User

USER = User("ü", {"tier": "gold"})


def sent(what, user=USER, ruleset=None):
    return json.loads(visitor_json(Event(what, user, ruleset or a_ruleset(), 17, "the-uuid")))


def attributes(given, ruleset=None):
    return [
        (each["entity_id"], each["key"], each["value"])
        for each in sent(an_impression(), User("u", given), ruleset)["attributes"]
    ]


def conversion(tags):
    ruleset = a_ruleset()
    visitor = sent(track(ruleset, "purchase", USER, tags), ruleset=ruleset)
    [event] = visitor["snapshots"][0]["events"]
    return {name: event[name] for name in ("revenue", "value", "tags") if name in event}


def test_an_impression_has_one_event_and_one_decision():
    [snapshot] = sent(an_impression(flag_key="f"))["snapshots"]

    assert snapshot == {
        "events": [
            {"entity_id": "11", "uuid": "the-uuid", "key": "campaign_activated", "timestamp": 17}
        ],
        "decisions": [
            {
                "campaign_id": "11",
                "experiment_id": "22",
                "variation_id": "33",
                "metadata": {
                    "flag_key": "f",
                    "rule_key": "checkout",
                    "rule_type": "experiment",
                    "variation_key": "blue",
                    "enabled": True,
                },
            }
        ],
    }


def test_a_conversion_has_one_event_and_no_decisions():
    ruleset = a_ruleset()

    [snapshot] = sent(track(ruleset, "purchase", USER), ruleset=ruleset)["snapshots"]

    assert snapshot == {
        "events": [{"entity_id": "5", "uuid": "the-uuid", "key": "purchase", "timestamp": 17}]
    }


def test_a_visitor_is_one_line_of_ascii():
    user = User("a\nb\u2028ü\x00", {"tier": 'c"\n'})

    text = visitor_json(Event(an_impression(), user, a_ruleset(), 1, "x"))

    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)["visitor_id"] == user.id


def test_ids_that_are_no_numbers_are_null():
    for odd in ("$opt_dummy_variation_id", "", "-1", "1.0", "\u0661", None):
        decision = sent(an_impression(variation_id=odd))["snapshots"][0]["decisions"][0]

        assert decision["variation_id"] is None


def test_a_cmab_uuid_is_sent_where_there_is_one():
    facts = sent(an_impression(cmab_uuid="c"))["snapshots"][0]["decisions"][0]["metadata"]

    assert facts["cmab_uuid"] == "c"


@pytest.mark.parametrize(
    "value", ["", "x", True, False, 0, 1.5, 2**53, -(2**53), float(2**53), -0.0]
)
def test_strings_booleans_and_finite_numbers_are_sent(value):
    assert [("9", "tier", value)] == attributes({"tier": value})


@pytest.mark.parametrize(
    "value", [None, [], {}, float("nan"), float("inf"), 2**53 + 1, -(2**53) - 1, float(2**53 + 2)]
)
def test_other_values_are_left_out(value):
    assert [] == attributes({"tier": value})


def test_kinds_of_strings_and_numbers_are_sent_as_what_they_are():
    class Text(str):
        __slots__ = ()

    class Number(int):
        def __repr__(self):
            return "Number"

    assert [("9", "tier", "t")] == attributes({"tier": Text("t")})
    assert [("9", "tier", 3)] == attributes({"tier": Number(3)})


def test_attributes_the_datafile_does_not_know_are_left_out_but_reserved_ones():
    given = {"shoe": 1, "$opt_user_agent": "ua", "tier": "gold", 5: "x"}

    assert [("$opt_user_agent", "$opt_user_agent", "ua"), ("9", "tier", "gold")] == attributes(
        given
    )


def test_an_attribute_without_an_id_is_left_out():
    assert [] == attributes({"tier": "gold"}, a_ruleset(attribute_ids={"tier": ""}))


@pytest.mark.parametrize("setting", [True, False])
def test_bot_filtering_comes_last_and_twice_if_the_user_brings_it(setting):
    ruleset = a_ruleset(bot_filtering=setting)
    name = "$opt_bot_filtering"

    assert [(name, name, "mine"), ("9", "tier", "gold"), (name, name, setting)] == attributes(
        {name: "mine", "tier": "gold"}, ruleset
    )
    assert [(name, name, setting)] == attributes({}, ruleset)


def test_keys_from_outside_cannot_fill_the_memory():
    ruleset = a_ruleset()

    for n in range(3_000):
        attributes({f"$opt_{n}": 1, "tier": "gold"}, ruleset)

    assert len(ruleset.envelope.openings) <= 1_001
    assert [("$opt_x", "$opt_x", 1)] == attributes({"$opt_x": 1}, ruleset)


@pytest.mark.parametrize("revenue", [0, -1, 10**40], ids=str)
def test_revenue_is_an_integer_of_any_size(revenue):
    assert conversion({"revenue": revenue})["revenue"] == revenue


@pytest.mark.parametrize("revenue", [1.0, "1", True, [], "", None])
def test_other_revenue_is_a_tag_only(revenue):
    assert "revenue" not in conversion({"revenue": revenue})


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1.0), (1.5, 1.5), (" 7 ", 7.0), ("1e3", 1000.0), ("1_000", 1000.0), (-0.0, -0.0)],
)
def test_value_is_whatever_makes_a_float(value, number):
    assert repr(number) == repr(conversion({"value": value})["value"])


@pytest.mark.parametrize("value", [True, False, "nan", "inf", "1e400", "1,5", "", [], {}, None])
def test_other_value_is_a_tag_only(value):
    assert "value" not in conversion({"value": value})


def test_no_tags_and_empty_tags_differ():
    assert conversion(None) == {}
    assert conversion({}) == {"tags": {}}


def test_nulls_of_four_keys_are_dropped_at_any_depth():
    tags = {
        "revenue": None,
        "sku": None,
        "list": [{"value": None, "x": None}, None],
        "tags": {"decisions": None, "tags": {"value": 1}},
    }

    assert conversion(tags)["tags"] == {
        "sku": None,
        "list": [{"x": None}, None],
        "tags": {"tags": {"value": 1}},
    }


def a_loop():
    loop = []
    loop.append(loop)
    return loop


def too_deep():
    deep = []
    for _ in range(200_000):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "JSON has no word for"),
        (float("inf"), "JSON has no word for"),
        ([{"x": float("nan")}], "JSON has no word for"),
        ({1, 2}, "is not JSON"),
        (b"x", "is not JSON"),
        pytest.param(10**5_000, "JSON has no word for", id="an endless number"),
        pytest.param(a_loop(), "or itself", id="a list in itself"),
        pytest.param(too_deep(), "nested too deep", id="very deep"),
    ],
)
def test_a_tag_that_cannot_be_sent_is_refused_by_name(value, why):
    with pytest.raises(InvalidRequest, match=why) as refused:
        track(a_ruleset(), "purchase", USER, {"fine": 1, "guilty": value})

    assert "'guilty'" in str(refused.value)
    assert refused.value.field == "tags"


def test_a_value_that_no_float_holds_is_refused():
    with pytest.raises(InvalidRequest, match="'value' is larger"):
        track(a_ruleset(), "purchase", USER, {"value": 10**400})


def test_revenue_that_json_cannot_write_is_refused():
    with pytest.raises(InvalidRequest, match="'revenue'"):
        track(a_ruleset(), "purchase", USER, {"revenue": 10**5_000})


def test_tags_whose_keys_are_no_strings_are_refused():
    with pytest.raises(InvalidRequest, match="keys must be strings"):
        track(a_ruleset(), "purchase", USER, {(1, 2): "x"})


def test_an_unknown_event_is_told_with_the_nearest():
    with pytest.raises(UnknownEvent, match="Did you mean 'purchase'"):
        track(a_ruleset(), "purchas", USER)


def test_a_payload_names_us_and_what_its_events_share():
    ruleset = a_ruleset(anonymize_ip=None)
    event = Event(an_impression(), USER, ruleset, 1, "x")

    found = json.loads(payload(batch_of(event), [visitor_json(event)] * 2))

    assert list(found) == [
        "account_id", "project_id", "revision", "client_name", "client_version", "anonymize_ip",
        "enrich_decisions", "visitors",
    ]  # fmt: skip
    assert found["client_name"] == "bucketer"
    assert found["anonymize_ip"] is None
    assert len(found["visitors"]) == 2


def test_the_version_that_is_sent_is_the_packages():
    from bucketer import __version__

    assert f'"client_version": "{__version__}"' in envelope_of(a_ruleset()).batch.head


@pytest.mark.parametrize(
    ("region", "expected"), [("US", "US"), ("eu", "EU"), ("", "US"), (None, "US"), ("MARS", "US")]
)
def test_a_region_nobody_knows_is_the_us(region, expected):
    assert expected == envelope_of(a_ruleset(region=region)).batch.region


def test_another_client_may_be_named_to_compare_with_it():
    head = envelope_of(a_ruleset(), "python-sdk", "5.7.0").batch.head

    assert '"client_name": "python-sdk", "client_version": "5.7.0"' in head


@pytest.mark.parametrize("start", ["$opt_", "plain_"])
def test_keys_that_nobody_knows_are_remembered_up_to_so_many_bytes(start):
    """They come from outside: of any number, and of any length."""
    ruleset = a_ruleset()
    envelope = envelope_of(ruleset)
    known = len(envelope.openings)
    for number in range(2_000):
        attributes = {f"{start}{number}": 1, f"{start}{'x' * 100_000}{number}": 2}
        sent(track(ruleset, "purchase", User("u", attributes)), User("u", attributes), ruleset)

    kept = list(envelope.openings.items())[known:]
    assert 0 < len(kept) < 500
    assert sum(len(key) + len(opening) for key, opening in kept) <= ROOM_BYTES


class Counted(dict):
    """Attributes that count how often all of them were gone through."""

    rounds = 0

    def items(self):
        self.rounds += 1
        return super().items()


def test_the_longest_of_many_events_of_a_user_is_found_in_one_round_over_their_attributes():
    facts = Counted(tier="gold" * 1_000)
    user, ruleset = User("u", facts), a_ruleset()
    events = [Event(an_impression(), user, ruleset, 0, f"{number:08}") for number in range(9)]

    longest = largest_of(events)

    assert facts.rounds == 1
    assert longest == max(len(visitor_json(event)) for event in events)
    assert largest_of([]) == 0
