"""A person before the page: a real Chromium, driven by Playwright, and all that it complains about."""

from __future__ import annotations

import contextlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .chromium import chromium_or_skip

TOOLS = Path(__file__).parents[2] / "tools" / "web" / "node_modules"
_OPTIONS = ("--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none")


@contextlib.contextmanager
def chromium():
    """A Chromium that starts once; Playwright or it missing skips the test, and says so."""
    path = chromium_or_skip()
    driver = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def looking(browser, url, *, width=1600, height=1000, dark=False, patience_ms=10_000, quiet=True):
    """Open *url* in a window of its own: gives a `Look`.

    With *quiet*, the browser may have nothing to complain about when the window is closed.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        accept_downloads=True,
    )
    context.set_default_timeout(patience_ms)
    try:
        look = Look(context.new_page(), url)
        look.page.goto(url)
        yield look
        if quiet:
            assert [] == look.complaints
    finally:
        context.close()


class Look:
    """A window: its page, and what went wrong in it.

    Attributes:
        page: Playwright's.
        complaints: errors and warnings of the console, exceptions, requests that failed or went
            to another host, dialogs. Superseded requests are given up, which is no failure.
    """

    def __init__(self, page, url):
        self.page = page
        self.complaints = []
        self._host = urlsplit(url).netloc
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("requestfailed", self._failed)
        page.on("request", self._asked)
        page.on("dialog", self._dialog)

    def _heard(self, message):
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def _failed(self, request):
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"failed: {request.url} {request.failure}")

    def _asked(self, request):
        target = urlsplit(request.url)
        if target.netloc != self._host and target.scheme not in {"data", "blob"}:
            self.complaints.append(f"another host: {request.url}")

    def _dialog(self, dialog):
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def is_wider_than_its_window(self):
        return self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )

    def findings(self):
        """What axe-core finds, a line each; the test is skipped where it isn't installed."""
        axe = TOOLS / "axe-core" / "axe.min.js"
        if not axe.is_file():
            pytest.skip("axe-core is not here: make page, or npm ci --prefix tools/web")
        # Evaluated, not added: the page's policy lets no script in.
        self.page.evaluate(axe.read_text())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: {node['target']} {node['failureSummary']}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    def picture(self, path, **options):
        """Keep what is seen as *path*, a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path, **options)


def expect(locator, text):
    """Wait until *locator* says *text*, all of it; or has in it what a pattern finds."""
    from playwright.sync_api import expect as wait

    wait(locator).to_have_text(text, timeout=10_000)
