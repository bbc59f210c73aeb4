"""Everything that lint tells, each by one edit of a datafile in which there is nothing to tell."""

import copy
import json
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bucketer.core.errors import DatafileError
from bucketer.core.parse import parse_datafile
from bucketer.lint import lint


def told(datafile):
    """(severity, pointer) of everything that is told, with its text."""
    _, findings = lint(parse_datafile(json.dumps(datafile)))
    return {
        (each.diagnostic.severity, each.diagnostic.pointer): str(each.diagnostic)
        for each in findings
    }


def condition(**fields):
    return {"name": "tier", "type": "custom_attribute", "match": "exact", "value": "x", **fields}


def audience(datafile, conditions):
    datafile["typedAudiences"][0]["conditions"] = conditions


def delivery(datafile, **fields):
    """One more delivery rule, before Everyone Else of the third flag."""
    rules = datafile["rollouts"][2]["experiments"]
    rule = {**copy.deepcopy(rules[0]), "id": "9", "key": "nine", **fields}
    rules.insert(len(rules) - 1, rule)
    return rules


def test_of_the_demonstration_nothing_is_told(demonstration):
    assert {} == told(demonstration)


def test_what_is_about_one_thing_stands_together_and_flags_come_first(demonstration):
    audience(demonstration, ["or", condition(match="regex"), condition(match="qualified")])
    demonstration["holdouts"][0]["includedFlags"] = ["1"]
    demonstration["featureFlags"][1]["rolloutId"] = "404"

    _, findings = lint(parse_datafile(json.dumps(demonstration)))

    abouts = [about for about, _ in groupby(findings, key=lambda each: each.about)]
    assert "flag search" == abouts[0]
    assert len(set(abouts)) == len(abouts) > 3


# ----------------------------------------------------------------------------- conditions

PART = "/typedAudiences/0/conditions/1"


@pytest.mark.parametrize(
    ("odd", "field", "words"),
    [
        ({"type": "custom_dimension"}, "type", "found 'custom_dimension'"),
        ({"type": None}, "type", "found null"),
        ({"type": 5, "match": "regex", "value": []}, "type", "found a number"),
        ({"match": "regex"}, "match", "found 'regex'"),
        ({"match": "x" * 41}, "match", "found a string"),
        ({"match": 5, "value": []}, "match", "found a number"),
        ({"match": "gt", "value": "5"}, "value", "for the match gt, found another string"),
        ({"match": "gt", "value": 2**53 + 1}, "value", "found a number beyond"),
        ({"match": "exact", "value": None}, "value", "for the match exact, found null"),
        ({"match": "substring", "value": 5}, "value", "expected a string for"),
        ({"match": "semver_ge", "value": "one"}, "value", "a version such as 2.3.1"),
    ],
)
def test_of_type_match_and_value_the_one_at_fault_is_named(demonstration, odd, field, words):
    audience(demonstration, ["or", condition(**odd), condition()])

    found = told(demonstration)

    assert words in found["warning", f"{PART}/{field}"]
    assert 1 == sum(pointer.startswith("/typedAudiences/0") for _, pointer in found)


@pytest.mark.parametrize("field", ["type", "value"])
def test_what_a_condition_lacks_is_named(demonstration, field):
    odd = condition()
    del odd[field]
    audience(demonstration, ["or", odd])

    assert "found nothing" in told(demonstration)["warning", f"{PART}/{field}"]


def test_nobody_can_be_in_a_segment(demonstration):
    audience(demonstration, ["or", condition(match="qualified", type="third_party_dimension")])

    assert "no request brings segments" in told(demonstration)["warning", f"{PART}/match"]


def test_a_segment_in_an_untyped_audience_is_found_too(demonstration):
    text = json.dumps(["or", condition(match="qualified")])
    demonstration["audiences"].append({"id": "1", "name": "x", "conditions": text})
    demonstration["experiments"][0]["audienceConditions"] = ["or", "1"]

    at = f"/audiences/{len(demonstration['audiences']) - 1}/conditions/1/match"
    assert ("warning", at) in told(demonstration)


# ------------------------------------------------------------------------------ two of one


@pytest.mark.parametrize(
    "section",
    ["featureFlags", "experiments", "rollouts", "groups", "typedAudiences", "attributes", "events"],
)
def test_two_of_one_id_are_told(demonstration, section):
    twin = copy.deepcopy(demonstration[section][0])
    if "key" in twin:
        twin["key"] = "twin"
    demonstration[section].append(twin)

    at = f"/{section}/{len(demonstration[section]) - 1}/id"
    assert f"found the id of /{section}/0" in told(demonstration)["warning", at]


@pytest.mark.parametrize("section", ["featureFlags", "experiments", "attributes", "events"])
def test_two_of_one_key_are_told(demonstration, section):
    twin = {**copy.deepcopy(demonstration[section][0]), "id": "1"}
    demonstration[section].append(twin)

    at = f"/{section}/{len(demonstration[section]) - 1}/key"
    assert f"found the key of /{section}/0" in told(demonstration)["warning", at]


