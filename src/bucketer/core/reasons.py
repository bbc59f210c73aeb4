"""Why a decision came out as it did: codes with values, and a plain sentence only when asked.

A decision writes its reasons into a list that the caller hands in; without one it writes nothing
and spends nothing.
"""

from __future__ import annotations

from .bucketing import TOTAL_TRAFFIC, bucket_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .bucketing import Allocation

#: One sentence for each code; the fields in braces are the reason's values.
SENTENCES = {
    "flag_broken": "Flag '{flag}' decides nothing: the datafile is broken at {pointer}.",
    "experiment_broken": "Experiment '{rule}' decides nothing: the datafile is broken at {pointer}.",
    "forced_decision": "The caller forces variation '{variation}' of flag '{flag}'.",
    "forced_decision_rule": "The caller forces variation '{variation}' of flag '{flag}' at rule '{rule}'.",
    "forced_decision_unknown": "The caller forces variation '{variation}', which flag '{flag}' doesn't have; ignored.",
    "not_running": "Experiment '{rule}' is not running.",
    "forced_variation": "The caller forces variation '{variation}' of experiment '{rule}'.",
    "whitelisted": "The datafile forces this user into variation '{variation}' of experiment '{rule}'.",
    "whitelist_unknown": "The datafile forces this user into a variation that experiment '{rule}' doesn't have; ignored.",
    "stored": "The user's profile already holds variation '{variation}' of experiment '{rule}'.",
    "bucketing_id_used": "Bucketed by $opt_bucketing_id in place of the user id.",
    "bucketing_id_ignored": "$opt_bucketing_id is not a string; the user id is used.",
    "audience_everybody": "{what} '{rule}' is open to everybody.",
    "audience_met": "The user meets the audience conditions of {what} '{rule}'.",
    "audience_missed": "The user doesn't meet the audience conditions of {what} '{rule}'.",
    "closed": "Nobody can be bucketed into '{rule}': {why}.",
    "group_in": "Group {group} gives bucket {bucket} of {of} to experiment '{rule}'.",
    "group_out": "Group {group} gives bucket {bucket} of {of} to {owner}, not to experiment '{rule}'.",
    "bucketed": "Bucket {bucket} of {of} falls in [{start}, {end}): variation '{variation}' of '{rule}'.",
    "bucket_empty": "Bucket {bucket} of {of} falls in [{start}, {end}) of '{rule}', which leads to no variation.",
    "bucket_missed": "Bucket {bucket} of {of} is beyond the traffic of '{rule}', which ends at {end}.",
    "bandit_in": "Bucket {bucket} of {of} is within the {end} that the contextual bandit of '{rule}' decides.",
    "bandit_out": "Bucket {bucket} of {of} is beyond the {end} that the contextual bandit of '{rule}' decides.",
    "prediction": "The contextual bandit chose variation id {variation_id} for rule '{rule}'.",
    "prediction_unknown": "The contextual bandit chose variation id {variation_id}, which rule '{rule}' doesn't have.",
    "prediction_failed": "The contextual bandit could not be asked about experiment '{rule}'.",
    "holdout": "Holdout '{rule}' keeps the user out of flag '{flag}'.",
    "holdout_local": "Local holdout '{holdout}' keeps the user out of rule '{rule}'.",
    "holdout_spares_deliveries": "Holdout '{rule}' excludes targeted deliveries; those are still looked at.",
    "rule_skipped": "Rule '{rule}' is no targeted delivery; the holdout skips it.",
    "rollout_missing": "The rollout of flag '{flag}' {why}.",
    "everyone_else": "Traffic of rule '{rule}' missed; going on with Everyone Else.",
    "nothing": "No rule of flag '{flag}' decides for this user.",
    "condition": "{text} is {outcome}.",
    "operator": "{operator} is {outcome}.",
    "audience": "Audience '{name}' is {outcome}.",
    "audience_unknown": "Audience {id} is not in the datafile: UNKNOWN.",
}


class Reason:
    """One step of a decision.

    Attributes:
        code: what happened; a key of `SENTENCES`. Stable.
        values: the facts, by name; plain JSON values.
        children: for audiences: the outcome of each condition, as a tree.
    """

    __slots__ = ("children", "code", "values")

    def __init__(
        self, code: str, values: dict[str, object], children: tuple[Reason, ...] = ()
    ) -> None:
        self.code = code
        self.values = values
        self.children = children

    @property
    def message(self) -> str:
        """The reason as one plain sentence."""
        return SENTENCES[self.code].format_map(self.values)

    def to_json(self) -> dict[str, object]:
        """The reason as a JSON object: code, message, the values, and the conditions if any."""
        shown: dict[str, object] = {"code": self.code, "message": self.message, **self.values}
        if self.children:
            shown["conditions"] = [child.to_json() for child in self.children]
        return shown

    def __repr__(self) -> str:
        return f"Reason({self.code!r}, {self.values!r})"


def bucket_reason(
    allocation: Allocation, hashed: int, rule_key: str, variation_key: str | None
) -> Reason:
    """Say which bucket a user fell in, and what stands there."""
    part = allocation.part(hashed)
    values: dict[str, object] = {"rule": rule_key, "bucket": bucket_of(hashed), "of": TOTAL_TRAFFIC}
    if part == len(allocation.ranges):
        values["end"] = allocation.ranges[-1][2] if allocation.ranges else 0
        return Reason("bucket_missed", values)
    _, values["start"], values["end"] = allocation.ranges[part]
    if variation_key is None:
        return Reason("bucket_empty", values)
    values["variation"] = variation_key
    return Reason("bucketed", values)
