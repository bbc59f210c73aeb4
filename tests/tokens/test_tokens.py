"""Tokens: what is genuine and good, who gets one, and where keys come from."""

import base64
import json
import threading

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.fakes.sources import Clock

from bucketer.api.http import KeysNeeded, WorkNeeded
from bucketer.core.errors import KeysUnavailable, SourceError, TokenRefused, TokensBusy
from bucketer.tokens import issuing
from bucketer.tokens.checking import PublishedChecker, SecretChecker
from bucketer.tokens.issuing import AT_ONCE, WAITING, Issuer
from bucketer.tokens.published import MAX_BYTES, PAUSE_S, PublishedKeys, read_keys

NOW = 1_800_000_000
OLD, NEW = b"the old secret has 32 bytes, too", b"the new secret has 32 bytes, too"
GOOD = {"exp": NOW + 60, "sdk_keys": ["AbC"]}
#: Of bytes with a NUL among them, as random ones may have.
CLIENT_SECRET = base64.b64encode(b"0123456789abcdef\x00fedcba9876543210").decode()
CLIENT_HASH = base64.b64decode(
    "JDJiJDA0JFVmaC5JZFQuN1BKcWFDVldHS0VuMGV6ekxzTW94eXRvSldtWUxWVGZLemxqWlJZSC5FOExx"
)


def signed(claims, secret=NEW, algorithm="HS256", **headers):
    return jwt.encode(claims, secret, algorithm=algorithm, headers=headers)


def why(checker, token, now=NOW):
    with pytest.raises(TokenRefused) as refused:
        checker.claims(token, now)
    return refused.value.why


# ---------------------------------------------------------------------------- by secrets


@pytest.mark.parametrize("secret", [OLD, NEW])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_each_of_the_secrets_will_do(secret, algorithm):
    claims = SecretChecker([NEW, OLD, b"short"]).claims(signed(GOOD, secret, "HS256"), NOW)

    assert GOOD == claims
    long = secret * 2
    assert GOOD == SecretChecker([long]).claims(signed(GOOD, long, algorithm), NOW)


def test_a_secret_that_is_short_will_do_without_a_warning():
    header = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=").decode()
    import hashlib
    import hmac

    body = base64.urlsafe_b64encode(json.dumps(GOOD).encode()).rstrip(b"=").decode()
    signature = hmac.digest(b"short", f"{header}.{body}".encode(), hashlib.sha256)
    token = f"{header}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    assert GOOD == SecretChecker([b"short"]).claims(token, NOW)


def test_no_other_secret_will_do():
    assert "signature is invalid" == why(SecretChecker([NEW]), signed(GOOD, OLD))


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("", "empty token"),
        ("a.b", "token contains an invalid number of segments"),
        ("a.b.c.d", "token contains an invalid number of segments"),
        ("a.b.c", "illegal base64 data at input byte 0"),
        ("abc$.b.c", "illegal base64 data at input byte 3"),
        ("AAAA.AAAA.AAAA", "token is malformed"),
        ("x" * 20_000, "token is too long"),
        (jwt.encode(GOOD, None, algorithm="none"), "unexpected signing method"),
    ],
)
def test_what_is_no_token_is_refused_with_the_reason(token, told):
    assert told == why(SecretChecker([NEW]), token)


def test_a_payload_that_is_no_object_is_refused():
    token = jwt.api_jws.PyJWS().encode(b"[1]", NEW, algorithm="HS256")

    assert "token is malformed" == why(SecretChecker([NEW]), token)


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"exp": NOW}, "Token is expired"),
        ({"exp": NOW + 1}, None),
        ({"exp": NOW + 0.5}, None),
        ({"exp": str(NOW + 60)}, "Token is expired"),
        ({"exp": True}, "Token is expired"),
        ({"exp": float("nan")}, "Token is expired"),
        ({"nbf": NOW + 1}, "Token is not valid yet"),
        ({"nbf": NOW}, None),
        ({"nbf": "x"}, "Token is not valid yet"),
        ({"iat": NOW + 1}, "Token used before issued"),
        ({"iat": NOW}, None),
        ({}, None),  # that `exp` is missed is said of its claims
        ({"exp": 0}, None),
    ],
)
def test_a_token_is_good_for_its_time(claims, told):
    token = jwt.api_jws.PyJWS().encode(json.dumps(claims).encode(), NEW, algorithm="HS256")
    if told is None:
        assert claims == SecretChecker([NEW]).claims(token, NOW)
    else:
        assert told == why(SecretChecker([NEW]), token)


def test_the_last_secret_that_was_tried_says_why():
    token = signed({"exp": NOW - 1}, NEW)

    assert "signature is invalid" == why(SecretChecker([NEW, OLD]), token)
    assert "Token is expired" == why(SecretChecker([OLD, NEW]), token)


