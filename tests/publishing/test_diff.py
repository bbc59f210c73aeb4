from __future__ import annotations

import copy
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketer.doors.cli.main import main
from bucketer.doors.cli.terminal import Terminal
from bucketer.publishing.diff import diff


def _changes(old, edit):
    new = copy.deepcopy(old)
    edit(new)
    return [str(each) for each in diff(old, new)]


def _experiment(datafile):
    return next(e for e in datafile["experiments"] if e["key"] == "checkout_flow_experiment")


def test_equal_datafiles_have_no_difference(demonstration):
    assert [] == diff(demonstration, copy.deepcopy(demonstration))


def test_traffic_is_told_in_percent_by_variation(demonstration):
    def edit(new):
        _experiment(new)["trafficAllocation"][0]["endOfRange"] = 2222

    (change,) = _changes(demonstration, edit)
    assert change.startswith(
        "flag checkout_flow, rule checkout_flow_experiment: traffic changed from"
    )
    assert "current_checkout 33.33 %" in change
    assert "current_checkout 22.22 %" in change


def test_status_and_audience_of_a_rule_are_told_by_name(demonstration):
    def edit(new):
        _experiment(new)["status"] = "Paused"
        _experiment(new)["audienceConditions"] = ["not", _experiment(new)["audienceIds"][0]]

    changes = _changes(demonstration, edit)
    assert '"Running" to "Paused"' in changes[0]
    assert "to not 'Platinum or gold members'" in changes[1]


def test_a_flag_that_comes_and_one_that_goes_are_told(demonstration):
    def edit(new):
        flag = copy.deepcopy(new["featureFlags"][0])
        new["featureFlags"][0] = {**flag, "key": "brand_new"}

    changes = _changes(demonstration, edit)
    assert "flag brand_new added" in changes
    assert f"flag {demonstration['featureFlags'][0]['key']} removed" in changes


def test_a_variables_default_and_a_variations_value_are_told(demonstration):
    def edit(new):
        flag = next(each for each in new["featureFlags"] if each["variables"])
        flag["variables"][0]["defaultValue"] = "changed"

    (change,) = _changes(demonstration, edit)
    assert "default changed from" in change
    assert 'to "changed"' in change


def test_audiences_are_told_in_words(demonstration):
    def edit(new):
        text = json.dumps(new["typedAudiences"])
        new["typedAudiences"] = json.loads(text.replace('"ge"', '"gt"'))

    (change,) = _changes(demonstration, edit)
    assert "conditions changed from member_since_days ge 30 to member_since_days gt 30" in change


def test_the_order_of_rules_is_a_change(demonstration):
    extra = copy.deepcopy(demonstration["rollouts"][0]["experiments"][0])
    demonstration["rollouts"][0]["experiments"].append({**extra, "id": "1", "key": "another"})

    changes = _changes(demonstration, lambda new: new["rollouts"][0]["experiments"].reverse())

    assert any("order of the rules changed" in each for each in changes)


@pytest.mark.parametrize(
    ("part", "noun"),
    [
        ("events", "event"),
        ("attributes", "attribute"),
        ("groups", "group"),
        ("holdouts", "holdout"),
    ],
)
def test_every_kind_of_part_is_looked_at(demonstration, part, noun):
    gone = demonstration[part][-1]

    changes = _changes(demonstration, lambda new: new[part].pop())

    assert any(each.startswith(f"{noun} ") and each.endswith("removed") for each in changes), gone


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
_PARTS = (
    "experiments",
    "groups",
    "featureFlags",
    "rollouts",
    "audiences",
    "typedAudiences",
    "events",
    "attributes",
    "holdouts",
)


@given(st.data())
def test_no_shape_of_a_part_makes_it_fail(data):
    old, new = (
        {name: data.draw(_JSON) for name in _PARTS if data.draw(st.booleans())} for _ in range(2)
    )

    assert isinstance(diff(old, new), list)


def test_the_command_groups_by_flag_and_speaks_json_too(demonstration, tmp_path):
    new = copy.deepcopy(demonstration)
    new["revision"] = "23"
    _experiment(new)["status"] = "Paused"
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    for path, datafile in zip(paths, (demonstration, new), strict=True):
        path.write_text(json.dumps(datafile))
    out = io.StringIO()
    main(["datafile", "diff", *map(str, paths)], Terminal(out, io.StringIO(), {}))
    told = io.StringIO()
    main(["datafile", "diff", *map(str, paths), "--json"], Terminal(told, io.StringIO(), {}))

    assert "flag checkout_flow\n  rule checkout_flow_experiment: status changed" in out.getvalue()
    report = json.loads(told.getvalue())
    assert ("22", "23", 2) == (report["old"], report["new"], len(report["changes"]))
