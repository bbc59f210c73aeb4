"""The console as a person uses it, in a real Chromium: each thing that it shows, done by hand.

What is seen is kept in `build/console`, light and dark, wide and narrow, to be looked at.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
from pathlib import Path

import pytest
from tests.fakes.browsers import chromium, looking
from tests.fakes.datafiles import a_datafile
from tests.fakes.hostile_project import FLAGS, MARKUP, NAMES, QUOTES, write_hostile_datafile
from tests.fakes.process import bucketer_serve

pytestmark = pytest.mark.e2e

PICTURES = Path(__file__).parents[2] / "build" / "console"
COOPER = (
    "#/visitor?flag=checkout_flow&user=cooper34523569"
    "&attributes=%7B%22tier%22%3A%22platinum%22%2C%22member_since_days%22%3A56%7D"
)
VIEWS = {
    "visitor": COOPER,
    "project": "#/project",
    "flag": "#/project?show=flag&id=search",
    "audience": "#/project?show=audience&id=10000000201",
    "group": "#/project?show=group&id=10000000011",
    "split": "#/split?flag=search&by=app_version",
    "revisions": "#/revisions?from=21&to=22",
    "service": "#/service",
}
#: Each view has arrived when this is there.
ARRIVED = {
    "visitor": ".answer .headline",
    "project": ".rule",
    "flag": ".whole",
    "audience": ".tree",
    "group": ".legend",
    "split": "table.bars",
    "revisions": ".differences",
    "service": ".state",
}


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Two revisions: the newer one gives the third variation to nobody any more."""
    folder = tmp_path_factory.mktemp("archive")
    older = a_datafile(revision="21")
    newer = a_datafile(revision="22")
    [experiment] = newer["experiments"]
    experiment["trafficAllocation"] = [
        {"entityId": "10000000601", "endOfRange": 5000},
        {"entityId": "10000000602", "endOfRange": 10_000},
    ]
    for each in (older, newer):
        (folder / f"{each['revision']}.json").write_text(json.dumps(each))
    (folder / "now.json").write_text(json.dumps(newer))
    return folder


@pytest.fixture(scope="module")
def service(archive):
    """A server with an archive, which would keep events, if there were any, and count them."""
    with bucketer_serve(
        BUCKETER_DATAFILE=str(archive / "now.json"),
        BUCKETER_REVISIONS=str(archive),
        BUCKETER_EVENTS="outbox",
        BUCKETER_STATE_DIR=str(archive / "state"),
        BUCKETER_PROFILES="memory",
    ) as started:
        yield started


@pytest.fixture(scope="module")
def demonstration():
    with bucketer_serve() as started:
        yield started


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    datafile = write_hostile_datafile(tmp_path_factory.mktemp("hostile") / "datafile.json")
    with bucketer_serve(BUCKETER_DATAFILE=str(datafile)) as started:
        yield started


def expect(locator, text):
    """Wait until *locator* says *text*, which may be a pattern."""
    from playwright.sync_api import expect as wait

    wait(locator).to_have_text(text, timeout=10_000)


def headline(page):
    return page.locator(".answer .headline .name")


# -- 1. try a visitor -------------------------------------------------------------------------


def test_a_visitor_is_tried_letter_by_letter(browser, demonstration):
    with looking(browser, f"{demonstration.url}/") as look:
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


def test_each_kind_of_field_gives_its_kind_of_value(browser, demonstration):
    with looking(browser, f"{demonstration.url}/#/visitor?flag=checkout_flow&user=ben") as look:
        page = look.page
        page.get_by_role("button", name="platinum").click()
        days = page.get_by_label("member_since_days", exact=True)
        days.fill("thirty")
        assert "true" == days.get_attribute("aria-invalid")
        days.fill("30.0")
        expect(page.locator(".copied pre"), re.compile('"member_since_days": 30}'))
        page.get_by_role("button", name="platinum").click()
        expect(page.locator(".copied pre"), re.compile('"a": {"member_since_days": 30}'))
        assert "" == page.get_by_label("tier", exact=True).input_value()

        page.goto(f"{demonstration.url}/#/visitor?flag=free_shipping&user=ben")
        page.get_by_role("radio", name="true").check()
        expect(page.locator(".step.decides .what .name"), "free_shipping_beta_testers")
        page.get_by_label("Another attribute").fill("unheard of")
        page.get_by_role("button", name="Add").click()
        page.get_by_label("unheard of").fill("5")
        expect(page.locator(".copied pre"), re.compile('"unheard of": 5'))
        page.get_by_role("button", name="Remove unheard of").click()
        expect(page.locator(".copied pre"), re.compile('"a": {"beta_tester": true}'))


