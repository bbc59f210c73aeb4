"""``POST /ofrep/v1/evaluate/flags/{key}``: one flag, whose impression is sent."""

from __future__ import annotations

from bucketer.api.grant import EVALUATE
from bucketer.api.http import LATER, Reply, Response
from bucketer.api.json_text import to_json
from bucketer.core.errors import NoDatafile

from .context import context_of
from .evaluation import FlagNotFound
from .impressions import events_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.core.events import Event
    from bucketer.core.reasons import Reason

    from .context import Context
    from .evaluation import Evaluator

#: How much of each sentence debug tells: it may repeat what the user sent.
_MOST_CHARS = 1_000


class SingleRoute:
    """The route of one key."""

    methods = ("POST",)
    role = EVALUATE

    def __init__(
        self,
        key: str | None,
        evaluator: Evaluator | None,
        options: ApiOptions,
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        """Evaluate *key* (None: no text that a key can be) with *evaluator*; None answers 503."""
        self._key, self._evaluator = key, evaluator
        self._options, self._headers = options, headers

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Evaluate one flag.

        Raises:
            InvalidRequest, FlagNotFound, NoDatafile: to be answered as `OfrepApi.refuse` says.
            PredictionNeeded, ProfileNeeded: the shell must fetch that first.
        """
        evaluator = self._evaluator
        context = context_of(request, self._options)
        if evaluator is None:
            raise NoDatafile
        if self._key is None:
            raise FlagNotFound("(not UTF-8)", evaluator.ruleset.revision)
        address = evaluator.address(self._key)
        user = evaluator.user(context, known)
        anonymous = context.targeting_key is None
        trace: list[Reason] | None = [] if context.debug else None
        decision = evaluator.decide(address, user, anonymous=anonymous, trace=trace)
        text = evaluator.render(address, context, user, decision)
        if trace is not None:
            text = _with_debug(text, context, trace)
        events: tuple[Event, ...] = ()
        if not (context.impressions is False or anonymous or not self._options.makes_events):
            events = events_of(
                [decision], user, evaluator.ruleset, now, new_uuid, body_bytes=len(request.body)
            )
        if context.impressions == LATER:
            from .later import exposing

            text, events = exposing(text, events, self._options, now), ()
        response = Response(200, self._headers, text.encode("ascii"), request.request_id)
        if decision.bucketed is None or user.profile is None or context.impressions is False:
            return Reply(response, events)
        experiment_id, variation_id = decision.bucketed
        return Reply(response, events, (user.id, {**user.profile, experiment_id: variation_id}))

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing: `OfrepApi.refuse` says what was asked."""
        del request
        return {}


def _with_debug(text: str, context: Context, trace: list[Reason]) -> str:
    """Return the JSON text of an evaluation with what debug tells, one sentence on each line."""
    told = [str(each.to_json()["message"])[:_MOST_CHARS] for each in trace]
    if context.told:
        told.insert(0, context.told)
    said = to_json("\n".join(told))
    return f'{text[:-2]}, "debug": {said}}}}}'
