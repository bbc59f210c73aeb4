"""A datafile that somebody wrote to hurt whoever looks at it: a thousand flags, and names of all kinds."""

from __future__ import annotations

import ast
import json
import re
import subprocess

import pytest
from tests.fakes.browsers import expect, looking
from tests.fakes.hostile_project import FLAGS, MARKUP, NAMES, QUOTES

pytestmark = pytest.mark.e2e


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
            page.locator(".answer, table.bars").wait_for()
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
        for language, command, read in (
            ("curl", "bash", json.loads),
            ("Python", "python3", ast.literal_eval),
        ):
            page.get_by_role("tab", name=language).click()
            text = page.locator(".copied pre").inner_text()
            done = subprocess.run(
                [command, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True
            )
            answer = read(done.stdout)
            assert (QUOTES, QUOTES) == (answer["user"], answer["flag"])

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
