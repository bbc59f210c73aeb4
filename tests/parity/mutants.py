"""Datafiles with one node changed at random: nobody has thought of these.

Two laws. Whatever the change, compiling and deciding raise nothing but the documented errors. And
where the SDK still takes the datafile and the compiler sets nothing aside, both decide the same.
(What the compiler sets aside though the SDK takes it is listed in docs/parity.md: ids, keys and
whole lists of a wrong JSON type in the sections that the SDK's schema doesn't look at.)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from copy import deepcopy
from random import Random
from typing import Any

from bucketer.core.compile import compile_datafile
from bucketer.core.errors import DatafileError
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User
from bucketer.reference.sdk import OfficialSdk, ReferenceRejected
from bucketer.verify.calls import Call, Seen, ask_core
from bucketer.verify.vocabulary import Vocabulary

from .compare import Difference, Tally, ask_mended, show
from .datafiles import generate
from .draw import draw_visit

VISITS = 2
PER_DATAFILE = 12
#: What becomes of a changed datafile. A run has to meet each.
MUTATED = frozenset({
    "mutant refused whole", "mutant refused by the SDK alone", "mutant taken by both",
    "mutant set aside in part by us alone",
})  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, "", "x", 0, 1, -1, 5.5, 10**12, True, False, [], [None], [[]], {}, {"a": 1}, ["x"],
    float("nan"), float("inf"), "8000", "404",
)  # fmt: skip


def run_mutants(seeds: Iterable[str]) -> Tally:
    """Change one node of each seed's datafile, several times over."""
    tally = Tally()
    for seed in seeds:
        datafile = generate(seed).datafile
        for number in range(PER_DATAFILE):
            compare_mutant(f"{seed}, mutant {number}", deepcopy(datafile), tally)
    return tally


def compare_mutant(seed: str, datafile: dict[str, Any], tally: Tally) -> None:
    """Change one node of *datafile* and compare."""
    rng = Random(seed)
    change = mutate(rng, datafile)
    where = f"{seed}: {change}"
    vocabulary = Vocabulary(datafile)
    ignored: Counter[str] = Counter()
    visits = [draw_visit(rng, vocabulary, ignored) for _ in range(VISITS)]
    try:
        ruleset = compile_datafile(parse_datafile(json.dumps(datafile)))
    except DatafileError:
        tally.seen["mutant refused whole"] += 1
        return
    except Exception as error:  # noqa: BLE001 -- any other exception is the finding
        tally.differ(Difference(where, "compile", "", repr(error), "a ruleset"))
        return
    try:
        sdk: OfficialSdk | None = OfficialSdk(json.dumps(datafile))
    except ReferenceRejected:
        sdk = None
    if sdk is None:
        tally.seen["mutant refused by the SDK alone"] += 1
    elif any(each.severity == "error" for each in ruleset.diagnostics):
        tally.seen["mutant set aside in part by us alone"] += 1
        sdk = None
    else:
        tally.seen["mutant taken by both"] += 1
    for visit in visits:
        for call in visit.calls:
            user = visit.who(call)
            theirs = None if sdk is None else _ask_if_it_answers(call, sdk, user, tally)
            try:
                ours: Seen | str = ask_core(call, ruleset, user)
            except Exception as error:  # noqa: BLE001 -- any exception is the finding
                ours = f"raises {error!r}"
            tally.comparisons += 1
            if isinstance(ours, str) or (theirs is not None and ours != theirs):
                tally.differ(Difference(where, str(call), show(user), str(ours), str(theirs)))


def _ask_if_it_answers(call: Call, sdk: OfficialSdk, user: User, tally: Tally) -> Seen | None:
    """The SDK's answer; None where this datafile makes it raise beyond its conditions."""
    try:
        return ask_mended(call, sdk, user, tally)
    except Exception:  # noqa: BLE001 -- whatever it raises, section 6 asks only that we don't
        tally.seen["mutant raises in the SDK"] += 1
        return None


def mutate(rng: Random, datafile: dict[str, Any]) -> str:
    """Change one node in place; says where and how."""
    container, key, path = _some_place(rng, datafile)
    drawn = rng.random()
    if drawn < 0.3:
        del container[key]
        return f"{path} deleted"
    if drawn < 0.4 and isinstance(container, list):
        container.append(deepcopy(container[key]))
        return f"{path} repeated"
    container[key] = value = deepcopy(rng.choice(VALUES))
    return f"{path} = {value!r}"


def _some_place(rng: Random, datafile: dict[str, Any]) -> tuple[Any, Any, str]:
    """A random place: mostly deep, each section as likely as the other."""
    node: Any = datafile
    path = ""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = rng.choice(keys)
        path = f"{path}/{key}"
        child = node[key]
        deeper = isinstance(child, (dict, list)) and child
        if not deeper or rng.random() < 0.12:
            return node, key, path
        node = child
