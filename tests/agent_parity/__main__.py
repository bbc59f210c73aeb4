"""Twenty thousand conversations with a real Optimizely Agent and with Bucketer, compared.

    python -m tests.agent_parity draw DIR [--datafiles 150] [--per-key 3.3] [--seed S]
    python -m tests.agent_parity record DIR agent.jsonl --stubs-port 19190 --base open=http://127.0.0.1:8080 …
    python -m tests.agent_parity record DIR ours.jsonl --ours
    python -m tests.agent_parity compare DIR agent.jsonl ours.jsonl [--show 20] [--only decide]
    python -m tests.agent_parity choose DIR agent.jsonl ours.jsonl SMALL --keys demonstration,lab03 …
    python -m tests.agent_parity vectors SMALL small-agent.jsonl

`draw` writes DIR/datafiles and DIR/conversations.jsonl. The four Agents are yours to build and to start, each
with an empty memory; docs/agent.md says with which options. They fetch datafiles from, and send events, bandits'
questions and ODP's to the stubs, which `record` runs for as long as it takes. `compare` exits with 1 when there
is a difference that nothing explains (see explained.py).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from . import datafiles, vectors
from .conversations import conversations, read_datafiles
from .differences import compare, explain
from .explained import EXPLAINED
from .explained_answers import conversion_told
from .level import text_of
from .ours import four
from .record import record
from .stubs import Stubs

_SHOWN = 600
_FEW = 3
#: What no vector looks at.
_NOT_KEPT = ("headers", "odp")
_USUAL = (["Content-Type", "application/json"], ["X-Request-Id", "lab-request"])


def main(argv=None):
    """Do what was asked. Exit status: 0, or 1 where a difference isn't explained."""
    args = _arguments(argv)
    does = {
        "draw": _draw,
        "record": _record,
        "compare": _compare,
        "stubs": _stubs,
        "choose": _choose,
        "vectors": _vectors,
    }
    return does[args.what](args)


def _arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m tests.agent_parity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_subparsers(dest="what", required=True)
    draw = what.add_parser("draw")
    draw.add_argument("--datafiles", type=int, default=150)
    draw.add_argument("--per-key", type=float, default=3.3)
    draw.add_argument("--seed", default="agent-20k")
    recording = what.add_parser("record")
    stubs = what.add_parser("stubs")
    comparison = what.add_parser("compare")
    choosing = what.add_parser("choose")
    writing = what.add_parser("vectors")
    for each in (draw, recording, comparison, stubs, choosing, writing):
        each.add_argument("directory", type=Path)
    recording.add_argument("out", type=Path)
    recording.add_argument("--base", action="append", default=[], metavar="NAME=URL")
    recording.add_argument("--ours", action="store_true", help="start Bucketer, and ask that")
    recording.add_argument("--jobs", type=int, default=24)
    recording.add_argument("--settle", type=float, default=0.02, metavar="SECONDS")
    recording.add_argument("--agents", default="open,profiles,closed,bare")
    recording.add_argument("--logs", type=Path, help="keep the logs of ours there")
    for each in (recording, stubs):
        each.add_argument("--stubs-port", type=int, default=0)
    for each in ("agent", "ours"):
        comparison.add_argument(each, type=Path)
        choosing.add_argument(each, type=Path)
    writing.add_argument("agent", type=Path)
    choosing.add_argument("out", type=Path, help="a directory, as `draw` writes one")
    choosing.add_argument("--keys", required=True, help="SDK keys of the datafiles to take")
    comparison.add_argument("--show", type=int, default=10)
    for each in (recording, comparison):
        each.add_argument("--only", default="", help="ids that begin so")
    return parser.parse_args(argv)


def _draw(args):
    datafiles.write(args.directory / "datafiles", args.datafiles, args.seed)
    found = conversations(read_datafiles(args.directory / "datafiles"), args.per_key, args.seed)
    _write(args.directory / "conversations.jsonl", found)
    kinds = Counter(each["id"].rpartition("-")[0] for each in found)
    _say(f"{len(found)} conversations: {', '.join(f'{k} {n}' for k, n in sorted(kinds.items()))}")
    return 0


