"""Waiting for what another thread does."""

from __future__ import annotations

import time


def wait_until(true, timeout_s: float = 60.0) -> None:
    """Return once *true* gives something true.

    Raises:
        AssertionError: it didn't within *timeout_s*.
    """
    until = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.01)
