"""OpenFeature's JavaScript clients as docs/openfeature.md shows them: in Node, and in a real Chromium.

The packages are installed into `build/openfeature-js`; without npm the tests are skipped, and say so.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.fakes.chromium import Pages, chromium_or_skip, opened
from tests.fakes.process import bucketer_serve

from bucketer import demo

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "openfeature-js"
PACKAGES = (
    "@openfeature/web-sdk@1.10.0",
    "@openfeature/ofrep-web-provider@0.4.3",
    "@openfeature/server-sdk@1.23.0",
    "@openfeature/ofrep-provider@0.1.3",
    "@openfeature/core@1.12.0",
    "esbuild@0.25",
)
PAGE, SERVER = re.findall(
    r"```js\n(.*?)```", (ROOT / "docs" / "openfeature.md").read_text("utf-8"), re.DOTALL
)
HERE = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def packages():
    if shutil.which("npm") is None:
        pytest.skip("no npm is here: install Node.js from 20 on")
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not (FOLDER / "node_modules" / "esbuild").is_dir():
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES]
        subprocess.run(install, cwd=FOLDER, check=True)
    return FOLDER


def run_in_node(folder, script, name):
    path = folder / name
    path.write_text(script)
    done = subprocess.run(
        ["node", path], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def bundled(folder, script):
    """The script with all that it imports, as a page takes it."""
    (folder / "page.mjs").write_text(script)
    command = ["npx", "esbuild", "page.mjs", "--bundle", "--format=esm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.replace("</script", "<\\/script")


def test_the_snippet_for_servers_runs_in_node(packages):
    with bucketer_serve() as started:
        script = SERVER.replace(HERE, started.url) + "process.exit(0);\n"

        assert run_in_node(packages, script, "server.mjs") == "20\n"


#: After the snippet: another user, then a new revision, each as the page sees it.
MORE = """
const client = OpenFeature.getClient();
const told = {first: client.getNumberDetails("search.max_results", 10)};
await OpenFeature.setContext({ targetingKey: "u1" });
told.off = client.getObjectDetails("checkout_flow", {mine: true});
let changed;
const change = new Promise(resolve => { changed = resolve; });
OpenFeature.addHandler("PROVIDER_CONFIGURATION_CHANGED", event => changed(event.flagsChanged));
await fetch("/report", {method: "POST", body: JSON.stringify(told)});
const flags = await change;
told.changed = flags.includes("search");
told.version = client.getNumberDetails("search.max_results", 10).flagMetadata.version;
await fetch("/report", {method: "POST", body: JSON.stringify(told)});
"""


def test_the_snippet_for_pages_runs_in_a_browser_and_sees_a_new_revision(packages, tmp_path):
    chromium_or_skip()
    datafile = json.loads(Path(demo.PATH).read_text("utf-8"))
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(datafile))
    pages = Pages()
    try:
        with bucketer_serve(
            "--datafile", str(path), "--access-log", DATAFILE_MAX_AGE="0.1"
        ) as started:
            polled = f'baseUrl: "{started.url}", pollInterval: 300'
            script = PAGE.replace(f'baseUrl: "{HERE}"', polled) + MORE
            pages.html = (
                f'<!doctype html><script type="module">{bundled(packages, script)}</script>'
            )
            with opened(pages, tmp_path / "chromium"):
                first = pages.reports.get(timeout=60)
                path.write_text(json.dumps(datafile | {"revision": "23"}))
                second = pages.reports.get(timeout=60)
            _, log, _ = started.stop()
    finally:
        pages.close()

    assert first["first"]["value"] == 20
    assert (first["off"]["value"], first["off"]["reason"]) == ({"mine": True}, "DISABLED")
    assert (second["changed"], second["version"]) == (True, "23")
    assert '"POST /ofrep/v1/evaluate/flags" 304 ' in log
