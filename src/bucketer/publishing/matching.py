"""Two datafiles in, out what in one is what in the other: flags, rules, other ids. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .changes import Matched, Parts, match, parts_of
from .describe import entities, list_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from .changes import Entity

NOTHING = Parts([], {}, [])
#: What a flag delivers: the field with its name here.
_EXPERIMENT, _DELIVERY = "rule", "delivery rule"


class View:
    """A datafile by key.

    Attributes:
        experiments: those outside of groups and in them; `by_id` the same by id.
        rules: by flag key, its experiments and its delivery rules.
        names: of whatever has an id, for people.
    """

    def __init__(self, datafile: Entity) -> None:
        self.flags = parts_of(datafile.get("featureFlags"), "key")
        self.groups = parts_of(datafile.get("groups"), "id")
        self.rollouts = parts_of(datafile.get("rollouts"), "id")
        self.holdouts = parts_of(datafile.get("holdouts"), "key")
        self.local_holdouts = parts_of(datafile.get("localHoldouts"), "key")
        self.untyped = parts_of(datafile.get("audiences"), "id")
        self.typed = parts_of(datafile.get("typedAudiences"), "id")
        self.attributes = parts_of(datafile.get("attributes"), "key")
        self.events = parts_of(datafile.get("events"), "key")
        groups = entities(datafile.get("groups"))
        members = [each for group in groups for each in list_of(group.get("experiments"))]
        everything = [*list_of(datafile.get("experiments")), *members]
        self.experiments = parts_of(everything, "key")
        self.by_id = {
            each["id"]: each for each in entities(everything) if isinstance(each.get("id"), str)
        }
        self.rules = {key: self._rules_of(flag) for key, flag in self.flags.by_key.items()}
        self.names = self._names()

    def _rules_of(self, flag: Entity) -> tuple[Parts, Parts]:
        ids = [each for each in list_of(flag.get("experimentIds")) if isinstance(each, str)]
        rules = [self.by_id[each] for each in dict.fromkeys(ids) if each in self.by_id]
        return parts_of(rules, "key"), parts_of(self.rollout_of(flag).get("experiments"), "key")

    def rollout_of(self, flag: Entity) -> Entity:
        """The rollout that a flag names; empty where that isn't there."""
        id_ = flag.get("rolloutId")
        return self.rollouts.by_key.get(id_, {}) if isinstance(id_, str) else {}

    def _names(self) -> dict[str, str]:
        delivery = [
            rule
            for rollout in self.rollouts.by_key.values()
            for rule in list_of(rollout.get("experiments"))
        ]
        holdouts = [*self.holdouts.entries, *self.local_holdouts.entries]
        rules = entities([*self.experiments.entries, *delivery, *holdouts])
        named = [
            *(v for flag in self.flags.by_key.values() for v in entities(flag.get("variables"))),
            *(v for rule in rules for v in entities(rule.get("variations"))),
            *entities(self.attributes.entries),
            *entities(self.experiments.entries),
        ]
        names = {str(each.get("id")): str(each.get("key", each.get("id"))) for each in named}
        audiences = {**self.untyped.by_key, **self.typed.by_key}
        return {**names, **{key: str(each.get("name", key)) for key, each in audiences.items()}}


