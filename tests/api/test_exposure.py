"""Decide now, expose later: a token in the place of an impression, and `POST /expose`."""

from __future__ import annotations

import base64
import json

import pytest
from tests.fakes.agent_client import KEY
from tests.fakes.editions import NOW, AnEdition, Client

from bucketer.api.http import Known, Request
from bucketer.api.options import ApiOptions
from bucketer.api.signed import EXPOSURE, MAX_CHARS, sign
from bucketer.core.events import batch_of, visitor_json
from bucketer.wiring.http import agent_api, openfeature_api

SECRET, OTHER = b"s" * 32, b"o" * 32
HER = 'e=checkout_flow_experiment&u=cooper34523569&a=tier:"platinum",member_since_days:56,x:1'
CONTEXT = {"targetingKey": "cooper34523569", "tier": "platinum", "member_since_days": 56}
FLAGS = "/ofrep/v1/evaluate/flags"


def options(*secrets, **more):
    found = ApiOptions()
    found.signing_secrets = secrets or (SECRET,)
    found.apis = (("/v1/", agent_api), ("/ofrep/", openfeature_api))
    for name, value in more.items():
        setattr(found, name, value)
    return found


def a_client(*secrets, edition="demonstration", **more):
    return Client(edition, options(*secrets, **more), keys=frozenset({KEY}))


@pytest.fixture
def client():
    return a_client()


