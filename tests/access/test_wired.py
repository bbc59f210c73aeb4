"""Keys as settings name them: through a whole runtime, each door, and environments that they choose."""

import base64
import copy
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import SimpleNamespace

import jwt
import pytest
from tests.fakes.cdn import Cdn
from tests.fakes.process import bucketer_serve
from tests.fakes.recorded_events import RECORDED, headers_of
from tests.fakes.sources import revision as a_revision

from bucketer import wiring
from bucketer.access.gate import LOOK_EVERY_S
from bucketer.access.keys import digest_of, new_key
from bucketer.api.http import EnvironmentNeeded, Request
from bucketer.core.errors import SettingsError
from bucketer.doors.asgi import BucketerApp
from bucketer.doors.aws_lambda import make_handler
from bucketer.metrics.collector import Collector
from bucketer.settings import read_settings

NOW = 1_800_000_000.0
ASKED = "e=checkout_flow_experiment&u=ben"
KEYS = {
    (role, place): new_key(f"{role} {place}".ljust(32).encode())
    for role in ("evaluate", "admin")
    for place in ("default", "first", "second", "*")
}
PAGE = new_key(bytes(32), publishable=True)
LINES = {each: f"{digest_of(text).hex()}:{each[0]}:{each[1]}" for each, text in KEYS.items()}
OF_DEFAULT = " ".join(
    [
        LINES["evaluate", "default"],
        LINES["admin", "*"],
        f"{digest_of(PAGE).hex()}:evaluate:default:https://shop.example",
    ]
)


# ---------------------------------------------------------------------------- environments


@pytest.fixture
def two(tmp_path, demonstration):
    """A runtime with two environments, which say who they are by their revisions."""
    for revision in ("1", "2"):
        demonstration["revision"] = revision
        demonstration["sdkKey"] = f"Key{revision}"
        (tmp_path / f"{revision}.json").write_text(json.dumps(demonstration))
    config = tmp_path / "bucketer.toml"
    config.write_text(
        f"""
        [environments.first]
        sdk_key = "Key1"
        datafile = "{tmp_path}/1.json"
        [environments.second]
        sdk_key = "Key2"
        datafile = "{tmp_path}/2.json"
        """
    )
    keys = " ".join(LINES[each] for each in KEYS if each[1] != "default")
    environ = {"BUCKETER_EVENTS": "off", "BUCKETER_CONFIG": str(config), "BUCKETER_KEYS": keys}
    return wiring.build(environ=environ, mode=wiring.COMMAND)


def revision_for(runtime, place, query=f"{ASKED}&debug=1", **headers):
    sent = {"x-api-key": KEYS["admin", place], **headers}
    answer = runtime.serve(Request("GET", "/bucketer", query, sent, request_id="r"))
    told = json.loads(answer.body)
    return told["debug"]["datafile"]["revision"] if answer.status == 200 else answer.status


def test_a_key_for_one_environment_chooses_it_and_opens_no_other(two):
    assert ("1", "2", "1") == tuple(revision_for(two, each) for each in ("first", "second", "*"))
    for named in ({"x-optimizely-sdk-key": "Key2"}, {"query": f"{ASKED}&debug=1&sdk_key=Key2"}):
        assert (403, "2", "2") == tuple(
            revision_for(two, each, **named) for each in ("first", "second", "*")
        )


@pytest.mark.parametrize("path", ["/bucketer", "/track", "/v1/decide", "/ofrep/v1/evaluate/flags"])
@pytest.mark.parametrize("key", ["Key1", "Key2", "Key3", "no key"])
def test_before_it_sends_a_key_a_page_may_ask_about_any_environment(two, path, key):
    """It was refused for want of the key, which is in no preflight, so no page could ask."""
    headers = {"origin": "https://shop.example", "access-control-request-headers": "x-api-key"}
    asked = Request("OPTIONS", path, f"sdk_key={key}", headers)

    answer = two.serve(asked)

    assert (204, b"") == (answer.status, answer.body)
    assert "X-API-Key" in dict(answer.headers)["Access-Control-Allow-Headers"]


@pytest.fixture
def served(two, tmp_path, monkeypatch):
    """The same as a server has it."""
    keys = " ".join(LINES[each] for each in KEYS if each[1] != "default")
    environ = {"BUCKETER_CONFIG": str(tmp_path / "bucketer.toml"), "BUCKETER_KEYS": keys}
    environ["BUCKETER_STATE_DIR"] = str(tmp_path / "state")
    runtime = wiring.build(environ={"BUCKETER_EVENTS": "off", **environ})
    for each in runtime.environments:
        each.refresh()
    return runtime


