"""What outlives a request has a bound in bytes, and docs/memory.md names all of it."""

import ast
import gc
import json
import re
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.fakes.editions import AnEdition

from bucketer import demo
from bucketer.api.agent.go_json import Fields
from bucketer.api.agent.spelling import Spelling
from bucketer.api.bucketer.answer import Answers
from bucketer.api.ofrep.context import Context
from bucketer.api.ofrep.evaluation import Evaluator
from bucketer.api.options import ApiOptions
from bucketer.core import conditions, envelope
from bucketer.core import ruleset as rulesets
from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide
from bucketer.core.events import Event, visitor_json
from bucketer.core.integration import Integration
from bucketer.core.parse import parse_datafile
from bucketer.core.user import Prediction, User
from bucketer.odp import cache as segments_cache
from bucketer.predictions.cache import CAPACITY, Cache, fingerprint, key_of
from bucketer.profiles import memory
from bucketer.profiles.memory import MemoryProfiles
from bucketer.profiles.overrides import MemoryOverrides
from bucketer.sinks.dedup import Deduplication

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "memory.md").read_text(encoding="utf-8")
KIB, MIB = 1024, 1024 * 1024
HER = User("cooper34523569", {"tier": "platinum", "member_since_days": 56})


def datafile():
    return json.loads(Path(demo.PATH).read_text())


def compiled(document):
    return compile_datafile(parse_datafile(json.dumps(document)))


