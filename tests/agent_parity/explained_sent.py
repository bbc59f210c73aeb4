"""Which differences between what both sent are on purpose; see explained.py."""

from __future__ import annotations

from . import why
from .explained_answers import is_spared


def with_error(each):
    """Agent sends what was decided before the answer became an error."""
    if each.part != "events" or each.ours is not None or not _decisions(each.agents):
        return False
    return any(None not in asked.statuses and min(asked.statuses) >= 400 for asked in _asked(each))


def named_twice(each):
    """Agent decides and sends a flag as often as `keys` names it."""
    if each.part != "events" or each.ours is not None:
        return False
    flags = {decision["metadata"]["flag_key"] for decision in _decisions(each.agents)}
    return any(
        asked.path == "/v1/decide" and asked.values("keys").count(flag) > 1
        for asked in _asked(each)
        for flag in flags
    )


def refused(each):
    """Of a request that is an error here alone, which the difference between the answers has to explain."""
    if each.part != "events" or each.ours is not None:
        return False
    visitor = each.agents["visitor"]["visitor_id"]
    return any(
        (asked.decides or asked.path == "/v1/track")
        and asked.user_id == visitor
        and asked.statuses[0] == 200
        and (asked.statuses[1] or 0) >= 400
        for talk in each.talks
        for asked in talk.asked
    )


def identified(each):
    if each.part != "odp" or each.ours is not None or "event" not in each.agents:
        return False
    event = each.agents["event"]
    return (
        (event.get("type"), event.get("action")) == ("fullstack", "identified")
        and list(event["identifiers"]) == ["fs_user_id"]
        and bool(_asked(each))
    )


def outage(each):
    """Agent asks ODP for each request's segments, however often that has failed just now."""
    if each.part != "odp" or each.ours is not None or "graphql" not in each.agents:
        return False
    return any(map(is_spared, _asked(each)))


def why_sent(each):
    """The reason of `why` for what only one of them sent, or None."""
    if each.part != "events":
        return None
    entry = each.agents or each.ours
    for decision in _decisions(entry):
        about = decision["metadata"]
        for talk in each.talks:
            for asked in talk.asked:
                if asked.decides and asked.user_id == entry["visitor"]["visitor_id"]:
                    found = why.why(talk, asked, about["flag_key"] or about["rule_key"])
                    if found:
                        return found
    return None


def _decisions(entry):
    snapshots = entry["visitor"]["snapshots"]
    return [each for snapshot in snapshots for each in snapshot.get("decisions") or ()]


def _asked(each):
    """The requests for decisions about the user of what was sent."""
    from .differences import visitor_of

    visitor = visitor_of(each.agents or each.ours)
    return [
        asked
        for talk in each.talks
        for asked in talk.asked
        if asked.decides and asked.user_id == visitor
    ]
