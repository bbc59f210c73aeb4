"""Getting a token, and being let in with one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from urllib.parse import urlencode

from tests.agent_parity.conversation import DEMO, JSON, step


def token(claims, secret, header=None):
    def part(value):
        return base64.urlsafe_b64encode(
            value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
        ).rstrip(b"=")

    head = part(header or {"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    return (head + b"." + part(hmac.new(secret, head, hashlib.sha256).digest())).decode()


def written(talk):
    form = "application/x-www-form-urlencoded"
    secret = "RW+Uo/7z4ag9hAb10w8LIZFRFaSwS4nt1/l+uVgChIQ="
    ok = {"grant_type": "client_credentials", "client_id": "lab", "client_secret": secret}
    for agent, change in itertools.product(
        ("closed", "open"),
        (
            {},
            {"grant_type": ""},
            {"grant_type": "password"},
            {"client_id": ""},
            {"client_secret": ""},
            {"client_id": "x"},
            {"client_secret": "x"},
            {"client_secret": secret[:-4] + "AAA="},
            {"client_secret": f"{secret}\r\n"},
            {"client_secret": f" {secret}"},
            {"client_secret": secret.rstrip("=")},
            {"client_id": "LAB"},
            {"GRANT_TYPE": "x"},
            {"grant_type": None},
            {"client_id": None},
            {"client_secret": None},
        ),
    ):
        fields = {name: value for name, value in (ok | change).items() if value is not None}
        for listener in (None, "admin"):
            more = {"listener": listener} if listener else {}
            talk.demo(
                "tokens",
                step("POST", "/oauth/token", None, urlencode(fields), content_type=form, **more),
                agent=agent,
                quiet=True,
            )
    for kind in (JSON, "text/plain", "", form + "; charset=utf-8", form.upper()):
        talk.demo(
            "tokens",
            step("POST", "/oauth/token", None, urlencode(ok), content_type=kind),
            agent="closed",
            quiet=True,
        )
    talk.demo(
        "tokens",
        step("POST", "/oauth/token", None, None, urlencode(ok), headers=[["Content-Type", form]]),
        agent="closed",
        quiet=True,
    )
    first, second = (
        base64.b64decode(each)
        for each in (
            "R8W3PRpnjp6/WmhyeCBZdscrQbMpqf8WIDxx910SlJk=",
            "LQR5YqSDln9ALMg7PsxC0/69ktrCJEPPUG4gwzZHAww=",
        )
    )
    far, past = 4_000_000_000, 1_000_000_000
    tokens = {
        "good": token({"iss": "Optimizely", "exp": far, "sdk_keys": [DEMO]}, first),
        "second": token({"iss": "Optimizely", "exp": far, "sdk_keys": [DEMO]}, second),
        "other key": token({"iss": "Optimizely", "exp": far, "sdk_keys": ["lab00"]}, first),
        "expired": token({"iss": "Optimizely", "exp": past, "sdk_keys": [DEMO]}, first),
        "no keys": token({"iss": "Optimizely", "exp": far}, first),
        "keys text": token({"iss": "Optimizely", "exp": far, "sdk_keys": DEMO}, first),
        "keys numbers": token({"exp": far, "sdk_keys": [1]}, first),
        "no exp": token({"iss": "Optimizely", "sdk_keys": [DEMO]}, first),
        "exp text": token({"exp": str(far), "sdk_keys": [DEMO]}, first),
        "exp float": token({"exp": far + 0.5, "sdk_keys": [DEMO]}, first),
        "wrong secret": token({"exp": far, "sdk_keys": [DEMO]}, b"x"),
        "admin": token({"exp": far, "admin": True}, first),
        "none": token({"exp": far, "sdk_keys": [DEMO]}, b"", {"alg": "none", "typ": "JWT"}),
        "hs512": token({"exp": far, "sdk_keys": [DEMO]}, first, {"alg": "HS512", "typ": "JWT"}),
        "nbf": token({"exp": far, "nbf": far - 1, "sdk_keys": [DEMO]}, first),
        "no typ": token({"exp": far, "sdk_keys": [DEMO]}, first, {"alg": "HS256"}),
        "iat later": token({"exp": far, "iat": far - 1, "sdk_keys": [DEMO]}, first),
        "exp zero": token({"exp": 0, "sdk_keys": [DEMO]}, first),
        "exp true": token({"exp": True, "sdk_keys": [DEMO]}, first),
        "exp list": token({"exp": [far], "sdk_keys": [DEMO]}, first),
        "nbf later": token({"exp": far, "nbf": far, "sdk_keys": [DEMO]}, first),
        "nbf text": token({"exp": far, "nbf": "x", "sdk_keys": [DEMO]}, first),
        "iss number": token({"iss": 1, "exp": far, "sdk_keys": [DEMO]}, first),
        "aud": token({"aud": ["x"], "exp": far, "sdk_keys": [DEMO]}, first),
        "keys none": token({"exp": far, "sdk_keys": []}, first),
        "keys mixed": token({"exp": far, "sdk_keys": [DEMO, 1]}, first),
        "keys nested": token({"exp": far, "sdk_keys": [[DEMO]]}, first),
        "keys case": token({"exp": far, "sdk_keys": [DEMO.upper()]}, first),
        "KEYS": token({"exp": far, "SDK_KEYS": [DEMO]}, first),
        "hs384": token({"exp": far, "sdk_keys": [DEMO]}, first, {"alg": "HS384"}),
        "rs256": token({"exp": far, "sdk_keys": [DEMO]}, first, {"alg": "RS256"}),
        "four parts": token({"exp": far, "sdk_keys": [DEMO]}, first) + ".x",
        "cut": token({"exp": far, "sdk_keys": [DEMO]}, first)[:-3],
        "garbage": "a.b.c",
        "two parts": "a.b",
        "empty": "",
    }
    for text in tokens.values():
        for path in ("/v1/config", "/v1/decide"):
            talk.demo(
                "authorization",
                step(
                    "POST" if path == "/v1/decide" else "GET",
                    path,
                    DEMO,
                    {"userId": "ben"} if path == "/v1/decide" else None,
                    headers=[["Authorization", f"Bearer {text}"]],
                ),
                agent="closed",
                quiet=path == "/v1/config",
            )
    for headers in (
        [],
        [["Authorization", tokens["good"]]],
        [["Authorization", f"bearer {tokens['good']}"]],
        [["Authorization", f"JWT {tokens['good']}"]],
        [["Authorization", "Basic abc"]],
        [["Auth", tokens["good"]]],
        [["Jwt", tokens["good"]]],
        [["Auth", tokens["good"]], ["Authorization", "Bearer x"]],
        [["Authorization", f"Bearer  {tokens['good']}"]],
        [["Authorization", f"Bearer {tokens['good']}"], ["Jwt", "x"]],
    ):
        for path in ("/v1/config", "/v1/datafile", "/v1/nothing", "/v1/reset"):
            talk.demo(
                "authorization",
                step("POST" if path == "/v1/reset" else "GET", path, DEMO, headers=headers),
                agent="closed",
                quiet=True,
            )
    talk.demo(
        "authorization",
        step(
            "GET",
            "/v1/config",
            f"{DEMO}:token",
            headers=[["Authorization", f"Bearer {tokens['good']}"]],
        ),
        agent="closed",
        quiet=True,
    )
    talk.demo(
        "authorization",
        step("GET", "/v1/config", "lab00", headers=[["Authorization", f"Bearer {tokens['good']}"]]),
        agent="closed",
        quiet=True,
    )
