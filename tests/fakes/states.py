"""State directories for the servers of tests: never the one in the home of who runs them.

That one is theirs; and what a server of an earlier run left there, a later one with a source at
the same port of this machine would serve.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache


def state_dir():
    """Return an empty directory, which goes when the tests end."""
    return tempfile.mkdtemp(dir=_all())


@cache
def _all():
    folder = tempfile.mkdtemp(prefix="bucketer-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
