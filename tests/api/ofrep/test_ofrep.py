"""OpenFeature's remote evaluation protocol, as clients meet it."""

from __future__ import annotations

import json

import pytest
from tests.fakes.datafiles import a_datafile
from tests.fakes.runtimes import a_runtime
from tests.fakes.sources import FakeSource

from bucketer import wiring
from bucketer.api.http import Request
from bucketer.api.options import ApiOptions
from bucketer.settings import read_settings

FLAGS = "/ofrep/v1/evaluate/flags"
CONTEXT = {"targetingKey": "u1"}


def variation(name, values=None, *, on=True):
    return {
        "id": f"v_{name}",
        "key": name,
        "featureEnabled": on,
        "variables": [{"id": each, "value": value} for each, value in (values or {}).items()],
    }


def rule(name, variations, traffic, audiences=()):
    return {
        "id": f"r_{name}",
        "key": name,
        "status": "Running",
        "layerId": f"l_{name}",
        "audienceIds": list(audiences),
        "forcedVariations": {},
        "variations": variations,
        "trafficAllocation": [
            {"entityId": f"v_{each}", "endOfRange": end} for each, end in traffic
        ],
    }


def datafile():
    """Flags without, with one and with three variables; targeted, split, off and with odd keys."""
    everyone = {
        key: rule(f"else_{key}", [variation(f"on_{key}", values)], [(f"on_{key}", 10_000)])
        for key, values in {
            "plain": None,
            "one": {"1": "10.0"},
            "three": {"2": "x", "3": "7", "4": '{"a": 1.0}'},
        }.items()
    }
    everyone["off"] = rule("else_off", [variation("off_off", on=False)], [("off_off", 10_000)])
    everyone["a b/c"] = rule("else_odd", [variation("on_odd")], [("on_odd", 10_000)])
    rollouts = [{"id": f"ro_{key}", "experiments": [each]} for key, each in everyone.items()]
    gold = rule("gold", [variation("gold")], [("gold", 10_000)], ["a_gold"])
    rest = rule("rest", [variation("rest")], [("rest", 10_000)])
    rollouts.append({"id": "ro_targeted", "experiments": [gold, rest]})
    split = rule("split", [variation("a"), variation("b")], [("a", 5_000), ("b", 10_000)])
    variables = {
        "one": [("1", "half", "double", "0.5")],
        "three": [
            ("2", "text", "string", "d"),
            ("3", "count", "integer", "1"),
            ("4", "json", "json", "{}"),
        ],
    }
    flags = [
        {
            "id": f"f_{key}",
            "key": key,
            "rolloutId": f"ro_{key}" if key != "split" else "",
            "experimentIds": ["r_split"] if key == "split" else [],
            "variables": [
                {"id": id_, "key": name, "type": kind, "defaultValue": default}
                for id_, name, kind, default in variables.get(key, [])
            ],
        }
        for key in ["plain", "one", "three", "off", "a b/c", "targeted", "split"]
    ]
    return a_datafile(
        revision="5",
        environmentKey="production",
        audiences=[
            {
                "id": "a_gold",
                "name": "Gold",
                "conditions": '["and", {"type": "custom_attribute", "name": "tier",'
                ' "match": "exact", "value": "gold"}]',
            }
        ],
        attributes=[{"id": "at", "key": "tier"}],
        groups=[],
        experiments=[split],
        rollouts=rollouts,
        featureFlags=flags,
        sendFlagDecisions=True,
        holdouts=[],
    )


class Kept:
    """An outbox that keeps what it is given."""

    def __init__(self):
        self.events = []

    def add(self, events):
        self.events += events

    def close(self):
        pass


@pytest.fixture
def outbox():
    return Kept()


@pytest.fixture
def ask(outbox):
    """Ask for one flag, or for all; the settings are those of variables."""

    def asking(document=None, **environ):
        options = wiring.api_options(read_settings(environ))
        source = FakeSource(json.dumps(document or datafile()).encode())
        runtime = a_runtime(source, options=options, outbox=outbox)
        runtime.load()

        def ask(key=None, context=CONTEXT, body=None, **headers):
            path = FLAGS if key is None else f"{FLAGS}/{key}"
            raw = json.dumps({"context": context}).encode() if body is None else body
            answer = runtime.serve(Request("POST", path, "", headers, raw))
            told = json.loads(answer.body) if answer.body else None
            return answer.status, told, dict(answer.headers)

        return ask

    return asking


