"""Datafile and seed in, Report out: many invented visitors decided by both engines.

Everything that a datafile decides by key is asked: each experiment and delivery rule as `activate`
asks it, each flag as `decide` does. The same datafile, seed and number of users give the same
report.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bucketer.core.compile import compile_datafile
from bucketer.core.parse import parse_datafile
from bucketer.core.ruleset import Ruleset
from bucketer.core.user import User
from bucketer.reference.sdk import OfficialSdk

from .calls import Call, Seen, ask_core, ask_sdk
from .visitors import made, visitors
from .vocabulary import Vocabulary

#: How many differences are kept in full.
KEPT = 5


class Difference(NamedTuple):
    """One visitor for whom the two disagree.

    Attributes:
        number: of the visitor, from 0.
        call: what was asked, as the SDK calls it.
        user: id, attributes and segments.
        ours, theirs: the answers: value, impressions, profile to be saved.
    """

    number: int
    call: str
    user: dict[str, object]
    ours: str
    theirs: str


class Report:
    """What the comparison has come to.

    Attributes:
        seed: makes the same visitors again.
        users: visitors invented.
        comparisons: answers compared.
        differing: how many of them differ.
        differences: the first few, in full.
        raised: answers that the SDK owes because it raises an exception, which is no difference:
            there a condition is UNKNOWN here.
    """

    def __init__(self, seed: int, users: int) -> None:
        self.seed, self.users = seed, users
        self.comparisons = self.differing = self.raised = 0
        self.differences: list[Difference] = []

    def to_json(self) -> dict[str, object]:
        """The report as a JSON object."""
        return {
            "equal": not self.differing,
            "seed": self.seed,
            "users": self.users,
            "comparisons": self.comparisons,
            "differing": self.differing,
            "sdk_raised": self.raised,
            "differences": [each._asdict() for each in self.differences],
        }


def verify(raw: bytes, seed: int, users: int, advance: Callable[[int], None]) -> Report:
    """Compare on the datafile *raw*.

    Args:
        raw: the datafile's text.
        seed: makes the visitors.
        users: how many of them.
        advance: called with the number of visitors done, as they are.

    Raises:
        DatafileError: the document can't be used at all, or the SDK refuses it whole
            (`ReferenceRejected`).
    """
    datafile = parse_datafile(raw)
    ruleset, sdk = compile_datafile(datafile), OfficialSdk(raw)
    report = Report(seed, users)
    calls = list(questions(ruleset))
    for number, user in enumerate(visitors(Vocabulary(datafile), seed, users)):
        without_context = made(user.id, user.attributes, predictions=user.predictions)
        for call in calls:
            who = user if call.name == "decide" else without_context
            _compare(call, ruleset, sdk, who, number, report)
        advance(1)
    return report


def questions(ruleset: Ruleset) -> Iterator[Call]:
    """Everything that can be asked by key. The empty key is refused before anyone is asked."""
    for key in filter(None, ruleset.experiments):
        yield Call("activate", (key,))
    for key in ruleset.flags:
        yield Call("decide", (key, ()))


def _compare(
    call: Call, ruleset: Ruleset, sdk: OfficialSdk, user: User, number: int, report: Report
) -> None:
    ours = ask_core(call, ruleset, user)
    try:
        theirs = ask_sdk(call, sdk, user)
    except Exception:  # noqa: BLE001 -- whatever it raises, there is no answer to compare with
        report.raised += 1
        return
    report.comparisons += 1
    if ours == theirs:
        return
    report.differing += 1
    if len(report.differences) < KEPT:
        report.differences.append(
            Difference(number, str(call), _facts(user), _text(ours), _text(theirs))
        )


def _facts(user: User) -> dict[str, object]:
    facts: dict[str, object] = {"id": user.id, "attributes": json.loads(_plain(user.attributes))}
    if user.segments is not None:
        facts["segments"] = list(user.segments)
    return facts


def _plain(attributes: object) -> str:
    return json.dumps(attributes, default=str)


def _text(seen: Seen) -> str:
    sent = "".join(f"; sends {tuple(each)}" for each in seen.sent)
    saved = f"; saves {seen.saved}" if seen.saved is not None else ""
    return f"{seen.value}{sent}{saved}"
