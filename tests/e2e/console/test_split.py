"""The split: counted, by attribute, and taken along as a table."""

from __future__ import annotations

import csv
import re

import pytest
from tests.fakes.browsers import expect, looking

pytestmark = pytest.mark.e2e


def test_ten_thousand_visitors_are_split_as_expected_and_taken_along(browser, demo, tmp_path):
    url = f"{demo.url}/#/split?experiment=search_ranking_experiment"
    with looking(browser, url) as look:
        page = look.page
        expect(page.locator(".counted h2"), "10,000 visitors")
        page.get_by_role("spinbutton", name="Visitors").fill("400")
        expect(page.locator(".counted h2"), "400 visitors")
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


def test_a_split_is_told_by_attribute_and_for_pasted_visitors(browser, demo):
    with looking(browser, f"{demo.url}/#/split?flag=free_shipping") as look:
        page = look.page
        page.get_by_label("By attribute").select_option("country")
        expect(page.locator("table.groups tbody th").last, "not set")
        assert 4 == page.locator("table.groups tbody tr").count()
        page.get_by_text("Paste user ids instead").click()
        page.get_by_label("User ids, one a line").fill("ben\nanna\n\n  ben2  \n")

        expect(page.locator(".counted h2"), "3 visitors")
