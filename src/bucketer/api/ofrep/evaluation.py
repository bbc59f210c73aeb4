"""What a flag is to OpenFeature: a value, a variant, a reason and metadata, of one decision.

A flag with one variable is that variable; with none, whether it is enabled; with more, an object of
all of them. `flag.variable` and `flag.enabled` name a part. An experiment is its variation's key.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quote

from bucketer.api.http import ProfileNeeded
from bucketer.api.json_text import to_json
from bucketer.core.bucketing import TOTAL_TRAFFIC, bucket_of, hash_of
from bucketer.core.decision import FEATURE_TEST
from bucketer.core.errors import InvalidRequest, UnknownFlag
from bucketer.core.slips import nearest
from bucketer.core.user import User

from .context import InvalidContext, TargetingKeyMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bucketer.api.http import Known
    from bucketer.api.options import ApiOptions
    from bucketer.core.decision import Decision
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Experiment, Flag, Rule, Ruleset
    from bucketer.ports import EditionFacts, Engine

    from .context import Context

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
#: Longer keys are looked up as they stand, and not for a part behind a dot.
_LONGEST_ADDRESS = 512
_NO_OPTIONS: frozenset[str] = frozenset()
#: How much of rendered evaluations is kept; then all is forgotten.
ROOM_BYTES = 4 * 1024 * 1024
_AN_ENTRY = 400


class FlagNotFound(UnknownFlag):
    """No flag, part of one or experiment has that key."""


class Address:
    """What a key names: a flag, a part of it, or an experiment.

    Attributes:
        key: as clients know it.
        flag: the flag, or None for an experiment.
        part: the key of a variable, `enabled`, or None for the flag's own value.
        experiment_key: of an experiment; empty for a flag.
    """

    __slots__ = ("experiment_key", "flag", "key", "part")

    def __init__(
        self, key: str, flag: Flag | None, part: str | None = None, experiment_key: str = ""
    ) -> None:
        self.key, self.flag, self.part, self.experiment_key = key, flag, part, experiment_key


class Evaluator:
    """Evaluates by one edition. Safe to share by threads; what it remembers is bounded."""

    def __init__(self, edition: EditionFacts, options: ApiOptions, engine: Engine) -> None:
        self.edition = edition
        self.ruleset: Ruleset = edition.ruleset
        self._options = options
        self._engine = engine
        self._addresses: tuple[Address, ...] | None = None
        self._pieces: dict[tuple[object, ...], tuple[str, str]] = {}
        self._left_bytes = ROOM_BYTES

    # -- addresses --------------------------------------------------------------------------

    def address(self, key: str) -> Address:
        """Return what *key* names.

        Raises:
            FlagNotFound: nothing.
        """
        ruleset = self.ruleset
        flag = ruleset.flags.get(key)
        if flag is not None:
            return Address(key, flag)
        if len(key) <= _LONGEST_ADDRESS:
            head, dot, part = key.rpartition(".")
            while dot:
                flag = ruleset.flags.get(head)
                if flag is not None and (part == ENABLED or part in flag.variables):
                    return Address(key, flag, part)
                head, dot, more = head.rpartition(".")
                part = f"{more}.{part}"
        if self._options.ofrep_experiments and key in ruleset.experiments:
            return Address(key, None, experiment_key=key)
        raise FlagNotFound(key, ruleset.revision, nearest(key, ruleset.flags))

    def addresses(self, keys: list[str] | None) -> Iterator[Address]:
        """Go through what a bulk evaluation answers: all there is, or what of it *keys* name."""
        if self._addresses is None:
            self._addresses = tuple(self._all())
        if keys is None:
            yield from self._addresses
            return
        wanted = frozenset(keys)
        for address in self._addresses:
            if address.key in wanted or (address.flag and address.flag.key in wanted):
                yield address

    def _all(self) -> Iterator[Address]:
        taken = set(self.ruleset.flags)
        for key in self.ruleset.flag_order:
            flag = self.ruleset.flags[key]
            yield Address(key, flag)
            parts = list(flag.variables) if len(flag.variables) > 1 else []
            for part in dict.fromkeys([*parts, ENABLED]):
                if f"{key}.{part}" not in taken:  # a flag of that name comes first
                    yield Address(f"{key}.{part}", flag, part)
        if self._options.ofrep_experiments:
            for key in self.ruleset.experiments:
                if key not in taken:
                    yield Address(key, None, experiment_key=key)

    # -- deciding ---------------------------------------------------------------------------

    def user(self, context: Context, known: Known | None) -> User:
        """Put together what is known of the user.

        Raises:
            InvalidContext: the targeting key, or the bucketing id, can't be hashed.
            ProfileNeeded: profiles are in use, and the user's has not been looked up yet.
        """
        key = context.targeting_key
        try:
            if known is None and not (self._options.profiles and key):
                return User(key or "", context.attributes)
            if self._options.profiles and key and (known is None or known.profile is None):
                User(key, context.attributes)  # raises for an id that no store should see
                raise ProfileNeeded(key)
            profile = None if known is None else known.profile
            predictions = None if known is None else known.predictions
            return User(key or "", context.attributes, profile=profile, predictions=predictions)
        except InvalidRequest as error:
            raise InvalidContext(str(error), field="targetingKey") from None

    def decide(self, address: Address, user: User, *, anonymous: bool) -> Decision:
        """Decide what *address* is about.

        Raises:
            TargetingKeyMissing: the user is *anonymous*, and the decision depends on who it is.
            PredictionNeeded: a contextual bandit must be asked first.
        """
        trace: list[Reason] | None = [] if anonymous else None
        if address.flag is None:
            decision = self._engine.activate(self.ruleset, address.experiment_key, user, trace)
        else:
            key = address.flag.key
            decision = self._engine.decide(self.ruleset, key, user, _NO_OPTIONS, trace)
        if trace and any(_depends_on_the_user(each) for each in trace):
            message = (
                f"Flag '{address.key[:200]}' depends on the user; the context needs a targetingKey."
            )
            raise TargetingKeyMissing(message, field="targetingKey")
        return decision

    # -- rendering --------------------------------------------------------------------------

    def render(self, address: Address, context: Context, user: User, decision: Decision) -> str:
        """Return the JSON text of one evaluation.

        All of it but the user is kept, for whoever gets the same decision.

        Raises:
            InvalidContext: the context asks for a variable that the flag doesn't have.
        """
        part = address.part
        if part is None and context.variable_key is not None and address.flag is not None:
            part = context.variable_key
            if part not in address.flag.variables:
                message = f"Flag '{address.key[:200]}' has no variable '{part[:200]}'."
                raise InvalidContext(message, field="variableKey")
        rule = self._rule_of(address, decision)
        reason = _reason(address.flag, rule, decision, user)
        memory = (address.key, part, decision.base, reason)
        pieces = self._pieces.get(memory)
        if pieces is None:
            pieces = self._remember(memory, self._make(address, part, rule, reason, decision))
        before, after = pieces
        text = before + quote(user.id) + after
        if rule is not None:
            bucket = bucket_of(hash_of(user.hash_prefix, rule.id_bytes))
            return f'{text}, "bucket": {bucket}}}}}'
        return f"{text}}}}}"

    def _make(
        self,
        address: Address,
        part: str | None,
        rule: Experiment | None,
        reason: str,
        decision: Decision,
    ) -> tuple[str, str]:
        fields: dict[str, object] = {"key": address.key}
        if reason != DISABLED or part == ENABLED or self._options.ofrep_off_values:
            fields["value"] = _value(address.flag, part, decision)
        fields |= {"reason": reason, "variant": decision.variation_key or NO_VARIANT}
        metadata: dict[str, object] = {
            "flagSetId": self.ruleset.environment_key or self.ruleset.project_id,
            "version": self.ruleset.revision,
        }
        if decision.rule_key is not None:
            metadata["ruleKey"] = decision.rule_key
        if rule is not None:
            metadata["experimentId"] = rule.id
            variation = rule.by_key.get(decision.variation_key or "")
            if variation is not None and isinstance(variation.id, str):
                metadata["variationId"] = variation.id
        before = to_json(fields)[:-1] + f', "metadata": {to_json(metadata)[:-1]}, "contextId": '
        return before, ""

    def _remember(self, memory: tuple[object, ...], pieces: tuple[str, str]) -> tuple[str, str]:
        cost_bytes = len(pieces[0]) + len(pieces[1]) + _AN_ENTRY
        if cost_bytes > self._left_bytes:
            self._pieces.clear()
            self._left_bytes = ROOM_BYTES
        if cost_bytes <= self._left_bytes:
            self._left_bytes -= cost_bytes
            self._pieces[memory] = pieces
        return pieces

    def _rule_of(self, address: Address, decision: Decision) -> Experiment | None:
        if address.flag is None:
            return self.ruleset.experiments.get(address.experiment_key)
        rule = _rule_named(address.flag, decision)
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


def _reason(flag: Flag | None, rule: Experiment | None, decision: Decision, user: User) -> str:
    """Say in OpenFeature's words how the decision came about."""
    if flag is None:
        if decision.variation_key is None:
            return DISABLED
        return _of_experiment(rule, user)
    if not decision.enabled:
        return DISABLED
    if rule is None:
        return TARGETING_MATCH if decision.variation_key is not None else DEFAULT
    if decision.source == FEATURE_TEST:
        return _of_experiment(rule, user)
    if _splits(rule):
        return SPLIT
    last = flag.rollout[-1]
    if last.key != decision.rule_key:
        return TARGETING_MATCH
    return DEFAULT if flag.experiments or len(flag.rollout) > 1 else STATIC


def _of_experiment(rule: Experiment | None, user: User) -> str:
    if rule is None or rule.whitelist.get(user.id) is not None:
        return TARGETING_MATCH
    return SPLIT if _splits(rule) or rule.group is not None else TARGETING_MATCH


def _splits(rule: Experiment) -> bool:
    """Say whether the traffic line of *rule* leads to more than one end."""
    if rule.cmab is not None or rule.allocation is None:
        return True
    ranges = rule.allocation.ranges
    ends = {entity_id for entity_id, _, _ in ranges}
    return len(ends) != 1 or not ranges or ranges[-1][2] < TOTAL_TRAFFIC


def _depends_on_the_user(reason: Reason) -> bool:
    """Say whether another user might have fared otherwise at this step."""
    values = reason.values
    if "bucket" not in values:
        return False
    if reason.code != "bucketed":
        return True
    return not (values.get("start", 0) == 0 and values.get("end") == TOTAL_TRAFFIC)