def test_the_dice_give_somebody_else_and_the_address_brings_the_view_back(browser, demonstration):
    with looking(browser, f"{demonstration.url}/{COOPER}") as look:
        page = look.page
        expect(headline(page), "one_step_checkout")
        page.get_by_role("button", name="Somebody else").click()
        somebody = page.get_by_label("User id", exact=True).input_value()
        expect(page.locator(".answer .label"), f"{somebody} gets")
        page.wait_for_url(lambda url: somebody in url)

        page.reload()
        expect(page.locator(".answer .label"), f"{somebody} gets")
        assert "56" == page.get_by_label("member_since_days", exact=True).input_value()


def test_back_goes_to_the_key_before_not_to_the_letter_before(browser, demonstration):
    with looking(browser, f"{demonstration.url}/#/visitor?flag=search&user=a") as look:
        page = look.page
        page.get_by_label("User id", exact=True).press_sequentially("bcdef")
        page.wait_for_url(lambda url: "abcdef" in url or "bcdefa" in url)
        page.get_by_role("link", name="free_shipping").click()
        expect(page.locator(".picker [aria-current] .name"), "free_shipping")
        page.go_back()

        expect(page.locator(".picker [aria-current] .name"), "search")


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_the_request_that_is_copied_answers_what_the_page_shows(browser, demonstration, language):
    command = {"curl": ["bash", "-c"], "Python": ["python3", "-c"]}[language]
    with looking(browser, f"{demonstration.url}/{COOPER}") as look:
        look.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        look.page.get_by_role("tab", name=language).click()
        look.page.get_by_role("button", name="Copy Request").click()
        expect(look.page.locator(".told"), "Copied")
        copied = look.page.evaluate("navigator.clipboard.readText()")
        done = subprocess.run([*command, copied], capture_output=True, text=True, check=True)

    assert "one_step_checkout" in done.stdout


def test_a_misspelt_flag_offers_the_one_that_was_meant(browser, demonstration):
    url = f"{demonstration.url}/#/visitor?flag=serch"
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


# -- 2. what would have to change -------------------------------------------------------------


def test_a_change_that_is_clicked_gives_what_it_promised(browser, demonstration):
    url = f"{demonstration.url}/#/visitor?flag=free_shipping&user=ben"
    with looking(browser, url) as look:
        page = look.page
        expect(headline(page), "off")
        change = page.locator("button.change", has_text="country").first
        promised = change.locator(".gives .name").inner_text()
        change.click()

        expect(headline(page), promised)
        assert page.get_by_label("country", exact=True).input_value() in {"DE", "AT", "CH"}


# -- 3. the project as a picture --------------------------------------------------------------


def test_the_project_leads_from_a_flag_to_its_audience_and_back(browser, demonstration):
    with looking(browser, f"{demonstration.url}/#/project") as look:
        page = look.page
        page.get_by_label("Search flags").fill("check")
        expect(page.locator(".card h2 .name"), "checkout_flow")
        page.get_by_role("link", name="checkout_flow", exact=True).click()
        page.get_by_role("link", name="Platinum or gold members").first.click()
        expect(page.locator("h2 .name"), "Platinum or gold members")
        expect(page.locator(".node.condition").first, 'tier = "platinum"')
        page.locator(".plain").get_by_role("link", name="checkout_flow_experiment").click()

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
def test_the_project_shows_every_kind_of_thing(browser, demonstration, kind, shown):
    with looking(browser, f"{demonstration.url}/#/project") as look:
        look.page.get_by_role("link", name=kind).click()

        expect(look.page.locator(".card h2 .name").first, shown)


# -- 4. the split -----------------------------------------------------------------------------


