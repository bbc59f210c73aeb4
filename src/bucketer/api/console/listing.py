"""What there is in a datafile, searched and in pages; and the datafile as a whole."""

from __future__ import annotations

from collections import Counter
from functools import partial

from bucketer.core.errors import InvalidRequest
from bucketer.core.mentions import audience_ids, flags_of

from .entities import audience_sentence, flag_status, groups_of, holdouts_of
from .fields import form_of
from .rules import share_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from bucketer.core.audience import Audience
    from bucketer.core.ruleset import Experiment, Flag, Ruleset
    from bucketer.ports import EditionFacts

    from .parts import Room

    Item: TypeAlias = dict[str, object]
    Entry: TypeAlias = tuple[str, Callable[[], Item]]

_USUAL = ("flag", "experiment")
#: The longest page, and the usual one.
_MOST_ITEMS, _ITEMS = 500, 50
_MOST_EVENTS = 500
_MOST_DIAGNOSTICS = 50
#: Optimizely's own, for SDKs that don't know typed audiences.
_DUMMY = "$opt_dummy_audience"


def list_json(ruleset: Ruleset, fields: dict[str, str]) -> dict[str, object]:
    """One page of what is in a datafile.

    Raises:
        InvalidRequest: a kind that there isn't, or a page that is none.
    """
    kinds = tuple(filter(None, fields.get("kind", "").split(","))) or _USUAL
    for each in kinds:
        if each not in KINDS:
            message = f"Parameter 'kind' is one of {', '.join(KINDS)}, or several with commas."
            raise InvalidRequest(message, field="kind")
    offset = _whole(fields, "offset", 0, 10_000_000)
    limit = _whole(fields, "limit", _ITEMS, _MOST_ITEMS)
    wanted = fields.get("q", "").strip().lower()
    entries = (each for kind in KINDS if kind in kinds for each in _ENTRIES[kind](ruleset))
    found = [each for each in entries if wanted in each[0].lower()]
    if wanted:  # what begins with it stands before what only has it somewhere
        found.sort(key=lambda each: not each[0].lower().startswith(wanted))
    items = [tell() for _, tell in found[offset : offset + limit]]
    return {"total": len(found), "offset": offset, "items": items}


def _whole(fields: dict[str, str], name: str, usual: int, most: int) -> int:
    text = fields.get(name, "")
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= most):  # noqa: PLR2004 -- digits
        message = f"Parameter '{name}' is a whole number from 0 to {most}."
        raise InvalidRequest(message, field=name)
    return int(text)


def experiments_of(ruleset: Ruleset) -> dict[str, Experiment]:
    """The experiments by key; what only delivers a flag is none to the eye."""
    deliveries = {rule.key for flag in ruleset.flags.values() for rule in flag.rollout}
    return {key: each for key, each in ruleset.experiments.items() if key not in deliveries}


def _flags(ruleset: Ruleset) -> Iterator[Entry]:
    for key in ruleset.flag_order:
        yield key, partial(_flag_item, ruleset.flags[key])


def _flag_item(flag: Flag) -> Item:
    return {
        "kind": "flag",
        "key": flag.key,
        "status": flag_status(flag),
        "broken": flag.broken,
        "rules": len(flag.experiments) + len(flag.rollout),
        "running": sum(each.experiment.running for each in flag.experiments),
    }


def _experiments(ruleset: Ruleset) -> Iterator[Entry]:
    flags = flags_of(ruleset)
    for key, each in experiments_of(ruleset).items():
        yield key, partial(_experiment_item, key, each, flags.get(each.id, ()))


def _experiment_item(key: str, experiment: Experiment, flags: Sequence[str]) -> Item:
    return {
        "kind": "experiment",
        "key": key,
        "status": experiment.status,
        "type": experiment.kind if isinstance(experiment.kind, str) else None,
        "broken": experiment.broken,
        "flags": list(flags[:_ITEMS]),
        "group": None if experiment.group is None else experiment.group.id,
        "share": share_of(experiment),
    }


def _audiences(ruleset: Ruleset) -> Iterator[Entry]:
    used = Counter(
        id_
        for each in ruleset.experiments_by_id.values()
        for id_ in set(audience_ids(each.audience_tree))
    )
    for audience in ruleset.audiences.values():
        if audience.id != _DUMMY:
            yield audience.name, partial(_audience_item, audience, used[audience.id])


def _audience_item(audience: Audience, used: int) -> Item:
    return {
        "kind": "audience",
        "id": audience.id,
        "key": audience.name,
        "sentence": audience_sentence(audience),
        "used_by": used,
    }


def _groups(ruleset: Ruleset) -> Iterator[Entry]:
    for id_, (_, members) in groups_of(ruleset).items():
        keys = [each.key for each in members]
        item: Item = {"kind": "group", "id": id_, "key": id_, "experiments": keys[:_ITEMS]}
        yield " ".join([id_, *keys]), partial(dict, item)


def _holdouts(ruleset: Ruleset) -> Iterator[Entry]:
    for key, (holdout, rules) in holdouts_of(ruleset).items():
        own = holdout.experiment
        item: Item = {"kind": "holdout", "id": own.id, "key": key, "status": own.status}
        item |= {"share": share_of(own), "local": rules is not None}
        yield key, partial(dict, item)


def _events(ruleset: Ruleset) -> Iterator[Entry]:
    for key, event in ruleset.events.items():
        yield key, partial(dict, {"kind": "event", "id": event.id, "key": key})


#: Kind → everything of it in a datafile: what it is searched by, and what tells it.
_ENTRIES: dict[str, Callable[[Ruleset], Iterator[Entry]]] = {
    "flag": _flags,
    "experiment": _experiments,
    "audience": _audiences,
    "group": _groups,
    "holdout": _holdouts,
    "event": _events,
}
KINDS = tuple(_ENTRIES)


def project_json(
    edition: EditionFacts, name: str, rooms: Iterable[Room], *, has_archive: bool
) -> dict[str, object]:
    """The datafile as a whole, and what other environments there are."""
    ruleset = edition.ruleset
    audiences = [each for each in ruleset.audiences.values() if each.id != _DUMMY]
    form = form_of(ruleset, audiences)
    return {
        "environment": name,
        "environments": [room_json(each) for each in rooms],
        "project_id": ruleset.project_id,
        "account_id": ruleset.account_id,
        "environment_key": ruleset.environment_key,
        "revision": ruleset.revision,
        "source": edition.source,
        "counts": {
            "flags": len(ruleset.flags),
            "experiments": len(experiments_of(ruleset)),
            "audiences": len(audiences),
            "groups": len(groups_of(ruleset)),
            "holdouts": len(holdouts_of(ruleset)),
            "attributes": len(ruleset.attribute_ids),
            "events": len(ruleset.events),
        },
        "attributes": form["fields"],
        "segments": form["segments"],
        "events": [
            {"key": key, "id": each.id} for key, each in list(ruleset.events.items())[:_MOST_EVENTS]
        ],
        "diagnostics": [
            {"severity": each.severity, "pointer": each.pointer, "message": str(each)}
            for each in ruleset.diagnostics[:_MOST_DIAGNOSTICS]
        ],
        "archive": has_archive,
    }


def room_json(room: Room) -> dict[str, object]:
    """One environment in a line."""
    edition = room.edition
    return {
        "name": room.name,
        "title": room.title,
        "revision": None if edition is None else edition.ruleset.revision,
        "has_datafile": edition is not None,
    }
