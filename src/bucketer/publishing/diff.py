"""Two datafiles in, what changed between them out: by flag and rule, in words and as data. Pure.

Everything that differs is told: in words where `describe` has some, else by the name of the field
and a JSON pointer below it. What belongs together is found by key, then by id, so that what was
renamed is the same thing still (docs/decisions/0106). An id that is another one is told where it
stands; what refers to it hasn't changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.core.errors import InvalidDatafile

from . import describe
from .changes import (
    ABSENT,
    Change,
    Parts,
    compare,
    fields,
    leaves,
    loose,
    match,
    parts_of,
    rest,
    same,
    shapes,
    tell,
    told,
    translated,
)
from .describe import list_of
from .matching import NOTHING, Together, View, renumbering

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .changes import Entity, Where

#: The lists of a datafile whose entries are told one by one; all else are its settings.
_PARTS = (
    *("featureFlags", "experiments", "groups", "rollouts", "holdouts", "localHoldouts"),
    *("audiences", "typedAudiences", "attributes", "events"),
)
#: Fields of rules that are told in words, or with names for ids.
_RULE_WORDS = (
    *("key", "audienceConditions", "audienceIds", "trafficAllocation", "forcedVariations"),
    *("includedRules", "variations", "cmab"),
)


def diff(old: Entity, new: Entity) -> list[Change]:
    """Compare two parsed datafiles; the order follows the new one, what is gone comes after.

    Raises:
        InvalidDatafile: something in them is nested too deeply to be compared.
    """
    try:
        return _changes(old, new)
    except RecursionError:
        raise InvalidDatafile("", "JSON", "nesting too deep to compare") from None


def _changes(old: Entity, new: Entity) -> list[Change]:
    before, after = View(old), View(new)
    both = _Comparison(before, after)
    plain = fields("key")
    return [
        *_settings(old, new),
        *both.flags(),
        *both.experiments(),
        *both.rollouts(),
        *compare(before.holdouts, after.holdouts, "holdout", (), both.rule),
        *compare(before.local_holdouts, after.local_holdouts, "local holdout", (), both.rule),
        *compare(before.groups, after.groups, "group", (), both.group),
        *both.audiences(),
        *compare(before.attributes, after.attributes, "attribute", (), plain),
        *compare(before.events, after.events, "event", (), both.event),
    ]


def _settings(old: Entity, new: Entity) -> Iterator[Change]:
    for change in rest(old, new, (), _PARTS):
        hidden = change.what.partition("/")[0] == "sdkKey"
        yield Change((), change.what, change.how) if hidden else change
    for name in _PARTS:
        yield from shapes((), name, old.get(name, ABSENT), new.get(name, ABSENT))


class _Comparison:
    """Compares parts of two datafiles that refer to other parts of them."""

    def __init__(self, before: View, after: View) -> None:
        self._before, self._after = before, after
        self._together = together = Together(before, after)
        self._names = {**before.names, **after.names}
        self._untyped = together.untyped
        self._typed = together.typed

    def flags(self) -> Iterator[Change]:
        """Compare flags, with what is delivered by them."""
        before, after, matched = self._before, self._after, self._together.flags
        yield from tell(matched, "flag", (), self._flag)
        yield from loose(before.flags, after.flags, matched, "flag", ())
        for key, flag in (*matched.added, *matched.removed):
            for noun, _, _, rules in self._together.rules_of(flag):
                yield from tell(rules, noun, (f"flag {key}",), self.rule)

    def _flag(self, old: Entity, new: Entity, at: Where) -> Iterator[Change]:
        yield from rest(old, new, at, ("key", "variables", "experimentIds"))
        yield from _lists(old, new, at, "variables", "experimentIds")
        ids = translated(old.get("experimentIds"), self._together.experiments)
        new_ids = new.get("experimentIds")
        if _is_odd(ids, self._after, self._before) or _is_odd(new_ids, self._after):
            yield from leaves(at, "experimentIds", list_of(ids), list_of(new_ids), self._names)
        was, now = (parts_of(each.get("variables"), "key") for each in (old, new))
        yield from compare(was, now, "variable", at, fields("key"))
        for noun, olds, news, rules in self._together.rules_of(new):
            yield from tell(rules, noun, at, self.rule)
            yield from loose(olds, news, rules, noun, at)

    def experiments(self) -> Iterator[Change]:
        """Compare the experiments that no flag has told of: each can be asked for by its key."""
        matched = self._together.untold(self._together.all_experiments)
        yield from tell(matched, "experiment", (), self.rule)
        olds, news = self._before.experiments, self._after.experiments
        yield from loose(olds, news, self._together.all_experiments, "experiment", ())

    def rollouts(self) -> Iterator[Change]:
        """Compare what flags don't tell of: rollouts that none uses, and odd fields of others."""
        before, after = self._before.rollouts, self._after.rollouts
        matched = match(before, after)
        yield from tell(matched, "rollout", (), self._rollout)
        yield from loose(before, after, matched, "rollout", ())
        for key, rollout in (*matched.added, *matched.removed):
            news = parts_of(rollout.get("experiments"), "key")
            is_new = key in after.by_key
            rules = match(NOTHING, news) if is_new else match(news, NOTHING)
            yield from tell(
                self._together.untold(rules), "delivery rule", (f"rollout {key}",), self.rule
            )

    def _rollout(self, old: Entity, new: Entity, at: Where) -> Iterator[Change]:
        yield from rest(old, new, at, ("id", "experiments"))
        yield from _lists(old, new, at, "experiments")
        olds, news = (parts_of(each.get("experiments"), "key") for each in (old, new))
        rules = match(olds, news)
        yield from tell(self._together.untold(rules), "delivery rule", at, self.rule)
        if not self._together.is_told(old, new):
            yield from loose(olds, news, rules, "delivery rule", at)

    def rule(self, old: Entity, new: Entity, at: Where) -> Iterator[Change]:
        """Compare two experiments, rules or holdouts."""
        yield from rest(old, new, at, _RULE_WORDS)
        yield from _lists(old, new, at, "variations")
        names, ids = self._names, self._together
        cmab = translated(old.get("cmab", ABSENT), ids.attributes)
        yield from leaves(at, "cmab", cmab, new.get("cmab", ABSENT), names)
        was, now = (_pick(each, "audienceConditions", "audienceIds") for each in (old, new))
        was = translated(was, ids.audiences)
        stay = same(was.get("audienceIds"), now.get("audienceIds"))
        words = (_who(was, names, ids_stay=stay), _who(now, names, ids_stay=stay))
        yield from told(at, "audience conditions", words, (was, now), names)
        olds, news = (parts_of(each.get("variations"), "key") for each in (old, new))
        yield from self._traffic(old, new, at, renumbering(match(olds, news).both))
        was, now = (_pick(each, "forcedVariations") for each in (old, new))
        words = (describe.forced(*was.values()), describe.forced(*now.values()))
        yield from told(at, "forced variations", words, (was, now))
        was, now = (_pick(each, "includedRules") for each in (old, new))
        was = translated(was, ids.experiments)
        words = (describe.listed(names, *was.values()), describe.listed(names, *now.values()))
        yield from told(at, "rules held out", words, (was, now), names)
        yield from compare(olds, news, "variation", at, self._variation)

    def _traffic(
        self, old: Entity, new: Entity, at: Where, ids: Mapping[str, str]
    ) -> Iterator[Change]:
        was, now = (_pick(each, "trafficAllocation") for each in (old, new))
        was, names = translated(was, ids), self._names
        words = (describe.ranges(names, *was.values()), describe.ranges(names, *now.values()))
        yield from told(at, "traffic", words, (was, now), names)

    def _variation(self, old: Entity, new: Entity, at: Where) -> Iterator[Change]:
        yield from rest(old, new, at, ("key", "variables"))
        yield from _lists(old, new, at, "variables")
        olds = self._values(old, self._together.variables)
        yield from compare(olds, self._values(new, {}), "variable", at, rest)

    def _values(self, variation: Entity, ids: Mapping[str, str]) -> Parts:
        """The values of a variation's variables, by the key of the variable."""
        listed = list_of(variation.get("variables"))
        renumbered = [
            {**each, "id": translated(each["id"], ids)}
            if isinstance(each, dict) and "id" in each
            else each
            for each in listed
        ]
        parts = parts_of(renumbered, "id")
        by_name = {self._names.get(key, key): each for key, each in parts.by_key.items()}
        return parts._replace(by_key=by_name) if len(by_name) == len(parts.by_key) else parts

    def group(self, old: Entity, new: Entity, at: Where) -> Iterator[Change]:
        """Compare two groups; their experiments are told elsewhere."""
        yield from rest(old, new, at, ("id", "trafficAllocation", "experiments"))
        yield from _lists(old, new, at, "experiments")
        ids = self._together.experiments
        yield from self._traffic(old, new, at, ids)
        was, now = (_members(each) for each in (old, new))
        was = translated(was, ids)
        words = (describe.listed(self._names, was), describe.listed(self._names, now))
        yield from told(at, "experiments", words, ({"experiments": was}, {"experiments": now}))

    def event(self, old: Entity, new: Entity, at: Where) -> Iterator[Change]:
        """Compare two events."""
        yield from rest(old, new, at, ("key", "experimentIds"))
        ids = translated(old.get("experimentIds", ABSENT), self._together.experiments)
        yield from leaves(at, "experimentIds", ids, new.get("experimentIds", ABSENT), self._names)

    def audiences(self) -> Iterator[Change]:
        """Compare audiences, and what stands beside typed ones for SDKs that don't know those."""
        olds, news, matched = self._typed
        yield from tell(matched, "audience", (), _audience)
        yield from loose(olds, news, matched, "audience", ())
        noun = "untyped form of audience" if olds.entries or news.entries else "audience"
        olds, news, matched = self._untyped
        yield from tell(matched, noun, (), _audience)
        yield from loose(olds, news, matched, noun, ())


