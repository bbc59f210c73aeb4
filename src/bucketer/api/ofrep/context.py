"""The evaluation context: who asks, as OpenFeature says it.

    {"context": {"targetingKey": "u1", "tier": "gold", "flags": ["search"], "variableKey": "size"}}

What has a meaning of its own (`flags`, `variableKey`, `$opt_impressions`) is no attribute. Nested
values and lists, which audiences can't compare, are passed over.
"""

from __future__ import annotations

from bucketer.api.body import parse_json
from bucketer.api.http import LATER
from bucketer.core.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Request

_IMPRESSIONS = "$opt_impressions"
_OURS = frozenset(("targetingKey", "flags", "variableKey", _IMPRESSIONS))
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
        variable_key: which variable of a flag is its value; None leaves it to the flag.
        impressions: whether impressions are sent, or `LATER`; None leaves it to the kind of
            request.
    """

    __slots__ = (
        "attributes",
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
        self.impressions: bool | str | None = impressions


def context_of(request: Request, max_depth: int) -> Context:
    """Read the context of *request*; a body without one counts as an empty one.

    Clients leave it out where they know nothing of the user, though the schema asks for it.

    Raises:
        InvalidRequest: the body is no JSON object.
        InvalidContext: its context is no object, or a part of it has the wrong type.
    """
    if not request.body.strip():
        return Context({})
    parsed, _ = parse_json(request.body, max_depth)
    if not isinstance(parsed, dict):
        raise InvalidRequest(f"The body must be a JSON object such as {_EXAMPLE}.", field="body")
    given = parsed.get("context")
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise InvalidContext(f"context must be an object, as in {_EXAMPLE}.", field="context")
    return Context(given)


def _texts(value: object) -> list[str] | None:
    """Return a list of texts; None for anything else, which is the caller's own by that name."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    return None
