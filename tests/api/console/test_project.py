"""What the console tells of a datafile: all of it, searched, in pages, one thing at a time."""

import copy
import json
from pathlib import Path

import pytest
from tests.fakes.consoles import Console

from bucketer import demo

DEMO = json.loads(Path(demo.PATH).read_text())


@pytest.fixture(scope="module")
def console():
    return Console()


def of(document, tmp_path):
    return Console(datafile=document, tmp_path=tmp_path)


def nodes(tree):
    yield tree
    for each in tree.get("children", ()):
        yield from nodes(each)


def test_the_project_tells_what_there_is_and_what_audiences_ask(console):
    told = console.get("project")

    assert ("22", "10000000000", "demonstration") == (
        told["revision"], told["project_id"], told["source"],
    )  # fmt: skip
    assert {"flags": 3, "experiments": 3, "audiences": 5, "groups": 1, "holdouts": 1} == {
        name: told["counts"][name]
        for name in ("flags", "experiments", "audiences", "groups", "holdouts")
    }
    assert [
        ("tier", "text", ["platinum", "gold"]),
        ("member_since_days", "number", [30]),
        ("country", "text", ["DE", "AT", "CH"]),
        ("app_version", "version", ["2.1"]),
        ("beta_tester", "boolean", [True, False]),
    ] == [(each["name"], each["kind"], each["suggestions"]) for each in told["attributes"]]
    assert [{"name": "", "title": "default", "revision": "22", "has_datafile": True}] == told[
        "environments"
    ]


def test_the_list_has_flags_and_experiments_and_no_delivery_rule_unless_asked(console):
    told = console.get("list")

    assert 6 == told["total"]
    assert ["flag"] * 3 + ["experiment"] * 3 == [each["kind"] for each in told["items"]]
    assert "on" == told["items"][0]["status"]
    assert ["checkout_flow"] == told["items"][3]["flags"]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("q=SEARCH", ["search", "search_ranking_experiment", "search_synonyms_experiment"]),
        ("q=synonyms", ["search_synonyms_experiment"]),
        ("q=nothing", []),
        ("kind=flag&limit=1&offset=1", ["search"]),
        ("kind=flag&offset=3", []),
        ("kind=holdout,event", ["holdout_2026", "purchase", "add_to_cart"]),
        ("kind=group", ["10000000011"]),
        ("kind=audience&q=beta", ["Beta testers"]),
    ],
)
def test_the_list_is_searched_and_comes_in_pages(console, query, keys):
    assert keys == [each["key"] for each in console.get("list", query)["items"]]


@pytest.mark.parametrize(
    "query", ["kind=flags", "limit=501", "limit=-1", "limit=x", "offset=1e3", "limit=²"]
)
def test_a_page_that_is_none_is_refused_by_name(console, query):
    error = console.get("list", query, status=400)["error"]

    assert query.partition("=")[0] == error["field"]


def test_a_flag_has_its_rules_in_order_with_audience_traffic_group_and_variables(console):
    told = console.get("flag", "key=search")

    assert ["experiment", "experiment", "delivery rule"] == [each["what"] for each in told["rules"]]
    assert [False, False, True] == [each["everyone_else"] for each in told["rules"]]
    ranking, synonyms, _ = told["rules"]
    assert ranking["audience"]["everybody"]
    assert "App 2.1 or newer" == synonyms["audience"]["sentence"]
    assert [(0, 5000, "without_synonyms"), (5000, 10000, "with_synonyms")] == [
        (each["start"], each["end"], each["variation"]) for each in synonyms["traffic"]["ranges"]
    ]
    assert [
        (0, 5000, "search_ranking_experiment"),
        (5000, 10000, "search_synonyms_experiment"),
    ] == [(each["start"], each["end"], each["experiment"]) for each in synonyms["group"]["ranges"]]
    assert {"enabled": True, "languages": ["en", "de"]} == synonyms["variations"][1]["variables"][
        "synonyms"
    ]
    assert ["holdout_2026"] == [each["key"] for each in told["holdouts"]]
    assert ["app_version"] == [each["name"] for each in told["fields"]]
    assert ("max_results", "integer", 20) == tuple(told["variables"][0].values())


def test_an_experiment_says_which_flags_use_it_and_whom_the_datafile_forces(console):
    told = console.get("experiment", "key=checkout_flow_experiment")

    assert ["checkout_flow"] == told["flags"]
    assert {
        "count": 2,
        "users": [
            {"user": "qa_anna", "variation": "two_step_checkout"},
            {"user": "qa_ben", "variation": "one_step_checkout"},
        ],
    } == told["whitelist"]
    assert ["and", "or"] == [
        each["operator"] for each in nodes(told["audience"]["tree"]) if each["kind"] == "operator"
    ]


def test_an_audience_says_who_asks_for_it(console):
    told = console.get("audience", "id=10000000204")

    assert 'app_version is version "2.1" or later' == told["sentence"]
    assert [{"kind": "experiment", "key": "search_synonyms_experiment", "flag": "search"}] == told[
        "used_by"
    ]


