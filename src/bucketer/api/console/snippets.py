"""One question in, the request that asks it out: for a shell, in Python and in JavaScript.

The service's address is `{origin}` in them, for the page to put its own in that place: in the first
such place, since what comes behind it may be a key or a value that says the same.
"""

from __future__ import annotations

from json import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .asked import Subject

ORIGIN = "{origin}"
_PYTHON = """import json
from urllib.request import Request, urlopen

url = {url}
question = {question}
headers = {headers}
request = Request(url, json.dumps(question).encode(), headers)
print(json.load(urlopen(request)))
"""
_JAVASCRIPT = """const answer = await fetch({url}, {{
  method: "POST",
  headers: {headers},
  body: {body},
}});
console.log(await answer.json());
"""


def requests_of(
    subject: Subject, user_id: str, attributes: Mapping[str, object], environment: str
) -> dict[str, str]:
    """The texts, by language; the environment's SDK key is for the reader to put in."""
    question: dict[str, object] = {"e" if subject.kind == "experiment" else "f": subject.key}
    question |= {"u": user_id}
    if attributes:
        question["a"] = dict(attributes)
    headers = {"Content-Type": "application/json"}
    if environment:
        headers["X-Optimizely-SDK-Key"] = "YOUR_SDK_KEY"
    url = f"{ORIGIN}/bucketer"
    return {
        "curl": _curl(url, headers, dumps(question)),
        "python": _PYTHON.format(question=ascii(question), headers=ascii(headers), url=ascii(url)),
        "javascript": _javascript(url, headers, dumps(question)),
    }


def _curl(url: str, headers: Mapping[str, str], body: str) -> str:
    lines = [f"curl {_quoted(url)}"]
    lines += [f"  -H {_quoted(f'{name}: {value}')}" for name, value in headers.items()]
    lines.append(f"  -d {_quoted(body)}")
    return " \\\n".join(lines)


def _quoted(text: str) -> str:
    """As a shell takes it for one word, whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"


def _javascript(url: str, headers: Mapping[str, str], body: str) -> str:
    # In an object that is written out, this key would be none.
    written = dumps(body) if '"__proto__"' in body else f"JSON.stringify({body})"
    return _JAVASCRIPT.format(url=dumps(url), headers=dumps(dict(headers)), body=written)
