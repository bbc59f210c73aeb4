"""What is asked: one request per row, with a new user each time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from benchmarks.engine.projects import as_bytes, project

#: SDK keys of the two datafiles, and how many flags each has.
DATAFILES = {"bench50": 50, "bench200": 200}
_DAYS = 90
#: `|` is where the number of the user goes, and `~` where the days go.
_ATTRIBUTES = {
    "tier": "gold",
    "member_since_days": "~",
    "app_version": "3.1.4",
    "country": "DE",
    "plan": "pro plus",
}
_SCRIPT = """
local user = {first}
local head = "POST {target} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nX-Optimizely-SDK-Key: {key}\\r\\nContent-Type: application/json\\r\\nContent-Length: "
local before, middle, after = {before}, {middle}, {after}
function request()
  user = user + 1
  local body = before .. user .. middle .. user % {days} .. after
  return head .. #body .. "\\r\\n\\r\\n" .. body
end
"""


@dataclass(frozen=True)
class Row:
    """One request.

    Attributes:
        name: as the tables show it.
        key: the SDK key.
        target: path and query.
        goal: how many times as many requests a second as Agent's are wanted.
        extra: of the body, beside user and attributes.
    """

    name: str
    key: str
    target: str
    goal: float
    extra: dict[str, object] = field(default_factory=dict)

    def body(self, number: int) -> bytes:
        """The body for user *number*."""
        before, middle, after = self._pieces()
        return f"{before}{number}{middle}{number % _DAYS}{after}".encode()

    def script(self, first: int) -> str:
        """The program of wrk; users are numbered from *first*."""
        before, middle, after = map(_lua, self._pieces())
        values = {
            "first": first,
            "target": self.target,
            "key": self.key,
            "before": before,
            "middle": middle,
            "after": after,
            "days": _DAYS,
        }
        text = _SCRIPT
        for name, value in values.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def _pieces(self) -> tuple[str, str, str]:
        body = {"userId": "user|", "userAttributes": _ATTRIBUTES, **self.extra}
        before, _, rest = json.dumps(body).partition("|")
        middle, _, after = rest.partition('"~"')
        return before, middle, after


_SILENT: dict[str, object] = {"decideOptions": ["DISABLE_DECISION_EVENT"]}
_ONE = "/v1/decide?keys=flag_7"
_ACTIVATE = "/v1/activate?experimentKey=flag_0_experiment_0"
ROWS = (
    Row("decide one flag", "bench200", _ONE, 2),
    Row("decide all of 50", "bench50", "/v1/decide", 2),
    Row("decide all of 200", "bench200", "/v1/decide", 2),
    Row("activate", "bench200", _ACTIVATE, 1),
    Row("decide one flag, no event", "bench200", _ONE, 2, _SILENT),
    Row("decide all of 50, no events", "bench50", "/v1/decide", 2, _SILENT),
    Row("decide all of 200, no events", "bench200", "/v1/decide", 2, _SILENT),
    Row("activate, no event", "bench200", f"{_ACTIVATE}&disableTracking=true", 1),
)


def datafile(key: str) -> bytes:
    """The datafile of an SDK key, as the CDN serves it."""
    return as_bytes(project(DATAFILES[key]) | {"sdkKey": key, "environmentKey": "bench"})


def _lua(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
