"""Why a decision came out as it did, in Agent's sentences: the second table beside our own.

What it tells is what the core has traced, in its order. Agent says nothing of buckets.

Source: go-sdk 2.3.1, decision and logging as they answer.
"""

from __future__ import annotations

from bucketer.core.user import BUCKETING_ID

from .audiences import audience_sentences
from .go_format import go_quoted, go_value
from .variables import rule_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Experiment, Flag, Ruleset
    from bucketer.core.user import User

    from .call import Call

_BANDIT_OUT = "User {user} not in CMAB experiment {rule} due to traffic allocation"
#: By code of ours; what has none isn't told. `user`, `place` and the reason's values stand in them.
SENTENCES = {
    "forced_decision": (
        "Variation ({variation}) is mapped to {place} and user ({user}) in the forced decision map."
    ),
    "forced_decision_rule": (
        "Variation ({variation}) is mapped to {place} and user ({user}) in the forced decision map."
    ),
    "forced_decision_unknown": (
        "Invalid variation is mapped to {place} and user ({user}) in the forced decision map."
    ),
    "forced_variation": "Override variation {variation} found for user {user}",
    "whitelisted": (
        'User "{user}" is whitelisted into variation "{variation}" of experiment "{rule}".'
    ),
    "whitelist_unknown": (
        'User "{user}" is whitelisted into variation "{variation}", which is not in the datafile.'
    ),
    "stored": (
        'User "{user}" was previously bucketed into variation "{variation}" of experiment "{rule}".'
    ),
    "stored_unknown": (
        'User "{user}" was previously bucketed into variation with ID "{variation_id}" for '
        'experiment "{rule}", but no matching variation was found.'
    ),
    "bandit_out": _BANDIT_OUT,
    "prediction": "User bucketed into variation {variation} by CMAB service",
    "rollout_missing": 'Rollout with ID "" is not in the datafile.',
}
_NO_RULES = "has no rules"
#: Of a bandit, what Agent tells as traffic that was missed.
_NOT_IN_GROUP = frozenset({"group_out", "closed"})
#: What stands for the end of a holdout's traffic, but for those whom it holds.
_NOT_HELD = frozenset({"bucket_empty", "bucket_unknown", "bucket_missed", "closed"})
_AUDIENCE = frozenset({"audience_everybody", "audience_met", "audience_missed"})


def sentences(trace: list[Reason], ruleset: Ruleset, flag: Flag, user: User) -> Iterator[str]:
    """Tell *trace*, the reasons for a decision of *flag* about *user*, as Agent does."""
    telling = _Telling(ruleset, flag, user)
    for reason in trace:
        yield from telling.of(reason)


def why_no_prediction(call: Call, flag: Flag, user: User) -> list[str]:
    """Name the rule of *flag* whose contextual bandit could not be asked."""
    trace: list[Reason] = []
    engine = getattr(call.api.engine, "plain", call.api.engine)  # it was counted once already
    engine.decide(call.edition.ruleset, flag.key, user, frozenset(), trace)
    for reason in trace:
        if reason.code == "prediction_failed":
            return [f"Failed to fetch CMAB data for experiment {reason.values['rule']}."]
    return []