class Together:
    """What is the same thing in two datafiles, under another key or another id it may be.

    Attributes:
        flags, all_experiments: matched.
        typed, untyped: audiences by name, old and new, and matched.
        experiments, audiences, attributes, variables: old id → new id, where they differ.
    """

    def __init__(self, before: View, after: View) -> None:
        self._before, self._after = before, after
        self.typed = _audiences(before.typed, after.typed)
        self.untyped = _audiences(before.untyped, after.untyped)
        self.flags = match(before.flags, after.flags)
        self.all_experiments = match(before.experiments, after.experiments)
        #: Pairs, and entries without one, that are told at their flags.
        self._pairs: set[tuple[int, int]] = set()
        self._alone: set[int] = set()
        self._rules: dict[int, list[tuple[str, Parts, Parts, Matched]]] = {}
        self._match_rules()
        in_flags = [pair for told in self._rules.values() for m in told for pair in m[3].both]
        self.experiments = {**renumbering(self.all_experiments.both), **renumbering(in_flags)}
        self.audiences = {**renumbering(self.untyped[2].both), **renumbering(self.typed[2].both)}
        self.attributes = renumbering(match(before.attributes, after.attributes).both)
        self.variables = self._variables()

    def _match_rules(self) -> None:
        whole = {id(each) for _, each in self.all_experiments.added}
        whole |= {id(each) for _, each in self.all_experiments.removed}
        nothing = (NOTHING, NOTHING)
        before, after = self._before, self._after
        flags = [
            *(
                (old[1], new[1], before.rules[old[0]], after.rules[new[0]])
                for old, new in self.flags.both
            ),
            *(({}, flag, nothing, after.rules[key]) for key, flag in self.flags.added),
            *((flag, {}, before.rules[key], nothing) for key, flag in self.flags.removed),
        ]
        for old, new, olds, news in flags:
            rules = [match(*pair) for pair in zip(olds, news, strict=True)]
            nouns = (_EXPERIMENT, _DELIVERY)
            self._rules[id(new or old)] = list(zip(nouns, olds, news, rules, strict=True))
            self._pairs |= {(id(a), id(b)) for each in rules for (_, a), (_, b) in each.both}
            experiments, delivery = rules
            alone = {id(each) for _, each in (*experiments.added, *experiments.removed)}
            self._alone |= alone & whole
            self._alone |= {id(each) for _, each in (*delivery.added, *delivery.removed)}
            self._pairs.add((id(before.rollout_of(old)), id(after.rollout_of(new))))

    def _variables(self) -> dict[str, str]:
        ids: dict[str, str] = {}
        for (_, old), (_, new) in self.flags.both:
            olds, news = (parts_of(each.get("variables"), "key") for each in (old, new))
            ids |= renumbering(match(olds, news).both)
        return ids

    def rules_of(self, flag: Entity) -> list[tuple[str, Parts, Parts, Matched]]:
        """What a flag delivers, old and new: experiments first, then delivery rules."""
        return self._rules[id(flag)]

    def is_told(self, old: Entity, new: Entity) -> bool:
        """Whether a flag tells of this pair of rules or rollouts."""
        return (id(old), id(new)) in self._pairs

    def untold(self, matched: Matched) -> Matched:
        """Those of *matched* that no flag tells of."""
        return Matched(
            [(old, new) for old, new in matched.both if not self.is_told(old[1], new[1])],
            [each for each in matched.added if id(each[1]) not in self._alone],
            [each for each in matched.removed if id(each[1]) not in self._alone],
        )


def _audiences(olds: Parts, news: Parts) -> tuple[Parts, Parts, Matched]:
    """Match audiences of one section by name; where two there have the same, by name and id."""
    shared = _shared_names(olds) | _shared_names(news)
    old, new = (
        parts._replace(by_key=dict(_by_name(parts.by_key, shared))) for parts in (olds, news)
    )
    return old, new, match(old, new)


def _shared_names(audiences: Parts) -> set[str]:
    names = Counter(str(each.get("name", id_)) for id_, each in audiences.by_key.items())
    return {name for name, count in names.items() if count > 1}


def _by_name(
    audiences: Mapping[str, Entity], shared: Collection[str]
) -> Iterator[tuple[str, Entity]]:
    for id_, audience in audiences.items():
        name = str(audience.get("name", id_))
        yield (f"{name} ({id_})" if name in shared else name), audience


def renumbering(pairs: Iterable[tuple[tuple[str, Entity], tuple[str, Entity]]]) -> dict[str, str]:
    """Old id → new id of what belongs together, where they differ."""
    ids: dict[str, str] = {}
    for (_, old), (_, new) in pairs:
        was, now = old.get("id"), new.get("id")
        if isinstance(was, str) and isinstance(now, str) and was != now:
            ids[was] = now
    return ids
