"""Try a visitor: a form, an answer on each key press, and why."""

from __future__ import annotations

import re
import subprocess

import pytest
from tests.fakes.browsers import expect, looking
from tests.fakes.process import bucketer_serve

pytestmark = pytest.mark.e2e

COOPER = (
    "#/visitor?flag=checkout_flow&user=cooper34523569"
    "&attributes=%7B%22tier%22%3A%22platinum%22%2C%22member_since_days%22%3A56%7D"
)


def headline(page):
    return page.locator(".answer .headline .name")


def test_a_visitor_is_tried_letter_by_letter(browser, demo):
    with looking(browser, f"{demo.url}/") as look:
        page = look.page
        page.get_by_role("link", name="free_shipping").click()
        page.get_by_label("User id", exact=True).fill("ben")
        expect(headline(page), "off")
        country = page.get_by_label("country", exact=True)
        country.press("D")
        expect(page.locator(".node.condition .outcome.false").first, "✗false")
        country.press("E")

        expect(headline(page), "on")
        decides = page.locator(".step.decides")
        expect(decides.locator(".what .name"), "free_shipping_dach")
        expect(decides.locator(".node.condition .outcome").first, "✓true")
        expect(decides.locator(".reading"), "954")
        expect(page.locator(".variables div").first, "minimum_order29.5")
        expect(page.locator(".sentence"), re.compile("^ben gets on from delivery rule"))


def test_each_kind_of_field_gives_its_kind_of_value(browser, demo):
    with looking(browser, f"{demo.url}/#/visitor?flag=checkout_flow&user=ben") as look:
        page = look.page
        page.get_by_role("button", name="platinum", exact=True).click()
        days = page.get_by_label("member_since_days", exact=True)
        days.fill("thirty")
        assert "true" == days.get_attribute("aria-invalid")
        days.fill("30.0")
        expect(page.locator(".copied pre"), re.compile('"member_since_days": 30}'))
        page.get_by_role("button", name="platinum", exact=True).click()
        expect(page.locator(".copied pre"), re.compile('"a": {"member_since_days": 30}'))
        assert "" == page.get_by_label("tier", exact=True).input_value()

        page.goto(f"{demo.url}/#/visitor?flag=free_shipping&user=ben")
        page.get_by_role("radio", name="true").check()
        expect(page.locator(".step.decides .what .name"), "free_shipping_beta_testers")
        page.get_by_label("Another attribute").fill("unheard of")
        page.get_by_role("button", name="Add").click()
        page.get_by_label("unheard of").fill("5")
        expect(page.locator(".copied pre"), re.compile('"unheard of": 5'))
        page.get_by_role("button", name="Remove unheard of").click()
        expect(page.locator(".copied pre"), re.compile('"a": {"beta_tester": true}'))


def test_the_dice_give_somebody_else_and_the_address_brings_the_view_back(browser, demo):
    with looking(browser, f"{demo.url}/{COOPER}") as look:
        page = look.page
        expect(headline(page), "one_step_checkout")
        page.get_by_role("button", name="Somebody else").click()
        somebody = page.get_by_label("User id", exact=True).input_value()
        expect(page.locator(".answer .label"), f"{somebody} gets")
        page.wait_for_url(lambda url: somebody in url)

        page.reload()
        expect(page.locator(".answer .label"), f"{somebody} gets")
        assert "56" == page.get_by_label("member_since_days", exact=True).input_value()


