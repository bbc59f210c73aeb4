"""The docs are true: generated parts are up to date, examples are answered so, links lead somewhere."""

import importlib.util
import json
import re
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.fakes.terminals import Kept

from bucketer import __version__, wiring
from bucketer.api.http import Request
from bucketer.doors.cli.main import COMMANDS
from bucketer.settings import TABLE

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])

#: Decisions tell of what was thought of, too.
MANUAL = [page for page in PAGES if page.parent.name != "decisions"]


@pytest.fixture(scope="module")
def generate():
    """docs/generate.py, which is a program beside the pages and no package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ask():
    """Put one request to the handler, on the demonstration datafile."""
    runtime = wiring.build(environ={"BUCKETER_EVENTS": "off"}, mode=wiring.COMMAND)

    def get(url):
        parts = urlsplit(url)
        answer = runtime.serve(Request("GET", parts.path, parts.query, ip="192.0.2.1"))
        return json.loads(answer.body)

    yield get
    runtime.close()


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_generated_pages_are_up_to_date(generate):
    """If not: `make docs`."""
    pages = {name: text_of(f"docs/{name}") for name in generate.PARTS}

    assert [] == [name for name, page in pages.items() if generate.page(name) != page]


def test_every_setting_is_documented():
    page = text_of("docs/settings.md")

    assert [] == [row.name for row in TABLE if f"### `{row.name}`" not in page]


def test_every_command_is_documented():
    page = text_of("docs/cli.md")

    assert [] == [each.name for each in COMMANDS if f"### `bucketer {each.name}`" not in page]


def test_the_first_request_of_the_readme_is_answered_as_it_says(ask):
    readme = text_of("README.md")
    [command] = [line for line in readme.splitlines() if line.strip().startswith("curl")]
    [answer] = re.findall(r"```json\n(.*?)\n```", readme, re.DOTALL)

    assert json.loads(answer) == ask(shlex.split(command)[-1])


def test_make_serve_leaves_the_one_url_to_the_server_which_knows_its_datafile():
    [recipe] = re.findall(r"^serve: .*\n((?:\t.*\n)+)", text_of("Makefile"), re.MULTILINE)

    assert "http" not in recipe
    assert "bucketer serve" in recipe


def test_the_first_command_of_the_readme_runs():
    [words] = re.findall(
        r"\.venv/bin/(bucketer decide .*?)--explain", text_of("README.md"), re.DOTALL
    )

    kept = Kept(*shlex.split(words.replace("\\\n", " "))[1:], "--explain")

    assert (0, "one_step_checkout") == (kept.status, kept.lines[0])


def test_the_explanation_that_the_page_of_the_command_shows_is_what_is_printed():
    page = text_of("docs/cli.md")
    [words] = re.findall(r"\$ (bucketer decide -e .*?)\n\n", page, re.DOTALL)
    [shown] = re.findall(r"```\n(Experiment .*?)\n```", page, re.DOTALL)

    kept = Kept(*shlex.split(words.replace("\\\n", " "))[1:])

    assert shown == kept.out.partition("\n\n")[2].rstrip()


@pytest.mark.parametrize(
    "url",
    [
        '/bucketer?e=checkout_flow_experiment&u=cooper34523569&a=tier:"platinum",member_since_days:56',
        "/bucketer?f=free_shipping&u=ben&a=country:DE",
        "/bucketer?e=chekout_flow_experiment&u=cooper34523569",
        "/track?ev=purchase&u=ben",
        "/health",
    ],
)
def test_examples_of_the_api_page_are_what_is_answered(ask, url):
    examples = re.findall(r"```json\n(\{.*?\})\n```", text_of("docs/http-api.md"), re.DOTALL)

    assert ask(url) in [json.loads(each) for each in examples]


@pytest.mark.parametrize("page", MANUAL, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_pages_name_exist(page):
    """`bucketer events dead` was told in a metric's help, and there never was one."""
    named = re.findall(
        r"(?:^ {4}|`|bin/)bucketer((?: [a-z][a-z-]*){1,2})\b", text_of(page), re.MULTILINE
    )

    assert [] == [words for words in named if Kept(*words.split(), "--help").status != 0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = re.findall(
        r"\]\((?!https?:|mailto:)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")
    )

    assert [] == [target for target in targets if not (page.parent / unquote(target)).exists()]


def test_files_that_the_tour_names_exist():
    named = set(re.findall(r"`([a-z_/]+(?:\.py|\.json|/))`", text_of("docs/tour.md")))
    homes = (ROOT / "src" / "bucketer", ROOT, ROOT / "docs")

    assert named
    assert [] == sorted(each for each in named if not any((home / each).exists() for home in homes))


def test_settings_that_pages_name_exist():
    known = {row.name for row in TABLE}
    named = {
        name
        for page in PAGES
        for name in re.findall(
            r"`(BUCKETER_[A-Z_]+|DATAFILE_[A-Z_]+)[=`]", page.read_text(encoding="utf-8")
        )
    }

    assert set() == named - known - {"BUCKETER_"}


def test_the_changelog_has_a_place_for_this_version():
    changelog = text_of("CHANGELOG.md")

    assert "## Unreleased" in changelog or f"## {__version__}" in changelog


def test_every_option_says_what_it_means():
    page = text_of("docs/cli.md")

    assert [] == re.findall(r"^\| .* \|\s*\|$", page, re.MULTILINE)