# ---------------------------------------------------------------------------- published keys

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def jwk(key, **more):
    algorithm = jwt.algorithms.RSAAlgorithm if key is RSA else jwt.algorithms.ECAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), **more}


class Issuers:
    """What is published somewhere, and how often it was asked for."""

    def __init__(self, *keys):
        self.keys, self.asked, self.clock = list(keys), 0, Clock(0)
        self.published = PublishedKeys(self.fetch, 300, self.clock)
        self.checker = PublishedChecker(self.published)

    def fetch(self):
        self.asked += 1
        if not self.keys:
            raise SourceError("keys.example", "status 500")
        return json.dumps({"keys": self.keys}).encode()

    def claims(self, token):
        """As the shell does: what has to be fetched is."""
        try:
            return self.checker.claims(token, NOW)
        except WorkNeeded as needed:
            needed.work()
            return self.checker.claims(token, NOW)


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "RS256"), (RSA, "RS512"), (RSA, "PS256"), (EC, "ES256")]
)
def test_a_published_key_will_do_and_is_fetched_once(key, algorithm):
    there = Issuers(jwk(key, kid="one"))

    for _ in range(3):
        assert GOOD == there.claims(signed(GOOD, key, algorithm, kid="one"))
    assert 1 == there.asked


@pytest.mark.parametrize(
    ("published", "token", "told"),
    [
        (
            jwk(RSA, kid="one"),
            signed(GOOD, RSA, "RS256"),
            "expecting JWT header to have string kid",
        ),
        (jwk(RSA, kid="one"), signed(GOOD, RSA, "RS256", kid="two"), "unable to find key"),
        (jwk(RSA, kid="one"), signed(GOOD, EC, "ES256", kid="one"), "unexpected signing method"),
        (jwk(RSA, kid="one", alg="RS512"), signed(GOOD, RSA, "RS256", kid="one"), "unexpected"),
        (jwk(RSA, kid="one", use="enc"), signed(GOOD, RSA, "RS256", kid="one"), "unable to find"),
        (jwk(EC, kid="one", alg="RS256"), signed(GOOD, EC, "ES256", kid="one"), "unable to find"),
        (  # a public key, taken for a secret that both know
            jwk(RSA, kid="one"),
            signed(GOOD, b"x" * 32, "HS256", kid="one"),
            "unexpected signing method",
        ),
        (  # a secret that is published is none
            {"kty": "oct", "kid": "one", "k": "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg"},
            signed(GOOD, b"x" * 32, "HS256", kid="one"),
            "unable to find key",
        ),
    ],
)
def test_a_token_by_another_key_or_algorithm_is_refused(published, token, told):
    there = Issuers(published)

    with pytest.raises(TokenRefused) as refused:
        there.claims(token)
    assert told in refused.value.why


def test_keys_are_fetched_again_when_they_are_old_and_by_one_request():
    there = Issuers(jwk(RSA, kid="one"))
    there.claims(signed(GOOD, RSA, "RS256", kid="one"))
    there.keys = [jwk(EC, kid="two")]
    there.clock.now += 299
    with pytest.raises(TokenRefused):
        there.claims(signed(GOOD, EC, "ES256", kid="two"))
    there.clock.now += 1

    with pytest.raises(WorkNeeded) as needed:
        there.checker.claims(signed(GOOD, EC, "ES256", kid="two"), NOW)
    with there.published._fetching:  # while it is at it, others use what is there
        assert GOOD == there.checker.claims(signed(GOOD, RSA, "RS256", kid="one"), NOW)
    needed.value.work()
    assert GOOD == there.checker.claims(signed(GOOD, EC, "ES256", kid="two"), NOW)
    assert 2 == there.asked


def test_who_waits_for_keys_keeps_nobody_else_waiting():
    """An issuer that doesn't answer: others than who shows a token have threads of their own."""
    with pytest.raises(KeysNeeded):
        Issuers(jwk(RSA, kid="one")).checker.claims(signed(GOOD, RSA, "RS256", kid="one"), NOW)


def test_an_unknown_key_does_not_make_the_service_fetch():
    there = Issuers(jwk(RSA, kid="one"))
    for number in range(20):
        with pytest.raises(TokenRefused):
            there.claims(signed(GOOD, RSA, "RS256", kid=f"unknown-{number}"))

    assert 1 == there.asked


def test_keys_that_can_not_be_fetched_go_on_being_used_and_are_asked_for_after_a_pause():
    there = Issuers(jwk(RSA, kid="one"))
    token = signed(GOOD, RSA, "RS256", kid="one")
    there.claims(token)
    there.keys, there.clock.now = [], there.clock.now + 300
    for _ in range(5):
        assert GOOD == there.claims(token)
    assert 2 == there.asked
    there.clock.now += PAUSE_S
    assert GOOD == there.claims(token)
    assert 3 == there.asked


