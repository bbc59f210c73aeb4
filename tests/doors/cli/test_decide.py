"""`bucketer decide` through its front door."""

import json

import pytest

from fakes.terminals import Kept

COOPER = ("-u", "cooper34523569", "-a", 'tier:"platinum",member_since_days:56')
CHECKOUT = ("-e", "checkout_flow_experiment")


def test_the_first_command_of_the_readme_works_with_nothing_configured():
    kept = Kept("decide", *CHECKOUT, *COOPER)

    assert (0, "") == (kept.status, kept.err)
    assert "one_step_checkout" == kept.lines[0]
    assert "  experiment  checkout_flow_experiment" in kept.lines


def test_json_is_the_answer_of_the_url():
    kept = Kept("decide", *CHECKOUT, *COOPER, "--json")

    assert {
        "variation": "one_step_checkout",
        "user": "cooper34523569",
        "experiment": "checkout_flow_experiment",
    } == kept.json


def test_a_flag_is_told_with_its_rule_and_its_typed_variables():
    kept = Kept("decide", "--flag", "free_shipping", "-u", "ben", "-a", "country:DE", "--json")

    assert {
        "variation": "on",
        "user": "ben",
        "flag": "free_shipping",
        "enabled": True,
        "variables": {
            "minimum_order": 29.5,
            "headline": "Free shipping",
            "show_countdown": True,
            "discount": {"percent": 10, "codes": ["ALPEN10"]},
        },
        "rule": "free_shipping_dach",
    } == kept.json


def test_explain_shows_every_rule_with_conditions_and_buckets():
    kept = Kept("decide", "-f", "search", "-u", "ben", "-a", 'app_version:"2.1"', "--explain")
    tree = [line.strip() for line in kept.lines]

    assert "Flag search: without_synonyms" in tree
    assert "Experiment search_ranking_experiment is Running" in tree
    assert any("group 10000000011 gives bucket" in line and line.startswith("✗") for line in tree)
    assert (
        "✓ Audience 'App 2.1 or newer': TRUE "
        '(app_version is version "2.1" or later; the user has "2.1")'
    ) in tree
    assert "✓ Bucket 749 of 10,000 is in 0\N{EN DASH}4999 → without_synonyms" in tree


def test_an_experiment_asked_by_its_key_is_the_root_of_its_tree():
    kept = Kept("decide", *CHECKOUT, *COOPER, "--explain")

    assert [
        "Experiment checkout_flow_experiment is Running",
        "  ✓ The user meets the audience conditions. All of these: TRUE",
        "    ✓ Audience 'Platinum or gold members', any of these: TRUE",
        '      ✓ tier = "platinum": TRUE (the user has "platinum")',
        '      ✗ tier = "gold": FALSE (the user has "platinum")',
        (
            "    ✓ Audience 'Members for 30 days or longer': TRUE "
            "(member_since_days >= 30; the user has 56)"
        ),
        "  ✓ Bucket 8278 of 10,000 is in 6666\N{EN DASH}9999 → one_step_checkout",
    ] == kept.lines[5:]


def test_the_sdk_s_reasons_name_no_rule_and_stand_below_what_was_asked():
    kept = Kept("decide", *CHECKOUT, "-u", "ada", "--explain", "--engine", "sdk")

    assert "Experiment checkout_flow_experiment: no variation" == kept.lines[5]
    assert kept.lines[6].startswith("  The official SDK was asked to activate")


@pytest.mark.parametrize(
    ("asked", "heading"),
    [(CHECKOUT, "✗ Experiment "), (("-f", "checkout_flow"), "  ✗ Experiment ")],
)
def test_a_paused_experiment_says_so_in_its_heading(tmp_path, demonstration, asked, heading):
    demonstration["experiments"][0]["status"] = "Paused"
    path = tmp_path / "paused.json"
    path.write_text(json.dumps(demonstration))

    kept = Kept("decide", "-d", str(path), *asked, "-u", "ada", "--explain")

    assert f"{heading}checkout_flow_experiment is Paused, not Running" in kept.lines


def test_a_negation_is_told_in_one_line_where_that_reads_better(tmp_path, demonstration):
    first, second = (each["conditions"] for each in demonstration["typedAudiences"][:2])
    demonstration["typedAudiences"][0]["conditions"] = ["not", first]
    demonstration["typedAudiences"][1]["conditions"] = ["not", second]
    path = tmp_path / "negated.json"
    path.write_text(json.dumps(demonstration))

    kept = Kept("decide", "-d", str(path), *CHECKOUT, "-u", "ada", "-a", "tier:tin", "--explain")

    assert [
        "    ✓ Audience 'Platinum or gold members', none of these: TRUE",
        '      ✗ tier = "platinum": FALSE (the user has "tin")',
        '      ✗ tier = "gold": FALSE (the user has "tin")',
        "    ? Audience 'Members for 30 days or longer': UNKNOWN",
        (
            "      ? Not (member_since_days >= 30): UNKNOWN "
            "(the user has no attribute 'member_since_days')"
        ),
    ] == kept.lines[7:]


