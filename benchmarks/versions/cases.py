"""What is asked: the requests that wrk sends, and the settings that they meet."""

from __future__ import annotations

from dataclasses import dataclass

#: The other environment's key, and the one that the demonstration's datafile names.
OTHER_KEY, OWN_KEY = "other-environment", "demonstration"
_GET = "/bucketer?e=checkout_flow_experiment&u=user{user}&a=tier:%22platinum%22,member_since_days:{days}"
_POSTED = '{"e":"checkout_flow_experiment","u":"user{user}","a":{"tier":"platinum","member_since_days":{days}}}'
_TRACKED = '{"event":"purchase","u":"user{user}","a":{"tier":"platinum"},"tags":{"revenue":4200}}'

_SCRIPT = """
local user = {first}
function request()
  user = user + 1
  local days = user % 1000
  local body = '{body}'
  return '{head}' .. {length} .. '\\r\\n\\r\\n' .. body
end
"""


@dataclass(frozen=True)
class Case:
    """One kind of request, and the settings that it meets.

    Attributes:
        name: as the table shows it.
        target: of the request; ``{user}`` is a new number in each, ``{days}`` one below 1,000.
        body: the same of a POST; empty for a GET.
        key: what `X-Optimizely-SDK-Key` says; empty for no such header. Where there is one, the
            server has another environment; a checkout from before environments ignores both.
        events: whether the server makes and keeps them.
        goal: the least share of the other checkout's requests per second.
    """

    name: str
    target: str = _GET
    body: str = ""
    key: str = ""
    events: bool = False
    goal: float = 0.97

    def script(self, first: int) -> str:
        """Return the script for wrk; users are numbered from *first*."""
        lines = [f"{'POST' if self.body else 'GET'} {self.target} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"X-Optimizely-SDK-Key: {self.key}"] if self.key else []
        lines += ["Content-Type: application/json", "Content-Length: "] if self.body else []
        text = _SCRIPT.replace("{head}", "\\r\\n".join(lines)).replace("{body}", self.body)
        text = text.replace("{length}", "#body" if self.body else "''")
        for name in ("user", "days"):
            text = text.replace(f"{{{name}}}", f"' .. {name} .. '")
        return text.replace("{first}", str(first))


CASES = (
    Case("GET /bucketer, events off"),
    Case("GET /bucketer, events on", events=True),
    Case("POST /bucketer, events off", "/bucketer", _POSTED),
    Case("POST /track, events on", "/track", _TRACKED, events=True),
    Case("GET, the key of the default environment", key=OWN_KEY, goal=0.9),
    Case("GET, the key of another environment", key=OTHER_KEY, goal=0.9),
)
