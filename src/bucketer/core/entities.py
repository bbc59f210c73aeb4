"""One JSON object in, one entity out, or `Malformed` with the place and what was expected.

Source: optimizely-sdk 5.7.0, entities.py and helpers/constants.py:JSON_SCHEMA.
"""

from __future__ import annotations

import json

from .bucketing import Allocation
from .parse import json_type
from .ruleset import Cmab, Experiment, Variable, Variation
from .trees import bounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_NO_OVERRIDES: dict[str, object] = {}
#: Basis points of the whole traffic line.
_ALL_TRAFFIC = 10_000

#: What no dict can look up.
_NESTED = (list, dict)
#: What a variable's default has to be for its type to make something of it.
_READABLE = {
    "boolean": "`true` or `false`, as a string",
    "integer": "an integer, as a string",
    "double": "a number, as a string",
    "json": "JSON, as a string",
}
#: What is found where something else, which has been told, is the cause.
BROKEN = "a broken one"
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


class Oddities:
    """Takes what a reader finds odd and reads all the same, in one part of the datafile.

    Attributes:
        checked: whether the reference's schema looks at this part. What is odd there makes it
            refuse the datafile, whole.
    """

    __slots__ = ("_note", "checked")

    def __init__(self, note: Callable[[Malformed, str, str], None], *, checked: bool) -> None:
        """Hand what is told to *note*: the finding, its consequence, its severity.

        What *note* belongs to must not hold this object, or neither is free when both are let go.
        """
        self._note = note
        self.checked = checked

    def tell(
        self,
        finding: Malformed,
        consequence: str,
        *,
        dead: bool = False,
        refused: bool = True,
        everywhere: bool = False,
    ) -> None:
        """Say what is odd.

        Args:
            finding: where, and what.
            consequence: what is made of it here.
            dead: something no longer decides that would decide if it were whole.
            refused: the schema doesn't pass over it, where it looks.
            everywhere: the reference's constructor refuses it where the schema doesn't look.
        """
        if everywhere or (self.checked and refused):
            consequence += "; the official SDK refuses the whole datafile"
        self._note(finding, consequence, "error" if dead else "warning")


#: For what is read a second time.
TOLD = Oddities(lambda *_: None, checked=False)


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


def read_experiment(raw: dict[str, Any], at: str, odd: Oddities) -> Experiment:
    """Read an experiment, delivery rule or group member: everything but its links to others.

    Raises:
        Malformed: a mandatory field is missing or has the wrong type.
    """
    experiment = Experiment(field(raw, "id", str, at), field(raw, "key", str, at))
    experiment.status = field(raw, "status", str, at)
    field(raw, "variations", list, at)
    field(raw, "trafficAllocation", list, at)
    if odd.checked or not isinstance(raw.get("forcedVariations"), dict):
        _check_whitelist(raw, at, odd)
    if "layerId" not in raw:
        raise Malformed(f"{at}/layerId", "a string", "nothing")
    experiment.layer_id = raw["layerId"]
    if not isinstance(experiment.layer_id, str):
        finding = Malformed(f"{at}/layerId", "a string", json_type(experiment.layer_id))
        odd.tell(finding, "events name the rule's id in its place")
    experiment.running = experiment.status == "Running"
    experiment.kind = raw.get("type")
    experiment.audience_tree = read_audience_tree(raw, at, odd)
    if not experiment.key.strip():
        experiment.closed = "its key is blank"
    return experiment


def whitelist_of(raw: dict[str, Any]) -> dict[str, Any]:
    """Whom a rule that was read forces into which variations; a delivery rule may say nothing."""
    forced = raw.get("forcedVariations")
    return forced if isinstance(forced, dict) else {}


def _check_whitelist(raw: dict[str, Any], at: str, odd: Oddities) -> None:
    """Delivery rules decide without a whitelist, which they never read, as in the JavaScript SDK.

    Raises:
        Malformed: an experiment has none.
    """
    try:
        field(raw, "forcedVariations", dict, at)
    except Malformed as finding:
        if odd.checked:
            raise
        missing = "forcedVariations" not in raw
        odd.tell(finding, "the delivery rule forces nobody", everywhere=missing)


