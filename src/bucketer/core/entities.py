"""One JSON object in, one entity out, or `Malformed` with the place and what was expected.

Source: optimizely-sdk 5.7.0, entities.py and helpers/constants.py:JSON_SCHEMA.
"""

from __future__ import annotations

import json

from .bucketing import Allocation
from .parse import json_type
from .ruleset import Cmab, Experiment, Variable, Variation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_NO_OVERRIDES: dict[str, object] = {}
#: Basis points of the whole traffic line.
_ALL_TRAFFIC = 10_000

_EXPECTED: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}


class Malformed(Exception):
    """A part of the datafile has the wrong shape.

    Attributes:
        pointer: where, as a JSON pointer.
        expected: what belongs there.
        found: the JSON type seen instead, or `nothing`.
    """

    def __init__(self, pointer: str, expected: str, found: str) -> None:
        super().__init__(pointer, expected, found)
        self.pointer, self.expected, self.found = pointer, expected, found


def field(raw: Any, name: str, kind: type, at: str) -> Any:
    """The value of *name* in *raw*, which must be there and be a *kind*."""
    try:
        value = raw[name]
    except KeyError:
        raise Malformed(f"{at}/{name}", _EXPECTED[kind], "nothing") from None
    except (TypeError, IndexError):
        raise Malformed(at, "an object", json_type(raw)) from None
    if not isinstance(value, kind):
        raise Malformed(f"{at}/{name}", _EXPECTED[kind], json_type(value))
    return value


def read_experiment(raw: dict[str, Any], at: str) -> Experiment:
    """Read an experiment, delivery rule or group member: everything but its links to others.

    Raises:
        Malformed: a mandatory field is missing or has the wrong type.
    """
    experiment = Experiment(field(raw, "id", str, at), field(raw, "key", str, at))
    experiment.status = field(raw, "status", str, at)
    field(raw, "variations", list, at)
    field(raw, "trafficAllocation", list, at)
    field(raw, "forcedVariations", dict, at)
    if "layerId" not in raw:
        raise Malformed(f"{at}/layerId", "a string", "nothing")
    experiment.layer_id = raw["layerId"]
    experiment.running = experiment.status == "Running"
    experiment.kind = raw.get("type")
    experiment.audience_tree = read_audience_tree(raw, at)
    if not experiment.key.strip():
        experiment.closed = "its key is blank"
    return experiment


def read_audience_tree(raw: dict[str, Any], at: str) -> object:
    """Who qualifies: `audienceConditions` unless null or absent, else `audienceIds`."""
    ids = field(raw, "audienceIds", list, at)
    conditions = raw.get("audienceConditions")
    return ids if conditions is None else conditions


def read_variations(raw: list[Any], at: str, *, of_holdout: bool = False) -> Iterator[Variation]:
    """Read variations in order."""
    for index, each in enumerate(raw):
        place = f"{at}/{index}"
        overrides = _NO_OVERRIDES
        if not of_holdout and each.__class__ is dict and each.get("variables"):
            overrides = _read_overrides(each["variables"], f"{place}/variables")
        yield Variation(
            field(each, "id", str, place),
            field(each, "key", str, place),
            each.get("featureEnabled", False),
            overrides,
            of_holdout=of_holdout,
        )


def _read_overrides(raw: Any, at: str) -> dict[str, object]:
    if not isinstance(raw, list):
        raise Malformed(at, "an array", json_type(raw))
    overrides = {}
    for index, each in enumerate(raw):
        place = f"{at}/{index}"
        key = field(each, "id", str, place)
        if "value" not in each:
            raise Malformed(f"{place}/value", "a string", "nothing")
        overrides[key] = each["value"]
    return overrides


def read_allocation(raw: list[Any], at: str) -> list[tuple[str, float]]:
    """Read `(entity id, end of range)` pairs. An empty or null entity id is nobody's traffic.

    An entry whose end of range is null or missing is skipped, as the reference does where its
    schema lets such an entry through (delivery rules).
    """
    entries: list[tuple[str, float]] = []
    for index, each in enumerate(raw):
        if each.__class__ is not dict:
            raise Malformed(f"{at}/{index}", "an object", json_type(each))
        end = each.get("endOfRange")
        if end is None:
            continue
        if not isinstance(end, (int, float)):
            raise Malformed(f"{at}/{index}/endOfRange", "a number of basis points", json_type(end))
        end = _on_the_line(end)
        entity = each.get("entityId")
        if entity is not None and not isinstance(entity, str):
            raise Malformed(f"{at}/{index}/entityId", "a string", json_type(entity))
        entries.append((entity or "", end))
    return entries


def read_cmab(raw: Any, attribute_keys: dict[str, str], at: str) -> tuple[Cmab, Allocation]:
    """Read a contextual bandit: what it may see, and its share of the traffic (entity `$`)."""
    traffic = raw.get("trafficAllocation") if isinstance(raw, dict) else None
    if isinstance(traffic, bool) or not isinstance(traffic, (int, float)):
        raise Malformed(f"{at}/trafficAllocation", "a number of basis points", json_type(traffic))
    ids = raw.get("attributeIds") or []
    if not isinstance(ids, list):
        raise Malformed(f"{at}/attributeIds", "an array", json_type(ids))
    seen = tuple(
        (each, attribute_keys[each])
        for each in ids
        if isinstance(each, str) and each in attribute_keys
    )
    return Cmab(seen), Allocation([("$", _on_the_line(traffic))])


def _on_the_line(end: float) -> float:
    """An end of range with the same meaning in 0 to 10,000.

    No bucket is under 0 or NaN, and every one is under 10,000 and whatever is more.
    """
    return min(end, _ALL_TRAFFIC) if end > 0 else 0


def read_variables(raw: list[Any], at: str) -> dict[str, Variable]:
    """Read a flag's variables by key; of two with the same key the last one counts."""
    variables = {}
    for index, each in enumerate(raw):
        place = f"{at}/{index}"
        key = field(each, "key", str, place)
        for name in ("type", "defaultValue"):
            if name not in each:
                raise Malformed(f"{place}/{name}", "a string", "nothing")
        kind = each["type"]
        if kind == "string" and each.get("subType") == "json":
            kind = "json"
        variables[key] = Variable(field(each, "id", str, place), key, kind, each["defaultValue"])
    return variables


def typed(value: object, kind: object) -> object:
    """The value a variable's text stands for; None when it doesn't stand for one.

    Booleans are true for exactly `true`; integers and doubles are read as Python reads them
    (`" 7 "` is 7, `"1_0"` is 10); an unknown type is passed through.

    Source: optimizely-sdk 5.7.0, project_config.py:get_typecast_value.
    """
    if kind == "boolean":
        return value == "true"
    try:
        if kind == "integer":
            return int(value)  # type: ignore[call-overload]  # whatever can't be read raises
        if kind == "double":
            return float(value)  # type: ignore[arg-type]
        if kind == "json":
            return json.loads(value)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    return value