def test_back_goes_to_the_key_before_not_to_the_letter_before(browser, demo):
    with looking(browser, f"{demo.url}/#/visitor?flag=search&user=a") as look:
        page = look.page
        page.get_by_label("User id", exact=True).press_sequentially("bcdef")
        page.wait_for_url(lambda url: "abcdef" in url or "bcdefa" in url)
        page.get_by_role("link", name="free_shipping").click()
        expect(page.locator(".picker [aria-current] .name"), "free_shipping")
        page.go_back()

        expect(page.locator(".picker [aria-current] .name"), "search")


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_the_request_that_is_copied_answers_what_the_page_shows(browser, demo, language):
    command = {"curl": ["bash", "-c"], "Python": ["python3", "-c"]}[language]
    with looking(browser, f"{demo.url}/{COOPER}") as look:
        look.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        look.page.get_by_role("tab", name=language).click()
        look.page.get_by_role("button", name="Copy Request").click()
        expect(look.page.locator(".told"), "Copied")
        copied = look.page.evaluate("navigator.clipboard.readText()")
        done = subprocess.run([*command, copied], capture_output=True, text=True, check=True)

    assert "one_step_checkout" in done.stdout


def test_a_misspelt_flag_offers_the_one_that_was_meant(browser, demo):
    url = f"{demo.url}/#/visitor?flag=serch"
    with looking(browser, url, quiet=False) as look:
        look.page.get_by_role("button", name="Look at search").click()

        expect(look.page.locator(".picker [aria-current] .name"), "search")
        expect(look.page.locator(".answer .label"), "visitor-1 gets")


def test_nothing_that_is_tried_is_an_impression(browser, service):
    with looking(browser, f"{service.url}/{COOPER}") as look:
        expect(headline(look.page), re.compile("checkout"))
        look.page.get_by_role("link", name="search", exact=False).first.click()
        expect(look.page.locator(".what .name").last, "default-rollout-10000000702")
        health = look.page.evaluate("fetch('health').then(answer => answer.json())")

    assert 0 == health.get("events", {}).get("accepted", 0)


def test_whom_the_whitelist_names_is_told_so(browser, demo):
    url = f"{demo.url}/#/visitor?experiment=checkout_flow_experiment&user=qa_anna"
    with looking(browser, url) as look:
        expect(headline(look.page), "two_step_checkout")

        expect(
            look.page.locator(".note"),
            "The whitelist of the datafile gives this visitor two_step_checkout",
        )


def test_a_stored_profile_is_told_and_can_be_left_aside(browser, service):
    """Somebody who was let in keeps their variation, whatever they are now."""
    url = f"{service.url}/#/visitor?experiment=checkout_flow_experiment&user=keeper"
    with looking(browser, url) as look:
        page = look.page
        expect(page.locator(".answer .headline .soft"), "no variation")
        page.evaluate(
            "fetch('bucketer?e=checkout_flow_experiment&u=keeper&a=tier:gold,member_since_days:56')"
            ".then((answer) => answer.json())"
        )
        page.reload()
        kept = headline(page).inner_text()
        expect(page.locator(".note"), f"The stored profile of this visitor has {kept}")
        page.locator("button.change", has_text="stored variation").click()

        expect(page.locator(".form .note"), "The stored profile is not looked at")
        expect(page.locator(".answer .headline .soft"), "no variation")
        page.get_by_role("button", name="Look at the profile").click()
        expect(headline(page), kept)


def test_behind_a_path_prefix_the_page_and_its_requests_have_it(browser):
    with (
        bucketer_serve(BUCKETER_PATH_PREFIX="/flags") as started,
        looking(browser, f"{started.url}/flags/#/visitor?flag=search&user=a") as look,
    ):
        look.page.locator(".answer").wait_for()

        text = look.page.locator(".copied pre").inner_text()
        assert f"'{started.url}/flags/bucketer'" in text


def test_a_question_that_another_one_follows_is_given_up(browser, demo):
    with looking(browser, f"{demo.url}/#/visitor?flag=search&user=a") as look:
        page = look.page
        page.locator(".answer").wait_for()
        held, given_up = [], []
        page.on("requestfailed", lambda request: given_up.append((request.url, request.failure)))
        page.route(
            "**/console/api/try",
            lambda route: route.continue_() if held else held.append(route),
        )
        field = page.get_by_label("User id", exact=True)
        field.press("End")
        field.press("b")
        field.press("c")

        expect(page.locator(".answer .label"), "abc gets")
        assert [(f"{demo.url}/console/api/try", "net::ERR_ABORTED")] == given_up