class TestOneFlag:
    @pytest.mark.parametrize(
        ("key", "value", "reason", "variant"),
        [
            ("plain", True, "STATIC", "on_plain"),
            ("one", 10.0, "STATIC", "on_one"),
            ("three", {"text": "x", "count": 7, "json": {"a": 1.0}}, "STATIC", "on_three"),
            ("three.text", "x", "STATIC", "on_three"),
            ("three.count", 7, "STATIC", "on_three"),
            ("three.enabled", True, "STATIC", "on_three"),
            ("a%20b/c", True, "STATIC", "on_odd"),
            ("a b/c", True, "STATIC", "on_odd"),
            ("targeted", True, "DEFAULT", "rest"),
            ("off.enabled", False, "DISABLED", "off_off"),
        ],
    )
    def test_has_the_value_of_its_kind(self, ask, key, value, reason, variant):
        status, told, _ = ask()(key)

        assert status == 200
        assert (told["value"], told["reason"], told["variant"]) == (value, reason, variant)
        assert type(told["value"]) is type(value)

    def test_is_matched_by_its_audience(self, ask):
        _, told, _ = ask()("targeted", {**CONTEXT, "tier": "gold"})

        assert (told["reason"], told["variant"]) == ("TARGETING_MATCH", "gold")

    def test_is_split_by_the_user(self, ask):
        asking = ask()
        seen = {asking("split", {"targetingKey": f"u{n}"})[1]["variant"] for n in range(20)}

        assert seen == {"a", "b"}
        assert asking("split")[1]["reason"] == "SPLIT"

    def test_that_is_off_leaves_the_value_to_the_code_unless_set_otherwise(self, ask):
        assert "value" not in ask()("off")[1]
        assert ask(BUCKETER_OFREP_OFF="values")("off")[1]["value"] is False
        assert ask()("off")[1]["reason"] == "DISABLED"

    def test_gives_the_variable_that_the_context_chooses(self, ask):
        _, told, _ = ask()("three", {**CONTEXT, "variableKey": "count"})
        status, refused, _ = ask()("three", {**CONTEXT, "variableKey": "nope"})

        assert told["value"] == 7
        assert (status, refused["errorCode"]) == (400, "INVALID_CONTEXT")

    def test_tells_where_it_comes_from_in_flat_metadata(self, ask):
        _, told, _ = ask()("split")

        assert told["metadata"] | {"bucket": 0} == {
            "flagSetId": "production",
            "version": "5",
            "contextId": "u1",
            "ruleKey": "split",
            "experimentId": "r_split",
            "variationId": f"v_{told['variant']}",
            "bucket": 0,
        }

    @pytest.mark.parametrize("context", [{}, {"targetingKey": ""}, {"targetingKey": None}])
    def test_needs_a_user_only_where_the_answer_does(self, ask, context):
        assert ask()("plain", context)[1]["value"] is True
        assert ask()("targeted", {**context, "tier": "gold"})[1]["variant"] == "gold"
        status, told, _ = ask()("split", context)
        assert (status, told["errorCode"]) == (400, "TARGETING_KEY_MISSING")

    def test_sends_its_impression_unless_told_not_to(self, ask, outbox):
        asking = ask()
        asking("split")
        asking("split", {**CONTEXT, "$opt_impressions": False})
        asking("plain", {})

        assert [event.user.id for event in outbox.events] == ["u1"]

    @pytest.mark.parametrize("body", [b"", b"{}", b'{"context": null}', b'{"context": {}}'])
    def test_takes_no_context_for_an_empty_one(self, ask, body):
        assert ask()("plain", body=body)[0] == 200

    @pytest.mark.parametrize(
        ("key", "body", "status", "code"),
        [
            ("nope", b"{}", 404, "FLAG_NOT_FOUND"),
            ("three.nope", b"{}", 404, "FLAG_NOT_FOUND"),
            ("split.half.text", b"{}", 404, "FLAG_NOT_FOUND"),
            ("../flags/plain", b"{}", 404, "FLAG_NOT_FOUND"),
            ("%2e%2e/plain", b"{}", 404, "FLAG_NOT_FOUND"),
            ("/plain", b"{}", 404, "FLAG_NOT_FOUND"),
            ("", b"{}", 404, "FLAG_NOT_FOUND"),
            ("plain/", b"{}", 404, "FLAG_NOT_FOUND"),
            ("a+b/c", b"{}", 404, "FLAG_NOT_FOUND"),
            ("%ff", b"{}", 404, "FLAG_NOT_FOUND"),
            ("\udcff", b"{}", 404, "FLAG_NOT_FOUND"),
            ("a%2520b/c", b"{}", 404, "FLAG_NOT_FOUND"),
            ("plain", b'{"context": {"$opt_debug": 1}}', 400, "INVALID_CONTEXT"),
            ("r_split", b"{}", 404, "FLAG_NOT_FOUND"),
            ("plain", b"{", 400, "PARSE_ERROR"),
            ("plain", b"[]", 400, "PARSE_ERROR"),
            ("plain", b'{"context": 3}', 400, "INVALID_CONTEXT"),
            ("plain", b'{"context": {"targetingKey": 3}}', 400, "INVALID_CONTEXT"),
            ("plain", b'{"context": {"$opt_impressions": 1}}', 400, "INVALID_CONTEXT"),
            ("split", b'{"context": {"targetingKey": "\\ud800"}}', 400, "INVALID_CONTEXT"),
        ],
    )
    def test_is_refused_in_the_words_of_the_protocol(self, ask, key, body, status, code):
        found, told, headers = ask()(key, body=body)

        assert (found, told["errorCode"]) == (status, code)
        assert isinstance(told["key"], str)
        assert told["errorDetails"]
        assert told["metadata"] == {}
        assert headers["Content-Type"] == "application/json"

    def test_may_be_an_experiment_where_that_is_allowed(self, ask):
        document = a_datafile()
        key, gold = "checkout_flow_experiment", {"tier": "platinum", "member_since_days": 56}
        her = {"targetingKey": "cooper34523569", **gold}
        asked = ask(document, BUCKETER_OFREP_EXPERIMENTS="on")
        _, told, _ = asked(key, her)
        [alone] = asked(context={**her, "flags": [key]})[1]["flags"]
        off = {"targetingKey": "x"}

        assert (told["value"], told["variant"]) == ("one_step_checkout", "one_step_checkout")
        assert told["reason"] == "SPLIT"
        assert told == alone
        assert told["metadata"]["ruleKey"] == key
        assert "value" not in asked(key, off)[1]
        assert asked(key, off)[1]["reason"] == "DISABLED"
        values = ask(document, BUCKETER_OFREP_EXPERIMENTS="on", BUCKETER_OFREP_OFF="values")
        assert values(key, off)[1]["value"] == "off"
        status, refused, _ = ask(document)(key, her)
        assert (status, refused["errorCode"]) == (404, "FLAG_NOT_FOUND")
        assert "BUCKETER_OFREP_EXPERIMENTS" in refused["errorDetails"]
        assert asked(f"{key}x", her)[0] == 404

    def test_has_a_flag_of_the_same_key_before_an_experiment(self, ask):
        assert ask(BUCKETER_OFREP_EXPERIMENTS="on")("split")[1]["value"] is True


