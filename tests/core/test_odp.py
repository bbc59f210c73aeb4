"""What a datafile says of ODP, and events for it."""

import json

import pytest
from optimizely.odp.odp_event import OdpEvent as TheirEvent
from tests.fakes.datafiles import a_datafile
from tests.fakes.odp import KEY, with_odp

from bucketer.core.compile import compile_datafile
from bucketer.core.errors import InvalidRequest
from bucketer.core.odp import (
    OdpNotIntegrated,
    account_in,
    base_url,
    headers_of,
    odp_event,
    payload_of,
)
from bucketer.core.parse import parse_datafile

HOST = "https://odp.example"


def compiled(datafile):
    return compile_datafile(parse_datafile(json.dumps(datafile)))


def made(*, kind="", action="bought", identifiers=None, data=None):
    identifiers = {"fs_user_id": "ben"} if identifiers is None else identifiers
    return odp_event(compiled(with_odp()), kind, action, identifiers, data or {}, 5_000, "u-1")


def test_the_integration_has_the_segments_that_audiences_ask_about_each_once():
    odp = compiled(with_odp(segments=("gold", "silver", "gold"))).odp

    assert (HOST, KEY, ("gold", "silver")) == (odp.host, odp.public_key, odp.segments)


@pytest.mark.parametrize(
    "integrations",
    [
        [],
        [{"key": "other", "host": HOST, "publicKey": KEY}],
        [{"key": "odp"}],
        [{"key": "odp", "host": "", "publicKey": KEY}],
        [{"key": "odp", "host": HOST, "publicKey": ""}],
        [{"key": "odp", "host": 7, "publicKey": KEY}],
        [{"key": "odp", "host": HOST, "publicKey": None}],
        [7, None],
        {"key": "odp"},
        "odp",
        7,
        # The first one counts, as in the SDK.
        [{"key": "odp"}, {"key": "odp", "host": HOST, "publicKey": KEY}],
    ],
)
def test_what_is_no_integration_is_none_and_costs_nothing_else(integrations):
    ruleset = compiled({**with_odp(), "integrations": integrations})

    assert ruleset.odp is None
    assert "vip" in ruleset.flags


def test_of_conditions_only_texts_are_segments():
    datafile = with_odp()
    for number, value in enumerate([7, None, ["a"], {"a": 1}, True, "", "good"]):
        leaf = {"type": "third_party_dimension", "match": "qualified", "name": "x", "value": value}
        datafile["typedAudiences"].append({"id": f"8{number}", "name": "n", "conditions": leaf})

    assert ("gold", "silver", "good") == compiled(datafile).odp.segments


def test_an_event_has_what_the_sdks_has():
    theirs = TheirEvent("fullstack", "bought", {"fs-user-id": "ben", "email": "b@e"}, {"n": 1})
    event = made(identifiers={"fs-user-id": "ben", "email": "b@e"}, data={"n": 1})
    ours = json.loads(event.text)

    assert (theirs.type, theirs.action) == (ours["type"], ours["action"])
    assert theirs.identifiers == ours["identifiers"]
    assert theirs.data.keys() == ours["data"].keys()
    assert ("sdk", 1, "u-1") == (
        ours["data"]["data_source_type"],
        ours["data"]["n"],
        ours["data"]["idempotence_id"],
    )


@pytest.mark.parametrize("key", ["fs_user_id", "FS_USER_ID", "fs-user-id", "Fs-User-Id"])
def test_the_user_id_has_one_spelling(key):
    assert {"fs_user_id": "ben"} == json.loads(made(identifiers={key: "ben"}).text)["identifiers"]


def test_the_data_may_replace_what_is_said_of_the_sender():
    data = {"idempotence_id": "mine", "data_source": "shop"}
    told = json.loads(made(data=data).text)["data"]

    assert ("mine", "shop", "sdk") == (
        told["idempotence_id"],
        told["data_source"],
        told["data_source_type"],
    )


@pytest.mark.parametrize(
    "value", [[1], {"a": 1}, float("nan"), float("inf"), 2**53 + 1, -1e300, b"x", object()]
)
def test_a_value_that_cannot_be_sent_is_refused(value):
    with pytest.raises(InvalidRequest, match="The ODP data 'k'"):
        made(data={"k": value})


@pytest.mark.parametrize("value", ["x", 1, 1.5, True, None, -(2**53), 2.0**53])
def test_a_value_that_can_be_is_not(value):
    assert value == json.loads(made(data={"k": value}).text)["data"]["k"]


def test_without_an_integration_there_is_no_event():
    with pytest.raises(OdpNotIntegrated):
        odp_event(compiled(a_datafile()), "", "a", {"b": "c"}, {}, 0, "u")


def test_an_event_is_one_line_of_ascii_whatever_is_in_it():
    text = made(action="a\nb\N{GRINNING FACE}\ud800", data={"k\r\n": "\u2028"}).text

    assert text.isascii()
    assert text.isprintable()


def test_events_of_one_account_travel_together_to_it():
    batch = made().batch

    assert (HOST, KEY) == account_in(batch)
    assert batch == made(action="other").batch
    assert [{"a": 1}, {"b": 2}] == json.loads(payload_of(['{"a": 1}', '{"b": 2}']))


def test_only_hosts_behind_tls_are_asked_unless_the_operator_says_so():
    assert "https://h" == base_url("", "https://h/")
    assert "http://mine" == base_url("http://mine/", "http://169.254.169.254")
    for host in ("http://h", "ftp://h", "h", ""):
        with pytest.raises(ValueError, match="no https:// URL"):
            base_url("", host)
    with pytest.raises(ValueError, match="can't stand in a header"):
        headers_of("a\r\nb")
