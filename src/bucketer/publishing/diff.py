"""Two datafiles in, what changed between them out: by flag and rule, in words and as data. Pure.

Everything that differs is told: in words where `wording` has some, else by the name of the field,
else by JSON pointer. Only the order of entries that have ids or keys isn't: it decides nothing,
but for rules, where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import wording
from .changes import ABSENT, CHANGED, Change, Parts, compare, leaves, parts_of, rest, told
from .wording import entities, list_of

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
    """Compare two parsed datafiles; the order follows the new one, what is gone comes after."""
    before, after = _View(old), _View(new)
    both = _Comparison(before, after)
    changes = [
        *_settings(old, new),
        *compare(before.flags, after.flags, "flag", (), both.flag),
        *compare(before.experiments, after.experiments, "experiment", (), both.rule),
        *both.rollouts(),
        *compare(before.holdouts, after.holdouts, "holdout", (), both.rule),
        *compare(before.groups, after.groups, "group", (), both.group),
        *compare(before.audiences, after.audiences, "audience", (), _audience),
        *compare(before.untyped, after.untyped, "untyped form of audience", (), _audience),
        *compare(before.attributes, after.attributes, "attribute", (), rest),
        *compare(before.events, after.events, "event", (), both.event),
    ]
    if not any(change.where for change in changes):
        # Nothing has words for it, and yet it may differ: a JSON pointer always does.
        olds, news = ({name: each[name] for name in _PARTS if name in each} for each in (old, new))
        changes += leaves(("other values",), "", olds, news)
    return changes


class _View:
    """A datafile by key, with ids resolved to names."""

    def __init__(self, datafile: Entity) -> None:
        self.groups = parts_of(datafile.get("groups"), "id")
        members = [list_of(each.get("experiments")) for each in entities(datafile.get("groups"))]
        everything = [*list_of(datafile.get("experiments")), *(e for each in members for e in each)]
        by_id = {str(each.get("id")): each for each in entities(everything)}
        self.experiment_keys = {key: str(each.get("key", key)) for key, each in by_id.items()}
        self.rollouts = parts_of(datafile.get("rollouts"), "id")
        self.flags = parts_of(datafile.get("featureFlags"), "key")
        self.rules: dict[str, list[Any]] = {}
        self.used_rollouts: set[str] = set()
        in_flags: set[int] = set()
        for key, flag in self.flags.by_key.items():
            ids = [str(each) for each in list_of(flag.get("experimentIds"))]
            rules = [by_id[each] for each in ids if each in by_id]
            in_flags.update(map(id, rules))
            self.used_rollouts.add(str(flag.get("rolloutId")))
            rollout = self.rollouts.by_key.get(str(flag.get("rolloutId")), {})
            self.rules[key] = [*rules, *list_of(rollout.get("experiments"))]
        self.experiments = parts_of([e for e in everything if id(e) not in in_flags], "key")
        self.holdouts = parts_of(
            [*list_of(datafile.get("holdouts")), *list_of(datafile.get("localHoldouts"))], "key"
        )
        untyped = parts_of(datafile.get("audiences"), "id")
        typed = parts_of(datafile.get("typedAudiences"), "id")
        audiences = {**untyped.by_key, **typed.by_key}
        self.audience_names = names = _names_of_audiences(audiences)
        self.audiences = Parts(
            {names[key]: each for key, each in audiences.items()},
            [*untyped.others, *typed.others],
        )
        #: What stands beside typed audiences for SDKs that don't know those.
        self.untyped = Parts(
            {names[key]: each for key, each in untyped.by_key.items() if key in typed.by_key}, []
        )
        self.attributes = parts_of(datafile.get("attributes"), "key")
        self.attribute_keys = {
            str(each.get("id")): key for key, each in self.attributes.by_key.items()
        }
        self.events = parts_of(datafile.get("events"), "key")
        self.variables = {
            str(variable.get("id")): str(variable.get("key"))
            for flag in self.flags.by_key.values()
            for variable in entities(flag.get("variables"))
        }


def _names_of_audiences(audiences: Mapping[str, Entity]) -> dict[str, str]:
    """Return names by id; where two audiences have the same name, with the id."""
    names = {key: str(each.get("name", key)) for key, each in audiences.items()}
    taken = list(names.values())
    return {k: name if taken.count(name) == 1 else f"{name} ({k})" for k, name in names.items()}


def _settings(old: Entity, new: Entity) -> Iterator[Change]:
    for change in rest(old, new, (), _PARTS):
        hidden = change.what == "sdkKey"
        yield Change((), change.what, change.how) if hidden else change


class _Comparison:
    """Compares parts of two datafiles that refer to other parts of them."""

    def __init__(self, before: _View, after: _View) -> None:
        self._before, self._after = before, after

    def flag(self, old: Entity, new: Entity, at: Where) -> Iterator[Change]:
        before, after = self._before, self._after
        yield from rest(old, new, at, ("key", "variables", "experimentIds"))
        # Those that name an experiment are told as rules.
        olds, news = _strangers(old, before), _strangers(new, after)
        yield from leaves(at, "experimentIds", olds, news)
        yield from compare(
            parts_of(old.get("variables"), "key"),
            parts_of(new.get("variables"), "key"),
            "variable",
            at,
            rest,
        )
        was, now = before.rules[old["key"]], after.rules[new["key"]]
        yield from compare(parts_of(was, "key"), parts_of(now, "key"), "rule", at, self.rule)
        order, new_order = ([str(e.get("key")) for e in entities(each)] for each in (was, now))
        if order != new_order and sorted(order) == sorted(new_order):
            olds, news = ", ".join(order), ", ".join(new_order)
            yield Change(at, "order of the rules", CHANGED, olds, news)

    def rule(self, old: Entity, new: Entity, at: Where) -> Iterator[Change]:
        """Compare two experiments, rules or holdouts."""
        before, after = self._before, self._after
        yield from rest(old, new, at, _RULE_WORDS)
        cmab = (old.get("cmab", ABSENT), before.attribute_keys)
        new_cmab = (new.get("cmab", ABSENT), after.attribute_keys)
        yield from leaves(at, "cmab", _named(*cmab), _named(*new_cmab))
        names, new_names = before.audience_names, after.audience_names
        yield from told(
            at,
            "audience conditions",
            (wording.who(old, names), _named(_pick(old, "audience"), names)),
            (wording.who(new, new_names), _named(_pick(new, "audience"), new_names)),
        )
        keys, new_keys = _keys_of_variations(old), _keys_of_variations(new)
        yield from told(at, "traffic", _traffic(old, keys), _traffic(new, new_keys))
        forced = ((wording.forced(each), _pick(each, "forced")) for each in (old, new))
        yield from told(at, "forced variations", *forced)
        held_out, new_held_out = (
            (wording.held_out(rule, names), _named(_pick(rule, "includedRules"), names))
            for rule, names in ((old, before.experiment_keys), (new, after.experiment_keys))
        )
        yield from told(at, "rules held out", held_out, new_held_out)
        yield from compare(
            parts_of(old.get("variations"), "key"),
            parts_of(new.get("variations"), "key"),
            "variation",
            at,
            self._variation,
        )

    def _variation(self, old: Entity, new: Entity, at: Where) -> Iterator[Change]:
        yield from rest(old, new, at, ("key", "featureEnabled", "variables"))
        on = (each.get("featureEnabled", False) for each in (old, new))
        yield from leaves(at, "featureEnabled", *on)
        olds = _named(old.get("variables"), self._before.variables, only="id")
        news = _named(new.get("variables"), self._after.variables, only="id")
        yield from compare(parts_of(olds, "id"), parts_of(news, "id"), "variable", at, rest)

    def rollouts(self) -> Iterator[Change]:
        """Compare what flags don't tell of: rollouts that none uses, and odd fields of others."""
        before, after = self._before, self._after
        both = before.rollouts.by_key.keys() & after.rollouts.by_key.keys()
        olds, news = (  # one that comes or goes with its flag is no news
            {
                k: e
                for k, e in view.rollouts.by_key.items()
                if k in both or k not in view.used_rollouts
            }
            for view in (before, after)
        )
        yield from compare(
            Parts(olds, before.rollouts.others),
            Parts(news, after.rollouts.others),
            "rollout",
            (),
            self._rollout,
        )

    def _rollout(self, old: Entity, new: Entity, at: Where) -> Iterator[Change]:
        yield from rest(old, new, at, ("id", "experiments"))
        if old["id"] not in self._before.used_rollouts & self._after.used_rollouts:
            olds, news = (parts_of(each.get("experiments"), "key") for each in (old, new))
            yield from compare(olds, news, "rule", at, self.rule)

    def group(self, old: Entity, new: Entity, at: Where) -> Iterator[Change]:
        yield from rest(old, new, at, ("id", "trafficAllocation", "experiments"))
        keys, new_keys = self._before.experiment_keys, self._after.experiment_keys
        yield from told(at, "traffic", _traffic(old, keys), _traffic(new, new_keys))
        members = (
            [str(each.get("key")) for each in entities(group.get("experiments"))]
            for group in (old, new)
        )
        words = ((", ".join(each) or "none", None) for each in members)
        yield from told(at, "experiments", *words)

    def event(self, old: Entity, new: Entity, at: Where) -> Iterator[Change]:
        olds = _named(old, self._before.experiment_keys, only="experimentIds")
        news = _named(new, self._after.experiment_keys, only="experimentIds")
        yield from rest(olds, news, at)


