"""Why an audience lets a user in or not: each condition with its outcome, as far as that is of use.

What is told has a bound, in conditions and in characters: nobody reads thousands of either, and an
answer must not be larger than what it answers to.
"""

from __future__ import annotations

from .choices import Choice
from .condition_words import KEPT, as_written, cut, kept, phrase, shown
from .conditions import compile_leaf
from .parse import json_type
from .reasons import Reason
from .trees import is_for_everybody, operands_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from .audience import Audience
    from .ruleset import Experiment, Ruleset
    from .user import User

    #: None where there was no room to tell it.
    Told: TypeAlias = tuple[Reason | None, bool | None]

_WORDS = {True: "TRUE", False: "FALSE", None: "UNKNOWN"}

_OPERATORS = {"and": "All of these", "or": "Any of these"}
#: What a NOT says, by the operator that it is put before.
_NEGATIONS: dict[object, str] = {"or": "None of these", "and": "Not all of these"}
_FOR_NOBODY = "nobody can be judged by it"
#: An audience with more leaves than this isn't told condition by condition.
_MOST_TOLD = 100


def audience_reason(
    ruleset: Ruleset,
    experiment: Experiment,
    user: User,
    about: dict[str, object],
    *,
    met: bool,
    room: int,
) -> Reason:
    """Say whether the user qualifies, with every audience and condition and its outcome.

    Unlike the decision, which stops as soon as it knows, this looks at every condition, until it
    has told of *room* audiences and conditions.
    """
    tree = experiment.audience_tree
    if is_for_everybody(tree):
        return Reason("audience_everybody", dict(about))
    child, _ = _Teller(ruleset, user, room).rule(tree)
    children = () if child is None else (child,)
    return Reason("audience_met" if met else "audience_missed", dict(about), children)


