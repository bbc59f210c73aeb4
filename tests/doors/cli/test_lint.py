"""`bucketer lint`: a sound datafile, a broken part, a document that is no datafile."""

import json

import pytest

from fakes.terminals import Kept


@pytest.fixture
def lint(tmp_path):
    """Write a datafile and lint it."""

    def run(datafile, *options):
        path = tmp_path / "datafile.json"
        path.write_text(datafile if isinstance(datafile, str) else json.dumps(datafile))
        return Kept("lint", str(path), *options)

    return run


def test_the_demonstration_is_sound():
    kept = Kept("lint")

    assert 0 == kept.status
    assert "Revision 22: 3 flags, 8 experiments and rules; 0 errors, 0 warnings." == kept.lines[-1]


def test_a_dangling_experiment_is_told_with_its_pointer_and_what_it_costs(lint, demonstration):
    demonstration["featureFlags"][0]["experimentIds"] = ["404"]

    kept = lint(demonstration)

    assert 1 == kept.status
    assert "/featureFlags/0/experimentIds" in kept.lines[0]
    assert kept.lines[0].startswith("error: /")
    assert kept.lines[-1].endswith("; 1 error, 0 warnings.")
    assert "checkout_flow" in kept.lines[0]


def test_a_warning_is_told_and_is_no_failure(lint, demonstration):
    demonstration["experiments"][0]["forcedVariations"]["somebody"] = "404"

    kept = lint(demonstration)

    assert 0 == kept.status
    assert kept.lines[0].startswith("warning: /experiments/0/forcedVariations/somebody: ")
    assert kept.lines[-1].endswith("; 0 errors, 1 warning.")


def test_json_holds_the_same_for_programs(lint, demonstration):
    demonstration["featureFlags"][0]["experimentIds"] = ["404"]

    kept = lint(demonstration, "--json")

    [diagnostic] = kept.json["diagnostics"]
    assert (1, True, 1) == (kept.status, kept.json["usable"], kept.json["errors"])
    assert {"severity", "pointer", "expected", "found", "consequence"} == set(diagnostic)
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
