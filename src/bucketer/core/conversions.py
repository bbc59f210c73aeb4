"""A goal and its tags in; what the event says of them, metrics among it, out.

Source: optimizely-sdk 5.7.0, helpers/event_tag_utils.py, event/event_factory.py.
"""

from __future__ import annotations

from json import JSONDecoder, JSONEncoder, dumps
from json.encoder import encode_basestring_ascii as quote

from .errors import InvalidRequest, UnknownEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .ruleset import Ruleset
    from .user import User

#: A tuple, not a union, which would be built anew on each check.
_NUMBERS_AND_TEXT = (int, float, str)

#: A longer value isn't told, but its length.
_MOST_SHOWN = 40

#: Tags that count for metrics of their own.
_METRICS = ("revenue", "value")
_LONGEST_METRIC = max(map(len, _METRICS))
#: Objects in tags lose these keys when the value is null, at any depth.
_NOT_NULL = ("revenue", "value", "tags", "decisions")


class Conversion:
    """A goal reached. Made by `track`, which refuses what can't be sent.

    Attributes:
        event_id: the datafile's id of the event.
        event_key: its key.
        tags: as the caller gave them, or None.
        rendered: the fixed pieces of the visitor's text.
    """

    __slots__ = ("event_id", "event_key", "rendered", "tags")

    def __init__(
        self,
        event_id: str,
        event_key: str,
        tags: Mapping[str, object] | None,
        rendered: tuple[str, str, str],
    ) -> None:
        self.event_id = event_id
        self.event_key = event_key
        self.tags = tags
        self.rendered = rendered


def track(
    ruleset: Ruleset,
    event_key: str,
    user: User,  # noqa: ARG001 -- the interface of the core: who did it belongs to the call
    tags: Mapping[str, object] | None = None,
    counted: Mapping[str, object] | None = None,
) -> Conversion:
    """Record that *user* reached the goal *event_key*.

    Args:
        ruleset: where the event must be known.
        event_key: the event's key.
        user: unused by the conversion itself; the event carries it.
        tags: any JSON object; `revenue` and `value` count as metrics when they are numbers as the
            SDK understands them. `None` sends no tags, `{}` sends an empty object.
        counted: `revenue` and `value` where these shall count otherwise than the tags say.

    Raises:
        UnknownEvent: the datafile has no such event.
        InvalidRequest: a tag can't be sent: not JSON, a number JSON has no word for, nested too
            deep, or a `value` beyond what a float holds.

    Source: optimizely-sdk 5.7.0, optimizely.py:track, event_tag_utils.py.
    Differs: what the SDK would raise on (or send as invalid JSON) in its thread is refused here.
    """
    known = ruleset.events.get(event_key)
    if known is None:
        from .slips import unknown

        raise unknown(ruleset, UnknownEvent, event_key)
    metrics = tags if counted is None else counted
    tail = ""
    if tags is not None:
        tail = f'{_metrics(metrics or {})}, "tags": {_tags(tags)}'
    rendered = (
        f'{{"snapshots": [{{"events": [{{"entity_id": {dumps(known.id)}, "uuid": "',
        f'", "key": {quote(event_key)}, "timestamp": ',
        tail + '}]}], "attributes": [',
    )
    return Conversion(known.id, event_key, tags, rendered)


def _metrics(tags: Mapping[str, object]) -> str:
    """`revenue` and `value` as the event's own fields, each only if the SDK takes it for a number.

    Source: optimizely-sdk 5.7.0, event_tag_utils.py: revenue is an integer of any size and not a
    boolean; value is whatever `float` makes of an integer, a float or a string, if finite.
    """
    text = ""
    revenue = tags.get("revenue")
    if isinstance(revenue, int) and not isinstance(revenue, bool):
        text = f', "revenue": {_sendable("revenue", revenue)}'
    value = tags.get("value")
    if isinstance(value, _NUMBERS_AND_TEXT) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            return text
        except OverflowError:
            message = "The tag 'value' is larger than a floating-point number can be."
            raise InvalidRequest(message, field="tags") from None
        if number - number == 0:  # neither infinite nor NaN
            text += f', "value": {number!r}'
    return text


def not_counted(tags: Mapping[str, object]) -> list[str]:
    """Say which of `revenue` and `value` is sent as a tag and counts for no metric, and why."""
    wrong = []
    revenue = tags.get("revenue")
    if revenue is not None and (not isinstance(revenue, int) or isinstance(revenue, bool)):
        wrong.append(("revenue", revenue, "an integer of the smallest unit, such as cents"))
    value = tags.get("value")
    if value is not None and '"value"' not in _metrics({"value": value}):
        wrong.append(("value", value, "a number"))
    warnings = [
        f"tags.{name} is {_shown(found)}, which is not {wanted}: it is sent as a tag and "
        f"not counted as {name}."
        for name, found, wanted in wrong
    ]
    for name in tags:
        meant = name.lower() if len(name) <= _LONGEST_METRIC else name
        if meant in _METRICS and meant not in tags:
            warnings.append(
                f"tags.{name} is not counted as {meant}, which is written in lower case."
            )
    return warnings


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, str) and len(value) > _MOST_SHOWN:
        return f"a text of {len(value)} characters"
    return dumps(value)


def _tags(tags: Mapping[str, object]) -> str:
    """The tags' JSON, as it is after the SDK's round trip: no null revenue, value, ... anywhere."""
    try:
        cleaned = _DECODER.decode(_encode(dict(tags)))
    except (TypeError, ValueError, RecursionError):
        for key, value in tags.items():
            _sendable(key, value)
        message = "The tags can't be sent: their keys must be strings."
        raise InvalidRequest(message, field="tags") from None
    return dumps(cleaned)


def _without_nulls(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if value is not None or key not in _NOT_NULL}


# Made once, as `loads` and `dumps` would make them for each event.
_DECODER = JSONDecoder(object_pairs_hook=_without_nulls)
_encode = JSONEncoder(allow_nan=False).encode


def _sendable(key: object, value: object) -> str:
    """The tag's JSON, or an error that names the tag."""
    try:
        return _encode(value)
    except RecursionError:
        why = "it is nested too deep"
    except TypeError:
        why = "it holds something that is not JSON"
    except ValueError:
        # NaN, an infinity, an integer of more than 4,300 digits, or a list that holds itself.
        why = "it holds a number that JSON has no word for, or itself"
    message = f"The tag '{str(key)[:100]}' can't be sent: {why}."
    raise InvalidRequest(message, field="tags")
