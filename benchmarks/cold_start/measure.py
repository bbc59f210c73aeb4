"""One function in the emulator: how long until its first answer, how long for the next ones.

The emulator holds an answer back until the function's extensions are done, which AWS does not.
So the time to the first answer is taken from the emulator's own log, init and invocation up to the
runtime's "done"; what the client saw is kept beside it. So are warm invocations. They are timed a
second time in `tests.lab.minirapid`, which answers, and freezes, as AWS does; but it is written in
Python, and its threads take the interpreter from each other when there is an extension to be told:
what that costs is its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.lab.minirapid import Minirapid
from tests.lab.rie import Rie

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.lab.prepare import Lab

#: Rounds of warm invocations that aren't measured.
_WARMING_UP = 2
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Contestant:
    """A function to measure, and what was measured.

    Attributes:
        name: for the table.
        task: its unpacked zip.
        event: what it is invoked with.
        environment: variables of its own.
        zip_bytes: size of its zip, 0 when that says nothing.
        cold_ms: start of the process to the first answer, one per round.
        held_ms: the same as the emulator's client sees it, extensions included.
        cpu_ms: processor time of the Python process by then, one per round.
        rss_mb: resident memory after it.
        warm_ms: later invocations, in the emulator.
        thawed_ms: later invocations of an environment that was frozen before each.
        modules: loaded after import, with the runtime client's own.
    """

    name: str
    task: Path
    event: dict[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    zip_bytes: int = 0
    cold_ms: list[float] = field(default_factory=list)
    held_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    warm_ms: list[float] = field(default_factory=list)
    thawed_ms: list[float] = field(default_factory=list)
    modules: int = 0


def event_of(experiment: str, attributes: str, user: str = "user-1") -> dict[str, Any]:
    """Return a Function URL's event for ``GET /bucketer``."""
    query = f"e={experiment}&u={user}&a={attributes}"
    http = {
        "method": "GET",
        "path": "/bucketer",
        "sourceIp": "198.51.100.7",
        "protocol": "HTTP/1.1",
    }
    return {
        "version": "2.0",
        "rawPath": "/bucketer",
        "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", "user-agent": "bench"},
        "requestContext": {"http": http, "domainName": "abc.lambda-url.eu-central-1.on.aws"},
        "isBase64Encoded": False,
    }


def cold(lab: Lab, contestant: Contestant) -> None:
    """Start it once, and keep what that took."""
    with Rie(lab, contestant.task, "app.lambda_handler", environment=contestant.environment) as rie:
        _check(rie.invoke(contestant.event), contestant)
        contestant.held_ms.append(rie.duration_ms)
        contestant.cold_ms.append(_answered_ms(rie))
        contestant.cpu_ms.append(_cpu_ms(rie.runtime_pid()))
        contestant.rss_mb.append(rie.rss_mb())


def warm(lab: Lab, contestants: list[Contestant], rounds: int, calls: int) -> None:
    """Invoke all of them in turns, *calls* in a row, so that the machine's mood is shared."""
    with _started(Rie, lab, contestants) as pairs:
        for contestant, rie, _ in _turns(pairs, rounds, calls):
            _check(rie.invoke(contestant.event), contestant)
        for contestant, rie in pairs:
            contestant.warm_ms = _done_ms(rie)[_WARMING_UP * calls :]


def thawed(lab: Lab, contestants: list[Contestant], rounds: int, calls: int) -> None:
    """The same with environments that are frozen in between."""
    with _started(Minirapid, lab, contestants) as pairs:
        for contestant, stand_in, counts in _turns(pairs, rounds, calls):
            _check(stand_in.invoke(contestant.event), contestant)
            if counts:
                contestant.thawed_ms.append(stand_in.duration_ms)
            stand_in.wait_until_done()


