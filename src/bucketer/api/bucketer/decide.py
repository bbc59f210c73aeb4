"""``/bucketer``: an experiment or a flag, a user and their attributes in; a variation out.

Deciding by `e` is the SDK's `activate`, by `f` its `decide`.
"""

from __future__ import annotations

from bucketer.api.http import LATER, ProfileNeeded, Reply, Response
from bucketer.api.json_text import to_json
from bucketer.api.query import OF_BUCKETER, parse_query
from bucketer.core.errors import InvalidRequest, NoDatafile
from bucketer.core.events import MAX_VISITOR_BYTES, Event, largest_of, user_bytes
from bucketer.core.user import User

from .answer import Answers
from .attributes import parse_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.core.decision import Decision
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import EditionFacts, Engine

_NEITHER = (
    "Parameter 'e' (an experiment's key) or 'f' (a flag's key) is missing; "
    "they may be called 'experiment' and 'flag', and nothing else."
)
_BOTH = "Parameters 'e' and 'f' exclude each other; give one of them."
#: Of what a request of fewer bytes brings no event can come that is too large.
_LONG_REQUEST = 4 * 1024
_NO_OPTIONS: frozenset[str] = frozenset()
#: How an error names what was understood of its request.
_SHOWN = (("u", "user"), ("e", "experiment"), ("f", "flag"))