def test_a_group_and_a_holdout_say_what_they_share_out(console):
    group = console.get("group", "id=10000000011")
    holdout = console.get("holdout", "key=holdout_2026")

    assert [("search_ranking_experiment", 0.5), ("search_synonyms_experiment", 0.5)] == [
        (each["key"], each["share"]) for each in group["experiments"]
    ]
    assert (0.02, None) == (holdout["traffic"]["share"], holdout["rules"])


@pytest.mark.parametrize(
    ("route", "query", "code"),
    [
        ("flag", "key=serch", "unknown_flag"),
        ("experiment", "key=x", "unknown_experiment"),
        ("audience", "id=x", "unknown_audience"),
        ("group", "id=x", "unknown_group"),
        ("holdout", "key=x", "unknown_holdout"),
        ("project", "environment=x", "unknown_environment"),
    ],
)
def test_what_is_not_there_is_a_404_that_says_so(console, route, query, code):
    assert code == console.get(route, query, status=404)["error"]["code"]


def test_a_slip_gets_the_key_that_may_have_been_meant(console):
    assert "search" == console.get("flag", "key=serch", status=404)["error"]["suggestion"]


@pytest.mark.parametrize("route", ["flag", "experiment", "audience", "group", "holdout"])
def test_a_missing_key_is_a_400(console, route):
    assert "missing" in console.get(route, "", status=400)["error"]["message"]


def test_without_a_datafile_it_says_so(tmp_path):
    console = Console(BUCKETER_DATAFILE=str(tmp_path / "none.json"))

    assert "no_datafile" == console.get("project", status=503)["error"]["code"]


# ---------------------------------------------------------------------------- hostile datafiles


def with_conditions(conditions, count=1):
    document = copy.deepcopy(DEMO)
    document["typedAudiences"][0]["conditions"] = conditions
    return document


def leaf(value, match="exact", name="tier"):
    return {"match": match, "name": name, "type": "custom_attribute", "value": value}


@pytest.mark.parametrize(
    ("conditions", "kind"),
    [
        ([leaf("a"), leaf("1.2", "semver_ge")], "text"),
        ([leaf("a"), leaf(1)], "mixed"),
        ([leaf(True)], "boolean"),
        ([leaf(None, "exists")], "any"),
        ([leaf(1, "gt"), leaf(None, "exists")], "number"),
        ([leaf("x", "substring")], "text"),
        ([leaf("1", "semver_le")], "version"),
    ],
)
def test_a_field_has_the_kind_of_what_it_is_compared_with(tmp_path, conditions, kind):
    told = of(with_conditions(["or", *conditions]), tmp_path).get("project")

    assert kind == told["attributes"][0]["kind"]


@pytest.mark.parametrize(
    "conditions",
    [
        ["or", leaf([1])],
        ["or", leaf("a", "unheard_of")],
        ["or", leaf("a", "exact", None)],
        ["or", leaf("a", "exact", ["x"])],
        ["or", leaf("a", "gt"), leaf(float("1e300"), "gt")],
        [],
        ["not"],
        ["and", ["or", []], 7, "text", None],
        [[[[["or"] * 3]]]],
    ],
)
def test_odd_conditions_are_told_and_make_no_field(tmp_path, conditions):
    console = of(with_conditions(conditions), tmp_path)

    assert "tier" not in [each["name"] for each in console.get("project")["attributes"]]
    assert console.get("audience", "id=10000000201")["tree"]
    assert 200 == console.ask("/console/api/experiment", "key=checkout_flow_experiment").status


@pytest.mark.parametrize("count", [100, 101, 5_000])
def test_an_audience_of_many_values_is_told_in_few_nodes(tmp_path, count):
    conditions = ["or", *(leaf(f"user-{number}") for number in range(count))]
    console = of(with_conditions(conditions), tmp_path)

    tree = console.get("audience", "id=10000000201")["tree"]

    assert (count + 1 if count <= 100 else 1) == len(list(nodes(tree)))
    assert count == (tree.get("count") or len(tree["children"]))
    assert 50 == len(console.get("project")["attributes"][0]["suggestions"])
    assert count - 50 == console.get("project")["attributes"][0]["more"]


@pytest.mark.parametrize(("count", "told"), [(399, 400), (400, 401), (3_000, 401)])
def test_a_tree_of_more_than_400_nodes_says_how_much_is_missing(tmp_path, count, told):
    conditions = ["or", *(leaf(number, "gt") for number in range(count))]
    console = of(with_conditions(conditions), tmp_path)
    document = console.get("audience", "id=10000000201")

    found = list(nodes(document["tree"]))

    assert told == len(found)
    assert (count - 399 if count > 399 else 0) == sum(
        each["count"] for each in found if each["kind"] == "more"
    )


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "\u202eabc", "🎉" * 3, "x" * 10_000, "a/b?c#d&e=f"],
)
def test_any_text_can_be_a_key_or_a_name(tmp_path, name):
    document = copy.deepcopy(DEMO)
    document["featureFlags"][1]["key"] = name
    document["typedAudiences"][3]["name"] = name
    console = of(document, tmp_path)

    keys = [each["key"] for each in console.get("list", "kind=flag")["items"]]

    assert name in keys
    assert console.ask("/console/api/list", "kind=flag").body.isascii()
