"""Datafile in, ruleset out: all the thinking that needn't be done per request.

A broken part costs that part: it is set aside with a `Diagnostic`, and everything that depends on
it decides nothing; the rest keeps deciding. The order in which the maps are filled is the
reference's, for where two entities claim the same id or key the last one wins.

Source: optimizely-sdk 5.7.0, project_config.py:ProjectConfig.__init__.
"""

from __future__ import annotations

import json

from . import entities
from .assign import write_on_second_use
from .bucketing import TOTAL_TRAFFIC, Allocation
from .conditions import OPERATORS, Audience, compile_tree, is_for_everybody, unknown
from .entities import TOLD, Malformed, Oddities
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
    from collections.abc import Container
    from typing import Any

    from .conditions import Note, Predicate
    from .parse import Datafile
    from .ruleset import Cmab, Source, Variable


#: Why nobody can be bucketed into a member of a group that isn't there, by a bandit neither.
_NO_GROUP = "its group is not in the datafile"
_BROKEN_RULE = "the rule decides nothing, nor do flags that use it"
_BROKEN_HOLDOUT = "the holdout keeps nobody out"
_UNREAD = "nothing here depends on it"


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
        #: For what the reference's schema looks at, and for what it doesn't.
        self.checked = Oddities(self._note, checked=True)
        self.unchecked = Oddities(self._note, checked=False)
        self.attribute_keys: dict[str, str] = {}
        #: By id, the last writer wins; holdouts apart, since they share no ids with rules.
        self.read: dict[str, _Read] = {}
        #: Broken rules without an id: only their keys can be asked for.
        self.nameless: list[Experiment] = []
        #: Ids of audiences that are set aside.
        self.broken_audiences: set[str] = set()
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
        for each in self.read.values():
            self._read_traffic(each)
        self._index()
        self._read_flags()
        self._claim()
        for each in self.read.values():
            if each.experiment.broken is None:
                self._finish_rule(each)
        for each in self.held:
            self._finish_holdout(each)
        for flag in self.ruleset.flags.values():
            self._finish_flag(flag)
        self.ruleset.diagnostics = tuple(self.diagnostics)
        return self.ruleset

    # --- findings -------------------------------------------------------------------------------

    def _note(self, finding: Malformed, consequence: str, severity: str = "error") -> None:
        self.diagnostics.append(
            Diagnostic(finding.pointer, severity, finding.expected, finding.found, consequence)
        )

    def _unread(self, raw: dict[str, Any], name: str, expected: str, at: str) -> None:
        """Tell of a field that only the reference's own checks look at."""
        found = entities.found(raw, name)
        self.checked.tell(Malformed(f"{at}/{name}", expected, found), _UNREAD)

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
        if not _are_integrations(self.datafile.get("integrations", [])):
            expected = "an array of objects with a key (and host and publicKey), all strings"
            self._unread(self.datafile, "integrations", expected, "")

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
            ids = raw.get("experimentIds")
            if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
                self._unread(raw, "experimentIds", "an array of strings", at)
            self.ruleset.events[event.key] = event

    # --- audiences ------------------------------------------------------------------------------

    def _audiences(self) -> None:
        places: dict[str, tuple[str, Any, str]] = {}
        for section in ("audiences", "typedAudiences"):
            for index, raw in enumerate(self._section(section)):
                at = f"/{section}/{index}"
                id_ = raw.get("id") if isinstance(raw, dict) else None
                try:
                    id_ = entities.field(raw, "id", str, at)
                    places[id_] = self._read_audience(raw, at, typed=section == "typedAudiences")
                    self.broken_audiences.discard(id_)
                except Malformed as finding:
                    self._note(finding, "nobody can be judged by this audience")
                    if isinstance(id_, str):  # what stands under that id elsewhere is not meant
                        places.pop(id_, None)
                        self.broken_audiences.add(id_)
        for id_, (name, tree, at) in places.items():
            audience = Audience(id_, name, tree)
            self.ruleset.audiences[id_] = audience
            for where, expected, found, severity in audience.notes:
                self._note(
                    Malformed(at + where, expected, found),
                    f"nobody can be judged by this part of audience '{name}'",
                    severity,
                )

    def _read_audience(
        self, raw: dict[str, Any], at: str, *, typed: bool
    ) -> tuple[str, object, str]:
        """Name, conditions, and where those stand."""
        if "conditions" not in raw:
            raise Malformed(f"{at}/conditions", "conditions", "nothing")
        tree = raw["conditions"]
        if not typed:
            name = entities.field(raw, "name", str, at)
            return name, _read_text_conditions(tree, f"{at}/conditions"), f"{at}/conditions"
        if "name" not in raw:
            raise Malformed(f"{at}/name", "a string", "nothing")
        name = raw["name"]
        if not isinstance(name, str):
            finding = Malformed(f"{at}/name", "a string", json_type(name))
            self.unchecked.tell(finding, "the audience goes by its id")
            name = raw["id"]
        return name, tree, f"{at}/conditions"

    def _note_unknowns(self, tree: object, at: str) -> None:
        known = self.ruleset.audiences
        if isinstance(tree, list) and all(
            isinstance(each, str) and (each in known or each in OPERATORS) for each in tree
        ):
            return  # flat, which most are
        notes: list[Note] = []

        def leaf(id_: object, where: str) -> Predicate:
            expected = "the id of an audience"
            if not isinstance(id_, str):
                notes.append((where, expected, json_type(id_), "error"))
            elif id_ in self.broken_audiences:
                notes.append((where, expected, "the id of a broken one", "error"))
            elif id_ not in known:
                notes.append((where, expected, "an unknown id", "warning"))
            return unknown

        compile_tree(tree, leaf, notes)
        for where, expected, found, severity in notes:
            self._note(
                Malformed(at + where, expected, found), "it is UNKNOWN for everybody", severity
            )

    # --- experiments, delivery rules, groups -----------------------------------------------------

    def _read_experiments(self) -> None:
        """Fill `read`, in the order that decides who wins an id: experiments, rollouts, groups."""
        for index, raw in enumerate(self._section("experiments")):
            self._read_one(raw, f"/experiments/{index}", self.checked)
            if isinstance(raw, dict) and isinstance(raw.get("id"), str):
                self.experiment_ids.add(raw["id"])
        self._read_rollouts()
        groups: dict[str, tuple[Group, dict[str, Any], str]] = {}
        broken_groups: list[tuple[Any, str]] = []
        for index, raw in enumerate(self._section("groups")):
            at = f"/groups/{index}"
            group = self._read_group(raw, at)
            if group is not None:
                groups[group.id] = (group, raw, at)
            else:
                broken_groups.append((raw, at))
        self.groups = {id_: group for id_, (group, _, _) in groups.items()}
        for group, raw, at in groups.values():
            for index, member in enumerate(raw["experiments"]):
                self._read_one(member, f"{at}/experiments/{index}", self.checked, group)
                if isinstance(member.get("id"), str):
                    self.experiment_ids.add(member["id"])
        for _, raw, at in groups.values():
            traffic = raw["trafficAllocation"]
            self._note_strangers(traffic, self.read, f"{at}/trafficAllocation", "an experiment")
        for raw, at in broken_groups:
            self.experiment_ids.update(self._set_aside(raw, at))

    def _read_one(
        self, raw: Any, at: str, odd: Oddities, group: Group | None = None
    ) -> Experiment | None:
        """Read one rule. A broken one still owns its id, and its key where nobody else has it."""
        try:
            experiment = entities.read_experiment(raw, at, odd)
        except Malformed as finding:
            self._note(finding, _BROKEN_RULE)
            broken = _broken_rule(raw, finding.pointer)
            if broken is None or not broken.id:
                self.nameless += [broken] if broken else []
                return None
            experiment = broken
        self.read[experiment.id] = _Read(experiment, raw, at, odd, group)
        return experiment

    def _set_aside(self, container: Any, at: str) -> list[str]:
        """Let the rules of a broken group or rollout be known as broken; returns their ids."""
        rules = container.get("experiments") if isinstance(container, dict) else None
        ids = []
        for raw in rules if isinstance(rules, list) else []:
            broken = _broken_rule(raw, at)
            if broken is not None and broken.id:
                ids.append(broken.id)
                self.read.setdefault(broken.id, _Read(broken, raw, at, self.unchecked, None))
            elif broken is not None:
                self.nameless.append(broken)
        return ids

    def _read_rollouts(self) -> None:
        layers: dict[str, tuple[list[Any], str]] = {}
        broken_rollouts: list[tuple[Any, str]] = []
        for index, raw in enumerate(self._section("rollouts")):
            at = f"/rollouts/{index}"
            try:
                id_ = entities.field(raw, "id", str, at)
                layers[id_] = (entities.field(raw, "experiments", list, at), f"{at}/experiments")
            except Malformed as finding:
                self._note(finding, "flags with this rollout decide nothing")
                broken_rollouts.append((raw, at))
        for id_, (rules, at) in layers.items():
            named = [
                self._read_one(raw, f"{at}/{index}", self.unchecked)
                for index, raw in enumerate(rules)
            ]
            whole = [rule for rule in named if rule is not None]
            if len(whole) == len(named):
                self.rollouts[id_] = (whole, rules)
        for raw, at in broken_rollouts:
            self._set_aside(raw, at)

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
            entries = entities.read_allocation(traffic, f"{at}/trafficAllocation", self.checked)
        except Malformed as finding:
            self._note(
                finding, "the group's experiments decide nothing, nor do flags that use them"
            )
            return None
        if not isinstance(raw["policy"], str):
            odd = Malformed(f"{at}/policy", "a string", json_type(raw["policy"]))
            self.checked.tell(odd, "its experiments don't exclude one another", dead=True)
        return Group(id_, raw["policy"], Allocation(entries))

    def _read_traffic(self, each: _Read) -> None:
        """Read the traffic line: the last thing that a rule can turn out to be broken at."""
        if each.experiment.broken is not None:
            return
        raw, at, odd = each.raw, each.at, each.odd
        try:
            each.entries = entities.read_allocation(
                raw["trafficAllocation"], f"{at}/trafficAllocation", odd
            )
            if raw.get("cmab"):  # the schema looks at it nowhere
                each.bandit = entities.read_cmab(
                    raw["cmab"], self.attribute_keys, f"{at}/cmab", self.unchecked
                )
        except Malformed as finding:
            self._note(finding, _BROKEN_RULE)
            each.experiment.broken = finding.pointer

    # --- maps of variations ----------------------------------------------------------------------

    def _index(self) -> None:
        """Give every rule its variations, and find who owns each key."""
        ruleset = self.ruleset
        broken = []
        for each in self.read.values():
            experiment = each.experiment
            by_key = self._variations_of(each) if experiment.broken is None else {}
            ruleset.experiments_by_id[experiment.id] = experiment
            if experiment.broken is not None:
                broken.append(experiment)
                continue
            for variation in by_key.values():
                experiment.by_own_id[variation.id] = variation
                ruleset.overrides[variation.id] = variation.overrides
            experiment.by_key, experiment.by_id = by_key, dict(experiment.by_own_id)
            ruleset.experiments[experiment.key] = experiment
        for experiment in (*broken, *self.nameless):
            ruleset.experiments.setdefault(experiment.key, experiment)
        for experiment in ruleset.experiments_by_id.values():
            owner = ruleset.experiments[experiment.key]
            experiment.by_key, experiment.by_id = owner.by_key, owner.by_id

    def _variations_of(self, each: _Read) -> dict[str, Variation]:
        at = f"{each.at}/variations"
        try:
            variations = entities.read_variations(each.raw["variations"], at, each.odd)
            return {variation.key: variation for variation in variations}
        except Malformed as finding:
            self._note(finding, _BROKEN_RULE)
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
            if not isinstance(raw.get("id"), str):
                self._flag_without_id(raw, at)
            self.ruleset.flags[key] = self._read_flag(key, raw, at)

    def _flag_without_id(self, raw: dict[str, Any], at: str) -> None:
        """The reference refuses what it can't hand to its constructor, or use as a key."""
        refused = "id" not in raw or isinstance(raw["id"], (list, dict))
        finding = Malformed(f"{at}/id", "a string", entities.found(raw, "id"))
        (self.checked if refused else self.unchecked).tell(finding, _UNREAD)

    def _read_flag(self, key: str, raw: dict[str, Any], at: str) -> Flag:
        variables: dict[str, Variable] = {}
        defaults: dict[str, object] = {}
        try:
            variables, defaults = entities.read_variables(
                entities.field(raw, "variables", list, at), f"{at}/variables", self.unchecked
            )
            flag = Flag(key, variables, defaults)
            self._add_rules(flag, raw, at)
        except Malformed as finding:
            self._note(finding, f"flag '{key}' decides nothing")
            flag = Flag(key, {}, defaults)
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
        by_id = self.ruleset.experiments_by_id
        for rule in (*experiments, *named, *(by_id[rule.id] for rule in named)):
            if rule.broken is not None:
                raise Malformed(rule.broken, "a usable rule", "a broken one")
        # Only now, since a flag that decides nothing must not change what others decide.
        self._inject_everyone_else(experiments, raw_rules)
        unique = list({rule.id: rule for rule in named}.values())
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
        variation = next(entities.read_variations(raw_variations[:1], "/rollouts", TOLD))
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
                self._note(finding, _BROKEN_HOLDOUT)
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
            for each in entities.read_held_variations(variations, f"{at}/variations"):
                experiment.by_key[each.key] = each
                experiment.by_id[each.id] = each
            traffic = entities.field(raw, "trafficAllocation", list, at)
            held = _Read(experiment, raw, at, self.unchecked, None)
            held.entries = entities.read_allocation(traffic, f"{at}/trafficAllocation", held.odd)
        except Malformed as finding:
            self._note(finding, _BROKEN_HOLDOUT)
            return None
        self.held.append(held)
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

    def _finish_rule(self, each: _Read) -> None:
        """Compile audience and traffic of a rule, now that every map is final."""
        experiment, raw, at = each.experiment, each.raw, each.at
        entries = each.entries + self.injected.get(experiment.id, [])
        if each.bandit is None:
            self._put_on_line(each, Allocation(entries))
        else:
            experiment.cmab, allocation = each.bandit
            self._put_on_line(each, allocation)
        whitelist = raw["forcedVariations"]
        if whitelist:
            experiment.whitelist = {
                user_id: experiment.by_key.get(key) if isinstance(key, str) else None
                for user_id, key in whitelist.items()
            }
            self._note_whitelist(experiment, f"{at}/forcedVariations")
        self._join_group(each)
        experiment.is_plain = (
            experiment.running
            and experiment.cmab is None
            and not any(own and own.of_holdout for own in experiment.variations)
        )
        write_on_second_use(self.ruleset, experiment)

    def _finish_holdout(self, each: _Read) -> None:
        """The same for a holdout, which knows no bandit, no group and no whitelist."""
        self._put_on_line(each, Allocation(each.entries))
        write_on_second_use(self.ruleset, each.experiment)

    def _put_on_line(self, each: _Read, allocation: Allocation) -> None:
        experiment = each.experiment
        experiment.allocation = allocation
        owners = [
            experiment.by_own_id.get(entity_id) if entity_id else None
            for entity_id, _, _ in allocation.ranges
        ]
        experiment.variations = (*owners, None)
        experiment.answers = [None] * len(experiment.variations)
        experiment.silent_answers = [None] * len(experiment.variations)
        if None in owners and experiment.cmab is None:
            known = experiment.by_own_id.keys()
            at = f"{each.at}/trafficAllocation"
            self._note_strangers(each.raw["trafficAllocation"], known, at, "a variation")
        tree = experiment.audience_tree
        if not is_for_everybody(tree):
            self._note_unknowns(tree, f"{each.at}/{_audience_field(each.raw)}")

    def _note_strangers(
        self, traffic: list[Any], known: Container[str], at: str, what: str
    ) -> None:
        """Warn of traffic that goes to what isn't there."""
        for index, entry in enumerate(traffic):
            entity = entry.get("entityId")
            if entity and entity not in known:
                finding = Malformed(f"{at}/{index}/entityId", f"the id of {what}", "another id")
                self._note(finding, "this traffic leads to nothing", "warning")

    def _note_whitelist(self, experiment: Experiment, at: str) -> None:
        for user_id, variation in experiment.whitelist.items():
            if variation is None:
                place = user_id.replace("~", "~0").replace("/", "~1")
                finding = Malformed(f"{at}/{place}", "the key of a variation", "something else")
                self._note(finding, "this user is decided as any other", "warning")

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
        if flag.broken is None and self.ruleset.send_flag_decisions:
            flag.nothing = nothing_decided(self.ruleset, flag)
        flag.is_plain = (
            flag.broken is None
            and not self.ruleset.holdouts
            and all(rule.experiment.is_plain for rule in flag.experiments)
            and not any(rule.holdouts for rule in (*flag.experiments, *flag.rollout))
        )


