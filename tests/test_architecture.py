"""What the house may be made of: the modules of a cold start, and what the pure parts import.

What may import what among our own modules stands in `.importlinter`; `make test` checks it.
"""

import ast
import functools
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from tests.fakes.extensions_api import ExtensionsApi

from bucketer.publishing.archive import LEFT_OUT
from bucketer.publishing.bundle import LATER

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "bucketer"

#: Loaded by AWS's own runtime client before our code runs, so free for us to import.
LOADED_BY_LAMBDA = [
    "enum",
    "re",
    "json",
    "collections",
    "functools",
    "threading",
    "logging",
    "types",
    "contextlib",
    "abc",
    "string",
    "math",
    "time",
    "decimal",
    "traceback",
    "operator",
    "numbers",
]

#: Everything else of the standard library and of PyPI that a cold start may load. Each costs
#: time: put a module here only with a measurement (`make cold`).
ALLOWED_OUTSIDE = {"__future__", "_socket", "gc", "mmh3"}

#: All of ours that a cold start loads, up to the first answer, with nothing configured.
ALLOWED_OURS = {
    "app",
    "bucketer",
    "bucketer.api",
    "bucketer.api.bucketer",
    "bucketer.api.bucketer.answer",
    "bucketer.api.bucketer.attributes",
    "bucketer.api.bucketer.decide",
    "bucketer.api.client_address",
    "bucketer.api.http",
    "bucketer.api.json_text",
    "bucketer.api.options",
    "bucketer.api.query",
    "bucketer.api.routes",
    "bucketer.clock",
    "bucketer.core",
    "bucketer.core.assign",
    "bucketer.core.bandit",
    "bucketer.core.audience",
    "bucketer.core.bucketing",
    "bucketer.core.choices",
    "bucketer.core.compile",
    "bucketer.core.compile.audiences",
    "bucketer.core.compile.draft",
    "bucketer.core.compile.flags",
    "bucketer.core.compile.holdouts",
    "bucketer.core.compile.lines",
    "bucketer.core.compile.project",
    "bucketer.core.compile.rules",
    "bucketer.core.conditions",
    "bucketer.core.decide",
    "bucketer.core.decision",
    "bucketer.core.diagnostic",
    "bucketer.core.entities",
    "bucketer.core.envelope",
    "bucketer.core.errors",
    "bucketer.core.events",
    "bucketer.core.experiments",
    "bucketer.core.flag_rules",
    "bucketer.core.membership",
    "bucketer.core.outcomes",
    "bucketer.core.parse",
    "bucketer.core.traffic",
    "bucketer.core.revisions",
    "bucketer.core.ruleset",
    "bucketer.core.semver",
    "bucketer.core.telling",
    "bucketer.core.trees",
    "bucketer.core.user",
    "bucketer.doors",
    "bucketer.doors.aws_lambda",
    "bucketer.doors.lambda_extension",
    "bucketer.ports",
    "bucketer.runtime",
    "bucketer.runtime.compiling",
    "bucketer.runtime.edition",
    "bucketer.runtime.environment",
    "bucketer.runtime.environments",
    "bucketer.runtime.freshness",
    "bucketer.runtime.ids",
    "bucketer.runtime.runtime",
    "bucketer.runtime.seen",
    "bucketer.settings",
    "bucketer.settings.access",
    "bucketer.settings.agent",
    "bucketer.settings.datafile",
    "bucketer.settings.environments",
    "bucketer.settings.events",
    "bucketer.settings.http",
    "bucketer.settings.openfeature",
    "bucketer.settings.reading",
    "bucketer.settings.server",
    "bucketer.settings.setting",
    "bucketer.settings.table",
    "bucketer.settings.users",
    "bucketer.settings.values",
    "bucketer.settings.webhooks",
    "bucketer.sinks",
    "bucketer.sinks.lazy_outbox",
    "bucketer.sources",
    "bucketer.sources.packaged",
    "bucketer.wiring",
    "bucketer.wiring.build",
    "bucketer.wiring.datafiles",
    "bucketer.wiring.environments",
    "bucketer.wiring.events",
    "bucketer.wiring.http",
    "bucketer.wiring.modes",
    "bucketer.wiring.users",
}

FIRST_EVENT = {
    "version": "2.0",
    "rawPath": "/bucketer",
    "rawQueryString": "e=checkout_flow_experiment&u=cooper34523569"
    "&a=tier:%22platinum%22,member_since_days:56",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/bucketer", "sourceIp": "192.0.2.1"}},
    "isBase64Encoded": False,
}

COLD_START = f"""
import json, sys
import {", ".join(LOADED_BY_LAMBDA)}
before = set(sys.modules)
sys.setswitchinterval(1000.0)  # what comes after the answer must not come before the list
import app
answer = app.lambda_handler(json.loads(sys.argv[1]), None)
loaded = sorted(set(sys.modules) - before)
print(json.dumps({{"status": answer["statusCode"], "before": sorted(before), "loaded": loaded}}))
"""


