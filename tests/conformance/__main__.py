"""OpenFeature's provider conformance suite against a real server; the report is kept in docs/.

python -m tests.conformance            asks, and writes docs/openfeature-conformance.md
python -m tests.conformance --check    asks, and says whether that page is what would be written
"""

from __future__ import annotations

import sys
from importlib.metadata import version

import pytest
from tests.conformance.suite import DECLARED, FOLDER, NOT_DECLARED, ROOT, SOURCE, digest

PAGE = ROOT / "docs" / "openfeature-conformance.md"
#: Why a scenario fails, by its name: each for a reason of the client's own.
KNOWN = {
    "Requesting the wrong type returns the code default: boolean-flag, Integer, 1": (
        "the client takes a boolean for an integer, since Python's `bool` is an `int`; "
        "the answer is `true`"
    ),
    "An integral float requested as an integer is coerced without loss": (
        "the client has `10.0` for no integer; the answer is `10.0`, as the flag is a double"
    ),
    "An integer requested as a float is widened without loss": (
        "the client has `10` for no float; the answer is `10`, as the flag is an integer"
    ),
}
CLIENT = ("openfeature-provider-ofrep", "openfeature-sdk")
SKIPPED, NOT_HERE = "not asked", 5


class Kept:
    """A plugin of pytest's that keeps what became of each scenario, and asks only what is declared."""

    def __init__(self):
        self.results = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_bdd_apply_tag(self, tag, function):
        del tag, function
        return True  # no markers of pytest's

    def pytest_collection_modifyitems(self, items):
        for item in items:
            scenario = _scenario_of(item)
            lacking = sorted((scenario.tags | scenario.feature.tags) - DECLARED)
            if lacking:
                item.add_marker(
                    pytest.mark.skip(reason=f"@{lacking[0]}: {NOT_DECLARED[lacking[0]]}")
                )

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        del call
        report = (yield).get_result()
        done = report.when == "call" or report.skipped
        if not done and not report.failed:
            return
        scenario = _scenario_of(item)
        row = (
            item.callspec.params.get("_pytest_bdd_example", {}) if hasattr(item, "callspec") else {}
        )
        name = scenario.name + (
            f": {', '.join(each or repr(each) for each in row.values())}" if row else ""
        )
        became, why = report.outcome, ""
        if report.skipped:
            became, why = SKIPPED, report.longrepr[2].removeprefix("Skipped: ")
        self.results.append((scenario.feature.name, name, became, why))


def _scenario_of(item):
    from pytest_bdd.scenario import scenario_wrapper_template_registry  # pytest has to be first

    return scenario_wrapper_template_registry[item.obj]


def report(results):
    """Return the page."""
    count = {
        each: sum(each == became for *_, became, _ in results)
        for each in ("passed", "failed", SKIPPED)
    }
    lines = [
        "# Conformance with OpenFeature",
        "",
        "OpenFeature drafts a conformance suite for providers (its specification's appendix F). Here it asks",
        f"the Python client ({', '.join(f'`{each}` {version(each)}' for each in CLIENT)}),",
        "which asks `bucketer serve` with the suite's flags in an Optimizely datafile of our making",
        "(`tests/fakes/canonical_flags.py`). `python -m tests.conformance` has made this page.",
        "",
        f"**{len(results)} scenarios: {', '.join(f'{many} {each}' for each, many in count.items())}.**",
        "",
        f"The scenarios are OpenFeature's ({SOURCE}),",
        f"and not in this repository; the SHA-256 of what they say is `{digest()[:16]}…`. The command wants them in",
        "`build/openfeature-tck`; without them `make e2e` skips the suite and says so.",
        "Those asked here were taken file by file from a stored copy of the draft, the newest of each, without comments;",
        "they need not all be of one commit.",
        "",
        "Each scenario that fails does so for a reason of the client's own, with an answer of ours that is right:",
        "",
        *(f"- *{name}*: {why}." for name, why in KNOWN.items()),
        "",
        "What isn't asked needs what the client doesn't have:",
        "",
        *dict.fromkeys(f"- {why}." for *_, became, why in results if became == SKIPPED),
    ]
    for feature in dict.fromkeys(each for each, *_ in results):
        lines += ["", f"## {feature}", "", "| scenario | |", "|---|---|"]
        lines += [f"| {name} | {became} |" for of, name, became, _ in results if of == feature]
    return "\n".join(lines) + "\n"


def main(arguments):
    if not any(FOLDER.glob("*.feature")):
        sys.stdout.write(f"The scenarios aren't in {FOLDER}. They are in {SOURCE}.\n")
        return NOT_HERE
    kept = Kept()
    own = str(ROOT / "tests" / "conformance" / "scenarios.py")
    pytest.main([own, "-q", "-p", "no:cacheprovider", "--tb=line"], plugins=[kept])
    failed = {name for _, name, became, _ in kept.results if became == "failed"}
    if failed != set(KNOWN):
        sys.stdout.write(f"not as known: {sorted(failed ^ set(KNOWN))}\n")
        return 1
    page = report(kept.results)
    if "--check" in arguments:
        return 0 if page == PAGE.read_text("utf-8") else 1
    PAGE.write_text(page, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
