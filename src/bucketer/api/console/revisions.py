"""`GET revisions` and `POST compare`: two revisions of a datafile, and who switches."""

from __future__ import annotations

from collections import Counter

from bucketer.core.errors import UnknownRevision
from bucketer.core.shares import NOTHING

from .asked import Subject, subject_of, text_of, whole_of
from .crowd import MOST_VISITORS
from .guests import Guests
from .refusal import Refused
from .split import arm_json, arm_of
from .tryout import decide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from bucketer.core.ruleset import Ruleset
    from bucketer.core.shares import Arm
    from bucketer.core.user import User
    from bucketer.ports import EditionFacts

    from .parts import ConsoleParts, Told

_MOST_CHANGES, _MOST_KEYS, _MOST_MOVES, _EXAMPLES = 500, 20, 50, 3
#: Visitors, each weighed by its conditions: to find the keys that somebody switches in; for all
#: keys that are told.
_SEARCHED, _COUNTED = 60_000, 100_000
_LEAST_TRIED, _MOST_TRIED = 10, 500


def revisions_json(parts: ConsoleParts, current: EditionFacts) -> dict[str, object]:
    """What can be compared."""
    told: dict[str, object] = {"archive": False, "current": current.ruleset.revision}
    if parts.archive is None:
        return {**told, "revisions": None}
    listed = None if parts.revisions is None else parts.revisions()
    kept_in = "s3" if parts.revisions is None else "directory"
    return {**told, "archive": True, "revisions": listed, "kept_in": kept_in}


def compare_json(
    fields: Mapping[str, Any], current: EditionFacts, parts: ConsoleParts
) -> dict[str, object]:
    """Compare two revisions; an empty name stands for the one in use.

    Raises:
        Refused: there is no archive.
        InvalidRequest: the question can't be understood.
        UnknownRevision, RevisionUnavailable: the archive has none of that name, or can't be asked.
        UnknownFlag, UnknownExperiment: neither revision has that key.
    """
    if parts.archive is None or parts.diff is None:
        raise Refused(
            404, "no_archive", "There is no archive of revisions: set BUCKETER_REVISIONS."
        )
    before = _edition(text_of(fields, "from"), current, parts)
    after = _edition(text_of(fields, "to"), current, parts)
    visitors = whole_of(fields, "visitors", MOST_VISITORS, 1, MOST_VISITORS)
    changes = list(parts.diff(before.datafile(), after.datafile()))
    both = _Both(fields, before.ruleset, after.ruleset)
    subject = subject_of(fields)
    if subject is None:
        found = both.search(changes)
    else:
        if not both.having(subject):
            subject.check(after.ruleset)  # raises
        found = [subject]
    told = found[:_MOST_KEYS]
    share = _COUNTED // max(len(told), 1)
    return {
        "from": before.ruleset.revision,
        "to": after.ruleset.revision,
        "changes": [{**each.to_json(), "text": str(each)} for each in changes[:_MOST_CHANGES]],
        "changes_total": len(changes),
        "keys": [both.key_json(each, min(visitors, share)) for each in told],
        "keys_left_out": len(found) - len(told),
    }


def _edition(revision: str, current: EditionFacts, parts: ConsoleParts) -> EditionFacts:
    if revision in {"", current.ruleset.revision}:
        return current
    found = None if parts.archive is None else parts.archive(revision)
    if found is None:
        raise UnknownRevision(revision, current.ruleset.revision)
    return found


class _Both:
    """Two rulesets, and visitors who are decided for by both."""

    def __init__(self, body: Mapping[str, Any], before: Ruleset, after: Ruleset) -> None:
        self._body, self._before, self._after = body, before, after

    def having(self, subject: Subject) -> list[Ruleset]:
        """Those of the two that have it."""
        return [each for each in (self._before, self._after) if _has(each, subject)]

    def search(self, changes: Sequence[Told]) -> list[Subject]:
        """The keys that changed, and those that somebody of a few visitors switches in."""
        subjects = list(self._all())
        named = {each.where[0] for each in changes if each.where}
        tried = min(_MOST_TRIED, max(_LEAST_TRIED, _SEARCHED // max(len(subjects), 1)))
        found, left = [], 2 * _SEARCHED
        for each in subjects:
            is_new = len(self.having(each)) == 1
            if is_new or not named.isdisjoint(self._names(each)):
                found.append(each)
            elif left > 0:
                guests = self._guests(each)
                left -= tried * guests.cost
                if any(_differ(*self._arms(each, guests[n + 1])) for n in range(tried)):
                    found.append(each)
        return found

    def _all(self) -> Iterator[Subject]:
        """Flags of either, in their order; then experiments that no flag has."""
        for key in dict.fromkeys([*self._after.flags, *self._before.flags]):
            yield Subject("flag", key)
        within = {
            rule.experiment.key
            for ruleset in (self._before, self._after)
            for flag in ruleset.flags.values()
            for rule in flag.experiments
        }
        for key in dict.fromkeys([*self._after.experiments, *self._before.experiments]):
            if key not in within:
                yield Subject("experiment", key)

    def _names(self, subject: Subject) -> Iterator[str]:
        """What changes call it, and the experiments that are a part of it."""
        yield f"{subject.kind} {subject.key}"
        if subject.kind == "flag":
            for ruleset in self.having(subject):
                for rule in ruleset.flags[subject.key].experiments:
                    yield f"experiment {rule.experiment.key}"

    def _guests(self, subject: Subject) -> Guests:
        return Guests(self._body, self.having(subject), subject)

    def _arms(self, subject: Subject, user: User) -> tuple[Arm, Arm]:
        before, after = (
            arm_of(decide(each, subject, user)) if _has(each, subject) else NOTHING
            for each in (self._before, self._after)
        )
        return before, after

    def key_json(self, subject: Subject, visitors: int) -> dict[str, object]:
        """Who moves from what to what, of so many *visitors*: fewer where each takes long."""
        guests = self._guests(subject)
        visitors = max(1, visitors // guests.cost)
        counts: Counter[tuple[Arm, Arm]] = Counter()
        examples: dict[tuple[Arm, Arm], list[User]] = {}
        for number in range(1, visitors + 1):
            user = guests[number]
            move = self._arms(subject, user)
            counts[move] += 1
            if counts[move] <= _EXAMPLES:
                examples.setdefault(move, []).append(user)
        having = self.having(subject)
        missing = None if len(having) == 2 else "to" if having == [self._before] else "from"  # noqa: PLR2004 -- both
        return {
            "kind": subject.kind,
            "key": subject.key,
            "visitors": visitors,
            "switched": sum(count for move, count in counts.items() if _differ(*move)),
            "missing_in": missing,
            "moves": [
                {
                    "from": arm_json(move[0]),
                    "to": arm_json(move[1]),
                    "count": count,
                    "examples": [
                        {"user": user.id, "attributes": dict(user.attributes)}
                        for user in examples[move]
                    ],
                }
                for move, count in counts.most_common(_MOST_MOVES)
            ],
        }


def _has(ruleset: Ruleset, subject: Subject) -> bool:
    known = ruleset.flags if subject.kind == "flag" else ruleset.experiments
    return subject.key in known


def _differ(before: Arm, after: Arm) -> bool:
    """Whether somebody sees something else: the rule that gives it is nobody's to see."""
    return before[2:] != after[2:]
