"""The project as a picture: each thing, and the way from one to another."""

from __future__ import annotations

import re

import pytest
from tests.fakes.browsers import expect, looking

pytestmark = pytest.mark.e2e


def test_the_project_leads_from_a_flag_to_its_audience_and_back(browser, demo):
    with looking(browser, f"{demo.url}/#/project") as look:
        page = look.page
        page.get_by_label("Search flags").fill("check")
        page.locator(".card").nth(1).wait_for(state="detached")
        expect(page.locator(".card h2 .name"), "checkout_flow")
        page.get_by_role("link", name="checkout_flow", exact=True).click()
        page.get_by_role("link", name="Platinum or gold members").first.click()
        expect(page.locator("h2 .name"), "Platinum or gold members")
        expect(page.locator(".node.condition").first, 'tier = "platinum"')
        page.locator(".map").get_by_role("link", name="checkout_flow_experiment").click()

        expect(page.locator(".whole .legend li").first, re.compile("current_checkout.*33.33 %"))
        page.get_by_role("link", name="Try a visitor").click()
        expect(page.locator(".picker [aria-current] .name"), "checkout_flow_experiment")


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("experiments 3", "checkout_flow_experiment"),
        ("audiences 5", "Platinum or gold members"),
        ("groups 1", "Group 10000000011"),
        ("holdouts 1", "holdout_2026"),
        ("events 2", "purchase"),
    ],
)
def test_the_project_shows_every_kind_of_thing(browser, demo, kind, shown):
    with looking(browser, f"{demo.url}/#/project") as look:
        look.page.get_by_role("link", name=kind).click()

        expect(look.page.locator(".card h2 .name").first, shown)
