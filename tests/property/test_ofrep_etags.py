"""Law: whoever sends back an ETag of a bulk evaluation has the answer that they would get.

Over datafiles, environments, settings, who asks, contexts and moments: equal ETags, equal answers.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.editions import NOW, AnEdition

from bucketer import demo
from bucketer.api.grant import EVALUATE, READ, Grant
from bucketer.api.http import Known, ProfileNeeded, Request
from bucketer.api.ofrep.streams import STEP_S
from bucketer.api.options import ApiOptions
from bucketer.api.routes import Handler
from bucketer.api.streams import Room
from bucketer.wiring.http import openfeature_api

FLAGS = "/ofrep/v1/evaluate/flags"


def datafiles():
    """The demonstration, and others by hand: of the same revision, with another content."""
    first = json.loads(Path(demo.PATH).read_text("utf-8"))
    other = json.loads(json.dumps(first))
    for each in other["featureFlags"]:
        for variable in each["variables"]:
            if variable["type"] == "string":
                variable["defaultValue"] = "changed by hand"
    for rollout in other["rollouts"]:
        for rule in rollout["experiments"]:
            rule["audienceIds"] = []
            rule.pop("audienceConditions", None)
    return [first, other, {**first, "revision": "23"}]


#: Datafile and name of the origin's: a file has none, and two origins may call theirs the same.
EDITIONS = [
    AnEdition(document, etag=etag) for document in datafiles() for etag in (None, '"of both"')
]
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "targetingKey": st.sampled_from(["", "u1", "u2", "qa_ben", "cooper34523569"]),
        "tier": st.sampled_from(["platinum", "gold", [1], None]),
        "member_since_days": st.sampled_from([56, 56.0, 1]),
        "flags": st.sampled_from([["search"], ["checkout_flow", "nope"], "all"]),
        "variableKey": st.sampled_from(["max_results", "nope"]),
        "$opt_impressions": st.sampled_from([True, False, "later", None]),
        "$opt_debug": st.booleans(),
    },
)
#: The same name from the origin for another content can only be that of another environment, here
#: "b". Which parts of two requests differ: one mostly, or two.
DIFFERING = [{n} for n in range(10)] * 4 + [{n, m} for n in range(10) for m in range(n)]
#: What each part of a request may be, but for the context, which stands behind the first.
PARTS = [
    [(0, "a"), (2, "a"), (1, "a"), (3, "b"), (4, "a")],
    [None, Grant(EVALUATE), Grant(READ), Grant(READ, name="k2")],
    [True, False],  # debug is allowed
    [False, True],  # off flags have values
    ["", "debug=1"],
    [b"s" * 16, b"t" * 16],
    ["none", "on", "full", "https://streams.example/"],
    [NOW, NOW + STEP_S, NOW + 21_600],
    [None, {}, {"10000000101": "none"}],  # profiles: none, or the user's
]
ASKING = st.tuples(
    st.sampled_from(PARTS[0]), CONTEXTS, *(st.sampled_from(each) for each in PARTS[1:])
)


class AGate:
    rates = None

    def __init__(self, grant):
        self.its = grant

    def grant(self, request, now):
        return self.its


def response(asking, **headers):
    (number, place), context, grant, debug, off, query, secret, streams, now, profile = asking
    options = ApiOptions(debug_allowed=debug, profiles=profile is not None)
    options.apis = (("/ofrep/", openfeature_api),)
    options.ofrep_off_values, options.environment_id = off, place
    options.signing_secrets = options.stream_secrets = (secret,)
    options.gate = None if grant is None else AGate(grant)
    options.event_streams = "" if streams == "none" else streams
    if streams in {"on", "full"}:
        options.event_streams, options.stream_room = "on", Room()
        options.stream_room.is_full = streams == "full"
    handler = Handler(EDITIONS[number], options, keys=frozenset({place}))
    request = Request("POST", FLAGS, query, headers, json.dumps({"context": context}).encode())
    try:
        return handler.handle(request, now, lambda: "u").response
    except ProfileNeeded:
        return handler.handle(request, now, lambda: "u", Known(profile=profile)).response


@settings(max_examples=1_500, deadline=None, derandomize=True, database=None)
@given(ASKING, ASKING, st.sampled_from(DIFFERING))
def test_equal_etags_have_equal_answers(one, other, differing):
    # The same but for little: two drawn at random share hardly anything.
    other = tuple(other[n] if n in differing else one[n] for n in range(len(one)))
    check(one, other)


@pytest.mark.parametrize("part", range(len(PARTS)))
@pytest.mark.parametrize("impressions", [None, "later"])
def test_equal_etags_have_equal_answers_where_one_part_differs(part, impressions):
    context = {"targetingKey": "u1", "cart": [1], "$opt_debug": True}
    context["$opt_impressions"] = impressions
    usual = [each[0] for each in PARTS]
    usual[6 if part in {5, 7} else part] = "on" if part in {5, 7} else usual[part]
    askings = []
    for value in PARTS[part]:
        parts = [value if n == part else each for n, each in enumerate(usual)]
        askings.append((parts[0], context, *parts[1:]))
    for one in askings:
        for other in askings:
            check(one, other)


ESCAPED = [
    b'{"context": {"targetingKey": "cooper34523569", "tier": "platinum", "member_since_days": 56, %b}}'
    % each
    for each in (
        b'"$opt_impressions": "later"',
        b'"\\u0024opt_impressions": "later"',
        b'"$opt_impressions": "l\\u0061ter"',
        b'"\\u0024opt_impressions": "l\\u0061ter"',
        b'"\\u0024opt_debug": true, "cart": [1]',
    )
]


@pytest.mark.parametrize("body", ESCAPED)
@pytest.mark.parametrize("streams", ["", "on"])
def test_escapes_in_a_body_hide_nothing_from_the_etag(body, streams):
    options = ApiOptions()
    options.apis = (("/ofrep/", openfeature_api),)
    options.signing_secrets = options.stream_secrets = (b"s" * 16,)
    options.event_streams, options.stream_room = streams, Room() if streams else None
    handler = Handler(EDITIONS[0], options)
    answers = {}
    for now in (NOW, NOW + 1, NOW + 21_600, NOW + 43_200):
        answer = handler.handle(Request("POST", FLAGS, body=body), now, lambda: "u").response
        etag = dict(answer.headers)["ETag"]
        assert answers.setdefault(etag, answer.body) == answer.body
        for each, kept in answers.items():
            request = Request("POST", FLAGS, "", {"if-none-match": each}, body)
            again = handler.handle(request, now, lambda: "u").response
            assert (again.status == 304) is (kept == answer.body)


def check(one, other):
    """Hold the law against two requests."""
    first, second = response(one), response(other)
    assert (first.status, second.status) == (200, 200)
    its = dict(first.headers)["ETag"]

    if dict(second.headers)["ETag"] == its:
        assert first.body == second.body
    again = response(other, **{"if-none-match": its})
    if again.status == 304:
        assert first.body == second.body
        assert dict(again.headers)["ETag"] == its


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(ASKING)
def test_whoever_asks_the_same_again_is_told_that_nothing_changed(asking):
    first = response(asking)
    assert first.status == 200
    etag = dict(first.headers)["ETag"]

    for sent in (etag, f"W/{etag}", f'"x", {etag}', f'W/"y" , W/{etag}'):
        again = response(asking, **{"if-none-match": sent})
        assert (again.status, again.body) == (304, b"")
    for sent in ("", '"x"', "*", etag.strip('"')):
        assert response(asking, **{"if-none-match": sent}).body == first.body