def read_audience_tree(raw: dict[str, Any], at: str, odd: Oddities) -> object:
    """Who qualifies: `audienceConditions` unless null or absent, else `audienceIds`.

    As deep as conditions count, so that nothing that walks it later can go too deep. Beside
    conditions the ids aren't read, so they may be missing, as in the JavaScript SDK.

    Raises:
        Malformed: there are no conditions, and the ids are no list.
    """
    conditions = raw.get("audienceConditions")
    if conditions is None:
        return bounded(field(raw, "audienceIds", list, at))
    unread = raw.get("audienceIds")
    instead = "audienceConditions stands in its place"
    if not isinstance(unread, list):
        finding = Malformed(f"{at}/audienceIds", "an array", found(raw, "audienceIds"))
        odd.tell(finding, instead, everywhere="audienceIds" not in raw)
    elif odd.checked:
        for index, each in enumerate(unread):
            if not isinstance(each, str):
                place = f"{at}/audienceIds/{index}"
                odd.tell(Malformed(place, "the id of an audience", json_type(each)), instead)
    return bounded(conditions)


def read_variations(raw: list[Any], at: str, odd: Oddities) -> Iterator[Variation]:
    """Read the variations of an experiment or delivery rule, in order."""
    for index, each in enumerate(raw):
        place = f"{at}/{index}"
        overrides = _NO_OVERRIDES
        if each.__class__ is dict and (listed := each.get("variables", [])) != []:
            overrides = _read_overrides(listed, f"{place}/variables", odd)
        yield _read_variation(each, place, overrides)


def read_held_variations(raw: list[Any], at: str) -> Iterator[Variation]:
    """Read the variations of a holdout, in order."""
    for index, each in enumerate(raw):
        yield _read_variation(each, f"{at}/{index}", _NO_OVERRIDES, of_holdout=True)


def _read_variation(
    raw: Any, at: str, overrides: dict[str, object], *, of_holdout: bool = False
) -> Variation:
    return Variation(
        field(raw, "id", str, at),
        field(raw, "key", str, at),
        raw.get("featureEnabled", False),
        overrides,
        of_holdout=of_holdout,
    )


def _read_overrides(raw: Any, at: str, odd: Oddities) -> dict[str, object]:
    if not isinstance(raw, list):
        finding = Malformed(at, "an array", json_type(raw))
        if raw:
            raise finding
        # The reference's constructor raises where the variation is enabled.
        odd.tell(finding, "there are no overrides", refused=False)
        return _NO_OVERRIDES
    overrides = {}
    for index, each in enumerate(raw):
        place = f"{at}/{index}"
        if each.__class__ is dict and "value" not in each:
            raise Malformed(f"{place}/value", "a string", "nothing")
        try:
            key = field(each, "id", str, place)
        except Malformed as finding:
            # No variable has such an id, but the reference can look for it.
            if each.__class__ is not dict or "id" not in each or isinstance(each["id"], _NESTED):
                raise
            odd.tell(finding, "the override is ignored", refused=False)
            continue
        overrides[key] = each["value"]
    return overrides


def read_allocation(raw: list[Any], at: str, odd: Oddities) -> list[tuple[str, float]]:
    """Read `(entity id, end of range)` pairs. An empty or null entity id is nobody's traffic.

    An entry whose end of range is null or missing is skipped, as the reference does where its
    schema lets such an entry through (delivery rules, holdouts).
    """
    entries: list[tuple[str, float]] = []
    for index, each in enumerate(raw):
        if each.__class__ is not dict:
            raise Malformed(f"{at}/{index}", "an object", json_type(each))
        end: Any = each.get("endOfRange")
        entity = each.get("entityId")
        ordinary = end.__class__ is int and entity.__class__ is str
        if not ordinary and not _usable(each, f"{at}/{index}", odd):
            continue
        entries.append((entity or "", _on_the_line(end)))
    return entries


def _usable(entry: dict[str, Any], at: str, odd: Oddities) -> bool:
    """Whether an odd entry of an allocation counts; says what is odd about it.

    Raises:
        Malformed: nobody can say what it means.
    """
    end, entity = entry.get("endOfRange"), entry.get("entityId")
    if end is not None and not isinstance(end, (int, float)):
        raise Malformed(f"{at}/endOfRange", "a number of basis points", json_type(end))
    if entity is not None and not isinstance(entity, str):
        raise Malformed(f"{at}/entityId", "a string", json_type(entity))
    if end is None:
        finding = Malformed(
            f"{at}/endOfRange", "a number of basis points", found(entry, "endOfRange")
        )
        odd.tell(finding, "the entry is passed over", dead=odd.checked)
        return False
    if isinstance(end, bool) or (odd.checked and isinstance(end, float)):
        finding = Malformed(f"{at}/endOfRange", "a whole number of basis points", json_type(end))
        odd.tell(finding, f"it counts as {float(end):g}")
    if entity is None:
        finding = Malformed(f"{at}/entityId", "a string", found(entry, "entityId"))
        odd.tell(finding, "this traffic leads to nothing", dead=odd.checked)
    return True