def _stubs(args):
    with Stubs(args.directory / "datafiles", args.stubs_port) as stubs:
        _say(stubs.url)
        stubs.serve_forever()
    return 0


def _record(args):
    found = [e for e in _held(args) if e["id"].startswith(args.only)]
    pace = {"jobs": args.jobs, "settle_s": args.settle}
    with Stubs(args.directory / "datafiles", args.stubs_port) as stubs:
        stubs.begin()
        if not args.ours:
            bases = dict(each.split("=", 1) for each in args.base)
            told = record(found, bases, stubs, **pace)
        else:
            with tempfile.TemporaryDirectory() as state:
                where = args.logs or Path(state)
                with four(stubs.url, where, args.agents.split(",")) as bases:
                    told = record(found, bases, stubs, **pace, listeners=False)
    _write(args.out, (told[name] for name in sorted(told)))
    _say(f"\n{len(told)} conversations held: {args.out}")
    return 0


def _compare(args):
    found = [e for e in _held(args) if e["id"].startswith(args.only)]
    agents, ours = ({e["id"]: e for e in _read(path)} for path in (args.agent, args.ours))
    datafiles = read_datafiles(args.directory / "datafiles")
    by_reason = explain(compare(found, agents, ours, datafiles))
    for reason in EXPLAINED:
        _say(f"{len(by_reason.get(reason, ())):6} {reason}")
    open_ones = by_reason.get(None, [])
    for kind, count in Counter((each.kind, each.part) for each in open_ones).most_common():
        _say(f"{count:6} {' '.join(kind)}: not explained")
    for each in open_ones[: args.show]:
        step = each.asked.step if each.asked is not None else {}
        asked = " ".join(str(step.get(name, "")) for name in ("method", "path", "query", "body"))
        asked += f" {[e for e in step.get('headers', ()) if e not in _USUAL]}"
        _say(f"\n{each.where} {each.part}: {asked[:_SHOWN]}")
        _say(f"  agent: {text_of(each.agents)[:_SHOWN]}\n  ours:  {text_of(each.ours)[:_SHOWN]}")
    both = len(agents.keys() & ours.keys())
    _say(f"\n{both} conversations compared, {len(open_ones)} differences not explained")
    return 1 if open_ones else 0


def _choose(args):
    found = _held(args)
    agents, ours = ({e["id"]: e for e in _read(path)} for path in (args.agent, args.ours))
    everything = read_datafiles(args.directory / "datafiles")
    differences = [e for e in compare(found, agents, ours, everything) if e.part not in _NOT_KEPT]
    differing = {
        talk.conversation["id"]
        for e in differences
        for talk in e.talks
        # Else there were no streams; and a visitor of many conversations tells of none of them.
        if not conversion_told(e) and len(e.talks) <= _FEW
    }
    datafiles_of = {key: everything[key] for key in args.keys.split(",")}
    chosen = vectors.choose(found, agents, differing, datafiles_of)
    (args.out / "datafiles").mkdir(parents=True, exist_ok=True)
    for key, datafile in datafiles_of.items():
        (args.out / "datafiles" / f"{key}.json").write_text(json.dumps(datafile))
    _write(args.out / "conversations.jsonl", chosen)
    _say(f"{len(chosen)} conversations")
    return 0


def _vectors(args):
    agents = {each["id"]: each for each in _read(args.agent)}
    vectors.write(_held(args), agents, read_datafiles(args.directory / "datafiles"))
    _say(f"{vectors.FILE}: {vectors.FILE.stat().st_size} bytes")
    return 0


def _held(args):
    return _read(args.directory / "conversations.jsonl")


def _read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def _write(path, values):
    path.write_text("".join(json.dumps(each, sort_keys=True) + "\n" for each in values))


def _say(text):
    print(text.encode("utf-8", "backslashreplace").decode(), flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
