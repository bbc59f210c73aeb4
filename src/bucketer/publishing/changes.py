"""Two pieces of JSON in, the `Change`s between them out: by entry, by field, by value. Pure."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from .describe import DEEPEST, entities, list_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    Entity = dict[str, Any]
    Where = tuple[str, ...]
    Inside = Callable[[Entity, Entity, Where], Iterator["Change"]]

ADDED, REMOVED, CHANGED, RENAMED = "added", "removed", "changed", "renamed"
ABSENT = object()
_NO_NAMES: dict[str, str] = {}


class Change(NamedTuple):
    """One thing that differs.

    Attributes:
        where: what it belongs to, from the outside in: ``("flag checkout", "rule exp_1")``; what
            was renamed goes by its new name. Empty for the datafile as a whole.
        what: ``traffic``, ``audience conditions``, …, or a field's name, with a JSON pointer below
            it where only a part of it differs (``cmab/trafficAllocation``); empty when it is
            *where* itself.
        how: ADDED, REMOVED, CHANGED or RENAMED.
        before: in words; empty when added.
        after: in words; empty when removed. Of an SDK key neither is told.
    """

    where: tuple[str, ...]
    what: str
    how: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        subject = ": ".join(each for each in (", ".join(self.where), self.what) if each)
        if self.how == RENAMED:
            return f"{subject} renamed from {self.before}"
        if self.how == CHANGED and (self.before or self.after):
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


class Parts(NamedTuple):
    """The entries of one list: by their key, and those that can't be told apart by one.

    Attributes:
        entries: all of them, in order.
        by_key: those that own their key, and others.
    """

    entries: list[Any]
    by_key: dict[str, Entity]
    others: list[object]


class Matched(NamedTuple):
    """What belongs together in two lists, each as (its key, the entry)."""

    both: list[tuple[tuple[str, Entity], tuple[str, Entity]]]
    added: list[tuple[str, Entity]]
    removed: list[tuple[str, Entity]]


def parts_of(value: object, name: str) -> Parts:
    """Take a list apart by the field *name*; of entries with the same key the last one counts."""
    by_key = {str(each[name]): each for each in entities(value) if isinstance(each.get(name), str)}
    known = {id(each) for each in by_key.values()}
    listed = list_of(value)
    return Parts(listed, by_key, [each for each in listed if id(each) not in known])


def match(olds: Parts, news: Parts) -> Matched:
    """Say what belongs together: by key, and of what is left by id, where one alone has that."""
    gone = {k: each for k, each in olds.by_key.items() if k not in news.by_key}
    come = {k: each for k, each in news.by_key.items() if k not in olds.by_key}
    formerly, now = _by_own_id(gone), _by_own_id(come)
    renamed = {key: formerly[id_] for id_, key in now.items() if id_ in formerly}
    both = []
    for key, new in news.by_key.items():
        was = renamed.get(key, key)
        if was in olds.by_key:
            both.append(((was, olds.by_key[was]), (key, new)))
    left = set(renamed.values())
    return Matched(
        both,
        [(key, each) for key, each in come.items() if key not in renamed],
        [(key, each) for key, each in gone.items() if key not in left],
    )


def _by_own_id(some: Mapping[str, Entity]) -> dict[str, str]:
    """Keys by id, where no other has the same."""
    ids = {key: each["id"] for key, each in some.items() if isinstance(each.get("id"), str)}
    counted = Counter(ids.values())
    return {id_: key for key, id_ in ids.items() if counted[id_] == 1}


def compare(olds: Parts, news: Parts, noun: str, at: Where, inside: Inside) -> Iterator[Change]:
    """Compare two lists: what is new, what is gone, and what is in both by *inside*."""
    matched = match(olds, news)
    yield from tell(matched, noun, at, inside)
    yield from loose(olds, news, matched, noun, at)


def tell(matched: Matched, noun: str, at: Where, inside: Inside) -> Iterator[Change]:
    """Tell what became of the entries of two lists."""
    for (was, old), (key, new) in matched.both:
        where = (*at, f"{noun} {key}")
        if was != key:
            yield Change(where, "", RENAMED, was, key)
        yield from inside(old, new, where)
    for how, entries in ((ADDED, matched.added), (REMOVED, matched.removed)):
        for key, _ in entries:
            yield Change((*at, f"{noun} {key}"), "", how)


def loose(olds: Parts, news: Parts, matched: Matched, noun: str, at: Where) -> Iterator[Change]:
    """Compare what stands in two lists beside what has keys, and the order of all that stays."""
    yield from leaves(at, f"entries that are no {noun} of their own: ", olds.others, news.others)
    pairs = [(old, new) for (_, old), (_, new) in matched.both]
    place = {id(new): number for number, (_, new) in enumerate(pairs)}
    former = {id(old): number for number, (old, _) in enumerate(pairs)}
    rest_stays = len(olds.others) == len(news.others)
    order, new_order = (
        [
            known.get(id(each), -1)
            for each in parts.entries
            if id(each) in known or (rest_stays and id(each) in others)
        ]
        for parts, known, others in (
            (olds, former, set(map(id, olds.others))),
            (news, place, set(map(id, news.others))),
        )
    )
    if order != new_order:
        words = (_order(each, matched) for each in (order, new_order))
        yield Change(at, f"order of the {noun}s", CHANGED, *words)


def _order(places: list[int], matched: Matched) -> str:
    """Name what is in that order; nothing where it is too long to be looked through."""
    keys = [matched.both[each][1][0] if each >= 0 else "(no key)" for each in places]
    return ", ".join(keys) if len(keys) <= _READABLE else ""


#: So many keys are named in their order, old and new.
_READABLE = 12


def shapes(at: Where, name: str, old: object, new: object) -> Iterator[Change]:
    """Tell where a list is no list, or an empty one comes or goes; entries are told elsewhere."""
    kinds = [isinstance(each, list) for each in (old, new)]
    if all(kinds):
        return
    if not any(kinds) or not (list_of(old) or list_of(new)):
        yield from leaves(at, name, old, new)
    elif ABSENT not in (old, new):
        words = ("a list" if is_list else show(each) for is_list, each in zip(kinds, (old, new)))  # noqa: B905 -- two of each
        yield Change(at, name, CHANGED, *words)


def fields(*but: str) -> Inside:
    """Return what compares all fields of two entries, *but* those."""
    return lambda old, new, at: rest(old, new, at, but)


def rest(old: Entity, new: Entity, at: Where, but: Collection[str] = ()) -> Iterator[Change]:
    """Compare all fields *but* those that are told otherwise."""
    for name in dict.fromkeys((*new, *old)):
        if name not in but:
            yield from leaves(at, name, old.get(name, ABSENT), new.get(name, ABSENT))


def told(
    at: Where,
    what: str,
    words: tuple[str | None, str | None],
    data: tuple[object, object],
    names: Mapping[str, str] = _NO_NAMES,
) -> Iterator[Change]:
    """Tell in words what differs in *data*; value by value where words don't say all of it.

    Args:
        at: as in a `Change`.
        what: as in a `Change`.
        words: old and new; None where they leave something out.
        data: what the words are for; `{field: value}`.
        names: for what ids stand in the data.
    """
    old, new = data
    if same(old, new):
        return
    if None not in words and words[0] != words[1]:
        yield Change(at, what, CHANGED, words[0] or "", words[1] or "")
    else:
        yield from leaves(at, "", old, new, names)


def leaves(
    at: Where, what: str, old: object, new: object, names: Mapping[str, str] = _NO_NAMES
) -> Iterator[Change]:
    """Compare JSON, down to the values that differ: each by its pointer, after *what*."""
    if same(old, new):
        return
    deeper = what.count("/") < DEEPEST
    if deeper and isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*new, *old)):
            pointer = f"{what}/{name.replace('~', '~0').replace('/', '~1')}"
            pair = (old.get(name, ABSENT), new.get(name, ABSENT))
            yield from leaves(at, pointer.removeprefix("" if what else "/"), *pair, names)
    elif deeper and isinstance(old, list) and isinstance(new, list):
        yield from _items(at, what, old, new, names)
    elif old is ABSENT:
        yield Change(at, what, ADDED, after=show(new, names))
    elif new is ABSENT:
        yield Change(at, what, REMOVED, before=show(old, names))
    else:
        words = [show(old, names), show(new, names)]
        if words[0] == words[1]:  # two ids of the same name
            words = [show(old), show(new)]
        yield Change(at, what, CHANGED, *words)


def _items(
    at: Where, what: str, old: list[Any], new: list[Any], names: Mapping[str, str]
) -> Iterator[Change]:
    for number, (one, other) in enumerate(_pairs(old, new)):
        yield from leaves(at, f"{what}/{number}", one, other, names)


def _pairs(olds: list[Any], news: list[Any]) -> Iterable[tuple[object, object]]:
    """Return what belongs together: by id where all have one, in the same order; else by place."""
    by_id, new_by_id = ({_id_of(each): each for each in some} for some in (olds, news))
    distinct = len(by_id) == len(olds) and len(new_by_id) == len(news)
    stays = [each for each in by_id if each in new_by_id]
    ordered = stays == [each for each in new_by_id if each in by_id]
    if distinct and ordered and None not in by_id and None not in new_by_id:
        ids = dict.fromkeys((*new_by_id, *by_id))
        return [(by_id.get(each, ABSENT), new_by_id.get(each, ABSENT)) for each in ids]
    length = max(len(olds), len(news))
    filled = ([*some, *[ABSENT] * (length - len(some))] for some in (olds, news))
    return zip(*filled, strict=True)


def _id_of(entry: object) -> str | None:
    found = entry.get("id") if isinstance(entry, dict) else None
    return found if isinstance(found, str) else None


def same(old: object, new: object) -> bool:
    """Say whether two values are the same in JSON, where `true` isn't 1."""
    if old is new:
        return True
    if old is ABSENT or new is ABSENT:
        return False
    return json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)


def translated(value: Any, words: Mapping[str, str], depth: int = 0) -> Any:
    """*value* with other texts in the place of those that *words* has; it isn't changed itself."""
    if depth > DEEPEST:
        return value
    if isinstance(value, list):
        return [translated(each, words, depth + 1) for each in value]
    if isinstance(value, dict):
        return {key: translated(each, words, depth + 1) for key, each in value.items()}
    return words.get(value, value) if isinstance(value, str) else value


def show(value: object, names: Mapping[str, str] = _NO_NAMES) -> str:
    """*value* as JSON, with names for ids."""
    return json.dumps(translated(value, names), ensure_ascii=False)