class _Read:
    """A rule or holdout with what it was read from.

    Attributes:
        raw, at: its JSON, and where that stands.
        odd: takes what is odd about it.
        group: the group it is a member of.
        entries, bandit: its own traffic line; what takes that one's place.
    """

    __slots__ = ("at", "bandit", "entries", "experiment", "group", "odd", "raw")

    def __init__(
        self,
        experiment: Experiment,
        raw: dict[str, Any],
        at: str,
        odd: Oddities,
        group: Group | None,
    ) -> None:
        self.experiment, self.raw, self.at = experiment, raw, at
        self.odd, self.group = odd, group
        self.entries: list[tuple[str, float]] = []
        self.bandit: tuple[Cmab, Allocation] | None = None


def _broken_rule(raw: Any, pointer: str) -> Experiment | None:
    """What is left of a broken rule: a key, and an id (or none) that belong to it alone."""
    key = raw.get("key") if isinstance(raw, dict) else None
    if not isinstance(key, str):
        return None
    id_ = raw.get("id")
    experiment = Experiment(id_ if isinstance(id_, str) else "", key)
    experiment.broken = pointer
    return experiment


def _are_integrations(found: object) -> bool:
    return isinstance(found, list) and all(
        isinstance(each, dict)
        and "key" in each
        and all(isinstance(each.get(name, ""), str) for name in ("key", "host", "publicKey"))
        for each in found
    )


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
