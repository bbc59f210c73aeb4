"""The package as a library: its public names, and the lines that the README shows."""

import re
from contextlib import closing
from pathlib import Path

import pytest
from tests.fakes.bandit import Bandit
from tests.fakes.bandits import TWO_STEP, a_datafile_with_bandits

import bucketer
from bucketer import User, compile_datafile
from bucketer.wiring import open_predictor

DOCS = Path(__file__).parents[1] / "docs"
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", bucketer.__all__)
def test_every_public_name_is_there(name):
    assert name == getattr(bucketer, name).__name__


def test_another_name_is_missing_in_the_usual_way():
    with pytest.raises(AttributeError, match="module 'bucketer' has no attribute 'activvate'"):
        bucketer.activvate  # noqa: B018 -- asking is the point


def test_the_python_of_the_readme_does_what_it_says(monkeypatch, capsys):
    monkeypatch.chdir(Path(__file__).parents[1] / "src" / "bucketer" / "demo")
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    exec(compile(code, "README.md", "exec"), {})

    [said] = re.findall(r"# prints (.*)", code)
    assert said == capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("options", "questions"),
    [
        ((), 1),
        ({"IGNORE_CMAB_CACHE"}, 2),
        ({"RESET_CMAB_CACHE"}, 2),
        ({"INVALIDATE_USER_CMAB_CACHE"}, 2),
    ],
)
def test_a_library_asks_bandits_as_its_page_shows_with_the_options_of_their_cache(
    options, questions
):
    page = (DOCS / "profiles-and-predictions.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shown = {}
    exec(compile(code, "profiles-and-predictions.md", "exec"), shown)
    ruleset = compile_datafile(a_datafile_with_bandits())
    with closing(Bandit(TWO_STEP)) as bandit:
        shown["predictor"] = open_predictor(bandit.url, timeout_s=5.0)
        decisions = [
            shown["decide_asking"](ruleset, "checkout_flow", User("ben"), options) for _ in range(2)
        ]
        shown["predictor"].close()

    assert questions == len(bandit.questions)
    assert [None, None] == [each.error for each in decisions]