def test_two_rules_of_one_key_are_told_wherever_they_stand(demonstration):
    demonstration["rollouts"][0]["experiments"][0]["key"] = "checkout_flow_experiment"

    words = told(demonstration)["warning", "/rollouts/0/experiments/0/key"]
    assert "the last of them answers to the key" in words


def test_two_variations_and_two_variables_of_one_key_are_told(demonstration):
    for part, name in (("experiments", "variations"), ("featureFlags", "variables")):
        owner = next(each for each in demonstration[part] if each[name])
        owner[name].append({**owner[name][0], "id": "1"})

    found = told(demonstration)
    assert 2 == sum(pointer.endswith("/key") for severity, pointer in found)


# --------------------------------------------------------------------------------- traffic


def ranges(*ends):
    ids = ["10000000601", "10000000602", "10000000603"]
    return [{"entityId": each, "endOfRange": end} for each, end in zip(ids, ends, strict=True)]


AT = "/experiments/0/trafficAllocation"


@pytest.fixture
def line(demonstration):
    """Lint the experiment with these ends of ranges."""

    def run(*ends, **fields):
        experiment = demonstration["experiments"][0]
        ids = [each["id"] for each in experiment["variations"]]
        traffic = [{"entityId": i, "endOfRange": e} for i, e in zip(ids, ends, strict=True)]
        experiment.update({"trafficAllocation": traffic, **fields})
        return {key: text for key, text in told(demonstration).items() if AT in key[1]}

    return run


def test_a_line_on_which_each_range_has_buckets_is_sound(line):
    assert {} == line(1, 2, 3) == line(3333, 6666, 10_000)


def test_a_range_that_ends_where_it_begins_has_no_traffic(line):
    assert [("note", f"{AT}/1/endOfRange")] == list(line(5000, 5000, 10_000))


def test_a_range_that_ends_before_the_one_before_it_is_dead(line):
    assert [("warning", f"{AT}/1/endOfRange")] == list(line(5000, 4999, 10_000))


def test_a_range_beyond_the_line_is_dead(line):
    assert [("note", f"{AT}/2/endOfRange")] == list(line(5000, 10_000, 12_000))


def test_no_traffic_at_all_is_told_once_and_only_of_what_runs(line):
    assert [("note", AT)] == list(line(0, 0, 0))
    assert {} == line(0, 0, 0, status="Paused")


def test_a_member_without_a_share_of_its_group_is_told(demonstration):
    group = demonstration["groups"][0]
    group["trafficAllocation"] = [{"entityId": "", "endOfRange": 10_000}]

    found = told(demonstration)
    assert ("note", "/groups/0/experiments/0") in found


# ----------------------------------------------------------------------- who gets this far


def test_rules_after_one_for_everybody_are_out_of_reach_but_not_the_last(demonstration):
    rules = delivery(demonstration)
    rules[0].update(
        audienceConditions=[],
        audienceIds=[],
        trafficAllocation=[{"entityId": rules[0]["variations"][0]["id"], "endOfRange": 9_999}],
    )

    found = [pointer for severity, pointer in told(demonstration) if severity == "warning"]
    assert ["/rollouts/2/experiments/1", "/rollouts/2/experiments/2"] == [
        each for each in found if each.count("/") == 4
    ]


def test_the_last_rule_is_out_of_reach_where_one_before_it_takes_everybody(demonstration):
    rules = demonstration["rollouts"][2]["experiments"]
    rules[0].update(audienceConditions=[], audienceIds=[])

    assert ("warning", f"/rollouts/2/experiments/{len(rules) - 1}") in told(demonstration)


def test_a_second_rule_for_the_same_people_is_out_of_reach(demonstration):
    delivery(demonstration)

    words = told(demonstration)["warning", "/rollouts/2/experiments/2"]
    assert "nobody behind /rollouts/2/experiments/0, which is for them too" in words


@pytest.mark.parametrize(
    ("fields", "blocks"),
    [({}, True), ({"status": "Paused"}, False), ({"type": "fr"}, False), ({"key": " "}, False)],
)
def test_an_experiment_that_takes_everybody_leaves_nobody_for_the_rules(
    demonstration, fields, blocks
):
    experiment = demonstration["experiments"][0]
    experiment.update(audienceConditions=[], audienceIds=[], **fields)

    found = told(demonstration)
    assert blocks is (("warning", "/rollouts/0/experiments/0") in found)


def test_an_experiment_with_a_bucket_to_spare_leaves_somebody(demonstration):
    experiment = demonstration["experiments"][0]
    experiment.update(audienceConditions=[], audienceIds=[])
    experiment["trafficAllocation"][-1]["endOfRange"] = 9_999

    assert ("warning", "/rollouts/0/experiments/0") not in told(demonstration)


def test_a_rollout_of_no_flag_is_told(demonstration):
    demonstration["featureFlags"][0]["rolloutId"] = ""

    assert ("note", "/rollouts/0") in told(demonstration)


