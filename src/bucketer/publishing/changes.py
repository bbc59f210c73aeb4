"""Two pieces of JSON in, the `Change`s between them out: by entry, by field, by value. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from .wording import entities, list_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    Entity = dict[str, Any]
    Where = tuple[str, ...]
    Inside = Callable[[Entity, Entity, Where], Iterator["Change"]]

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
ABSENT = object()


class Change(NamedTuple):
    """One thing that differs.

    Attributes:
        where: what it belongs to, from the outside in: ``("flag checkout", "rule exp_1")``; or
            ``("other values",)``, with a JSON pointer in *what*.
        what: ``traffic``, ``audience conditions``, …, or a field's name, with a JSON pointer below
            it where only a part of it differs (``cmab/trafficAllocation``); empty when it is
            *where* itself.
        how: ADDED, REMOVED or CHANGED.
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
    """The entries of one list: by their key, and those that can't be told apart by one."""

    by_key: dict[str, Entity]
    others: list[object]


def parts_of(value: object, name: str) -> Parts:
    """Take a list apart by the field *name*; of entries with the same key the last one counts."""
    by_key = {str(each[name]): each for each in entities(value) if isinstance(each.get(name), str)}
    known = {id(each) for each in by_key.values()}
    return Parts(by_key, [each for each in list_of(value) if id(each) not in known])


def compare(olds: Parts, news: Parts, noun: str, at: Where, inside: Inside) -> Iterator[Change]:
    """Compare two lists: what is new, what is gone, and what is in both by *inside*."""
    for key, new in news.by_key.items():
        where = (*at, f"{noun} {key}")
        if key in olds.by_key:
            yield from inside(olds.by_key[key], new, where)
        else:
            yield Change(where, "", ADDED)
    for key in olds.by_key:
        if key not in news.by_key:
            yield Change((*at, f"{noun} {key}"), "", REMOVED)
    yield from leaves(at, f"entries that are no {noun} of their own: ", olds.others, news.others)


def rest(old: Entity, new: Entity, at: Where, but: Collection[str] = ()) -> Iterator[Change]:
    """Compare all fields *but* those that are told otherwise."""
    for name in dict.fromkeys((*new, *old)):
        if name not in but:
            yield from leaves(at, name, old.get(name, ABSENT), new.get(name, ABSENT))


def told(
    at: Where, what: str, old: tuple[str, object], new: tuple[str, object]
) -> Iterator[Change]:
    """Compare words, and where they are the same, the data that they are for."""
    if old[0] != new[0]:
        yield Change(at, what, CHANGED, old[0], new[0])
    else:
        yield from leaves(at, what, old[1], new[1])


def leaves(at: Where, what: str, old: object, new: object) -> Iterator[Change]:
    """Compare JSON, down to the values that differ: each by its pointer, after *what*."""
    if _same(old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*new, *old)):
            pointer = f"{what}/{name.replace('~', '~0').replace('/', '~1')}"
            yield from leaves(at, pointer, old.get(name, ABSENT), new.get(name, ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        for number, (one, other) in enumerate(_pairs(old, new)):
            yield from leaves(at, f"{what}/{number}", one, other)
    elif old is ABSENT:
        yield Change(at, what, ADDED, after=_show(new))
    elif new is ABSENT:
        yield Change(at, what, REMOVED, before=_show(old))
    else:
        yield Change(at, what, CHANGED, _show(old), _show(new))


def _pairs(olds: list[Any], news: list[Any]) -> Iterable[tuple[object, object]]:
    """Return what belongs together in two lists: by id where all have one, else by place."""
    by_id, new_by_id = ({_id_of(each): each for each in some} for some in (olds, news))
    distinct = len(by_id) == len(olds) and len(new_by_id) == len(news)
    if distinct and None not in by_id and None not in new_by_id:
        ids = dict.fromkeys((*new_by_id, *by_id))
        return [(by_id.get(each, ABSENT), new_by_id.get(each, ABSENT)) for each in ids]
    length = max(len(olds), len(news))
    filled = ([*some, *[ABSENT] * (length - len(some))] for some in (olds, news))
    return zip(*filled, strict=True)


def _id_of(entry: object) -> str | None:
    found = entry.get("id") if isinstance(entry, dict) else None
    return found if isinstance(found, str) else None


def _same(old: object, new: object) -> bool:
    """Say whether two values are the same in JSON, where `true` isn't 1."""
    if old is new:
        return True
    if old is ABSENT or new is ABSENT:
        return False
    return json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)


def _show(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
