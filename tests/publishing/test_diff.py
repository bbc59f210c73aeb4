from __future__ import annotations

import copy
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bucketer.demo import PATH
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
        new["featureFlags"][0] = {**flag, "key": "brand_new", "id": "1"}

    changes = _changes(demonstration, edit)
    assert "flag brand_new added" in changes
    assert f"flag {demonstration['featureFlags'][0]['key']} removed" in changes


def test_a_variables_default_and_a_variations_value_are_told(demonstration):
    def edit(new):
        flag = next(each for each in new["featureFlags"] if each["variables"])
        flag["variables"][0]["defaultValue"] = "changed"

    (change,) = _changes(demonstration, edit)
    assert "defaultValue changed from" in change
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

    assert any("order of the delivery rules changed" in each for each in changes)


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


def test_an_id_by_which_users_are_bucketed_is_told_though_everything_refers_to_it(demonstration):
    """Replaced wherever it stands, it gives most users of the experiment another variation."""
    text = json.dumps(demonstration).replace('"10000000301"', '"777"')

    assert [
        'flag checkout_flow, rule checkout_flow_experiment: id changed from "10000000301" to "777"'
    ] == [str(each) for each in diff(demonstration, json.loads(text))]


def test_a_bandit_that_takes_a_rule_over_is_told_with_its_attributes_by_name(demonstration):
    def edit(new):
        _experiment(new)["cmab"] = {"attributeIds": ["10000000101"], "trafficAllocation": 5000}

    (change,) = _changes(demonstration, edit)
    assert change.endswith(
        'experiment: cmab added ({"attributeIds": ["tier"], "trafficAllocation": 5000})'
    )


def test_the_sdk_key_is_told_to_have_changed_and_neither_of_them_is_shown(demonstration):
    assert ["sdkKey changed"] == _changes(
        demonstration, lambda new: new.__setitem__("sdkKey", "s3cret")
    )


def test_true_is_not_1(demonstration):
    def edit(new):
        new["botFiltering"] = 0

    assert ["botFiltering changed from false to 0"] == _changes(demonstration, edit)


def test_the_order_of_a_list_is_told_in_one_line(demonstration):
    def edit(new):
        new["events"].reverse()
        _experiment(new)["variations"].reverse()

    assert [
        (
            "flag checkout_flow, rule checkout_flow_experiment: order of the variations changed from "
            "current_checkout, two_step_checkout, one_step_checkout to "
            "one_step_checkout, two_step_checkout, current_checkout"
        ),
        "order of the events changed from purchase, add_to_cart to add_to_cart, purchase",
    ] == _changes(demonstration, edit)


# ------------------------------------------------------------------- what goes by another name


def _rename(part, old, new, *, field="key"):
    def edit(datafile):
        entity = next(each for each in datafile[part] if each[field] == old)
        entity[field] = new

    return edit


@pytest.mark.parametrize(
    ("part", "old", "told", "field"),
    [
        ("featureFlags", "checkout_flow", "flag", "key"),
        ("experiments", "checkout_flow_experiment", "flag checkout_flow, rule", "key"),
        ("attributes", "tier", "attribute", "key"),
        ("events", "purchase", "event", "key"),
        ("typedAudiences", "Platinum or gold members", "audience", "name"),
        ("holdouts", None, "holdout", "key"),
    ],
)
def test_another_key_with_the_same_id_is_a_rename(demonstration, part, old, told, field):
    old = old or demonstration[part][0][field]

    changes = _changes(demonstration, _rename(part, old, "renamed", field=field))

    assert [f"{told} renamed renamed from {old}"] == changes


def test_a_renamed_variation_or_variable_is_told_once_and_not_where_it_is_referred_to(
    demonstration,
):
    def edit(new):
        _experiment(new)["variations"][0]["key"] = "renamed"
        flag = next(each for each in new["featureFlags"] if each["variables"])
        flag["variables"][0]["key"] = "renamed_too"

    changes = _changes(demonstration, edit)

    assert ["variable renamed_too", "variation renamed"] == sorted(
        each.rpartition(", ")[2].partition(" renamed from")[0] for each in changes
    )


def test_what_changed_below_a_renamed_flag_is_told(demonstration):
    def edit(new):
        _rename("featureFlags", "checkout_flow", "checkout")(new)
        _experiment(new)["trafficAllocation"][0]["endOfRange"] = 2222
        _experiment(new)["key"] = "exp"

    changes = _changes(demonstration, edit)

    assert [
        "flag checkout renamed from checkout_flow",
        "flag checkout, rule exp renamed from checkout_flow_experiment",
    ] == changes[:2]
    assert changes[2].startswith("flag checkout, rule exp: traffic changed from ")
    assert 3 == len(changes)


