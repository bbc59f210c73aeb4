"""Why a decision came out as it did: codes with values, and a plain sentence only when asked.

A decision writes its reasons into a list that the caller hands in; without one it writes nothing
and spends nothing.
"""

from __future__ import annotations

from .bucketing import TOTAL_TRAFFIC, bucket_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .bucketing import Allocation

#: One sentence for each code; the fields in braces are the reason's values, and `range`. Where a
#: sentence doesn't name its rule, `Reason.message` does so in front of it.
SENTENCES = {
    "flag_broken": "Flag '{flag}' decides nothing: the datafile is broken at {pointer}.",
    "experiment_broken": "It decides nothing, since the datafile is broken at {pointer}.",
    "forced_decision": "The caller forces variation '{variation}' of flag '{flag}'.",
    "forced_decision_rule": "The caller forces variation '{variation}' of flag '{flag}' at this rule.",
    "forced_decision_unknown": "The caller forces variation '{variation}', which flag '{flag}' doesn't have; ignored.",
    "running": "Experiment '{rule}' is {status}.",
    "not_running": "Experiment '{rule}' is {status}, not Running.",
    "forced_variation": "The caller forces variation '{variation}'.",
    "whitelisted": "The datafile forces this user into variation '{variation}'.",
    "whitelist_unknown": "The datafile forces this user into a variation that isn't there; ignored.",
    "stored": "The user's profile already holds variation '{variation}'.",
    "stored_unknown": "The user's profile holds variation id {variation_id}, which isn't there; ignored.",
    "bucketing_id_used": "Bucketed by $opt_bucketing_id in place of the user id.",
    "bucketing_id_ignored": "$opt_bucketing_id is not a string; the user id is used.",
    "audience_everybody": "Everybody qualifies, since there is no audience.",
    "audience_met": "The user meets the audience conditions.",
    "audience_missed": "The user doesn't meet the audience conditions.",
    "closed": "Nobody can be bucketed here, since {why}.",
    "group_in": "Exclusion group {group} gives bucket {bucket} of {of:,} to this experiment.",
    "group_out": "Exclusion group {group} gives bucket {bucket} of {of:,} to {owner}.",
    "bucketed": "Bucket {bucket} of {of:,} is in {range} {arrow} {variation}.",
    "bucket_empty": "Bucket {bucket} of {of:,} is in {range}, which leads to no variation.",
    "bucket_unknown": "Bucket {bucket} of {of:,} is in {range}, which leads to variation id {variation_id}, which isn't there.",
    "bucket_missed": "Bucket {bucket} of {of:,} is beyond the traffic ({range}).",
    "bandit_in": "Bucket {bucket} of {of:,} is in {range}, where the contextual bandit decides.",
    "bandit_out": "Bucket {bucket} of {of:,} is beyond {range}, where the contextual bandit decides.",
    "prediction": "The contextual bandit chose variation '{variation}'.",
    "prediction_unknown": "The contextual bandit chose variation id {variation_id}, which isn't there.",
    "prediction_failed": "The contextual bandit could not be asked.",
    "holdout": "It keeps the user out of flag '{flag}'.",
    "holdout_local": "Local holdout '{holdout}' keeps the user out.",
    "holdout_spares_deliveries": "It excludes targeted deliveries, so those are still looked at.",
    "rule_skipped": "It is no targeted delivery, so the holdout skips it.",
    "rollout_missing": "The rollout of flag '{flag}' {why}.",
    "everyone_else": "The traffic missed, so Everyone Else is next.",
    "nothing": "No rule of flag '{flag}' decides for this user.",
    "condition": "{text}: {outcome} ({why}).",
    "conditions_many": "Its {count:,} conditions are too many to be told one by one.",
    "more": "{count:,} more, which are not told one by one.",
    "operator": "{text}: {outcome}.",
    "audience": "Audience '{name}': {outcome}.",
    "audience_unknown": "Audience {id} is not in the datafile: UNKNOWN.",
}
#: What the same finding means at a holdout, where qualifying is no good news.
HOLDOUT_SENTENCES = {
    "audience_everybody": "It may hold back anybody, since there is no audience.",
    "audience_met": "It may hold the user back, who meets the audience conditions.",
    "audience_missed": "The user isn't held back, since the audience conditions aren't met.",
    "bucketed": "The user is held back, since bucket {bucket} of {of:,} is in {range}.",
    "bucket_empty": "The user isn't held back, since {range}, with bucket {bucket} of {of:,}, leads to no variation.",
    "bucket_unknown": "The user isn't held back, since {range}, with bucket {bucket} of {of:,}, leads to variation id {variation_id}, which isn't there.",
    "bucket_missed": "The user isn't held back, since bucket {bucket} of {of:,} is beyond {range}.",
}