class BucketerRoute:
    """The route, for one edition.

    Attributes:
        methods: what it takes.
    """

    methods = ("GET", "HEAD", "POST")
    role = 1  # EVALUATE; a cold start has no other use for that module

    def __init__(
        self,
        edition: EditionFacts | None,
        options: ApiOptions,
        headers: tuple[tuple[str, str], ...],
        engine: Engine,
    ) -> None:
        """Answer by *edition* (None: by 503) as *engine* decides, each answer with *headers*."""
        self._activate = engine.activate
        self._decide = engine.decide
        self._edition = edition
        self._options = options
        self._headers = headers
        self._answers = Answers(options.answers_bytes)
        self._profiles = options.profiles
        self._makes_events = options.makes_events

    def answer(  # noqa: PLR0912 -- split up, each request would pay for the calls
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Decide for one user.

        Args:
            request: GET, HEAD or POST.
            now: epoch seconds.
            new_uuid: makes the name of each event.
            known: what the shell has fetched for this request, if anything.

        Raises:
            BucketerError: to be answered as `problems` says.
            PredictionNeeded, ProfileNeeded, SegmentsNeeded: the shell must fetch that first.
        """
        fields: dict[str, Any]
        is_post = request.method == "POST"
        fields = (
            self._fields_of_post(request) if is_post else parse_query(request.query, OF_BUCKETER)
        )
        experiment_key: str = fields.get("e") or ""
        flag_key: str = fields.get("f") or ""
        if (not experiment_key) is (not flag_key):
            raise InvalidRequest(_BOTH if flag_key else _NEITHER, field="e")
        given = fields.get("a")
        attributes = parse_attributes(given) if isinstance(given, str) else given or {}
        debug = "debug" in fields and _switch(fields, "debug", default=False)
        track: bool | str = request.method != "HEAD"
        more: bool | str = flag_key and (flag_key == "*" or "," in flag_key)
        if "track" in fields:
            tracking = _tracking(fields)
            track, more = track and tracking, more or tracking == LATER
        edition = self._edition
        if edition is None:
            raise NoDatafile
        if more or "segments" in fields or "forced" in fields:
            return self._answer_more(request, fields, attributes, now, new_uuid, known)
        user_id = fields.get("u") or _address(request)
        if known is None and user_id and not self._profiles:
            user = User(user_id, attributes)
        else:
            ruleset = edition.ruleset
            exists = flag_key in ruleset.flags or experiment_key in ruleset.experiments
            user = self._user(user_id, attributes, known, may_need=exists)
        makes_events = track and self._makes_events
        is_long = makes_events and len(request.query) + len(request.body) > _LONG_REQUEST
        if is_long:
            _refuse_above_limit(user_bytes(user, edition.ruleset))
        trace: list[Reason] | None = [] if debug and self._may_debug(request) else None
        if flag_key:
            decision = self._decide(edition.ruleset, flag_key, user, _NO_OPTIONS, trace)
            text = self._answers.flag(decision, user.id)
        else:
            decision = self._activate(edition.ruleset, experiment_key, user, trace)
            text = self._answers.experiment(decision, experiment_key, user.id)
        if known is not None or trace is not None:
            text = self._with_more(text, edition, now, user, decision, trace)
        events: tuple[Event, ...] = ()
        if makes_events and decision.impressions:
            key = _key_of(request) if "idempotency-key" in request.headers else ""
            events = _events_of(decision, user, edition.ruleset, now, new_uuid, key)
            if is_long:
                _refuse_above_limit(largest_of(events))
        response = Response(200, self._headers, text.encode("ascii"), request.request_id)
        if user.known is None or decision.bucketed is None or user.profile is None or not track:
            return Reply(response, events)
        experiment_id, variation_id = decision.bucketed
        return Reply(response, events, (user.id, {**user.profile, experiment_id: variation_id}))

    def _may_debug(self, request: Request) -> bool:
        """Say whether whoever asks is shown how the decision came about."""
        from bucketer.api.grant import READ, grant_of  # few ask

        return self._options.debug_allowed and grant_of(request).role >= READ

    def _answer_more(
        self,
        request: Request,
        fields: dict[str, Any],
        attributes: dict[str, object],
        now: float,
        new_uuid: Callable[[], str],
        known: Known | None,
    ) -> Reply:
        """Decide where segments, `forced`, several flags or `LATER` are asked for."""
        from .more import More  # few requests do

        edition = self._edition
        assert edition is not None  # noqa: S101 -- `answer` has looked
        more = More(fields, edition.ruleset, self._options)
        tracking = _tracking(fields)
        track = tracking and not more.forced and request.method != "HEAD"
        debug = _switch(fields, "debug", default=False) and self._may_debug(request)
        user_id = fields.get("u") or _address(request)
        user = self._user(user_id, attributes, known, may_need=more.is_there)
        user = more.known_of(user, known)
        makes_events = track and self._makes_events
        is_long = makes_events and len(request.query) + len(request.body) > _LONG_REQUEST
        if is_long:
            _refuse_above_limit(user_bytes(user, edition.ruleset))
        trace: list[Any] | None = [] if debug else None
        decision, text = more.decide(self._decide, self._activate, self._answers, user, trace)
        events: tuple[Event, ...] = ()
        if makes_events:
            key = _key_of(request) if "idempotency-key" in request.headers else ""
            events = _events_of(decision, user, edition.ruleset, now, new_uuid, key)
            if is_long:
                _refuse_above_limit(largest_of(events))
        exposures: dict[str, object] = {}
        if tracking == LATER:
            exposures = more.exposures(events, now)
            events = ()
        text = self._with_more(text, edition, now, user, decision, trace, exposures)
        response = Response(200, self._headers, text.encode("ascii"), request.request_id)
        if not more.bucketed or user.profile is None or not track:
            return Reply(response, events)
        return Reply(response, events, (user.id, {**user.profile, **more.bucketed}))

    def _with_more(
        self,
        text: str,
        edition: EditionFacts,
        now: float,
        user: User,
        decision: Decision,
        trace: list[Any] | None,
        exposures: dict[str, object] | None = None,
    ) -> str:
        """Add to the answer's *text* what few have: exposures, an error, the debug block."""
        more: dict[str, object] = exposures or {}
        if decision.error is not None:
            from bucketer.api.problems import prediction_failed

            more["error"] = prediction_failed(decision.error)
        if trace is not None:
            from .debug import debug_block

            more["debug"] = debug_block(edition, self._options, now, user, decision, trace)
        return f"{text[:-1]}, {to_json(more)[1:]}" if more else text

    def understood(self, request: Request) -> dict[str, object]:
        """Return what an error's body carries: enough for a caller to fall back safely."""
        understood: dict[str, object] = {"variation": None}
        fields: dict[str, Any] = {}
        if request.method == "POST":
            from bucketer.api.body import as_parameters

            from .body import parsed_body
            from .names import understood_of

            try:
                parsed = parsed_body(request, self._options.max_json_depth)
                fields = understood_of(as_parameters(*parsed), OF_BUCKETER)
            except InvalidRequest:
                fields = {"u": None}  # it may name somebody; what the query says still counts
        for key, shown in _SHOWN:
            names = {name: key for name, each in OF_BUCKETER.items() if each == key}
            try:
                value = fields.get(key) or parse_query(request.query, names).get(key)
                if key == "u" and not value and key not in fields:
                    value = _address(request)
                if isinstance(value, str) and value.encode():
                    understood[shown] = value
            except (InvalidRequest, UnicodeEncodeError):
                continue  # this one was not understood
        return understood

    def _fields_of_post(self, request: Request) -> dict[str, Any]:
        from .posted import fields_of_post  # with all that it needs, which a cold start doesn't

        return fields_of_post(request, self._options.max_json_depth)

    def _user(
        self, user_id: str, attributes: dict[str, object], known: Known | None, *, may_need: bool
    ) -> User:
        """Put together what is known of the visitor.

        A profile is needed only where *may_need* says that the key exists: asking costs I/O.

        Raises:
            InvalidRequest: there is no user id, or it is no valid string.
            ProfileNeeded: profiles are in use, and the user's has not been looked up yet.
        """
        if not user_id:
            message = "Parameter 'u' (the user's id) is missing, and their address isn't known."
            raise InvalidRequest(message, field="u")
        if self._profiles and may_need and (known is None or known.profile is None):
            User(user_id, attributes)  # raises for an id that no store should see
            raise ProfileNeeded(user_id)
        profile = None if known is None else known.profile
        predictions = None if known is None else known.predictions
        return User(user_id, attributes, profile=profile, predictions=predictions)


def _refuse_above_limit(size_bytes: int) -> None:
    """Refuse a request whose impression could not be sent: of so many bytes, or more.

    Raises:
        ImpressionTooLarge: that is over the limit.
    """
    if size_bytes > MAX_VISITOR_BYTES:
        from bucketer.api.problems import ImpressionTooLarge

        raise ImpressionTooLarge(MAX_VISITOR_BYTES)


def _events_of(
    decision: Decision,
    user: User,
    ruleset: Ruleset,
    now: float,
    new_uuid: Callable[[], str],
    key: str,
) -> tuple[Event, ...]:
    """Return one event for each impression that *decision* calls for, in order.

    With the caller's *key* their names are the same whenever the same is asked again.
    """
    now_ms = round(now * 1000)
    if key:
        from .idempotency import impression_names

        names = impression_names(key, decision, user, ruleset)
        return tuple(
            Event(each, user, ruleset, now_ms, name)
            for each, name in zip(decision.impressions, names, strict=True)
        )
    if len(decision.impressions) == 1:  # nearly always
        return (Event(decision.impressions[0], user, ruleset, now_ms, new_uuid()),)
    return tuple(Event(each, user, ruleset, now_ms, new_uuid()) for each in decision.impressions)


def _key_of(request: Request) -> str:
    from .idempotency import key_of  # most requests have none

    return key_of(request)


def _address(request: Request) -> str:
    """Return the address of a visitor whom nothing names.

    Raises:
        InvalidRequest: the query names one, in a way that isn't understood.
    """
    if request.query:
        from .names import check_user_of_query  # most requests name their user

        check_user_of_query(request.query, OF_BUCKETER)
    return request.ip


def _tracking(fields: dict[str, Any]) -> bool | str:
    from .names import tracking_of  # most requests have none

    word = fields.get("track", "")
    return True if word == "" else tracking_of(word)


def _switch(fields: dict[str, Any], name: str, *, default: bool) -> bool:
    from .names import switch_of  # most requests have none

    word = fields.get(name, "")
    return default if word == "" else switch_of(word, name)
