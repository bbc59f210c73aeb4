"""OpenFeature's own Python provider, as its users have it, against the real server."""

from __future__ import annotations

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from tests.fakes.process import bucketer_serve

USER = EvaluationContext("cooper34523569", {"tier": "platinum", "member_since_days": 56})
NOBODY = EvaluationContext()


@pytest.fixture(scope="module")
def server():
    with bucketer_serve() as started:
        yield started


@pytest.fixture
def client(server):
    api.set_provider(OFREPProvider(server.url))
    yield api.get_client()
    api.shutdown()


def test_values_come_in_their_types(client):
    assert client.get_integer_value("search.max_results", -1, USER) == 20
    assert client.get_float_value("search.popularity_boost", -1.0, USER) == 1.0
    assert client.get_boolean_value("search.enabled", False, USER) is True
    assert client.get_object_value("search", {}, USER)["synonyms"] == {"enabled": False}


def test_details_say_why(client):
    details = client.get_integer_details("search.max_results", -1, USER)

    assert details.reason == Reason.DEFAULT
    assert details.variant == "on"
    assert details.flag_metadata["version"] == "22"
    assert details.flag_metadata["contextId"] == USER.targeting_key


def test_an_unknown_flag_and_a_missing_user_are_told_as_such(client):
    unknown = client.get_boolean_details("nope", True, USER)
    missing = client.get_integer_details("search.max_results", 3, NOBODY)

    assert (unknown.value, unknown.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    assert (missing.value, missing.error_code) == (3, ErrorCode.TARGETING_KEY_MISSING)


def test_another_type_than_the_flags_is_a_mismatch(client):
    details = client.get_string_details("search.max_results", "x", USER)

    assert (details.value, details.error_code) == ("x", ErrorCode.TYPE_MISMATCH)


def test_a_flag_that_is_off_leaves_the_value_to_the_code(client):
    off = EvaluationContext("u1")
    details = client.get_object_details("checkout_flow", {"mine": True}, off)

    assert (details.value, details.reason) == ({"mine": True}, Reason.DISABLED)
