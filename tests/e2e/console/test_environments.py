"""Several environments in one service: which of them is looked at; and what segments a visitor is in."""

from __future__ import annotations

import pytest
from tests.fakes.browsers import expect, looking
from tests.fakes.datafiles import a_datafile, experiments_of
from tests.fakes.environments import environments_file
from tests.fakes.process import bucketer_serve

pytestmark = pytest.mark.e2e

VIP = {
    "id": "vip",
    "name": "Very important",
    "conditions": {
        "match": "qualified",
        "name": "odp.audiences",
        "type": "third_party_dimension",
        "value": "vip",
    },
}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """`live` is the demonstration; in `trial`, the first experiment is for a segment."""
    folder = tmp_path_factory.mktemp("two")
    live, trial = a_datafile(), a_datafile(revision="7")
    trial["typedAudiences"].append(VIP)
    experiments_of(trial)[0] |= {"audienceIds": ["vip"], "audienceConditions": ["or", "vip"]}
    config = environments_file(folder, {"live": live, "trial": trial}, sdk_key="key-{name}")
    with bucketer_serve(BUCKETER_CONFIG=str(config)) as started:
        yield started


def test_another_environment_is_chosen_and_stays_chosen(browser, two):
    with looking(browser, f"{two.url}/#/project") as look:
        page = look.page
        page.get_by_label("Environment").select_option("trial")
        expect(page.locator(".which .name"), "7")
        page.get_by_role("link", name="Visitor", exact=True).click()
        page.get_by_role("link", name="checkout_flow_experiment").click()
        expect(page.locator(".which .name"), "7")
        page.reload()

        expect(page.locator(".which .name"), "7")
        expect(page.locator(".node.audience > .said .asked"), "Very important")


def test_a_segment_is_ticked_and_counts(browser, two):
    url = f"{two.url}/#/visitor?environment=trial&experiment=checkout_flow_experiment&user=ben"
    with looking(browser, url) as look:
        page = look.page
        expect(page.locator(".answer .headline .soft"), "no variation")
        page.get_by_role("checkbox", name="vip").check()

        expect(page.locator(".answer .headline .name"), "two_step_checkout")
        expect(page.locator(".node.condition .outcome"), "✓true")
