"""`GET revisions` and `POST compare`: what changed, and who switches, decided by both."""

import json

import pytest
from tests.fakes.consoles import HERE, Console
from tests.fakes.datafiles import a_datafile, experiments_of

from bucketer.core.compile import compile_datafile
from bucketer.core.decide import decide
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User

KEY = "checkout_flow_experiment"
HALVES = [
    {"entityId": "10000000601", "endOfRange": 5000},
    {"entityId": "10000000602", "endOfRange": 10_000},
]


def older_and_newer():
    older, newer = a_datafile(revision="21"), a_datafile(revision="22")
    experiments_of(newer)[0]["trafficAllocation"] = HALVES
    return older, newer


@pytest.fixture
def console(tmp_path):
    """Revision 22 is in use; 21 gave a third variation too, and had another name for one flag."""
    older, newer = older_and_newer()
    archive = tmp_path / "archive"
    archive.mkdir()
    for each in (older, newer):
        (archive / f"{each['revision']}.json").write_text(json.dumps(each))
    return Console(datafile=newer, tmp_path=tmp_path, BUCKETER_REVISIONS=str(archive))


def test_revisions_are_listed_the_newest_first_and_nothing_else_is(console, tmp_path):
    for name in ("9.json", "100.json", "a b.json", "notes.txt", "beta.json"):
        (tmp_path / "archive" / name).write_text("{}")

    told = console.get("revisions")

    assert {
        "archive": True,
        "current": "22",
        "revisions": ["100", "22", "21", "9", "beta"],
        "kept_in": "directory",
    } == told


def test_without_an_archive_nothing_is_compared():
    console = Console()

    assert {"archive": False, "current": "22", "revisions": None} == console.get("revisions")
    refused = console.post("compare", {"from": "21"}, status=404)
    assert "no_archive" == refused["error"]["code"]


def test_the_archive_is_the_default_environments_and_tells_no_other_of_it(tmp_path):
    (tmp_path / "21.json").write_text(json.dumps(a_datafile(revision="21")))
    (tmp_path / "bucketer.toml").write_text(
        'default = "prod"\n'
        '[environments.prod]\nsdk_key = "prod-key"\ndatafile = "demonstration"\n'
        '[environments.beta]\nsdk_key = "beta-key"\ndatafile = "demonstration"\n'
    )
    console = Console(
        BUCKETER_CONFIG=str(tmp_path / "bucketer.toml"), BUCKETER_REVISIONS=str(tmp_path)
    )
    console.runtime.environments.listed[0].load()

    assert console.get("revisions")["archive"]
    assert console.get("project")["archive"]
    named, by_key = "environment=beta", {**HERE, "x-optimizely-sdk-key": "beta-key"}
    for query, headers in ((named, HERE), ("", by_key)):
        assert not console.get("revisions", query, headers=headers)["archive"]
        assert not console.get("project", query, headers=headers)["archive"]
    for body, headers in (({"environment": "beta"}, {}), ({}, by_key)):
        asked = {"from": "21", "flag": "search", "visitors": 10, **body}
        refused = console.post("compare", asked, status=404, headers=headers)
        assert "no_archive" == refused["error"]["code"]


def test_what_changed_is_told_and_who_switches_is_decided_by_both(console):
    told = console.post("compare", {"from": "21", "to": ""})

    assert ("21", "22") == (told["from"], told["to"])
    [change] = [each for each in told["changes"] if each["what"] == "traffic"]
    assert KEY in change["text"]
    [key] = told["keys"]
    assert ("flag", "checkout_flow", None, 0) == (
        key["kind"],
        key["key"],
        key["missing_in"],
        told["keys_left_out"],
    )
    assert key["visitors"] == sum(move["count"] for move in key["moves"])
    assert 0 < key["switched"] < key["visitors"]