class Reason:
    """One step of a decision.

    Attributes:
        code: what happened; a key of `SENTENCES`. Stable.
        values: the facts, by name; plain JSON values. `what` (`experiment`, `delivery rule`,
            `holdout`) and `rule`, its key, say what it is about.
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
        """The reason as one plain sentence that stands alone, in ASCII but for the values."""
        what = self.values.get("what")
        if what is None or "{rule}" in (template := self._template):
            return self.sentence()
        told = self._fill(template[0].lower() + template[1:], dash="-", arrow="->")
        return f"{str(what).capitalize()} '{self.values['rule']}': {told}"

    def sentence(self, *, dash: str = "-", arrow: str = "->") -> str:
        """The same where the reader knows which rule is meant, with signs that suit the reader."""
        return self._fill(self._template, dash=dash, arrow=arrow)

    @property
    def _template(self) -> str:
        if self.values.get("what") == "holdout" and self.code in HOLDOUT_SENTENCES:
            return HOLDOUT_SENTENCES[self.code]
        return SENTENCES[self.code]

    def _fill(self, template: str, *, dash: str, arrow: str) -> str:
        values = {**self.values, "arrow": arrow}
        if "end" in values:
            values["range"] = _range_of(values.get("start", 0), values["end"], dash)
        return template.format_map(values)

    def to_json(self) -> dict[str, object]:
        """The reason as a JSON object: code, message, the values, and the conditions if any."""
        shown: dict[str, object] = {"code": self.code, "message": self.message, **self.values}
        if self.children:
            shown["conditions"] = [child.to_json() for child in self.children]
        return shown

    def __repr__(self) -> str:
        return f"Reason({self.code!r}, {self.values!r})"


def _range_of(start: object, end: object, dash: str) -> str:
    """The buckets from *start* to below *end* in words, with both of those that belong to it.

    The bounds of a range may be fractions; buckets are whole numbers.
    """
    first, last = -int(-start // 1), -int(-end // 1) - 1  # type: ignore[operator]  # numbers, as `Allocation` has them
    if last < first:
        return "no bucket at all"
    return f"{first}{dash}{last}" if first < last else f"{first}"


def bucket_reason(
    allocation: Allocation, hashed: int, about: dict[str, object], variation_key: str | None
) -> Reason:
    """Say which bucket a user fell in, and what stands there.

    Args:
        allocation: the rule's traffic line.
        hashed: where the user is on it.
        about: `what` and `rule`.
        variation_key: what the place leads to, if anything.
    """
    part = allocation.part(hashed)
    values: dict[str, object] = {**about, "bucket": bucket_of(hashed), "of": TOTAL_TRAFFIC}
    if part == len(allocation.ranges):
        values["end"] = allocation.ranges[-1][2] if allocation.ranges else 0
        return Reason("bucket_missed", values)
    entity, values["start"], values["end"] = allocation.ranges[part]
    if variation_key is None and entity:
        return Reason("bucket_unknown", {**values, "variation_id": entity})
    if variation_key is None:
        return Reason("bucket_empty", values)
    values["variation"] = variation_key
    return Reason("bucketed", values)