def test_the_log_says_once_why_keys_can_not_be_fetched(caplog):
    there = Issuers(jwk(RSA, kid="one"))
    token = signed(GOOD, RSA, "RS256", kid="one")
    there.claims(token)
    for keys, pause_s in (([], 300), ([], PAUSE_S), ([jwk(RSA, kid="one")], PAUSE_S), ([], 300)):
        assert 1 >= len(caplog.records)
        there.keys, there.clock.now = keys, there.clock.now + pause_s
        there.claims(token)

    told = "access: keys of tokens: keys.example: status 500; those from before stay"
    assert [told] * 2 == [each.getMessage() for each in caplog.records]


def test_without_any_keys_the_service_says_that_it_can_not_tell():
    there = Issuers()
    token = signed(GOOD, RSA, "RS256", kid="one")
    for _ in range(5):
        with pytest.raises(KeysUnavailable) as unavailable:
            there.claims(token)
    assert 1 == there.asked
    assert "keys.example: status 500" == unavailable.value.why
    assert "keys.example" not in str(unavailable.value)


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", b'{"keys": 1}', b"[" * 100_000, b" " * (MAX_BYTES + 1), b"\xff"],
)
def test_what_is_no_jwks_is_refused(raw):
    with pytest.raises(ValueError):
        read_keys(raw)


@pytest.mark.parametrize("key", [1, {}, {"kty": "RSA", "kid": "one"}, {"kty": "RSA", "kid": 1}])
def test_a_key_that_can_not_be_used_is_left_out(key):
    assert ["two"] == [*read_keys(json.dumps({"keys": [key, jwk(EC, kid="two")]}).encode())]


# ---------------------------------------------------------------------------- who gets one


def issuer(**changes):
    given = {"clients": [("shop", CLIENT_HASH, ("AbC", "De:F"))], "secret": NEW, "ttl_s": 60}
    return Issuer(**{**given, **changes})


def test_a_client_gets_a_token_for_its_keys_which_the_checker_takes():
    token = issuer().issue("shop", CLIENT_SECRET, NOW)

    expected = {"iss": "Optimizely", "sdk_keys": ["AbC", "De:F"], "exp": NOW + 60}
    assert expected == SecretChecker([NEW]).claims(token, NOW)
    assert {"alg": "HS256", "typ": "JWT"} == jwt.get_unverified_header(token)


def test_the_end_of_a_line_behind_a_secret_is_no_part_of_it():
    assert issuer().issue("shop", f"{CLIENT_SECRET}\r\n", NOW) is not None


@pytest.mark.parametrize(
    ("client", "secret"),
    [
        ("nobody", CLIENT_SECRET),
        ("shop", f"{CLIENT_SECRET} "),
        ("shop", "x"),
        ("shop", ""),
        ("shop", "\N{SNOWMAN}"),
        ("shop", base64.b64encode(b"0123456789abcdef").decode()),  # up to the NUL
        ("shop", base64.b64encode(b"x" * 73).decode()),
    ],
)
def test_nobody_else_does(client, secret):
    assert issuer().issue(client, secret, NOW) is None


def test_a_client_that_is_not_known_costs_as_many_comparisons_as_one_that_is(monkeypatch):
    compared = []
    right = issuing.bcrypt.checkpw
    monkeypatch.setattr(
        issuing.bcrypt, "checkpw", lambda *them: compared.append(them[1]) or right(*them)
    )
    issuer().issue("nobody", CLIENT_SECRET, NOW)
    issuer().issue("shop", base64.b64encode(b"wrong").decode(), NOW)

    assert 2 == len(compared)
    assert compared[0].startswith(b"$2b$12$")  # what Agent's own tool makes


def test_no_more_than_a_few_compare_at_once_and_a_few_wait(monkeypatch):
    go_on, inside, most = threading.Event(), [], []

    def slow(*_):
        inside.append(1)
        most.append(len(inside))
        go_on.wait(10)
        inside.pop()
        return True

    monkeypatch.setattr(issuing.bcrypt, "checkpw", slow)
    one = issuer()
    told = []
    threads = [
        threading.Thread(target=lambda: told.append(one.issue("shop", CLIENT_SECRET, NOW)))
        for _ in range(AT_ONCE + WAITING)
    ]
    for each in threads:
        each.start()
    while one._places._value:
        pass
    with pytest.raises(TokensBusy):
        one.issue("shop", CLIENT_SECRET, NOW)
    go_on.set()
    for each in threads:
        each.join()

    assert AT_ONCE == max(most)
    assert AT_ONCE + WAITING == len([each for each in told if each])
