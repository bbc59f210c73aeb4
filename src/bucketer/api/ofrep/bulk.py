"""``POST /ofrep/v1/evaluate/flags``: all flags, or those that the context names.

Evaluating a page's flags is not seeing them, so no impression is sent unless that is asked for.
What is answered depends on the datafile and the request alone (unless profiles or bandits have a
say), so the ETag is made of those: nobody who sends it back can have had another user's values, and
nothing has to be evaluated to say that nothing has changed.
"""

from __future__ import annotations

from hashlib import blake2b

from bucketer import __version__
from bucketer.api.grant import EVALUATE, grant_of
from bucketer.api.http import LATER, OneMore, Reply, Response
from bucketer.api.json_text import to_json
from bucketer.core.errors import NoDatafile

from .context import InvalidContext, TargetingKeyMissing, context_of, shows_debug
from .impressions import events_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.core.decision import Decision
    from bucketer.core.events import Event
    from bucketer.core.user import User

    from .context import Context
    from .evaluation import Evaluator
    from .rendering import Subject

#: Of what is evaluated, and how: another one may answer the same question otherwise.
_FORM = b"bucketer ofrep 2"
_LATER = b'"' + LATER.encode() + b'"'
#: How all begins in a context that asks for more than values.
_MARK = b"$opt_"
#: No body that is evaluated can begin so: the ETag is made of the answer.
_OF_THE_ANSWER = b"\0answer"


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
        self._plain = (
            self._streams is None
            and options.gate is None
            and options.ofrep_bulk_impressions != LATER
        )
        self._of_the_edition = b""
        if evaluator is not None:
            ruleset, edition = evaluator.ruleset, evaluator.edition
            of = (options.environment_id, ruleset.project_id, ruleset.environment, ruleset.revision)
            # A file may be changed by hand, and nobody gives that another name.
            content = edition.etag or blake2b(edition.datafile(), digest_size=16).hexdigest()
            settings = (__version__, options.ofrep_experiments, options.ofrep_off_values)
            told = repr((_FORM, of, content, settings))
            self._of_the_edition = told.encode("utf-8", "surrogatepass")

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
        given = request.headers.get("if-none-match", "")
        etag, beside = "", b""
        if known is None and not self._options.profiles:
            plain = self._plain and _MARK not in request.body and not request.query
            beside = b"" if plain else self._beside(request, now, streams)
            etag = self._etag(beside + request.body)
            if etag in given:  # also among others, and as nginx weakens it
                return self._unchanged(request, etag)
        context = context_of(request, self._options)
        user = evaluator.user(context, known)
        wanted = context.impressions
        if wanted is None:
            wanted = self._options.ofrep_bulk_impressions
        put = None
        if wanted == LATER:
            put = self._put_tokens(context, user, now)
            if not (beside and self._has_tokens(request)):  # it was written with escapes
                etag = ""
        texts, made = _evaluate(evaluator, context, user, put)
        more = f', "eventStreams": {streams}' if streams else ""
        metadata = to_json({"debug": context.told}) if context.told else "{}"
        body = f'{{"flags": [{", ".join(texts)}], "metadata": {metadata}{more}}}'.encode("ascii")
        if not etag:
            etag = self._etag(_OF_THE_ANSWER + body)
            if etag in given:
                return self._unchanged(request, etag)
        headers = OneMore((*self._headers, ("ETag", etag)))
        response = Response(200, headers, body, request.request_id)
        if not wanted or context.targeting_key is None:
            return Reply(response)
        events: tuple[Event, ...] = ()
        if wanted != LATER and self._options.makes_events:
            events = events_of(
                made, user, evaluator.ruleset, now, new_uuid, body_bytes=len(request.body)
            )
        bucketed = dict(each.bucketed for each in made if each.bucketed is not None)
        if not bucketed or user.profile is None:
            return Reply(response, events)
        return Reply(response, events, (user.id, {**user.profile, **bucketed}))

    def _unchanged(self, request: Request, etag: str) -> Reply:
        """Answer that the caller has it. It was shown before, so there is nothing to send."""
        headers = OneMore((*self._headers, ("ETag", etag)))
        return Reply(Response(304, headers, b"", request.request_id))

    def _put_tokens(
        self, context: Context, user: User, now: float
    ) -> Callable[[str, Decision], str] | None:
        """Return what puts tokens into evaluations; None where there is nobody to expose."""
        from .later import Tokens

        assert self._evaluator is not None  # noqa: S101 -- `answer` has looked
        tokens = Tokens(user, self._evaluator.ruleset, self._options, now)
        return None if context.targeting_key is None else tokens.put

    def _beside(self, request: Request, now: float, streams: str) -> bytes:
        """Return what the answer depends on beside datafile and body; it begins as no body can."""
        later = self._has_tokens(request)
        debug = shows_debug(request, self._options)
        who = None if self._options.gate is None else grant_of(request)
        if not (later or debug or who or streams):
            return b""
        period = ""
        if later and self._options.signing_secrets:
            from .later import period_of

            period = period_of(self._options, now)
        allowed = None if who is None else (who.role, who.name)
        return repr((debug, allowed, period, streams)).encode()

    def _has_tokens(self, request: Request) -> bool:
        """Say whether the answer may have tokens, without reading the body."""
        return _LATER in request.body or self._options.ofrep_bulk_impressions == LATER

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
