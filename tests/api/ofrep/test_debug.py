"""What debug tells OpenFeature's clients: what of the context was passed over, and why."""

from __future__ import annotations

import json

import pytest
from tests.fakes.editions import NOW, AnEdition

from bucketer.api.grant import EVALUATE, READ, Grant
from bucketer.api.http import Request
from bucketer.api.options import ApiOptions
from bucketer.api.routes import Handler
from bucketer.wiring.http import openfeature_api

FLAGS = "/ofrep/v1/evaluate/flags"
CONTEXT = {"targetingKey": "ben", "cart": [1], "address": {"zip": "1"}, "tier": "gold", "x": None}
SAID = "passed over, as no audience compares lists and objects: cart, address"


class AGate:
    """Lets everybody in with one role."""

    rates = None

    def __init__(self, role):
        self.role = role

    def grant(self, request, now):
        return Grant(self.role)


def ask(key="", context=None, query="", gate=None, headers=None, **more):
    options = ApiOptions(**more)
    options.apis = (("/ofrep/", openfeature_api),)
    options.gate = gate
    path = f"{FLAGS}/{key}" if key else FLAGS
    body = json.dumps({"context": CONTEXT if context is None else context}).encode()
    request = Request("POST", path, query, headers or {}, body, "", "r")
    return Handler(AnEdition(), options).handle(request, NOW, lambda: "u").response


def metadata(*args, **more):
    return json.loads(ask(*args, **more).body)["metadata"]


ASKED = [({**CONTEXT, "$opt_debug": True}, ""), (CONTEXT, "debug=1"), (CONTEXT, "debug=True")]


@pytest.mark.parametrize(("context", "query"), ASKED)
def test_names_what_was_passed_over(context, query):
    assert metadata(context=context, query=query) == {"debug": SAID}
    assert metadata("search", context=context, query=query)["debug"].startswith(f"{SAID}\n")


@pytest.mark.parametrize(("context", "query"), ASKED)
def test_tells_nothing_where_that_is_not_allowed(context, query):
    assert metadata(context=context, query=query, debug_allowed=False) == {}
    assert metadata(context=context, query=query, gate=AGate(EVALUATE)) == {}
    assert metadata(context=context, query=query, gate=AGate(READ)) == {"debug": SAID}


@pytest.mark.parametrize("query", ["", "debug=0", "debug=", "debug=x"])
def test_tells_nothing_unless_asked(query):
    assert metadata(query=query) == {}
    assert "debug" not in metadata("search", query=query)
    assert "debug" not in metadata("search", context={**CONTEXT, "$opt_debug": False})


def test_says_why_one_flag_was_decided_so():
    told = metadata("checkout_flow", context={"targetingKey": "ben", "$opt_debug": True})["debug"]

    assert "bucket" in told or "audience" in told
    assert all(told.split("\n"))


def test_of_all_flags_says_nothing_where_nothing_was_passed_over():
    assert metadata(context={"targetingKey": "ben", "$opt_debug": True}) == {}


def test_shows_twenty_names_and_of_each_the_beginning():
    context = {f"{n:03}{'x' * 200}": [] for n in range(25)}
    told = metadata(context={**context, "$opt_debug": True})["debug"]

    assert told.endswith(" and 5 more")
    assert len(told) < 20 * 110


def test_has_an_etag_of_its_own_for_each_who_may_see_other_things():
    etags = {
        dict(ask(query=query, gate=gate).headers)["ETag"]
        for query in ("", "debug=1")
        for gate in (None, AGate(EVALUATE), AGate(READ))
    }

    assert len(etags) >= 4
