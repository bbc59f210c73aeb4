"""The variables of a flag as Go reads their texts; what doesn't stand for a value is told.

Source: go-sdk 2.3.1, client.go as it answers; Go's strconv.
"""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.ruleset import Flag, Rule, Variable, Variation

_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_LARGEST_INTEGER = 2**63
_DOUBLE = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
#: Longer ones are cut: their value is settled, and reading takes time by their square.
_MAX_DIGITS = 4_000
_WORDS = re.compile(r"[+-]?(inf|infinity)|nan", re.IGNORECASE)


def variables_of(
    flag: Flag, variation: Variation | None, *, enabled: bool
) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Return the values of all variables, and `(key, Go's error)` of those that have none.

    What has none is its type's zero, as in Go.

    Args:
        flag: with its variables.
        variation: what its texts are taken from, where *enabled*.
        enabled: whether the flag is on; off, each is its default.
    """
    overrides = variation.overrides if variation is not None and enabled else {}
    values: dict[str, object] = {}
    wrong = []
    for key, variable in flag.variables.items():
        text = overrides.get(variable.id, variable.default)
        values[key], error = _typed(variable, text)
        if error:
            wrong.append((key, error))
    return values, wrong


def unreadable(wrong: tuple[str, str]) -> str:
    """Say that a variable has no value; *wrong* is of `variables_of`."""
    return f'Variable value for key "{wrong[0]}" is invalid or wrong type.'


def _typed(variable: Variable, text: object) -> tuple[object, str]:
    """Return the value, and why it is none."""
    kind = variable.kind
    if text is None:
        text = ""  # a null is Go's empty text
    if not isinstance(text, str):
        return text, ""
    if kind == "boolean":
        if text in _BOOLEANS:
            return _BOOLEANS[text], ""
        return False, f"strconv.ParseBool: parsing {_quoted(text)}: invalid syntax"
    if kind == "integer":
        return _integer(text)
    if kind == "double":
        return _double(text)
    if kind == "json":
        try:
            return json.loads(text), ""
        except (ValueError, RecursionError):
            return None, "not a valid JSON object"
    return text, ""


def _integer(text: str) -> tuple[object, str]:
    if _INTEGER.fullmatch(text):
        number = int(text)
        if -_LARGEST_INTEGER <= number < _LARGEST_INTEGER:
            return number, ""
    if re.fullmatch(r"[+-]?[0-9]+", text):
        bound = -_LARGEST_INTEGER if text[0] == "-" else _LARGEST_INTEGER - 1
        return bound, f"strconv.Atoi: parsing {_quoted(text)}: value out of range"
    return 0, f"strconv.Atoi: parsing {_quoted(text)}: invalid syntax"


def _double(text: str) -> tuple[object, str]:
    if _WORDS.fullmatch(text):
        return float(text), ""
    if len(text) > _MAX_DIGITS or not _DOUBLE.fullmatch(text):
        return 0, f"strconv.ParseFloat: parsing {_quoted(text)}: invalid syntax"
    number = float(text)
    if number - number != 0:
        return number, f"strconv.ParseFloat: parsing {_quoted(text)}: value out of range"
    return number, ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def variation_of(flag: Flag, rule_key: str | None, variation_key: str | None) -> Variation | None:
    """Return the variation that a decision of *flag* names, if it is one of the flag's."""
    if variation_key is None:
        return None
    if rule_key is not None:
        rule = rule_of(flag, rule_key)
        for each in () if rule is None else rule.experiment.by_own_id.values():
            if each.key == variation_key:
                return each
    return flag.variation_by_key(variation_key)


def rule_of(flag: Flag, rule_key: str) -> Rule | None:
    """Return the flag's rule of that key."""
    for rule in (*flag.experiments, *flag.rollout):
        if rule.key == rule_key:
            return rule
    return None