def test_an_experiment_outlives_its_flag_in_the_report(demonstration):
    """It can be asked for by its key, whatever flag lists it."""

    def edit(new):
        new["featureFlags"] = [f for f in new["featureFlags"] if f["key"] != "checkout_flow"]
        _experiment(new)["status"] = "Paused"

    changes = _changes(demonstration, edit)

    assert "flag checkout_flow removed" in changes
    assert (
        'experiment checkout_flow_experiment: status changed from "Running" to "Paused"' in changes
    )


def test_an_experiment_that_changes_its_flag_is_compared_all_the_same(demonstration):
    def edit(new):
        mine, other = new["featureFlags"][0], new["featureFlags"][1]
        moved = mine["experimentIds"].pop()
        other["experimentIds"].append(moved)
        next(e for e in new["experiments"] if e["id"] == moved)["layerId"] = "other"

    changes = _changes(demonstration, edit)

    assert any(each.startswith("experiment ") and "layerId changed" in each for each in changes)
    assert any(each.endswith("removed") and "rule " in each for each in changes)
    assert any(each.endswith("added") and "rule " in each for each in changes)


@pytest.mark.parametrize("how", ["added", "removed"])
def test_what_comes_or_goes_with_a_flag_is_named_since_it_can_be_asked_for(demonstration, how):
    less = copy.deepcopy(demonstration)
    flag = next(f for f in less["featureFlags"] if f["key"] == "checkout_flow")
    less["featureFlags"].remove(flag)
    less["experiments"] = [e for e in less["experiments"] if e["id"] not in flag["experimentIds"]]
    pair = (less, demonstration) if how == "added" else (demonstration, less)

    changes = [str(each) for each in diff(*pair)]

    assert f"flag checkout_flow {how}" in changes
    assert f"flag checkout_flow, rule checkout_flow_experiment {how}" in changes


def test_words_hide_no_field_that_they_have_none_for(demonstration):
    """What isn't spelt differs, too: with the range beside it, the condition, the audience."""

    def edit(new):
        traffic = _experiment(new)["trafficAllocation"]
        traffic[0]["endOfRange"] = 2222
        traffic[1]["odd"] = "hidden 1"
        _experiment(new)["audienceIds"] = ["hidden 2"]
        _experiment(new)["audienceConditions"] = ["or", "another"]
        new["typedAudiences"][0]["conditions"] = [
            "or",
            {"name": "tier", "value": "x", "type": "custom_attribute", "odd": "hidden 3"},
        ]
        _experiment(new)["forcedVariations"] = {"a": "b", "c": ["hidden 4"]}

    changes = "\n".join(_changes(demonstration, edit))

    assert all(f"hidden {number}" in changes for number in (1, 2, 3, 4))


def test_what_belongs_to_no_part_is_told_by_its_pointer(demonstration):
    demonstration["events"] += [{"key": "purchase", "id": "1"}, 5]

    def edit(new):
        new["events"][-2]["id"] = "2"  # a key that two have: the later one counts
        new["events"][0]["id"] = "3"

    told = _changes(demonstration, edit)

    assert 'event purchase: id changed from "1" to "2"' in told
    assert any("entries that are no event of their own" in each for each in told)


def _rich(datafile):
    """The demonstration with everything in it that a datafile may hold."""
    experiment = _experiment(datafile)
    experiment["cmab"] = {"attributeIds": ["10000000101"], "trafficAllocation": 5000}
    extra = copy.deepcopy(datafile["rollouts"][0])
    extra["id"], extra["experiments"][0]["key"] = "55", "of_no_flag"
    datafile["rollouts"].append(extra)
    local = copy.deepcopy(datafile["holdouts"][0])
    datafile["localHoldouts"] = [{**local, "key": "local", "includedRules": ["10000000301"]}]
    datafile["integrations"] = [{"key": "odp", "host": "https://h", "publicKey": "k"}]
    alone = {**copy.deepcopy(experiment), "id": "66", "key": "of_no_flag_too", "odd": None}
    datafile["experiments"].append(alone)
    datafile["groups"][0]["odd"] = [1.5, [True]]
    return datafile


def _places(value, path=()):
    """Every value in a document, by its path."""
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, each in inside:
        yield (*path, key), each
        yield from _places(each, (*path, key))


def _put(datafile, path, value):
    *way, last = path
    for key in way:
        datafile = datafile[key]
    datafile[last] = value


def _others(value):
    """What may stand in place of *value*, all of it different in JSON."""
    if isinstance(value, str):
        return [value + "x", None]
    if isinstance(value, dict):
        return [{**value, "new": 1}]
    if isinstance(value, list):
        return [[*value, "777"], [*value, {"new": 1}]]
    return [7.5, None if value is not None else 0]


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside_other_changes"])
def test_every_single_value_that_differs_is_told(demonstration, beside):
    """Each value, replaced, given a field more, or taken away: and nothing else hides it."""
    old = _rich(demonstration)
    edited = copy.deepcopy(old)
    if beside:
        edited["revision"] = "23"
        edited["groups"][0]["policy"] = "overlapping"
    known = [str(each) for each in diff(old, edited)]
    places = list(_places(old))
    assert len(places) > 300

    untold = []
    for path, value in places:
        for other in _others(value):
            new = copy.deepcopy(edited)
            _put(new, path, other)
            if new != edited and known == [str(each) for each in diff(old, new)]:
                untold.append((path, other))

    assert [] == untold