@pytest.fixture(scope="module")
def cold_start():
    """What one cold start loads, up to its first answer, in a process of its own."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": str(ROOT / "src")}
    with ExtensionsApi() as lambda_:
        answer = subprocess.run(
            [sys.executable, "-c", COLD_START, json.dumps(FIRST_EVENT)],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={**environment, "AWS_LAMBDA_RUNTIME_API": lambda_.address},
        )
    return json.loads(answer.stdout.splitlines()[-1])


def test_the_cold_start_answers(cold_start):
    assert 200 == cold_start["status"]


def test_the_cold_start_loads_nothing_that_is_not_listed(cold_start):
    assert set() == set(cold_start["loaded"]) - ALLOWED_OURS - ALLOWED_OUTSIDE


def test_the_list_of_our_modules_has_nothing_that_is_no_longer_loaded(cold_start):
    assert set() == ALLOWED_OURS - set(cold_start["loaded"])


def test_what_costs_most_is_not_loaded_by_the_test_itself(cold_start):
    """Or the two tests above would be blind to it."""
    heavy = {"typing", "dataclasses", "asyncio", "uuid", "ssl", "http.client", "urllib.parse"}

    assert set() == heavy & set(cold_start["before"])


def test_every_module_is_run_by_a_cold_start_or_listed_as_one_that_is_not():
    """Or the zip of Lambda would run it at each start: see LATER and LEFT_OUT."""
    strays = []
    for path in SOURCE.rglob("*.py"):
        inside = path.relative_to(SOURCE).as_posix()
        name = f"bucketer.{inside}".removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        is_listed = f"bucketer/{inside}".startswith(LATER) or inside.startswith(LEFT_OUT)
        if name.removesuffix(".__init__") not in ALLOWED_OURS and not is_listed:
            strays.append(inside)

    assert [] == strays


# ---------------------------------------------------------------------------- pure parts

#: Modules that the core and the api may import while they run.
PURE = {
    "__future__",
    "base64",
    "bisect",
    "bucketer",
    "collections",
    "copy",
    "datetime",  # to print a time that was handed in; reading the clock is banned by ruff
    "difflib",
    "functools",
    "hashlib",  # a digest of what was handed in
    "heapq",
    "hmac",
    "importlib",  # what a table names, when it is first asked for
    "ipaddress",
    "itertools",
    "json",
    "math",
    "mmh3",
    "numbers",
    "operator",
    "re",
    "types",
    "weakref",
}


def imports_of(path):
    """The root of every module that *path* imports at run time, wherever in the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
        for each in node.body
        for inner in ast.walk(each)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module).partition(".")[0]


PURE_MODULES = sorted(path for part in ("core", "api") for path in (SOURCE / part).rglob("*.py"))
assert PURE_MODULES, "no modules found: the tests below would pass on nothing"


@pytest.mark.parametrize("path", PURE_MODULES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_core_and_api_import_pure_modules_only(path):
    assert set() == set(imports_of(path)) - PURE


@pytest.mark.parametrize("stray", ["utils", "helpers", "common", "misc", "base", "manager"])
def test_no_module_has_a_name_that_says_nothing(stray):
    assert [] == list(SOURCE.rglob(f"{stray}*"))


# ------------------------------------------------------------------------------- the clock

#: Who reads the wall clock, which may be set back: for what is shown, sent, named or compared with
#: the times of files. What waits or ages goes by `bucketer.clock` (docs/decisions/0115).
READS_THE_WALL_CLOCK = {
    "clock.py": "to go by whichever clock goes further",
    "doors/server/access_lines.py": "the time of a line",
    "doors/asgi.py": "a request's time, for its events",
    "doors/cli/deploy.py": "when it was packaged",
    "doors/cli/events.py": "ages that are shown",
    "doors/cli/examining.py": "what it is, beside what another machine says",
    "doors/server/connection.py": "a request's time, for its events",
    "publishing/function.py": "when it was packaged",
    "publishing/pull.py": "when it was packaged",
    "publishing/webhook_queue.py": "compared with a webhook's own time",
    "runtime/environment.py": "the times of editions",
    "runtime/runtime.py": "the times of requests",
    "sinks/dead_letters.py": "a file's name",
    "sinks/delivery.py": "compared with Retry-After, where an answer has no date",
    "sinks/durable.py": "a lane's name",
    "sinks/lanes.py": "compared with a file's time; what is yet to come is unknown",
    "sinks/outbox.py": "ages that are shown",
    "sinks/published.py": "ages that are shown",
    "sinks/sender.py": "the time in a dead letter",
    "sinks/store.py": "a lane's name",
    "sources/copies.py": "compared with a file's time; what is yet to come is unknown",
    "sources/credentials.py": "compared with AWS's",
    "sources/shared.py": "written into files",
    "sources/signing.py": "written into signatures",
    "metrics/emf.py": "the time of a measurement, and ages that are shown",
    "tail/tails.py": "the time of a decision, as it is told",
    "wiring/metrics.py": "when the process began, as it is told",
}


def _reads_the_wall_clock(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(
        (
            isinstance(node, ast.Attribute)
            and node.attr in {"time", "time_ns"}
            and isinstance(node.value, ast.Name)
            and node.value.id == "time"
        )
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "time"
            and {"time", "time_ns"} & {alias.name for alias in node.names}
        )
        for node in ast.walk(tree)
    )


def test_no_module_has_more_than_400_lines():
    sizes = {
        path.relative_to(SOURCE).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in SOURCE.rglob("*.py")
    }

    assert {} == {name: lines for name, lines in sizes.items() if lines > 400}


def test_no_module_imports_in_a_circle_in_types_neither():
    imported = {name: set(imported_by(path, name)) for name, path in modules().items()}

    TopologicalSorter(imported).prepare()  # raises CycleError, which names the circle


@functools.cache
def modules():
    """Every module of the package, by its name."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        parts = ["bucketer", *path.relative_to(SOURCE).with_suffix("").parts]
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imported_by(path, name):
    """The modules that one imports, at whatever time, and for whomever."""
    known = modules()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        parts = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*(parts if node.level else []), *filter(None, [node.module])])
        for each in node.names:
            whole = f"{base}.{each.name}"
            target = whole if whole in known else base
            if target in known and target != name:
                yield target


def test_who_reads_the_wall_clock_is_listed_with_the_reason():
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if _reads_the_wall_clock(path)
    }

    assert set(READS_THE_WALL_CLOCK) == found
