"""Where keys are asked for, the page asks the person, and keeps the key no longer than its tab."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from tests.fakes.browsers import expect, looking
from tests.fakes.process import bucketer_serve

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """The file, and a key for each of two roles."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    made = {}
    for role in ("evaluate", "read"):
        command = [sys.executable, "-m", "bucketer", "keys", "create", "--role", role]
        told = subprocess.run(
            [*command, "--environment", "*"],
            env={"BUCKETER_KEYS_FILE": str(file), "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        [made[role]] = re.findall(r"\bbk_\S+", told)
    return file, made


@pytest.fixture(scope="module")
def locked(keys):
    with bucketer_serve(BUCKETER_KEYS_FILE=str(keys[0])) as started:
        yield started


def open_with(page, key):
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Open").click()


def test_the_page_asks_for_a_key_says_what_is_wrong_with_one_and_opens_with_another(
    browser, locked, keys
):
    _, made = keys
    with looking(browser, locked.url, quiet=False) as look:
        page = look.page
        expect(page.locator(".key h2"), "This console asks for a key")
        assert [] == look.findings()
        open_with(page, "bk_not-a-key")
        page.locator(".key .trouble").wait_for()
        open_with(page, made["evaluate"])
        expect(page.locator(".key .trouble"), re.compile("read"))
        open_with(page, made["read"])

        expect(page.locator(".answer .label"), "visitor-1 gets")
        page.reload()
        expect(page.locator(".answer .label"), "visitor-1 gets")
        assert made["read"] not in page.url


def test_the_key_is_forgotten_when_asked_and_is_not_another_tabs(browser, locked, keys):
    _, made = keys
    with looking(browser, locked.url, quiet=False) as look:
        page = look.page
        open_with(page, made["read"])
        page.locator(".answer").wait_for()
        other = page.context.new_page()
        other.goto(locked.url)
        expect(other.locator(".key h2"), "This console asks for a key")
        page.get_by_role("button", name="Forget the key").click()

        expect(page.locator(".key h2"), "This console asks for a key")
        assert 0 == page.evaluate("sessionStorage.length + localStorage.length")