class TestAllFlags:
    def test_come_with_their_parts(self, ask):
        _, told, _ = ask()()

        keys = [each["key"] for each in told["flags"]]
        assert keys[:3] == ["plain", "plain.enabled", "one"]
        assert {"three", "three.text", "three.count", "three.json", "three.enabled"} <= set(keys)
        assert "one.half" not in keys
        assert len(keys) == len(set(keys))

    def test_say_the_same_as_each_of_them_alone(self, ask):
        asking = ask()
        for each in asking()[1]["flags"]:
            assert asking(each["key"])[1] == each

    def test_may_be_asked_for_by_name(self, ask):
        _, told, _ = ask()(context={**CONTEXT, "flags": ["plain", "three.text", "nope"]})

        assert [each["key"] for each in told["flags"]] == ["plain", "plain.enabled", "three.text"]

    def test_that_need_a_user_fail_alone(self, ask):
        _, told, _ = ask()(context={})

        by_key = {each["key"]: each for each in told["flags"]}
        assert by_key["split"]["errorCode"] == "TARGETING_KEY_MISSING"
        assert by_key["plain"]["value"] is True

    def test_send_no_impression_unless_asked_to(self, ask, outbox):
        ask()()
        none = len(outbox.events)
        ask()(context={**CONTEXT, "$opt_impressions": True, "flags": ["split"]})
        asked = len(outbox.events)
        ask(BUCKETER_OFREP_BULK_IMPRESSIONS="on")(context={**CONTEXT, "flags": ["split"]})

        assert (none, asked, len(outbox.events)) == (0, 1, 2)

    def test_are_not_sent_again_to_who_has_them(self, ask):
        asking = ask()
        _, _, headers = asking()
        status, body, again = asking(**{"if-none-match": headers["ETag"]})

        assert (status, body, again["ETag"]) == (304, None, headers["ETag"])

    @pytest.mark.parametrize(
        "context",
        [{"targetingKey": "u2"}, {**CONTEXT, "tier": "gold"}, {**CONTEXT, "flags": ["one"]}, {}],
    )
    def test_of_one_context_are_never_taken_for_those_of_another(self, ask, context):
        asking = ask()
        _, _, headers = asking()

        status, told, _ = asking(context=context, **{"if-none-match": headers["ETag"]})

        assert status == 200
        assert "flags" in told

    def test_that_are_refused_name_an_empty_key_which_some_clients_want(self, ask):
        status, told, _ = ask()(body=b"{")

        assert (status, told["errorCode"], told["key"]) == (400, "PARSE_ERROR", "")


