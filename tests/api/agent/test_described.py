"""`/v1/config` and `/v1/datafile`: what is said of a datafile as a whole."""

import json
from pathlib import Path

import pytest
from tests.fakes.agent_client import AgentClient
from tests.fakes.editions import AnEdition

from bucketer import demo
from bucketer.api.http import DatafileNeeded, Known
from bucketer.api.options import ApiOptions


def known_of(agent):
    known = Known()
    known.datafile = agent.edition.datafile()
    return known


@pytest.mark.parametrize("path", ["/v1/config", "/v1/datafile"])
def test_the_datafile_is_unpacked_once_for_an_edition(path):
    agent = AgentClient()
    with pytest.raises(DatafileNeeded) as needed:
        agent.ask(path, method="GET")
    assert needed.value.edition is agent.edition
    first = agent.ask(path, method="GET", known=known_of(agent))
    assert first.status == 200
    assert agent.ask(path, method="GET").body is first.body


@pytest.mark.parametrize("path", ["/v1/config", "/v1/datafile"])
def test_what_is_too_much_to_keep_is_made_anew(path):
    options = ApiOptions()
    options.answers_bytes = 1_000
    agent = AgentClient(options=options)
    assert agent.ask(path, method="GET", known=known_of(agent)).status == 200
    with pytest.raises(DatafileNeeded):
        agent.ask(path, method="GET")


def test_the_datafile_is_shown_as_go_writes_it():
    agent = AgentClient()
    body = agent.ask("/v1/datafile", method="GET", known=known_of(agent)).body
    document = json.loads(Path(demo.PATH).read_bytes())
    assert json.loads(body) == document
    assert body.startswith(b'{"accountId":')
    assert body.endswith(b"}\n")
    assert list(json.loads(body)) == sorted(document)


def test_numbers_of_the_datafile_are_doubles(demonstration):
    demonstration["extra"] = [1.0, 2.5, 12345678901234567890, "<"]
    agent = AgentClient(AnEdition(demonstration))
    body = agent.ask("/v1/datafile", method="GET", known=known_of(agent)).body
    assert b'"extra":[1,2.5,12345678901234567000,"\\u003c"]' in body


def test_the_config_is_shown_with_structures_in_their_order_and_maps_sorted():
    agent = AgentClient()
    body = agent.ask("/v1/config", method="GET", known=known_of(agent)).body
    told = json.loads(body)
    assert list(told) == [
        "environmentKey",
        "sdkKey",
        "revision",
        "experimentsMap",
        "featuresMap",
        "attributes",
        "audiences",
        "events",
    ]
    assert list(told["featuresMap"]) == sorted(told["featuresMap"])
    feature = told["featuresMap"]["checkout_flow"]
    assert list(feature) == [
        "id",
        "key",
        "experimentRules",
        "deliveryRules",
        "variablesMap",
        "experimentsMap",
    ]
    [variation, *_] = feature["experimentRules"][0]["variationsMap"].values()
    assert list(variation) == ["id", "key", "featureEnabled", "variablesMap"]
