"""Which differences between two answers are on purpose; see explained.py."""

from __future__ import annotations

import base64
import json
import re

from bucketer.api.http import is_sane_request_id

from . import why

#: What Bucketer says of each answer beyond Agent's.
_OURS = frozenset(
    {
        "cache-control",
        "x-content-type-options",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "x-accel-buffering",
    }
)
#: Agent says it everywhere below /v1; ours where an answer really differs by origin.
_THEIRS = frozenset({"vary"})
_ID = "x-request-id"
_KEY = "x-optimizely-sdk-key"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"))
_NO_SUCH_KEY = frozenset(("status401", "status404", "status410"))
#: The longest key that names an environment here, in characters.
_LONGEST_KEY = 512
_PARSING = re.compile(
    r'\* strconv\.(Atoi|ParseBool|ParseFloat): parsing (".*"): (invalid|value out)'
)


def more_headers(each):
    if each.part != "headers":
        return False
    agents, ours = _headers(each)
    if each.asked.statuses == (401, 401):
        ours = [(name, value) for name, value in ours if name != "www-authenticate"]
    if not any(name == _ID for name, _ in agents):
        ours = [(name, value) for name, value in ours if name != _ID]
    return agents == ours


def _headers(each):
    left_out = _THEIRS | _OURS
    return tuple(
        [(name, value) for name, value in side if name not in left_out]
        for side in (each.agents, each.ours)
    )


def _key(each):
    found = each.asked.header(_KEY) if each.asked else []
    return found[0] if len(found) == 1 else ""


def no_key_in_errors(each):
    if each.part != "body" or not isinstance(each.agents, dict) or not isinstance(each.ours, dict):
        return False
    said, ours = str(each.agents.get("error")), str(each.ours.get("error"))
    return said == f"{ours}: {_key(each)}" and ours.startswith("failed to instantiate")


def untidied(each):
    if each.asked is None:
        return all(talk.conversation["key"].startswith("raw") for talk in each.talks)
    return _key(each).startswith("raw")


def other_listener(each):
    return each.asked is not None and "listener" in each.asked.step and _is_dropped(each, ours=True)


def _is_dropped(each, *, ours=False):
    return "dropped" in (each.asked.ours if ours else each.asked.agents)


def own_page(each):
    if each.asked is None or _inner(each) or "listener" in each.asked.step:
        return False
    path = each.asked.path
    if path.startswith("/v1/") or path == "/oauth/token" or path.lower().endswith("/batch"):
        return False
    return not path.lower().endswith("/health")


def _inner(each):
    return "operation" in each.asked.step


def health(each):
    if each.asked is None or not each.asked.path.lower().endswith("/health") or _inner(each):
        return False
    return (
        each.asked.path != "/health" or each.part != "status" or each.asked.step["method"] != "GET"
    )


def options(each):
    return each.asked is not None and each.asked.step["method"] == "OPTIONS"


def unknown_method(each):
    return (
        each.asked is not None
        and each.asked.step["method"] not in _METHODS
        and each.asked.statuses[0] == 405
        and each.asked.statuses[1] in (404, 405)
    )


def outside(each):
    if each.asked is None or each.asked.path.startswith("/v1/"):
        return False
    is_batch = each.asked.path.lower().endswith("/batch")
    return (is_batch or _inner(each)) and each.asked.statuses[1] == 404


def host(each):
    if each.asked is None:
        return False
    said = each.asked.bodies[0]
    return isinstance(said, dict) and said.get("error") == "invalid request host"


def request_id(each):
    if each.part != "headers":
        return False
    given = each.asked.header(_ID)
    if given and is_sane_request_id(given[0]):
        return False
    agents, ours = ([e for e in side if e[0] != _ID] for side in _headers(each))
    return agents == ours


def long_key(each):
    return len(_key(each)) > _LONGEST_KEY and each.asked.statuses == (500, 400)


def no_such_key(each):
    return _key(each) in _NO_SUCH_KEY and each.asked.statuses == (500, 403)


def two_headers(each):
    if each.asked is None:
        return False
    if len(each.asked.header(_KEY)) > 1:
        return each.asked.statuses[1] == 400
    return len(each.asked.header("content-type")) > 1 and each.asked.statuses[1] == 415


def too_large_a_number(each):
    if each.asked is None or "1e999" not in (each.asked.step.get("body") or ""):
        return False
    said = each.asked.bodies[1]
    return isinstance(said, dict) and said.get("error") == "error parsing request body"


def save(each):
    if each.asked is None or each.asked.path != "/v1/save" or not _is_dropped(each):
        return False
    stored = each.asked.body.get("experimentBucketMap")
    return each.asked.statuses[1] == 400 and any(
        not isinstance(entry.get("variation_id"), str)
        for entry in (stored or {}).values()
        if isinstance(entry, dict)
    )


