"""What a stored profile must look like, and how two are put together.

A profile is a mapping of experiment id to variation id, both strings. The SDK wraps the same in
`{"user_id": …, "experiment_bucket_map": {experiment: {"variation_id": …}}}`.
"""

from __future__ import annotations

from json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Longer user ids (in characters) are decided like any other, but not remembered: an id comes from
#: the caller, and a store must not grow by megabytes for one of them.
MAX_USER_ID_CHARS = 1_024


class MalformedProfile(ValueError):
    """What is stored for a user is no profile; somebody else has written there."""


def check_profile(stored: object) -> dict[str, str]:
    """Return *stored* as a profile of our own.

    Raises:
        MalformedProfile: it is no mapping of strings to strings.

    Differs: the SDK raises AttributeError out of its API for some of these; see docs/parity.md.
    """
    if not isinstance(stored, dict):
        raise MalformedProfile(f"expected an object, found {type(stored).__name__}")
    for experiment_id, variation_id in stored.items():
        if not (isinstance(experiment_id, str) and isinstance(variation_id, str)):
            raise MalformedProfile("expected a variation id, a string, for each experiment id")
    return dict(stored)


def read_profile(text: object) -> dict[str, str]:
    """Return the profile in the JSON *text*.

    Raises:
        MalformedProfile: there is none in it.
    """
    try:
        stored = loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError) as error:
        raise MalformedProfile("expected JSON") from error
    return check_profile(stored)


def merge(stored: Mapping[str, str], saved: Mapping[str, str]) -> dict[str, str]:
    """Return *saved* and what else was *stored*: another request may have added that meanwhile."""
    return {**stored, **saved}