@pytest.mark.parametrize("depth", [99, 100, 101, 500, 700])
@pytest.mark.parametrize(
    ("part", "field"),
    [
        ("experiments", "audienceConditions"),
        ("experiments", "cmab"),
        ("typedAudiences", "conditions"),
        ("events", "odd"),
        ("holdouts", "includedRules"),
    ],
)
def test_a_change_at_any_depth_is_told(demonstration, part, field, depth):
    pair = []
    for leaf in ("1", "2"):
        nested = leaf
        for _ in range(depth):
            nested = ["or", nested]
        datafile = {**demonstration, part: [{**demonstration[part][0], field: nested}]}
        pair.append(datafile)

    assert 1 == len(diff(*pair))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_change_hides_another_wherever_they_stand(data):
    """Of two values that differ, each is told beside the other."""
    old = _rich(json.loads(Path(PATH).read_text()))
    places = list(_places(old))
    (one, was), (two, formerly) = (data.draw(st.sampled_from(places)) for _ in range(2))
    if one[: len(two)] == two[: len(one)]:
        return
    both = copy.deepcopy(old)
    _put(both, one, data.draw(st.sampled_from(_others(was))))
    first = [str(each) for each in diff(old, both)]
    _put(both, two, data.draw(st.sampled_from(_others(formerly))))

    told = [str(each) for each in diff(old, both)]

    assert first
    assert first != told, (one, two)


def test_an_audience_of_another_id_is_the_same_beside_an_untyped_form_that_keeps_its_own():
    """Two sections have an audience of that name; each is compared with its own section's."""
    old = _rich(json.loads(Path(PATH).read_text()))
    new = copy.deepcopy(old)
    new["typedAudiences"][0]["id"] += "x"
    first = [str(each) for each in diff(old, new)]
    new["typedAudiences"][0]["conditions"] = ["or"]

    told = [str(each) for each in diff(old, new)]

    assert not [each for each in (*first, *told) if each.endswith((" added", " removed"))]
    assert first
    assert set(told) > set(first)


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


#: Entries that share ids and keys, refer to one another, and are now and then no such thing.
_WORD = st.sampled_from(["1", "2", "a"])
_IDS = st.lists(_WORD | _JSON, max_size=3)
_INNER = st.fixed_dictionaries(
    {}, optional={"id": _WORD, "key": _WORD, "value": _JSON, "entityId": _WORD, "endOfRange": _JSON}
)
_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("id", "key", "name", "rolloutId", "status"), _WORD | st.none()),
        **dict.fromkeys(("experimentIds", "audienceIds", "includedRules"), _IDS | _JSON),
        **dict.fromkeys(
            ("variations", "variables", "experiments", "trafficAllocation"),
            st.lists(_INNER | _JSON, max_size=3) | _JSON,
        ),
        **dict.fromkeys(("conditions", "audienceConditions", "forcedVariations", "cmab"), _JSON),
    },
)
_DATAFILE = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(_PARTS, st.lists(_ENTRY | _JSON, max_size=3) | _JSON)
)


@settings(deadline=None)
@given(_DATAFILE, _DATAFILE)
def test_of_two_datafiles_that_differ_in_any_value_something_is_told(old, new):
    differ = json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True)

    assert differ is bool(diff(old, new))


@settings(deadline=None)
@given(_DATAFILE, st.data())
def test_any_value_of_any_datafile_that_becomes_another_is_told(old, data):
    """Whatever refers to what: one value replaced, added or taken away can't hide."""
    places = list(_places(old))
    if not places:
        return
    path, value = data.draw(st.sampled_from(places))
    new = copy.deepcopy(old)
    _put(new, path, data.draw(_JSON | _WORD))
    differ = json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True)

    assert differ is bool(diff(old, new)), (path, value)


def test_the_command_groups_by_flag_and_speaks_json_too(demonstration, tmp_path):
    new = copy.deepcopy(demonstration)
    new["revision"] = "23"
    _experiment(new)["status"] = "Paused"
    new["featureFlags"][1]["key"] = "searching"
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    for path, datafile in zip(paths, (demonstration, new), strict=True):
        path.write_text(json.dumps(datafile))
    out = io.StringIO()
    main(["datafile", "diff", *map(str, paths)], Terminal(out, io.StringIO(), {}))
    told = io.StringIO()
    main(["datafile", "diff", *map(str, paths), "--json"], Terminal(told, io.StringIO(), {}))

    assert "flag checkout_flow\n  rule checkout_flow_experiment: status changed" in out.getvalue()
    report = json.loads(told.getvalue())
    assert ("22", "23", 3) == (report["old"], report["new"], len(report["changes"]))
    assert "flag searching\n  renamed from search\n" in out.getvalue()