class _Teller:
    """Tells of one rule's tree to one user.

    Attributes:
        room, spare: how many audiences and conditions may still be told of, and beyond those.
        outcomes: by audience id, for those that were asked.
    """

    def __init__(self, ruleset: Ruleset, user: User, room: int) -> None:
        self.ruleset = ruleset
        self.user = user
        self.room = room
        self.spare = 10
        self.outcomes: dict[str, bool | None] = {}
        self._segments = ""

    def rule(self, node: object) -> Told:
        """Explain a node of a rule's tree, whose leaves are audience ids."""
        if isinstance(node, list):
            return self._operator(node, self.rule)
        audience = self.ruleset.audiences.get(node) if isinstance(node, str) else None
        if audience is None:
            if self._is_full():
                return None, None
            named = node if isinstance(node, (int, float)) else cut(node)
            return Reason("audience_unknown", {"id": named, "outcome": _WORDS[None]}), None
        return self._audience(audience)

    def _is_full(self, outcome: bool | None = None) -> bool:
        """Whether there is no room for one more; takes it where there is.

        A few that are TRUE are told all the same: they are what lets a user in.
        """
        self.room -= 1
        if self.room >= 0:
            return False
        if outcome is True and self.spare:
            self.spare -= 1
            return False
        return True

    def _audience(self, audience: Audience) -> Told:
        again = audience.id in self.outcomes
        if not again:
            self.outcomes[audience.id] = audience.predicate(self.user)
        outcome = self.outcomes[audience.id]
        if self._is_full(outcome):
            return None, outcome
        children = () if again else self._inside(audience)
        name = cut(audience.name)
        values: dict[str, object] = {"id": cut(audience.id), "name": name}
        return Reason("audience", {**values, "outcome": _WORDS[outcome]}, children), outcome

    def _inside(self, audience: Audience) -> tuple[Reason, ...]:
        """Say what an audience's conditions came to, one by one where those are few."""
        most = min(_MOST_TOLD, self.room)
        tree = audience.tree if audience.leaves <= most else audience.gathered
        if tree is audience.gathered and audience.size > most:
            return (Reason("conditions_many", {"count": audience.leaves}),)

        child, _ = self._node(audience, tree)
        return () if child is None else (child,)

    def _node(self, audience: Audience, node: object) -> Told:
        """Explain a node of an audience's own tree, whose leaves are conditions."""
        if isinstance(node, list) and node:
            return self._operator(node, lambda each: self._node(audience, each))
        if isinstance(node, Choice):
            return self._choice(node)
        condition = None if isinstance(node, list) else audience.condition_at(node)
        return self._condition(condition)

    # --- operators --------------------------------------------------------------------------

    def _operator(self, node: list[object], explain: Callable[[object], Told]) -> Told:
        """Explain a list by its operands, as far as there is room."""
        operator, operands = operands_of(node)
        if operator != "not" and len(operands) == 1:
            return explain(operands[0])
        full = self._is_full()
        explained = [explain(each) for each in operands]
        outcome = _combine(operator, [found for _, found in explained]) if node else None
        told = [reason for reason, _ in explained if reason is not None]
        if full and not told:
            return None, outcome
        if len(told) < len(explained):
            told.append(Reason("more", {"count": len(explained) - len(told)}))
        return _operator_reason(operator, outcome, tuple(told)), outcome

    # --- conditions -------------------------------------------------------------------------

    def _condition(self, condition: dict[str, object] | None) -> Told:
        predicate = compile_leaf(condition) if condition is not None else None
        written = as_written(condition)
        if condition is None or predicate is None:
            values = {"text": phrase(condition), "outcome": _WORDS[None], "why": _FOR_NOBODY}
            told = Reason("condition", {**values, **written})
            return (None if self._is_full() else told), None
        outcome = predicate(self.user)
        if self._is_full(outcome):
            return None, outcome
        if condition.get("match") == "qualified":
            why = self._segments_of_user()
        else:
            name: str = condition.get("name")  # type: ignore[assignment]  # or something else that is no attribute's key
            written.update(self._value_of_user(name))
            why = self._what_she_has(name, outcome)
        values = {"text": phrase(condition), "outcome": _WORDS[outcome], "why": why}
        return Reason("condition", {**values, **written}), outcome

    def _choice(self, choice: Choice) -> Told:
        """Explain many values for one attribute in one sentence."""
        outcome = choice.predicate()(self.user)
        if self._is_full(outcome):
            return None, outcome
        name, count = choice.name, len(choice.values)
        values: dict[str, object] = {
            "text": f"{cut(name)} is one of {count:,} values",
            "outcome": _WORDS[outcome],
            "why": self._what_she_has(name, outcome),
            "name": cut(name),
            "match": "exact",
            "count": count,
        }
        values.update(self._value_of_user(name))
        return Reason("condition", values), outcome

    def _value_of_user(self, name: str) -> dict[str, object]:
        """What she has, but of a long text only its length: many conditions may name it."""
        if name not in self.user.attributes:
            return {}
        value = self.user.attributes[name]
        if isinstance(value, str) and len(value) > KEPT:
            return {"user_value_chars": len(value)}
        return {"user_value": kept(value)}

    def _what_she_has(self, name: str, outcome: bool | None) -> str:
        if name not in self.user.attributes:
            return f"the user has no attribute '{cut(name)}'"
        value = self.user.attributes[name]
        if isinstance(value, str) and len(value) > KEPT:
            has = f"the user has a string of {len(value):,} characters"
            return f"{has}, which can't be compared" if outcome is None else has
        if outcome is None and value is not None:
            return f"the user has {shown(value)}, {json_type(value)}, which can't be compared"
        return f"the user has {shown(value)}"

    def _segments_of_user(self) -> str:
        segments = self.user.segments
        if segments is None:
            return "the user's segments are not known"
        self._segments = self._segments or shown(sorted(segments))
        return f"the user is in {self._segments}"


def _combine(operator: str, outcomes: list[bool | None]) -> bool | None:
    if operator == "not":
        return None if not outcomes or outcomes[0] is None else not outcomes[0]
    decisive = operator == "or"
    if decisive in outcomes:
        return decisive
    return None if None in outcomes else not decisive


def _operator_reason(operator: str, outcome: bool | None, children: tuple[Reason, ...]) -> Reason:
    """Say what an operator over *children* came to, in words that read on into them."""
    below = children[0].values.get("operator") if children else None
    text = _NEGATIONS.get(below, "Not this") if operator == "not" else _OPERATORS[operator]
    values: dict[str, object] = {"operator": operator, "text": text, "outcome": _WORDS[outcome]}
    return Reason("operator", values, children)