def test_ten_thousand_visitors_are_split_as_expected_and_taken_along(
    browser, demonstration, tmp_path
):
    url = f"{demonstration.url}/#/split?experiment=search_ranking_experiment"
    with looking(browser, url) as look:
        page = look.page
        expect(page.locator(".result h2"), "10,000 visitors")
        page.get_by_label("Visitors", exact=True).fill("400")
        expect(page.locator(".result h2"), "400 visitors")
        rows = page.locator("table.bars tbody tr").all_inner_texts()
        counts = [int(re.search(r"\t(\d+)\t", row)[1]) for row in rows]
        with page.expect_download() as download:
            page.get_by_role("button", name="Download as a table").click()
        download.value.save_as(tmp_path / "split.csv")

    with (tmp_path / "split.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert 400 == sum(counts) == len(table)
    assert "split-search_ranking_experiment.csv" == download.value.suggested_filename
    assert {"by_popularity", "by_margin", ""} >= {row["variation"] for row in table}


def test_a_split_is_told_by_attribute_and_for_pasted_visitors(browser, demonstration):
    with looking(browser, f"{demonstration.url}/#/split?flag=free_shipping") as look:
        page = look.page
        page.get_by_label("By attribute").select_option("country")
        expect(page.locator("table.groups tbody th").last, "not set")
        assert 4 == page.locator("table.groups tbody tr").count()
        page.get_by_text("Paste user ids instead").click()
        page.get_by_label("User ids, one a line").fill("ben\nanna\n\n  ben2  \n")

        expect(page.locator(".result h2"), "3 visitors")


# -- 5. two revisions side by side ------------------------------------------------------------


def test_two_revisions_show_what_changed_and_who_switches(browser, service):
    with looking(browser, f"{service.url}/#/revisions") as look:
        page = look.page
        page.get_by_label("From revision").select_option("21")
        page.get_by_label("To revision").select_option("22")
        expect(page.locator(".difference").first, re.compile("traffic"))
        switches = page.locator(".switches", has_text="checkout_flow").first
        row = switches.locator("tbody tr", has_text="one_step_checkout").first
        somebody = row.get_by_role("link").first.inner_text()
        row.get_by_role("link").first.click()

        expect(page.locator(".answer .label"), f"{somebody} gets")


def test_without_an_archive_the_page_says_how_to_have_one(browser, demonstration):
    with looking(browser, f"{demonstration.url}/#/revisions") as look:
        expect(look.page.locator("h2"), "No archive of revisions is here")


# -- 6. how the service is --------------------------------------------------------------------


def test_the_service_is_seen_at_work(browser, service):
    with looking(browser, f"{service.url}/#/service") as look:
        page = look.page
        expect(page.locator(".state .headline"), "It is well")
        expect(page.locator("table tbody tr").first, re.compile("22"))
        page.evaluate("fetch('bucketer?e=checkout_flow_experiment&u=a&track=0')")
        drawn = page.locator(".plot", has_text="Requests").locator("path.trace")
        page.wait_for_function("document.querySelectorAll('.plot path.trace[d*=L]').length > 0")

        assert "L" in drawn.get_attribute("d")


# -- whatever the datafile says ---------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_from_a_hostile_datafile_is_text_everywhere(browser, hostile, name):
    with looking(browser, hostile.url) as look:
        page = look.page
        arguments = [name, json.dumps({name: name})]
        for view in ("visitor", "split"):
            page.evaluate(
                f"([flag, attributes]) => {{ location.hash = '#/{view}?' + "
                "new URLSearchParams({flag, attributes, user: flag}) }",
                arguments,
            )
            page.locator(ARRIVED[view]).wait_for()
            assert not look.is_wider_than_its_window()
        page.evaluate(
            "([id]) => { location.hash = '#/project?' + new URLSearchParams({show: 'flag', id}) }",
            arguments,
        )
        page.locator(".whole").first.wait_for()

        assert "undefined" == page.evaluate("typeof window.hurt")
        assert 0 == page.locator("main img, main script, main iframe").count()


def test_a_request_for_a_hostile_name_is_pasted_without_harm(browser, hostile, tmp_path):
    with looking(browser, hostile.url) as look:
        page = look.page
        page.evaluate(
            "flag => { location.hash = '#/visitor?' + new URLSearchParams({flag, user: flag, "
            "attributes: JSON.stringify({[flag]: flag})}) }",
            QUOTES,
        )
        page.locator(".answer").wait_for()
        for language, command in {"curl": "bash", "Python": "python3"}.items():
            page.get_by_role("tab", name=language).click()
            text = page.locator(".copied pre").inner_text()
            done = subprocess.run(
                [command, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True
            )
            assert json.dumps(QUOTES)[1:-1] in done.stdout or QUOTES in done.stdout

    assert [] == list(tmp_path.iterdir())


def test_one_of_a_thousand_flags_is_found_by_typing(browser, hostile):
    with looking(browser, hostile.url) as look:
        page = look.page
        expect(page.locator(".picker .more"), re.compile(f"60 of {2 * FLAGS:,}"))
        page.get_by_label("Search flags and experiments").press_sequentially("0999")
        expect(page.locator(".picker li .name").first, "flag_0999")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")

        expect(page.locator(".what .name"), "experiment flag_0999")


def test_the_revision_of_a_hostile_datafile_is_text_too(browser, hostile):
    with looking(browser, hostile.url) as look:
        expect(look.page.locator(".which .name"), MARKUP)


# -- for everybody ----------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1600, 800, 360])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_and_nothing_sticks_out(browser, service, view, width, dark):
    url = f"{service.url}/{VIEWS[view]}"
    with looking(browser, url, width=width, dark=dark) as look:
        look.page.locator(ARRIVED[view]).first.wait_for()
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


def test_a_visitor_is_tried_by_keyboard_alone(browser, demonstration):
    with looking(browser, f"{demonstration.url}/#/visitor?flag=search&user=ben") as look:
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
        for _ in range(3):
            page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")

        expect(page.locator(".step.decides .what .name"), "free_shipping_beta_testers")


def test_what_is_typed_faster_than_it_is_answered_ends_with_the_last(browser, demonstration):
    with looking(browser, f"{demonstration.url}/#/visitor?flag=search&user=a") as look:
        page = look.page
        page.locator(".answer").wait_for()
        typed = "".join(f"{number:x}" for number in range(60))
        page.get_by_label("User id", exact=True).press_sequentially(typed, delay=1)

        expect(page.locator(".answer .label"), re.compile(f"{typed[-20:]}a? gets"))


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
