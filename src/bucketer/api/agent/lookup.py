"""``POST /v1/lookup``: what is stored of a user.

Source: optimizely/agent 471fdcd, /v1/lookup as it answers.
"""

from __future__ import annotations

from bucketer.api.http import ProfileNeeded

from .call import Refused
from .fields import TEXT, Shape
from .go_json import Fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Reply

    from .call import Call

SHAPE = Shape(userId=TEXT)
NO_PROFILES = "no user profile service found"


def answer(call: Call) -> Reply:
    """Tell the user's profile; a stranger's is empty.

    Raises:
        Refused: 500 where no profiles are kept, or they aren't open, 400.
        ProfileNeeded: the shell must look it up first.
    """
    if not call.api.options.profiles_open:
        raise Refused(500, NO_PROFILES)
    user_id = call.fields_of_user(SHAPE)["userId"]
    known = call.known
    if known is None or known.profile is None:
        raise ProfileNeeded(user_id)
    stored = {key: {"variation_id": variation} for key, variation in known.profile.items()}
    return call.reply(Fields(userId=user_id, experimentBucketMap=stored))
