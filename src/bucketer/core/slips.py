"""A slip of the pen in, what may have been meant out. Only asked on the way to an error or a hint.

Anybody can send wrong keys, as long and as often as they like, so what a look-up costs is bounded:
`MOST` keys of `LONGEST` characters, a sort of them, and a dozen comparisons.
"""

from __future__ import annotations

from .errors import UnknownEvent, UnknownExperiment, UnknownFlag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .errors import UnknownKey
    from .ruleset import Ruleset

#: So many keys are looked at, and so much of each.
MOST, LONGEST = 1_000, 60
#: So many are compared in earnest: those that stand nearest in the order of the alphabet, by their
#: beginnings and by their ends.
_NEIGHBOURS = 4
#: So many attributes are told of.
_TOLD = 5
#: Reserved: no datafile lists them.
_RESERVED = "$opt_"


def nearest(key: str, known: Iterable[str]) -> str | None:
    """The known key that looks most like *key*, or starts like it; None when none is close.

    Upper and lower case are the same here. Of `known` the first `MOST` are looked at.
    """
    from difflib import get_close_matches  # not at cold start
    from itertools import islice

    names: dict[str, str] = {}
    for each in islice(known, MOST):
        names.setdefault(each[:LONGEST].lower(), each)
    wrong = key[:LONGEST].lower()
    if wrong in names:
        return names[wrong]
    backwards = sorted(each[::-1] for each in names)
    likely = _around(sorted(names), wrong)
    likely += [each[::-1] for each in _around(backwards, wrong[::-1])]
    likely = list(dict.fromkeys(likely))
    found = get_close_matches(wrong, likely, n=1)
    if found:
        return names[found[0]]
    # People write the beginning of a long key: `chekout` for `checkout_flow_experiment`.
    beginnings = {each[: len(wrong) + 1]: each for each in reversed(likely)}
    begun = get_close_matches(wrong, list(beginnings), n=1, cutoff=0.8)
    return names[beginnings[begun[0]]] if begun else None


def _around(ordered: list[str], wrong: str) -> list[str]:
    from bisect import bisect

    place = bisect(ordered, wrong)
    return ordered[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS]


def unknown(ruleset: Ruleset, kind: type[UnknownKey], key: str) -> UnknownKey:
    """The error that *key* is nobody's, with what may have been meant, be it of another kind."""
    kinds: dict[type[UnknownKey], tuple[Mapping[str, object], str]] = {
        UnknownExperiment: (ruleset.experiments, "an experiment (e="),
        UnknownFlag: (ruleset.flags, "a flag (f="),
        UnknownEvent: (ruleset.events, "a conversion event (/track?ev="),
    }
    suggestion = nearest(key, kinds[kind][0])
    hint = ""
    for each, (keys, what) in kinds.items():
        if each is kind:
            continue
        if key in keys:
            hint = f"That is {what}{key[:LONGEST]})"
            break
        if not (suggestion or hint) and (other := nearest(key, keys)):
            hint = f"Perhaps it is {what}{other[:LONGEST]})"
    return kind(key, ruleset.revision, suggestion, hint)


def unknown_attributes(ruleset: Ruleset, names: Iterable[str]) -> dict[str, str | None]:
    """Those of *names* that the datafile neither lists nor asks for, each with the nearest it has.

    Five at most, cut to `LONGEST` characters.
    """
    from itertools import chain

    found: dict[str, str | None] = {}
    for name in names:
        if name in ruleset.attribute_ids or name.startswith(_RESERVED):
            continue
        known = _asked_for(ruleset)
        # Those that begin alike are one here, and looked for once.
        if name not in known and name[:LONGEST] not in found:
            found[name[:LONGEST]] = nearest(name, chain(ruleset.attribute_ids, known))
            if len(found) >= _TOLD:
                break
    return found


def hint_of(name: str, meant: str | None) -> str:
    """The sentence for one of `unknown_attributes`."""
    asked = f" Did you mean '{meant}'?" if meant else ""
    return f"The datafile has no attribute '{name}'.{asked}"


def _asked_for(ruleset: Ruleset) -> Mapping[str, None]:
    """The names that conditions ask for, remembered: a datafile may hold thousands of them."""
    if ruleset.asked_for is None:
        names = (
            condition.get("name")
            for audience in ruleset.audiences.values()
            for condition in audience.conditions
        )
        ruleset.asked_for = dict.fromkeys(name for name in names if isinstance(name, str))
    return ruleset.asked_for
