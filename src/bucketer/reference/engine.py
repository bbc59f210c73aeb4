"""The official SDK as an engine: `--engine sdk`, `BUCKETER_ENGINE=sdk`.

The same functions as `bucketer.core.decide`, over a ruleset that carries an SDK client beside our
compiled datafile. Decisions, impressions, profiles and predictions are the SDK's; keys are looked
up, and events written, with what our compiler read.

What the SDK raises (section 6 of docs/parity.md) it raises here too: a request that meets it
answers 500. This engine is for comparing, not for surviving.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, cast

from bucketer.core.bandit import PredictionNeeded
from bucketer.core.compile import compile_datafile as compile_ours
from bucketer.core.decision import EXPERIMENT, ROLLOUT, Decision, Impression
from bucketer.core.errors import UnknownExperiment, UnknownFlag
from bucketer.core.parse import parse_datafile
from bucketer.core.reasons import Reason
from bucketer.core.ruleset import Ruleset
from bucketer.core.slips import unknown
from bucketer.core.user import User

from .sdk import Answer, OfficialSdk, SentImpression

if TYPE_CHECKING:
    from bucketer.core.decision import Source

NO_OPTIONS: frozenset[str] = frozenset()
#: How the SDK says that the bandit could not be asked.
CMAB_FAILED = "Failed to fetch CMAB data"


class ReferenceRuleset(Ruleset):
    """A compiled datafile with the SDK's client over the same text.

    Attributes:
        compiled: what it was made of.
        sdk: the client.
        lock: the client is asked by one thread at a time, since what it sends is caught.
    """

    __slots__ = ("compiled", "lock", "sdk")

    def __init__(self, compiled: Ruleset, sdk: OfficialSdk) -> None:
        """Take over all that *compiled* has."""
        for name in Ruleset.__slots__:
            if name != "__weakref__":  # of the object itself
                setattr(self, name, getattr(compiled, name))
        self.compiled = compiled  # its rules point to it weakly
        self.sdk = sdk
        self.lock = threading.Lock()


class Said(Reason):
    """A reason in the SDK's own words.

    Attributes:
        text: those words.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        super().__init__("sdk", {})
        self.text = text

    def sentence(self, *, dash: str = "-", arrow: str = "->") -> str:
        """The SDK's words, with the SDK's signs."""
        del dash, arrow
        return self.text


def compile_datafile(raw: bytes) -> ReferenceRuleset:
    """Parse and compile *raw*, and build the SDK's client over it.

    Raises:
        DatafileError: the document can't be used at all, or the SDK refuses it
            (`ReferenceRejected`), as it does for a single broken part.
    """
    return ReferenceRuleset(compile_ours(parse_datafile(raw)), OfficialSdk(raw))


def get_variation(
    ruleset: Ruleset, experiment_key: str, user: User, trace: list[Reason] | None = None
) -> Decision:
    """See `bucketer.core.decide.get_variation`."""
    return _experiment("get_variation", ruleset, experiment_key, user, trace)


def activate(
    ruleset: Ruleset, experiment_key: str, user: User, trace: list[Reason] | None = None
) -> Decision:
    """See `bucketer.core.decide.activate`."""
    return _experiment("activate", ruleset, experiment_key, user, trace)


def decide(
    ruleset: Ruleset,
    flag_key: str,
    user: User,
    options: Collection[str] = NO_OPTIONS,
    trace: list[Reason] | None = None,
) -> Decision:
    """See `bucketer.core.decide.decide`."""
    if flag_key not in ruleset.flags:
        raise unknown(ruleset, UnknownFlag, flag_key)
    wanted = [*options, "INCLUDE_REASONS"] if trace is not None else list(options)
    answer = _ask(ruleset, user, lambda sdk: sdk.decide(flag_key, user, wanted))
    return _flag_decision(answer, user, trace)


