"""Documents, docstrings and comments cite only what a reader of the repository can open."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "docs", "benchmarks", "deploy", ".ci")
TEXTS = {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".json", ".html", ".mjs", ".js", ""}
SKIPPED = (Path(__file__), ROOT / ".git")
HOMES = (ROOT, ROOT / "src", ROOT / "src" / "bucketer", ROOT / "docs")
#: Papers of the people who ordered the work; each is outside.
OUTSIDE = re.compile(
    r"\bspec/|\bshared/|/work/|the mission\b|\b(?:of|in|by) (?:the|its|our) specification"
    r"|(?i:\bsection \d+ of the\b|\bissue #?\d+\b)"
)


def _is_text(path):
    made = {"__pycache__", "node_modules", "data"} & set(path.parts)
    return path.is_file() and path.suffix in TEXTS and not made and path not in SKIPPED


FILES = sorted(
    path
    for path in (*ROOT.glob("*"), *(each for name in FOLDERS for each in (ROOT / name).rglob("*")))
    if _is_text(path)
)
PAGES = [path for path in FILES if path.suffix == ".md"]


def _name(path):
    return str(path.relative_to(ROOT))


def test_there_is_something_to_look_at():
    found = {_name(path) for path in FILES}

    assert {"README.md", "Dockerfile", "src/bucketer/__init__.py", "docs/tour.md"} <= found


def test_nothing_outside_is_cited():
    found = [
        f"{_name(path)}:{number}: {line.strip()}"
        for path in FILES
        if path.suffix != ".json"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if OUTSIDE.search(line)
    ]

    assert [] == found


@pytest.mark.parametrize(
    "line",
    [
        "as measured (`spec/http.md`)",
        "(../shared/spec/lambda.md 2.1)",
        "the 50 traps of the specification",
        "as the mission says",
        "Section 6 of the decisions",
        "see issue 9",
    ],
)
def test_such_a_citation_would_be_found(line):
    assert OUTSIDE.search(line)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_files_that_a_page_names_exist(page):
    text = page.read_text("utf-8")
    paths = r"`([\w.-]+(?:/[\w.-]+)+\.(?:py|md|json|yaml|pem|sh|toml))`"
    named = {each for each in re.findall(paths, text) if not re.search("[A-Z]{4}", each)}
    homes = (*HOMES, page.parent)

    missing = sorted(each for each in named if not any((home / each).exists() for home in homes))
    assert [] == missing


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix != ".json"], ids=_name)
def test_pages_that_are_cited_exist(path):
    cited = set(re.findall(r"\b(docs/[\w-]+\.md)\b", path.read_text("utf-8")))
    numbers = set(re.findall(r"\bdocs/decisions/(\d{4})\b", path.read_text("utf-8")))
    decisions = {each.name[:4] for each in (ROOT / "docs" / "decisions").glob("*.md")}

    assert set() == {each for each in cited if not (ROOT / each).exists()}
    assert set() == numbers - decisions