def test_other_paths_and_methods_are_refused_as_json():
    runtime = wiring.build(environ={"BUCKETER_EVENTS": "off"}, mode=wiring.COMMAND)
    for method, path, status in [
        ("POST", "/ofrep/v1/configuration", 404),
        ("GET", FLAGS, 405),
        ("GET", f"{FLAGS}/search", 405),
    ]:
        answer = runtime.serve(Request(method, path))
        told = json.loads(answer.body)
        assert (answer.status, told["errorCode"], told["metadata"]) == (status, "GENERAL", {})


def test_without_a_datafile_every_answer_is_an_error_that_clients_can_read():
    options = wiring.api_options(read_settings({}))
    runtime = a_runtime(FakeSource(b"no datafile"), options=options)
    runtime.load()
    for path in (FLAGS, f"{FLAGS}/search"):
        answer = runtime.serve(Request("POST", path, body=b"{}"))
        assert answer.status == 503
        assert json.loads(answer.body)["errorCode"] == "GENERAL"
        assert dict(answer.headers)["Retry-After"] == "5"


def test_it_can_be_switched_off():
    runtime = wiring.build(
        environ={"BUCKETER_EVENTS": "off", "BUCKETER_OFREP": "off"}, mode=wiring.COMMAND
    )

    answer = runtime.serve(Request("POST", FLAGS, body=b"{}"))

    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (404, "not_found")


def test_profiles_are_looked_up_and_kept():
    options = ApiOptions(profiles=True)
    options.apis = wiring.api_options(read_settings({})).apis

    class Store:
        saved = None

        def lookup(self, user_id):
            return {"r_split": "v_b"}

        def save(self, user_id, profile):
            self.saved = profile

        def close(self):
            pass

    source = FakeSource(json.dumps(datafile()).encode())
    runtime = a_runtime(source, options=options, profiles=Store())
    runtime.load()
    variants = set()
    for number in range(8):
        body = json.dumps({"context": {"targetingKey": f"u{number}"}}).encode()
        answer = runtime.serve(Request("POST", f"{FLAGS}/split", body=body))
        variants.add(json.loads(answer.body)["variant"])

    assert variants == {"b"}