# ------------------------------------------------------------------------ unused, unknown


def test_an_audience_that_no_rule_names_is_told_once(demonstration):
    for section in ("audiences", "typedAudiences"):
        demonstration[section].append({**demonstration[section][0], "id": "1", "name": "spare"})

    found = [key for key, text in told(demonstration).items() if "decides nothing" in text]
    assert [("note", f"/typedAudiences/{len(demonstration['typedAudiences']) - 1}")] == found


def test_an_attribute_that_nobody_asks_for_is_told_and_a_reserved_one_not(demonstration):
    demonstration["attributes"] += [{"id": "1", "key": "spare"}, {"id": "2", "key": "$opt_x"}]

    assert [("note", f"/attributes/{len(demonstration['attributes']) - 2}")] == list(
        told(demonstration)
    )


def test_what_a_bandit_asks_for_is_used(demonstration):
    demonstration["attributes"].append({"id": "1", "key": "spare"})
    demonstration["experiments"][0]["cmab"] = {"attributeIds": ["1"], "trafficAllocation": 5000}

    assert not any(pointer.startswith("/attributes") for _, pointer in told(demonstration))


@pytest.mark.parametrize("field", ["includedFlags", "excludedFlags", "includedRules"])
def test_what_a_holdout_says_and_nobody_heeds_is_told(demonstration, field):
    demonstration["holdouts"][0][field] = ["1"]

    assert [("warning", f"/holdouts/0/{field}")] == list(told(demonstration))


def test_what_is_empty_was_not_said(demonstration):
    demonstration["holdouts"][0].update(includedFlags=[], excludedFlags=[])

    assert {} == told(demonstration)


@pytest.mark.parametrize(
    ("section", "severity"), [("experiments", "warning"), ("holdouts", "warning")]
)
@pytest.mark.parametrize("status", ["running", "Live", ""])
def test_a_status_that_nobody_knows_is_told(demonstration, section, severity, status):
    demonstration[section][0]["status"] = status

    assert (severity, f"/{section}/0/status") in told(demonstration)


def test_a_delivery_rule_delivers_whatever_its_status_is(demonstration):
    demonstration["rollouts"][0]["experiments"][0]["status"] = "off"

    assert [("note", "/rollouts/0/experiments/0/status")] == list(told(demonstration))


@pytest.mark.parametrize("status", ["Paused", "Not started", "Archived", "Launched"])
def test_optimizelys_own_statuses_are_none_of_lints_business(demonstration, status):
    demonstration["experiments"][0]["status"] = status

    assert {} == told(demonstration)


# ----------------------------------------------------------------------------- told once


@pytest.mark.parametrize("field", ["layerId", "status", "variations", "id"])
def test_a_field_that_a_rule_lacks_is_told_once_with_all_that_follows(demonstration, field):
    del demonstration["rollouts"][0]["experiments"][0][field]
    other = demonstration["featureFlags"][1]
    other["rolloutId"] = demonstration["featureFlags"][0]["rolloutId"]

    found = {key: text for key, text in told(demonstration).items() if key[0] == "error"}

    [(_, pointer)] = found
    [text] = found.values()
    assert f"/rollouts/0/experiments/0/{field}" == pointer
    assert all(f"flag '{key}' decides nothing" in text for key in ("checkout_flow", other["key"]))


def test_a_field_that_a_group_lacks_is_told_once(demonstration):
    del demonstration["groups"][0]["policy"]
    member = demonstration["groups"][0]["experiments"][0]["id"]
    demonstration["featureFlags"][0]["experimentIds"] = [member]

    errors = [pointer for severity, pointer in told(demonstration) if severity == "error"]
    assert ["/groups/0/policy"] == errors


def test_a_field_that_an_audience_lacks_is_told_once(demonstration):
    del demonstration["typedAudiences"][0]["name"]

    errors = {key: text for key, text in told(demonstration).items() if key[0] == "error"}
    assert [("error", "/typedAudiences/0/name")] == list(errors)
    assert "/experiments/0/audience" in next(iter(errors.values()))


# -------------------------------------------------------------------------------- any shape

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def _edit(data, value):
    """Put something else into one place of *value*."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 9)):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: _edit(data, value[key])}
    if isinstance(value, list) and value and data.draw(st.integers(0, 9)):
        index = data.draw(st.integers(0, len(value) - 1))
        return [*value[:index], _edit(data, value[index]), *value[index + 1 :]]
    return data.draw(_JSON)


@settings(deadline=None)
@given(st.data())
def test_no_shape_of_any_part_makes_it_fail(data):
    from pathlib import Path

    from bucketer.demo import PATH

    datafile = _edit(data, json.loads(Path(PATH).read_text()))
    try:
        parsed = parse_datafile(json.dumps(datafile))
    except DatafileError:
        return

    assert all(each.about and each.diagnostic.pointer for each in lint(parsed)[1])
