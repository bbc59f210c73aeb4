"""The compiled form of a datafile: what a request looks things up in.

Built by `compile`, read by `decide`. Nothing in here changes once compiled, save that each rule
remembers the decisions it has already spelled out, the same whoever is first.
"""

from __future__ import annotations

from .bucketing import OUTSIDE
from .decision import ROLLOUT, Decision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from .audience import Audience
    from .bucketing import Allocation, Assign, AssignFor
    from .decision import Source
    from .diagnostic import Diagnostic
    from .envelope import Envelope
    from .integration import Integration
    from .membership import Membership

#: What the decisions that flags remember may take, for one datafile; and what one takes.
ROOM_BYTES = 32 * 1024 * 1024
_A_DECISION, _A_VARIABLE = 1_000, 150
#: The whitelist of nearly all experiments; one for all, never written to.
_NOBODY: dict[str, Variation | None] = {}


class Variation:
    """One variation of one experiment, rule or holdout.

    Attributes:
        feature_enabled: as the datafile has it: usually a bool, but any JSON value may stand there.
        overrides: variable id → value text, of this variation.
        of_holdout: it came from a holdout, which the reference keeps in another form.
    """

    __slots__ = ("feature_enabled", "id", "key", "of_holdout", "overrides")

    def __init__(
        self,
        id: str,  # noqa: A002 -- Optimizely's word
        key: str,
        feature_enabled: object,
        overrides: Mapping[str, object],
        *,
        of_holdout: bool = False,
    ) -> None:
        self.id = id
        self.key = key
        self.feature_enabled = feature_enabled
        self.overrides = overrides
        self.of_holdout = of_holdout


class Group:
    """Experiments that exclude one another: one traffic line shared out among them."""

    __slots__ = ("allocation", "id", "id_bytes", "policy")

    def __init__(self, id: str, policy: object, allocation: Allocation) -> None:  # noqa: A002
        self.id = id
        self.id_bytes = id.encode()
        self.policy = policy
        self.allocation = allocation


class Cmab:
    """A contextual bandit's part of an experiment.

    Attributes:
        attributes: `(attribute id, attribute key)` that the bandit may see, in order; None where
            the datafile says it so that the bandit can't be asked.
    """

    __slots__ = ("attributes",)

    def __init__(self, attributes: tuple[tuple[str, str], ...] | None) -> None:
        self.attributes = attributes


class Experiment:
    """An experiment, delivery rule or holdout as bucketing sees it.

    Attributes:
        status: as the datafile has it; empty where that is broken. Only explanations look at it.
        running: whether its status is exactly `Running`. Delivery rules never look at it.
        kind: the datafile's `type`: `ab`, `mab`, `cmab`, `td`, `fr` or whatever stands there.
        audience_tree: the tree behind it, for explanations.
        group: set when it shares traffic with others under the policy `random`.
        closed: why nobody can be bucketed into it (a blank key, a missing group), or None.
        allocation: its traffic line, and `variations`, what each part of it gives (None for
            nothing; one more at the end for the unallocated rest).
        whitelist: user id → variation (None where the key names no variation).
        by_key, by_id: variations as the reference finds them by this experiment's *key*, which
            another rule of the same key may have taken over.
        by_own_id: variations as it finds them by this experiment's id.
        assign: audience, group and traffic as one function: user → variation; None where traffic
            leads to none, False where the audience keeps the user out. Written when first called.
        is_plain: it runs, and nothing but whitelist, audience and traffic decides.
        decisions, silent_decisions: what `activate` and `get_variation` answer, by variation.
        broken: why it decides nothing, or None.
    """

    __slots__ = (
        "__weakref__",
        "allocation",
        "answers",
        "assign",
        "audience_tree",
        "broken",
        "by_id",
        "by_key",
        "by_own_id",
        "closed",
        "cmab",
        "decisions",
        "group",
        "id",
        "id_bytes",
        "is_plain",
        "key",
        "kind",
        "layer_id",
        "running",
        "silent_answers",
        "silent_decisions",
        "status",
        "variations",
        "whitelist",
    )

    def __init__(self, id: str, key: str) -> None:  # noqa: A002 -- Optimizely's word
        self.id = id
        self.id_bytes = id.encode("utf-8", "surrogatepass")
        self.key = key
        self.layer_id: object = None
        self.kind: object = None
        self.status = ""
        self.running = False
        self.audience_tree: object = None
        self.group: Group | None = None
        self.closed: str | None = None
        self.cmab: Cmab | None = None
        self.allocation: Allocation | None = None
        self.variations: tuple[Variation | None, ...] = (None,)
        self.whitelist: dict[str, Variation | None] = _NOBODY
        self.by_key: dict[str, Variation] = {}
        self.by_id: dict[str, Variation] = {}
        self.by_own_id: dict[str, Variation] = {}
        self.broken: str | None = None
        self.is_plain = False
        self.assign: Assign = lambda _user: OUTSIDE
        self.answers: list[Decision | None] = [None]
        self.silent_answers: list[Decision | None] = [None]
        self.decisions: dict[Variation | None, Decision] = {}
        self.silent_decisions: dict[Variation | None, Decision] = {}


