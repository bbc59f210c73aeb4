"""Decision in, JSON text of its evaluation out: a value, a variant, a reason and metadata.

All of it but the user's id and bucket depends on the decision alone, so it is rendered once.
A flag with one variable is that variable; with none, whether it is enabled; with more, an object of
all of them. `flag.variable` and `flag.enabled` name a part. An experiment is its variation's key.
"""

from __future__ import annotations

from bucketer.api.json_text import to_json
from bucketer.core.bucketing import TOTAL_TRAFFIC, bucket_of, hash_of
from bucketer.core.decision import FEATURE_TEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.decision import Decision
    from bucketer.core.ruleset import Experiment, Flag, Rule, Ruleset, Variation
    from bucketer.core.user import User

STATIC, DEFAULT, SPLIT, TARGETING_MATCH, DISABLED = (
    "STATIC",
    "DEFAULT",
    "SPLIT",
    "TARGETING_MATCH",
    "DISABLED",
)
#: What clients are told in the place of a variation's key, where there is none.
NO_VARIANT = "off"
ENABLED = "enabled"
_NOBODY: dict[str, Variation | None] = {}


class Address:
    """What a key names: a flag, a part of it, or an experiment.

    Attributes:
        key: as clients know it.
        subject: what is decided for it.
        part: the key of a variable, `enabled`, or None for the flag's own value.
    """

    __slots__ = ("key", "part", "subject")

    def __init__(self, key: str, subject: Subject, part: str | None = None) -> None:
        self.key, self.subject, self.part = key, subject, part


class Subject:
    """What is decided at once: a flag, or an experiment.

    Attributes:
        key: its key.
        flag: the flag, or None for an experiment.
        addresses: what a bulk evaluation answers of it.
        known: what decisions come to, by their `base`; for one whom a whitelist names, by their
            `base` and True.
    """

    __slots__ = ("addresses", "flag", "key", "known")

    def __init__(self, key: str, flag: Flag | None) -> None:
        self.key, self.flag = key, flag
        self.addresses: tuple[Address, ...] = ()
        self.known: dict[object, Rendered] = {}


class Rendered:
    """What one decision comes to, for whomever.

    Attributes:
        rule: whose bucket is told, or None.
        reason: in OpenFeature's words.
        whitelist: who gets there by being named in it, for another reason.
        befores: by key and part, the JSON text up to the user's id.
        all: those of the subject's addresses, once a bulk evaluation has asked; else empty.
    """

    __slots__ = ("all", "befores", "reason", "rule", "whitelist")

    def __init__(
        self,
        rule: Experiment | None,
        reason: str,
        whitelist: dict[str, Variation | None],
    ) -> None:
        self.rule, self.reason, self.whitelist = rule, reason, whitelist
        self.befores: dict[tuple[str, str | None], str] = {}
        self.all: tuple[str, ...] = ()

    def after(self, user: User, quoted_id: str) -> str:
        """Return what stands behind each of `befores` for *user*, whose id is *quoted_id*."""
        rule = self.rule
        if rule is None:
            return f"{quoted_id}}}}}"
        bucket = bucket_of(hash_of(user.hash_prefix, rule.id_bytes))
        return f'{quoted_id}, "bucket": {bucket}}}}}'


def rendered(
    ruleset: Ruleset, subject: Subject, decision: Decision, *, whitelisted: bool
) -> Rendered:
    """Settle what can be told of *decision*, about *subject*, for a user who is *whitelisted*."""
    flag, rule = subject.flag, _rule_of(ruleset, subject, decision)
    reason = _reason(flag, rule, decision, whitelisted=whitelisted)
    whitelist = _NOBODY if rule is None or whitelisted else rule.whitelist
    return Rendered(rule, reason, whitelist)


def text_before(
    ruleset: Ruleset,
    found: Rendered,
    address: Address,
    part: str | None,
    decision: Decision,
    *,
    off_values: bool,
) -> str:
    """Render the evaluation of *address* up to the user's id."""
    rule, reason = found.rule, found.reason
    fields: dict[str, object] = {"key": address.key}
    if reason != DISABLED or part == ENABLED or off_values:
        fields["value"] = _value(address.subject.flag, part, decision)
    fields |= {"reason": reason, "variant": decision.variation_key or NO_VARIANT}
    metadata: dict[str, object] = {
        "flagSetId": ruleset.environment_key or ruleset.project_id,
        "version": ruleset.revision,
    }
    if decision.rule_key is not None:
        metadata["ruleKey"] = decision.rule_key
    if rule is not None:
        metadata["experimentId"] = rule.id
        variation = rule.by_key.get(decision.variation_key or "")
        if variation is not None and isinstance(variation.id, str):
            metadata["variationId"] = variation.id
    return to_json(fields)[:-1] + f', "metadata": {to_json(metadata)[:-1]}, "contextId": '


def _rule_of(ruleset: Ruleset, subject: Subject, decision: Decision) -> Experiment | None:
    if subject.flag is None:
        return ruleset.experiments.get(subject.key)
    rule = _rule_named(subject.flag, decision)
    return None if rule is None else rule.experiment


def _rule_named(flag: Flag, decision: Decision) -> Rule | None:
    if decision.rule_key is None:
        return None
    rules = flag.experiments if decision.source == FEATURE_TEST else flag.rollout
    return next((each for each in rules if each.key == decision.rule_key), None)


def _value(flag: Flag | None, part: str | None, decision: Decision) -> object:
    if flag is None:
        return decision.variation_key or NO_VARIANT
    if part is not None and part in flag.variables:
        return decision.variables.get(part)
    if part == ENABLED or not flag.variables:
        return decision.enabled
    if len(flag.variables) == 1:
        return next(iter(decision.variables.values()), None)
    return dict(decision.variables)


def _reason(
    flag: Flag | None, rule: Experiment | None, decision: Decision, *, whitelisted: bool
) -> str:
    """Say in OpenFeature's words how the decision came about."""
    if flag is None:
        if decision.variation_key is None:
            return DISABLED
        return _of_experiment(rule, whitelisted=whitelisted)
    if not decision.enabled:
        return DISABLED
    if rule is None:
        return TARGETING_MATCH if decision.variation_key is not None else DEFAULT
    if decision.source == FEATURE_TEST:
        return _of_experiment(rule, whitelisted=whitelisted)
    if _splits(rule):
        return SPLIT
    last = flag.rollout[-1]
    if last.key != decision.rule_key:
        return TARGETING_MATCH
    return DEFAULT if flag.experiments or len(flag.rollout) > 1 else STATIC


def _of_experiment(rule: Experiment | None, *, whitelisted: bool) -> str:
    if rule is None or whitelisted:
        return TARGETING_MATCH
    return SPLIT if _splits(rule) or rule.group is not None else TARGETING_MATCH


def _splits(rule: Experiment) -> bool:
    """Say whether the traffic line of *rule* leads to more than one end."""
    if rule.cmab is not None or rule.allocation is None:
        return True
    ranges = rule.allocation.ranges
    ends = {entity_id for entity_id, _, _ in ranges}
    return len(ends) != 1 or not ranges or ranges[-1][2] < TOTAL_TRAFFIC