def test_a_missing_attribute_is_told_as_unknown_and_missing():
    kept = Kept("decide", *CHECKOUT, "-u", "ada", "-a", "tier:gold", "--explain")

    assert "(no variation)" == kept.lines[0]
    assert any(
        "UNKNOWN (member_since_days >= 30; the user has no attribute 'member_since_days')" in line
        for line in kept.lines
    )


def test_explain_and_json_give_the_reasons_as_data():
    reasons = Kept("decide", *CHECKOUT, *COOPER, "--json", "--explain").json["reasons"]

    assert ["running", "audience_met", "bucketed"] == [each["code"] for each in reasons]
    assert 8278 == reasons[2]["bucket"]


def test_an_unknown_key_is_an_error_of_ours_with_its_code_and_a_suggestion():
    kept = Kept("decide", "-e", "chekout_flow_experiment", "-u", "ada")

    assert (1, "") == (kept.status, kept.out)
    assert kept.err.startswith("bucketer: unknown_experiment: No experiment has the key")
    assert "Did you mean 'checkout_flow_experiment'?" in kept.err


def test_bad_attributes_name_the_place():
    kept = Kept("decide", *CHECKOUT, "-u", "ada", "-a", 'tier:"platinum')

    assert 1 == kept.status
    assert kept.err.startswith("bucketer: invalid_request: ")


@pytest.mark.parametrize(
    "argv",
    [
        ("decide",),
        ("decide", "-u", "ada"),
        ("decide", "-e", "x"),
        ("decide", "-e", "x", "-f", "y", "-u", "ada"),
        ("decide", "-e", "x", "-u", "ada", "--engine", "other"),
        ("conclude",),
        (),
    ],
)
def test_wrong_usage_leaves_with_2(argv, capsys):
    assert 2 == Kept(*argv).status
    assert "usage: bucketer" in capsys.readouterr().err


def test_a_datafile_is_read_from_a_path_with_spaces(tmp_path, demonstration):
    datafile = {**demonstration, "revision": "23"}
    path = tmp_path / "my datafile.json"
    path.write_text(json.dumps(datafile))

    kept = Kept("decide", "-d", str(path), *CHECKOUT, *COOPER)

    assert "  revision    23" in kept.lines


def test_a_datafile_that_is_not_there_is_told_with_its_path(tmp_path):
    kept = Kept("decide", "-d", str(tmp_path / "none.json"), *CHECKOUT, "-u", "ada")

    assert 1 == kept.status
    assert kept.err.startswith("bucketer: source_failed: ")
    assert "none.json" in kept.err


def test_a_setting_that_can_not_be_used_stops_the_command():
    kept = Kept("decide", *CHECKOUT, "-u", "ada", BUCKETER_PORT="x")

    assert 1 == kept.status
    assert kept.err.startswith("bucketer: invalid_settings: BUCKETER_PORT: found 'x'")


def test_the_bandit_is_not_asked_and_that_is_said(tmp_path, demonstration):
    experiment = demonstration["experiments"][0]
    experiment["audienceConditions"] = []
    experiment["cmab"] = {"attributeIds": ["10000000101"], "trafficAllocation": 10_000}
    path = tmp_path / "bandit.json"
    path.write_text(json.dumps(demonstration))

    kept = Kept("decide", "-d", str(path), "-f", "checkout_flow", "-u", "ada", "--explain")

    assert "rule 10000000301 asks a bandit" in kept.err
    assert any("could not be asked" in line for line in kept.lines)


def test_an_archived_revision_can_be_asked(tmp_path, demonstration):
    archived = {**demonstration, "revision": "21"}
    archived["experiments"][0]["status"] = "Paused"
    (tmp_path / "21.json").write_text(json.dumps(archived))

    kept = Kept("decide", *CHECKOUT, *COOPER, "--revision", "21", BUCKETER_REVISIONS=str(tmp_path))

    assert "(no variation)" == kept.lines[0]
    assert "  revision    21" in kept.lines


@pytest.mark.parametrize(
    ("revision", "archive", "code"),
    [
        ("21", {}, "invalid_request"),
        ("../../etc/passwd", {"BUCKETER_REVISIONS": "/tmp"}, "invalid_request"),
        ("404", {"BUCKETER_REVISIONS": "/nonexistent"}, "source_failed"),
    ],
)
def test_a_revision_that_can_not_be_had_is_an_error(revision, archive, code):
    kept = Kept("decide", *CHECKOUT, "-u", "ada", "--revision", revision, **archive)

    assert 1 == kept.status
    assert kept.err.startswith(f"bucketer: {code}: ")
