"""What would have to change, each change to be tried by a click."""

from __future__ import annotations

import pytest
from tests.fakes.browsers import expect, looking

pytestmark = pytest.mark.e2e


def headline(page):
    return page.locator(".answer .headline .name")


def test_a_change_that_is_clicked_gives_what_it_promised(browser, demo):
    url = f"{demo.url}/#/visitor?flag=free_shipping&user=ben"
    with looking(browser, url) as look:
        page = look.page
        expect(headline(page), "off")
        change = page.locator("button.change", has_text="country").first
        promised = change.locator(".gives .name").inner_text()
        change.click()

        expect(headline(page), promised)
        assert page.get_by_label("country", exact=True).input_value() in {"DE", "AT", "CH"}


def test_what_only_the_datafile_could_change_is_told_and_can_t_be_pressed(browser, demo):
    url = f"{demo.url}/#/visitor?flag=free_shipping&user=ben"
    with looking(browser, url) as look:
        fixed = look.page.locator(".change.fixed", has_text="traffic").first

        expect(fixed.locator(".if"), "out at ≤ 68.97 % traffic of default-rollout-10000000703")
        assert 0 == look.page.locator("button.change", has_text="traffic").count()


def test_back_undoes_a_change_that_was_tried(browser, demo):
    url = f"{demo.url}/#/visitor?flag=free_shipping&user=ben"
    with looking(browser, url) as look:
        look.page.locator("button.change", has_text="beta_tester").click()
        expect(headline(look.page), "on")
        look.page.go_back()

        expect(headline(look.page), "off")
        assert look.page.get_by_role("radio", name="not set").is_checked()