def decide_for_keys(
    ruleset: Ruleset, keys: Iterable[str], user: User, options: Collection[str] = NO_OPTIONS
) -> dict[str, Decision]:
    """See `bucketer.core.decide.decide_for_keys`; each flag is asked for by itself."""
    decisions: dict[str, Decision] = {}
    for key in dict.fromkeys(keys):
        if key in ruleset.flags:
            decisions[key] = decision = decide(ruleset, key, user, options)
            if decision.bucketed is not None:
                user = user.knowing(profile={**(user.profile or {}), **dict([decision.bucketed])})
    return decisions


def decide_all(
    ruleset: Ruleset, user: User, options: Collection[str] = NO_OPTIONS
) -> dict[str, Decision]:
    """See `bucketer.core.decide.decide_all`."""
    return decide_for_keys(ruleset, ruleset.flag_order, user, options)


def _experiment(
    how: str, ruleset: Ruleset, key: str, user: User, trace: list[Reason] | None
) -> Decision:
    if key not in ruleset.experiments:
        raise unknown(ruleset, UnknownExperiment, key)
    answer = _ask(ruleset, user, lambda sdk: getattr(sdk, how)(key, user))
    if trace is not None:
        trace.append(Said(f"The official SDK was asked to {how} and gives no reasons for it."))
    return Decision(
        flag_key="",
        rule_key=key,
        variation_key=answer.value,
        enabled=answer.value is not None,
        variables={},
        source=EXPERIMENT,
        impressions=_impressions(answer),
        bucketed=_bucketed(answer, user),
    )


def _flag_decision(answer: Answer, user: User, trace: list[Reason] | None) -> Decision:
    found = answer.value
    # The SDK repeats what it said before each experiment; said once is enough.
    reasons = list(dict.fromkeys(found.reasons))
    if trace is not None:
        trace.extend(map(Said, reasons))
    impressions = _impressions(answer)
    return Decision(
        flag_key=found.flag_key,
        rule_key=found.rule_key,
        variation_key=found.variation_key,
        enabled=bool(found.enabled),
        variables=found.variables or {},
        # Only delivery rules and no decision at all can go without an impression.
        source=impressions[-1].rule_type if impressions else ROLLOUT,
        impressions=impressions,
        bucketed=_bucketed(answer, user),
        error=next((each for each in reasons if each.startswith(CMAB_FAILED)), None),
    )


def _ask(ruleset: Ruleset, user: User, call: Callable[[OfficialSdk], Answer]) -> Answer:
    """Ask the client of *ruleset*.

    Raises:
        PredictionNeeded: it wanted a prediction that *user* doesn't bring.
    """
    reference = cast("ReferenceRuleset", ruleset)
    with reference.lock:
        answer = call(reference.sdk)
        rule_id = reference.sdk.missing_prediction
    if rule_id is None:
        return answer
    bandit = ruleset.experiments_by_id[rule_id].cmab
    seen = (bandit.attributes or ()) if bandit is not None else ()
    have = user.attributes
    raise PredictionNeeded(rule_id, user.id, [(id_, have[key]) for id_, key in seen if key in have])


def _impressions(answer: Answer) -> tuple[Impression, ...]:
    return tuple(
        Impression(
            flag_key=each.flag_key,
            rule_key=each.rule_key,
            rule_type=cast("Source", each.rule_type),
            enabled=each.enabled,
            campaign_id=each.campaign_id,
            experiment_id=each.experiment_id,
            variation_id=each.variation_id,
            variation_key=each.variation_key,
            cmab_uuid=each.cmab_uuid,
        )
        for each in answer.sent
        if isinstance(each, SentImpression)
    )


def _bucketed(answer: Answer, user: User) -> tuple[str, str] | None:
    """What is new in the profile that the SDK would save: at most one entry for one flag."""
    if answer.saved is None:
        return None
    before = user.profile or {}
    changed = (item for item in answer.saved.items() if before.get(item[0]) != item[1])
    return next(changed, None)
