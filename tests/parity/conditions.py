"""Every match, with every kind of value in the datafile, for every kind of value a user has.

The run of whole datafiles meets the likely combinations; here each one is met, one condition at a
time, with values drawn anew. What was met is read from the datafile and the users themselves, so a
combination that is no longer drawn fails the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random
from typing import Any

from bucketer.core.compile import compile_datafile
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User
from bucketer.reference.sdk import OfficialSdk
from bucketer.verify.calls import Call
from bucketer.verify.visitors import VERSIONS, WRONG_KINDS

from .compare import Tally, compare_call
from .datafiles.audiences import ODD_VALUES, WORDS
from .datafiles.coverage import ABSENT, MATCHES, combination, kind_of, refuses
from .scenes import audience, datafile, leaf, rule

_WORDS = [word for words in WORDS.values() for word in words]


def _by_kind(values: Iterable[object]) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {kind_of(ABSENT): [ABSENT]}
    for each in values:
        found.setdefault(kind_of(each), []).append(each)
    return found


WANTED = _by_kind([*_WORDS, *VERSIONS, *ODD_VALUES])
HAVE = _by_kind([*_WORDS, *VERSIONS, *WRONG_KINDS])


def run_conditions(seeds: Iterable[str]) -> Tally:
    """Draw a value for each combination, and compare whom the condition lets in and keeps out."""
    tally = Tally()
    for seed in seeds:
        for match in MATCHES:
            _compare_match(Random(f"{seed} {match}"), seed, match, tally)
    return tally


def _compare_match(rng: Random, seed: str, match: str, tally: Tally) -> None:
    """One experiment per kind of value that wants the condition to be true, one that it be false."""
    conditions = [
        _condition(match, rng.choice(values))
        for kind, values in WANTED.items()
        if not refuses(match, kind)
    ]
    document = datafile(
        *(rule(f"1{i}", audienceIds=[str(i)]) for i in range(len(conditions))),
        *(rule(f"2{i}", audienceConditions=["not", str(i)]) for i in range(len(conditions))),
        typedAudiences=[audience(each, str(i)) for i, each in enumerate(conditions)],
    )
    text = json.dumps(document)
    sdk, ruleset = OfficialSdk(text, validate=False), compile_datafile(parse_datafile(text))
    users = [_user(rng, values, conditions) for values in HAVE.values()]
    for index, audience_of in enumerate(document["typedAudiences"]):
        for user in users:
            tally.seen[combination(audience_of["conditions"], user.attributes)] += 1
            for asked in (f"rule_1{index}", f"rule_2{index}"):
                call = Call("get_variation", (asked,))
                compare_call(f"{seed}, {match}", call, user, ruleset, sdk, tally)


def _condition(match: str, value: object) -> dict[str, Any]:
    condition = leaf(match, value)
    if value is ABSENT:
        del condition["value"]
    return condition


def _user(rng: Random, values: list[object], conditions: list[dict[str, Any]]) -> User:
    """A user with a value of one kind; half of the time one that a condition asks for."""
    kind = kind_of(values[0])
    if values[0] is ABSENT:
        return User("somebody", {"other": 1})
    asked = [each["value"] for each in conditions if kind_of(each.get("value", ABSENT)) == kind]
    return User("somebody", {"n": rng.choice(asked if asked and rng.random() < 0.5 else values)})
