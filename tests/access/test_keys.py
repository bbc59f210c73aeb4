"""Keys: made, written down, read again, and found by their hash alone."""

import re
import secrets

import pytest

from bucketer.access.gate import COST_BYTES, LOOK_EVERY_S, MAX_BYTES, REMEMBERED_S, Gate
from bucketer.access.keys import EVERY, PUBLISHABLE, SECRET, Key, digest_of, new_key, read_keys
from bucketer.access.ring import Ring
from bucketer.api.grant import ADMIN, EVALUATE, READ
from bucketer.api.http import Request, WorkNeeded
from bucketer.core.errors import AccessDenied, TokenRefused

NOW = 1_800_000_000.0
TEXT = new_key(bytes(range(32)))
KEY = Key(digest_of(TEXT), READ, "production", (), "2026-11-28 shop")
PAGE_TEXT = new_key(bytes(32), publishable=True)
PAGE_KEY = Key(digest_of(PAGE_TEXT), EVALUATE, EVERY, ("https://shop.example",))


def gate(*keys, path="", checker=None):
    return Gate(Ring(keys, path), checker, READ)


def request(query="", **headers):
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", "/bucketer", query, sent)


def why(one, asked, now=NOW):
    with pytest.raises((TokenRefused, AccessDenied)) as refused:
        one.grant(asked, now)
    return str(refused.value)


# ---------------------------------------------------------------------------- lines


def test_a_key_has_256_random_bits_and_says_what_kind_it_is():
    assert f"{SECRET}AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" == TEXT
    assert PAGE_TEXT.startswith(PUBLISHABLE)
    assert 2 == len({new_key(secrets.token_bytes(32)) for _ in range(2)})


@pytest.mark.parametrize("key", [KEY, PAGE_KEY])
def test_a_line_says_all_that_there_is_to_a_key_and_nothing_of_its_text(key):
    [read] = read_keys(["", "# whose they are", key.line()], "line")

    assert all(getattr(read, name) == getattr(key, name) for name in Key.__slots__)
    assert TEXT not in key.line()
    assert key.digest.hex().startswith(key.id)


HASH = "0" * 64


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("x", "isn't HASH:ROLE:ENVIRONMENT"),
        (f"{HASH}:read", "isn't HASH:ROLE:ENVIRONMENT"),
        (f"{HASH[1:]}:read:production", "64 hexadecimal digits"),
        (f"{HASH}0:read:production", "64 hexadecimal digits"),
        (f"{'A' * 64}:read:production", "in lower case"),
        (f"{HASH}:root:production", "a role other than evaluate, read, admin"),
        (f"{HASH}:read:", "an environment that isn't"),
        (f"{HASH}:read:{'x' * 65}", "an environment that isn't"),
        (f"{HASH}:read:a b", "an environment that isn't"),
        (f"{HASH}:evaluate:*:shop.example", "https://shop.example"),
        (f"{HASH}:evaluate:*:https://Shop.example", "in lower case"),
        (f"{HASH}:evaluate:*:https://shop.example/", "https://shop.example"),
        (f"{HASH}:evaluate:*:", "https://shop.example"),
        (f"{HASH}:read:*:https://shop.example", "no role but evaluate"),
        (f"{HASH}:read:*\n{HASH}:admin:*", "has the hash of an earlier one"),
    ],
)
def test_a_line_that_can_not_be_used_is_named_by_its_number_without_its_hash(line, told):
    lines = ["# one", *line.split("\n")]
    with pytest.raises(ValueError, match=re.escape(told)) as refused:
        read_keys(lines, "line")

    assert f"line {len(lines)} " in str(refused.value)
    assert HASH not in str(refused.value)


