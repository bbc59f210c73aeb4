"""``/bucketer``: an experiment or a flag, a user and their attributes in; a variation out.

Deciding by `e` is the SDK's `activate`, by `f` its `decide`.
"""

from __future__ import annotations

from bucketer.core.errors import InvalidRequest, NoDatafile
from bucketer.core.events import Event
from bucketer.core.user import User

from .answer import Answers, to_json
from .attributes import check_attributes, parse_attributes
from .http import ProfileNeeded, Reply, Response
from .query import given_twice, parse_query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bucketer.core.decision import Decision
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import EditionFacts, Engine

    from .http import ApiOptions, Known, Request

_NAMES = frozenset(("e", "f", "u", "a", "debug", "track"))
_NEITHER = "Parameter 'e' (an experiment's key) or 'f' (a flag's key) is missing."
_BOTH = "Parameters 'e' and 'f' exclude each other; give one of them."
_NO_OPTIONS: frozenset[str] = frozenset()
_SWITCH = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
#: How an error names what was understood of its request.
_SHOWN = (("u", "user"), ("e", "experiment"), ("f", "flag"))


class BucketerRoute:
    """The route, for one edition.

    Attributes:
        methods: what it takes.
    """

    methods = ("GET", "HEAD", "POST")

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
        self._answers = Answers()
        self._profiles = options.profiles
        self._makes_events = options.makes_events

    def answer(
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
            PredictionNeeded, ProfileNeeded: the shell must fetch that first.
        """
        fields: dict[str, Any]
        if request.method == "POST":
            fields = self._fields_of_post(request)
        else:
            fields = parse_query(request.query, _NAMES)
        experiment_key: str = fields.get("e") or ""
        flag_key: str = fields.get("f") or ""
        if (not experiment_key) is (not flag_key):
            raise InvalidRequest(_BOTH if flag_key else _NEITHER, field="e")
        given = fields.get("a")
        attributes = parse_attributes(given) if isinstance(given, str) else given or {}
        debug = "debug" in fields and _switch(fields, "debug", default=False)
        track = "track" not in fields or _switch(fields, "track", default=True)
        edition = self._edition
        if edition is None:
            raise NoDatafile
        user_id = fields.get("u") or request.ip
        if known is None and user_id and not self._profiles:
            user = User(user_id, attributes)
        else:
            ruleset = edition.ruleset
            exists = flag_key in ruleset.flags or experiment_key in ruleset.experiments
            user = self._user(user_id, attributes, known, may_need=exists)
        trace: list[Reason] | None = [] if debug and self._options.debug_allowed else None
        if flag_key:
            decision = self._decide(edition.ruleset, flag_key, user, _NO_OPTIONS, trace)
            text = self._answers.flag(decision, user.id)
        else:
            decision = self._activate(edition.ruleset, experiment_key, user, trace)
            text = self._answers.experiment(decision, experiment_key, user.id)
        if known is not None or trace is not None:
            text = self._with_more(text, edition, now, user, decision, trace)
        events: tuple[Event, ...] = ()
        if track and decision.impressions and self._makes_events and request.method != "HEAD":
            events = _events_of(decision, user, edition.ruleset, now, new_uuid)
        response = Response(200, self._headers, text.encode("ascii"), request.request_id)
        if decision.bucketed is None or user.profile is None:
            return Reply(response, events)
        experiment_id, variation_id = decision.bucketed
        return Reply(response, events, (user.id, {**user.profile, experiment_id: variation_id}))

    def _with_more(
        self,
        text: str,
        edition: EditionFacts,
        now: float,
        user: User,
        decision: Decision,
        trace: list[Reason] | None,
    ) -> str:
        """Add to the answer's *text* what few answers have: an error, the debug block."""
        more: dict[str, object] = {}
        if decision.error is not None:
            from .problems import prediction_failed

            more["error"] = prediction_failed(decision.error)
        if trace is not None:
            from .debug import debug_block

            more["debug"] = debug_block(edition, self._options, now, user, decision, trace)
        return f"{text[:-1]}, {to_json(more)[1:]}" if more else text

    def understood(self, request: Request) -> dict[str, object]:
        """Return what an error's body carries: enough for a caller to fall back safely."""
        understood: dict[str, object] = {"variation": None}
        body: dict[str, object] = {}
        visitor = request.ip
        if request.method == "POST":
            from .body import parse_object

            try:
                body = parse_object(request.body, self._options.max_json_depth)
            except InvalidRequest:
                visitor = ""  # it may have named somebody else; what the query says still counts
        for name, shown in _SHOWN:
            try:
                value = body.get(name) or parse_query(request.query, (name,)).get(name)
                if name == "u":
                    value = value or visitor
                if isinstance(value, str) and value.encode():
                    understood[shown] = value
            except (InvalidRequest, UnicodeEncodeError):
                continue  # this one was not understood
        return understood

    def _fields_of_post(self, request: Request) -> dict[str, Any]:
        """Read the parameters of a POST: the body's, and the query's beside them."""
        from .body import parse_object

        fields: dict[str, Any] = {**parse_query(request.query, _NAMES)}
        body = parse_object(request.body, self._options.max_json_depth)
        for name in _NAMES & body.keys():
            if name in fields:
                raise given_twice(name)
            fields[name] = _from_json(name, body[name])
        return fields

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


def _events_of(
    decision: Decision, user: User, ruleset: Ruleset, now: float, new_uuid: Callable[[], str]
) -> tuple[Event, ...]:
    """Return one event for each impression that *decision* calls for, in order."""
    now_ms = round(now * 1000)
    if len(decision.impressions) == 1:  # nearly always
        return (Event(decision.impressions[0], user, ruleset, now_ms, new_uuid()),)
    return tuple(Event(each, user, ruleset, now_ms, new_uuid()) for each in decision.impressions)


def _from_json(name: str, value: object) -> object:
    """Turn one parameter of a JSON body into what the query would have given; null is absent.

    Raises:
        InvalidRequest: the value has the wrong type.
    """
    if value is None:
        return ""
    if name == "a":
        if isinstance(value, dict):
            check_attributes(value)
            return value
        if value == "":
            return value
        message = 'Parameter \'a\' must be a JSON object in a body, such as {"tier": "platinum"}.'
        raise InvalidRequest(message, field=name)
    if name in {"debug", "track"} and (value is True or value is False):
        return "on" if value else "off"
    if name in {"debug", "track"} and type(value) is int:
        return str(value)
    if not isinstance(value, str):
        raise InvalidRequest(f"Parameter '{name}' must be a string.", field=name)
    return value


def _switch(fields: dict[str, Any], name: str, *, default: bool) -> bool:
    word = fields.get(name)
    if not word:
        return default
    switch = _SWITCH.get(word)
    if switch is None:
        message = f"Parameter '{name}' must be 1, true, yes, on, 0, false, no or off."
        raise InvalidRequest(message, field=name)
    return switch
