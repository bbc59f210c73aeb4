"""Memory, processor time and descriptors of this process, as far as the system tells."""

from __future__ import annotations

import os
import platform
import time
from typing import TYPE_CHECKING

from bucketer import __version__

if TYPE_CHECKING:
    from .samples import Samples

_PAGES, _DESCRIPTORS = "/proc/self/statm", "/proc/self/fd"


def process_samples(began_at: float) -> Samples:
    """Return them under the names that Prometheus' own libraries use.

    Args:
        began_at: epoch seconds, when the process began.
    """
    samples: Samples = {
        "bucketer_build_info": {(__version__, platform.python_version()): 1},
        "bucketer_workers": {(): 1},
        "bucketer_workers_started_total": {(): 1},
        "process_cpu_seconds_total": {(): time.process_time()},
        "process_start_time_seconds": {(): began_at},
    }
    try:
        with open(_PAGES, "rb") as file:  # noqa: PTH123 -- no file of ours
            resident = int(file.read().split()[1])
        samples["process_resident_memory_bytes"] = {(): resident * os.sysconf("SC_PAGE_SIZE")}
        # Since Linux 6.2 it has so many entries; before, its size is 0 and nothing is told.
        if descriptors := os.stat(_DESCRIPTORS).st_size:  # noqa: PTH116 -- as above
            samples["process_open_fds"] = {(): descriptors}
    except (OSError, ValueError, IndexError):  # not Linux
        pass
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft > 0:
            samples["process_max_fds"] = {(): soft}
    except (ImportError, OSError):
        pass
    return samples
