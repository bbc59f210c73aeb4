"""The examples of docs/browsers.md, and what pages do beside them, in a real Chromium."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from tests.fakes.chromium import Pages, chromium_or_skip, opened
from tests.fakes.serving import MemoryOutbox, serving

from bucketer import wiring
from bucketer.core.events import visitor_json
from bucketer.settings import read_settings

pytestmark = pytest.mark.e2e

_PAGE = Path(__file__).parents[2] / "docs" / "browsers.md"
DECIDING, TRACKING = re.findall(r"```js\n(.*?)```", _PAGE.read_text(), re.DOTALL)
#: As the page has them, in its order.
BEACONS = [line.strip().rstrip(";") for line in TRACKING.splitlines() if "sendBeacon" in line]
assert len(BEACONS) == 4

SCRIPT = """
const told = {};
async function attempt(name, action) {
  try { told[name] = await action(); } catch (error) { told[name] = String(error); }
}
const ask = (path, options) => fetch(service + path, options).then(answer => answer.json());
const decision = "/bucketer?e=checkout_flow_experiment&u=cooper34523569&a=tier:platinum,member_since_days:56";
const traced = {
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  tracestate: "a=b", baggage: "a=b", "sentry-trace": "a-b-1", Authorization: "Bearer x",
  "X-Requested-With": "XMLHttpRequest", "Cache-Control": "no-cache", "X-Request-Id": "mine",
  "X-API-Key": "x", "X-Optimizely-SDK-Key": "demonstration", "Idempotency-Key": "one", "If-None-Match": '"x"',
  "Content-Type": "application/json",
};
(async () => {
  await attempt("page", async () => {
    const visitor = "cooper34523569";
    DECIDING
    return {variation};
  });
  await attempt("plain", () => ask(decision));
  await attempt("traced", () => ask(decision, {headers: traced}));
  await attempt("posted", () => ask("/bucketer", {
    method: "POST", headers: {"Content-Type": "application/json"},
    body: JSON.stringify({e: "checkout_flow_experiment", u: "posted"}),
  }));
  await attempt("form", () => ask("/bucketer", {
    method: "POST", body: new URLSearchParams({e: "checkout_flow_experiment", u: "form"}),
  }));
  await attempt("refused", () => ask("/nothing"));
  await attempt("odd header", () => ask(decision, {headers: {"X-Odd": "1"}}));
  await attempt("cookies", () => ask(decision, {credentials: "include"}));
  await attempt("id", () => fetch(service + "/health", {headers: {"X-Request-Id": "mine"}})
    .then(answer => answer.headers.get("X-Request-Id")));
  BEACONS
  await fetch("/report", {method: "POST", body: JSON.stringify(told)});
})();
"""


def page_for(service):
    """A page whose scripts use *service*."""
    beacons = "\n".join(
        f'await attempt("beacon {number}", () => {{ const visitor = "beacon {number}"; '
        'const purchase = {event: "purchase", user: visitor, tags: {revenue: 4200}}; '
        f"return {beacon}; }});"
        for number, beacon in enumerate(BEACONS)
    )
    script = SCRIPT.replace("DECIDING", DECIDING).replace("BEACONS", beacons)
    return f"<!doctype html><script>const service = {json.dumps(service)};\n{script}</script>"


def settled(outbox):
    """Wait until no more events come."""
    counts = [-1]
    until = time.monotonic() + 20
    while len(counts) < 10 or len(set(counts[-10:])) > 1:
        assert time.monotonic() < until, counts
        time.sleep(0.1)
        counts.append(len(outbox.events))


def visit(tmp_path, origins):
    """Open the page, with its own origin in the place of PAGE in *origins*.

    Returns:
        what it reported, and the visitors of its conversions that arrived, with their revenue.
    """
    chromium_or_skip()
    pages = Pages()
    environ = {"BUCKETER_EVENTS": "stdout"}  # such as takes the demonstration's events too
    if origins:
        environ["BUCKETER_CORS_ORIGIN"] = origins.replace("PAGE", pages.origin)
    runtime = wiring.build(read_settings(environ), {})
    runtime.outbox = outbox = MemoryOutbox()
    try:
        with serving(runtime) as server:
            pages.html = page_for(f"http://127.0.0.1:{server.port}")
            with opened(pages, tmp_path):
                told = pages.reports.get(timeout=30)
                settled(outbox)
    finally:
        pages.close()
    visitors = [json.loads(visitor_json(event)) for event in outbox.events]
    revenues = {
        visitor["visitor_id"]: event["revenue"]
        for visitor in visitors
        for snapshot in visitor["snapshots"]
        for event in snapshot["events"]
        if event["key"] == "purchase"
    }
    return told, revenues


VARIATION = "one_step_checkout"
FAILED = "TypeError: Failed to fetch"
ARRIVED = {"beacon 0": 4200, "beacon 1": 4200, "beacon 2": 4200, "beacon 3": 4200}


@pytest.mark.parametrize(
    ("origins", "with_cookies"),
    [("", False), ("PAGE", True), ("https://shop.example PAGE", True)],
)
def test_a_page_that_may_ask_decides_tracks_and_is_traced(tmp_path, origins, with_cookies):
    told, revenues = visit(tmp_path, origins)

    assert told["page"] == {"variation": VARIATION}
    assert told["plain"]["variation"] == VARIATION
    assert told["traced"]["variation"] == VARIATION
    assert told["posted"]["user"] == "posted"
    assert told["form"]["user"] == "form"
    assert told["refused"]["error"]["code"] == "not_found"
    assert told["odd header"] == FAILED
    assert told["id"] == "mine"
    assert (told["cookies"] != FAILED) is with_cookies
    assert [told[each] for each in ARRIVED] == [True] * len(BEACONS)
    assert revenues == ARRIVED


@pytest.mark.parametrize(
    "origins", ["https://shop.example", "https://a.example https://b.example", "off"]
)
def test_a_page_that_may_not_ask_reads_nothing(tmp_path, origins):
    """What needs no preflight arrives all the same: browsers send it, and hide the answer."""
    told, revenues = visit(tmp_path, origins)

    reads = ["page", "plain", "traced", "posted", "form", "refused", "odd header", "cookies", "id"]
    assert {told[each] for each in reads} == {FAILED}
    assert revenues.keys() == {"beacon 0", "beacon 2", "beacon 3"}
