"""Report, for each hostile input, for how long a bystander waits, and how much memory it takes.

Each input meets a server of its own, with one worker. The bystander's longest wait just before it,
without any hostile input, is the control.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from .bystander import PATIENCE_S, longest_stall_ms
from .hostile import HOSTILE, Hostile
from .server import Folder, Server

ROOT = Path(__file__).parents[2]
#: Seconds: of the control; of an attack, at the least and at the most.
_CONTROL_S, _LEAST_S, _MOST_S = 0.5, 0.5, 8.0
_fork = multiprocessing.get_context("fork")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stalls", description=__doc__)
    parser.add_argument("--only", default="", help="inputs whose kind or name contains this")
    parser.add_argument(
        "--tree", type=Path, default=ROOT, help="the checkout whose server is tried"
    )
    parser.add_argument("--rounds", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--before", type=Path, help="another checkout, tried side by side")
    parser.add_argument("--python", default=sys.executable, help="that runs the servers")
    parser.add_argument("--json", type=Path, help="write the results there")
    args = parser.parse_args(argv)
    trees = {"now": args.tree} | ({"before": args.before} if args.before else {})
    chosen = [each for each in HOSTILE if args.only in f"{each.kind}: {each.name}"]
    root = Path(tempfile.mkdtemp(prefix="bucketer-stalls-"))
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})  # the servers have the first core for themselves
    try:
        folder = Folder(root)
        results = [_try(each, trees, args, folder) for each in chosen]
    finally:
        shutil.rmtree(root)
    print(table(results, list(trees)))
    if args.json:
        facts = {
            "python": sys.version.split()[0],
            "cores": os.cpu_count(),
            "rounds": args.rounds,
            "patience_s": PATIENCE_S,
        }
        args.json.write_text(json.dumps({"facts": facts, "results": results}, indent=2) + "\n")
    return 0


def _try(
    hostile: Hostile, trees: dict[str, Path], args: argparse.Namespace, folder: Folder
) -> dict[str, Any]:
    """Let *hostile* loose on a server of each tree, round after round.

    The least of the rounds counts: what the machine does beside only makes a wait longer.
    """
    rounds: dict[str, list[dict[str, float]]] = {which: [] for which in trees}
    for _ in range(args.rounds):
        for which, tree in trees.items():
            server = Server(tree / "src", args.python, folder, hostile)
            try:
                rounds[which].append(_measure(server, hostile))
            finally:
                server.stop()
    result: dict[str, Any] = {"kind": hostile.kind, "input": hostile.name}
    for which, found in rounds.items():
        result[which] = {name: min(each[name] for each in found) for name in found[0]}
        result[f"{which}_rounds"] = found
        print(f"{hostile.kind}: {hostile.name}, {which}: {result[which]}", file=sys.stderr)
    return result


def _measure(server: Server, hostile: Hostile) -> dict[str, float]:
    ready, go = _fork.Event(), _fork.Event()
    attacker = _fork.Process(target=_attack, args=(hostile, server, ready, go), daemon=True)
    attacker.start()
    ready.wait()
    # The first question of all is slower; and what was lazily imported is there after it.
    longest_stall_ms(server.port, 0.2, 0.2, lambda: True)
    control = longest_stall_ms(server.port, _CONTROL_S, _CONTROL_S, lambda: True)
    before_mb = server.peak_mb()
    go.set()
    stall = longest_stall_ms(server.port, _LEAST_S, _MOST_S, lambda: not attacker.is_alive())
    grown_mb = server.peak_mb() - before_mb
    attacker.kill()
    attacker.join()
    return {
        "stall_ms": round(stall, 1),
        "control_ms": round(control, 1),
        "grown_mb": round(max(0.0, grown_mb), 1),
    }


def _attack(hostile: Hostile, server: Server, ready: Event, go: Event) -> None:
    os.nice(10)  # on the bystander's core, which mustn't wait for us
    ready.set()
    go.wait()
    time.sleep(0.05)
    if hostile.comes:
        server.take(hostile.comes)
    hostile.attack(server.port)


def table(results: list[dict[str, Any]], whiches: list[str]) -> str:
    """Return the results as a table in Markdown: longest waits in ms, memory in MB."""
    columns = ["input"]
    for which in reversed(whiches):
        columns += [f"stall {which} [ms]", f"memory {which} [MB]"]
    lines = [" | ".join([*columns, "control [ms]"]), " | ".join(["---"] * (len(columns) + 1))]
    for result in results:
        cells = [f"{result['kind']}: {result['input']}"]
        for which in reversed(whiches):
            found = result[which]
            over = found["stall_ms"] >= PATIENCE_S * 1_000
            cells += ["≥ 5,000" if over else f"{found['stall_ms']:.1f}", f"{found['grown_mb']:.0f}"]
        control = max(result[which]["control_ms"] for which in whiches)
        lines.append(" | ".join([*cells, f"{control:.1f}"]))
    return "\n".join(f"| {line} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
