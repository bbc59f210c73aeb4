"""Where Agent and Bucketer differ on purpose: each reason, and which differences it explains.

docs/agent-differences.md says the same for people. A rule is as narrow as it can be: it looks at what was
asked, at the datafile, and at what both said, and explains only what must come of that.
"""

from __future__ import annotations

from . import explained_answers as answers
from . import explained_sent as sent
from . import why


def _decision(reason):
    """Explain by that reason what `why` finds, for answers and for what was sent."""

    def holds(each):
        if each.part in ("events", "odp"):
            return sent.why_sent(each) == reason
        return answers.why_answered(each) == reason

    return holds


EXPLAINED = {
    "no-store, nosniff, CORS and X-Request-Id stand on every answer, WWW-Authenticate on 401": (
        answers.more_headers
    ),
    "an SDK key is never repeated in an error": answers.no_key_in_errors,
    "a datafile that Agent refuses whole decides by what can be read of it": answers.untidied,
    "webhooks come to the API's own port, and there is no admin port": answers.other_listener,
    "what is outside of Agent's API is Bucketer's own": answers.own_page,
    "/health is at that path alone, says more, and answers HEAD": answers.health,
    "OPTIONS gets 204, with what the CORS settings allow": answers.options,
    "an unknown method is 404 where there is no path, and else told what it may be": (
        answers.unknown_method
    ),
    "a batch, and what is asked in one, is below /v1/": answers.outside,
    "the host isn't looked at": answers.host,
    "a request id that isn't plain is replaced, and one's own is no UUID": answers.request_id,
    "no SDK key has over 512 characters": answers.long_key,
    "404 and the like from Optimizely mean that there is no such key": answers.no_such_key,
    "two headers of one name are joined": answers.two_headers,
    "1e999 is no number, wherever it stands": answers.too_large_a_number,
    "a stored variation that is no text is refused, where Agent drops the connection": answers.save,
    "a stream's headers come at once": answers.silent_stream,
    "a conversion's own attributes are told in UserContext alone": answers.conversion_told,
    "a token without Bearer in front is read": answers.scheme,
    "an admin's token opens every environment": answers.admins_token,
    "an experiment of several flags shows the variables of the first": answers.shared_variables,
    "which flag's variables are the error of activate is random": answers.some_flags_error,
    "an answer that is an error sends nothing": sent.with_error,
    "a flag that is named twice is decided and sent once": sent.named_twice,
    "what is an error here alone sends nothing": sent.refused,
    "ODP isn't told of a user by one identifier alone": sent.identified,
    "while ODP fails one request at a time asks for segments": (
        lambda each: answers.outage(each) or sent.outage(each)
    ),
    **{reason: _decision(reason) for reason in why.REASONS},
}
