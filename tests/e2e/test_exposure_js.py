"""The snippets of docs/exposure.md in a real Chromium: decided now, exposed by a beacon."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path

import pytest
from tests.clients.asking import js_folder
from tests.fakes.chromium import Pages, chromium_or_skip, opened
from tests.fakes.serving import MemoryOutbox, serving
from tests.fakes.waiting import wait_until

from bucketer import wiring
from bucketer.settings import read_settings

pytestmark = pytest.mark.e2e

_PAGE = Path(__file__).parents[2] / "docs" / "exposure.md"
PLAIN, OF_OPENFEATURE = re.findall(r"```js\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)

OPENFEATURE = """
import { OpenFeature } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";

const service = "SERVICE";
await OpenFeature.setContext({ targetingKey: "ben", $opt_impressions: "later" });
await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl: service }));
const client = OpenFeature.getClient();
DECIDED
await fetch("/report", { method: "POST", body: JSON.stringify({ value }) });
"""


def bundled(script):
    folder = js_folder()
    (folder / "exposing.mjs").write_text(script)
    command = ["npx", "esbuild", "exposing.mjs", "--bundle", "--format=esm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.replace("</script", "<\\/script")


def plain(service):
    report = 'await fetch("/report", {method: "POST", body: JSON.stringify({value: variables.max_results})});'
    return f'const service = "{service}", user = "ben";\n{PLAIN}\n{report}'


def of_openfeature(service):
    return bundled(OPENFEATURE.replace("SERVICE", service).replace("DECIDED", OF_OPENFEATURE))


@pytest.mark.parametrize("script_for", [plain, of_openfeature])
def test_what_a_page_decides_is_sent_when_it_says_that_it_was_seen(tmp_path, script_for):
    chromium_or_skip()
    secret = base64.b64encode(b"s" * 32).decode()
    environ = {"BUCKETER_EVENTS": "stdout", "BUCKETER_SIGNING_SECRETS": secret}
    runtime = wiring.build(read_settings(environ), {})
    runtime.outbox = outbox = MemoryOutbox()
    pages = Pages()
    try:
        with serving(runtime) as server:
            script = script_for(f"http://127.0.0.1:{server.port}")
            pages.html = f'<!doctype html><script type="module">{script}</script>'
            with opened(pages, tmp_path):
                told = pages.reports.get(timeout=60)
                wait_until(lambda: outbox.events)
    finally:
        pages.close()

    [event] = outbox.events
    assert told == {"value": 20}
    assert (event.user.id, event.what.flag_key) == ("ben", "search")
