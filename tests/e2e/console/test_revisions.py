"""Two revisions side by side: what changed, and who switches."""

from __future__ import annotations

import re

import pytest
from tests.fakes.browsers import expect, looking

pytestmark = pytest.mark.e2e


def test_two_revisions_show_what_changed_and_who_switches(browser, service):
    with looking(browser, f"{service.url}/#/revisions") as look:
        page = look.page
        page.get_by_label("From revision").select_option("21")
        page.get_by_label("To revision").select_option("22")
        traffic = page.locator(".difference", has_text="checkout_flow_experiment")
        expect(traffic, re.compile("traffic changed.*before: .*after: .*50"))
        switches = page.locator(".switches", has_text="checkout_flow").first
        row = switches.locator("tbody tr", has_text="one_step_checkout").first
        somebody = row.get_by_role("link").first.inner_text()
        row.get_by_role("link").first.click()

        expect(page.locator(".answer .label"), f"{somebody} gets")
        expect(page.locator(".answer .headline .name"), re.compile("(current|two_step)_checkout"))


def test_without_an_archive_the_page_says_how_to_have_one(browser, demo):
    with looking(browser, f"{demo.url}/#/revisions") as look:
        expect(look.page.locator("h2"), "No archive of revisions is here")
