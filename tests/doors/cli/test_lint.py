"""`bucketer lint`: a sound datafile, a broken part, a document that is no datafile."""

import json

import pytest
from tests.fakes.terminals import Kept


@pytest.fixture
def lint(tmp_path):
    """Write a datafile and lint it."""

    def run(datafile, *options, **environ):
        path = tmp_path / "datafile.json"
        path.write_text(datafile if isinstance(datafile, str) else json.dumps(datafile))
        return Kept("lint", str(path), *options, **environ)

    return run


def test_the_demonstration_is_sound():
    kept = Kept("lint")

    assert 0 == kept.status
    assert (
        "The demonstration datafile (DATAFILE_URL is not set), revision 22: "
        "3 flags, 8 experiments and rules; 0 errors, 0 warnings, 0 notes."
    ) == kept.out.strip()


def test_a_dangling_experiment_is_told_with_its_pointer_and_what_it_costs(lint, demonstration):
    demonstration["featureFlags"][0]["experimentIds"] = ["404"]

    kept = lint(demonstration)

    assert 1 == kept.status
    assert "flag checkout_flow" == kept.lines[0]
    assert kept.lines[1].startswith("  error: /featureFlags/0/experimentIds/0: ")
    assert "; 1 error, 0 warnings, " in kept.lines[-1]


def test_a_warning_is_told_and_is_no_failure(lint, demonstration):
    demonstration["experiments"][0]["forcedVariations"]["somebody"] = "404"

    kept = lint(demonstration)

    assert 0 == kept.status
    assert kept.lines[1].startswith("  warning: /experiments/0/forcedVariations/somebody: ")
    assert kept.lines[-1].endswith("; 0 errors, 1 warning, 0 notes.")


def test_json_holds_the_same_for_programs(lint, demonstration):
    demonstration["featureFlags"][0]["experimentIds"] = ["404"]

    kept = lint(demonstration, "--json")

    diagnostic = kept.json["diagnostics"][0]
    assert (1, True, 1) == (kept.status, kept.json["usable"], kept.json["errors"])
    assert {"severity", "pointer", "expected", "found", "consequence", "about"} == set(diagnostic)
    assert "flag checkout_flow" == diagnostic["about"]
    assert kept.json["source"].endswith("/datafile.json")
    assert diagnostic["pointer"].startswith("/featureFlags/0/experimentIds")


@pytest.mark.parametrize(
    ("document", "code", "pointer"),
    [
        ("", "invalid_datafile", ""),
        ("{", "invalid_datafile", ""),
        ("[]", "invalid_datafile", ""),
        ("{}", "invalid_datafile", "/version"),
        ('{"version": "4"}', "invalid_datafile", "/revision"),
    ],
)
def test_what_is_no_datafile_is_refused_with_code_and_pointer(lint, document, code, pointer):
    text, data = lint(document), lint(document, "--json")

    assert (1, 1) == (text.status, data.status)
    assert text.err.startswith(f"bucketer: {code}: ")
    assert (code, pointer) == (data.json["error"]["code"], data.json["error"]["pointer"])


def test_an_unknown_version_is_refused(lint, demonstration):
    kept = lint({**demonstration, "version": "5"}, "--json")

    assert (1, "unsupported_version", "/version") == (
        kept.status,
        kept.json["error"]["code"],
        kept.json["error"]["pointer"],
    )


def test_lines_fit_the_terminal_and_are_grouped_by_flag(lint, demonstration):
    for experiment in demonstration["experiments"]:
        experiment["status"] = "running"
        experiment["forcedVariations"]["somebody"] = "404"
    demonstration["rollouts"][2]["experiments"][1]["audienceConditions"] = []
    path_like = lint(demonstration, COLUMNS="80")

    headings = [each for each in path_like.lines[:-1] if each and each[0] != " "]
    assert all(len(each) <= 80 for each in path_like.lines[:-2])
    assert len(set(headings)) == len(headings)
    assert "flag checkout_flow" == headings[0]


def test_a_key_cannot_move_the_cursor(lint, demonstration):
    demonstration["featureFlags"][0]["key"] = "red\x1b[31m\u202e\x07"
    demonstration["featureFlags"][0]["experimentIds"] = ["404"]

    kept = lint(demonstration)

    assert "flag red\\x1b[31m\\u202e\\x07" == kept.lines[0]
    assert not any(each in kept.out for each in "\x1b\x07\u202e")