def _audience(old: Entity, new: Entity, at: Where) -> Iterator[Change]:
    yield from rest(old, new, at, ("conditions",))
    olds, news = wording.read_conditions(old), wording.read_conditions(new)
    words, new_words = wording.condition(olds), wording.condition(news)
    yield from told(at, "conditions", (words, olds), (new_words, news))


# -- names for ids ----------------------------------------------------------------------------


def _strangers(flag: Entity, view: _View) -> object:
    """Return those experiment ids of a flag that name no experiment."""
    ids = flag.get("experimentIds")
    if not isinstance(ids, list):
        return ids
    return [each for each in ids if str(each) not in view.experiment_keys]


def _keys_of_variations(rule: Entity) -> dict[str, str]:
    return {str(e.get("id")): str(e.get("key")) for e in entities(rule.get("variations"))}


def _traffic(owner: Entity, names: Mapping[str, str]) -> tuple[str, object]:
    return wording.ranges(owner, names), _named(owner.get("trafficAllocation"), names)


def _pick(rule: Entity, beginning: str) -> Entity:
    return {name: each for name, each in rule.items() if name.startswith(beginning)}


def _named(value: Any, names: Mapping[str, str], *, only: str | None = None) -> Any:
    """Put names in the place of ids: whoever is renumbered and refers to the same hasn't changed.

    Args:
        value: JSON; it isn't changed itself.
        names: by id.
        only: what is below this field alone.
    """
    if isinstance(value, list):
        return [_named(each, names, only=only) for each in value]
    if isinstance(value, dict):
        return {
            key: _named(each, names) if only in {None, key} else each for key, each in value.items()
        }
    return names.get(value, value) if only is None and isinstance(value, str) else value