def kept_by(fill):
    """Bytes that are still held when *fill*, which is handed what keeps them, has returned."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        fill()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before


# ---------------------------------------------------------------------------- each is bounded


@pytest.mark.parametrize("chars", [5, 500, 200_000])
@pytest.mark.parametrize("letter", ["k", "\N{GRINNING FACE}"])
def test_attribute_keys_that_the_datafile_does_not_know(chars, letter):
    ruleset = compiled(datafile())
    [impression] = activate(ruleset, "checkout_flow_experiment", HER).impressions

    def send(number):
        facts = {f"$opt_{number}{letter * chars}": 1, f"{number}{letter * chars}": 1}
        visitor_json(Event(impression, User("her", facts), ruleset, 0, "uuid"))

    send(0)
    many = range(1, 3_000 if chars < 1_000 else 20)

    assert kept_by(lambda: [send(number) for number in many]) < 2 * envelope.ROOM_BYTES


def many_variables(count):
    document = datafile()
    document["featureFlags"][0]["variables"] = [
        {"id": f"{n}", "key": f"v{n}", "type": "string", "defaultValue": "x"} for n in range(count)
    ]
    return document


def test_decisions_that_flags_remember(monkeypatch):
    monkeypatch.setattr(rulesets, "ROOM_BYTES", MIB)
    document = many_variables(500)
    [first, *_] = document["experiments"]
    share = 10_000 // 100
    first["variations"] = [
        {"id": f"5{n}", "key": f"k{n}", "featureEnabled": True, "variables": []} for n in range(100)
    ]
    first["trafficAllocation"] = [
        {"entityId": f"5{n}", "endOfRange": share * (n + 1)} for n in range(100)
    ]
    first["audienceIds"], first["forcedVariations"] = [], {}
    first.pop("audienceConditions", None)
    document["holdouts"] = []
    key = next(
        each["key"] for each in document["featureFlags"] if first["id"] in each["experimentIds"]
    )
    ruleset = compiled(document)

    def everybody():
        for number in range(1_500):
            decide(ruleset, key, User(f"user-{number}"))

    everybody_is_decided_alike(ruleset, key)
    assert kept_by(everybody) < 1.5 * MIB


def everybody_is_decided_alike(ruleset, key):
    for number in range(200):
        user = User(f"user-{number}")
        one, other = decide(ruleset, key, user), decide(ruleset, key, user)
        assert one.variation_key == other.variation_key is not None
        assert one.variables == other.variables


def test_answers():
    answers = Answers(room_bytes=MIB)
    decision = decide(compiled(datafile()), "checkout_flow", HER)

    def render():
        for number in range(3_000):
            answers.flag(decision.but(variables={"text": f"{number}" * 300}), "her")
            answers.experiment(decision.but(enabled=True), f"{number}", "her")

    assert kept_by(render) < 1.2 * MIB


def test_decisions_spelled_as_agent_does():
    spelling = Spelling(MIB)
    ruleset = compiled(datafile())
    decision, flag = decide(ruleset, "checkout_flow", HER), ruleset.flags["checkout_flow"]

    def spell():
        for _ in range(3_000):
            for with_variables in (True, False):
                spelling.of(decision.but(enabled=True), flag, with_variables=with_variables)
            spelling.activate(decision.but(enabled=True), Fields(experimentKey="e" * 200))

    assert kept_by(spell) < 1.2 * MIB


@pytest.mark.parametrize("all_at_once", [False, True])
def test_evaluations_for_openfeature(all_at_once):
    options = ApiOptions()
    options.answers_bytes = MIB
    edition = AnEdition()
    decision = decide(edition.ruleset, "checkout_flow", HER)
    engine = SimpleNamespace(activate=None, decide=lambda *_: decision.but(enabled=True))
    evaluator = Evaluator(edition, options, engine)
    address, context = evaluator.address("checkout_flow"), Context({"targetingKey": "her"})
    evaluator.render_all(HER)

    def evaluate():
        for _ in range(3_000):
            if all_at_once:
                evaluator.render_all(HER)
            else:
                evaluator.render(address, context, HER, decision.but(enabled=True))

    assert kept_by(evaluate) < 1.2 * MIB


def test_versions():
    condition = {"type": "custom_attribute", "name": "app", "match": "semver_ge", "value": "2.1"}
    judges = [conditions.compile_leaf(condition) for _ in range(50)]

    def judge():
        for number in range(150):
            for each in judges:
                each(User("her", {"app": f"{number}.1.{'9' * 30}"}))
                each(User("her", {"app": f"{number}.1.{'9' * 3_000}"}))

    assert kept_by(judge) < 3 * MIB


@pytest.mark.parametrize("experiments", [1, 200])
def test_profiles_in_memory(experiments):
    store = MemoryProfiles(10**9, max_bytes=MIB)

    def save():
        for number in range(3_000 // experiments + 200):
            user_id = f"{number}" + "\N{GRINNING FACE}" * 1_000
            store.save(user_id, {f"e{n}-{number}": f"v{n}-{number}" for n in range(experiments)})
            store.save("x" * 100_000 + f"{number}", {"e": "v"})

    assert kept_by(save) < 1.2 * MIB
    assert memory.MAX_BYTES == 64 * MIB


def test_a_profile_that_grows_is_counted_as_it_is():
    store = MemoryProfiles(10**9, max_bytes=50 * KIB)

    def save():
        for number in range(1_200):
            store.save("her", {f"experiment-{number}": "v"})

    assert kept_by(save) < 2 * 50 * KIB


def test_predictions():
    cache = Cache()

    def save():
        for number in range(CAPACITY // 10):
            key = key_of(f"{number}" + "u" * 100_000, "r" * 1_000)
            cache.save(key, fingerprint({"a": number}), Prediction("v" * 100, "u" * 36), 0.0)
            cache.save(f"{key}2", "s", Prediction("v" * 100_000, "u" * 36), 0.0)

    assert kept_by(save) < CAPACITY // 10 * KIB
    assert CAPACITY // 10 == len(cache)


def test_segments():
    cache = segments_cache.Cache()
    asked = tuple(f"segment-{number}" for number in range(100))

    def save():
        for number in range(segments_cache.CAPACITY // 10):
            odp = Integration("https://" + "h" * 100_000, f"{number}", asked)
            key = segments_cache.key_of(
                segments_cache.account_of(odp), f"{number}" + "\N{GRINNING FACE}" * 90
            )
            cache.save(key, asked, asked[:50], 0.0)

    assert kept_by(save) < segments_cache.CAPACITY // 10 * (KIB + 50 * 8)
    assert segments_cache.CAPACITY // 10 == len(cache)


@pytest.mark.parametrize("chars", [10, 4_000])
def test_overrides(chars):
    overrides = MemoryOverrides(max_bytes=MIB)

    def give():
        for number in range(5_000):
            overrides.put("place", f"{number}" + "u" * chars, "\N{GRINNING FACE}" * 20, "v")

    assert kept_by(give) < 1.3 * MIB


def test_impressions_sent_a_moment_ago():
    ruleset = compiled(datafile())
    [impression] = activate(ruleset, "checkout_flow_experiment", HER).impressions
    seen = Deduplication(60.0, max_remembered=1_000)

    def send():
        for number in range(3_000):
            user = User(f"{number}" + "u" * 10_000)
            seen.is_repeat(Event(impression, user, ruleset, number, "uuid"))

    assert kept_by(send) < 1_000 * 200


# ---------------------------------------------------------------------------- the page is complete

#: Where what is kept would outlive a request. The rest are commands, and what compiles.
PARTS = (
    "api",
    "core",
    "doors/server",
    "predictions",
    "profiles",
    "runtime",
    "sinks",
    "sources",
    "wire",
)
_MAKERS = {"OrderedDict", "deque", "defaultdict", "lru_cache", "cache", "Counter", "dict", "set"}
#: Made for one request, one event or one pass, and gone with it; or as long as what it stands in.
PASSING = {
    "core/trees.py",
    "core/entities.py",
    "core/user.py",
}


def keepers():
    """The modules of which an object, or the module itself, starts with an empty container."""
    for part in PARTS:
        for path in sorted((ROOT / "src" / "bucketer" / part).rglob("*.py")):
            name = path.relative_to(ROOT / "src" / "bucketer").as_posix()
            if name.startswith("core/compile/") or name in PASSING:
                continue
            if any(map(_keeps, ast.walk(ast.parse(path.read_text(encoding="utf-8"))))):
                yield name


def _keeps(node):
    if isinstance(node, ast.FunctionDef):
        return any(_name(each) in {"lru_cache", "cache"} for each in node.decorator_list)
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    on_self = any(isinstance(each, ast.Attribute) for each in targets)
    value = node.value
    if isinstance(value, ast.Call):
        return _name(value) in ({"lru_cache"} if not on_self else _MAKERS)
    return (
        on_self and isinstance(value, ast.Dict | ast.Set) and not ast.dump(value).count("Constant")
    )


def _name(node):
    while isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


@pytest.mark.parametrize("module", list(keepers()))
def test_every_module_that_keeps_something_is_named_on_the_page(module):
    assert f"`{module}`" in PAGE


def test_every_module_that_the_page_names_is_there():
    for name in re.findall(r"`([a-z_/]+\.py)`", PAGE.replace("tests/test_memory.py", "")):
        assert (ROOT / "src" / "bucketer" / name).exists(), name