def expose(client, body, now=NOW, path="/expose"):
    """Return status, parsed body and the events that are to be sent."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request("POST", path, "", {}, raw, "", "r")
    reply = client.handler.handle(request, now, lambda: "never asked for")
    return reply.response.status, json.loads(reply.response.body), reply.events


def as_sent(events, without="timestamp"):
    """The texts of events, but for their time."""
    texts = []
    for event in events:
        visitor = json.loads(visitor_json(event))
        visitor["snapshots"][0]["events"][0].pop(without)
        texts.append((batch_of(event), visitor))
    return texts


def token(client, query=HER):
    return client.json(f"{query}&track=later")["exposure"]


class TestBucketer:
    def test_sends_later_what_it_would_have_sent_at_once(self, client):
        at_once = a_client().ask(HER).events
        reply = client.ask(f"{HER}&track=later")
        told = json.loads(reply.response.body)
        status, said, events = expose(client, {"token": told.pop("exposure")}, now=NOW + 60)

        assert (reply.events, told) == ((), a_client().json(HER))
        assert (status, said) == (200, {"exposed": 1})
        assert len(at_once) == 1
        assert as_sent(events) == as_sent(at_once)
        assert events[0].timestamp_ms == at_once[0].timestamp_ms + 60_000

    @pytest.mark.parametrize("word", ["later", "LATER", "Later"])
    def test_takes_the_word_in_query_and_body(self, client, word):
        assert client.json(f"{HER}&track={word}")["exposure"]
        told = client.post(f="search", u="x", track=word)
        assert json.loads(told.response.body)["exposure"]
        told = client.ask(f"track={word}", method="POST", body={"f": "search", "u": "x"})
        assert json.loads(told.response.body)["exposure"]

    @pytest.mark.parametrize("word", ["soon", "laterr", "", "1", "0"])
    def test_gives_no_token_for_another_word(self, client, word):
        assert "exposure" not in client.json(f"{HER}&track={word}")

    def test_has_one_token_for_each_of_several_flags(self, client):
        told = client.json("f=*&u=cooper34523569&track=later")
        sent = a_client().ask("f=*&u=cooper34523569").events

        exposed = [
            event for each in told["exposures"].values() for event in expose(client, each)[2]
        ]
        assert set(told["exposures"]) == {event.what.flag_key for event in sent}
        assert as_sent(exposed) == as_sent(sent)

    def test_has_nothing_to_expose_where_no_impression_is_called_for(self, client):
        assert client.json("e=checkout_flow_experiment&u=x&track=later") == {
            "variation": None,
            "user": "x",
            "experiment": "checkout_flow_experiment",
            "exposure": None,
        }
        assert a_client(makes_events=False).json(f"{HER}&track=later")["exposure"] is None

    def test_names_the_event_by_the_callers_key(self, client):
        headers = {"idempotency-key": "one"}
        at_once = a_client().ask(HER, headers=headers).events
        reply = client.ask(f"{HER}&track=later", headers=headers)

        [event] = expose(client, {"token": json.loads(reply.response.body)["exposure"]})[2]
        assert event.uuid == at_once[0].uuid

    def test_says_which_setting_is_missing(self):
        client = Client(options=ApiOptions())
        reply = client.ask(f"{HER}&track=later")

        assert reply.response.status == 400
        assert "BUCKETER_SIGNING_SECRETS" in reply.response.body.decode()
        assert client.ask(HER).response.status == 200

    def test_refuses_what_would_make_too_long_a_token(self, client):
        fits = client.ask(f"{HER}&track=later&u2=x")
        most = 2_400
        status = [
            client.ask(f"f=search&u={'x' * number}&track=later").response.status
            for number in (most, MAX_CHARS)
        ]

        assert fits.response.status == 200
        assert status == [200, 413]
        long = client.json(f"f=search&u={'x' * most}&track=later")["exposure"]
        assert len(long) <= MAX_CHARS


class TestAgent:
    def ask(self, client, query, body):
        headers = {"x-optimizely-sdk-key": KEY, "content-type": "application/json"}
        return client.ask(query, method="POST", path="/v1/decide", body=body, headers=headers)

    @pytest.mark.parametrize("given", [[], ["DISABLE_DECISION_EVENT"]])
    def test_gives_a_token_only_when_asked(self, client, given):
        body = {"userId": "qa_ben", "decideOptions": given}
        at_once = self.ask(a_client(), "keys=checkout_flow", {"userId": "qa_ben"})
        plain = json.loads(self.ask(client, "keys=checkout_flow", body).response.body)
        reply = self.ask(client, "keys=checkout_flow&track=later", body)
        told = json.loads(reply.response.body)

        assert (reply.events, "exposure" in plain) == ((), False)
        events = expose(client, {"token": told.pop("exposure")})[2]
        assert told == plain
        assert [each.what.flag_key for each in events] == ["checkout_flow"]
        assert as_sent(events, "uuid") == as_sent(at_once.events, "uuid")

    def test_gives_each_of_several_its_own(self, client):
        reply = self.ask(client, "track=later", {"userId": "qa_ben"})
        sent = self.ask(a_client(), "", {"userId": "qa_ben"}).events
        told = json.loads(reply.response.body)

        events = [
            event
            for each in told
            if each["exposure"]
            for event in expose(client, {"token": each["exposure"]})[2]
        ]
        assert all("exposure" in each for each in told)
        assert sorted(each.what.flag_key for each in events) == sorted(
            each.what.flag_key for each in sent
        )

    def test_says_which_setting_is_missing(self):
        bare = ApiOptions()
        bare.apis = options().apis
        client = Client(options=bare, keys=frozenset({KEY}))
        reply = self.ask(client, "track=later", {"userId": "qa_ben"})

        assert reply.response.status == 400
        assert "BUCKETER_SIGNING_SECRETS" in json.loads(reply.response.body)["error"]


class TestOpenFeature:
    def ask(self, client, key="", now=NOW, **context):
        body = json.dumps({"context": {**CONTEXT, "$opt_impressions": "later", **context}})
        path = f"{FLAGS}/{key}" if key else FLAGS
        request = Request("POST", path, "", {}, body.encode(), "", "r")
        return client.handler.handle(request, now, lambda: "u-1")

    def test_has_the_token_in_the_metadata_of_one_flag(self, client):
        reply = self.ask(client, "checkout_flow")
        told = json.loads(reply.response.body)
        plain = json.loads(
            self.ask(client, "checkout_flow", **{"$opt_impressions": False}).response.body
        )
        sent = self.ask(client, "checkout_flow", **{"$opt_impressions": True}).events

        events = expose(client, {"token": told["metadata"].pop("exposure")})[2]
        assert (reply.events, told) == ((), plain)
        assert len(sent) == 1
        assert as_sent(events) == as_sent(sent)

    def test_has_the_same_tokens_for_a_while_in_many(self, client):
        first, again, far = [
            self.ask(client, now=NOW + more_s).response for more_s in (0, 60, 30_000)
        ]
        flags = [json.loads(each.body)["flags"] for each in (first, again, far)]

        assert first.body == again.body
        assert dict(first.headers)["ETag"] == dict(again.headers)["ETag"]
        assert dict(first.headers)["ETag"] != dict(far.headers)["ETag"]
        by_key = [
            {each["key"]: each["metadata"].get("exposure") for each in some} for some in flags
        ]
        assert by_key[0]["checkout_flow"] == by_key[0]["checkout_flow.enabled"] is not None
        assert by_key[0]["checkout_flow"] != by_key[2]["checkout_flow"]
        uuids = [expose(client, {"token": some["checkout_flow"]})[2][0].uuid for some in by_key]
        assert uuids[0] != uuids[2]

    def test_in_many_is_good_for_as_long_as_any(self, client):
        for more_s in range(0, 21_600, 1_000):
            now = NOW + more_s
            told = json.loads(self.ask(client, now=now).response.body)["flags"]
            one = next(each for each in told if each["key"] == "checkout_flow")["metadata"][
                "exposure"
            ]
            assert expose(client, {"token": one}, now=now + 86_400)[0] == 200
            assert expose(client, {"token": one}, now=now + 86_400 * 1.25 + 1)[0] == 403

    def test_may_be_given_to_all_by_a_setting(self):
        client = a_client(ofrep_bulk_impressions="later")
        told = json.loads(self.ask(client, **{"$opt_impressions": None}).response.body)["flags"]
        none = json.loads(self.ask(client, **{"$opt_impressions": False}).response.body)["flags"]

        assert any("exposure" in each["metadata"] for each in told)
        assert not any("exposure" in each["metadata"] for each in none)

    def test_differs_between_users(self, client):
        one, other = [
            json.loads(self.ask(client, targetingKey=each).response.body)["flags"]
            for each in ("qa_ben", "cooper34523569")
        ]
        uuids = {
            expose(client, {"token": each["metadata"]["exposure"]})[2][0].uuid
            for flags in (one, other)
            for each in flags
            if "exposure" in each["metadata"] and "." not in each["key"]
        }
        assert len(uuids) > 1

    def test_has_none_without_a_user_and_says_which_setting_is_missing(self, client):
        told = json.loads(self.ask(client, targetingKey=None).response.body)["flags"]
        bare = ApiOptions()
        bare.apis = options().apis
        for key in ("", "search"):
            response = self.ask(Client(options=bare), key).response
            assert response.status == 400
            assert "BUCKETER_SIGNING_SECRETS" in json.loads(response.body)["errorDetails"]
        assert not any("exposure" in each["metadata"] for each in told)


class TestExpose:
    def test_counts_a_token_once_however_often_it_comes(self, client):
        one = token(client)
        [first] = expose(client, {"token": one})[2]
        [again] = expose(client, {"tokens": [one, one]}, now=NOW + 5)[2]

        assert first.uuid == again.uuid

    def test_takes_each_form_that_a_beacon_sends(self, client):
        one, other = token(client), token(client, "f=search&u=x")
        for body, count in [
            ({"token": one}, 1),
            ({"tokens": [one, other]}, 2),
            ([one, other], 2),
            (one, 1),
            (one.encode(), 1),
            (f"{one}\n{other}\n".encode(), 2),
            (f"token={one}&token={other}".encode(), 2),
            (f"  {one} ".encode(), 1),
        ]:
            assert expose(client, body)[:2] == (200, {"exposed": count}), body

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"[]",
            b"3",
            b"{",
            b'{"token": 3}',
            b'{"token": null}',
            b'{"tokens": "x", "token": "y"}',
            b'{"tokens": [["x"]]}',
            b'{"token": "a", "token": "b"}',
            b"[" * 10_000,
            b"\xff\xfe",
            b"x" * 5_000,
            b"a.b",
            b"a.b.c.d",
            b"1.\xc3\xa9.x",
            ("token=" + "x" * 100).encode(),
            b"x " * 1_001,
        ],
    )
    def test_says_what_is_no_token(self, client, body):
        status, told, events = expose(client, body)

        assert (status, told["error"]["code"], told["exposed"]) == (400, "invalid_request", 0)
        assert told["error"]["message"]
        assert not events

    def test_refuses_what_was_changed_anywhere(self, client):
        one = token(client)
        for at in range(len(one)):
            if one[at] == ".":
                continue
            changed = one[:at] + ("A" if one[at] != "A" else "B") + one[at + 1 :]
            status, told, events = expose(client, {"token": changed})
            assert (status, told["error"]["code"], events) == (403, "exposure_refused", ())
        assert expose(client, {"token": one})[0] == 200

    def test_refuses_what_was_signed_by_another_or_for_something_else(self, client):
        payload = one_payload(token(client))
        for secret, purpose in [(OTHER, EXPOSURE), (SECRET, b"stream"), (b"", EXPOSURE)]:
            forged = sign(secret or b"\0", purpose, payload, int(NOW) + 60)
            assert expose(client, {"token": forged})[0] == 403
        assert expose(client, {"token": sign(SECRET, EXPOSURE, payload, int(NOW) + 60)})[0] == 200

    def test_refuses_what_has_expired_and_not_a_second_sooner(self, client):
        one = token(client)
        ends = int(NOW + 86_400)

        assert expose(client, {"token": one}, now=ends - 0.001)[0] == 200
        status, told, _ = expose(client, {"token": one}, now=ends)
        assert status == 403
        assert "expired" in told["error"]["message"]

    def test_takes_the_good_ones_of_several_and_says_which_was_bad(self, client):
        one = token(client)
        status, told, events = expose(client, {"tokens": [one, f"{one[:-4]}AAAA", "x"]})

        assert (status, told["exposed"], len(events)) == (403, 1, 1)
        assert "number 2 of 3" in told["error"]["message"]
        status, told, events = expose(client, {"tokens": ["x", one]})
        assert (status, told["exposed"], len(events)) == (400, 1, 1)
        assert told["error"]["message"].startswith("Token 1 of 2")

    def test_needs_no_datafile_and_takes_old_secrets(self, client):
        at_once = a_client().ask(HER).events
        one = token(client)
        later = a_client(OTHER, SECRET, edition=None)

        status, _, events = expose(later, {"token": one})

        assert status == 200
        assert as_sent(events) == as_sent(at_once)
        assert expose(a_client(OTHER), {"token": one})[0] == 403

    def test_says_that_nothing_is_set(self, client):
        status, told, _ = expose(Client(options=ApiOptions()), {"token": token(client)})

        assert (status, told["error"]["code"]) == (403, "exposure_refused")

    def test_is_a_post_alone(self, client):
        assert client.ask(path="/expose").response.status == 405
        assert client.ask(path="/expose/", method="POST", body=b"x").response.status == 400


def one_payload(text):
    part = text.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_holds_no_sdk_key_and_nothing_that_is_not_sent():
    document = json.loads(AnEdition().raw) | {"sdkKey": "SECRET-SDK-KEY"}
    document["botFiltering"] = True
    client = a_client(edition=AnEdition(document))
    query = f"{HER}&track=later".replace("x:1", 'x:"unknown",$opt_user_agent:"me"')
    at_once = a_client(edition=AnEdition(document)).ask(query.replace("&track=later", "")).events
    one = client.json(query)["exposure"]
    held = one_payload(one)

    assert b"SECRET-SDK-KEY" not in held
    assert b"unknown" not in held
    assert as_sent(expose(client, {"token": one})[2]) == as_sent(at_once)


def test_an_archived_revision_gives_no_token():
    client = a_client(revisions=True)
    known = Known(edition=AnEdition(), asked=True)
    reply = client.ask(f"{HER}&track=later&revision=21", known=known)

    assert reply.response.status == 400
    assert client.ask(f"{HER}&track=later").response.status == 200


def test_one_user_of_many_values_keeps_their_kinds():
    facts = {"tier": "pl\u00e4t", "member_since_days": 10.0, "$opt_a": True, "$opt_b": 2**53}
    body = {"f": "search", "u": "\u00fc\U0001f600", "a": facts}
    client = a_client()
    at_once = a_client().post(**body).events
    told = json.loads(client.post(**body, track="later").response.body)

    assert as_sent(expose(client, {"token": told["exposure"]})[2]) == as_sent(at_once)


def test_a_stored_profile_keeps_what_is_exposed_later():
    client = a_client(profiles=True)
    known = Known(profile={})
    at_once = client.ask(HER, known=known).profile
    looked = client.ask(f"{HER}&track=off", known=known).profile
    later = client.ask(f"{HER}&track=later", known=known).profile
    both = client.ask("f=checkout_flow,search&u=cooper34523569&track=later", known=known)

    body = json.dumps({"context": {**CONTEXT, "$opt_impressions": "later"}}).encode()
    many, one = [
        client.handler.handle(Request("POST", path, body=body), NOW, str, Known(profile={}))
        for path in (FLAGS, f"{FLAGS}/checkout_flow")
    ]
    assert at_once == later
    assert at_once is not None
    assert looked is None
    assert both.response.status == 200
    assert many.profile is not None
    assert one.profile is not None
    assert one.profile[1].items() <= many.profile[1].items()
