"""Contextual bandits (CMAB): the core says what it needs to know, the edge asks.

Source: optimizely-sdk 5.7.0, decision_service.py:_get_decision_for_cmab_experiment.
"""

from __future__ import annotations

from .bucketing import hash_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .ruleset import Experiment, Variation
    from .user import User


class PredictionNeeded(Exception):
    """A contextual bandit must be asked before this decision can be made.

    Fetch the prediction, put it (or None, if asking failed) into `User.predictions` under
    `rule_id`, and decide again.

    Attributes:
        rule_id: id of the bandit's rule.
        user_id: the visitor.
        attributes: `(attribute id, value)` that the bandit may see, in the rule's order.
        options: decide options that concern what is remembered of it; whoever passes it on may set
            them.
    """

    options: Collection[str] = ()

    def __init__(
        self, rule_id: str, user_id: str, attributes: Sequence[tuple[str, object]]
    ) -> None:
        super().__init__(rule_id, user_id)
        self.rule_id, self.user_id, self.attributes = rule_id, user_id, attributes


class PredictionFailed(Exception):
    """The bandit was asked and did not answer.

    Attributes:
        experiment: its rule.
    """

    def __init__(self, experiment: Experiment) -> None:
        super().__init__(experiment.key)
        self.experiment = experiment

    def __str__(self) -> str:
        key = self.experiment.key
        return f"The contextual bandit could not be asked about experiment '{key}'."


def ask_bandit(experiment: Experiment, user: User) -> Variation | None:
    """The variation that the bandit chose, for a user whom the audience lets in.

    Raises:
        PredictionNeeded: the user is in the bandit's traffic and brings no prediction of its.
        PredictionFailed: asking for one has failed, or the datafile has no question for it.
    """
    allocation, group, cmab = experiment.allocation, experiment.group, experiment.cmab
    if allocation is None or cmab is None:
        return None
    if group is not None:
        owner = group.allocation.entity_id(hash_of(user.hash_prefix, group.id_bytes))
        if not owner or owner != experiment.id:
            return None
    if not allocation.entity_id(hash_of(user.hash_prefix, experiment.id_bytes)):
        return None
    if cmab.attributes is None:
        raise PredictionFailed(experiment)
    if user.predictions is None or experiment.id not in user.predictions:
        have = user.attributes
        seen = [(id_, have[key]) for id_, key in cmab.attributes if key in have]
        raise PredictionNeeded(experiment.id, user.id, seen)
    prediction = user.predictions[experiment.id]
    if prediction is None:
        raise PredictionFailed(experiment)
    chosen = experiment.by_id.get(prediction.variation_id) if prediction.variation_id else None
    return None if chosen is None or chosen.of_holdout else chosen
