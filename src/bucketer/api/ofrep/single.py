"""``POST /ofrep/v1/evaluate/flags/{key}``: one flag, whose impression is sent."""

from __future__ import annotations

from bucketer.api.grant import EVALUATE
from bucketer.api.http import LATER, Reply, Response
from bucketer.core.errors import NoDatafile

from .context import context_of
from .impressions import events_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.core.events import Event

    from .evaluation import Evaluator


class SingleRoute:
    """The route of one key."""

    methods = ("POST",)
    role = EVALUATE

    def __init__(
        self,
        key: str,
        evaluator: Evaluator | None,
        options: ApiOptions,
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        """Evaluate *key* with *evaluator*; None answers 503."""
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
        context = context_of(request, self._options.max_json_depth)
        if evaluator is None:
            raise NoDatafile
        address = evaluator.address(self._key)
        user = evaluator.user(context, known)
        anonymous = context.targeting_key is None
        decision = evaluator.decide(address, user, anonymous=anonymous)
        text = evaluator.render(address, context, user, decision)
        events: tuple[Event, ...] = ()
        if not (context.impressions is False or anonymous or not self._options.makes_events):
            events = events_of([decision], user, evaluator.ruleset, now, new_uuid)
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
