"""Which of two datafiles may serve: each pair, both ways round."""

from __future__ import annotations

import pytest
from tests.fakes.sources import revision

from bucketer.publishing.precedence import reason_to_keep, replaced, standing_of


def _of(number, **changes):
    return standing_of(revision(number, **changes))


def test_of_one_environment_the_newer_revision_serves():
    older, newer = _of(9), _of(10)

    assert reason_to_keep(older, newer) is None
    assert "kept revision 10, which is not older" == reason_to_keep(newer, older)
    assert "" == replaced(older, newer)


def test_the_same_again_changes_nothing():
    assert "kept revision 9, which is not older" == reason_to_keep(_of(9), _of(9))


def test_another_content_of_the_same_revision_serves_and_is_told():
    first, second = _of(9), _of(9, botFiltering=True)

    assert reason_to_keep(first, second) is None
    assert " again, with other content" == replaced(first, second)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {"projectId": "12"}, ", in place of revision 40 of project 11"),
        ({}, {"sdkKey": "staging"}, ", in place of revision 40 of another environment"),
        (
            {"sdkKey": ""},
            {"sdkKey": "", "environmentKey": "staging"},
            ", in place of revision 40 of another environment",
        ),
    ],
)
def test_between_projects_and_environments_revisions_say_nothing(before, after, told):
    serving, moved_to = _of(40, **before), _of(12, **after)

    assert reason_to_keep(serving, moved_to) is None
    assert told == replaced(serving, moved_to)


def test_what_is_no_datafile_stands_nowhere_and_anything_replaces_it():
    assert standing_of(b"<html>") is None
    assert reason_to_keep(None, _of(1)) is None
    assert "" == replaced(None, _of(1))


def test_the_sdk_key_is_not_in_a_standing():
    assert "SECRET-KEY" not in repr(_of(1, sdkKey="SECRET-KEY"))
    assert 16 == len(_of(1, sdkKey="SECRET-KEY").origin)
