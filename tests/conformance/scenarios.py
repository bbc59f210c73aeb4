"""What the suite's sentences mean for OpenFeature's Python client and our server.

Run by `python -m tests.conformance`, which sees to it that the scenarios are there. The words are
those of the suite: open-feature/spec, appendix F (draft).
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from pytest_bdd import given, parsers, scenarios, then, when
from tests.conformance.suite import FOLDER
from tests.fakes import canonical_flags
from tests.fakes.process import bucketer_serve

_AS = {
    "Boolean": lambda text: text == "true",
    "String": str,
    "Integer": int,
    "Float": float,
    "Object": json.loads,
}

scenarios(str(FOLDER))


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    path = tmp_path_factory.mktemp("flags") / "datafile.json"
    path.write_text(json.dumps(canonical_flags.datafile()))
    with bucketer_serve("--datafile", str(path)) as started:
        yield started.url


@pytest.fixture
def world(url):
    """What a scenario has said so far."""
    yield SimpleNamespace(user=EvaluationContext(), raised=None)
    api.shutdown()


@given("a stable provider")
def a_stable_provider(world, url):
    api.set_provider(OFREPProvider(url))
    world.client = api.get_client()


@given(parsers.parse('a {kind}-flag with key "{key}" and a default value "{default}"'))
def a_flag(world, kind, key, default):
    world.kind, world.key, world.default = kind, key, _AS[kind](default)


@given(parsers.parse('a context containing a targeting key with value "{key}"'))
def a_context(world, key):
    world.user = EvaluationContext(key)


@when("the flag was evaluated with details")
def evaluated(world):
    ask = getattr(world.client, f"get_{world.kind.lower()}_details")
    try:
        world.details = ask(world.key, world.default, world.user)
    except Exception as raised:  # noqa: BLE001 -- that nothing is raised is what a scenario is about
        world.raised = raised


@then(parsers.re(r'the resolved details value should be "(?P<text>.*)"'))
def the_value(world, text):
    expected = _AS[world.kind](text)
    value = world.details.value
    assert expected == value
    assert isinstance(value, bool) == isinstance(expected, bool)


@then(parsers.re(r'the (?P<part>reason|variant|error-code) should be "(?P<text>.*)"'))
def a_part(world, part, text):
    told = getattr(world.details, part.replace("-", "_"))
    assert text == ("" if told is None else getattr(told, "value", told))


@then("the error message should be empty")
def no_message(world):
    assert not world.details.error_message


@then("no exception should have been thrown")
def nothing_raised(world):
    assert world.raised is None


@then("the resolved object value should contain")
def the_object(world, datatable):
    for key, kind, text in datatable[1:]:
        assert _AS[kind](text) == world.details.value[key]


@then("the provider metadata name should not be empty")
def it_has_a_name(world):
    assert world.client.provider.get_metadata().name
