"""Which environment answers OpenFeature's clients: by SDK key, access key or token; or the default."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import jwt
import pytest
from tests.doors.test_doors_agree import by_asgi, by_lambda
from tests.fakes.serving import serving

from bucketer import demo, wiring
from bucketer.access.keys import digest_of, new_key
from bucketer.settings import read_settings

FLAGS = "/ofrep/v1/evaluate/flags"
SECRET = b"t" * 32
KEYS = {name: new_key(name.ljust(32).encode()) for name in ("first", "second", "*")}


def token(**claims):
    return jwt.encode({"exp": time.time() + 86_400, **claims}, SECRET, algorithm="HS256")


FIRST = [
    {},
    {"x-optimizely-sdk-key": "Key1"},
    {"x-api-key": KEYS["first"]},
    {"authorization": f"Bearer {KEYS['first']}"},
    {"authorization": f"Bearer {token(sdk_keys=['Key1'])}"},
    {"authorization": f"Bearer {token(environments=['first'])}"},
    {"x-api-key": KEYS["*"]},
    {"x-api-key": KEYS["first"], "x-optimizely-sdk-key": "Key1"},
    {"authorization": f"Bearer {token(sdk_keys=['Key1', 'Key2'])}"},
]
SECOND = [
    {"x-optimizely-sdk-key": "Key2"},
    {"x-api-key": KEYS["second"]},
    {"authorization": f"Bearer {KEYS['second']}"},
    {"authorization": f"Bearer {token(sdk_keys=['Key2'])}"},
    {"authorization": f"bearer {token(environments=['second'])}"},
    {"x-api-key": KEYS["*"], "x-optimizely-sdk-key": "Key2"},
    {"authorization": f"Bearer {token(sdk_keys=['Key1', 'Key2'])}", "x-optimizely-sdk-key": "Key2"},
]
NEITHER = [
    (401, {"x-api-key": new_key(b"?" * 32)}),
    (401, {"authorization": f"Bearer {token(sdk_keys=['Key1'])}x"}),
    (401, {"authorization": "Bearer nonsense"}),
    (403, {"x-api-key": KEYS["first"], "x-optimizely-sdk-key": "Key2"}),
    (401, {"authorization": f"Bearer {token(sdk_keys=['Key1'])}", "x-optimizely-sdk-key": "Key2"}),
    (403, {"x-api-key": KEYS["*"], "x-optimizely-sdk-key": "Key3"}),
]


def is_open(headers):
    return not headers.keys() & {"x-api-key", "authorization"}


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    """Whether keys are asked for → the three doors to two environments."""
    folder = tmp_path_factory.mktemp("environments")
    document = json.loads(Path(demo.PATH).read_text("utf-8"))
    for number in ("1", "2"):
        document |= {"revision": number, "sdkKey": f"Key{number}", "accountId": "9"}
        (folder / f"{number}.json").write_text(json.dumps(document))
    (folder / "bucketer.toml").write_text(
        f"""
        [environments.first]
        sdk_key = "Key1"
        datafile = "{folder}/1.json"
        [environments.second]
        sdk_key = "Key2"
        datafile = "{folder}/2.json"
        """
    )
    environ = {"BUCKETER_EVENTS": "off", "BUCKETER_CONFIG": str(folder / "bucketer.toml")}
    environ["BUCKETER_OFREP_EVENT_STREAMS"] = "on"
    lines = [f"{digest_of(text).hex()}:evaluate:{name}" for name, text in KEYS.items()]
    guarded = {"BUCKETER_KEYS": " ".join(lines)}
    guarded["BUCKETER_AUTH_HMAC_SECRETS"] = base64.b64encode(SECRET).decode()
    opened, closed = [
        wiring.build(read_settings(environ | more), {}, stream_secret=b"s" * 32)
        for more in ({}, guarded)
    ]
    for each in (opened, closed):
        for environment in each.environments:
            environment.load()
    with serving(opened) as one, serving(closed) as other:
        yield {True: (opened, one), False: (closed, other)}


def by_server(served, method, path, query, body, headers):
    with served.connect() as client:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        target = f"{path}?{query}" if query else path
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        )
        client.send(head)
        client.send(body)
        return client.answer()


def answers(doors, headers, key=""):
    """Status and body of the same question through each door."""
    runtime, served = doors[is_open(headers)]
    path = f"{FLAGS}/{key}" if key else FLAGS
    body = b'{"context": {"targetingKey": "ben"}}'
    got = [by_server(served, "POST", path, "", body, headers)]
    got += [by(runtime, "POST", path, "", body, headers=headers) for by in (by_asgi, by_lambda)]
    return [(status, json.loads(text)) for status, _, text in got]


def revisions(told):
    return {each["metadata"]["version"] for each in told.get("flags", [told])}


@pytest.mark.parametrize("key", ["", "search"])
@pytest.mark.parametrize(
    ("headers", "revision"), [(each, "1") for each in FIRST] + [(each, "2") for each in SECOND]
)
def test_each_way_to_name_one_is_answered_by_it_through_each_door(doors, headers, revision, key):
    for status, told in answers(doors, headers, key):
        assert (status, revisions(told)) == (200, {revision})


@pytest.mark.parametrize(("status", "headers"), NEITHER)
def test_what_is_for_another_or_for_none_is_refused_through_each_door(doors, status, headers):
    for found, told in answers(doors, headers, "search"):
        assert (found, told["errorCode"], told["key"]) == (status, "GENERAL", "search")


def test_the_stream_that_is_named_is_that_of_the_environment(doors):
    addresses = []
    for headers in ({"x-api-key": KEYS["first"]}, {"x-api-key": KEYS["second"]}):
        [(_, told), *_] = answers(doors, headers)
        [stream] = told["eventStreams"]
        payload = stream["endpoint"]["requestUri"].partition("=")[2].split(".")[1]
        addresses.append(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))

    assert addresses == [b"ofrep first", b"ofrep second"]
