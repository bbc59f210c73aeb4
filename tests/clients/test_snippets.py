"""Each snippet of docs/openfeature.md does what it says, as it is pasted: only the port is another."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tests.clients.asking import go_folder, java_folder, js_folder
from tests.fakes.process import bucketer_serve

PAGE = (Path(__file__).parents[2] / "docs" / "openfeature.md").read_text("utf-8")
HERE = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def server():
    with bucketer_serve() as started:
        yield started.url


def snippets(language, url):
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert all(HERE in each for each in found)
    return [each.replace(HERE, url) for each in found]


def output(command, folder):
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_python_s(server, capsys):
    [snippet] = snippets("python", server)

    exec(compile(snippet, "page", "exec"), {})

    assert capsys.readouterr().out == "20\n"


@pytest.mark.e2e
def test_go_s(server):
    [snippet] = snippets("go", server)
    folder = go_folder()
    (folder / "page").mkdir(exist_ok=True)
    (folder / "page" / "main.go").write_text(snippet)

    assert output(["go", "run", "./page"], folder) == "20\n"


@pytest.mark.e2e
def test_java_s(server):
    [snippet] = snippets("java", server)
    folder = java_folder()
    (folder / "Shop.java").write_text(snippet)
    classpath = (folder / "classpath").read_text()

    assert output(["java", "-cp", classpath, "Shop.java"], folder) == "20\n"


@pytest.mark.e2e
def test_javascript_s_for_servers(server):
    [_, snippet] = snippets("js", server)
    (js_folder() / "page.mjs").write_text(snippet + "process.exit(0);\n")

    assert output(["node", "page.mjs"], js_folder()) == "20\n"
