"""Tokens as settings ask for them, through a whole runtime."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.fakes.origin import Origin, answer, ok

from bucketer import wiring
from bucketer.api.http import Request
from bucketer.core.errors import SettingsError

SECRET = b"a secret of thirty-two bytes, too"
HASH = "JDJiJDA0JEJLYzM4c2VOT3BraUhPNWVqT3YxLmUuaFY4SDZwWjNuZXJnZ3JPUmJHbEhHaWpPRm9scko2"
WITH_SECRET = {"BUCKETER_AUTH_HMAC_SECRETS": base64.b64encode(SECRET).decode()}
PATH, QUERY = "/bucketer", "e=checkout_flow_experiment&u=ben"


def runtime(mode=wiring.COMMAND, **environ):
    return wiring.build(environ={"BUCKETER_EVENTS": "off", **environ}, mode=mode)


def ask(runtime, token="", path=PATH, query=QUERY, **more):
    headers = {"authorization": f"Bearer {token}"}
    request = Request("GET", path, query, headers, request_id="r")
    return runtime.serve(request).status


def a_token(key=SECRET, algorithm="HS256", **headers):
    claims = {"exp": time.time() + 60, "sdk_keys": ["demonstration"]}
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


def test_without_settings_no_token_is_asked_for():
    assert 200 == ask(runtime())


def test_a_secret_closes_what_decides():
    closed = runtime(**WITH_SECRET)

    assert (401, 200) == (ask(closed), ask(closed, a_token()))
    assert 200 == ask(closed, path="/health", query="")


def test_published_keys_are_fetched_by_the_first_request_that_needs_them():
    key = rsa.generate_private_key(65537, 2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    with Origin(ok(json.dumps({"keys": [{**public, "kid": "one"}]}).encode())) as there:
        closed = runtime(BUCKETER_AUTH_JWKS_URL=f"{there.url}/keys.json")
        assert not there.requests
        for _ in range(3):
            assert 200 == ask(closed, a_token(key, "RS256", kid="one"))
        assert 401 == ask(closed, a_token(key, "RS256", kid="two"))
        assert 1 == len(there.requests)


def test_keys_that_can_not_be_fetched_make_the_service_unavailable():
    with Origin(answer(500)) as there:
        closed = runtime(BUCKETER_AUTH_JWKS_URL=f"{there.url}/keys.json")
        for _ in range(3):
            assert 503 == ask(closed, a_token(kid="one"))
        assert 1 == len(there.requests)


def test_a_secret_is_ignored_where_keys_are_published():
    with Origin(answer(500)) as there:
        closed = runtime(BUCKETER_AUTH_JWKS_URL=f"{there.url}/keys.json", **WITH_SECRET)
        assert 401 == ask(closed, a_token())  # it names no key


def ask_for_token(closed, secret, ip=""):
    body = f"grant_type=client_credentials&client_id=shop&client_secret={secret}".encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return closed.serve(Request("POST", "/oauth/token", "", headers, body, ip, request_id="r"))


SECRET = base64.b64encode(b"0123456789abcdef\x000123456789abcdef").decode()


def test_who_guesses_does_not_keep_others_from_their_tokens():
    closed = runtime(
        wiring.SERVER, BUCKETER_AUTH_CLIENTS=f"shop:{HASH}:demonstration", **WITH_SECRET
    )
    answers = [ask_for_token(closed, "no base64", "192.0.2.1") for _ in range(11)]

    assert [401] * 10 + [429] == [each.status for each in answers]
    assert ("Retry-After", "1") in answers[-1].headers
    assert "Too many requests. Ask again in 1 s." == json.loads(answers[-1].body)["error"]
    assert 200 == ask_for_token(closed, SECRET, "192.0.2.2").status
    assert 401 == ask_for_token(closed, "no base64", "127.0.0.1").status


def test_a_client_gets_a_token_that_opens():
    closed = runtime(BUCKETER_AUTH_CLIENTS=f"shop:{HASH}:demonstration", **WITH_SECRET)
    answer = ask_for_token(closed, SECRET)

    assert 200 == answer.status
    assert 200 == ask(closed, json.loads(answer.body)["access_token"])


@pytest.mark.parametrize(
    "expected",
    [
        {"BUCKETER_AUTH_ISSUER": "https://decisions.example"},
        {"BUCKETER_AUTH_AUDIENCE": "bucketer"},
        {"BUCKETER_AUTH_ISSUER": "Optimizely", "BUCKETER_AUTH_AUDIENCE": "bucketer"},
    ],
)
def test_a_token_of_ours_says_what_tokens_must_say_here(expected):
    closed = runtime(BUCKETER_AUTH_CLIENTS=f"shop:{HASH}:demonstration", **WITH_SECRET, **expected)
    token = json.loads(ask_for_token(closed, SECRET).body)["access_token"]

    assert 200 == ask(closed, token)
    assert 401 == ask(closed, a_token())


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"BUCKETER_AUTH_CLIENTS": f"shop:{HASH}:AbC"}, "no secret to sign tokens with"),
        ({"BUCKETER_AUTH_CLIENTS": f"shop:{HASH}"}, "without SDK keys"),
        ({"BUCKETER_AUTH_CLIENTS": "shop:c2VjcmV0:AbC"}, "isn't bcrypt's"),
        ({"BUCKETER_AUTH_CLIENTS": f"a:{HASH}:A a:{HASH}:B"}, "two clients with one id"),
        ({"BUCKETER_AUTH_CLIENTS": "shop"}, "without id or hash"),
        ({"BUCKETER_AUTH_HMAC_SECRETS": "not base64!"}, "isn't base64"),
        ({"BUCKETER_AUTH_JWKS_URL": "keys.json"}, "allowed: an https:// or http:// URL"),
        ({"BUCKETER_AUTH_TTL": "0"}, "seconds from 1"),
    ],
)
def test_what_can_not_be_meant_is_refused_at_the_start(environ, told):
    with pytest.raises(SettingsError) as refused:
        runtime(**environ)

    assert told in str(refused.value)
    assert not any(value in str(refused.value) for value in environ.values() if len(value) > 20)


def test_without_the_extra_the_settings_are_refused(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "bucketer.tokens.checking", None)
    import builtins

    real = builtins.__import__

    def without(name, *rest):
        if name == "bucketer.tokens.checking":
            raise ModuleNotFoundError(name="jwt")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"bucketer\[jwt\]"):
        runtime(**WITH_SECRET)