# ---------------------------------------------------------------------------- looked up


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TEXT}"},
        {"authorization": f"bearer {TEXT}"},
        {"authorization": TEXT},
        {"x_api_key": TEXT},
        {"authorization": "Basic dXNlcjpwYXNz", "x_api_key": TEXT},
        {"authorization": "", "x_api_key": TEXT},
    ],
)
def test_a_key_may_stand_in_either_header_and_is_the_same_each_time(headers):
    one = gate(KEY)
    for _ in range(3):
        grant = one.grant(request(**headers), NOW)
        assert (READ, {"production"}, KEY.id) == (grant.role, grant.environments, grant.name)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, "none was sent"),
        ({"authorization": "Bearer"}, "none was sent"),
        ({"authorization": f"Bearer {TEXT[:-1]}"}, "it isn't known"),
        ({"authorization": f"Bearer {TEXT}x"}, "it isn't known"),
        ({"authorization": f"Bearer {TEXT.upper()}"}, "it isn't known"),
        ({"authorization": f"Bearer {KEY.digest.hex()}"}, "it isn't known"),
        ({"authorization": "Bearer \udcff\N{SNOWMAN}"}, "it isn't known"),
        ({"authorization": "Bearer no", "x_api_key": TEXT}, "it isn't known"),
        ({"query": f"api_key={TEXT}"}, "a secret key stood in the URL"),
    ],
)
def test_anything_else_is_none_and_the_refusal_tells_nothing_of_it(headers, told):
    one = gate(KEY)
    for _ in range(2):
        said = why(one, request(**headers))
        assert told in said
        assert TEXT[:-1] not in said


def test_what_was_remembered_with_one_header_opens_nothing_with_another():
    """Or `Basic x`, sent once beside a key, would be a key."""
    one = gate(KEY)
    basic = {"authorization": "Basic dXNlcjpwYXNz"}
    one.grant(request(x_api_key=TEXT, **basic), NOW)

    assert "it isn't known" in why(one, request(**basic))
    assert "it isn't known" in why(one, request(x_api_key="wrong", **basic))


def test_of_many_guesses_none_is_taken_and_none_is_kept():
    """Ten million were made once (docs/decisions/0151); here they are fewer."""
    one, taken = gate(KEY, PAGE_KEY), 0
    for _ in range(20_000):
        guess = new_key(secrets.token_bytes(32))
        try:
            one.grant(request(authorization=f"Bearer {guess}"), NOW)
            taken += 1
        except TokenRefused:
            pass

    assert (0, {}) == (taken, one._known)


def test_every_wrong_key_takes_the_same_steps(monkeypatch):
    """Whatever it has in common with a key: hashes made and looks taken are counted."""
    from bucketer.access import gate as gates

    class Counting(dict):
        looks = 0

        def get(self, *asked):
            Counting.looks += 1
            return super().get(*asked)

    hashes = []
    monkeypatch.setattr(gates, "digest_of", lambda text: hashes.append(1) or digest_of(text))
    one = gate(KEY)
    one._ring.grants = one._grants = Counting(one._ring.grants)
    steps = set()
    for wrong in (TEXT[:-1] + "9", "x" * len(TEXT), TEXT[::-1], SECRET + "A" * 43):
        Counting.looks, hashes[:] = 0, []
        why(one, request(authorization=f"Bearer {wrong}"))
        steps.add((Counting.looks, len(hashes)))

    assert {(1, 1)} == steps


# ---------------------------------------------------------------------------- of pages


@pytest.mark.parametrize(
    "sent",
    [
        {"origin": "https://shop.example"},
        {"origin": "HTTPS://Shop.Example"},
        {"referer": "https://shop.example/cart?x=1"},
        {"origin": "https://shop.example", "referer": "https://elsewhere.example/"},
    ],
)
@pytest.mark.parametrize(
    "shown", [{"query": f"u=ben&api_key={PAGE_TEXT}"}, {"x_api_key": PAGE_TEXT}]
)
def test_a_publishable_key_may_stand_in_the_url_for_pages_of_its_origins(sent, shown):
    assert EVALUATE == gate(PAGE_KEY).grant(request(**sent, **shown), NOW).role


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"origin": "null"},
        {"origin": "https://shop.example.evil.example"},
        {"origin": "http://shop.example"},
        {"origin": "https://elsewhere.example", "referer": "https://shop.example/"},
        {"referer": "https://elsewhere.example/https://shop.example"},
        {"referer": "https://shop.example@elsewhere.example/"},
    ],
)
@pytest.mark.parametrize(
    "shown", [{"query": f"u=ben&api_key={PAGE_TEXT}"}, {"x_api_key": PAGE_TEXT}]
)
def test_but_for_no_others_not_even_after_one_of_them_has_used_it(sent, shown):
    one = gate(PAGE_KEY)
    one.grant(request(origin="https://shop.example", **shown), NOW)

    assert "other origins" in why(one, request(**sent, **shown))


