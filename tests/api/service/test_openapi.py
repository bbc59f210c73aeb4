"""`/openapi.yaml` describes what is there, and a server answers as it says, whatever is asked."""

import json
import re

import hypothesis
import pytest
import schemathesis
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from tests.fakes.process import bucketer_serve

from bucketer import wiring
from bucketer.api.agent.routes import OPERATIONS
from bucketer.api.http import Request
from bucketer.api.options import ApiOptions
from bucketer.api.routes import Handler

RUNTIME = wiring.build(environ={"BUCKETER_EVENTS": "off"})
ANSWER = RUNTIME.serve(Request("GET", "/openapi.yaml", request_id="r"))
DOCUMENT = yaml.safe_load(ANSWER.body)


def test_it_is_valid_and_says_what_it_is():
    validate(DOCUMENT)
    assert (200, "application/yaml") == (ANSWER.status, dict(ANSWER.headers)["Content-Type"])
    assert ANSWER.body.isascii()


def test_it_has_no_words_that_only_some_readers_of_yaml_know():
    assert b"<<:" not in ANSWER.body


def test_every_route_is_described_with_its_methods():
    described = {path: set(each) for path, each in DOCUMENT["paths"].items()}

    for path, (method, _, _) in OPERATIONS.items():
        assert {method.lower()} == described[path]
    ours = {"/bucketer", "/track", "/expose", "/health", "/openapi.yaml", "/webhooks/optimizely"}
    ours |= {"/livez", "/readyz", "/info", "/config", "/refresh"}
    openfeature = {"/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/{key}", "/ofrep/v1/events"}
    assert {*OPERATIONS, "/v1/batch", "/oauth/token", *ours, *openfeature} == set(described)
    assert {"get", "post"} == described["/bucketer"] == described["/track"]


#: Each operation, as (path, method).
EACH = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]


@pytest.mark.parametrize(("path", "method"), EACH)
def test_what_may_be_asked_too_often_says_so(path, method):
    limits = {"BUCKETER_RATE_PER_ADDRESS": "0.01", "BUCKETER_RATE_BURST": "0"}
    runtime = wiring.build(environ={"BUCKETER_EVENTS": "off", **limits})
    headers = {"x-optimizely-sdk-key": "demonstration", "content-type": "application/json"}
    address = "192.0.2.1"

    def ask(path, method):
        return runtime.serve(Request(method.upper(), path, "", headers, b"{}", address))

    ask("/bucketer", "get")
    told = ask(path.replace("{key}", "search"), method)

    described = DOCUMENT["paths"][path][method]["responses"].get("429")
    assert (429 == told.status) == (described is not None)
    if described:
        [name] = re.findall(r"#/components/responses/(\w+)", described["$ref"])
        answer = DOCUMENT["components"]["responses"][name]
        assert "Retry-After" in answer["headers"]
        [kind] = answer["content"]
        assert dict(told.headers)["Content-Type"].startswith(kind)
        schemas = {"components": {"schemas": DOCUMENT["components"]["schemas"]}}
        Draft202012Validator(answer["content"][kind]["schema"] | schemas).validate(
            json.loads(told.body)
        )


def test_where_it_is_not_packaged_there_is_nothing():
    reply = Handler(None, ApiOptions()).handle(Request("GET", "/openapi.yaml"), 0.0, lambda: "u")
    assert 404 == reply.response.status


# ---------------------------------------------------------------------------- as it says

#: What a service says that isn't told to do a thing; no other 500 may come.
UNABLE = re.compile(
    r"ODP is not (integrated|enabled)|ODP data is not valid|failed to fetch qualified segments"
    r"|json: unsupported value: .*"
)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
#: Of the demonstration's; without them hardly a flag that is asked for would be one.
FLAGS = ("search", "search.max_results", "search.enabled", "checkout_flow", "checkout_flow.enabled")


@SCHEMA.hook
def map_path_parameters(context, path_parameters):
    """Ask for a flag that there is, in half of the cases."""
    if not path_parameters:
        return path_parameters
    number = len(path_parameters["key"]) % (2 * len(FLAGS))
    return {"key": FLAGS[number]} if number < len(FLAGS) else path_parameters


@pytest.fixture(scope="module")
def server():
    environ = {
        "BUCKETER_PROFILES": "memory",
        "BUCKETER_PROFILES_API": "on",
        "BUCKETER_OVERRIDES": "on",
        "BUCKETER_FORCED": "on",
    }
    with bucketer_serve(**environ) as started:
        yield f"http://127.0.0.1:{started.port}"


@pytest.mark.slow
@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_every_answer_is_as_described(case, server):
    if case.headers and "X-Optimizely-SDK-Key" in case.headers:
        case.headers["X-Optimizely-SDK-Key"] = "demonstration"  # or none of them is answered
    response = case.call(base_url=server)
    try:
        case.validate_response(
            response,
            checks=[
                not_a_server_error,
                schemathesis.checks.CHECKS.get_one("status_code_conformance"),
                schemathesis.checks.CHECKS.get_one("content_type_conformance"),
                schemathesis.checks.CHECKS.get_one("response_schema_conformance"),
            ],
        )
    except FailureGroup:
        told = response.text
        if response.status_code == 500 and told.startswith("{"):
            told = json.loads(told)["error"]
        if response.status_code == 500 and UNABLE.fullmatch(told.strip()):
            return
        raise
