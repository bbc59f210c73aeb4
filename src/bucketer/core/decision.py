"""What deciding answers, and the impressions that it calls for: values, shared by requests."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, TypeAlias

    Source: TypeAlias = Literal["experiment", "feature-test", "rollout", "holdout"]

EXPERIMENT: Source = "experiment"
FEATURE_TEST: Source = "feature-test"
ROLLOUT: Source = "rollout"
HOLDOUT: Source = "holdout"


class Impression:
    """What an impression event says of a decision: everything but the user, the time and the uuid.

    Attributes:
        rule_type: the decision's source.
        variation_id: None where the id is not made of decimal digits, or there is no variation.
        campaign_id: the layer id, or the experiment's id in its place; also the event's entity id.

    Source: optimizely-sdk 5.7.0, event/user_event_factory.py, event/event_id_normalizer.py.
    """

    __slots__ = (
        "campaign_id",
        "cmab_uuid",
        "enabled",
        "experiment_id",
        "flag_key",
        "rendered",
        "rule_key",
        "rule_type",
        "variation_id",
        "variation_key",
    )

    def __init__(  # noqa: PLR0913 -- the fields of the wire format
        self,
        *,
        flag_key: str,
        rule_key: str,
        rule_type: Source,
        enabled: bool,
        campaign_id: str,
        experiment_id: str,
        variation_id: str | None,
        variation_key: str,
        cmab_uuid: str | None = None,
    ) -> None:
        self.flag_key = flag_key
        self.rule_key = rule_key
        self.rule_type = rule_type
        self.enabled = enabled
        self.campaign_id = campaign_id
        self.experiment_id = experiment_id
        self.variation_id = variation_id
        self.variation_key = variation_key
        self.cmab_uuid = cmab_uuid
        #: The wire text around uuid, time and user; made by `events` when first sent.
        self.rendered: tuple[str, str, str] | None = None

    def saying(self, *, enabled: bool | None = None, cmab_uuid: str | None = None) -> Impression:
        """A copy that says something else of these."""
        return Impression(
            flag_key=self.flag_key,
            rule_key=self.rule_key,
            rule_type=self.rule_type,
            enabled=self.enabled if enabled is None else enabled,
            campaign_id=self.campaign_id,
            experiment_id=self.experiment_id,
            variation_id=self.variation_id,
            variation_key=self.variation_key,
            cmab_uuid=self.cmab_uuid if cmab_uuid is None else cmab_uuid,
        )


class Decision:
    """The answer for one flag or experiment. Shared between requests: never change one.

    Attributes:
        flag_key: empty when an experiment was asked by its key.
        rule_key: key of the experiment, delivery rule or holdout; None for none.
        variation_key: None when the user is in no variation.
        enabled: whether the variation turns the flag on.
        variables: typed values by variable key. JSON values are shared too.
        source: what kind of rule decided.
        impressions: what this decision calls for, in order.
        bucketed: `(experiment id, variation id)` to be saved in the user's profile, when there is
            a profile service and the user was newly bucketed.
        error: why there is no decision (the bandit could not be asked), or None.
        strictly_enabled: whether the variation says `true` and nothing merely truthy.
        base: the same for a compiled decision and for copies that read the same: a key for caches
            of answers.
    """

    __slots__ = (
        "base",
        "bucketed",
        "enabled",
        "error",
        "flag_key",
        "impressions",
        "rule_key",
        "source",
        "strictly_enabled",
        "variables",
        "variation_key",
    )

    def __init__(  # noqa: PLR0913 -- the fields of the answer
        self,
        *,
        flag_key: str,
        rule_key: str | None,
        variation_key: str | None,
        enabled: bool,
        variables: Mapping[str, object],
        source: Source,
        impressions: tuple[Impression, ...],
        strictly_enabled: bool = False,
        bucketed: tuple[str, str] | None = None,
        error: str | None = None,
        base: object = None,
    ) -> None:
        self.flag_key = flag_key
        self.rule_key = rule_key
        self.variation_key = variation_key
        self.enabled = enabled
        self.variables = variables
        self.source = source
        self.impressions = impressions
        self.strictly_enabled = strictly_enabled
        self.bucketed = bucketed
        self.error = error
        # Not the decision itself, which would be a circle: what is let go must be free at once.
        self.base = object() if base is None else base

    def but(
        self,
        *,
        enabled: bool | None = None,
        variables: Mapping[str, object] | None = None,
        impressions: tuple[Impression, ...] | None = None,
        bucketed: tuple[str, str] | None = None,
        error: str | None = None,
    ) -> Decision:
        """A copy with these fields changed. It keeps `base` while its answer reads the same."""
        same_answer = enabled is None and variables is None and error is None
        return Decision(
            flag_key=self.flag_key,
            rule_key=self.rule_key,
            variation_key=self.variation_key,
            enabled=self.enabled if enabled is None else enabled,
            variables=self.variables if variables is None else variables,
            source=self.source,
            impressions=self.impressions if impressions is None else impressions,
            strictly_enabled=self.strictly_enabled,
            bucketed=self.bucketed if bucketed is None else bucketed,
            error=self.error if error is None else error,
            base=self.base if same_answer else None,
        )


def reason_of(decision: Decision) -> str:
    """Why, as metrics and the tail tell it: the kind of rule, or `none`, or `error`."""
    if decision.error is not None:
        return "error"
    return "none" if decision.variation_key is None else decision.source
