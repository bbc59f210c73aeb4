"""What rules deliver, and to whom: traffic that leads nowhere, rules that nobody reaches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bucketer.core.bucketing import TOTAL_TRAFFIC
from bucketer.core.diagnostic import Diagnostic

from .parts import DELIVERY, HOLDOUT, audience_tree, list_of, rules, section, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bucketer.core.ruleset import Ruleset

    from .parts import Entity, Part

#: Optimizely's own, of experiments and holdouts.
_STATUSES: Final = (
    *("Running", "Paused", "Not started", "Draft", "Launched", "Concluded", "Archived"),
)
_UNKNOWN_STATUS: Final = {
    DELIVERY: ("note", "a delivery rule delivers whatever its status is"),
    HOLDOUT: ("warning", "the holdout keeps nobody out: only `Running` does"),
}
_NOT_RUN: Final = ("warning", "the experiment doesn't run: only `Running` does")
#: Fields of holdouts that neither the official SDK nor we look at, and what is done in their place.
_IGNORED: Final = {
    "includedFlags": "the holdout is for every flag",
    "excludedFlags": "the holdout is for those flags, too",
}


class _Range(NamedTuple):
    """A part of a traffic line: `share` of 10,000 buckets, less than none where it runs back."""

    at: str
    entity: str
    share: float


def _line(owner: Part) -> list[_Range]:
    """The traffic line of a rule or group, as far as it is well-formed."""
    found, start = [], 0.0
    for each in owner.parts("trafficAllocation"):
        end = each.raw.get("endOfRange")
        if isinstance(end, (int, float)) and not isinstance(end, bool) and end == end:  # noqa: PLR0124 -- NaN
            stop = max(0.0, min(float(TOTAL_TRAFFIC), end))
            found.append(_Range(each.at, each.text("entityId") or "", stop - start))
            start = max(start, stop)
    return found


def _given(rule: Part) -> float:
    """How many buckets of 10,000 get a variation."""
    if isinstance(cmab := rule.raw.get("cmab"), dict) and cmab:
        traffic = cmab.get("trafficAllocation")
        return traffic if isinstance(traffic, (int, float)) else 0
    known = {each.text("id") for each in rule.parts("variations")}
    return sum(each.share for each in _line(rule) if each.share > 0 and each.entity in known)


def idle_traffic(datafile: Entity) -> Iterator[Diagnostic]:
    """Find ranges that no bucket is in, and rules that have no traffic at all."""
    for rule in rules(datafile):
        if not isinstance(rule.raw.get("trafficAllocation"), list):
            continue  # the compiler has told that
        runs = rule.kind == DELIVERY or rule.raw.get("status") == "Running"
        at = f"{rule.at}/trafficAllocation"
        if not _given(rule):
            if runs:
                told = "nobody gets a variation by it"
                yield Diagnostic(at, "note", "traffic for a variation", "0 %", told)
        elif not rule.raw.get("cmab"):
            yield from _dead_ranges(rule)
        group = rule.group
        if runs and group is not None and group.get("policy") == "random":
            shares = {
                each.get("entityId")
                for each in list_of(group, "trafficAllocation")
                if isinstance(each, dict) and isinstance(each.get("entityId"), str)
            }
            if rule.text("id") not in shares:
                told = "nobody is in this experiment"
                yield Diagnostic(rule.at, "note", "a share of its group's traffic", "none", told)
    for group_place in section(datafile, "groups"):
        yield from _dead_ranges(group_place)


def _dead_ranges(owner: Part) -> Iterator[Diagnostic]:
    for each in _line(owner):
        if each.entity and each.share <= 0:
            severity, found = ("warning", "one before it") if each.share < 0 else ("note", "0 %")
            yield Diagnostic(
                f"{each.at}/endOfRange",
                severity,
                "an end beyond the range before it",
                found,
                f"no traffic leads to {shown(each.entity)} from here",
            )


def unreachable_rules(datafile: Entity, ruleset: Ruleset) -> Iterator[Diagnostic]:
    """Find rules of flags that others keep everybody from, and rollouts that no flag has."""
    every = list(rules(datafile))
    experiments = {each.text("id"): each for each in every if each.kind not in {DELIVERY, HOLDOUT}}
    rollouts = {each.text("id"): each for each in section(datafile, "rollouts")}
    used = set()
    for flag in section(datafile, "featureFlags"):
        used.add(flag.text("rolloutId"))
        known = ruleset.flags.get(flag.text("key") or "")
        if known is None or known.broken is not None:
            continue
        ids = [each for each in list_of(flag.raw, "experimentIds") if isinstance(each, str)]
        tests = [experiments[each] for each in ids if each in experiments]
        rollout = rollouts.get(flag.text("rolloutId"))
        delivery = list(rollout.parts("experiments", DELIVERY)) if rollout else []
        yield from _blocked(tests, delivery)
    for id_, rollout in rollouts.items():
        if id_ not in used and list_of(rollout.raw, "experiments"):
            told = "its rules only answer to their own keys"
            yield Diagnostic(rollout.at, "note", "a flag that names it", "none", told)


def _blocked(tests: Sequence[Part], delivery: Sequence[Part]) -> Iterator[Diagnostic]:
    """Find what stands behind a rule that takes everybody, or all whom it is for."""
    taken: dict[str, Part] = {}
    for rule in tests:
        blocker = taken.get("[]") or taken.get(_people(rule))
        if blocker is not None:
            yield _unreachable(rule, f"{blocker.at}, which takes all of them")
        elif _takes_all(rule):
            taken[_people(rule)] = rule
    everybody = taken.get("[]")
    seen: dict[str, Part] = {}
    for rule in delivery:
        last = rule is delivery[-1]
        blocker = everybody or taken.get(_people(rule))
        passed = seen.get("[]") or seen.get(_people(rule))
        if blocker is not None:
            yield _unreachable(rule, f"{blocker.at}, which takes all of them")
        elif passed is not None and not last:
            # Whoever qualifies and misses is sent on to the last rule, past those between.
            yield _unreachable(rule, f"{passed.at}, which is for them too")
        elif last and (whole := seen.get("[]")) is not None and _given(whole) >= TOTAL_TRAFFIC:
            yield _unreachable(rule, f"{whole.at}, which takes all of them")
        seen.setdefault(_people(rule), rule)


def _unreachable(rule: Part, before: str) -> Diagnostic:
    return Diagnostic(
        rule.at,
        "warning",
        "somebody who gets this far",
        f"nobody behind {before}",
        "the rule decides nothing for its flag",
    )


def _people(rule: Part) -> str:
    """Whom a rule is for, as one text; everybody is an empty list."""
    return json.dumps(audience_tree(rule.raw) or [])


def _takes_all(rule: Part) -> bool:
    """Whether an experiment gives a variation to each user whom it is for."""
    group: Any = rule.group or {}
    shares = group.get("policy") == "random" or rule.raw.get("groupPolicy") == "random"
    alone = not shares and rule.raw.get("type") != "fr" and bool((rule.text("key") or "").strip())
    return alone and rule.raw.get("status") == "Running" and _given(rule) >= TOTAL_TRAFFIC


def odd_rules(datafile: Entity) -> Iterator[Diagnostic]:
    """Find statuses that nobody knows, and fields of holdouts that are ignored."""
    ids = {each.text("id") for each in rules(datafile)}
    for rule in rules(datafile):
        status = rule.text("status")
        if status is not None and status not in _STATUSES:
            severity, told = _UNKNOWN_STATUS.get(rule.kind, _NOT_RUN)
            expected = f"one of {', '.join(_STATUSES)}"
            yield Diagnostic(f"{rule.at}/status", severity, expected, shown(status), told)
    for name in ("holdouts", "localHoldouts"):
        for holdout in section(datafile, name):
            yield from _ignored(holdout, ids)


def _ignored(holdout: Part, ids: set[str | None]) -> Iterator[Diagnostic]:
    local = holdout.kind == "localHoldouts"
    ignored = {**_IGNORED} if not local else dict.fromkeys(_IGNORED, "includedRules alone counts")
    if not local:
        ignored["includedRules"] = "the holdout is for every flag; localHoldouts are for rules"
    for field, told in ignored.items():
        if holdout.raw.get(field):
            at = f"{holdout.at}/{field}"
            yield Diagnostic(at, "warning", f"no {field}", "one, which is ignored", told)
    for index, each in enumerate(list_of(holdout.raw, "includedRules") if local else []):
        if not isinstance(each, str) or each not in ids:
            at = f"{holdout.at}/includedRules/{index}"
            told = "it keeps nobody out of anything"
            yield Diagnostic(at, "warning", "the id of a rule", "another id", told)
