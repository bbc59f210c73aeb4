"""What audiences mention in, the fields of a form out: each attribute with suggestions for it."""

from __future__ import annotations

from bucketer.core.condition_words import cut
from bucketer.core.mentions import ANY, BOOLEAN, mentions, segments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from bucketer.core.audience import Audience
    from bucketer.core.mentions import Mention
    from bucketer.core.ruleset import Ruleset

#: So many values are suggested for one attribute, none longer than so many characters.
_MOST_SUGGESTED = 50
_LONGEST_SUGGESTED = 500
#: So many attributes make a form, and so many audiences are named with each.
_MOST_FIELDS = 200
_MOST_NAMED = 10


def form_of(ruleset: Ruleset, audiences: Iterable[Audience]) -> dict[str, object]:
    """The fields, and the segments, that these audiences ask for."""
    audiences = tuple(audiences)
    found = list(mentions(audiences).values())
    return {
        "fields": [_field(ruleset, each) for each in found[:_MOST_FIELDS]],
        "segments": segments(audiences)[:_MOST_FIELDS],
    }


def _field(ruleset: Ruleset, mention: Mention) -> dict[str, object]:
    kind = mention.kind
    values = [True, False] if kind == BOOLEAN else [] if kind == ANY else mention.values()
    short = [each for each in values if not _is_long(each)]
    suggested = short[:_MOST_SUGGESTED]
    return {
        "name": mention.name,
        "kind": kind,
        "matches": list(dict.fromkeys(match for match, _ in mention.pairs())),
        "suggestions": suggested,
        "more": len(values) - len(suggested),
        "audiences": [cut(each) for each in list(mention.audiences)[:_MOST_NAMED]],
        "known": mention.name in ruleset.attribute_ids,
    }


def _is_long(value: object) -> bool:
    return isinstance(value, str) and len(value) > _LONGEST_SUGGESTED
