"""Five rounds of what `make soak` does twenty times."""

import pytest

from .kills import run_kills


@pytest.mark.slow
def test_no_event_of_an_answered_request_is_lost_when_the_server_is_killed(tmp_path):
    found = run_kills(tmp_path, rounds=5)

    assert found.answered > 100
    assert found.lost == 0
    assert found.revisions > 1
    assert found.segments > 1


@pytest.mark.slow
def test_nor_when_two_workers_share_the_directory(tmp_path):
    found = run_kills(tmp_path, rounds=3, BUCKETER_WORKERS="2")

    assert found.answered > 50
    assert found.lost == 0