def test_in_a_server_a_key_that_is_known_leads_to_its_environment_without_a_detour(served):
    """The second time the default environment's handler doesn't raise, but hands over."""

    def revision(path="/bucketer", place="second", **headers):
        sent = {"x-api-key": KEYS["admin", place], **headers}
        request = Request("GET", path, f"{ASKED}&debug=1", sent, request_id="r")
        told = json.loads(served.default.handler.handle(request, NOW, str).response.body)
        return told["debug"]["datafile"]["revision"] if path == "/bucketer" else told

    with pytest.raises(EnvironmentNeeded):
        revision()
    assert "2" == revision_for(served, "second")
    assert "2" == revision()
    assert "1" == revision(place="first")
    health = revision("/health")
    assert "second" in health["environments"]  # the default one's, whoever asks
    served.environments.get("@second").refresh()
    assert "2" == revision()


def test_a_key_that_is_revoked_leads_nowhere(two, tmp_path):
    path = tmp_path / "keys"
    path.write_text(LINES["admin", "second"])
    environ = {"BUCKETER_CONFIG": str(tmp_path / "bucketer.toml"), "BUCKETER_KEYS_FILE": str(path)}
    environ["BUCKETER_STATE_DIR"] = str(tmp_path / "state")
    runtime = wiring.build(environ={"BUCKETER_EVENTS": "off", **environ})
    clock = [time.time()]
    runtime.clock = lambda: clock[0]
    assert ["2", "2"] == [revision_for(runtime, "second") for _ in range(2)]
    path.write_text("")
    clock[0] += LOOK_EVERY_S

    assert [401, 401] == [revision_for(runtime, "second") for _ in range(2)]


def test_no_header_names_an_environment_by_its_name(two):
    assert 400 == revision_for(two, "*", **{"x-optimizely-sdk-key": "@second"})


def test_agents_api_wants_its_header_and_the_key_that_goes_with_it(two):
    def ask(place, sdk_key):
        headers = {"authorization": f"Bearer {KEYS['admin', place]}"}
        if sdk_key:
            headers["x-optimizely-sdk-key"] = sdk_key
        answer = two.serve(Request("GET", "/v1/datafile", "", headers, request_id="r"))
        return json.loads(answer.body).get("revision", answer.status)

    assert ("1", 403, "2") == (ask("first", "Key1"), ask("first", "Key2"), ask("*", "Key2"))
    assert 400 == ask("first", "")


# ---------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"BUCKETER_ACCESS": "open", "BUCKETER_KEYS": LINES["admin", "*"]}, "leave one of them"),
        ({"BUCKETER_ACCESS": "open", "BUCKETER_KEYS_FILE": "keys"}, "leave one of them"),
        ({"BUCKETER_ACCESS": "closed"}, "`auto`, `open` or `keys`"),
        ({"BUCKETER_KEYS": LINES["admin", "first"]}, "keys for first; there are"),
        ({"BUCKETER_KEYS": "x"}, "in key 1 isn't HASH:ROLE:ENVIRONMENT"),
        ({"BUCKETER_AUTH_ROLE": "root"}, "`evaluate`, `read` or `admin`"),
    ],
)
def test_what_can_not_be_meant_is_refused_at_the_start(environ, told):
    with pytest.raises(SettingsError) as refused:
        wiring.build(environ={"BUCKETER_EVENTS": "off", **environ}, mode=wiring.COMMAND)

    assert told in str(refused.value)
    assert digest_of(KEYS["admin", "*"]).hex() not in str(refused.value)
    with pytest.raises(SettingsError, match=re.escape(str(refused.value))):  # before any worker
        wiring.check(read_settings({"BUCKETER_EVENTS": "off", **environ}), {})


def test_the_file_of_settings_may_have_keys_too(tmp_path):
    config = tmp_path / "bucketer.toml"
    config.write_text(f'keys = ["{LINES["evaluate", "*"]}", "{LINES["admin", "default"]}"]\n')
    environ = {"BUCKETER_EVENTS": "off", "BUCKETER_CONFIG": str(config)}
    closed = wiring.build(environ=environ, mode=wiring.COMMAND)
    texts = (KEYS["evaluate", "*"], KEYS["admin", "default"], KEYS["admin", "*"])

    assert [200, 200, 401] == [
        closed.serve(Request("GET", "/bucketer", ASKED, {"x-api-key": text})).status
        for text in texts
    ]


def test_with_keys_asked_for_and_none_there_nobody_is_let_in():
    closed = wiring.build(
        environ={"BUCKETER_EVENTS": "off", "BUCKETER_ACCESS": "keys"}, mode=wiring.COMMAND
    )

    assert 401 == closed.serve(Request("GET", "/bucketer", ASKED, {}, request_id="r")).status
    assert 200 == closed.serve(Request("GET", "/health", "", {}, request_id="r")).status