def silent_stream(each):
    return (
        each.asked is not None
        and "stream" in each.asked.step
        and _is_dropped(each)
        and each.asked.statuses[1] == 200
        and not each.asked.bodies[1]
    )


def conversion_told(each):
    if each.part != "body" or "stream" not in each.asked.step:
        return False
    lines = [side if isinstance(side, list) else None for side in (each.agents, each.ours)]
    if None in lines:
        return False
    agents, ours = ([_without_attributes(line) for line in side] for side in lines)
    return sorted(agents) == sorted(ours)


def _without_attributes(line):
    told = json.loads(line)
    if "ConversionEvent" in told:
        told["ConversionEvent"]["Attributes"] = []
    return json.dumps(told, sort_keys=True)


def scheme(each):
    if each.asked is None:
        return False
    given = each.asked.header("authorization")
    return (
        len(given) == 1
        and not given[0].startswith("Bearer ")
        and each.asked.statuses[0] == 401
        and each.asked.statuses[1] in (200, 401)
    )


def admins_token(each):
    """A token that says `admin` and names no SDK keys."""
    if each.asked is None or each.asked.statuses != (401, 200):
        return False
    given = " ".join(each.asked.header("authorization")).removeprefix("Bearer ").split(".")
    if len(given) != 3:
        return False
    padded = given[1] + "=" * (-len(given[1]) % 4)
    claims = json.loads(base64.urlsafe_b64decode(padded))
    return claims.get("admin") is True and "sdk_keys" not in claims


def shared_variables(each):
    """Also of several values for variables that the flag hasn't, which are all shown by an empty key."""
    if each.part != "body" or each.asked.path != "/v1/config":
        return False
    flags = each.talks[0].datafile.get("featureFlags", ())
    used = [id_ for flag in flags for id_ in flag["experimentIds"]]
    shared = {id_ for id_ in used if used.count(id_) > 1}
    agents, ours = (_without_variables(side, shared) for side in (each.agents, each.ours))
    return agents == ours


def _without_variables(value, shared):
    """The config without the variables of the experiments that are *shared*."""
    if isinstance(value, list):
        return [_without_variables(each, shared) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("id") in shared and "variationsMap" in value:
        variations = value["variationsMap"].items()
        without = {key: {**each, "variablesMap": {}} for key, each in variations}
        return {**value, "variationsMap": without}
    if "variablesMap" in value:
        value = {**value, "variablesMap": {k: v for k, v in value["variablesMap"].items() if k}}
    return {name: _without_variables(each, shared) for name, each in value.items()}


def some_flags_error(each):
    """Both say what is wrong with variables: Agent of the flag that it came to first."""
    if each.part != "body" or each.asked.path != "/v1/activate":
        return False
    if each.asked.statuses != (400, 400):
        return False
    asked = each.asked
    if len(set(asked.values("featureKey"))) + 2 * ("feature" in asked.values("type")) < 2:
        return False
    texts = json.dumps(each.talks[0].datafile)
    told = [_wrong_texts(side) for side in (each.agents, each.ours)]
    return all(found and all(text in texts for text in found) for found in told)


def _wrong_texts(body):
    """What an error says could not be read, as JSON; none where it says anything else."""
    error = body.get("error") if isinstance(body, dict) else None
    lines = error if isinstance(error, list) else str(error).splitlines()
    wrong = [line for line in lines if line.strip() and not line.endswith("occurred:")]
    found = [_PARSING.search(line) for line in wrong]
    return [] if None in found else [json.dumps(json.loads(each.group(2))) for each in found]


def why_answered(each):
    """The reason of `why` for the difference, or None."""
    asked, talk = each.asked, each.talks[0]
    if asked.path == "/v1/lookup":
        return why.why_stored(talk, asked) if each.part == "body" else None
    if not asked.decides:
        return None
    if asked.statuses == (200, 200):
        return why.why_shown(talk, asked) if each.part == "body" else None
    # Another decision has other variables, and those may make the answer an error.
    wrong = [
        body for status, body in zip(asked.statuses, asked.bodies, strict=True) if status != 200
    ]
    return why.why_all(talk, asked) if all(map(_is_about_variables, wrong)) else None


def _is_about_variables(body):
    return "json: unsupported value" in str(body) or bool(_wrong_texts(body))


def outage(each):
    """The question for segments that others ask in vain is put by one request at a time."""
    asked = each.asked
    return asked is not None and is_spared(asked)


def is_spared(asked):
    """Whether it wants segments, which Agent has and Bucketer hasn't asked for."""
    said = asked.bodies[1]
    return (
        asked.body.get("fetchSegments") is True
        and asked.statuses[1] == 500
        and isinstance(said, dict)
        and said.get("error") == "failed to fetch qualified segments"
    )
