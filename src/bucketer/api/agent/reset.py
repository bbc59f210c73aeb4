"""``POST /v1/reset``: forget what is kept of the environment's users.

Source: optimizely/agent 471fdcd, /v1/reset as it answers.
Differs: Agent lets the whole client go, to be made anew with a datafile fetched anew, for anybody.
Here the overrides and what services said of users are forgotten, and only where overrides are on:
elsewhere it would only be a way to make a service ask others for what it knows.
"""

from __future__ import annotations

from bucketer.api.needs import ResetGiven

from .call import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Reply

    from .call import Call


def answer(call: Call) -> Reply:
    """Forget it.

    Raises:
        Refused: 500, that isn't possible now.
        ResetGiven: the shell must forget it.
    """
    known, options = call.known, call.api.options
    if options.overrides is None:
        return call.reply({"result": True})
    if known is None or not known.asked:
        raise ResetGiven(options.environment_id, call.edition.ruleset.odp)
    if known.failure is not None:
        raise Refused(500, str(known.failure))
    return call.reply({"result": True})
