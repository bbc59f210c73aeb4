"""`bucketer verify`: equal, different, refused, reproducible."""

import json

import pytest
from tests.fakes.terminals import Kept


@pytest.fixture
def verify(tmp_path):
    """Write a datafile and verify it."""

    def run(datafile, *options):
        path = tmp_path / "datafile.json"
        path.write_text(json.dumps(datafile))
        return Kept("verify", str(path), "--users", "30", *options)

    return run


@pytest.fixture
def differing(demonstration):
    """A datafile with what we set aside and the SDK takes: a delivery rule whose id is no text."""
    demonstration["rollouts"][0]["experiments"][-1]["id"] = 5
    return demonstration


def test_the_demonstration_decides_the_same(demonstration, verify):
    kept = verify(demonstration)

    assert 0 == kept.status
    assert kept.lines[-1].startswith("Equal: ")
    assert "30 visitors, seed 1" in kept.lines[-1]
    assert "30 of 30" in kept.err


def test_json_is_for_programs(demonstration, verify):
    kept = verify(demonstration, "--json", "--seed", "7")

    assert 0 == kept.status
    assert (True, 7, 30, 0, []) == tuple(
        kept.json[name] for name in ("equal", "seed", "users", "differing", "differences")
    )
    assert kept.json["comparisons"] > 30 * 8


def test_differences_are_shown_in_full_and_fail(differing, verify):
    kept = verify(differing)

    assert 1 == kept.status
    assert "differences in" in kept.out
    shown = kept.out.split("\n\n")[0]
    assert ["Visitor", "user", "here", "SDK"] == [line.split()[0] for line in shown.splitlines()]
    assert "activate('default-rollout-" in shown


def test_differences_are_the_same_every_time(differing, verify):
    first, again = (verify(differing, "--json") for _ in range(2))

    assert 1 == first.status
    assert first.json == again.json
    assert 5 == len(first.json["differences"]) <= first.json["differing"]


def test_a_datafile_that_the_sdk_refuses_is_told(demonstration, verify):
    demonstration["featureFlags"][0]["experimentIds"] = ["404"]

    kept = verify(demonstration)

    assert 1 == kept.status
    assert "the official SDK refuses the datafile" in kept.err
    assert "  error: /featureFlags/0/experimentIds/0: " in kept.err


def test_only_the_first_parts_that_it_may_stumble_over_are_named_errors_first(
    demonstration, verify
):
    for each in demonstration["experiments"]:
        each["layerId"] = 5
    demonstration["featureFlags"][0]["experimentIds"] = ["404"] * 2
    demonstration["events"] = [{"key": str(number)} for number in range(6)]

    told = verify(demonstration).err.splitlines()

    named = [line for line in told if line.startswith("  error: ")]
    assert 5 == len(named)
    assert told[-1].startswith("  and ")


def test_the_same_for_programs(demonstration, verify):
    demonstration["featureFlags"][0]["experimentIds"] = ["404"]

    kept = verify(demonstration, "--json")

    assert (1, None) == (kept.status, kept.json["equal"])
    assert "the official SDK refuses the datafile" in kept.json["error"]["message"]
    assert ["/featureFlags/0/experimentIds/0"] == [
        each["pointer"] for each in kept.json["diagnostics"]
    ]


def test_a_document_that_is_no_datafile_is_refused_too(verify):
    text, data = verify([]), verify([], "--json")

    assert (1, 1, None, []) == (
        text.status, data.status, data.json["equal"], data.json["diagnostics"],
    )  # fmt: skip
    assert text.err.startswith("bucketer: invalid_datafile: ")


def test_answers_that_the_sdk_owes_are_counted_and_are_no_difference(demonstration, verify):
    demonstration["typedAudiences"].append({"id": "odd", "name": "odd", "conditions": ["or", []]})
    demonstration["experiments"][0].update(audienceIds=["odd"], audienceConditions=None)
    demonstration["experiments"][0]["forcedVariations"] = {}

    kept = verify(demonstration)

    assert 0 == kept.status
    assert "more answers the official SDK owes" in kept.out
    assert 0 < verify(demonstration, "--json").json["sdk_raised"]


@pytest.mark.parametrize("users", ["0", "-1", "many"])
def test_the_number_of_users_is_a_number_from_one(users, capsys):
    assert 2 == Kept("verify", "--users", users).status
