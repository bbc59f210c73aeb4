"""For everybody: by keyboard, with a screen reader, at any width, in the dark, with a bad connection.

What is seen is kept in `build/console`, to be looked at.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.fakes.browsers import expect, looking

pytestmark = pytest.mark.e2e

PICTURES = Path(__file__).parents[3] / "build" / "console"
VISITOR = (
    "flag=checkout_flow&user=cooper34523569"
    "&attributes=%7B%22tier%22%3A%22platinum%22%2C%22member_since_days%22%3A56%7D"
)
#: Each view, and what is there when it has arrived.
VIEWS = {
    "visitor": (f"#/visitor?{VISITOR}", ".answer .headline"),
    "project": ("#/project", ".rule"),
    "flag": ("#/project?show=flag&id=search", ".whole"),
    "audience": ("#/project?show=audience&id=10000000201", ".tree"),
    "group": ("#/project?show=group&id=10000000011", ".legend"),
    "split": ("#/split?flag=search&by=app_version", "table.groups"),
    "revisions": ("#/revisions?from=21&to=22", ".switches"),
    "service": ("#/service", ".state"),
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1600, 800, 360])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_and_nothing_sticks_out(browser, service, view, width, dark):
    url = f"{service.url}/{VIEWS[view][0]}"
    with looking(browser, url, width=width, dark=dark) as look:
        look.page.locator(VIEWS[view][1]).first.wait_for()
        look.page.wait_for_timeout(300)
        theme = "dark" if dark else "light"
        look.picture(PICTURES / f"{view}-{width}-{theme}.png", full_page=True)

        assert not look.is_wider_than_its_window()
        assert [] == look.findings()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_in_a_hostile_project_either(browser, hostile, dark):
    with looking(browser, hostile.url, width=360, dark=dark) as look:
        look.page.locator(".answer").wait_for()
        look.picture(PICTURES / f"hostile-360-{'dark' if dark else 'light'}.png", full_page=True)

        assert not look.is_wider_than_its_window()
        assert [] == look.findings()


def test_a_visitor_is_tried_by_keyboard_alone(browser, demo):
    with looking(browser, f"{demo.url}/#/visitor?flag=search&user=ben") as look:
        page = look.page
        page.locator(".answer").wait_for()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert "main" == page.evaluate("document.activeElement.id")
        page.keyboard.press("Tab")
        page.keyboard.type("free")
        expect(page.locator(".picker li .name").first, "free_shipping")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator(".picker [aria-current] .name"), "free_shipping")
        expect(page.locator(".step.decides .what .name"), "default-rollout-10000000703")
        for _ in range(3):
            page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")

        expect(page.locator(".step.decides .what .name"), "free_shipping_beta_testers")


def test_what_is_typed_faster_than_it_is_answered_ends_with_the_last(browser, demo):
    with looking(browser, f"{demo.url}/#/visitor?flag=search&user=a") as look:
        page = look.page
        page.locator(".answer").wait_for()
        typed = "".join(f"{number:x}" for number in range(60))
        page.get_by_label("User id", exact=True).press_sequentially(typed, delay=1)

        expect(page.locator(".answer .label"), re.compile(f"{typed[-20:]}a? gets"))
