"""Half a second of each failure; `make soak` gives each of them half a minute."""

import pytest

from .storms import run_storm


@pytest.mark.slow
def test_whatever_the_collector_does_callers_do_not_notice_and_all_arrives_in_order(tmp_path):
    found = run_storm(tmp_path, each_s=0.5, BUCKETER_EVENTS_TIMEOUT="0.3")

    assert found.answered > 500
    assert found.lost == 0
    assert found.dead > 0
    assert found.in_order
    assert found.p50_storm_ms < 3 * found.p50_calm_ms + 2
    assert found.resident_mb[1] < found.resident_mb[0] + 15