@pytest.mark.parametrize("query", ["api_key=bp_wrong", "api_key=", "api_key=1&api_key=2"])
def test_a_url_without_a_sound_one_is_refused(query):
    assert "refused" in why(gate(PAGE_KEY), request(query, origin="https://shop.example"))


# ---------------------------------------------------------------------------- a file


def asked(one, text=TEXT, now=NOW):
    """As the shell does: what has to be looked at is."""
    asked = request(authorization=f"Bearer {text}")
    try:
        return one.grant(asked, now)
    except WorkNeeded as needed:
        needed.work()
        return one.grant(asked, now)


def test_a_file_is_looked_at_now_and_then_and_what_it_no_longer_has_is_refused(tmp_path):
    path = tmp_path / "keys"
    one = gate(path=str(path))
    with pytest.raises(TokenRefused):
        asked(one)
    path.write_text(KEY.line())
    with pytest.raises(TokenRefused):
        asked(one, now=NOW + LOOK_EVERY_S - 0.1)
    assert READ == asked(one, now=NOW + LOOK_EVERY_S).role
    path.unlink()
    assert READ == asked(one, now=NOW + LOOK_EVERY_S + 1).role
    with pytest.raises(TokenRefused):
        asked(one, now=NOW + 2 * LOOK_EVERY_S)


def test_a_clock_that_is_set_back_does_not_keep_a_revoked_key(tmp_path):
    path = tmp_path / "keys"
    path.write_text(KEY.line())
    one = gate(path=str(path))
    assert READ == asked(one).role
    path.write_text("")

    with pytest.raises(TokenRefused):
        asked(one, now=NOW - 86_400)


@pytest.mark.parametrize("text", ["nonsense", f"{HASH}:read:*\nnonsense", "\x00" * 2_000_000])
def test_a_file_that_can_not_be_used_leaves_the_keys_that_were_there(tmp_path, text, caplog):
    path = tmp_path / "keys"
    path.write_text(KEY.line())
    one = gate(path=str(path))
    asked(one)
    path.write_text(text)

    for turn in range(1, 4):
        assert READ == asked(one, now=NOW + turn * LOOK_EVERY_S).role
    assert 1 == len([each for each in caplog.messages if "BUCKETER_KEYS_FILE" in each])
    assert HASH not in caplog.text


# ---------------------------------------------------------------------------- tokens


class Checker:
    """Takes whatever begins with `good`, until its time."""

    def __init__(self):
        self.asked = 0

    def claims(self, token, now):
        self.asked += 1
        if not token.startswith("good"):
            raise TokenRefused("signature is invalid")
        return {"exp": NOW + 1_000, "sdk_keys": ["AbC"], "role": "admin"}


def test_a_token_that_was_genuine_is_checked_again_only_after_a_while_or_when_it_expires():
    checker = Checker()
    one = gate(checker=checker)
    for now in (NOW, NOW + 1, NOW + REMEMBERED_S - 1):
        assert ADMIN == one.grant(request(authorization="Bearer good"), now).role
    assert 1 == checker.asked
    for now in (NOW + REMEMBERED_S, NOW + 900):
        one.grant(request(authorization="Bearer good"), now)
    assert 3 == checker.asked
    assert "token expired" in why(one, request(authorization="Bearer good"), NOW + 1_000)


def test_what_is_remembered_is_bounded_in_bytes_and_the_oldest_makes_room():
    checker = Checker()
    one = gate(checker=checker)
    many = MAX_BYTES // COST_BYTES + 10
    for number in range(many):
        one.grant(request(authorization=f"Bearer good{number}"), NOW)
    assert 0 < one._known_bytes <= MAX_BYTES
    assert len(one._known) < many
    one.grant(request(authorization=f"Bearer good{many - 1}"), NOW)
    assert many == checker.asked
    one.grant(request(authorization="Bearer good0"), NOW)
    assert many + 1 == checker.asked


def test_what_is_not_genuine_is_not_remembered():
    one = gate(checker=Checker())
    for _ in range(100):
        why(one, request(authorization="Bearer bad"))

    assert {} == one._known