SECRET = b"a secret of thirty-two bytes, too"


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"iss": "idp", "aud": "bucketer"}, 200),
        ({"iss": "idp", "aud": ["x", "bucketer"]}, 200),
        ({"iss": "other", "aud": "bucketer"}, 401),
        ({"aud": "bucketer"}, 401),
        ({"iss": "idp"}, 401),
        ({"iss": "idp", "aud": "bucketer2"}, 401),
        ({"iss": "idp", "aud": []}, 401),
    ],
)
def test_a_token_is_by_the_issuer_and_for_the_audience_that_are_set(claims, status):
    settings = {
        "BUCKETER_AUTH_HMAC_SECRETS": base64.b64encode(SECRET).decode(),
        "BUCKETER_AUTH_ISSUER": "idp",
        "BUCKETER_AUTH_AUDIENCE": "bucketer",
    }
    closed = wiring.build(environ={"BUCKETER_EVENTS": "off", **settings}, mode=wiring.COMMAND)
    told = {"exp": time.time() + 60, "environments": ["default"], **claims}
    headers = {"authorization": f"Bearer {jwt.encode(told, SECRET)}"}

    assert status == closed.serve(Request("GET", "/bucketer", ASKED, headers)).status


@pytest.fixture
def any_key():
    """A runtime that opens the environment of any SDK key; and the CDN, which has `K7`."""
    keys = " ".join([OF_DEFAULT, LINES["evaluate", "*"]])
    with Cdn({"/K7.json": (a_revision(7), None)}) as cdn:
        environ = {
            "BUCKETER_EVENTS": "off",
            "BUCKETER_SDK_KEYS": "any",
            "BUCKETER_SDK_KEY_URL": f"{cdn.url}/{{}}.json",
            "BUCKETER_KEYS": keys,
            "BUCKETER_AUTH_HMAC_SECRETS": base64.b64encode(SECRET).decode(),
        }
        yield wiring.build(environ=environ, mode=wiring.COMMAND), cdn


def bearer(**claims):
    """Headers with a token; for a day, since those in a table are made before any test runs."""
    told = {"exp": time.time() + 86_400, **claims}
    return {"authorization": f"Bearer {jwt.encode(told, SECRET)}"}


@pytest.mark.parametrize(
    "named", [{"x-optimizely-sdk-key": "K7"}, {"query": f"{ASKED}&sdk_key=K7"}]
)
@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ({"x-api-key": KEYS["evaluate", "default"]}, 403),
        ({"x-api-key": PAGE, "origin": "https://shop.example"}, 403),
        (bearer(environments=["default"]), 403),
        (bearer(sdk_keys=["K8"]), 401),
    ],
)
def test_who_may_ask_one_environment_has_no_other_opened(any_key, named, shown, status):
    """Anybody with a page's key could have any datafile fetched, and those that were kept let go."""
    runtime, cdn = any_key
    headers = {**shown, **named}
    query = headers.pop("query", ASKED)

    def ask():
        answer = runtime.serve(Request("GET", "/bucketer", query, headers, request_id="r"))
        return answer.status, answer.body

    first = ask()

    assert (status, []) == (first[0], cdn.asked)
    for those in ({"x-api-key": KEYS["evaluate", "*"]}, bearer(sdk_keys=["K7"])):
        sent = {**those, "x-optimizely-sdk-key": "K7"}
        assert 200 == runtime.serve(Request("GET", "/bucketer", ASKED, sent)).status
    assert 1 == len(cdn.asked)
    assert first == ask()  # and isn't told whether somebody else had it opened


# ---------------------------------------------------------------------------- doors


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


