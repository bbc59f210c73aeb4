"""The hostile inputs, in the order of the table."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256

from . import attack as by
from .attack import Attack, get, post
from .bystander import KEY
from .datafiles import REVISIONS

_MIB = 1024 * 1024
#: The SDK key that the usual datafile names.
_KEY = "demonstration"
_DECIDE = "/bucketer?e=checkout_flow_experiment&u=somebody"
_CHUNKED = b"POST /bucketer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
_BEGUN = b"POST /bucketer HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n"


@dataclass(frozen=True)
class Hostile:
    """One input.

    Attributes:
        kind: what it goes for.
        name: what it is.
        attack: does it.
        datafile: on which of `DATAFILES`.
        environ: settings of the server beyond that.
        comes: which of `DATAFILES` takes its place when the attack begins, if one does.
    """

    kind: str
    name: str
    attack: Attack
    datafile: str = "usual"
    environ: dict[str, str] = field(default_factory=dict)
    comes: str = ""


def _body(**values: object) -> bytes:
    return json.dumps({"e": "checkout_flow_experiment", "u": "somebody", **values}).encode()


def _decided(body: bytes, times: int = 3) -> Attack:
    return by.again(post("/bucketer", body), times)


def _filled(beginning: bytes, piece: bytes, end: bytes = b"", size: int = _MIB) -> bytes:
    return beginning + piece * ((size - len(beginning) - len(end)) // len(piece)) + end


def _numbered(pattern: str, count: int) -> bytes:
    return ",".join(pattern % number for number in range(count)).encode()


def _agents(target: str, body: bytes) -> bytes:
    return post(target, body, "Content-Type: application/json", f"X-Optimizely-SDK-Key: {_KEY}")


def _batch(count: int, **operation: object) -> bytes:
    headers = {"Content-Type": "application/json", "X-Optimizely-SDK-Key": _KEY}
    operation |= {"method": "POST", "headers": headers}
    operations = [{"operationID": str(n), **operation} for n in range(count)]
    body = json.dumps({"timeout": 5, "operations": operations}).encode()
    return _agents("/v1/batch", body)


_NAMES = b'{"a":{' + _numbered('"%06d":0', 90_000) + b',"000000":0}}'
_CROWDED = get("/bucketer?e=crowded&u=somebody&a=member:user-00000001,note:x")
_NOTE = json.dumps({"e": "crowded", "u": "x", "a": {"note": "y" * 1_000_000}}).encode()

HOSTILE = (
    # -- bodies
    Hostile(
        "bodies",
        "1 MiB of escapes without an end",
        _decided(_filled(b'{"e":"' + b"[" * 40, rb"\"")),
    ),
    Hostile(
        "bodies",
        "1 MiB of escapes in a value that ends",
        _decided(_filled(b'{"e":"', rb"\"", b'"}')),
    ),
    Hostile(
        "bodies",
        "1 MiB of escaped characters as a user id",
        _decided(_filled(b'{"e":"x","u":"', b"\\ud83d\\ude00", b'"}')),
    ),
    Hostile("bodies", "90,000 names, the first once more", _decided(_NAMES)),
    Hostile(
        "bodies",
        "90,000 attributes",
        _decided(b'{"e":"crowded","u":"x","a":{' + _numbered('"%06d":0', 90_000) + b"}}"),
    ),
    Hostile(
        "bodies",
        "integers of 4,300 digits, then a bad token",
        _decided(_filled(b'{"a":[', b"9" * 4_300 + b",", b"?")),
    ),
    Hostile("bodies", "an integer of a million digits", _decided(_filled(b'{"a":', b"9", b"}"))),
    Hostile(
        "bodies",
        "floats of 700 digits",
        _decided(_filled(b'{"a":[', b"0." + b"1" * 700 + b",", b"1]}")),
    ),
    Hostile("bodies", "1 MiB of brackets", _decided(b"[" * _MIB)),
    Hostile("bodies", "1 MiB of empty lists", _decided(_filled(b'{"a":[', b"[],", b"[]]}"))),
    Hostile(
        "bodies",
        "tags with 1 MiB of escapes",
        by.again(post("/track", _filled(b'{"event":"purchase","u":"x","tags":{"t":"', rb"\"")), 3),
    ),
    Hostile(
        "bodies",
        "conversions, as many as fit",
        by.again(
            post("/track", b"[" + b",".join([b'{"event":"purchase","u":"x"}'] * 1_000) + b"]"), 5
        ),
    ),
    Hostile(
        "queries",
        "8 KB of percent signs, again and again",
        by.pipeline(get(f"{_DECIDE}&a=k:%22{'%2C' * 2_600}%22") * 50),
    ),
    Hostile(
        "queries",
        "1,000 attributes in a query",
        by.pipeline(get(f"{_DECIDE}&a={','.join(f'a{n}:1' for n in range(1_000))}") * 50),
    ),
    # -- framing
    Hostile(
        "framing",
        "a trailer without an end",
        by.stream(_CHUNKED + b"0\r\n", b"X-Trailer: " + b"x" * 4_000 + b"\r\n"),
    ),
    Hostile(
        "framing",
        "a trailer line without an end",
        by.stream(_CHUNKED + b"0\r\nX-Trailer: ", b"x" * 65_536),
    ),
    Hostile(
        "framing", "a chunk extension without an end", by.stream(_CHUNKED + b"1;", b"x" * 65_536)
    ),
    Hostile("framing", "blank lines without an end", by.stream(b"", b"\r\n" * 32_768)),
    Hostile(
        "framing",
        "a megabyte in chunks of one byte",
        by.pipeline(_CHUNKED + b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n"),
    ),
    Hostile("framing", "6,000 headers of one name", by.again(get(_DECIDE, *["a:b"] * 6_000), 20)),
    Hostile("framing", "20,000 requests in one go", by.pipeline(get("/a") * 20_000)),
    # -- keys, and what is kept of them
    Hostile(
        "keys",
        "300 long names of reserved attributes",
        by.each_of(
            post("/bucketer", _body(a={f"$opt_{n}" + "k" * 250_000: 1})) for n in range(300)
        ),
    ),
    Hostile(
        "keys",
        "100 user ids of a megabyte",
        by.each_of(post("/bucketer", _body(u=f"{n}" + "u" * 1_000_000)) for n in range(100)),
    ),
    Hostile(
        "keys",
        "100 bucketing ids of a megabyte",
        by.each_of(
            post("/bucketer", _body(a={"$opt_bucketing_id": f"{n}" + "b" * 1_000_000}))
            for n in range(100)
        ),
    ),
    Hostile(
        "keys",
        "keys that nobody has, to be guessed at",
        by.pipeline(get("/bucketer?u=x&e=checkout_flow_experimenX" + "y" * 4_000) * 200),
    ),
    # -- debug
    Hostile(
        "debug", "a megabyte that 28 conditions name", by.again(post("/bucketer?debug=1", _NOTE), 5)
    ),
    Hostile(
        "bodies",
        "60,000 digits that 300 conditions take for a version",
        by.again(post("/bucketer", _body(e="crowded", a={"note": "0." + "1" * 60_000})), 5),
        "300 versions",
    ),
    Hostile(
        "bodies",
        "a megabyte that 300 conditions name",
        by.again(post("/bucketer", _NOTE), 5),
        "300 named",
    ),
    Hostile(
        "debug",
        "900 attributes that begin alike",
        by.again(post("/bucketer?debug=1", _body(a={"a" * 60 + str(n): 1 for n in range(900)})), 5),
    ),
    Hostile("debug", "500 explanations in one go", by.pipeline(get(f"{_DECIDE}&debug=1") * 500)),
    Hostile(
        "debug",
        "200 clients that don't read theirs",
        by.hold(200, get("/bucketer?debug=1&e=crowded&u=x&a=note:" + "y" * 4_000) * 50),
    ),
    # -- archived revisions
    Hostile(
        "revisions",
        "eight clients ask for twelve",
        by.at_once(8, *(get(f"{_DECIDE}&revision={n + 1}") for n in range(REVISIONS))),
    ),
    Hostile(
        "revisions",
        "500 that there never were",
        by.pipeline(b"".join(get(f"{_DECIDE}&revision={n}") for n in range(1_000, 1_500))),
    ),
    # -- compiling
    Hostile(
        "compile", "an audience of 300, listed 300 times", by.again(_CROWDED, 5), "listed often"
    ),
    Hostile("compile", "an audience of 20,000 user ids", by.again(_CROWDED, 5), "20,000 ids"),
    Hostile("compile", "an audience of 60,000 numbers", by.again(_CROWDED, 5), "60,000 numbers"),
    Hostile(
        "compile",
        "an audience of 3,000 different conditions",
        by.again(_CROWDED, 5),
        "3,000 distinct",
    ),
    Hostile(
        "compile",
        "20,000 user ids come in while it serves",
        by.wait,
        environ={"DATAFILE_MAX_AGE": "0.2"},
        comes="20,000 ids",
    ),
    Hostile(
        "compile",
        "60,000 numbers come in while it serves",
        by.wait,
        environ={"DATAFILE_MAX_AGE": "0.2"},
        comes="60,000 numbers",
    ),
    # -- the other APIs
    Hostile(
        "agent",
        "6,000 forced decisions",
        by.again(
            _agents(
                "/v1/decide",
                b'{"userId":"x","forcedDecisions":['
                + b'{"flagKey":"checkout_flow","variationKey":"one_step_checkout"},' * 6_000
                + b"{}]}",
            ),
            3,
        ),
    ),
    Hostile(
        "agent",
        "19,000 attributes of 40 characters",
        by.again(
            _agents(
                "/v1/decide",
                b'{"userId":"x","userAttributes":{' + _numbered('"%040d":0', 19_000) + b"}}",
            ),
            3,
        ),
    ),
    Hostile(
        "agent",
        "20 user profiles of 900 experiments",
        by.again(
            _agents(
                "/v1/save",
                b'{"userId":"x","experimentBucketMap":{'
                + _numbered('"%06d":{"variation_id":"1"}', 900)
                + b"}}",
            ),
            20,
        ),
        environ={"BUCKETER_PROFILES": "memory", "BUCKETER_PROFILES_API": "on"},
    ),
    Hostile(
        "agent",
        "500 decisions of everything in one batch",
        by.again(_batch(500, url="/v1/decide", body={"userId": "x"}), 3),
    ),
    Hostile(
        "agent",
        "500 conversions of 2 KB in one batch",
        by.again(
            _batch(
                500,
                url="/v1/track",
                params={"eventKey": "purchase"},
                body={"userId": "x", "eventTags": {"t": "y" * 1_700}},
            ),
            3,
        ),
    ),
    Hostile(
        "agent",
        "overrides for 2,000 users",
        by.pipeline(
            b"".join(
                _agents(
                    "/v1/override",
                    json.dumps(
                        {
                            "userId": f"{n}" + "u" * 400,
                            "experimentKey": "checkout_flow_experiment",
                            "variationKey": "one_step_checkout",
                        }
                    ).encode(),
                )
                for n in range(2_000)
            )
        ),
        environ={"BUCKETER_OVERRIDES": "on"},
    ),
    Hostile(
        "ofrep",
        "all flags for a context of 19,000 values",
        by.again(
            post(
                "/ofrep/v1/evaluate/flags",
                b'{"context":{"targetingKey":"x",' + _numbered('"%040d":0', 19_000) + b"}}",
                "Content-Type: application/json",
            ),
            3,
        ),
    ),
    Hostile(
        "ofrep",
        "a context of a million brackets",
        by.again(
            post(
                "/ofrep/v1/evaluate/flags",
                b'{"context":' + b"[" * (_MIB - 20),
                "Content-Type: application/json",
            ),
            3,
        ),
    ),
    Hostile(
        "access",
        "20,000 keys that nobody has",
        by.pipeline(
            b"".join(get(_DECIDE, f"Authorization: Bearer bk_{n:043}") for n in range(20_000))
        ),
        environ={
            "BUCKETER_ACCESS": "keys",
            "BUCKETER_KEYS": f"{sha256(KEY.encode()).hexdigest()}:evaluate:*",
        },
    ),
    Hostile(
        "access",
        "20,000 requests with ever new headers",
        by.pipeline(b"".join(get("/a", f"X-{n}: " + "y" * 900) for n in range(20_000))),
    ),
    # -- slow connections
    Hostile(
        "connections",
        "1,500 hold back a megabyte's last byte",
        by.hold(1_500, _BEGUN + b"x" * (_MIB - 1)),
    ),
    Hostile("connections", "1,500 that say nothing", by.hold(1_500)),
    Hostile("connections", "1,500 that drip a head", by.hold(1_500, b"GET /bucketer?", b"x")),
    Hostile("connections", "1,500 that drip a body", by.hold(1_500, _BEGUN, b"x")),
    Hostile(
        "connections",
        "100 pipeline 200 requests that need a profile",
        by.pipeline(get(_DECIDE) * 200, clients=100),
        environ={"BUCKETER_PROFILES": "memory"},
    ),
    Hostile("connections", "2,000 that come and go", by.come_and_go(2_000, get("/a"))),
)
