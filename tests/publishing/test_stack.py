"""The name of a deployment: it changes with whatever the function is made of, and with nothing else."""

from __future__ import annotations

import re

import pytest

from bucketer.publishing.stack import release_of

SECRETS = {"DatafileUrl", "WebhookSecret"}
VALUES = {"DatafileUrl": "https://cdn.example/KEY.json", "WebhookSecret": "s", "MemorySize": "512"}


def _release(before="", *, template="template", salt="bucketer", **changes):
    return release_of(template, {**VALUES, **changes}, SECRETS, before, salt=salt)


def test_the_same_deployment_has_the_same_name():
    assert _release() == _release() == _release(_release())


@pytest.mark.parametrize(
    "change",
    [
        {"template": "another"},
        {"MemorySize": "1024"},
        {"Events": "off"},
        {"DatafileUrl": "https://cdn.example/OTHER.json"},
        {"DatafileUrl": ""},
        {"WebhookSecret": "another"},
    ],
)
def test_whatever_changes_shows_in_the_ten_digits_that_the_version_is_named_after(change):
    assert _release()[:10] != _release(**change)[:10]


def test_a_secret_that_stays_and_that_nobody_can_see_is_no_change():
    first = _release()

    assert first == _release(first, DatafileUrl=None, WebhookSecret=None)
    assert first == _release(first, WebhookSecret=None)
    assert first != _release(first, DatafileUrl="moved", WebhookSecret=None)


def test_a_secret_of_a_deployment_without_a_name_is_taken_for_unknown_and_stays_so():
    first = _release("", DatafileUrl=None, WebhookSecret=None)

    assert first == _release(first, DatafileUrl=None, WebhookSecret=None)
    assert first.endswith("-00000000-00000000")


def test_a_name_is_what_the_template_allows_and_no_secret_stands_in_it():
    found = _release()

    assert re.fullmatch(r"[0-9a-f]{10}-[0-9a-f]{8}-[0-9a-f]{8}", found)
    assert found.split("-")[1:] != _release(salt="another").split("-")[1:]
