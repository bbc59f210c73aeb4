"""Compare Bucketer as a server of OFREP with flagd and GO Feature Flag: one core each, in turns, medians.

    python -m benchmarks.ofrep --flagd PATH --goff PATH [--rounds 5] [--seconds 4] [--json FILE]

PATHs are their binaries, which you build yourself: the Go modules `github.com/open-feature/flagd/flagd` and
`github.com/thomaspoignant/go-feature-flag/cmd/relayproxy`. All three have the same flags and send nothing
anywhere. wrk has the other core.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.requests.contestants import Missing
from benchmarks.requests.load import Round, run_script
from benchmarks.told import facts_of, medians_of

from .flags import key_of
from .servers import PATH, Server, body_of, check, servers

if TYPE_CHECKING:
    pass

_CHECKED_USERS = 100
_SERVER_CORE, _LOAD_CORE = "0", "1"
_SMALL, _LARGE = 50, 350
_SCRIPT = """
local user = {first}
local head = "POST {target} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nContent-Type: application/json\\r\\n{headers}Content-Length: "
local before, after = '{before}', '{after}'
function request()
  user = user + {step}
  local body = before .. user .. after
  return head .. #body .. "\\r\\n\\r\\n" .. body
end
"""


@dataclass(frozen=True)
class Row:
    """One request.

    Attributes:
        name: as the tables show it.
        count: how many flags the servers have.
        target: behind the path of all flags.
        same: ask for one user, who has the answer already: a 304.
    """

    name: str
    count: int
    target: str = ""
    same: bool = False

    def script(self, server: Server, first: int) -> str | None:
        """The program of wrk; users are numbered from *first*. None: it gives no ETag."""
        headers = ""
        if self.same:
            _, etag = server.evaluate(self.target, first)
            if not etag:
                return None
            headers = "If-None-Match: " + etag.replace('"', '\\"') + "\\r\\n"
        before, _, after = body_of(0).decode().partition("user0")
        values = {
            "first": first,
            "step": 0 if self.same else 1,
            "target": PATH + self.target,
            "headers": headers,
            "before": f"{before}user",
            "after": after,
        }
        text = _SCRIPT
        for name, value in values.items():
            text = text.replace("{" + name + "}", str(value))
        return text


ROWS = (
    Row("one flag", _LARGE, f"/{key_of(1)}"),
    Row("all of 50", _SMALL),
    Row("all of 350", _LARGE),
    Row("all of 350, unchanged (304)", _LARGE, same=True),
)


def main(argv: list[str] | None = None) -> int:
    """Measure. Exit status: 0 done, 2 something is missing, and it says what."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ofrep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--flagd", type=Path, required=True, help="flagd's binary")
    parser.add_argument("--goff", type=Path, required=True, help="the relay proxy's binary")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="of a round (default: %(default)s)")
    parser.add_argument("--only", default="", help="rows whose names contain this")
    parser.add_argument("--json", type=Path, help="write the results there")
    args = parser.parse_args(argv)
    directory = Path(tempfile.mkdtemp(prefix="bucketer-bench-"))
    try:
        check(args.flagd, args.goff)
        rows = [row for row in ROWS if args.only in row.name]
        found: list[dict[str, Any]] = []
        memory: dict[int, dict[str, int]] = {}
        for count in dict.fromkeys(row.count for row in rows):
            some = [row for row in rows if row.count == count]
            told, memory[count] = _run(some, count, directory, args)
            found += told
    except Missing as missing:
        print(f"benchmarks.ofrep: {missing}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(directory)
    if args.json:
        whole = {"facts": facts_of(args.rounds, args.seconds), "memory_mb": memory, "rows": found}
        args.json.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    return 0


def _run(
    rows: list[Row], count: int, directory: Path, args: argparse.Namespace
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Measure the rows that ask for *count* flags; also return each server's memory after that."""
    group = servers(directory, count, args.flagd.resolve(), args.goff.resolve())
    try:
        for each in group:
            each.start(_SERVER_CORE, 1)
            for number in range(_CHECKED_USERS):
                each.check(number)
        print(f"{_CHECKED_USERS} users' answers of {count} flags are right", flush=True)
        found = [_measure(row, group, directory, args) for row in rows]
        return found, {each.name: round(each.memory_mb()) for each in group}
    finally:
        for each in group:
            each.stop()


def _measure(
    row: Row, group: tuple[Server, ...], directory: Path, args: argparse.Namespace
) -> dict[str, Any]:
    rounds: dict[str, list[Round]] = {each.name: [] for each in group}
    for number in range(args.rounds):
        for each in group:
            script = row.script(each, number * 10_000_000)
            if script is not None:
                rounds[each.name].append(
                    run_script(each, script, directory, _LOAD_CORE, args.seconds)
                )
    told: dict[str, Any] = {"name": row.name}
    ours = rounds[group[0].name]
    for name, found in rounds.items():
        told[name] = _median_of(found, ours) if found else None
    print(_line(told), flush=True)
    return told


def _median_of(found: list[Round], ours: list[Round]) -> dict[str, Any]:
    pairs = zip(ours, found, strict=True)
    ratio = median(a.per_second / b.per_second for a, b in pairs)
    return medians_of(found) | {"ours_over_it": round(ratio, 2)}


def _line(told: dict[str, Any]) -> str:
    sides = []
    for name, side in told.items():
        if name == "name":
            continue
        text = f"{name} has none"
        if side is not None:
            text = f"{name} {side['requests_per_second']:>7,}/s, {side['cpu_us']} µs ({side['ours_over_it']:.2f})"
        sides.append(text)
    return f"{told['name']:30}{'   '.join(sides)}"


if __name__ == "__main__":
    sys.exit(main())
