"""What is known so far while a datafile is compiled, and what was found wrong with it."""

from __future__ import annotations

from bucketer.core.diagnostic import Diagnostic
from bucketer.core.entities import Malformed, Oddities, found
from bucketer.core.parse import json_type
from bucketer.core.ruleset import Ruleset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Any

    from bucketer.core.bucketing import Allocation
    from bucketer.core.parse import Datafile
    from bucketer.core.ruleset import Cmab, Experiment, Group, Holdout

#: What follows where only the reference looks.
_UNREAD = "nothing here depends on it"


class Findings:
    """What was found wrong, as diagnostics."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def note(self, finding: Malformed, consequence: str, severity: str = "error") -> None:
        """Keep a finding as a diagnostic."""
        self.diagnostics.append(
            Diagnostic(finding.pointer, severity, finding.expected, finding.found, consequence)
        )


class Draft:
    """The maps that are needed while compiling and not afterwards."""

    def __init__(self, datafile: Datafile) -> None:
        self.datafile = datafile
        self.ruleset = Ruleset(
            version=datafile["version"],
            revision=datafile["revision"],
            account_id=datafile["accountId"],
            project_id=datafile["projectId"],
        )
        self.findings = Findings()
        #: For what the reference's schema looks at, and for what it doesn't.
        self.checked = Oddities(self.findings.note, checked=True)
        self.unchecked = Oddities(self.findings.note, checked=False)
        self.attribute_keys: dict[str, str] = {}
        #: By id, the last writer wins; holdouts apart, since they share no ids with rules.
        self.read: dict[str, ReadRule] = {}
        #: Broken rules without an id: only their keys can be asked for.
        self.nameless: list[Experiment] = []
        #: Audiences that are set aside: their ids, and where they stand.
        self.broken_audiences: dict[str, str] = {}
        self.held: list[ReadRule] = []
        self.groups: dict[str, Group] = {}
        #: Ids of top-level experiments and group members: the only ones a flag may list.
        self.experiment_ids: set[object] = set()
        #: Rollout id → its rules as it names them, and their JSON. Unusable rollouts are not here.
        self.rollouts: dict[str, tuple[list[Experiment], list[Any]]] = {}
        #: Those that are not for a rule without an id: rollout id → where that rule stands.
        self.broken_rollouts: dict[str, str] = {}
        self.local_holdouts: dict[str, list[Holdout]] = {}
        #: Experiment id → traffic that feature rollouts add at its end.
        self.injected: dict[str, list[tuple[str, float]]] = {}

    def note(self, finding: Malformed, consequence: str, severity: str = "error") -> None:
        """Keep a finding as a diagnostic."""
        self.findings.note(finding, consequence, severity)

    def unread(self, raw: dict[str, Any], name: str, expected: str, at: str) -> None:
        """Tell of a field that only the reference's own checks look at."""
        finding = Malformed(f"{at}/{name}", expected, found(raw, name))
        self.checked.tell(finding, _UNREAD)

    def section(self, name: str) -> list[Any]:
        """An optional top-level array; anything else there is set aside."""
        section = self.datafile.get(name, [])
        if isinstance(section, list):
            return section
        finding = Malformed(f"/{name}", "an array", json_type(section))
        self.note(finding, "the section is taken as empty")
        return []

    def note_strangers(self, traffic: list[Any], known: Container[str], at: str, what: str) -> None:
        """Warn of traffic that goes to what isn't there."""
        for index, entry in enumerate(traffic):
            entity = entry.get("entityId")
            if entity and entity not in known:
                finding = Malformed(f"{at}/{index}/entityId", f"the id of {what}", "another id")
                self.note(finding, "this traffic leads to nothing", "warning")


class ReadRule:
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
