"""Which ways through the SDK's decision a run has gone, read from its own reasons and answers."""

from __future__ import annotations

from collections import Counter

from bucketer.core.user import User
from bucketer.reference.sdk import OfficialSdk, SentImpression
from bucketer.verify.calls import Call, Seen

#: Part of a reason → the construct it shows. The first that fits counts.
REASONS = (
    ("is not running.", "not running"),
    ("in the forced variation map", "forced variation"),
    ("is forced in variation", "whitelisted"),
    ("from user profile.", "stored"),
    ("Invalid variation is mapped", "forced decision invalid"),
    (", rule (", "forced decision for a rule"),
    ("in the forced decision map.", "forced decision for a flag"),
    ("does not meet conditions to be in experiment", "audience failed"),
    ("Bucketed into an empty traffic range", "empty range"),
    ("is in no experiment.", "no experiment of the group"),
    ("is not in experiment", "other experiment of the group"),
    (" of group ", "in the group"),
    ("of experiment ", "bucketed"),
    ("is not bucketed into any variation for holdout", "holdout missed"),
    ("does not meet the conditions for holdout", "holdout audience failed"),
    ("excludes targeted deliveries", "holdout lets td through"),
    ("for experiment rule", "local holdout of an experiment"),
    ("for delivery rule", "local holdout of a delivery rule"),
    ("is bucketed into holdout", "holdout"),
    ('Checking "Everyone Else"', "everyone else next"),
    ("bucketed into a targeting rule Everyone Else", "everyone else"),
    ("bucketed into a targeting rule", "delivery rule"),
    ("has no experiments.", "rollout empty"),
    ("Bucketing ID attribute is not a string", "bucketing id not text"),
    ("due to traffic allocation", "no cmab traffic"),
    ("Failed to fetch CMAB", "cmab failed"),
)


def note_reasons(sdk: OfficialSdk, user: User, seen: Counter[str]) -> None:
    """Ask for every flag with its reasons and count what they tell."""
    for decision in sdk.decide_all(
        user, ["INCLUDE_REASONS", "DISABLE_DECISION_EVENT"]
    ).value.values():
        for reason in set(decision.reasons):
            shown = next((name for part, name in REASONS if part in reason), None)
            if shown is not None:
                seen[f"reason {shown}"] += 1


def note_answer(call: Call, theirs: Seen, user: User, seen: Counter[str]) -> None:
    """Count what the SDK's answer shows."""
    impressions = [each for each in theirs.sent if isinstance(each, SentImpression)]
    for each in impressions:
        seen[f"source {each.rule_type}"] += 1
        if each.cmab_uuid:
            seen["impression with cmab_uuid"] += 1
        if each.variation_id is None and each.variation_key:
            seen["impression with null variation"] += 1
        if not each.variation_key:
            seen["impression of nothing"] += 1
    if call.name == "decide":
        if len(impressions) > 1 and impressions[0].rule_type == "holdout":
            seen["impression of a holdout before another"] += 1
        if theirs.value.startswith("(None"):
            seen["answer nothing"] += 1
        if theirs.value.endswith("True)"):
            seen["error decision"] += 1
        seen[f"answer {'enabled' if ', True, {' in theirs.value else 'not enabled'}"] += 1
    if theirs.saved is not None:
        seen["profile saved"] += 1
    elif user.profile:
        seen["profile kept"] += 1
