"""What `/openapi.yaml` says of evaluations is true of each flag, for each kind of context."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from tests.fakes import canonical_flags
from tests.fakes.runtimes import a_runtime
from tests.fakes.sources import FakeSource

from bucketer import demo, wiring
from bucketer.api.http import Request
from bucketer.settings import read_settings

FLAGS = "/ofrep/v1/evaluate/flags"
DOCUMENT = yaml.safe_load(
    (Path(wiring.__file__).parents[1] / "api" / "service" / "openapi.yaml").read_text("utf-8")
)
#: The answers' parts are described as open; here nothing undescribed may be in them.
PARTS = DOCUMENT["components"]["schemas"]
CONTEXTS = [
    None,
    {},
    {"targetingKey": "u1"},
    {"targetingKey": canonical_flags.HIT, "tier": "gold", "nested": {"a": [1]}},
    {"targetingKey": "u1", "variableKey": "value"},
    {"targetingKey": "u1", "variableKey": "nope"},
    {"targetingKey": "u1", "flags": ["string-flag", "nope"]},
    {"targetingKey": 1},
    {"targetingKey": "u1", "$opt_impressions": "no"},
    [],
]


def validator(name):
    strict = {**PARTS[name], "additionalProperties": False}
    return Draft202012Validator({**strict, "components": {"schemas": PARTS}})


EVALUATION, NOT_EVALUATED = validator("Evaluation"), validator("NotEvaluated")


def check(told):
    (NOT_EVALUATED if "errorCode" in told else EVALUATION).validate(told)


@pytest.fixture(params=["default", "values"])
def ask(request):
    environ = {"BUCKETER_OFREP_OFF": request.param, "BUCKETER_OFREP_EXPERIMENTS": "on"}
    options = wiring.api_options(read_settings(environ))

    def asking(datafile):
        runtime = a_runtime(FakeSource(json.dumps(datafile).encode()), options=options)
        runtime.load()

        def ask(path, context):
            body = json.dumps({"context": context}).encode()
            answer = runtime.serve(Request("POST", path, "", {}, body))
            return answer.status, json.loads(answer.body)

        return ask

    return asking


@pytest.mark.parametrize("context", CONTEXTS, ids=repr)
@pytest.mark.parametrize("datafile", ["canonical", "demonstration"])
def test_each_flag_is_told_as_described_alone_and_among_all(ask, datafile, context):
    if datafile == "canonical":
        asking = ask(canonical_flags.datafile())
    else:
        asking = ask(json.loads(Path(demo.PATH).read_text("utf-8")))
    _, everything = asking(FLAGS, {"targetingKey": "u1"})
    keys = [each["key"] for each in everything["flags"]]
    assert len(keys) > 5

    status, told = asking(FLAGS, context)

    if status == 200:
        for each in told["flags"]:
            check(each)
    else:
        assert status == 400
        check(told)
    for key in [*keys, "nope"]:
        status, told = asking(f"{FLAGS}/{key}", context)
        assert ("errorCode" in told) == (status != 200)
        assert told["key"] == key
        check(told)
