"""Time the console in a real Chromium: from a key press to the frame that shows its answer.

A person types a user id, letter by letter, into a project of a thousand flags, that of
`benchmarks.engine` grown fivefold; then searches in the list of its keys. The clock is the browser's own: from
the time stamp of the key's event to the frame after the one that has the answer to *that* letter.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.engine.projects import as_bytes, project
from tests.fakes.browsers import chromium, looking
from tests.fakes.process import bucketer_serve

GOAL_MS = 50.0
_USER = "visitor-0123456789abcdef"
#: Notes the time of each key; says when what was waited for has been painted.
_WATCH = """(() => {
  let pressed = 0;
  addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
  window.painted = (selector, text) => new Promise((resolve) => {
    const seen = () => document.querySelector(selector)?.textContent === text;
    const frame = () => requestAnimationFrame(() => {
      const after = new MessageChannel();
      after.port1.onmessage = () => resolve(performance.now() - pressed);
      after.port2.postMessage(0);
    });
    if (seen()) { frame(); return; }
    const watcher = new MutationObserver(() => {
      if (seen()) { watcher.disconnect(); frame(); }
    });
    watcher.observe(document.body, {subtree: true, childList: true, characterData: true});
  });
})()"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console", description=__doc__)
    parser.add_argument("--flags", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the results there")
    args = parser.parse_args(argv)
    if shutil.which("chromium") is None:
        print("benchmarks.console needs Debian's chromium, and Playwright")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        datafile = Path(folder) / "datafile.json"
        datafile.write_bytes(as_bytes(project(args.flags)))
        size = datafile.stat().st_size
        with (
            bucketer_serve(BUCKETER_DATAFILE=str(datafile)) as service,
            chromium() as browser,
            looking(browser, f"{service.url}/#/visitor?flag=flag_500", width=1440) as look,
        ):
            look.page.locator(".answer").wait_for()
            look.page.evaluate(_WATCH)
            typed = [ms for _ in range(args.rounds) for ms in _type(look.page)]
            searched = [ms for _ in range(args.rounds) for ms in _search(look.page, args.flags)]
            facts = {"chromium": browser.version}
    facts |= {
        "flags": str(args.flags),
        "datafile_bytes": str(size),
        "python": sys.version.split()[0],
        "cores": str(os.cpu_count()),
        "machine": platform.machine(),
    }
    results = {"try": _summary(typed), "search": _summary(searched)}
    for name, told in results.items():
        print(f"{name:8}", "  ".join(f"{key} {value}" for key, value in told.items()))
    print(f"goal: the median under {GOAL_MS:g} ms")
    if args.json:
        args.json.write_text(json.dumps({"facts": facts, "results": results}, indent=2) + "\n")
    return 0


def _type(page: Any) -> list[float]:
    """Type a user id and return how long each letter took to be answered, in ms."""
    field = page.get_by_label("User id", exact=True)
    field.fill("v")
    page.locator(".answer .label", has_text="v gets").wait_for()
    field.focus()
    field.press("End")
    return [
        _pressed(page, letter, ".answer .label", f"{_USER[: place + 2]} gets")
        for place, letter in enumerate(_USER[1:])
    ]


def _search(page: Any, flags: int) -> list[float]:
    """Look for one key after the other, and return how long the list took for the last digit."""
    field = page.get_by_label("Search flags and experiments")
    times = []
    for number in range(100, flags, flags // 25):
        key = f"flag_{number}"
        field.fill(key[:-1])
        page.wait_for_timeout(60)  # the list before the last digit is there
        field.press("End")
        times.append(_pressed(page, key[-1], ".picker li .name", key))
    return times


def _pressed(page: Any, key: str, selector: str, text: str) -> float:
    """Press *key*; return the ms from there to the frame in which *selector* says *text*."""
    page.evaluate("([a, b]) => { window.waited = painted(a, b); }", [selector, text])
    page.keyboard.press(key)
    return float(page.evaluate("window.waited"))


def _summary(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "keys": len(ordered),
        "median_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(ordered[int(len(ordered) * 0.95)], 1),
        "most_ms": round(ordered[-1], 1),
    }


if __name__ == "__main__":
    sys.exit(main())
