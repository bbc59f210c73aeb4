"""`bucketer decide` through its front door."""

import json
import re

import pytest
from tests.fakes.terminals import Kept

from bucketer import wiring
from bucketer.api.http import Request

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
        "",
        "What would have to change",
        '  if tier were "other" → no variation',
        "  if member_since_days were 29 → no variation",
        "  out at ≤ 82.78 % traffic of checkout_flow_experiment → no variation",
        "  as visitor-1 → current_checkout",
        "  as visitor-8 → two_step_checkout",
    ] == kept.lines[6:]


def test_the_sdk_s_reasons_name_no_rule_and_stand_below_what_was_asked():
    kept = Kept("decide", *CHECKOUT, "-u", "ada", "--explain", "--engine", "sdk")

    assert "Experiment checkout_flow_experiment: no variation" == kept.lines[6]
    assert kept.lines[7].startswith("  The official SDK was asked to activate")


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
    ] == kept.lines[8:13]


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


def test_json_tells_of_a_bandit_that_is_not_asked_as_the_url_does(tmp_path, demonstration):
    experiment = demonstration["experiments"][0]
    experiment["audienceConditions"] = []
    experiment["cmab"] = {"attributeIds": ["10000000101"], "trafficAllocation": 10_000}
    path = tmp_path / "bandit.json"
    path.write_text(json.dumps(demonstration))
    nobody = "http://127.0.0.1:1"
    environ = {"BUCKETER_DATAFILE": str(path), "BUCKETER_EVENTS": "off"}
    runtime = wiring.build(environ=environ | {"BUCKETER_CMAB_ENDPOINT": nobody})
    url = runtime.serve(Request("GET", "/bucketer", "e=checkout_flow_experiment&u=ada", ip="::1"))
    runtime.close()

    kept = Kept("decide", "-d", str(path), *CHECKOUT, "-u", "ada", "--json")

    assert 0 == kept.status
    assert json.loads(url.body) == kept.json
    assert "prediction_failed" == kept.json["error"]["code"]


@pytest.mark.parametrize(
    ("argv", "query"),
    [
        (("-e", "chekout_flow_experiment", "-u", "ada"), "e=chekout_flow_experiment&u=ada"),
        (("-f", "serch", "-u", "ada"), "f=serch&u=ada"),
        ((*CHECKOUT, "-u", "ada", "-a", "tier"), "e=checkout_flow_experiment&u=ada&a=tier"),
    ],
)
def test_json_of_an_error_is_the_url_s_body_beside_the_line_for_people(argv, query):
    runtime = wiring.build(environ={"BUCKETER_EVENTS": "off"}, mode=wiring.COMMAND)
    url = runtime.serve(Request("GET", "/bucketer", query, ip="::1"))
    runtime.close()

    kept = Kept("decide", *argv, "--json")

    assert 1 == kept.status
    assert json.loads(url.body) == kept.json
    problem = kept.json["error"]
    assert f"bucketer: {problem['code']}: {problem['message']}\n" == kept.err


def test_without_json_an_error_leaves_standard_output_alone():
    assert "" == Kept("decide", "-f", "serch", "-u", "ada").out


@pytest.mark.parametrize(
    ("option", "argv"),
    [
        ("attributes", (*CHECKOUT, "-u", "ada", "-a", 'tier:"\udcff"')),
        ("user", (*CHECKOUT, "-u", "\udcff")),
        ("experiment", ("-e", "\udcff", "-u", "ada")),
        ("flag", ("-f", "\udcff", "-u", "ada")),
    ],
)
def test_bytes_that_are_no_utf_8_are_refused_by_the_name_of_the_option(option, argv):
    kept = Kept("decide", *argv, "--json")

    position = 6 if option == "attributes" else 0
    assert 1 == kept.status
    assert (
        f"bucketer: invalid_request: --{option} is not valid UTF-8 at position {position}.\n"
        == kept.err
    )
    assert option not in kept.json


def test_an_unknown_key_is_an_error_of_ours_with_its_code_and_a_suggestion():
    kept = Kept("decide", "-e", "chekout_flow_experiment", "-u", "ada")

    assert (1, "") == (kept.status, kept.out)
    assert kept.err.startswith("bucketer: unknown_experiment: No experiment has the key")
    assert "Did you mean 'checkout_flow_experiment'?" in kept.err


@pytest.mark.parametrize(
    ("argv", "told", "url"),
    [
        (("-e", "search"), "That is a flag (-f search).", "(f=search)"),
        (("-f", "checkout_flow_experiment"), "experiment (-e checkout_flow_experiment)", "(e="),
        (("-f", "purchase"), "conversion event (/track?ev=purchase)", "(/track?ev=purchase)"),
    ],
)
def test_a_key_of_another_kind_is_told_with_the_option_that_asks_for_it(argv, told, url):
    kept = Kept("decide", *argv, "-u", "ada", "--json")

    assert told in " ".join(kept.err.split())
    assert url in kept.json["error"]["message"]


