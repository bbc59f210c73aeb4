"""The recorded Lambda events, and how an answer is held against what the recording expects."""

from __future__ import annotations

import json
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "lambda_events"
#: Name → recording: ``source``, ``event``, ``expected``. A new case is a new file.
RECORDED = {path.stem: json.loads(path.read_text()) for path in sorted(_FOLDER.glob("*.json"))}
assert len(RECORDED) > 40, "the recorded events are missing"


def check_result(result, expected):
    """Hold a Lambda *result* against what a recording expects of it."""
    assert result["statusCode"] == expected["status"]
    assert type(result["statusCode"]) is int
    assert result["isBase64Encoded"] is False
    if expected.get("empty"):
        assert not result["body"]
        return
    body = json.loads(result["body"])
    if "body" in expected:
        assert body == expected["body"]
    if "code" in expected:
        assert body["error"]["code"] == expected["code"]
        assert expected["says"] in body["error"]["message"]
        assert body["variation"] is None
    if "user" in expected:
        assert body["user"] == expected["user"]
    if "attributes" in expected:
        assert body["debug"]["user_attributes"] == expected["attributes"]
    if "has" in expected:
        assert expected["has"] in body


def headers_of(result):
    """Return the headers of a Lambda *result*, whichever form they have."""
    if "multiValueHeaders" in result:
        return {name: value for name, [value] in result["multiValueHeaders"].items()}
    return result["headers"]
