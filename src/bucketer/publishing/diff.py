"""Two datafiles in, what changed between them out: by flag and rule, in words and as data. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Inside = Callable[[dict[str, Any], dict[str, Any], tuple[str, ...]], Iterator["Change"]]

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
_ABSENT = object()


class Change(NamedTuple):
    """One thing that differs.

    Attributes:
        where: what it belongs to, from the outside in: ``("flag checkout", "rule exp_1")``.
        what: ``traffic``, ``status``, ``audience conditions``, …; empty when it is *where* itself.
        how: ADDED, REMOVED or CHANGED.
        before: in words; empty when added.
        after: in words; empty when removed.
    """

    where: tuple[str, ...]
    what: str
    how: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        place = ", ".join(self.where)
        subject = f"{place}: {self.what}" if self.what else place
        if self.how == CHANGED:
            return f"{subject} changed from {self.before} to {self.after}"
        detail = self.after or self.before
        return f"{subject} {self.how}" + (f" ({detail})" if detail else "")

    def to_json(self) -> dict[str, object]:
        """Return the same as data, for `bucketer datafile diff --json`."""
        return {
            "where": list(self.where),
            "what": self.what,
            "how": self.how,
            "before": self.before or None,
            "after": self.after or None,
        }


def diff(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Compare two parsed datafiles; the order follows the new one, what is gone comes after.

    Parts that have no usable key are left out: `bucketer lint` speaks of them.
    """
    before, after = _View(old), _View(new)

    def flag(one: dict[str, Any], other: dict[str, Any], at: tuple[str, ...]) -> Iterator[Change]:
        return _flag(one, other, at, before, after)

    def rule(one: dict[str, Any], other: dict[str, Any], at: tuple[str, ...]) -> Iterator[Change]:
        return _rule(one, other, at, before, after)

    def group(one: dict[str, Any], other: dict[str, Any], at: tuple[str, ...]) -> Iterator[Change]:
        return _group(one, other, at, before, after)

    return [
        *_settings(old, new),
        *_compare(before.flags, after.flags, "flag", (), flag),
        *_compare(before.experiments, after.experiments, "experiment", (), rule),
        *_compare(before.holdouts, after.holdouts, "holdout", (), rule),
        *_compare(before.groups, after.groups, "group", (), group),
        *_compare(before.audiences, after.audiences, "audience", (), _audience),
        *_compare(before.attributes, after.attributes, "attribute", (), _nothing),
        *_compare(before.events, after.events, "event", (), _nothing),
    ]


class _View:
    """A datafile by key, with ids resolved to names."""

    def __init__(self, datafile: dict[str, Any]) -> None:
        groups = _entities(datafile.get("groups"))
        members = [each for group in groups for each in _entities(group.get("experiments"))]
        everything = [*_entities(datafile.get("experiments")), *members]
        by_id = {str(each.get("id")): each for each in everything}
        self.rollouts = {
            str(each.get("id")): _entities(each.get("experiments"))
            for each in _entities(datafile.get("rollouts"))
        }
        self.flags = _by(datafile.get("featureFlags"), "key")
        in_flags: set[str] = set()
        self.rules: dict[str, list[dict[str, Any]]] = {}
        for key, flag in self.flags.items():
            ids = [str(each) for each in flag.get("experimentIds") or () if isinstance(each, str)]
            in_flags.update(ids)
            rollout = self.rollouts.get(str(flag.get("rolloutId")), [])
            self.rules[key] = [*(by_id[each] for each in ids if each in by_id), *rollout]
        self.experiments = {
            str(each["key"]): each
            for each in everything
            if isinstance(each.get("key"), str) and str(each.get("id")) not in in_flags
        }
        self.groups = _by(groups, "id")
        locals_ = _entities(datafile.get("localHoldouts"))
        self.holdouts = _by([*_entities(datafile.get("holdouts")), *locals_], "key")
        audiences = _by(datafile.get("audiences"), "id")
        audiences.update(_by(datafile.get("typedAudiences"), "id"))
        self.audience_names = {key: str(each.get("name", key)) for key, each in audiences.items()}
        self.audiences = {f"{name}": audiences[key] for key, name in self.audience_names.items()}
        self.attributes = _by(datafile.get("attributes"), "key")
        self.events = _by(datafile.get("events"), "key")
        self.experiment_keys = {key: str(each.get("key", key)) for key, each in by_id.items()}
        self.variables = {
            str(variable.get("id")): str(variable.get("key"))
            for flag in self.flags.values()
            for variable in _entities(flag.get("variables"))
        }


