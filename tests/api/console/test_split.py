"""`POST split`: a crowd through one key, counted beside the shares that traffic says."""

import csv
import io

import pytest
from tests.fakes.consoles import HERE, Console

from bucketer.api.console import crowd as crowds

SEARCH = {"flag": "search", "attributes": {"app_version": "2.2"}}


@pytest.fixture(scope="module")
def console():
    return Console()


def test_ten_thousand_invented_visitors_are_counted_beside_what_is_expected(console):
    told = console.post("split", SEARCH)

    assert (10_000, 10_000) == (told["visitors"], told["asked"])
    assert 10_000 == sum(each["count"] for each in told["arms"])
    assert 1 == pytest.approx(sum(each["expected"] for each in told["arms"]), abs=1e-5)
    for each in told["arms"]:
        assert each["share"] == each["count"] / 10_000
        assert each["share"] == pytest.approx(each["expected"], abs=0.03)
    assert {"holdout_2026", "search_ranking_experiment", "search_synonyms_experiment", None} == {
        each["rule"] for each in told["arms"]
    }
    assert told["arms"][-1]["variation"] is None


def test_they_are_the_same_each_time_and_others_with_another_seed(console):
    one, again, other = (
        console.post("split", {**SEARCH, "visitors": 500, "seed": seed})["arms"]
        for seed in (1, 1, 2)
    )

    assert one == again != other


def test_pasted_ids_get_what_they_get_one_by_one(console):
    ids = ["qa_anna", "", "ü🎉", "a,b", "qa_anna"]
    told = console.post("split", {"flag": "checkout_flow", "ids": ids})

    assert 5 == told["visitors"]
    for arm in told["arms"]:
        tried = [
            console.post("try", {"flag": "checkout_flow", "user": each, "changes": False})[
                "decision"
            ]
            for each in ids
        ]
        assert arm["count"] == sum(
            (each["variation"], each["rule"] if each["variation"] else None)
            == (arm["variation"], arm["rule"])
            for each in tried
        )


def test_by_an_attribute_each_value_has_its_own_shares(console):
    told = console.post("split", {"flag": "free_shipping", "by": "country"})

    assert [("DE", False), ("AT", False), ("CH", False), (None, True)] == [
        (each["value"], each["missing"]) for each in told["groups"]
    ]
    germany, *_, nowhere = told["groups"]
    dach = next(
        index for index, each in enumerate(told["arms"]) if each["rule"] == "free_shipping_dach"
    )
    assert 0.49 == germany["arms"][dach]["expected"]
    assert (0, 0.0) == (nowhere["arms"][dach]["count"], nowhere["arms"][dach]["expected"])
    assert 0.49 * 3 / 4 == pytest.approx(told["arms"][dach]["expected"])
    assert 10_000 == sum(each["visitors"] for each in told["groups"])


def test_by_an_attribute_that_nobody_asks_for_there_is_one_group(console):
    told = console.post("split", {"flag": "free_shipping", "by": "x", "visitors": 10})

    assert [10] == [each["visitors"] for each in told["groups"]]


def test_as_a_table_it_has_a_row_for_each(console):
    answer = console.ask(
        "/console/api/split",
        method="POST",
        headers={**HERE, "content-type": "application/json"},
        body={"flag": "free_shipping", "by": "country", "visitors": 9, "format": "csv"},
    )

    assert "text/csv; charset=utf-8" == dict(answer.headers)["Content-Type"]
    rows = list(csv.reader(io.StringIO(answer.body.decode())))
    assert ["user", "country", "variation", "rule", "enabled"] == rows[0]
    assert [f"visitor-{n}" for n in range(1, 10)] == [row[0] for row in rows[1:]]
    assert ["DE", "AT", "CH", "", "DE"] == [row[1] for row in rows[1:6]]


@pytest.mark.parametrize("id_", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", 'a"b', "a\nb", "a,b"])
def test_no_cell_is_a_formula_or_ends_early(console, id_):
    answer = console.ask(
        "/console/api/split",
        method="POST",
        headers={**HERE, "content-type": "application/json"},
        body={"flag": "search", "ids": [id_], "format": "csv"},
    )

    [_, row] = csv.reader(io.StringIO(answer.body.decode(), newline=""))
    assert row[0].removeprefix("'") == id_
    assert row[0][0] not in "=+-@\t\r"
    assert 4 == len(row)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"visitors": 0}, "visitors"),
        ({"visitors": 10_001}, "visitors"),
        ({"visitors": True}, "visitors"),
        ({"visitors": "5"}, "visitors"),
        ({"seed": 0}, "seed"),
        ({"ids": []}, "ids"),
        ({"ids": ["x"] * 10_001}, "ids"),
        ({"ids": [1]}, "ids"),
        ({"ids": ["x" * 1_001]}, "ids"),
        ({"ids": ["\ud800"]}, "u"),
        ({"by": 1}, "by"),
        ({"format": "xml"}, "format"),
        ({"attributes": {"$opt_bucketing_id": "\ud800"}}, "a"),
    ],
)
def test_what_can_not_be_understood_is_named(console, more, field):
    assert field == console.post("split", {"flag": "search", **more}, status=400)["error"]["field"]


def test_ten_thousand_ids_of_a_thousand_characters_are_one_body(console):
    told = console.post("split", {"flag": "search", "ids": ["x" * 100] * 10_000})

    assert 10_000 == told["visitors"]


def test_where_each_takes_long_there_are_fewer(tmp_path, monkeypatch):
    monkeypatch.setattr(crowds, "_BUDGET", 1_000)
    told = Console().post("split", {"flag": "free_shipping", "attributes": {"x": "x" * 16_000}})

    # Five conditions, seventeen times for the length of what they may look into.
    assert (1_000 // (1 + 4 * 17 // 16), 10_000) == (told["visitors"], told["asked"])