def found(raw: dict[str, Any], name: str) -> str:
    """What JSON calls the value of *name*; `nothing` where there is none."""
    return json_type(raw[name]) if name in raw else "nothing"


def read_cmab(
    raw: Any, attribute_keys: dict[str, str], at: str, odd: Oddities
) -> tuple[Cmab, Allocation]:
    """Read a contextual bandit: what it may see, and its share of the traffic (entity `$`).

    Raises:
        Malformed: the reference would raise at each decision that reaches it.
    """
    if not isinstance(raw, dict):
        raise Malformed(at, "an object", json_type(raw))
    traffic = raw.get("trafficAllocation", "")
    if traffic is None or isinstance(traffic, bool):
        finding = Malformed(
            f"{at}/trafficAllocation", "a number of basis points", json_type(traffic)
        )
        odd.tell(finding, f"it counts as {int(traffic or 0)}")
        traffic = int(traffic or 0)
    if not isinstance(traffic, (int, float)):
        there = found(raw, "trafficAllocation")
        raise Malformed(f"{at}/trafficAllocation", "a number of basis points", there)
    seen = _attributes_seen(raw, attribute_keys, at, odd)
    return Cmab(seen), Allocation([("$", _on_the_line(traffic))])


def _attributes_seen(
    raw: dict[str, Any], attribute_keys: dict[str, str], at: str, odd: Oddities
) -> tuple[tuple[str, str], ...] | None:
    """The attributes that a bandit may see; None where the reference can't look for them.

    It goes through whatever can be gone through: the letters of a text, the names in an object.

    Source: optimizely-sdk 5.7.0, cmab/cmab_service.py:_filter_attributes.
    """
    ids = raw.get("attributeIds")
    place = f"{at}/attributeIds"
    if not isinstance(ids, (list, str, dict)):
        finding = Malformed(place, "an array", found(raw, "attributeIds"))
        odd.tell(finding, "it can't be asked: its traffic gets no decision", dead=True)
        return None
    if not isinstance(ids, list):
        what = "its letters" if isinstance(ids, str) else "the names in it"
        odd.tell(Malformed(place, "an array", json_type(ids)), f"{what} are taken for the ids")
    for index, each in enumerate(ids):
        if isinstance(each, _NESTED):
            finding = Malformed(f"{place}/{index}", "the id of an attribute", json_type(each))
            odd.tell(finding, "it can't be asked: its traffic gets no decision", dead=True)
            return None
    return tuple((each, attribute_keys[each]) for each in ids if each in attribute_keys)


def _on_the_line(end: float) -> float:
    """An end of range with the same meaning in 0 to 10,000.

    No bucket is under 0 or NaN, and every one is under 10,000 and whatever is more.
    """
    return min(end, _ALL_TRAFFIC) if end > 0 else 0


def read_variables(
    raw: list[Any], at: str, odd: Oddities
) -> tuple[dict[str, Variable], dict[str, object]]:
    """Read a flag's variables and their typed defaults, both by key.

    Of two with the same key the last one counts.
    """
    variables: dict[str, Variable] = {}
    defaults: dict[str, object] = {}
    for index, each in enumerate(raw):
        place = f"{at}/{index}"
        key = field(each, "key", str, place)
        for name in ("type", "defaultValue"):
            if name not in each:
                raise Malformed(f"{place}/{name}", "a string", "nothing")
        kind, default = each["type"], each["defaultValue"]
        if kind == "string" and each.get("subType") == "json":
            kind = "json"
        variables[key] = Variable(field(each, "id", str, place), key, kind, default)
        defaults[key] = value = typed(default, kind)
        if not value and _is_unreadable(default, kind, value):
            there = "another string" if isinstance(default, str) else json_type(default)
            finding = Malformed(f"{place}/defaultValue", _READABLE[kind], there)
            odd.tell(finding, f"by default the variable is {json.dumps(value)}")
    return variables, defaults


def _is_unreadable(default: object, kind: object, value: object) -> bool:
    """Whether *value* is only what a default comes to that stands for nothing of its type."""
    if kind == "boolean":
        return default not in ("true", "false")
    if value is not None or not isinstance(kind, str) or kind not in _READABLE:
        return False
    return kind != "json" or str(default).strip() != "null"


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
