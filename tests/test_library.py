"""The package as a library: its public names, and the lines that the README shows."""

import re
from pathlib import Path

import pytest

import bucketer

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
