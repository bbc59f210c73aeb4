"""The demonstration datafile: the official SDK accepts it, and everything in it can be met."""

import json
import logging
from pathlib import Path

import pytest
from optimizely.helpers import validator
from optimizely.optimizely import Optimizely

from bucketer import demo
from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide, decide_all
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User

RAW = Path(demo.PATH).read_bytes()
COOPER = ("cooper34523569", {"tier": "platinum", "member_since_days": 56})
VISITORS = [
    (f"visitor-{number}", attributes)
    for number in range(300)
    for attributes in (
        {},
        COOPER[1],
        {"tier": "gold", "member_since_days": 29},
        {"country": "DE"},
        {"beta_tester": True, "app_version": "2.1.0"},
    )
]


@pytest.fixture(scope="module")
def ruleset():
    return compile_datafile(parse_datafile(RAW))


@pytest.fixture(scope="module")
def sdk():
    class Silent:
        def process(self, event):
            """Send nothing."""

    silent = logging.getLogger("silent")
    silent.propagate = False
    silent.addHandler(logging.NullHandler())
    client = Optimizely(RAW.decode(), event_processor=Silent(), logger=silent)
    yield client
    client.close()


def test_the_official_sdk_accepts_it():
    assert validator.is_datafile_valid(RAW)


def test_it_compiles_without_a_diagnostic(ruleset):
    assert () == ruleset.diagnostics


def test_it_is_marked_by_ids_that_optimizely_gave_to_nobody(ruleset):
    assert ("10000000000", "80000000000", "22", "4") == (
        ruleset.project_id,
        ruleset.account_id,
        ruleset.revision,
        ruleset.version,
    )
    assert demo.is_demonstration(ruleset.account_id, ruleset.project_id)


def test_another_project_is_not_taken_for_it():
    assert not demo.is_demonstration(demo.ACCOUNT_ID, "10000000001")


def test_the_readme_s_request_gets_the_variation_that_the_readme_shows(ruleset, sdk):
    decision = activate(ruleset, "checkout_flow_experiment", User(*COOPER))

    assert "one_step_checkout" == decision.variation_key
    assert decision.variation_key == sdk.activate("checkout_flow_experiment", *COOPER)


def test_the_official_sdk_decides_the_same_for_everybody(ruleset, sdk):
    for user_id, attributes in VISITORS:
        user, context = User(user_id, attributes), sdk.create_user_context(user_id, attributes)
        ours = {
            key: (d.variation_key, d.rule_key, d.variables)
            for key, d in decide_all(ruleset, user).items()
        }
        theirs = {
            key: (d.variation_key, d.rule_key, d.variables)
            for key, d in context.decide_all().items()
        }

        assert theirs == ours


def test_every_rule_and_every_variation_is_met_by_somebody(ruleset):
    datafile = json.loads(RAW)
    experiments = [
        *datafile["experiments"],
        *(each for group in datafile["groups"] for each in group["experiments"]),
        *(rule for rollout in datafile["rollouts"] for rule in rollout["experiments"]),
        *datafile["holdouts"],
    ]
    expected = {
        (each["key"], variation["key"]) for each in experiments for variation in each["variations"]
    }

    met = {
        (decision.rule_key, decision.variation_key)
        for user_id, attributes in VISITORS
        for decision in decide_all(ruleset, User(user_id, attributes)).values()
    }

    assert expected == met


def test_its_whitelist_works(ruleset):
    assert "two_step_checkout" == decide(ruleset, "checkout_flow", User("qa_anna")).variation_key


def test_every_kind_of_variable_is_in_it(ruleset):
    kinds = {
        variable.kind for flag in ruleset.flags.values() for variable in flag.variables.values()
    }

    assert {"boolean", "integer", "double", "string", "json"} == kinds


def test_every_typed_audience_has_its_dummy_twin_as_real_exports_do():
    datafile = json.loads(RAW)

    assert {each["id"] for each in datafile["typedAudiences"]} | {"$opt_dummy_audience"} == {
        each["id"] for each in datafile["audiences"]
    }