def _audience(old: Entity, new: Entity, at: Where) -> Iterator[Change]:
    names = [each.get("name") for each in (old, new)]
    told_as_renamed = all(isinstance(each, str) for each in names)
    yield from rest(old, new, at, ("conditions", "name") if told_as_renamed else ("conditions",))
    read = [describe.read_conditions(each) for each in (old, new)]
    words, new_words = (
        describe.condition(each)
        if not describe.is_too_deep(each) and describe.says_all(each)
        else None
        for each in read
    )
    raw = [_pick(each, "conditions") for each in (old, new)]
    data = raw if same(*read) else [{"conditions": each} for each in read]
    if not same(*raw):
        yield from told(at, "conditions", (words, new_words), (data[0], data[1]))


def _lists(old: Entity, new: Entity, at: Where, *names: str) -> Iterator[Change]:
    for name in names:
        yield from shapes(at, name, old.get(name, ABSENT), new.get(name, ABSENT))


def _is_odd(ids: object, *views: View) -> bool:
    """Say whether a flag's list of experiments names anything but one experiment each."""
    known = [each for each in list_of(ids) if isinstance(each, str)]
    strange = any(all(each not in view.by_id for view in views) for each in known)
    return strange or len(set(known)) != len(list_of(ids))


def _pick(entity: Entity, *names: str) -> Entity:
    return {name: entity[name] for name in names if name in entity}


def _who(fields_: Entity, names: Mapping[str, str], *, ids_stay: bool) -> str | None:
    """Spell who a rule is for; None where a field that isn't spelt differs by itself."""
    tree, ids = fields_.get("audienceConditions"), fields_.get("audienceIds", [])
    if not isinstance(ids, list):
        return None
    if tree is None:
        return describe.who(["or", *ids] if len(ids) > 1 else ids, names)
    words = describe.who(tree, names)
    follows = words is not None and set(describe.leaves_of(tree)) == set(map(str, ids))
    return words if ids_stay or (follows and len(set(map(str, ids))) == len(ids)) else None


def _members(group: Entity) -> object:
    """The ids of a group's experiments; whole where they have none."""
    members = list_of(group.get("experiments"))
    return [
        each["id"] if isinstance(each, dict) and isinstance(each.get("id"), str) else each
        for each in members
    ]