def _settings(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    names = ("revision", "version", "projectId", "accountId", "region", "anonymizeIP")
    for name in (*names, "botFiltering", "sendFlagDecisions"):
        yield from _field((), name, old.get(name, _ABSENT), new.get(name, _ABSENT))


def _flag(
    old: dict[str, Any], new: dict[str, Any], at: tuple[str, ...], before: _View, after: _View
) -> Iterator[Change]:
    yield from _compare(
        _by(old.get("variables"), "key"),
        _by(new.get("variables"), "key"),
        "variable",
        at,
        _variable,
    )
    old_rules, new_rules = before.rules[old["key"]], after.rules[new["key"]]
    yield from _compare(
        _by(old_rules, "key"),
        _by(new_rules, "key"),
        "rule",
        at,
        lambda a, b, inner: _rule(a, b, inner, before, after),
    )
    old_order = [each.get("key") for each in old_rules]
    new_order = [each.get("key") for each in new_rules]
    if old_order != new_order and sorted(map(str, old_order)) == sorted(map(str, new_order)):
        yield Change(at, "order of the rules", CHANGED, _list(old_order), _list(new_order))


def _rule(
    old: dict[str, Any], new: dict[str, Any], at: tuple[str, ...], before: _View, after: _View
) -> Iterator[Change]:
    for name in ("status", "type", "excludeTargetedDeliveries"):
        yield from _field(at, name, old.get(name, _ABSENT), new.get(name, _ABSENT))
    yield from _words(at, "audience conditions", _who(old, before), _who(new, after))
    yield from _words(at, "traffic", _traffic(old), _traffic(new))
    yield from _words(at, "forced variations", _forced(old), _forced(new))
    yield from _words(at, "rules held out", _held_out(old, before), _held_out(new, after))
    yield from _compare(
        _by(old.get("variations"), "key"),
        _by(new.get("variations"), "key"),
        "variation",
        at,
        lambda a, b, inner: _variation(a, b, inner, before, after),
    )


def _variation(
    old: dict[str, Any], new: dict[str, Any], at: tuple[str, ...], before: _View, after: _View
) -> Iterator[Change]:
    yield from _field(
        at, "featureEnabled", old.get("featureEnabled", False), new.get("featureEnabled", False)
    )
    olds, news = _values(old, before), _values(new, after)
    for name in sorted(olds.keys() | news.keys()):
        yield from _field(at, f"value of {name}", olds.get(name, _ABSENT), news.get(name, _ABSENT))


def _variable(old: dict[str, Any], new: dict[str, Any], at: tuple[str, ...]) -> Iterator[Change]:
    for name, words in (("type", "type"), ("subType", "subtype"), ("defaultValue", "default")):
        yield from _field(at, words, old.get(name, _ABSENT), new.get(name, _ABSENT))


def _group(
    old: dict[str, Any], new: dict[str, Any], at: tuple[str, ...], before: _View, after: _View
) -> Iterator[Change]:
    yield from _field(at, "policy", old.get("policy", _ABSENT), new.get("policy", _ABSENT))
    olds = _ranges(old, before.experiment_keys)
    yield from _words(at, "traffic", olds, _ranges(new, after.experiment_keys))


def _audience(old: dict[str, Any], new: dict[str, Any], at: tuple[str, ...]) -> Iterator[Change]:
    yield from _words(at, "conditions", _conditions(old), _conditions(new))


def _nothing(_old: dict[str, Any], _new: dict[str, Any], _at: tuple[str, ...]) -> Iterator[Change]:
    """Compare what has nothing but its key."""
    yield from ()


# -- words ------------------------------------------------------------------------------------


def _who(rule: dict[str, Any], view: _View) -> str:
    tree = rule.get("audienceConditions")
    if tree is None:
        ids = rule.get("audienceIds") or []
        tree = ["or", *ids] if len(ids) > 1 else ids
    return _tree(tree, view.audience_names) or "everybody"


def _tree(tree: object, names: dict[str, str]) -> str:
    """Spell a tree of audience ids: ``Gold and (Berlin or not Bots)``."""
    if not isinstance(tree, list):
        return f"'{names.get(str(tree), str(tree))}'"
    operator = tree[0] if tree and tree[0] in {"and", "or", "not"} else None
    parts = [_tree(each, names) for each in (tree[1:] if operator else tree)]
    if operator == "not":
        return "not " + (parts[0] if parts else "()")
    joined = f" {operator or 'or'} ".join(parts)
    return f"({joined})" if len(parts) > 1 else joined


def _traffic(rule: dict[str, Any]) -> str:
    return _ranges(
        rule, {str(e.get("id")): str(e.get("key")) for e in _entities(rule.get("variations"))}
    )


def _ranges(owner: dict[str, Any], names: dict[str, str]) -> str:
    """Spell a traffic allocation in percent: ``one_step 33.33 %, nobody 66.67 %``."""
    words, start = [], 0
    for each in _entities(owner.get("trafficAllocation")):
        end = each.get("endOfRange")
        if not isinstance(end, int):
            continue
        entity = str(each.get("entityId") or "")
        words.append(f"{names.get(entity, entity or 'nobody')} {(end - start) / 100:g} %")
        start = end
    return ", ".join(words) or "nobody"


def _forced(rule: dict[str, Any]) -> str:
    forced = rule.get("forcedVariations")
    pairs = sorted(forced.items()) if isinstance(forced, dict) else []
    return ", ".join(f"{user} gets {variation}" for user, variation in pairs) or "none"


def _held_out(rule: dict[str, Any], view: _View) -> str:
    ids = rule.get("includedRules")
    if not isinstance(ids, list):
        return "none"
    return _list([view.experiment_keys.get(str(each), str(each)) for each in ids]) or "none"


def _values(variation: dict[str, Any], view: _View) -> dict[str, object]:
    return {
        view.variables.get(str(each.get("id")), str(each.get("id"))): each.get("value")
        for each in _entities(variation.get("variables"))
    }


def _conditions(audience: dict[str, Any]) -> str:
    conditions = audience.get("conditions")
    if isinstance(conditions, str):
        try:
            conditions = json.loads(conditions)
        except ValueError:
            return conditions
    return _condition(conditions)


def _condition(node: object) -> str:
    """Spell a tree of conditions: ``(tier is "gold" or days ge 30)``."""
    if isinstance(node, dict):
        match = node.get("match") or "is"
        value = "" if match == "exists" else f" {json.dumps(node.get('value'))}"
        return f"{node.get('name')} {match}{value}"
    if not isinstance(node, list):
        return json.dumps(node)
    operator = node[0] if node and node[0] in {"and", "or", "not"} else None
    parts = [_condition(each) for each in (node[1:] if operator else node)]
    if operator == "not":
        return "not " + (parts[0] if parts else "()")
    joined = f" {operator or 'or'} ".join(parts)
    return f"({joined})" if len(parts) > 1 else joined


def _list(items: Iterable[object]) -> str:
    return ", ".join(str(each) for each in items)


# -- the walk ---------------------------------------------------------------------------------


def _compare(
    olds: dict[str, dict[str, Any]],
    news: dict[str, dict[str, Any]],
    noun: str,
    at: tuple[str, ...],
    inside: Inside,
) -> Iterator[Change]:
    for key, new in news.items():
        where = (*at, f"{noun} {key}")
        if key in olds:
            yield from inside(olds[key], new, where)
        else:
            yield Change(where, "", ADDED)
    for key in olds:
        if key not in news:
            yield Change((*at, f"{noun} {key}"), "", REMOVED)


def _field(at: tuple[str, ...], what: str, old: object, new: object) -> Iterator[Change]:
    if old is new or old == new:
        return
    if old is _ABSENT:
        yield Change(at, what, ADDED, after=_show(new))
    elif new is _ABSENT:
        yield Change(at, what, REMOVED, before=_show(old))
    else:
        yield Change(at, what, CHANGED, _show(old), _show(new))


def _words(at: tuple[str, ...], what: str, old: str, new: str) -> Iterator[Change]:
    if old != new:
        yield Change(at, what, CHANGED, old, new)


def _show(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _entities(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _by(value: object, name: str) -> dict[str, dict[str, Any]]:
    return {str(each[name]): each for each in _entities(value) if isinstance(each.get(name), str)}