class _Telling:
    """Tells the reasons for one decision, one after the other."""

    def __init__(self, ruleset: Ruleset, flag: Flag, user: User) -> None:
        self.ruleset, self.flag, self.user = ruleset, flag, user
        #: Where in the rollout the rule is looked for that is told of next.
        self._next = 0

    def of(self, reason: Reason) -> Iterator[str]:
        """Give the sentences for one reason: none, one or several."""
        values, code = reason.values, reason.code
        what, key = values.get("what"), str(values.get("rule", ""))
        if code in _AUDIENCE:
            yield from self._audience(str(what), key, met=code != "audience_missed")
        elif code == "everyone_else":
            self._next = len(self.flag.rollout) - 1
        elif what == "holdout":
            yield from self._holdout(code, key, values)
        elif code == "rollout_missing" and values["why"] == _NO_RULES:
            pass  # Agent tells of a rollout that isn't there, not of one that is empty
        elif code == "stored_unknown" and self._is_bandit(key):
            pass  # whose profiles Agent doesn't look at
        elif code in _NOT_IN_GROUP:
            if self._is_bandit(key):
                yield _BANDIT_OUT.format(user=self.user.id, rule=key)
        elif code in SENTENCES:
            place = f"flag ({values.get('flag', '')})"
            if key:
                place += f", rule ({key})"
            told = {**values, "place": place, "user": self.user.id}
            told["variation"] = values.get("variation") or ""  # a whitelist may name none
            yield SENTENCES[code].format_map(told)

    def _audience(self, what: str, key: str, *, met: bool) -> Iterator[str]:
        if what == "delivery rule":
            yield from self._delivery(key, met=met)
            return
        if what == "holdout":
            tree = next(
                (each.experiment for each in self.ruleset.holdouts if each.experiment.key == key),
                None,
            )
            yield from self._nested(tree)
            yield f"Audiences for holdout {key} collectively evaluated to {_word(met)}."
            meets = "meets" if met else "does not meet"
            yield f"User {self.user.id} {meets} conditions for holdout {key}."
            if met:
                yield from self._bucketing_id(f"holdout {go_quoted(key)}")
            return
        rule = rule_of(self.flag, key)
        experiment = None if rule is None else rule.experiment
        is_bandit = self._is_bandit(key)
        yield from self._nested(experiment)
        yield f"Audiences for experiment {key} collectively evaluated to {_word(met)}."
        if met and is_bandit:
            yield from self._bucketing_id(f"CMAB experiment {key}", quoted=False)
        elif met:
            yield from self._bucketing_id(f"experiment {go_quoted(key)}")
        elif is_bandit:
            yield f"User {self.user.id} not in audience for CMAB experiment {key}"
        else:
            name = self.user.id
            yield f'User "{name}" does not meet conditions to be in experiment "{key}".'

    def _is_bandit(self, key: str) -> bool:
        rule = rule_of(self.flag, key)
        return rule is not None and rule.experiment.cmab is not None

    def _delivery(self, key: str, *, met: bool) -> Iterator[str]:
        """Tell of a delivery rule, which Agent calls by its number."""
        rules = self.flag.rollout
        place = next((i for i in range(self._next, len(rules)) if rules[i].key == key), 0)
        self._next = place + 1
        last = place == len(rules) - 1
        experiment = rules[place].experiment if rules else None
        nested = list(self._nested(experiment))
        yield from nested
        if met:
            yield from nested  # Agent looks twice
            yield f"Audiences for experiment {key} collectively evaluated to true."
            yield from self._bucketing_id(f"experiment {go_quoted(key)}")
            if last:
                yield f'User "{self.user.id}" meets conditions for targeting rule "Everyone Else".'
        elif not last:
            yield f'User "{self.user.id}" does not meet conditions for targeting rule {place + 1}.'

    def _holdout(self, code: str, key: str, values: dict[str, object]) -> Iterator[str]:
        if code == "bucketed":
            yield f"User {self.user.id} is in variation {values['variation']} of holdout {key}."
        elif code in _NOT_HELD:
            yield f"User {self.user.id} is in no holdout variation."

    def _nested(self, experiment: Experiment | None) -> Iterator[str]:
        if experiment is not None and experiment.audience_tree not in (None, []):
            yield from audience_sentences(self.ruleset, experiment.audience_tree, self.user)

    def _bucketing_id(self, where: str, *, quoted: bool = True) -> Iterator[str]:
        """Tell of a bucketing id that is none."""
        if BUCKETING_ID not in self.user.attributes:
            return
        value = self.user.attributes[BUCKETING_ID]
        if isinstance(value, str):
            return
        why = f'invalid bucketing ID provided: "{go_value(value)}"'
        yield f"Error computing bucketing ID for {where}: {go_quoted(why) if quoted else why}"


def _word(met: bool) -> str:
    return "true" if met else "false"
