"""What the audiences of a rule, or of all of a flag's, ask about a user: by attribute.

For whom makes a form of it, or looks for values that would change a decision. Pure, and only
imported when somebody asks.
"""

from __future__ import annotations

from .conditions import VERSION_MATCHES, is_finite, match_of
from .trees import split_node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .audience import Audience
    from .ruleset import Experiment, Flag, Rule, Ruleset

#: What a rule is, as reasons name it.
EXPERIMENT, DELIVERY, HOLDOUT = "experiment", "delivery rule", "holdout"
#: Kinds of values that an attribute is compared with.
TEXT, NUMBER, BOOLEAN, VERSION, MIXED, ANY = "text", "number", "boolean", "version", "mixed", "any"
_ORDERED = frozenset({"gt", "ge", "lt", "le"})


class Looked:
    """One place that a flag's decision looks at, in order.

    Attributes:
        what: EXPERIMENT, DELIVERY or HOLDOUT.
        experiment: its audience and traffic.
        rule: of the flag; None for a holdout.
        key: as reasons name it.
    """

    __slots__ = ("experiment", "key", "rule", "what")

    def __init__(self, what: str, experiment: Experiment, rule: Rule | None = None) -> None:
        self.what, self.experiment, self.rule = what, experiment, rule
        self.key = experiment.key if rule is None else rule.key


class Mention:
    """How conditions ask for one attribute.

    Attributes:
        name: the attribute's key.
        conditions: those that can be judged, each as its match and value, in order, each once.
        audiences: the names of the audiences that have them.
    """

    __slots__ = ("audiences", "conditions", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.conditions: dict[tuple[str, type, object], None] = {}
        self.audiences: dict[str, None] = {}

    def pairs(self) -> list[tuple[str, object]]:
        """Match and value of each condition."""
        return [(match, value) for match, _, value in self.conditions]

    @property
    def kind(self) -> str:
        """What the attribute's values are: TEXT, NUMBER, …; MIXED where conditions differ."""
        kinds = {_kind(match, value) for match, value in self.pairs()} - {ANY}
        if kinds == {TEXT, VERSION}:
            return TEXT
        return ANY if not kinds else kinds.pop() if len(kinds) == 1 else MIXED

    def values(self) -> list[object]:
        """The values that it is compared with, each once, in order."""
        found = {(type(value), value): value for match, value in self.pairs() if match != "exists"}
        return list(found.values())


def _kind(match: str, value: object) -> str:
    if match == "exists":
        return ANY
    if match in VERSION_MATCHES:
        return VERSION
    if match in _ORDERED or (not isinstance(value, bool) and is_finite(value)):
        return NUMBER
    return BOOLEAN if isinstance(value, bool) else TEXT


def looked_at(ruleset: Ruleset, flag: Flag) -> list[Looked]:
    """Every place that a flag's decision may look at, in the order in which it does.

    The holdouts of all flags come first, those of one rule before it.
    """
    found = [Looked(HOLDOUT, each.experiment) for each in ruleset.holdouts]
    for rules, what in ((flag.experiments, EXPERIMENT), (flag.rollout, DELIVERY)):
        for rule in rules:
            found += [Looked(HOLDOUT, each.experiment) for each in rule.holdouts]
            found.append(Looked(what, rule.experiment, rule))
    return found


def audience_ids(tree: object) -> Iterator[str]:
    """The ids in a rule's tree of audiences, in order; one may come several times."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list) and tree:
        for each in split_node(tree)[1]:
            yield from audience_ids(each)


def audiences_of(ruleset: Ruleset, experiments: Iterable[Experiment]) -> list[Audience]:
    """The audiences that rules ask for, each once, in order; those that aren't there left out."""
    ids = dict.fromkeys(id_ for each in experiments for id_ in audience_ids(each.audience_tree))
    return [ruleset.audiences[each] for each in ids if each in ruleset.audiences]


def mentions(audiences: Iterable[Audience]) -> dict[str, Mention]:
    """How these audiences ask for attributes, by name, in order.

    Conditions that nobody can be judged by ask for nothing.
    """
    found: dict[str, Mention] = {}
    for audience in audiences:
        for condition in audience.conditions:
            match, name = match_of(condition), condition.get("name")
            if match in {None, "qualified"} or not isinstance(name, str):
                continue
            value = condition.get("value")
            if match != "exists" and not _compares(match, value):
                continue
            mention = found.get(name)
            if mention is None:
                mention = found[name] = Mention(name)
            value = None if match == "exists" else value
            mention.conditions[match, type(value), value] = None
            mention.audiences[audience.name] = None
    return found


def _compares(match: str, value: object) -> bool:
    """Whether a condition with that value can be true or false for anybody."""
    if match in _ORDERED:
        return is_finite(value)
    if match == "exact":
        return isinstance(value, (str, bool)) or is_finite(value)
    return isinstance(value, str)


def segments(audiences: Iterable[Audience]) -> list[str]:
    """The names of segments that `qualified` conditions ask for, each once, in order."""
    found: dict[str, None] = {}
    for audience in audiences:
        for condition in audience.conditions:
            value = condition.get("value")
            if match_of(condition) == "qualified" and isinstance(value, str):
                found[value] = None
    return list(found)


def users_of(audience_id: str, ruleset: Ruleset) -> list[tuple[Looked, str]]:
    """Who asks for an audience: each rule or holdout, and the key of its flag or "".

    An experiment that flags use comes once for each of them.
    """
    found: list[tuple[Looked, str]] = []
    told: set[str] = set()
    for key, flag in ruleset.flags.items():
        for looked in looked_at(ruleset, flag):
            if looked.what == HOLDOUT and looked.experiment.id in told:
                continue
            if audience_id in audience_ids(looked.experiment.audience_tree):
                told.add(looked.experiment.id)
                found.append((looked, "" if looked.what == HOLDOUT else key))
    others = (each for each in ruleset.experiments.values() if each.id not in told)
    return found + [
        (Looked(EXPERIMENT, each), "")
        for each in others
        if audience_id in audience_ids(each.audience_tree)
    ]


def flags_of(ruleset: Ruleset) -> Mapping[str, list[str]]:
    """Experiment id → keys of the flags that have it as a rule; delivery rules too."""
    found: dict[str, list[str]] = {}
    for key, flag in ruleset.flags.items():
        for rule in (*flag.experiments, *flag.rollout):
            found.setdefault(rule.experiment.id, []).append(key)
    return found