class Rule:
    """One flag's use of an experiment or delivery rule.

    Attributes:
        id, key, layer_id: as the flag's decision names it.
        experiment: what buckets. For a delivery rule whose id another entity has taken over, this
            is the other entity, as in the reference.
        holdouts: local holdouts that target this rule.
        decisions: variation → decision, remembered.
        answers: the same by index into the experiment's `variations`: False where that leads to
            no variation, None until first given.
    """

    __slots__ = (
        "answers",
        "decisions",
        "experiment",
        "holdouts",
        "id",
        "key",
        "layer_id",
        "source",
    )

    def __init__(
        self,
        named: Experiment,
        experiment: Experiment,
        source: Source,
        holdouts: tuple[Holdout, ...],
    ) -> None:
        self.id = named.id
        self.key = named.key
        self.layer_id = named.layer_id
        self.experiment = experiment
        self.source = source
        self.holdouts = holdouts
        self.decisions: dict[Variation, Decision] = {}
        self.answers: list[Decision | Literal[False] | None] = [False]


class Holdout:
    """A running holdout.

    Attributes:
        experiment: its audience, traffic and variations.
        excludes_targeted_deliveries: whether users it holds still get targeted deliveries.
    """

    __slots__ = ("decisions", "excludes_targeted_deliveries", "experiment")

    def __init__(self, experiment: Experiment, *, excludes_targeted_deliveries: bool) -> None:
        self.experiment = experiment
        self.excludes_targeted_deliveries = excludes_targeted_deliveries
        #: By flag key and variation.
        self.decisions: dict[tuple[str, Variation], Decision] = {}


class Variable:
    """One variable of a flag; `kind` is boolean, integer, double, string, json, or anything."""

    __slots__ = ("default", "id", "key", "kind")

    def __init__(self, id: str, key: str, kind: object, default: object) -> None:  # noqa: A002
        self.id = id
        self.key = key
        self.kind = kind
        self.default = default


class Flag:
    """A feature flag.

    Attributes:
        experiments: its experiment rules, in order.
        rollout: its delivery rules, in order; the last one is Everyone Else.
        variables: by key.
        defaults: what every variable is when the flag is off.
        variations: all of its variations, unique by id in the order first seen.
        nothing: the decision when no rule decides.
        rollout_missing: how the rollout is missing (for explanations), or None.
        broken: why this flag decides nothing, or None.
        is_plain: nothing but whitelists, audiences and traffic decides, for a user of whom no more
            is known.
        forced: flag-level forced decisions by variation, remembered.
    """

    __slots__ = (
        "broken",
        "defaults",
        "experiments",
        "forced",
        "is_plain",
        "key",
        "nothing",
        "rollout",
        "rollout_missing",
        "variables",
        "variations",
    )

    def __init__(
        self, key: str, variables: dict[str, Variable], defaults: dict[str, object]
    ) -> None:
        self.key = key
        self.variables = variables
        self.defaults = defaults
        self.experiments: tuple[Rule, ...] = ()
        self.rollout: tuple[Rule, ...] = ()
        self.rollout_missing: str | None = None
        self.variations: tuple[Variation, ...] = ()
        self.broken: str | None = None
        self.is_plain = False
        self.nothing = Decision(
            flag_key=key,
            rule_key=None,
            variation_key=None,
            enabled=False,
            variables=defaults,
            source=ROLLOUT,
            impressions=(),
        )
        self.forced: dict[Variation, Decision] = {}

    def variation_by_key(self, key: str) -> Variation | None:
        """The first of the flag's variations with that key."""
        return next((each for each in self.variations if each.key == key), None)

    def variation_by_id(self, id: str) -> Variation | None:  # noqa: A002
        """The flag's variation with that id."""
        return next((each for each in self.variations if each.id == id), None)


