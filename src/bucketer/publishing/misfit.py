"""What an archive says where it doesn't fit: on another Python, architecture or system.

Our only dependency is compiled, and its file name says for what: ``mmh3.cpython-313-x86_64-….so``.
Where that doesn't fit, Python passes over it and takes ``mmh3.py``, which lies beside it and only
raises; where it fits, nobody looks at ``mmh3.py``, so a cold start pays nothing for it
(docs/decisions/0118).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: Runs on whatever Python there is, however old. An ImportError is what Lambda's runtime client
#: tells in one line, in the log and to the caller; another exception would be a stack trace.
_SOURCE = '''"""Taken for mmh3 where the compiled one does not fit. Made by `bucketer build`."""

import platform
import sys

TARGETS = {targets!r}
BUILT = {built!r}
MACHINE = {{"aarch64": "arm64", "AMD64": "x86_64"}}.get(platform.machine(), platform.machine())
HERE = ("%d.%d" % sys.version_info[:2], MACHINE)

if HERE == BUILT and platform.system() == "Linux":
    raise ImportError(
        "the package is damaged: its compiled mmh3 is missing. Build it again with "
        "./build.sh --python %s --arch %s" % BUILT
    )
ADVICE = "set the function to runtime python%s and architecture %s" % BUILT
if HERE in TARGETS and platform.system() == "Linux":
    ADVICE = "build it with ./build.sh --python %s --arch %s, or %s" % (HERE + (ADVICE,))
raise ImportError(
    "the package was built for Python %s on Linux %s, and this is Python %s on %s %s: %s"
    % (BUILT + (HERE[0], platform.system(), HERE[1], ADVICE))
)
'''


def stand_in(python: str, architecture: str, targets: Iterable[tuple[str, str]]) -> str:
    """Return the source of ``mmh3.py``, for an archive that is built for *python*.

    Args:
        python: minor version, ``3.13``.
        architecture: Lambda's word, ``x86_64`` or ``arm64``.
        targets: all pairs of the two that `bucketer build` can build for.
    """
    return _SOURCE.format(targets=sorted(targets), built=(python, architecture))
