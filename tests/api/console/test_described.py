"""docs/console-api.md shows whole answers about the demonstration: they are what is answered."""

import json
import re
from pathlib import Path

import pytest
from tests.fakes.consoles import Console

PAGE = (Path(__file__).parents[3] / "docs/console-api.md").read_text()
EXAMPLE = re.compile(
    r"^    (GET|POST) ([a-z]+)(?:\?(\S+))?(?: (\{[^\n]*\}))?\n\n```json\n(.*?)^```",
    re.DOTALL | re.MULTILINE,
)
#: What changes with the time of day, and what needs an archive: their pages show the shape.
SHAPES = {"service", "compare"}
SHOWN = [each for each in EXAMPLE.findall(PAGE) if each[1] not in SHAPES]


@pytest.fixture(scope="module")
def console():
    return Console()


def test_the_page_shows_them():
    assert len(SHOWN) >= 11
    assert {"project", "list", "flag", "try", "split", "revisions"} <= {each[1] for each in SHOWN}


@pytest.mark.parametrize(
    ("method", "name", "query", "body", "shown"), SHOWN, ids=[" ".join(each[:3]) for each in SHOWN]
)
def test_an_answer_is_the_one_that_is_shown(console, method, name, query, body, shown):
    told = console.get(name, query) if method == "GET" else console.post(name, json.loads(body))

    assert json.loads(shown) == told
