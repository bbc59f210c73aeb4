"""What belongs to any project: a licence that is told, pages that hold, a lock that can be trusted."""

import ast
import hashlib
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
README = (ROOT / "README.md").read_text("utf-8")
LOCK = (ROOT / "requirements.lock").read_text()
#: The text as the Apache Software Foundation publishes it.
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_the_licence_is_whole_and_named_where_tools_look():
    [file] = PROJECT["license-files"]

    assert "Apache-2.0" == PROJECT["license"]
    assert APACHE_2 == hashlib.sha256((ROOT / file).read_bytes()).hexdigest()
    # PEP 639: a classifier beside the expression would be an error.
    assert not [each for each in PROJECT["classifiers"] if each.startswith("License")]


@pytest.mark.parametrize("name", ["LICENSE", "CONTRIBUTING.md", "SECURITY.md"])
def test_the_readme_leads_to_the_licence_and_to_those_who_mend(name):
    assert f"]({name})" in README


def test_targets_of_make_that_pages_name_exist():
    known = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
    named = {
        name
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
        for name in re.findall(
            r"(?:^ {4}|`)make ([a-z0-9-]+)", page.read_text("utf-8"), re.MULTILINE
        )
    }

    assert {"setup", "lock"} <= named
    assert set() == named - known


def test_the_readme_s_python_runs_as_it_is_pasted(tmp_path):
    [snippet] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    [promised] = re.findall(r"# prints (.+)$", snippet, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=snippet,
        cwd=tmp_path,  # nothing lies there
        capture_output=True,
        text=True,
        check=False,
    )

    assert (f"{promised}\n", "") == (done.stdout, done.stderr)


SNIPPETS = [
    pytest.param(snippet, id=f"{page.name}-{number}")
    for page in sorted((ROOT / "docs").glob("*.md"))
    for number, snippet in enumerate(
        re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    )
    if "bucketer" in snippet  # a client's own is run in tests/clients
]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_python_in_pages_imports_what_exists(snippet):
    imports = [node for node in ast.parse(snippet).body if isinstance(node, ast.ImportFrom)]
    ours = [each for each in imports if (each.module or "").partition(".")[0] == "bucketer"]

    assert ours
    for each in ours:
        module = importlib.import_module(each.module)
        assert [] == [name.name for name in each.names if not hasattr(module, name.name)]


# -- the lock ---------------------------------------------------------------------------------


def _locked():
    """Each requirement of the lock with the digests below it."""
    entries = re.findall(r"^[^#\s].*(?:\n +--hash=.+)*", LOCK, re.MULTILINE)
    for entry in entries:
        requirement, *digests = (line.strip(" \\") for line in entry.split("\n"))
        yield Requirement(requirement), digests


LOCKED = list(_locked())


def _versions(python, system):
    """What the lock gives to *python* on *system*: names to versions."""
    of_it = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": system}
    environment = default_environment() | of_it
    found = {}
    for each, _ in LOCKED:
        if each.marker is None or each.marker.evaluate(environment):
            assert each.name not in found, f"{each.name} twice for Python {python} on {system}"
            [version] = each.specifier
            found[canonicalize_name(each.name)] = version.version
    return found


def _wanted(system):
    """Each requirement of what `make setup` installs, by the extras that the Makefile names."""
    [line] = re.findall(r"^EXTRAS := (.+)$", MAKEFILE, re.MULTILINE)
    extras = PROJECT["optional-dependencies"]
    assert set(line.split()) == set(extras) - {"bench"}
    texts = [*PROJECT["dependencies"], *(text for extra in line.split() for text in extras[extra])]
    for each in map(Requirement, texts):
        if each.marker is None or each.marker.evaluate({"sys_platform": system}):
            yield each


@pytest.mark.parametrize("system", ["linux", "darwin"])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_the_lock_has_every_requirement_within_its_bounds(python, system):
    versions = _versions(python, system)
    for each in _wanted(system):
        name = canonicalize_name(each.name)
        assert name in versions, f"{each}: run `make lock`"
        assert each.specifier.contains(versions[name]), f"{each}, and locked is {versions[name]}"


def test_each_version_in_the_lock_is_exact_and_has_digests():
    assert LOCKED
    for requirement, digests in LOCKED:
        assert re.fullmatch(r"==[\w.+!]+", str(requirement.specifier)), str(requirement)
        assert requirement.url is None
        assert digests, f"{requirement} has no digest"
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in digests)


def test_the_lock_names_no_index():
    """It would be a mirror of somebody's; whoever installs has their own."""
    options = [line for line in LOCK.splitlines() if re.match(r"\s*-(?!-hash=)", line)]

    assert [] == options
    assert "://" not in LOCK


def test_make_setup_installs_the_lock_and_nothing_beside_it():
    [recipe] = re.findall(r"^\$\(STAMP\): (.*?)\n\n", MAKEFILE, re.MULTILINE | re.DOTALL)

    assert recipe.startswith("pyproject.toml requirements.lock\n")
    expected = ["--require-hashes -r requirements.lock", "--no-deps --no-build-isolation -e ."]
    assert expected == re.findall(r"\$\(PIP\) install (.+)", recipe)
    assert "pip install" not in MAKEFILE


def test_the_change_log_says_each_thing_once_under_one_heading():
    """Merged with both sides kept, it could hold an entry twice, or a section."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    unreleased = text.partition("\n## Unreleased\n")[2].partition("\n## ")[0]
    headings = re.findall(r"^### (.+)$", unreleased, re.MULTILINE)
    lines = [line for line in unreleased.splitlines() if line and not line.startswith("#")]
    order = [each for each in ("Added", "Changed", "Fixed", "Security") if each in headings]

    assert order == headings
    begun = [line[:40] for line in lines if line.startswith("- ")]
    assert [] == [line for line in lines if lines.count(line) > 1]
    assert [] == [each for each in begun if begun.count(each) > 1]
    assert [] == [line for line in lines if len(line) > 120]
    assert [] == [line for line in lines if not line.startswith(("- ", "  "))]


def test_make_help_lists_every_target_that_is_explained():
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    explained = set(re.findall(r"^([\w-]+):.*## ", MAKEFILE, re.MULTILINE))

    assert "e2e" in explained
    assert explained == set(re.findall(r"^ +make ([\w-]+) ", told.stdout, re.MULTILINE))


def test_decisions_are_numbered_once():
    files = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [path.name[:4] for path in files]
    titles = [path.read_text("utf-8").partition(":")[0] for path in files]

    assert sorted(set(numbers)) == numbers
    assert [f"# {number}" for number in numbers] == titles
