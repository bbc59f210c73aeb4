"""The project's own settings, its attributes and its events: each read by itself."""

from __future__ import annotations

from bucketer.core.entities import Malformed, field
from bucketer.core.revisions import environment_of
from bucketer.core.ruleset import EventType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .draft import Draft


def read_settings(draft: Draft) -> None:
    """Take over what the datafile says of the project as a whole."""
    draft.ruleset.environment = environment_of(draft.datafile)
    environment_key = draft.datafile.get("environmentKey")
    draft.ruleset.environment_key = environment_key if isinstance(environment_key, str) else ""
    sdk_key = draft.datafile.get("sdkKey")
    draft.ruleset.sdk_key = sdk_key if isinstance(sdk_key, str) else ""
    region = draft.datafile.get("region")
    draft.ruleset.region = region if isinstance(region, str) and region else "US"
    draft.ruleset.anonymize_ip = draft.datafile.get("anonymizeIP", False)
    filtering = draft.datafile.get("botFiltering")
    draft.ruleset.bot_filtering = filtering if isinstance(filtering, bool) else None
    draft.ruleset.send_flag_decisions = bool(draft.datafile.get("sendFlagDecisions", False))
    if not _are_integrations(draft.datafile.get("integrations", [])):
        expected = "an array of objects with a key (and host and publicKey), all strings"
        draft.unread(draft.datafile, "integrations", expected, "")


def read_attributes_and_events(draft: Draft) -> None:
    """Read what may be sent with events, and which events there are."""
    for index, raw in enumerate(draft.section("attributes")):
        at = f"/attributes/{index}"
        try:
            id_, key = field(raw, "id", str, at), field(raw, "key", str, at)
        except Malformed as finding:
            draft.note(finding, "the attribute is not sent with events")
            continue
        draft.ruleset.attribute_ids[key] = id_
        draft.attribute_keys[id_] = key
    for index, raw in enumerate(draft.section("events")):
        at = f"/events/{index}"
        try:
            event = EventType(field(raw, "id", str, at), field(raw, "key", str, at))
        except Malformed as finding:
            draft.note(finding, "the event can't be tracked")
            continue
        ids = raw.get("experimentIds")
        if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
            draft.unread(raw, "experimentIds", "an array of strings", at)
        draft.ruleset.events[event.key] = event


def _are_integrations(found: object) -> bool:
    return isinstance(found, list) and all(
        isinstance(each, dict)
        and "key" in each
        and all(isinstance(each.get(name, ""), str) for name in ("key", "host", "publicKey"))
        for each in found
    )
