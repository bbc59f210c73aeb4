"""``POST /ofrep/v1/evaluate/flags``: all flags, or those that the context names.

Evaluating a page's flags is not seeing them, so no impression is sent unless that is asked for.
What is answered depends on the datafile and the request alone (unless profiles or bandits have a
say), so the ETag is made of those: nobody who sends it back can have had another user's values, and
nothing has to be evaluated to say that nothing has changed.
"""

from __future__ import annotations

from hashlib import blake2b

from bucketer.api.grant import EVALUATE
from bucketer.api.http import LATER, OneMore, Reply, Response
from bucketer.api.json_text import to_json
from bucketer.core.errors import NoDatafile

from .context import InvalidContext, TargetingKeyMissing, context_of
from .impressions import events_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.core.decision import Decision
    from bucketer.core.user import User

    from .context import Context
    from .evaluation import Evaluator
    from .rendering import Subject

#: Of what is evaluated, and how: another one may answer the same question otherwise.
_FORM = b"bucketer ofrep 1"
_LATER = LATER.encode()


class BulkRoute:
    """The route, for one edition."""

    methods = ("POST",)
    role = EVALUATE

    def __init__(
        self,
        evaluator: Evaluator | None,
        options: ApiOptions,
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        """Evaluate with *evaluator*; None answers 503."""
        self._evaluator, self._options, self._headers = evaluator, options, headers
        self._streams = _streams_of(options)
        self._of_the_edition = b""
        if evaluator is not None:
            ruleset, edition = evaluator.ruleset, evaluator.edition
            of = (ruleset.project_id, ruleset.environment, ruleset.revision, edition.etag or "")
            settings = (options.ofrep_experiments, options.ofrep_off_values)
            self._of_the_edition = repr((_FORM, of, settings)).encode("utf-8", "surrogatepass")

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Evaluate many flags, unless the caller has the answer.

        Raises:
            InvalidRequest, NoDatafile: to be answered as `OfrepApi.refuse` says.
            PredictionNeeded, ProfileNeeded: the shell must fetch that first.
        """
        evaluator = self._evaluator
        if evaluator is None:
            raise NoDatafile
        streams = self._streams(request, now) if self._streams is not None else ""
        etag = ""
        if known is None and not self._options.profiles:
            etag = self._etag(request.body + self._period(request, now) + streams.encode("ascii"))
            if request.headers.get("if-none-match") == etag:
                headers = OneMore((*self._headers, ("ETag", etag)))
                return Reply(Response(304, headers, b"", request.request_id))
        context = context_of(request, self._options.max_json_depth)
        user = evaluator.user(context, known)
        wanted = context.impressions
        if wanted is None:
            wanted = self._options.ofrep_bulk_impressions
        put = None
        if wanted == LATER:
            put, wanted = self._put_tokens(context, user, now), False
        texts, made = _evaluate(evaluator, context, user, put)
        more = f', "eventStreams": {streams}' if streams else ""
        text = f'{{"flags": [{", ".join(texts)}], "metadata": {{}}{more}}}'
        body = text.encode("ascii")
        headers = OneMore((*self._headers, ("ETag", etag or self._etag(body))))
        response = Response(200, headers, body, request.request_id)
        if not wanted or context.targeting_key is None or not self._options.makes_events:
            return Reply(response)
        return Reply(response, events_of(made, user, evaluator.ruleset, now, new_uuid))

    def _put_tokens(
        self, context: Context, user: User, now: float
    ) -> Callable[[str, Decision], str] | None:
        """Return what puts tokens into evaluations; None where there is nobody to expose."""
        from .later import Tokens

        assert self._evaluator is not None  # noqa: S101 -- `answer` has looked
        tokens = Tokens(user, self._evaluator.ruleset, self._options, now)
        return None if context.targeting_key is None else tokens.put

    def _period(self, request: Request, now: float) -> bytes:
        """Return what tokens change with beside what is asked; nothing where there are none."""
        if _LATER not in request.body and self._options.ofrep_bulk_impressions != LATER:
            return b""
        from bucketer.api.exposure import expires_at

        return b"%d" % expires_at(self._options, now)

    def _etag(self, content: bytes) -> str:
        """Return the ETag of what *content* is evaluated to, or of what it was."""
        return f'"{blake2b(self._of_the_edition + content, digest_size=16).hexdigest()}"'

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing: `OfrepApi.refuse` says what was asked."""
        del request
        return {}


def _streams_of(options: ApiOptions) -> Callable[[Request, float], str] | None:
    """Return what gives the JSON text of `eventStreams` for a request; None for none."""
    if options.stream_room is not None:
        from .streams import EventStreams  # which a server alone has

        return EventStreams(options).told
    if options.event_streams in {"", "on"}:
        return None
    text = to_json([{"type": "sse", "url": options.event_streams}])
    return lambda _request, _now: text


def _evaluate(
    evaluator: Evaluator,
    context: Context,
    user: User,
    put: Callable[[str, Decision], str] | None = None,
) -> tuple[list[str], list[Decision]]:
    """Return the JSON texts of all evaluations, and the decisions that they are of, each once.

    What can't be evaluated says so in its place: it spoils no other. Texts go through *put*, if
    that is given.
    """
    anonymous = context.targeting_key is None
    if not (anonymous or context.flags is not None or context.variable_key is not None or put):
        return evaluator.render_all(user)
    texts: list[str] = []
    decided: dict[Subject, Decision | TargetingKeyMissing] = {}
    for address in evaluator.addresses(context.flags):
        decision = decided.get(address.subject)
        if decision is None:
            try:
                decision = evaluator.decide(address, user, anonymous=anonymous)
            except TargetingKeyMissing as missing:
                decision = missing
            decided[address.subject] = decision
        try:
            if isinstance(decision, TargetingKeyMissing):
                texts.append(_failure(address.key, "TARGETING_KEY_MISSING", decision))
            else:
                text = evaluator.render(address, context, user, decision)
                texts.append(text if put is None else put(text, decision))
        except InvalidContext:  # it has no variable of the name that is asked for
            continue
    return texts, [each for each in decided.values() if not isinstance(each, Exception)]


def _failure(key: str, code: str, why: Exception) -> str:
    return to_json({"key": key, "errorCode": code, "errorDetails": str(why), "metadata": {}})
