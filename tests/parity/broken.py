"""Broken datafiles: the broken part decides nothing, all the rest decides as the SDK does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from copy import deepcopy
from random import Random

from bucketer.core.compile import compile_datafile
from bucketer.core.decide import decide
from bucketer.core.parse import parse_datafile
from bucketer.core.ruleset import Ruleset
from bucketer.core.user import User
from bucketer.reference.sdk import OfficialSdk, ReferenceRejected
from bucketer.verify.calls import Call
from bucketer.verify.vocabulary import Vocabulary

from .breakages import BREAKAGES, Broken
from .compare import Difference, Tally, compare_visit, show
from .datafiles import generate
from .draw import Visit, draw_visit

VISITS = 3
#: Each datafile is broken in one of so many shares of the ways.
SHARE = 2
_NAMES = tuple(sorted(BREAKAGES))


def run_broken(seeds: Iterable[str]) -> Tally:
    """Break the datafile of each seed in one way after the other."""
    tally = Tally()
    for number, seed in enumerate(seeds):
        for name in _NAMES[number % SHARE :: SHARE]:
            compare_broken(seed, name, tally)
    return tally


def compare_broken(seed: str, name: str, tally: Tally) -> None:
    """Break the datafile of *seed* in the way called *name* and compare."""
    datafile = deepcopy(generate(seed).datafile)
    keys = [flag["key"] for flag in datafile["featureFlags"]]
    if len(set(keys)) < len(keys):
        return  # of two flags with one key only the last counts: which one breaks is another story
    rng = Random(f"{seed} {name}")
    broken = BREAKAGES[name](datafile, rng)
    tally.seen[f"broken: {name}"] += 1
    where = f"{seed}, {name}"
    _check_refused(broken, where, tally)
    ruleset = compile_datafile(parse_datafile(json.dumps(broken.datafile)))
    if broken.told and not ruleset.diagnostics:
        tally.differ(Difference(where, "compile", "", "no diagnostic", "at least one"))
    sdk = OfficialSdk(json.dumps(broken.twin), validate=broken.validate)
    vocabulary = Vocabulary(broken.twin)
    ignored: Counter[str] = Counter()
    for index in range(VISITS):
        visit = draw_visit(rng, vocabulary, ignored)
        calls = [_outside(call, vocabulary) for call in visit.calls]
        visit.calls = [call for call in calls if call is not None]
        compare_visit(f"{where}, visit {index}", visit, ruleset, sdk, tally)
        for key in broken.dead:
            _check_dead(ruleset, key, visit, where, tally)


def _outside(call: Call, vocabulary: Vocabulary) -> Call | None:
    """The call without the flags that the twin doesn't have; None for what can't leave them out."""
    if call.name == "decide_all":
        return Call("decide_for_keys", (list(vocabulary.flags), *call.arguments))
    return None if call.name == "get_enabled_features" else call


def _check_refused(broken: Broken, where: str, tally: Tally) -> None:
    try:
        OfficialSdk(json.dumps(broken.datafile))
    except ReferenceRejected:
        refused = True
    else:
        refused = False
    if refused is not broken.refused:
        theirs = f"refused: {refused}"
        tally.differ(Difference(where, "load", "", f"refused: {broken.refused}", theirs))


def _check_dead(ruleset: Ruleset, key: str, visit: Visit, where: str, tally: Tally) -> None:
    """A flag that is broken is there and decides nothing, without an event."""
    decision = decide(ruleset, key, visit.user)
    tally.comparisons += 1
    tally.seen["flag decides nothing"] += 1
    found = (
        decision.variation_key, decision.rule_key, decision.enabled, decision.impressions,
        decision.bucketed, decision.error,
    )  # fmt: skip
    if found != (None, None, False, (), None, None):
        user: User = visit.user
        tally.differ(Difference(where, f"decide({key!r})", show(user), str(found), "nothing"))
