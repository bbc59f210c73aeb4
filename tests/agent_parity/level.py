"""What may differ between two runs of one program, made equal: order that comes from a map, ids, times, tokens."""

from __future__ import annotations

import json
import re

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_MS = re.compile(r'"(timestamp|Timestamp)":\s*\d{12,}')
_JWT = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+")
_STUBS = re.compile(r"http://127\.0\.0\.1:\d+")
_UNSUPPORTED = re.compile(r"json: unsupported value: \S+")
#: Agent sends `-0`, of which Python's parser, and so what was recorded, keeps no sign.
_ZERO = re.compile(r"(?<=[ \[])-0\.0(?=[,\]}])")
#: Of HTTP itself, or of the machine.
IGNORED = frozenset(
    {
        "content-length",
        "transfer-encoding",
        "connection",
        "date",
        "last-modified",
        "host",
        "keep-alive",
    }
)
#: What an object has that stands in a list made from a map.
_OF_A_MAP = ({"flagKey", "userContext"}, {"featureKey", "type"})


def text_of(value):
    """JSON as text, so that it can be sorted and compared."""
    return _ZERO.sub("0", json.dumps(value, sort_keys=True))


def level(text):
    """Replace ids, times and tokens."""
    text = _JWT.sub("<token>", _TIME.sub("<time>", _UUID.sub("<uuid>", text)))
    text = _STUBS.sub("<stubs>", text)  # whose port is another one
    text = _ZERO.sub("0", text)
    text = _UNSUPPORTED.sub("json: unsupported value: <one of them>", text)
    return _MS.sub('"timestamp":0', text)


def answer(told):
    """Return status, body and headers, levelled."""
    return {
        "status": told.get("status", "dropped" if "dropped" in told else None),
        "body": body(told),
        "headers": headers(told),
    }


def body(told):
    """JSON as a value; the lines of a stream, sorted; else the text."""
    text = told.get("body")
    if text is None:
        return told.get("body_b64")
    text = level(text)
    if text.startswith("data: ") or '"ConversionEvent"' in text or '"DecisionInfo"' in text:
        return sorted(line.removeprefix("data: ") for line in text.splitlines() if line)
    try:
        return unordered(json.loads(text))
    except (ValueError, RecursionError):
        return text


def headers(told):
    """Names and values, without those of HTTP itself."""
    return sorted([n, level(value)] for n, value in told.get("headers", ()) if n not in IGNORED)


def unordered(value):
    """Sort lists of objects that come from a map, and the operations of a batch."""
    if isinstance(value, list):
        inner = [unordered(each) for each in value]
        return sorted(inner, key=text_of) if inner and all(map(_from_map, inner)) else inner
    if not isinstance(value, dict):
        return value
    made = {name: unordered(each) for name, each in value.items()}
    if {"errorCount", "response"} <= made.keys() and isinstance(made["response"], list):
        made["response"] = sorted(made["response"], key=text_of)
    if {"featuresMap", "experimentsMap", "audiences"} <= made.keys():
        for name in ("attributes", "audiences", "events"):
            made[name] = sorted(made[name] or (), key=text_of)
    if "errors occurred:" in str(made.get("error")):
        made["error"] = sorted(made["error"].splitlines())
    if isinstance(made.get("reasons"), list):  # which variable is named first is random
        wrong = [e for e in made["reasons"] if str(e).startswith("Variable value for key")]
        made["reasons"] = sorted(wrong) + [e for e in made["reasons"] if e not in wrong]
    if made.get("uptime"):
        made["uptime"] = "<uptime>"
    return made


def _from_map(value):
    return isinstance(value, dict) and any(names <= value.keys() for names in _OF_A_MAP)


#: Of an event: who sent it, and the region, by which ours chooses the host and says no more.
OF_THE_SENDER = ("client_name", "client_version", "region")
_OF_THE_SOURCE = ("data_source", "data_source_version")
_NO_BOT_FILTERING = {"key": "$opt_bot_filtering", "value": False}


def events(entries):
    """Each visitor of all events as text; see `event`."""
    return [event(entry) for entry in entries]


def event(entry):
    """One visitor of an event as text, its attributes sorted, where both say the same in the same form."""
    made = json.loads(level(text_of(entry)))
    made["head"] = {n: value for n, value in made["head"].items() if n not in OF_THE_SENDER}
    made["head"]["anonymize_ip"] = bool(made["head"].get("anonymize_ip"))
    visitor = made["visitor"]
    found = visitor.get("attributes") or ()
    silent = _NO_BOT_FILTERING.items()
    visitor["attributes"] = sorted((e for e in found if not silent <= e.items()), key=text_of)
    for snapshot in visitor.get("snapshots", ()):
        for decision in snapshot.get("decisions") or ():
            _decision(decision)
        for each in snapshot["events"]:
            _tags(each)
            if isinstance(each.get("value"), float) and each["value"].is_integer():
                each["value"] = int(each["value"])
            if snapshot.get("decisions"):
                each["entity_id"] = snapshot["decisions"][0]["campaign_id"]
    return text_of(made)


def _decision(decision):
    """An empty campaign is the rule itself; a variation's id that isn't decimal is none."""
    decision["campaign_id"] = decision["campaign_id"] or decision["experiment_id"]
    if not str(decision.get("variation_id")).isdecimal():
        decision["variation_id"] = None


def _tags(told):
    """Tags without a `revenue` or `value` of null, and no empty ones."""
    tags = told.get("tags") or {}
    tags = {n: v for n, v in tags.items() if v is not None or n not in ("revenue", "value")}
    told.pop("tags", None)
    if tags:
        told["tags"] = tags


def odp(calls):
    """Each event that ODP got, and each question for segments, as text."""
    found = []
    for call in calls:
        for each in call.get("events") or ():
            data = {n: v for n, v in each["data"].items() if n not in _OF_THE_SOURCE}
            found.append({"event": {**each, "data": data}})
        if "graphql" in call:
            variables = dict(call["graphql"]["variables"])  # whose audiences come from a map
            variables["audiences"] = sorted(variables["audiences"])
            found.append({"graphql": {**call["graphql"], "variables": variables}})
    return [level(text_of(each)) for each in found]
