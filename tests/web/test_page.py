"""The page's files: small, whole, and with nothing in them that the world outside could answer."""

import gzip
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "src" / "bucketer" / "web"
SERVED = [each for each in WEB.rglob("*") if each.suffix in {".html", ".js", ".css", ".svg"}]
MODULES = [each for each in WEB.rglob("*.js") if "vendor" not in each.parts]
SHEETS = list(WEB.rglob("*.css"))
#: What the first visit may take, everything together.
MOST_BYTES = 100_000


class Linked(HTMLParser):
    """What the page names: the files, and whatever a strict policy would refuse."""

    def __init__(self):
        super().__init__()
        self.files = []
        self.refused = []
        self.feed((WEB / "index.html").read_text())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.files += [attributes[name] for name in ("src", "href") if name in attributes]
        if tag == "style" or (tag == "script" and "src" not in attributes):
            self.refused.append(tag)
        self.refused += [name for name in attributes if name == "style" or name.startswith("on")]


def test_everything_that_a_first_visit_loads_is_under_100_kb_compressed():
    packed = {each: len(gzip.compress(each.read_bytes(), 6)) for each in SERVED}

    assert 40 <= len(packed)
    assert MOST_BYTES > sum(packed.values())


def test_the_page_names_files_that_are_there_relatively_and_nothing_inline():
    linked = Linked()

    assert "console/main.js" in linked.files
    assert [] == linked.refused
    for each in linked.files:
        assert (WEB / each.removeprefix("console/")).is_file()


@pytest.mark.parametrize("module", MODULES, ids=lambda each: str(each.relative_to(WEB)))
def test_a_module_imports_what_is_there_and_is_no_longer_than_a_screen_or_five(module):
    text = module.read_text()

    for imported in re.findall(
        r"""^(?:import|export)[^"';]*from "([^"]+)";$""", text, re.MULTILINE
    ):
        assert (module.parent / imported).resolve().is_file(), imported
    assert text.startswith("/* "), "it says first what it shows"
    assert 300 >= len(text.splitlines())


def test_each_module_and_each_sheet_is_used():
    used = {(WEB / each.removeprefix("console/")).resolve() for each in Linked().files}
    for module in MODULES:
        imported = re.findall(r"""from "(\.[^"]+)";""", module.read_text())
        used |= {(module.parent / each).resolve() for each in imported}

    assert [] == [each for each in [*MODULES, *SHEETS] if each.resolve() not in used]


def test_no_file_names_another_host_or_makes_markup_of_text():
    for each in [*MODULES, *SHEETS, WEB / "index.html"]:
        text = each.read_text()
        assert not re.search(r"https?://|//[a-z0-9-]+\.[a-z]|@import|url\(", text), each
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write", text), each


def test_where_node_is_missing_its_checks_are_skipped_and_say_so():
    done = subprocess.run(
        ["make", "--no-print-directory", "page", "NODE="],
        cwd=WEB.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "skipped: no Node.js from 20.19 on is here\n") == (done.returncode, done.stdout)


def test_each_class_that_a_sheet_knows_is_one_that_a_module_gives():
    given = "\n".join(each.read_text() for each in MODULES)
    known = {
        name
        for sheet in SHEETS
        for name in re.findall(r"\.([a-z][a-z0-9-]*)(?=[^{}]*\{)", sheet.read_text())
    }

    unknown = {name for name in known if not re.search(rf"\b{name}\b", given)}
    # Made of what the service says: kinds of nodes and things, results, and numbers of tints.
    made = re.compile(r"tint\d|operator|condition|(audience|event)-card|not-reached|added|removed")

    assert set() == {name for name in unknown if not made.fullmatch(name)}
