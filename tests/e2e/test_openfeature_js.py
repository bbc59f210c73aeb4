"""OpenFeature's client for pages in a real Chromium, from another origin than the service's.

First the snippet of docs/openfeature.md, then a page that tells what it sees while things happen
to it. The packages are installed into `build/openfeature-js`; without npm or Chromium the tests are
skipped, and say so.
"""

from __future__ import annotations

import base64
import json
import queue
import re
import subprocess
import time
from pathlib import Path

import jwt
import pytest
from tests.clients.asking import js_folder, keys
from tests.fakes import canonical_flags
from tests.fakes.chromium import Pages, chromium_or_skip, opened
from tests.fakes.ports import held_port
from tests.fakes.process import bucketer_serve
from tests.fakes.waiting import wait_until

from bucketer import demo

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "openfeature.md").read_text("utf-8")
[PAGE, _] = re.findall(r"```js\n(.*?)```", TEXT, re.DOTALL)
[REACT] = re.findall(r"```jsx\n(.*?)```", TEXT, re.DOTALL)
HERE = "http://127.0.0.1:8080"
SECRET = b"32 bytes that no one else may see"


@pytest.fixture
def pages():
    chromium_or_skip()
    pages = Pages()
    yield pages
    pages.close()


@pytest.fixture
def path(tmp_path):
    """Where the datafile is."""
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(canonical_flags.datafile()))
    return path


def page_of(script):
    """The script with all that it imports, as a page takes it."""
    folder = js_folder()
    (folder / "page.jsx").write_text(script)
    command = ["npx", "esbuild", "page.jsx", "--bundle", "--format=esm", "--jsx=automatic"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    bundled = done.stdout.replace("</script", "<\\/script")
    return f'<!doctype html><script type="module">{bundled}</script>'


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


def test_the_snippet_for_pages_sees_another_user_and_a_new_revision(pages, tmp_path):
    datafile = json.loads(Path(demo.PATH).read_text("utf-8"))
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(datafile))
    log = tmp_path / "access.log"
    environ = {"BUCKETER_ACCESS_LOG_FILE": str(log), "DATAFILE_MAX_AGE": "0.1"}
    with bucketer_serve("--datafile", str(path), "--access-log", **environ) as started:
        polled = f'baseUrl: "{started.url}", pollInterval: 300'
        pages.html = page_of(PAGE.replace(f'baseUrl: "{HERE}"', polled) + MORE)
        with opened(pages, tmp_path / "chromium"):
            first = pages.reports.get(timeout=60)
            wait_until(lambda: '"POST /ofrep/v1/evaluate/flags" 304 ' in log.read_text())
            path.write_text(json.dumps(datafile | {"revision": "23"}))
            second = pages.reports.get(timeout=60)

    assert first["first"]["value"] == 20
    assert (first["off"]["value"], first["off"]["reason"]) == ({"mine": True}, "DISABLED")
    assert (second["changed"], second["version"]) == (True, "23")


#: After the snippet: what a person reads.
READ = """
const reading = setInterval(async () => {
  if (!document.body.innerText.includes("results")) return;
  clearInterval(reading);
  await fetch("/report", {method: "POST", body: JSON.stringify(document.body.innerText)});
}, 50);
"""


def test_the_snippet_for_react_shows_what_was_decided(pages, tmp_path):
    with bucketer_serve() as started:
        pages.html = page_of(REACT.replace(HERE, started.url) + READ).replace(
            "<script", "<body></body><script", 1
        )
        with opened(pages, tmp_path / "chromium"):
            assert "20 results" == pages.reports.get(timeout=60)


#: A page that tells what it has each time that changes, and is reloaded once, for a user who has
#: another attribute and the same targeting key: what is kept of the first is not the second's.
TELLING = """
import { OpenFeature } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";

const reloaded = sessionStorage.reloaded === "yes";
const attributes = reloaded ? { tier: "gold" } : {};
await OpenFeature.setContext({ targetingKey: "u1", ...attributes });
OpenFeature.setProvider(new OFREPWebProvider({ baseUrl: "BASE_URL", headers: HEADERS, pollInterval: POLL_MS }));
const client = OpenFeature.getClient();
let told;
setInterval(async () => {
  const { value: tier, reason } = client.getStringDetails("gold-flag", "mine");
  const changing = client.getStringValue("changing-flag", "mine");
  const state = JSON.stringify({ reloaded, status: client.providerStatus, tier, reason, changing });
  if (state === told) return;
  told = state;
  await fetch("/report", { method: "POST", body: state });
  if (!reloaded && tier === "plain") {
    sessionStorage.reloaded = "yes";
    location.reload();
  }
}, 50);
"""


