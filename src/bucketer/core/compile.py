"""Datafile in, ruleset out: all the thinking that needn't be done per request.

A broken part costs that part: it is set aside with a `Diagnostic`, and everything that depends on
it decides nothing; the rest keeps deciding. The order in which the maps are filled is the
reference's, for where two entities claim the same id or key the last one wins.

Source: optimizely-sdk 5.7.0, project_config.py:ProjectConfig.__init__.
"""

from __future__ import annotations

import json

from . import entities
from .assign import write_on_first_use
from .bucketing import TOTAL_TRAFFIC, Allocation
from .conditions import OPERATORS, Audience, compile_tree, unknown
from .entities import Malformed
from .outcomes import nothing_decided
from .parse import json_type
from .ruleset import (
    FEATURE_TEST,
    ROLLOUT,
    Diagnostic,
    EventType,
    Experiment,
    Flag,
    Group,
    Holdout,
    Rule,
    Ruleset,
    Variation,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .conditions import Note, Predicate
    from .parse import Datafile
    from .ruleset import Source, Variable


#: Why nobody can be bucketed into a member of a group that isn't there, by a bandit neither.
_NO_GROUP = "its group is not in the datafile"


def compile_datafile(datafile: Datafile) -> Ruleset:
    """Compile what `parse_datafile` returned.

    Never raises for a bad part; see `Ruleset.diagnostics`. The datafile is only read.
    """
    return _Compilation(datafile).run()


class _Compilation:
    """The maps that are needed while compiling and not afterwards."""

    def __init__(self, datafile: Datafile) -> None:
        self.datafile = datafile
        self.ruleset = Ruleset(
            version=datafile["version"],
            revision=datafile["revision"],
            account_id=datafile["accountId"],
            project_id=datafile["projectId"],
        )
        self.diagnostics: list[Diagnostic] = []
        self.attribute_keys: dict[str, str] = {}
        #: By id, the last writer wins; holdouts apart, since they share no ids with rules.
        self.read: dict[str, _Read] = {}
        self.held: list[_Read] = []
        self.groups: dict[str, Group] = {}
        #: Ids of top-level experiments and group members: the only ones a flag may list.
        self.experiment_ids: set[object] = set()
        #: Rollout id → its rules as it names them, and their JSON. Unusable rollouts are not here.
        self.rollouts: dict[str, tuple[list[Experiment], list[Any]]] = {}
        self.local_holdouts: dict[str, list[Holdout]] = {}
        #: Experiment id → traffic that feature rollouts add at its end.
        self.injected: dict[str, list[tuple[str, float]]] = {}

    def run(self) -> Ruleset:
        self._project_settings()
        self._attributes_and_events()
        self._audiences()
        self._read_holdouts()
        self._read_experiments()
        self._index()
        self._read_flags()
        self._claim()
        for each in self.read.values():
            self._finish(each)
        for each in self.held:
            self._finish(each, is_holdout=True)
        for flag in self.ruleset.flags.values():
            self._finish_flag(flag)
        self.ruleset.diagnostics = tuple(self.diagnostics)
        return self.ruleset

    # --- findings -------------------------------------------------------------------------------

    def _note(self, finding: Malformed, consequence: str, severity: str = "error") -> None:
        self.diagnostics.append(
            Diagnostic(finding.pointer, severity, finding.expected, finding.found, consequence)
        )

    def _section(self, name: str) -> list[Any]:
        """An optional top-level array; anything else there is set aside."""
        section = self.datafile.get(name, [])
        if isinstance(section, list):
            return section
        finding = Malformed(f"/{name}", "an array", json_type(section))
        self._note(finding, "the section is taken as empty")
        return []

    # --- the project ----------------------------------------------------------------------------

    def _project_settings(self) -> None:
        region = self.datafile.get("region")
        self.ruleset.region = region if isinstance(region, str) and region else "US"
        self.ruleset.anonymize_ip = self.datafile.get("anonymizeIP", False)
        filtering = self.datafile.get("botFiltering")
        self.ruleset.bot_filtering = filtering if isinstance(filtering, bool) else None
        self.ruleset.send_flag_decisions = bool(self.datafile.get("sendFlagDecisions", False))

    def _attributes_and_events(self) -> None:
        for index, raw in enumerate(self._section("attributes")):
            at = f"/attributes/{index}"
            try:
                id_, key = entities.field(raw, "id", str, at), entities.field(raw, "key", str, at)
            except Malformed as finding:
                self._note(finding, "the attribute is not sent with events")
                continue
            self.ruleset.attribute_ids[key] = id_
            self.attribute_keys[id_] = key
        for index, raw in enumerate(self._section("events")):
            at = f"/events/{index}"
            try:
                event = EventType(
                    entities.field(raw, "id", str, at), entities.field(raw, "key", str, at)
                )
            except Malformed as finding:
                self._note(finding, "the event can't be tracked")
                continue
            self.ruleset.events[event.key] = event

    # --- audiences ------------------------------------------------------------------------------

    def _audiences(self) -> None:
        places: dict[str, tuple[str, Any, str]] = {}
        for section in ("audiences", "typedAudiences"):
            for index, raw in enumerate(self._section(section)):
                at = f"/{section}/{index}"
                try:
                    id_ = entities.field(raw, "id", str, at)
                    name = entities.field(raw, "name", str, at)
                    if "conditions" not in raw:
                        raise Malformed(f"{at}/conditions", "conditions", "nothing")  # noqa: TRY301 -- one of several findings
                    tree = raw["conditions"]
                    if section == "audiences":
                        tree = _read_text_conditions(tree, f"{at}/conditions")
                except Malformed as finding:
                    self._note(finding, "nobody can be judged by this audience")
                    continue
                places[id_] = (name, tree, f"{at}/conditions")
        for id_, (name, tree, at) in places.items():
            audience = Audience(id_, name, tree)
            self.ruleset.audiences[id_] = audience
            for where, expected, found in audience.notes:
                self._note(
                    Malformed(at + where, expected, found),
                    f"this part of audience '{name}' is UNKNOWN for everybody",
                    "warning",
                )

    def _note_unknowns(self, tree: object, at: str) -> None:
        known = self.ruleset.audiences
        if isinstance(tree, list) and all(
            isinstance(each, str) and (each in known or each in OPERATORS) for each in tree
        ):
            return  # flat, which most are
        notes: list[Note] = []

        def leaf(id_: object, where: str) -> Predicate:
            if not isinstance(id_, str):
                notes.append((where, "the id of an audience", json_type(id_)))
            elif id_ not in known:
                notes.append((where, "the id of an audience", "an unknown id"))
            return unknown

        compile_tree(tree, leaf, notes)
        for where, expected, found in notes:
            finding = Malformed(at + where, expected, found)
            self._note(finding, "it is UNKNOWN for everybody", "warning")

    # --- experiments, delivery rules, groups -----------------------------------------------------

    def _read_experiments(self) -> None:
        """Fill `read`, in the order that decides who wins an id: experiments, rollouts, groups."""
        for index, raw in enumerate(self._section("experiments")):
            self._read_one(raw, f"/experiments/{index}")
            if isinstance(raw, dict) and isinstance(raw.get("id"), str):
                self.experiment_ids.add(raw["id"])
        self._read_rollouts()
        groups: dict[str, tuple[Group, dict[str, Any], str]] = {}
        for index, raw in enumerate(self._section("groups")):
            at = f"/groups/{index}"
            group = self._read_group(raw, at)
            if group is not None:
                groups[group.id] = (group, raw, at)
        self.groups = {id_: group for id_, (group, _, _) in groups.items()}
        for group, raw, at in groups.values():
            for index, member in enumerate(raw["experiments"]):
                self._read_one(member, f"{at}/experiments/{index}", group)
                if isinstance(member.get("id"), str):
                    self.experiment_ids.add(member["id"])

    def _read_one(self, raw: Any, at: str, group: Group | None = None) -> Experiment | None:
        """Read one rule. A broken one still owns its id and key: nobody else answers to them."""
        try:
            experiment = entities.read_experiment(raw, at)
        except Malformed as finding:
            self._note(finding, "the rule decides nothing, nor do flags that use it")
            if not isinstance(raw, dict):
                return None
            id_, key = raw.get("id"), raw.get("key")
            if not (isinstance(id_, str) and isinstance(key, str)):
                return None
            experiment = Experiment(id_, key)
            experiment.broken = finding.pointer
        self.read[experiment.id] = _Read(experiment, raw, at, group)
        return experiment

    def _read_rollouts(self) -> None:
        layers: dict[str, tuple[list[Any], str]] = {}
        for index, raw in enumerate(self._section("rollouts")):
            at = f"/rollouts/{index}"
            try:
                id_ = entities.field(raw, "id", str, at)
                layers[id_] = (entities.field(raw, "experiments", list, at), f"{at}/experiments")
            except Malformed as finding:
                self._note(finding, "flags with this rollout decide nothing")
        for id_, (rules, at) in layers.items():
            named = [self._read_one(raw, f"{at}/{index}") for index, raw in enumerate(rules)]
            whole = [rule for rule in named if rule is not None]
            if len(whole) == len(named):
                self.rollouts[id_] = (whole, rules)

    def _read_group(self, raw: Any, at: str) -> Group | None:
        try:
            id_ = entities.field(raw, "id", str, at)
            members = entities.field(raw, "experiments", list, at)
            for index, member in enumerate(members):
                if not isinstance(member, dict):
                    raise Malformed(f"{at}/experiments/{index}", "an object", json_type(member))  # noqa: TRY301
            if "policy" not in raw:
                raise Malformed(f"{at}/policy", "a string", "nothing")  # noqa: TRY301
            traffic = entities.field(raw, "trafficAllocation", list, at)
            entries = entities.read_allocation(traffic, f"{at}/trafficAllocation")
        except Malformed as finding:
            self._note(
                finding, "the group's experiments decide nothing, nor do flags that use them"
            )
            return None
        return Group(id_, raw["policy"], Allocation(entries))

    # --- maps of variations ----------------------------------------------------------------------

    def _index(self) -> None:
        """Give every rule its variations, and find who owns each key."""
        ruleset = self.ruleset
        for each in self.read.values():
            experiment = each.experiment
            by_key = self._variations_of(each) if experiment.broken is None else {}
            for variation in by_key.values():
                experiment.by_own_id[variation.id] = variation
                ruleset.overrides[variation.id] = variation.overrides
            experiment.by_key, experiment.by_id = by_key, dict(experiment.by_own_id)
            ruleset.experiments[experiment.key] = experiment
            ruleset.experiments_by_id[experiment.id] = experiment
        for experiment in ruleset.experiments_by_id.values():
            owner = ruleset.experiments[experiment.key]
            experiment.by_key, experiment.by_id = owner.by_key, owner.by_id

    def _variations_of(self, each: _Read) -> dict[str, Variation]:
        at = f"{each.at}/variations"
        try:
            return {v.key: v for v in entities.read_variations(each.raw["variations"], at)}
        except Malformed as finding:
            self._note(finding, "the rule decides nothing, nor do flags that use it")
            each.experiment.broken = finding.pointer
            return {}

    # --- flags ----------------------------------------------------------------------------------

    def _read_flags(self) -> None:
        raws: dict[str, tuple[dict[str, Any], str]] = {}
        for index, raw in enumerate(self._section("featureFlags")):
            at = f"/featureFlags/{index}"
            try:
                raws[entities.field(raw, "key", str, at)] = (raw, at)
            except Malformed as finding:
                self._note(finding, "the flag is unknown")
        self.ruleset.flag_order = tuple(raws)
        for key, (raw, at) in raws.items():
            self.ruleset.flags[key] = self._read_flag(key, raw, at)

    def _read_flag(self, key: str, raw: dict[str, Any], at: str) -> Flag:
        variables: dict[str, Variable] = {}
        try:
            variables = entities.read_variables(
                entities.field(raw, "variables", list, at), f"{at}/variables"
            )
            defaults = {
                each.key: entities.typed(each.default, each.kind) for each in variables.values()
            }
            flag = Flag(key, variables, defaults)
            self._add_rules(flag, raw, at)
        except Malformed as finding:
            self._note(finding, f"flag '{key}' decides nothing")
            flag = Flag(
                key,
                {},
                {each.key: entities.typed(each.default, each.kind) for each in variables.values()},
            )
            flag.broken = finding.pointer
        return flag

    def _add_rules(self, flag: Flag, raw: dict[str, Any], at: str) -> None:
        experiments = []
        for index, id_ in enumerate(entities.field(raw, "experimentIds", list, at)):
            if not isinstance(id_, str) or id_ not in self.experiment_ids or id_ not in self.read:
                raise Malformed(
                    f"{at}/experimentIds/{index}", "the id of an experiment", _kind_of_id(id_)
                )
            experiments.append(self.ruleset.experiments_by_id[id_])
        rollout_id = entities.field(raw, "rolloutId", str, at)
        if rollout_id and rollout_id not in self.rollouts:
            raise Malformed(f"{at}/rolloutId", "the id of a usable rollout", "another id")
        named, raw_rules = self.rollouts[rollout_id] if rollout_id else ([], [])
        self._inject_everyone_else(experiments, raw_rules)
        unique = list({rule.id: rule for rule in named}.values())
        by_id = self.ruleset.experiments_by_id
        flag.experiments = tuple(self._rule(each, each, FEATURE_TEST) for each in experiments)
        flag.rollout = tuple(self._rule(each, by_id[each.id], ROLLOUT) for each in unique)
        if not unique:
            flag.rollout_missing = "has no rules" if rollout_id else "is not set"
        seen: dict[str, Variation] = {}
        for experiment in [*experiments, *(by_id[rule.id] for rule in named)]:
            for variation in experiment.by_own_id.values():
                seen.setdefault(variation.id, variation)
        flag.variations = tuple(seen.values())

    def _rule(self, named: Experiment, experiment: Experiment, source: Source) -> Rule:
        return Rule(named, experiment, source, tuple(self.local_holdouts.get(named.id, ())))

    def _inject_everyone_else(self, experiments: list[Experiment], raw_rules: list[Any]) -> None:
        """Feature rollouts: whoever qualifies and misses gets what Everyone Else gets.

        Source: optimizely-sdk 5.7.0, project_config.py:_get_everyone_else_variation.
        """
        raw_variations = raw_rules[-1].get("variations") if raw_rules else None
        if not raw_variations or not isinstance(raw_variations, list):
            return
        variation = next(entities.read_variations(raw_variations[:1], "/rollouts"))
        variation.feature_enabled = bool(variation.feature_enabled)
        for experiment in experiments:
            if experiment.kind == "fr":
                self.injected.setdefault(experiment.id, []).append((variation.id, TOTAL_TRAFFIC))
                experiment.by_key[variation.key] = variation
                experiment.by_id[variation.id] = variation
                experiment.by_own_id[variation.id] = variation
                self.ruleset.overrides[variation.id] = variation.overrides

    # --- holdouts -------------------------------------------------------------------------------

    def _read_holdouts(self) -> None:
        """Global holdouts, then local ones; only running ones decide, all claim ids and keys."""
        running = []
        for index, raw in enumerate(self._section("holdouts")):
            holdout = self._read_holdout(raw, f"/holdouts/{index}")
            if holdout is not None and holdout.experiment.running:
                running.append(holdout)
        self.ruleset.holdouts = tuple(running)
        for index, raw in enumerate(self._section("localHoldouts")):
            at = f"/localHoldouts/{index}"
            rules = raw.get("includedRules") if isinstance(raw, dict) else None
            if not isinstance(rules, list):
                finding = Malformed(f"{at}/includedRules", "an array of rule ids", json_type(rules))
                self._note(finding, "the holdout keeps nobody out")
                continue
            holdout = self._read_holdout(raw, at)
            if holdout is not None and holdout.experiment.running:
                for rule_id in rules:
                    if isinstance(rule_id, str):
                        self.local_holdouts.setdefault(rule_id, []).append(holdout)

    def _read_holdout(self, raw: Any, at: str) -> Holdout | None:
        try:
            id_, key = entities.field(raw, "id", str, at), entities.field(raw, "key", str, at)
            experiment = Experiment(id_, key)
            experiment.status = entities.field(raw, "status", str, at)
            experiment.running = experiment.status == "Running"
            experiment.audience_tree = entities.read_audience_tree(raw, at)
            if not key.strip():
                experiment.closed = "its key is blank"
            variations = entities.field(raw, "variations", list, at)
            for each in entities.read_variations(variations, f"{at}/variations", of_holdout=True):
                experiment.by_key[each.key] = each
                experiment.by_id[each.id] = each
            entities.field(raw, "trafficAllocation", list, at)
        except Malformed as finding:
            self._note(finding, "the holdout keeps nobody out")
            return None
        self.held.append(_Read(experiment, raw, at, None))
        return Holdout(
            experiment,
            excludes_targeted_deliveries=bool(raw.get("excludeTargetedDeliveries", False)),
        )

    def _claim(self) -> None:
        """Holdouts take over the variation maps of experiments that have their id or key."""
        by_key = {each.experiment.key: each.experiment for each in self.held}
        by_id = {each.experiment.id: each.experiment for each in self.held}
        for experiment in self.ruleset.experiments_by_id.values():
            if experiment.key in by_key:
                owner = by_key[experiment.key]
                experiment.by_key, experiment.by_id = owner.by_key, owner.by_id
            if experiment.id in by_id:
                experiment.by_own_id = by_id[experiment.id].by_id
        for each in self.held:
            each.experiment.by_own_id = by_id[each.experiment.id].by_id

    # --- the last pass ---------------------------------------------------------------------------

    def _finish(self, each: _Read, *, is_holdout: bool = False) -> None:
        """Compile audience and traffic, now that every map is final."""
        experiment, raw, at = each.experiment, each.raw, each.at
        if experiment.broken is not None:
            return
        try:
            entries = entities.read_allocation(raw["trafficAllocation"], f"{at}/trafficAllocation")
            allocation = Allocation(entries + self.injected.get(experiment.id, []))
            if raw.get("cmab"):
                experiment.cmab, allocation = entities.read_cmab(
                    raw["cmab"], self.attribute_keys, f"{at}/cmab"
                )
        except Malformed as finding:
            self._note(finding, "the rule decides nothing, nor do flags that use it")
            experiment.broken = finding.pointer
            return
        experiment.allocation = allocation
        owners = [
            experiment.by_own_id.get(entity_id) if entity_id else None
            for entity_id, _, _ in allocation.ranges
        ]
        experiment.variations = (*owners, None)
        experiment.answers = [None] * len(experiment.variations)
        experiment.silent_answers = [None] * len(experiment.variations)
        whitelist = raw.get("forcedVariations")
        if whitelist:
            experiment.whitelist = {
                user_id: experiment.by_key.get(key) if isinstance(key, str) else None
                for user_id, key in whitelist.items()
            }
        if experiment.audience_tree:
            self._note_unknowns(experiment.audience_tree, f"{at}/{_audience_field(raw)}")
        self._join_group(each)
        experiment.is_plain = (
            experiment.running
            and experiment.cmab is None
            and (is_holdout or not any(own and own.of_holdout for own in experiment.variations))
        )
        write_on_first_use(self.ruleset, experiment)

    def _join_group(self, each: _Read) -> None:
        """Only the policy `random` excludes; a rule that names a group is taken at its word."""
        experiment, raw = each.experiment, each.raw
        policy = each.group.policy if each.group else raw.get("groupPolicy")
        if policy != "random":
            return
        named = raw.get("groupId")
        group = each.group or (self.groups.get(named) if isinstance(named, str) else None)
        if group is None:
            experiment.closed = _NO_GROUP
            experiment.allocation = None  # nor does a bandit, whom a blank key doesn't stop
        else:
            experiment.group = group

    def _finish_flag(self, flag: Flag) -> None:
        for rule in (*flag.experiments, *flag.rollout):
            rule.answers = [None if each else False for each in rule.experiment.variations]
        if flag.broken is None:
            rules = [*flag.experiments, *flag.rollout]
            broken = next((rule.experiment for rule in rules if rule.experiment.broken), None)
            if broken is not None:
                flag.broken = broken.broken
                finding = Malformed(f"{broken.broken}", "a usable rule", "a broken one")
                self._note(finding, f"flag '{flag.key}' decides nothing")
        if flag.broken is None and self.ruleset.send_flag_decisions:
            flag.nothing = nothing_decided(self.ruleset, flag)
        flag.is_plain = (
            flag.broken is None
            and not self.ruleset.holdouts
            and all(rule.experiment.is_plain for rule in flag.experiments)
            and not any(rule.holdouts for rule in (*flag.experiments, *flag.rollout))
        )


class _Read:
    """A rule with the JSON it was read from, where that stands, and the group it is a member of."""

    __slots__ = ("at", "experiment", "group", "raw")

    def __init__(
        self, experiment: Experiment, raw: dict[str, Any], at: str, group: Group | None
    ) -> None:
        self.experiment, self.raw, self.at, self.group = experiment, raw, at, group


def _read_text_conditions(text: object, at: str) -> object:
    """Read the conditions of an untyped audience: JSON inside a string."""
    if not isinstance(text, str):
        raise Malformed(at, "a string of JSON", json_type(text))
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed(at, "a string of JSON", "a string of something else") from None


def _audience_field(raw: dict[str, Any]) -> str:
    return "audienceIds" if raw.get("audienceConditions") is None else "audienceConditions"


def _kind_of_id(id_: object) -> str:
    return "an id that no experiment has" if isinstance(id_, str) else json_type(id_)
