"""Whether whoever listens would still be let in."""

import pytest
from tests.fakes.sources import Clock

from bucketer.access.gate import LOOK_EVERY_S, Gate
from bucketer.access.keys import Key, digest_of, new_key
from bucketer.access.ring import Ring
from bucketer.access.stay import stay_of
from bucketer.api.grant import ADMIN, EVALUATE, READ
from bucketer.api.http import Request, WorkNeeded
from bucketer.core.errors import KeysUnavailable, TokenRefused

NOW = 1_800_000_000.0
TEXT = new_key(bytes(range(32)))


def line(role, environment="production"):
    return Key(digest_of(TEXT), role, environment).line()


class Checker:
    """Takes the token ``a.b.c``, unless something is the matter."""

    matter = None

    def claims(self, token, now):
        if self.matter is not None:
            raise self.matter
        return {"exp": NOW + 1_000, "sdk_keys": ["AbC"]}


def let_in(gate, clock, **headers):
    """Somebody who was let in, as the shell does: what has to be looked at is."""
    request = Request("GET", "/tail", "", headers)
    try:
        request.grant = gate.grant(request, clock())
    except WorkNeeded as needed:
        needed.work()
        request.grant = gate.grant(request, clock())
    return stay_of(gate, clock, request)


@pytest.fixture
def clock():
    return Clock(NOW)


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
@pytest.mark.parametrize(
    ("after", "good"),
    [
        (line(READ), True),
        (line(ADMIN), True),
        (line(EVALUATE), False),
        (line(READ, "staging"), False),
        ("", False),
        ("nonsense", True),  # the file can't be used: the keys from before stay
        (None, False),
    ],
)
def test_a_key_that_is_revoked_or_may_do_less_lets_nobody_listen_on(
    tmp_path, clock, header, after, good
):
    path = tmp_path / "keys"
    path.write_text(line(READ))
    gate = Gate(Ring((), str(path)), None, READ)
    stay = let_in(gate, clock, **{header: TEXT if header == "x-api-key" else f"Bearer {TEXT}"})
    assert stay.is_good()
    if after is None:
        path.unlink()
    else:
        path.write_text(f"# {' ' * 9}\n{after}")
    clock.now += LOOK_EVERY_S

    assert good is stay.is_good()


@pytest.mark.parametrize(
    ("matter", "after_s", "good"),
    [
        (None, 999, True),
        (None, 1_000, False),
        (KeysUnavailable("keys.example: status 500"), 300, True),
        (TokenRefused("signature is invalid"), 299, True),  # it is remembered
        (TokenRefused("signature is invalid"), 300, False),
    ],
)
def test_neither_does_a_token_that_has_expired_or_is_genuine_no_longer(
    clock, matter, after_s, good
):
    checker = Checker()
    stay = let_in(Gate(Ring(()), checker, READ), clock, authorization="Bearer a.b.c")
    checker.matter = matter
    clock.now += after_s

    assert good is stay.is_good()


def test_who_had_to_show_nothing_is_not_asked(clock):
    assert stay_of(Gate(Ring(()), None, READ), clock, Request("GET", "/ofrep/v1/events")) is None