def seen(pages, **expected):
    """Wait until the page has told something that has all of *expected*; return all until then."""
    before = []
    while not before or not expected.items() <= before[-1].items():
        try:
            before.append(pages.reports.get(timeout=30))
        except queue.Empty:
            raise AssertionError(f"only {before} came, and never {expected}") from None
    return before


def telling(url, headers=(), poll_ms=300):
    script = (
        TELLING.replace("BASE_URL", url)
        .replace("POLL_MS", str(poll_ms))
        .replace("HEADERS", json.dumps(list(dict(headers).items())))
    )
    return page_of(script)


def test_a_page_is_reloaded_for_other_attributes_and_outlives_a_restart(pages, path, tmp_path):
    with (
        held_port() as port,  # nobody else takes it in between
        bucketer_serve("--datafile", str(path), "--port", str(port)) as started,
    ):
        pages.html = telling(started.url)
        with opened(pages, tmp_path / "chromium"):
            seen(pages, reloaded=False, tier="plain", status="READY")
            [*_, fresh] = seen(pages, reloaded=True, tier="gold", status="READY")
            started.stop()
            [*_, alone] = seen(pages, status="STALE")
            path.write_text(json.dumps(canonical_flags.datafile("bar", "2")))
            with bucketer_serve("--datafile", str(path), "--port", str(port)):
                seen(pages, changing="bar", tier="gold")

    assert ("foo", "TARGETING_MATCH") == (fresh["changing"], fresh["reason"])
    assert ("gold", "foo") == (alone["tier"], alone["changing"])


def test_a_page_without_a_token_has_its_own_values_and_keeps_those_it_had_with_one(
    pages, path, tmp_path
):
    secrets = base64.b64encode(SECRET).decode()
    with bucketer_serve("--datafile", str(path), BUCKETER_AUTH_HMAC_SECRETS=secrets) as started:
        pages.html = telling(started.url)
        with opened(pages, tmp_path / "without"):
            [*_, refused] = seen(pages, status="FATAL")
        claims = {"exp": time.time() + 15, "sdk_keys": ["not-a-key"]}
        token = {"Authorization": "Bearer " + jwt.encode(claims, SECRET, algorithm="HS256")}
        pages.html = telling(started.url, token)
        with opened(pages, tmp_path / "with"):
            [*_, let_in] = seen(pages, reloaded=True, tier="gold")
            [*_, expired] = seen(pages, reloaded=True, status="STALE")

    assert ("mine", "ERROR") == (refused["tier"], refused["reason"])
    assert "READY" == let_in["status"]
    assert ("gold", "foo") == (expired["tier"], expired["changing"])


@pytest.mark.parametrize("secret", [SECRET, b""], ids=["its own", "made up at each start"])
def test_a_page_that_listens_hears_of_a_new_revision_and_of_one_after_a_restart(
    pages, path, tmp_path, secret
):
    environ = {
        "BUCKETER_OFREP_EVENT_STREAMS": "on",
        "BUCKETER_SIGNING_SECRETS": base64.b64encode(secret).decode(),
        "DATAFILE_MAX_AGE": "0.1",
    }
    with (
        held_port() as port,  # nobody else takes it in between
        bucketer_serve("--datafile", str(path), "--port", str(port), **environ) as started,
    ):
        pages.html = telling(started.url, poll_ms=0)
        with opened(pages, tmp_path / "chromium"):
            seen(pages, reloaded=True, tier="gold", changing="foo", status="READY")
            path.write_text(json.dumps(canonical_flags.datafile("bar", "2")))
            seen(pages, changing="bar", tier="gold")
            started.stop()
            seen(pages, changing="bar", status="STALE")
            path.write_text(json.dumps(canonical_flags.datafile("third", "3")))
            with bucketer_serve("--datafile", str(path), "--port", str(port), **environ):
                seen(pages, changing="third")
                path.write_text(json.dumps(canonical_flags.datafile("fourth", "4")))
                seen(pages, changing="fourth", tier="gold")


def test_a_page_that_asks_too_often_waits_as_long_as_it_is_told(pages, path, tmp_path):
    environ = {
        "BUCKETER_KEYS_FILE": str(tmp_path / "keys"),
        "BUCKETER_RATE_PER_KEY": "0.5",
        "BUCKETER_RATE_BURST": "0",
        "DATAFILE_MAX_AGE": "0.1",
    }
    key = keys(environ, "create", "--role", "evaluate")["key"]
    with bucketer_serve("--datafile", str(path), "--access-log", **environ) as started:
        pages.html = telling(started.url, {"X-API-Key": key}, poll_ms=50)
        with opened(pages, tmp_path / "chromium"):
            seen(pages, reloaded=True, tier="gold", changing="foo")
            path.write_text(json.dumps(canonical_flags.datafile("bar", "2")))
            seen(pages, changing="bar")
        _, log, _ = started.stop()

    assert 1 <= log.count('" 429 ') < 10
