"""OpenFeature's clients in five forms, each through what happens to a client, against the real server.

Python's runs in `make test`, the others in `make e2e`. What a client does otherwise than the rest
is named in a table here, and in docs/openfeature.md.
"""

from __future__ import annotations

import base64
import itertools
import json
import time

import jwt
import pytest
from tests.clients.asking import asking, keys
from tests.fakes import canonical_flags
from tests.fakes.ports import held_port
from tests.fakes.process import bucketer_serve

KINDS = {
    "boolean": ("Boolean", False),
    "string": ("String", "mine"),
    "integer": ("Integer", -1),
    "double": ("Float", -0.5),
    "json": ("Object", {"mine": True}),
}
LANGUAGES = [
    "python",
    *(pytest.param(each, marks=pytest.mark.e2e) for each in ("go", "java", "js", "js-web")),
]
#: What a client makes of a flag that has no value, since it is off: most leave it to the code.
NO_VALUE = {"java": ("ERROR", "FLAG_NOT_FOUND"), "js": ("ERROR", "GENERAL")}
#: What a client says where the context has no targeting key and the flag needs one.
NOBODY = {"java": "INVALID_CONTEXT"}
#: Whatever the server says of a flag that is off, it takes the default in the code.
DISABLED_IS_MINE = {"go"}
#: Its integers have 32 bits.
NO_HUGE_INTEGERS = {"java"}
#: They wait as long as `Retry-After` says, and ask nothing meanwhile.
HEARS_RETRY_AFTER = {"python", "java", "js", "js-web"}
SECRET = b"32 bytes that no one else may see"