def ask(url, **headers):
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=sent), timeout=60
        ) as answer:
            return answer.status, lower(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, lower(error.headers), error.read().decode()


def test_over_sockets_a_server_lets_in_who_shows_a_key_and_logs_none_of_them(tmp_path):
    path = tmp_path / "keys"
    path.write_text(LINES["evaluate", "default"])
    set_up = {"BUCKETER_KEYS_FILE": str(path), "BUCKETER_KEYS": LINES["admin", "*"]}
    with bucketer_serve("--access-log", **set_up) as server:
        url = f"{server.url}/bucketer?{ASKED}"
        status, headers, body = ask(url)
        assert (401, "Bearer") == (status, headers["www-authenticate"])
        assert "unauthorized" == json.loads(body)["error"]["code"]
        text = KEYS["evaluate", "default"]
        for _ in range(3):
            assert 200 == ask(url, Authorization=f"Bearer {text}")[0]
            assert 200 == ask(url, X_API_Key=text)[0]
            assert 401 == ask(url, X_API_Key=f"{text}x")[0]
            assert 401 == ask(f"{url}&api_key={text}")[0]
        assert (
            403
            == ask(
                f"{server.url}/v1/config",
                **{"X-API-Key": text, "X-Optimizely-SDK-Key": "demonstration"},
            )[0]
        )
        assert 200 == ask(f"{server.url}/health")[0]
        path.write_text("")
        until = time.monotonic() + 20
        while ask(url, X_API_Key=text)[0] == 200:
            assert time.monotonic() < until
            time.sleep(0.2)
        assert 200 == ask(url, X_API_Key=KEYS["admin", "*"])[0]
        _, out, err = server.stop()

    assert "bk_" not in out + err + "".join(server.lines)


def lambda_handler():
    environ = {"BUCKETER_EVENTS": "off", "BUCKETER_KEYS": OF_DEFAULT}
    return make_handler(wiring.build(environ=environ, mode=wiring.LAMBDA))


@pytest.mark.parametrize(
    "name", ["function_url", "http_api", "rest_single", "alb_single", "alb_multi"]
)
def test_each_trigger_of_lambda_lets_in_who_shows_a_key(name):
    handler, context = lambda_handler(), SimpleNamespace(aws_request_id="r")

    def status(**headers):
        event = copy.deepcopy(RECORDED[name]["event"])
        for field in ("headers", "multiValueHeaders"):
            if event.get(field) is not None:
                event[field] |= {
                    key: value if field == "headers" else [value] for key, value in headers.items()
                }
        answer = handler(event, context)
        if answer["statusCode"] == 401:
            assert "Bearer" == headers_of(answer)["WWW-Authenticate"]
        return answer["statusCode"]

    assert 401 == status()
    assert 401 == status(**{"X-Api-Key": "bk_wrong"})
    assert 200 == status(**{"X-Api-Key": KEYS["evaluate", "default"]})
    assert 200 == status(Authorization=f"Bearer {KEYS['admin', '*']}")


def test_under_asgi_it_is_the_same():
    import asyncio

    environ = {"BUCKETER_EVENTS": "off", "BUCKETER_KEYS": OF_DEFAULT}
    app = BucketerApp(wiring.build(environ=environ, mode=wiring.COMMAND))

    async def status(query, *headers):
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/bucketer",
            "raw_path": b"/bucketer",
            "query_string": query.encode(),
            "headers": list(headers),
            "client": ("127.0.0.1", 1),
        }
        await app(scope, receive, send)
        return sent[0]["status"]

    async def all_of_them():
        return [
            await status(ASKED),
            await status(ASKED, (b"x-api-key", KEYS["evaluate", "default"].encode())),
            await status(f"{ASKED}&api_key={PAGE}", (b"origin", b"https://shop.example")),
            await status(f"{ASKED}&api_key={PAGE}", (b"origin", b"https://else.example")),
        ]

    assert [401, 200, 200, 403] == asyncio.run(all_of_them())


def test_in_lambda_the_library_of_tokens_is_imported_with_the_first_one():
    """It takes longer than all the rest of a cold start."""
    program = f"""
import sys, time
from bucketer import wiring
from bucketer.api.http import Request
runtime = wiring.build(mode=wiring.LAMBDA)
def ask(**headers):
    return runtime.serve(Request("GET", "/bucketer", "{ASKED}", headers, request_id="r")).status
print("jwt" in sys.modules, ask(), "jwt" in sys.modules)
import jwt
token = jwt.encode({{"exp": time.time() + 60, "environments": ["default"]}}, {SECRET!r})
print(ask(authorization="Bearer " + token), ask(authorization="Bearer " + token + "x"))
"""
    environ = {
        "BUCKETER_EVENTS": "off",
        "BUCKETER_AUTH_HMAC_SECRETS": base64.b64encode(SECRET).decode(),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )

    assert "False 401 False\n200 401\n" == done.stdout


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        (f"/bucketer?{ASKED}", "GET", b""),
        ("/track", "POST", b'{"event": "purchase", "user": "ben"}'),
        ("/v1/config", "GET", b""),
        ("/ofrep/v1/evaluate/flags", "POST", b"{}"),
        ("/console/api/project", "GET", b""),
        ("/metrics", "GET", b""),
        ("/config", "GET", b""),
    ],
)
def test_every_401_says_how_to_show_a_key(path, method, body):
    environ = {
        "BUCKETER_EVENTS": "off",
        "BUCKETER_KEYS": OF_DEFAULT,
        "BUCKETER_CONSOLE": "on",
        "BUCKETER_METRICS": "open",
    }
    closed = wiring.build(environ=environ, collector=Collector(None))
    path, _, query = path.partition("?")
    headers = {"x-optimizely-sdk-key": "demonstration", "content-type": "application/json"}
    answer = closed.serve(Request(method, path, query, headers, body, request_id="r"))

    assert 401 == answer.status
    assert ("WWW-Authenticate", "Bearer") in answer.headers
