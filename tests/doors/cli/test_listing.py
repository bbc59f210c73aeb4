"""`bucketer list`: every key that can be asked for."""

import json

import pytest
from tests.fakes.terminals import Kept


def test_every_key_is_listed_by_kind():
    kept = Kept("list", "--json")

    keys = {kind: [each["key"] for each in kept.json[kind]] for kind in list(kept.json)[2:]}
    assert {
        "flags": ["checkout_flow", "search", "free_shipping"],
        "experiments": [
            "checkout_flow_experiment",
            "search_ranking_experiment",
            "search_synonyms_experiment",
        ],
        "attributes": ["tier", "member_since_days", "country", "app_version", "beta_tester"],
        "events": ["purchase", "add_to_cart"],
    } == keys
    assert "the demonstration datafile (DATAFILE_URL is not set)" == kept.json["source"]


@pytest.mark.parametrize("kind", ["flags", "experiments", "attributes", "events"])
def test_one_kind_can_be_asked_for(kind):
    assert {"source", "revision", kind} == Kept("list", kind, "--json").json.keys()


def test_what_an_experiment_is_and_has_is_told_in_words():
    told = " ".join(Kept("list", "experiments").out.split())

    assert "checkout_flow_experiment Running; flags checkout_flow; variations " in told
    assert told.endswith("revision 22: 3 experiments.")


def test_each_command_names_the_datafile_that_it_used(tmp_path, demonstration):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(demonstration))
    asked = ("-e", "checkout_flow_experiment", "-u", "ada")

    for argv in (
        ("list", "-d", str(path)),
        ("lint", str(path)),
        ("verify", str(path), "--users", "1"),
        ("decide", *asked, "-d", str(path)),
    ):
        assert str(path) in Kept(*argv).out, argv


def test_demonstration_is_a_place_whatever_the_settings_say():
    elsewhere = {"DATAFILE_URL": "http://127.0.0.1:9/none.json"}

    for argv in (("list", "-d", "demonstration"), ("lint", "demonstration")):
        kept = Kept(*argv, **elsewhere)
        assert (0, True) == (kept.status, "The demonstration datafile, rev" in kept.out), argv
    assert 0 == Kept("list", BUCKETER_DATAFILE="demonstration").status