def test_bad_attributes_name_the_place():
    kept = Kept("decide", *CHECKOUT, "-u", "ada", "-a", 'tier:"platinum')

    assert 1 == kept.status
    assert kept.err.startswith("bucketer: invalid_request: ")


KEY = "-e/--experiment or -f/--flag"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ((), f"missing: {KEY}; -u/--user"),
        (("-u", "ada"), f"missing: {KEY}"),
        (("-e", "", "-u", "ada"), f"missing: {KEY}"),
        (("-e", "x"), "missing: -u/--user"),
        (("-e", "x", "-u", ""), "missing: -u/--user"),
        (("-e", "x", "-f", "y", "-u", "ada"), f"give one of {KEY}, not both"),
        (("-e", "x", "-u", "ada", "--bogus"), "unrecognized arguments: --bogus"),
    ],
)
def test_all_that_is_wrong_with_the_usage_is_told_below_the_command_s_own(argv, told, capsys):
    assert 2 == Kept("decide", *argv).status

    err = capsys.readouterr().err
    assert err.startswith("usage: bucketer decide [-h] (-e KEY | -f KEY) -u ID ")
    assert err.endswith(f"bucketer decide: error: {told}\n")


def test_what_is_empty_counts_as_not_given():
    assert "by_popularity" == Kept("decide", "-e", "", "-f", "search", "-u", "ada").lines[0]


def test_the_usage_names_every_option(capsys):
    Kept("decide", "--help")

    usage, _, options = capsys.readouterr().out.partition("\n\n")
    names = re.findall(r"^  (--?[a-z]+)", options, re.MULTILINE)
    assert names
    assert [] == [name for name in names if name not in usage]


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
    path = tmp_path / "none.json"
    assert f"bucketer: source_failed: {path}: there is no 'none.json' in {tmp_path}\n" == kept.err


def test_a_directory_that_is_not_there_is_told_in_place_of_the_file(tmp_path):
    kept = Kept("decide", "-d", str(tmp_path / "no" / "x.json"), *CHECKOUT, "-u", "ada")

    assert kept.err.endswith(f": there is no directory {tmp_path / 'no'}\n")


def test_a_directory_in_the_place_of_a_file_is_told_as_such(tmp_path):
    kept = Kept("decide", "-d", str(tmp_path), *CHECKOUT, "-u", "ada")

    assert f"bucketer: source_failed: {tmp_path}: Is a directory\n" == kept.err


def test_what_is_no_datafile_is_told_once_and_as_lint_tells_it(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<html>")

    kept = Kept("decide", "-d", str(path), *CHECKOUT, "-u", "ada")

    assert Kept("lint", str(path)).err == kept.err
    assert 1 == kept.err.count("\n")
    assert kept.err.startswith("bucketer: invalid_datafile: ")
    assert f"{path}: the datafile: expected JSON, found " in kept.err


def test_a_place_without_a_datafile_gives_way_to_the_next_and_that_is_told(tmp_path, demonstration):
    good = tmp_path / "good.json"
    good.write_text(json.dumps({**demonstration, "revision": "23"}))
    (tmp_path / "bad.json").write_text("<html>")
    places = f"{tmp_path}/none.json {tmp_path}/bad.json {good}"

    kept = Kept("decide", *CHECKOUT, *COOPER, BUCKETER_DATAFILE=places)

    assert "  revision    23" in kept.lines
    none, bad = kept.err.splitlines()
    assert none.startswith("bucketer: source_failed: ")
    assert none.endswith("; trying the file datafile instead")
    assert bad.startswith("bucketer: invalid_datafile: ")


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


SLIP = "The datafile has no attribute 'teir'. Did you mean 'tier'?"


def test_an_attribute_that_the_datafile_does_not_know_is_told_once():
    asked = ("decide", *CHECKOUT, "-u", "ada", "-a", "teir:platinum")

    plain, explained = Kept(*asked), Kept(*asked, "--explain")

    assert (f"bucketer: {SLIP}\n", False) == (plain.err, SLIP in plain.out)
    assert ("", SLIP) == (explained.err, explained.lines[-1])
    assert "unknown_attributes" not in Kept(*asked, "--json").json
    assert {"teir": "tier"} == Kept(*asked, "--json", "--explain").json["unknown_attributes"]


def test_attributes_that_it_knows_are_not_told():
    assert "" == Kept("decide", *CHECKOUT, "-u", "ada", "-a", "tier:platinum").err
