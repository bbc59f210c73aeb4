"""``POST /v1/save``: a user's profile, in the place of what is stored.

Source: optimizely/agent 471fdcd, /v1/save as it answers.
Differs: a variation's id that is no text drops the connection there; here it is refused.
"""

from __future__ import annotations

from bucketer.api.http import Reply, Response
from bucketer.api.needs import ProfileGiven

from .call import Refused
from .fields import OBJECT, TEXT, Shape
from .lookup import NO_PROFILES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .call import Call

SHAPE = Shape(userId=TEXT, experimentBucketMap=OBJECT)
#: What is stored of one user is bounded: ids of experiments and variations together, in UTF-8.
MAX_BYTES = 16 * 1024
#: As long a user id as is stored, in characters.
MAX_USER_ID_CHARS = 1_024
_BAD_BODY = "error parsing request body"


def answer(call: Call) -> Reply:
    """Store the profile; without an `experimentBucketMap` it is an empty one.

    Raises:
        Refused: 500 where none are kept or they aren't open, or it could not be stored; 400; 413.
        ProfileGiven: the shell must store it.
    """
    if not call.api.options.profiles_open:
        raise Refused(500, NO_PROFILES)
    fields = call.fields_of_user(SHAPE)
    profile = _profile(fields["experimentBucketMap"])
    if len(fields["userId"]) > MAX_USER_ID_CHARS:
        raise Refused(400, f"userId has over {MAX_USER_ID_CHARS} characters")
    if sum(len(f"{key}{variation}".encode()) for key, variation in profile.items()) > MAX_BYTES:
        raise Refused(413, f"experimentBucketMap has over {MAX_BYTES} bytes of ids")
    known = call.known
    if known is None or not known.asked:
        raise ProfileGiven(fields["userId"], profile)
    if known.failure is not None:
        raise Refused(500, str(known.failure))
    return Reply(Response(200, call.api.bare_headers, b"", call.request.request_id))


def _profile(given: dict[str, object]) -> dict[str, str]:
    """Return experiment id → variation id; what is no object is passed over, as there.

    Raises:
        Refused: 400, an object has no variation's id.
    """
    profile = {}
    for experiment_id, entry in given.items():
        if isinstance(entry, dict):
            variation_id = entry.get("variation_id")
            if not isinstance(variation_id, str):
                raise Refused(400, _BAD_BODY)
            profile[experiment_id] = variation_id
    return profile
