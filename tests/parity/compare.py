"""A range of seeds in, a Tally out: both engines asked the same, and what differed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from bucketer.core.compile import compile_datafile
from bucketer.core.parse import parse_datafile
from bucketer.core.ruleset import Ruleset
from bucketer.core.user import User
from bucketer.reference.sdk import OfficialSdk
from bucketer.verify.calls import Call, Seen, ask_core, ask_sdk
from bucketer.verify.vocabulary import Vocabulary

from .datafiles import generate
from .datafiles.coverage import conditions_of
from .draw import Visit, draw_visit, note_conditions
from .mended import RAISED, raising_is_unknown
from .survey import note_answer, note_reasons

VISITS = 12


class Difference(NamedTuple):
    """Two answers that should be one, with all that is needed to see them again."""

    seed: str
    call: str
    user: str
    ours: str
    theirs: str

    def __str__(self) -> str:
        return "\n".join(f"{name:>7}: {value}" for name, value in self._asdict().items())


class Tally:
    """What a run has come to.

    Attributes:
        comparisons: answers compared, one per call.
        seen: construct → how often it was met.
        differences: the first ones, in full.
        differing: how many there were.
    """

    KEPT = 20

    def __init__(self) -> None:
        self.comparisons = 0
        self.seen: Counter[str] = Counter()
        self.differences: list[Difference] = []
        self.differing = 0

    def add(self, other: Tally) -> None:
        """Take in what another run has come to."""
        self.comparisons += other.comparisons
        self.seen += other.seen
        self.differing += other.differing
        self.differences = (self.differences + other.differences)[: self.KEPT]

    def differ(self, difference: Difference) -> None:
        """Note one difference."""
        self.differing += 1
        if len(self.differences) < self.KEPT:
            self.differences.append(difference)


def run(seeds: Iterable[str], visits: int = VISITS) -> Tally:
    """Compare on the datafile of each seed, with *visits* visitors each."""
    tally = Tally()
    for seed in seeds:
        compare_datafile(seed, visits, tally)
    return tally


def compare_datafile(seed: str, visits: int, tally: Tally) -> None:
    """Compare on one generated datafile."""
    generated = generate(seed)
    tally.seen.update(generated.seen)
    text = generated.text()
    sdk, ruleset = OfficialSdk(text), compile_datafile(parse_datafile(text))
    vocabulary = Vocabulary(generated.datafile)
    asked = conditions_of(generated.datafile)
    rng = Random(f"visits of {seed}")
    for index in range(visits):
        visit = draw_visit(rng, vocabulary, tally.seen)
        note_conditions(asked, visit.user, tally.seen)
        compare_visit(f"{seed}, visit {index}", visit, ruleset, sdk, tally)
        if index % 3 == 0:
            _survey(sdk, visit.user, tally)


def compare_visit(
    seed: str, visit: Visit, ruleset: Ruleset, sdk: OfficialSdk, tally: Tally
) -> None:
    """Put every question of one visit to both."""
    for call in visit.calls:
        user = visit.who(call)
        theirs = compare_call(seed, call, user, ruleset, sdk, tally)
        note_answer(call, theirs, user, tally.seen)


def compare_call(
    seed: str, call: Call, user: User, ruleset: Ruleset, sdk: OfficialSdk, tally: Tally
) -> Seen:
    """Put one question to both; returns the SDK's answer."""
    theirs = ask_mended(call, sdk, user, tally)
    try:
        ours: Seen | str = ask_core(call, ruleset, user)
    except Exception as error:  # noqa: BLE001 -- whatever is raised is a difference
        ours = f"raises {error!r}"
    tally.comparisons += 1
    if ours != theirs:
        tally.differ(Difference(seed, str(call), show(user), str(ours), str(theirs)))
    return theirs


def ask_mended(call: Call, sdk: OfficialSdk, user: User, tally: Tally) -> Seen:
    """The SDK's answer, with section 6 applied where it raises."""
    try:
        return ask_sdk(call, sdk, user)
    except RAISED:
        tally.seen["the SDK raises where we answer"] += 1
        with raising_is_unknown():
            return ask_sdk(call, sdk, user)


def _survey(sdk: OfficialSdk, user: User, tally: Tally) -> None:
    with raising_is_unknown():
        note_reasons(sdk, user, tally.seen)


def show(user: User) -> str:
    """All that is known of *user*, as it can be typed in again."""
    predictions = {
        rule: None if each is None else (each.variation_id, each.cmab_uuid)
        for rule, each in (user.predictions or {}).items()
    }
    return (
        f"User({user.id!r}, {user.attributes!r}, segments={user.segments!r}, "
        f"forced_decisions={user.forced_decisions!r}, "
        f"forced_variations={user.forced_variations!r}, profile={user.profile!r}, "
        f"predictions={predictions!r})"
    )
