"""The evaluation context: who asks, as OpenFeature says it.

    {"context": {"targetingKey": "u1", "tier": "gold", "flags": ["search"], "variableKey": "size"}}

What has a meaning of its own (`flags`, `variableKey`, `$opt_impressions`) is no attribute. Nested
values and lists, which audiences can't compare, are passed over.
"""

from __future__ import annotations

from bucketer.api.body import parse_json
from bucketer.api.grant import READ, grant_of
from bucketer.api.http import LATER
from bucketer.api.query import parse_query
from bucketer.core.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Request
    from bucketer.api.options import ApiOptions

_IMPRESSIONS, _DEBUG = "$opt_impressions", "$opt_debug"
_RAW_DEBUG = _DEBUG.encode()
_OURS = frozenset(("targetingKey", "flags", "variableKey", _IMPRESSIONS, _DEBUG))
#: Names that debug tells, and how much of each.
_MOST_NAMED, _MOST_CHARS = 20, 100
_NAMES, _ON = {"debug": "debug"}, frozenset(("1", "true", "yes", "on"))
_EXAMPLE = '{"context": {"targetingKey": "u1"}}'


class InvalidContext(InvalidRequest):
    """The context can be read, and yet is no context."""


class TargetingKeyMissing(InvalidRequest):
    """The answer depends on who the user is, and the context doesn't say."""


class Context:
    """One evaluation context.

    Attributes:
        targeting_key: the user's id; None where the context names none.
        attributes: what audiences may ask of the user.
        passed_over: names of what was none: lists and objects.
        flags: the keys that a bulk evaluation is asked for; None for all.
        debug: what was passed over is told, and why one flag was decided as it was.
        variable_key: which variable of a flag is its value; None leaves it to the flag.
        impressions: whether impressions are sent, or `LATER`; None leaves it to the kind of
            request.
    """

    __slots__ = (
        "attributes",
        "debug",
        "flags",
        "impressions",
        "passed_over",
        "targeting_key",
        "variable_key",
    )

    def __init__(self, given: dict[str, object]) -> None:
        """Read the context that a body gives.

        Raises:
            InvalidContext: a part of it has the wrong type.
        """
        key = given.get("targetingKey")
        if key is not None and not isinstance(key, str):
            raise InvalidContext("targetingKey must be a string.", field="targetingKey")
        self.targeting_key = key or None
        attributes = {name: value for name, value in given.items() if name not in _OURS}
        self.passed_over = [
            name for name, value in attributes.items() if isinstance(value, (dict, list))
        ]
        for name in self.passed_over:
            del attributes[name]
        self.attributes = attributes
        self.flags = _texts(given.get("flags"))
        variable_key = given.get("variableKey")
        self.variable_key = variable_key if isinstance(variable_key, str) else None
        impressions = given.get(_IMPRESSIONS)
        if not (impressions is None or isinstance(impressions, bool) or impressions == LATER):
            message = f'{_IMPRESSIONS} must be true, false or "{LATER}".'
            raise InvalidContext(message, field=_IMPRESSIONS)
        debug = given.get(_DEBUG)
        if debug is not None and not isinstance(debug, bool):
            raise InvalidContext(f"{_DEBUG} must be true or false.", field=_DEBUG)
        self.debug = debug is True
        self.impressions: bool | str | None = impressions

    @property
    def told(self) -> str:
        """What debug tells of the context; empty for nothing."""
        if not (self.debug and self.passed_over):
            return ""
        names = [each[:_MOST_CHARS] for each in self.passed_over[:_MOST_NAMED]]
        left = len(self.passed_over) - len(names)
        more = f" and {left} more" if left else ""
        return f"passed over, as no audience compares lists and objects: {', '.join(names)}{more}"


def shows_debug(request: Request, options: ApiOptions) -> bool:
    """Say whether *request* asks for debug, and whoever sent it may have that."""
    asked = "debug=" in request.query or _RAW_DEBUG in request.body
    return asked and options.debug_allowed and grant_of(request).role >= READ


def context_of(request: Request, options: ApiOptions) -> Context:
    """Read the context of *request*; a body without one counts as an empty one.

    Clients leave it out where they know nothing of the user, though the schema asks for it.
    `debug=1` in the query asks for what `$opt_debug` in the context does.

    Raises:
        InvalidRequest: the body is no JSON object.
        InvalidContext: its context is no object, or a part of it has the wrong type.
    """
    context = Context(_given(request, options.max_json_depth))
    if context.debug or request.query:
        word = parse_query(request.query, _NAMES).get("debug", "")
        asked = context.debug or word.lower() in _ON
        context.debug = asked and shows_debug(request, options)
    return context


def _given(request: Request, max_depth: int) -> dict[str, object]:
    if not request.body.strip():
        return {}
    parsed, _ = parse_json(request.body, max_depth)
    if not isinstance(parsed, dict):
        raise InvalidRequest(f"The body must be a JSON object such as {_EXAMPLE}.", field="body")
    given = parsed.get("context")
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise InvalidContext(f"context must be an object, as in {_EXAMPLE}.", field="context")
    return given


def _texts(value: object) -> list[str] | None:
    """Return a list of texts; None for anything else, which is the caller's own by that name."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    return None
