"""The limit of open files in, how many connections a worker may have out.

A connection holds a descriptor. So do the files and sockets without which an answer can't be
kept: what connections may not take is what those need (docs/decisions/0095).
"""

from __future__ import annotations

try:
    import resource
except ImportError:  # not a Unix; there the system has no such limit
    resource = None  # type: ignore[assignment]  # what tells that it isn't there

#: Descriptors for what isn't a connection that has a place: the loop and the log (10), segments
#: and locks of the outbox (8), the collector and the datafile (6), 16 threads
#: with a database of profiles, which has three files (48), 16 with a prediction, 8 that open a
#: datafile, clients that are turned away (17), and those that the loop has accepted before we
#: hear of them (116 in one turn were seen).
RESERVE = 240
#: Of few descriptors, so many eighths are kept back: what is accepted at once doesn't get less.
_EIGHTHS = 5


def connections_within(wanted: int) -> int:
    """Return for how many connections there are descriptors, *wanted* at the most, 1 at the least.

    Raises the process's own limit, where the system lets it, so far that there are enough.
    Processes that are started afterwards inherit it.
    """
    if resource is None:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVE
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (OSError, ValueError):  # macOS has a limit below the one that it tells
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return places(soft, wanted)


def places(descriptors: int, wanted: int) -> int:
    """Return how many of *descriptors* connections may take, *wanted* at the most."""
    reserve = min(RESERVE, descriptors * _EIGHTHS // 8)
    return max(1, min(wanted, descriptors - reserve))