class EventType:
    """A conversion event that the datafile knows."""

    __slots__ = ("id", "key")

    def __init__(self, id: str, key: str) -> None:  # noqa: A002
        self.id = id
        self.key = key


class Ruleset:
    """A compiled datafile.

    Attributes:
        version, revision, account_id, project_id, region: as the datafile has them (region: `US`).
        environment: tells the project's environments apart, maybe by the SDK key: never shown.
        environment_key, sdk_key: its name and key, as the datafile says them, or "".
        anonymize_ip: copied into events. bot_filtering: True or False where it is said, else None.
        send_flag_decisions: whether delivery rules and "no variation" call for impressions.
        experiments, experiments_by_id: by key and id, as the reference resolves them: among
            experiments, delivery rules and group members the last one wins.
        idle_deliveries: ids of the delivery rules of rollouts that no flag has.
        flags: by key; `flag_order` lists the keys as the datafile does.
        holdouts: running global ones, in order. audiences: by id; typed win over dummy twins.
        attribute_ids, events: attribute key → id; events by key.
        overrides: variation id → variable id → value text; the last writer wins.
        odp: what it says of ODP, or None. diagnostics: what the compiler gave up on.
        room_bytes: what may still be remembered of decisions.
    """

    __slots__ = (
        "__weakref__",
        "account_id",
        "anonymize_ip",
        "asked_for",
        "assigns",
        "attribute_ids",
        "audiences",
        "bot_filtering",
        "diagnostics",
        "envelope",
        "environment",
        "environment_key",
        "events",
        "experiments",
        "experiments_by_id",
        "flag_order",
        "flags",
        "holdouts",
        "idle_deliveries",
        "memberships",
        "odp",
        "overrides",
        "project_id",
        "region",
        "revision",
        "room_bytes",
        "sdk_key",
        "send_flag_decisions",
        "version",
    )

    def __init__(self, *, version: str, revision: str, account_id: str, project_id: str) -> None:
        self.version = version
        self.revision = revision
        self.account_id = account_id
        self.project_id = project_id
        self.environment = ""
        self.environment_key = ""
        self.sdk_key = ""
        self.region = "US"
        self.anonymize_ip: object = False
        self.bot_filtering: bool | None = None
        self.send_flag_decisions = False
        self.experiments: dict[str, Experiment] = {}
        self.experiments_by_id: dict[str, Experiment] = {}
        self.flags: dict[str, Flag] = {}
        self.flag_order: tuple[str, ...] = ()
        self.holdouts: tuple[Holdout, ...] = ()
        self.idle_deliveries: tuple[str, ...] = ()
        self.audiences: dict[str, Audience] = {}
        self.attribute_ids: dict[str, str] = {}
        self.events: dict[str, EventType] = {}
        self.overrides: dict[str, Mapping[str, object]] = {}
        self.odp: Integration | None = None
        #: Functions of audiences, and of audience and traffic, by the JSON of their shared trees.
        self.memberships: dict[str, Membership] = {}
        self.assigns: dict[str, AssignFor] = {}
        self.diagnostics: tuple[Diagnostic, ...] = ()
        #: Made when first needed: the attributes that conditions ask for, by `slips`; what every
        #: event of this datafile has in common, by `events`.
        self.asked_for: dict[str, None] | None = None
        self.envelope: Envelope | None = None
        self.room_bytes = ROOM_BYTES

    def has_room_for(self, decision: Decision) -> bool:
        """Whether a decision may be remembered; takes the room for it.

        A datafile has flags times variations of them, each with all variables of its flag.
        """
        cost_bytes = _A_DECISION + _A_VARIABLE * len(decision.variables)
        if cost_bytes > self.room_bytes:
            return False
        self.room_bytes -= cost_bytes
        return True
