"""How the service is, while one looks."""

from __future__ import annotations

import re

import pytest
from tests.fakes.browsers import expect, looking
from tests.fakes.process import bucketer_serve

pytestmark = pytest.mark.e2e


def test_the_service_is_seen_at_work(browser, service):
    with looking(browser, f"{service.url}/#/service") as look:
        page = look.page
        expect(page.locator(".state .headline"), "It is well")
        expect(page.locator("table tbody tr").first, re.compile("22"))
        page.evaluate("fetch('bucketer?e=checkout_flow_experiment&u=a&track=0')")
        drawn = page.locator(".plot", has_text="Requests").locator("path.trace[d*=L]")

        drawn.wait_for(state="attached")
        expect(page.locator(".totals dt").first, "total")


def test_a_service_that_is_gone_is_told_of_and_seen_again(browser):
    with bucketer_serve() as started:
        port = started.port
        with looking(browser, f"{started.url}/#/service", quiet=False) as look:
            expect(look.page.locator(".state .headline"), "It is well")
            started.stop()
            expect(look.page.locator(".trouble"), "The service can't be reached.")
            with bucketer_serve("--port", str(port)):
                look.page.locator(".trouble").wait_for(state="detached")
                expect(look.page.locator(".state .headline"), "It is well")
