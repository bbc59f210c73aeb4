"""Why Agent decides a flag or an experiment otherwise for a user: what docs/agent-differences.md says of decisions.

Each is looked for where it applies: in the rules of that flag, for that user's attributes or profile.
"""

from __future__ import annotations

import json
from functools import cache

from .go_audiences import differing_rules, rules_of, user_of

AND = "AND ends at the first condition that can't be evaluated"
NUMBER = "a number beyond ±2**53 is compared"
VERSION = "a release is taken for earlier than its own pre-releases"
UNKNOWN_PREDICTION = "a bandit that names a variation which isn't there ends the decision"
STORED_FOR_A_BANDIT = "a stored variation isn't looked at where a bandit decides"
SAVED_WITH_ERROR = "a profile is saved though the answer is an error"
NAMELESS = "a whitelisted variation that isn't there is named"
RANDOM_ORDER = "flags are decided in a random order, so which is first to store for all is too"
REASONS = (
    AND,
    NUMBER,
    VERSION,
    UNKNOWN_PREDICTION,
    STORED_FOR_A_BANDIT,
    SAVED_WITH_ERROR,
    NAMELESS,
    RANDOM_ORDER,
)
_AUDIENCE = {"and": AND, "number": NUMBER, "version": VERSION}
_NOT_THERE = ", which is not in the datafile."


def why(talk, asked, key):
    """Return a reason why Agent decides *key*, a flag or an experiment, otherwise for who *asked*; or None."""
    rules = _rules(talk.datafile, key)
    differing = _differing(json.dumps(asked.body, sort_keys=True), _Held(talk.datafile))
    for rule in rules:
        if rule["id"] in differing:
            return _AUDIENCE[differing[rule["id"]]]
    bandits = {rule["id"] for rule in rules if rule.get("cmab")}
    if bandits and asked.user_id.startswith("none-"):
        return UNKNOWN_PREDICTION
    if bandits & stored_before(talk, asked):
        return STORED_FOR_A_BANDIT
    if talk.conversation["agent"] == "profiles" and any(
        map(_is_error, _decided_before(talk, asked))
    ):
        return SAVED_WITH_ERROR
    return None


def why_all(talk, asked):
    """Return a reason for any of the flags and experiments that *asked* is about, or None."""
    flags = [flag["key"] for flag in talk.datafile.get("featureFlags", ())]
    if asked.path == "/v1/decide":
        keys = asked.values("keys") or flags
    else:
        keys = asked.values("experimentKey") + asked.values("featureKey")
        keys += flags if "feature" in asked.values("type") else []
        rules = rules_of(talk.datafile) if "experiment" in asked.values("type") else ()
        keys += [rule["key"] for rule in rules]
    return next(filter(None, (why(talk, asked, key) for key in keys)), None)


def why_shown(talk, asked):
    """Return a reason for the differences between the two bodies, which are lists of decisions, or None.

    Each decision that differs must have one; the first one's is returned.
    """
    agents, ours = (_by_key(body) for body in asked.bodies)
    if agents is None or ours is None:
        return why_all(talk, asked)
    differing = [key for key in agents.keys() | ours.keys() if agents.get(key) != ours.get(key)]
    if not differing:
        return None
    reasons = []
    for kind, key in sorted(differing):
        one, other = agents.get((kind, key)), ours.get((kind, key))
        if one and other and _without_a_name(one) == _without_a_name(other):
            reasons.append(NAMELESS)
        elif one and other and len(agents) > 1 and _is_first_elsewhere(talk, one, other):
            reasons.append(RANDOM_ORDER)
        else:
            reasons.append(why(talk, asked, key))
    return None if None in reasons else reasons[0]


def why_stored(talk, asked):
    """Return a reason why the profile that is looked up is another one, or None."""
    maps = [_stored_of(body) for body in asked.bodies]
    if None in maps:
        return None
    agents, ours = maps
    differing = [id_ for id_ in agents.keys() | ours.keys() if agents.get(id_) != ours.get(id_)]
    keys = {rule["id"]: rule["key"] for rule in rules_of(talk.datafile)}
    reasons = []
    for id_ in sorted(differing):
        before = _decided_before(talk, asked)
        if id_ in agents and any(map(_is_error, before)):
            reasons.append(SAVED_WITH_ERROR)
        else:
            flags = [f["key"] for f in talk.datafile["featureFlags"] if id_ in f["experimentIds"]]
            named = [keys[id_], *flags] if id_ in keys else []
            found = (why(talk, each, key) for each in before for key in named)
            reasons.append(next(filter(None, found), None))
    return reasons[0] if reasons and None not in reasons else None