@contextlib.contextmanager
def _started(
    kind: type[Rie | Minirapid], lab: Lab, contestants: list[Contestant]
) -> Iterator[list[tuple[Contestant, Any]]]:
    """Have an environment of *kind* for each of them."""
    with contextlib.ExitStack() as running:
        yield [
            (
                each,
                running.enter_context(
                    kind(lab, each.task, "app.lambda_handler", environment=each.environment)
                ),
            )
            for each in contestants
        ]


def _turns(
    pairs: list[tuple[Contestant, Any]], rounds: int, calls: int
) -> Iterator[tuple[Contestant, Any, bool]]:
    """Say who is invoked, call by call, and whether it counts.

    Each round begins with another one: what a neighbour leaves in the caches is shared too.
    """
    for number in range(rounds + _WARMING_UP):
        first = number % len(pairs)
        for contestant, environment in pairs[first:] + pairs[:first]:
            for _ in range(calls):
                yield contestant, environment, number >= _WARMING_UP


def handler_us(lab: Lab, contestant: Contestant, calls: int = 2_000) -> float:
    """Return what the handler alone takes: median microseconds of a call, without the emulator.

    Events are off, since there is no extension to deliver them after the answer.
    """
    program = (
        "import json, sys, time, awslambdaric.bootstrap\n"
        "sys.path.insert(0, '.')\n"
        "import app\n"
        "event = json.loads(sys.argv[1])\n"
        "took = []\n"
        f"for _ in range({calls}):\n"
        "    start = time.perf_counter_ns()\n"
        "    app.lambda_handler(event, None)\n"
        "    took.append(time.perf_counter_ns() - start)\n"
        "took.sort()\n"
        "print(took[len(took) // 2] / 1000)\n"
        "sys.stdout.flush()\n"
        "import os; os._exit(0)\n"
    )
    return float(_python(lab, contestant, program, json.dumps(contestant.event)))


def count_modules(lab: Lab, contestant: Contestant) -> int:
    """Return how many modules are loaded once the handler is imported."""
    program = (
        "import sys, awslambdaric.bootstrap\n"
        "sys.path.insert(0, '.')\n"
        "import app, os\n"
        "print(len(sys.modules), flush=True)\n"
        "os._exit(0)\n"
    )
    return int(_python(lab, contestant, program))


def init_cpu_ms(lab: Lab, contestant: Contestant, times: int = 15) -> float:
    """Return the processor time that importing the handler takes: the median, in milliseconds."""
    program = (
        "import sys, time, os, awslambdaric.bootstrap\n"
        "sys.path.insert(0, '.')\n"
        "start = time.process_time_ns()\n"
        "import app\n"
        "print((time.process_time_ns() - start) / 1e6, flush=True)\n"
        "os._exit(0)\n"
    )
    return median(float(_python(lab, contestant, program)) for _ in range(times))


def _python(lab: Lab, contestant: Contestant, program: str, *arguments: str) -> str:
    environment = {**lab.environment(contestant.task, "app.lambda_handler")}
    environment |= {**contestant.environment, "BUCKETER_EVENTS": "off"}
    done = subprocess.run(
        [lab.python, "-c", program, *arguments],
        cwd=contestant.task,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def _check(answer: dict[str, Any], contestant: Contestant) -> None:
    body = json.loads(answer.get("body", "{}")) if answer.get("statusCode") == 200 else None
    if body is None or ("user" in body and not body["variation"]):
        message = f"{contestant.name} answered {answer}"
        raise AssertionError(message)


def _answered_ms(rie: Rie) -> float:
    done = _done_ms(rie)
    init = rie.init_ms()
    if not done or init is None:
        message = f"the emulator's log tells no durations: {rie.log()[-500:]}"
        raise AssertionError(message)
    return init + done[0]


def _done_ms(rie: Rie) -> list[float]:
    """How long each invocation took until the runtime was done with it."""
    return [
        float(each) for each in re.findall(r"INVOKE RTDONE\(.*?duration: ([\d.]+)ms\)", rie.log())
    ]


def _cpu_ms(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS * 1e3


def settle() -> None:
    """Let the machine calm down between two processes."""
    time.sleep(0.02)