def test_each_example_switches_when_it_is_tried(console):
    """Some visitors of some attributes: told whole, so that they can be tried."""
    rulesets = [
        compile_datafile(parse_datafile(json.dumps(each).encode())) for each in older_and_newer()
    ]
    [key] = console.post("compare", {"from": "21", "to": "22"})["keys"]

    examples = 0
    for move in key["moves"]:
        for each in move["examples"]:
            user = User(each["user"], each["attributes"])
            before, after = (decide(ruleset, "checkout_flow", user) for ruleset in rulesets)
            assert move["from"]["variation"] == before.variation_key
            assert move["to"]["variation"] == after.variation_key
            examples += 1
    assert 6 <= examples


def test_switched_counts_those_who_see_something_else(console):
    [key] = console.post("compare", {"from": "21", "to": "22"})["keys"]

    other = sum(
        move["count"]
        for move in key["moves"]
        if (move["from"]["variation"], move["from"]["enabled"])
        != (move["to"]["variation"], move["to"]["enabled"])
    )
    assert other == key["switched"]


def test_two_equal_revisions_have_no_changes_and_nobody_switches(console):
    told = console.post("compare", {"from": "22", "to": "22"})

    assert ([], 0, []) == (told["changes"], told["changes_total"], told["keys"])
    [key] = console.post("compare", {"from": "22", "to": "22", "flag": "search"})["keys"]
    assert 0 == key["switched"]


@pytest.mark.parametrize(("order", "missing"), [(("21", "22"), "from"), (("22", "21"), "to")])
def test_a_flag_that_only_one_of_them_has_is_told_as_missing(tmp_path, order, missing):
    older, newer = a_datafile(revision="21"), a_datafile(revision="22")
    older["featureFlags"] = [
        each for each in older["featureFlags"] if each["key"] != "free_shipping"
    ]
    (tmp_path / "21.json").write_text(json.dumps(older))
    console = Console(datafile=newer, tmp_path=tmp_path, BUCKETER_REVISIONS=str(tmp_path))

    told = console.post("compare", {"from": order[0], "to": order[1], "visitors": 100})

    [key] = told["keys"]
    assert ("free_shipping", missing, 100) == (key["key"], key["missing_in"], key["visitors"])
    assert {None} == {move[missing]["variation"] for move in key["moves"]}


def test_attributes_that_are_given_are_everybodys(console):
    asked = {"from": "21", "to": "22", "attributes": {"tier": "tin"}, "flag": "checkout_flow"}

    [key] = console.post("compare", asked)["keys"]

    assert 0 == key["switched"]
    examples = [each for move in key["moves"] for each in move["examples"]]
    assert {"tin"} == {each["attributes"]["tier"] for each in examples}


def test_at_most_twenty_keys_are_told_and_the_others_counted(tmp_path):
    older, newer = a_datafile(revision="21"), a_datafile(revision="22")
    [model] = [each for each in newer["featureFlags"] if each["key"] == "free_shipping"]
    newer["featureFlags"] += [{**model, "id": f"f{n}", "key": f"flag {n}"} for n in range(21)]
    (tmp_path / "21.json").write_text(json.dumps(older))
    console = Console(datafile=newer, tmp_path=tmp_path, BUCKETER_REVISIONS=str(tmp_path))

    told = console.post("compare", {"from": "21"})

    assert (20, 1) == (len(told["keys"]), told["keys_left_out"])
    assert {5000} == {each["visitors"] for each in told["keys"]}


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"from": "7"}, 404, "unknown_revision"),
        ({"from": "../21"}, 400, "invalid_request"),
        ({"from": 21}, 400, "invalid_request"),
        ({"from": "21", "flag": "serch"}, 404, "unknown_flag"),
        ({"from": "21", "flag": "search", "experiment": KEY}, 400, "invalid_request"),
        ({"from": "21", "visitors": 10_001}, 400, "invalid_request"),
        ({"from": "21", "visitors": 0}, 400, "invalid_request"),
    ],
)
def test_what_can_t_be_compared_is_refused(console, asked, status, code):
    assert code == console.post("compare", asked, status=status)["error"]["code"]
