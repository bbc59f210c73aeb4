"""``POST /v1/override``: a variation that somebody gives a user, to look at it.

Source: optimizely/agent 471fdcd, /v1/override as it answers.
"""

from __future__ import annotations

from bucketer.api.needs import OverrideGiven

from .activate import experiment_keys
from .call import Refused
from .fields import TEXT, Shape
from .go_json import Fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Reply

    from .call import Call

SHAPE = Shape(userId=TEXT, experimentKey=TEXT, variationKey=TEXT)
#: Of all three together, in UTF-8: what is kept is bounded.
MAX_BYTES = 4 * 1024
_OFF = "Overrides not enabled"


def answer(call: Call) -> Reply:
    """Keep an override, whatever it names, or remove it where the variation is empty.

    Raises:
        Refused: 403 where overrides are off, 400, 500 if it could not be kept.
        OverrideGiven: the shell must keep it.
    """
    if call.api.options.overrides is None:
        raise Refused(403, _OFF, text=True)
    given = call.fields(SHAPE)
    user_id, experiment_key, variation_key = given.values()
    if not user_id:
        raise Refused(400, "userId cannot be empty")
    if not experiment_key:
        raise Refused(400, "experimentKey cannot be empty")
    if len("".join(given.values()).encode()) > MAX_BYTES:
        raise Refused(400, f"userId, experimentKey and variationKey have over {MAX_BYTES} bytes")
    known = call.known
    if known is None or not known.asked:
        raise OverrideGiven(call.api.options.environment_id, user_id, experiment_key, variation_key)
    if known.failure is not None:
        raise Refused(500, str(known.failure))
    messages = _messages(call, experiment_key, variation_key, known.previous)
    return call.reply(
        Fields(
            userId=user_id,
            experimentKey=experiment_key,
            variationKey=variation_key,
            prevVariationKey=known.previous,
            messages=messages or None,
        )
    )


def _messages(call: Call, experiment_key: str, variation_key: str, previous: str) -> list[str]:
    if not variation_key:
        return ["removing previous override" if previous else "no pre-existing override"]
    messages = []
    experiment = call.edition.ruleset.experiments.get(experiment_key)
    if experiment is None or experiment_key not in experiment_keys(call):
        messages.append("experimentKey not found in configuration")
    elif variation_key not in experiment.by_key:
        messages.append("variationKey not found in configuration")
    if previous:
        messages.append("updating previous override")
    return messages
