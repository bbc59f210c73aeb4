"""Decisions as `/v1/decide` and `/v1/activate` spell them out; all but the user is kept."""

from __future__ import annotations

from .go_json import Fields, go_json, go_object, go_string
from .variables import unreadable, variables_of, variation_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    from bucketer.core.decision import Decision
    from bucketer.core.ruleset import Flag

    from .call import Api

    Kept = TypeVar("Kept")
    #: What stands before the user, and behind the reasons; and the reasons that are always told.
    Spelled = tuple[str, str, tuple[str, ...]]

#: Bytes of an entry of a dict and its parts, beyond their characters.
_AN_ENTRY = 500
_EVERYONE_ELSE = "default-"


class Spelling:
    """Spelled decisions of one edition. Filled as they are met; safe to share by threads.

    Attributes:
        whole: decisions of `/v1/decide`, by their `base`; to be looked at before `of` is asked.
        without_variables: the same without variables.
        activated: by the `base` of a decision, what stands behind the user in `/v1/activate`.
    """

    __slots__ = ("_left_bytes", "_room_bytes", "activated", "whole", "without_variables")

    def __init__(self, room_bytes: int) -> None:
        """Keep at most *room_bytes*."""
        self._room_bytes = self._left_bytes = room_bytes
        self.whole: dict[object, Spelled] = {}
        self.without_variables: dict[object, Spelled] = {}
        self.activated: dict[object, str] = {}

    def of(
        self, decision: Decision, flag: Flag, *, with_variables: bool, forced: bool = False
    ) -> Spelled:
        """Return the texts of *decision* in `/v1/decide`, of *flag*, maybe *forced* upon a rule."""
        known = self.whole if with_variables else self.without_variables
        spelled = known.get(decision.base)
        if spelled is None:
            spelled = _spell(decision, flag, with_variables=with_variables, forced=forced)
            self._keep(known, decision.base, spelled, len(spelled[0]) + len(spelled[1]))
        return spelled

    def activate(self, decision: Decision, shown: Fields) -> str:
        """Return what *shown* says of *decision* behind the user, and keep it in `activated`."""
        tail = go_json(shown)[1:]
        self._keep(self.activated, decision.base, tail, len(tail))
        return tail

    def _keep(
        self, known: dict[object, Kept], base: object, spelled: Kept, size_bytes: int
    ) -> None:
        cost_bytes = _AN_ENTRY + size_bytes
        if cost_bytes > self._room_bytes:
            return
        if cost_bytes > self._left_bytes:
            for each in (self.whole, self.without_variables, self.activated):
                each.clear()
            self._left_bytes = self._room_bytes
        self._left_bytes -= cost_bytes
        known[base] = spelled


def spelling_of(api: Api) -> Spelling:
    """Return the one that *api* keeps."""
    found: Spelling | None = api.kept.get("spelling")
    if found is None:
        found = api.kept.setdefault("spelling", Spelling(api.options.answers_bytes))
    return found


def _spell(decision: Decision, flag: Flag, *, with_variables: bool, forced: bool) -> Spelled:
    values: dict[str, object] = {}
    always: tuple[str, ...] = ()
    if with_variables and decision.error is None:
        rule_key = None if forced else decision.rule_key
        variation = variation_of(flag, rule_key, decision.variation_key)
        values, wrong = variables_of(flag, variation, enabled=decision.enabled)
        always = tuple(map(unreadable, wrong))
    head = go_json(_head(decision.variation_key, decision.rule_key, flag.key, decision.enabled))
    tail = go_json(_tail(values, _is_everyone_else(flag, decision.rule_key)))
    return f'{head[:-1]},"userContext":', f",{tail[1:]}", always


def unknown_flag(flag_key: str) -> Spelled:
    """Spell the decision of a flag that the datafile doesn't have."""
    head = go_json(_head("", "", flag_key, enabled=False))
    reason = f'No flag was found for key "{flag_key}".'
    tail = go_json(_tail({}, is_everyone_else=False))
    return f'{head[:-1]},"userContext":', f",{tail[1:]}", (reason,)


def user_context(user_id: str, attributes: Mapping[str, object]) -> str:
    """Spell the user, as each decision has them."""
    return f'{{"userId":{go_string(user_id)},"attributes":{go_object(attributes)}}}'


def whole(spelled: Spelled, user: str, reasons: list[str]) -> str:
    """Put a decision together; *reasons* are told beside those that always are."""
    head, tail, always = spelled
    if not (always or reasons):
        return f'{head}{user},"reasons":[]{tail}'
    return f'{head}{user},"reasons":{go_json([*always, *reasons])}{tail}'


def _head(variation: str | None, rule: str | None, flag_key: str, enabled: bool) -> Fields:
    return Fields(
        variationKey=variation or "", enabled=enabled, ruleKey=rule or "", flagKey=flag_key
    )


def _tail(values: dict[str, object], is_everyone_else: bool) -> Fields:
    shown = Fields(variables=values) if values else Fields()
    shown["isEveryoneElseVariation"] = is_everyone_else
    return shown


def _is_everyone_else(flag: Flag, rule_key: str | None) -> bool:
    """Say whether the rule of that key is the flag's last resort, by its name."""
    for rule in flag.rollout:
        if rule.key == rule_key:
            return rule.key == rule.id and rule.key.startswith(_EVERYONE_ELSE)
    return False
