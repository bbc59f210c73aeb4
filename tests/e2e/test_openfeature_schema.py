"""A server's answers are what OpenFeature's own description of its protocol says, once that is mended.

The description is OpenFeature's and not in this repository: put `service/openapi.yaml` 0.3.0 of
open-feature/protocol into `build/ofrep`; without it the test is skipped and says so.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import hypothesis
import pytest
import schemathesis
import yaml
from schemathesis.checks import CHECKS, not_a_server_error
from tests.fakes import canonical_flags
from tests.fakes.process import bucketer_serve

pytestmark = pytest.mark.e2e

PATH = Path(__file__).parents[2] / "build" / "ofrep" / "openapi.yaml"
SHA256 = "e5f560c5194ce5f0c077685a734ecbf5d4baa3311cf862c69b636938e1fdd056"
KEYS = [each[0] for each in (*canonical_flags.EVERYBODY, *canonical_flags.NOBODY)]


def mended():
    """The description without what contradicts its own examples, and the protocol's records.

    - A value that is true fits `booleanFlag` and `codeDefaultFlag`, a whole number three of them:
      one of them is asked for, and only one.
    - `DEFAULT` is a reason, and a flag that isn't found may stand among many.
    - 405, 413, 414 and 503 are answers of HTTP's that it doesn't name.
    """
    document = yaml.safe_load(PATH.read_text("utf-8"))
    schemas = document["components"]["schemas"]
    shared, kinds = schemas["evaluationSuccess"]["allOf"]
    kinds["anyOf"] = kinds.pop("oneOf")
    shared["properties"]["reason"]["enum"].append("DEFAULT")
    schemas["evaluationFailure"]["properties"]["errorCode"]["enum"].append("FLAG_NOT_FOUND")
    for path, item in document["paths"].items():
        kind = "evaluationFailure" if "{key}" in path else "bulkEvaluationFailure"
        failure = {"$ref": f"#/components/schemas/{kind}"}
        for status in ("405", "413", "414", "503"):
            content = {"application/json": {"schema": failure}}
            item["post"]["responses"][status] = {"description": "", "content": content}
    return document


@pytest.fixture
def schema():
    if not PATH.exists():
        pytest.skip(f"open-feature/protocol's service/openapi.yaml 0.3.0 isn't at {PATH}")
    assert hashlib.sha256(PATH.read_bytes()).hexdigest() == SHA256
    return schemathesis.openapi.from_dict(mended())


@pytest.mark.parametrize("path", ["/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/{key}"])
def test_every_answer_is_as_openfeature_describes_it(schema, path, tmp_path):
    datafile = tmp_path / "datafile.json"
    datafile.write_text(json.dumps(canonical_flags.datafile()))
    statuses = set()
    checks = [
        not_a_server_error,
        *map(
            CHECKS.get_one,
            ("status_code_conformance", "content_type_conformance", "response_schema_conformance"),
        ),
    ]

    with bucketer_serve("--datafile", str(datafile)) as started:

        @hypothesis.settings(
            max_examples=400,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(
            schema[path]["POST"].as_strategy(), hypothesis.strategies.sampled_from(KEYS)
        )
        def ask(case, key):
            if case.path_parameters and len(case.path_parameters["key"]) % 4:
                case.path_parameters["key"] = key
            response = case.call(base_url=started.url)
            statuses.add(response.status_code)
            case.validate_response(response, checks=checks)

        ask()

    assert 200 in statuses
    assert (404 in statuses) == ("{key}" in path)