def _stored_of(body):
    return body.get("experimentBucketMap") if isinstance(body, dict) else None


def _decided_before(talk, asked):
    """The requests for decisions about the same user before *asked*."""
    found = []
    for each in talk.asked:
        if each is asked:
            break
        if each.decides and each.user_id == asked.user_id:
            found.append(each)
    return found


def _is_error(asked):
    return asked.statuses[0] != 200 and asked.statuses[1] != 200


def stored_before(talk, asked):
    """Ids of the rules that the user's profile held: what was saved in the same conversation."""
    found = set()
    for each in talk.asked:
        if each is asked:
            break
        saved = each.body.get("experimentBucketMap")
        if each.path == "/v1/save" and each.user_id == asked.user_id:
            found = set(saved) if isinstance(saved, dict) else set()
    return found


def _by_key(body):
    """{(kind, key): decision}, or None for what are no decisions."""
    shown = [body] if isinstance(body, dict) and "flagKey" in body else body
    if not isinstance(shown, list) or not all(isinstance(each, dict) for each in shown):
        return None
    found = {}
    for each in shown:
        if "flagKey" in each:
            found["flag", each["flagKey"]] = each
        elif each.get("type") == "feature":
            found["flag", each["featureKey"]] = each
        else:
            found["experiment", each.get("experimentKey") or each.get("featureKey")] = each
    return found


def _is_first_elsewhere(talk, one, other):
    """Whether two decisions of a flag differ only in that another flag has stored for one of them before.

    The rule that decides must be several flags'; the reason of who comes later ends with what is stored.
    """
    if {**one, "reasons": 0} != {**other, "reasons": 0}:
        return False
    flags = talk.datafile["featureFlags"]
    id_ = next((r["id"] for r in rules_of(talk.datafile) if r["key"] == one.get("ruleKey")), None)
    if sum(id_ in flag["experimentIds"] for flag in flags) < 2:
        return False
    later, first = sorted((one["reasons"], other["reasons"]), key=_tells_of_stored, reverse=True)
    if not _tells_of_stored(later) or _tells_of_stored(first):
        return False
    return first[: len(later) - 1] == later[:-1] and f'"{one["ruleKey"]}"' in later[-1]


def _tells_of_stored(reasons):
    return bool(reasons) and "was previously bucketed into variation " in reasons[-1]


def _without_a_name(decision):
    """A decision whose reasons don't name a variation that isn't in the datafile."""
    reasons = [
        each.rpartition(' into variation "')[0] if each.endswith(_NOT_THERE) else each
        for each in decision.get("reasons") or ()
    ]
    return {**decision, "reasons": reasons}


def _rules(datafile, key):
    """All that may decide a flag or an experiment: its rules, and all holdouts."""
    return _Held(datafile).rules(key)


class _Held:
    """A datafile, as a key of what is remembered of it."""

    def __init__(self, datafile):
        self.datafile = datafile

    def __eq__(self, other):
        return self.datafile is other.datafile

    def __hash__(self):
        return id(self.datafile)

    @cache  # noqa: B019 -- as long as the comparison
    def rules(self, key):
        datafile = self.datafile
        wanted = set()
        for flag in datafile.get("featureFlags", ()):
            if flag["key"] == key:
                wanted |= {*flag["experimentIds"], flag["rolloutId"]}
        found = [rule for rule in rules_of(datafile) if rule["id"] in wanted or rule["key"] == key]
        for rollout in datafile.get("rollouts", ()):
            found += rollout["experiments"] if rollout["id"] in wanted else []
        return [*found, *datafile.get("holdouts", ())]


@cache
def _differing(body, held):
    return differing_rules(held.datafile, user_of(json.loads(body), held.datafile))
