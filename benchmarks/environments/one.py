"""One kind, in a process of its own: python -m benchmarks.environments.one KIND COUNT URL FOLDER."""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

from bucketer import wiring
from bucketer.api.http import SDK_KEY, Request
from bucketer.runtime.compiling import compile_quietly
from bucketer.settings import read_settings

from .datafiles import key_of

if TYPE_CHECKING:
    from bucketer.runtime.runtime import Runtime


def main() -> None:
    """Fill a process, and print what it holds then beyond what it held before, in bytes."""
    kind, count, url, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    _ask(_runtime(kind, 1, url, folder), 0)  # what is imported when it is first needed
    gc.collect()
    resident = _resident_bytes()
    tracemalloc.start()
    kept: list[object]
    if kind == "rulesets":
        kept = [compile_quietly(_fetched(url, number)) for number in range(count)]
    else:
        runtime = _runtime(kind, count, url, folder)
        for number in range(count):
            _ask(runtime, number)
        kept = list(runtime.environments)
    assert len(kept) == count
    gc.collect()
    live, _ = tracemalloc.get_traced_memory()
    print(json.dumps({"live_bytes": live, "rss_bytes": _resident_bytes() - resident}))


def _fetched(url: str, number: int) -> bytes:
    with urlopen(f"{url}/{key_of(number)}.json") as answer:
        raw: bytes = answer.read()
    return raw


def _runtime(kind: str, count: int, url: str, folder: Path) -> Runtime:
    """Return a server's runtime, of which only the default environment is fetched yet."""
    lines = []
    for number in range(count if kind == "listed" else 1):
        key = key_of(number)
        lines += [f"[environments.{key}]", f'sdk_key = "{key}"', f'datafile = "{url}/{key}.json"']
    config = folder / "bucketer.toml"
    config.write_text("\n".join(lines), encoding="utf-8")
    environ = {
        "BUCKETER_CONFIG": str(config),
        "BUCKETER_EVENTS": "off",
        "BUCKETER_STATE_DIR": str(folder / "state"),
        "BUCKETER_SDK_KEYS": "any" if kind == "unlisted" else "listed",
        "BUCKETER_SDK_KEY_URL": f"{url}/{{}}.json",
        "BUCKETER_ENVIRONMENTS_MAX": str(count),
        "BUCKETER_ENVIRONMENTS_MAX_BYTES": str(1 << 30),
    }
    return wiring.build(read_settings(environ), environ)


def _ask(runtime: Runtime, number: int) -> None:
    """Have one environment decide, after which it has all that requests need."""
    query = "f=flag_0&u=somebody&a=tier:gold"
    request = Request("GET", "/bucketer", query, {SDK_KEY: key_of(number)}, b"", "", "id")
    response = runtime.serve(request)
    assert response.status == 200, (number, response.body)


def _resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main()