pytestmark = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture
def path(tmp_path):
    """Where the datafile is."""
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(canonical_flags.datafile()))
    return path


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Address of a server of which nothing is changed."""
    path = tmp_path_factory.mktemp("flags") / "datafile.json"
    path.write_text(json.dumps(canonical_flags.datafile()))
    with bucketer_serve("--datafile", str(path)) as started:
        yield started.url


def until(ask, right, patience_s=60.0):
    """Ask until the answer is *right*, and return it; the last one where it never is."""
    deadline = time.monotonic() + patience_s
    while not right(answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


def token(for_s):
    claims = {"exp": time.time() + for_s, "sdk_keys": ["not-a-key"]}
    return {"Authorization": "Bearer " + jwt.encode(claims, SECRET, algorithm="HS256")}


def test_every_flag_has_its_value_in_its_type_its_variant_and_its_reason(language, shared):
    with asking(language, shared) as ask:
        for key, type_, _, variant, value in canonical_flags.EVERYBODY:
            kind, default = KINDS[type_]
            told = ask(kind, key, True if value == "false" else default)
            if key == "huge-integer-flag" and language in NO_HUGE_INTEGERS:
                assert told["errorCode"] == "TYPE_MISMATCH"
                continue
            expected = value if type_ == "string" else json.loads(value)
            assert (key, expected) == (key, told["value"])
            assert (variant, "STATIC", "") == (told["variant"], told["reason"], told["errorCode"])
            assert told["metadata"]["version"] == "1"


def test_a_flag_that_is_off_leaves_the_value_to_the_code(language, shared):
    with asking(language, shared) as ask:
        for key, type_, _ in canonical_flags.NOBODY:
            kind, default = KINDS[type_]
            told = ask(kind, key, default)
            assert default == told["value"]
            expected = NO_VALUE.get(language, ("DISABLED", ""))
            assert expected == (told["reason"], told["errorCode"])


def test_with_the_values_of_flags_that_are_off_no_client_has_an_error(language, path):
    with (
        bucketer_serve("--datafile", str(path), BUCKETER_OFREP_OFF="values") as started,
        asking(language, started.url) as ask,
    ):
        for key, type_, value in canonical_flags.NOBODY:
            kind, default = KINDS[type_]
            told = ask(kind, key, default, targetingKey="u1")
            off = value if type_ == "string" else json.loads(value)
            off = default if language in DISABLED_IS_MINE else off
            assert (off, "DISABLED", "") == (told["value"], told["reason"], told["errorCode"])


def test_another_attribute_or_another_user_is_seen_at_once(language, shared):
    with asking(language, shared) as ask:

        def tier(**context):
            return ask("String", "gold-flag", "mine", targetingKey="u1", **context)["value"]

        def target(user):
            told = ask("String", "targeting-key-flag", "mine", targetingKey=user)
            return told["value"], told["reason"]

        assert ["plain", "gold", "plain"] == [tier(), tier(tier="gold"), tier(tier="tin")]
        assert ("miss", "DEFAULT") == target("u1")
        assert ("hit", "TARGETING_MATCH") == target(canonical_flags.HIT)
        assert ("miss", "DEFAULT") == target("u1")


def test_errors_have_their_codes(language, shared):
    with asking(language, shared) as ask:
        unknown = ask("String", "missing-flag", "mine", targetingKey="u1")
        mistaken = ask("Boolean", "string-flag", True, targetingKey="u1")
        dotted = ask("String", "../../../health", "mine", targetingKey="u1")

    assert ("mine", "FLAG_NOT_FOUND") == (unknown["value"], unknown["errorCode"])
    assert (True, "TYPE_MISMATCH") == (mistaken["value"], mistaken["errorCode"])
    assert "mine" == dotted["value"]
    assert dotted["errorCode"]


def test_a_context_that_is_too_long_is_an_error_and_spoils_nothing_after_it(language, shared):
    with asking(language, shared) as ask:
        refused = ask("String", "string-flag", "mine", targetingKey="u1", much="x" * 1_100_000)
        after = ask("String", "string-flag", "mine", targetingKey="u1")

    if language == "js-web":  # it has the flags of nobody, evaluated when it started
        assert refused["status"] in {"ERROR", "STALE"}
    else:
        assert ("mine", "GENERAL") == (refused["value"], refused["errorCode"])
    assert ("hi", "") == (after["value"], after["errorCode"])


def test_without_a_datafile_there_is_an_error_until_there_is_one(language, tmp_path):
    path = tmp_path / "datafile.json"
    with (
        bucketer_serve("--datafile", str(path), DATAFILE_MAX_AGE="0.1") as started,
        asking(language, started.url) as ask,
    ):

        def string(user):
            return ask("String", "string-flag", "mine", targetingKey=user)

        nothing = string("u1")
        path.write_text(json.dumps(canonical_flags.datafile()))
        users = itertools.cycle(["u2", "u3"])  # so that the client for pages asks again
        there = until(lambda: string(next(users)), lambda told: told["value"] == "hi")

    assert ("mine", "ERROR") == (nothing["value"], nothing["reason"])
    assert ("hi", "") == (there["value"], there["errorCode"])


def test_a_flag_that_needs_a_user_says_so(language):
    with bucketer_serve() as started, asking(language, started.url) as ask:
        told = ask("Integer", "search.max_results", -1)

    expected = NOBODY.get(language, "TARGETING_KEY_MISSING")
    assert (-1, expected) == (told["value"], told["errorCode"])


def test_a_new_revision_is_seen(language, path):
    with (
        bucketer_serve("--datafile", str(path), DATAFILE_MAX_AGE="0.1") as started,
        asking(language, started.url) as ask,
    ):

        def changing():
            return ask("String", "changing-flag", "mine", targetingKey="u1")

        before = changing()
        path.write_text(json.dumps(canonical_flags.datafile("bar", "2")))
        after = until(changing, lambda told: told["value"] == "bar")

    assert ("foo", "1") == (before["value"], before["metadata"]["version"])
    assert ("bar", "bar", "2") == (after["value"], after["variant"], after["metadata"]["version"])


def test_without_a_token_there_is_an_error_and_with_one_a_value(language, path):
    secrets = base64.b64encode(SECRET).decode()
    with bucketer_serve("--datafile", str(path), BUCKETER_AUTH_HMAC_SECRETS=secrets) as started:
        with asking(language, started.url) as ask:
            refused = ask("String", "string-flag", "mine", targetingKey="u1")
        let_in, expired = _let_in_until_it_expires(language, started.url)

    assert ("mine", "ERROR") == (refused["value"], refused["reason"])
    assert refused["errorCode"] in {"GENERAL", "PROVIDER_FATAL"}
    assert ("hi", "") == (let_in["value"], let_in["errorCode"])
    if language == "js-web":  # what it knew goes on counting
        assert ("hi", "STALE") == (expired["value"], expired["status"])
    else:
        assert ("mine", "GENERAL") == (expired["value"], expired["errorCode"])


def _let_in_until_it_expires(language, url):
    """What it is told by a token, and then by the same one; by one that outlives its start."""
    for for_s in (2.5, 5, 10, 20, 40):
        good = token(for_s)
        expires_at = time.time() + for_s
        with asking(language, url, good) as ask:

            def string(ask=ask):
                return ask("String", "string-flag", "mine", targetingKey="u1")

            let_in = string()
            if time.time() < expires_at:
                return let_in, until(string, lambda told, first=let_in: told != first)
    raise AssertionError("it never had its first answer before its token expired")


def test_a_key_chooses_the_environment_and_can_be_taken_back(language, path, tmp_path):
    staging = canonical_flags.datafile("bar", "2") | {"sdkKey": "another", "environmentKey": "b"}
    (tmp_path / "staging.json").write_text(json.dumps(staging))
    config = tmp_path / "bucketer.toml"
    config.write_text(f"""
        default = "production"
        [environments.production]
        datafile = "{path}"
        [environments.staging]
        datafile = "{tmp_path / "staging.json"}"
    """)
    environ = {"BUCKETER_CONFIG": str(config), "BUCKETER_KEYS_FILE": str(tmp_path / "keys")}
    made = keys(environ, "create", "--role", "evaluate", "--environment", "staging")
    with bucketer_serve(**environ) as started:
        answers = []
        for headers in ({"X-API-Key": made["key"]}, {"Authorization": f"Bearer {made['key']}"}):
            with asking(language, started.url, headers) as ask:
                answers.append(ask("String", "changing-flag", "mine", targetingKey="u1"))
        with asking(language, started.url, {"X-API-Key": made["key"][:-1]}) as ask:
            wrong = ask("String", "changing-flag", "mine", targetingKey="u1")
        with asking(language, started.url, {"X-API-Key": made["key"]}) as ask:

            def changing():
                return ask("String", "changing-flag", "mine", targetingKey="u1")

            before = changing()
            keys(environ, "revoke", made["id"])
            after = until(changing, lambda told: told != before)

    assert ["bar", "bar", "bar"] == [each["value"] for each in (*answers, before)]
    assert "b" == before["metadata"]["flagSetId"]
    assert ("mine", "ERROR") == (wrong["value"], wrong["reason"])
    if language == "js-web":
        assert ("bar", "STALE") == (after["value"], after["status"])
    else:
        assert ("mine", "GENERAL") == (after["value"], after["errorCode"])


def test_who_asks_too_often_is_told_when_to_ask_again(language, path, tmp_path):
    environ = {
        "BUCKETER_KEYS_FILE": str(tmp_path / "keys"),
        "BUCKETER_RATE_PER_KEY": "0.5",
        "BUCKETER_RATE_BURST": "0",
        "DATAFILE_MAX_AGE": "0.1",
    }
    key = keys(environ, "create", "--role", "evaluate")["key"]
    with (
        bucketer_serve("--datafile", str(path), "--access-log", **environ) as started,
        asking(language, started.url, {"X-API-Key": key}) as ask,
    ):

        def changing():
            told = ask("String", "changing-flag", "mine", targetingKey="u1")
            values.append(told["value"])
            return told

        values = []
        first = changing()
        refused = until(changing, lambda told: told != first)
        path.write_text(json.dumps(canonical_flags.datafile("bar", "2")))
        again = until(changing, lambda told: told["value"] == "bar")
        _, log, _ = started.stop()

    assert ("foo", "bar") == (first["value"], again["value"])
    if language == "js-web":
        assert ("foo", "STALE") == (refused["value"], refused["status"])
    else:
        assert ("mine", "GENERAL") == (refused["value"], refused["errorCode"])
    let_in, sent_away = (log.count(f'" {status} ') for status in (200, 429))
    if language in HEARS_RETRY_AFTER:  # who waits as long as it was told is let in the next time
        assert sent_away <= let_in
    else:
        assert sent_away == values.count("mine")


def test_a_restart_is_survived(language, path):
    with (
        held_port() as port,  # nobody else takes it in between
        bucketer_serve("--datafile", str(path), "--port", str(port)) as started,
        asking(language, started.url) as ask,
    ):

        def changing():
            return ask("String", "changing-flag", "mine", targetingKey="u1")

        before = changing()
        started.stop()
        gone = until(changing, lambda told: told != before)
        path.write_text(json.dumps(canonical_flags.datafile("bar", "2")))
        with bucketer_serve("--datafile", str(path), "--port", str(port)):
            back = until(changing, lambda told: told["value"] == "bar")

    assert "foo" == before["value"]
    if language == "js-web":
        assert ("foo", "STALE") == (gone["value"], gone["status"])
    else:
        assert ("mine", "ERROR") == (gone["value"], gone["reason"])
    assert ("bar", "") == (back["value"], back["errorCode"])
