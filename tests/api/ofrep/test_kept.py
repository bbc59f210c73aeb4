"""What is kept for the next request for OpenFeature: bounded, and the answers are the same without it."""

from __future__ import annotations

import json

import pytest
from tests.fakes.editions import NOW, AnEdition

from bucketer.api.http import Request
from bucketer.api.options import ApiOptions
from bucketer.api.routes import Handler
from bucketer.wiring.http import openfeature_api

FLAGS = "/ofrep/v1/evaluate/flags"


@pytest.fixture
def whitelisting(demonstration):
    """The demonstration, whose experiment names one user."""
    for experiment in demonstration["experiments"]:
        variation = experiment["variations"][0]["key"]
        experiment["forcedVariations"] = {"named": variation}
    return demonstration


def handler(datafile, answers_bytes=16 * 1024 * 1024):
    options = ApiOptions()
    options.apis = (("/ofrep/", openfeature_api),)
    options.ofrep_experiments = True
    options.answers_bytes = answers_bytes
    return Handler(AnEdition(datafile), options)


def ask(asked, path, **context):
    body = json.dumps({"context": {"targetingKey": "ben", **context}}).encode()
    request = Request("POST", path, "", {}, body, request_id="r")
    return asked.handle(request, NOW, lambda: "uuid").response


def asked_in_turn(asked):
    """All kinds of questions, by users of whom one is named in a whitelist, each of them twice."""
    flags = list(asked.edition.ruleset.flags.values())
    parts = [f"{flag.key}.{part}" for flag in flags for part in ("enabled", *flag.variables)]
    paths = [FLAGS, *(f"{FLAGS}/{each}" for each in (*(flag.key for flag in flags), *parts))]
    some = {"flags": [flags[0].key, parts[-1]]}
    asked_for = ({}, {"tier": "platinum"}, {"variableKey": "steps"}, some)
    return [
        ask(asked, path, targetingKey=user, **more)
        for user in ("ben", "named", "ben", "named")
        for more in asked_for
        for path in paths
    ]


@pytest.mark.parametrize("answers_bytes", [0, 1_000, 5_000])
def test_with_too_little_room_the_answers_are_the_same(whitelisting, answers_bytes):
    one, other = handler(whitelisting), handler(whitelisting, answers_bytes)
    told = [(each.status, each.body) for each in asked_in_turn(one)]

    assert told == [(each.status, each.body) for each in asked_in_turn(other)]
    assert b'"TARGETING_MATCH"' in b"".join(body for _, body in told)


def test_who_is_named_in_a_whitelist_is_told_so_and_the_others_are_not(whitelisting):
    asked = handler(whitelisting)
    [key] = [each["key"] for each in whitelisting["experiments"] if each["key"].startswith("che")]
    reasons = {
        user: {json.loads(ask(asked, f"{FLAGS}/{key}", targetingKey=user).body)["reason"]}
        for user in ("named", *(f"u{number}" for number in range(50)))
    }

    assert reasons["named"] == {"TARGETING_MATCH"}
    assert "TARGETING_MATCH" not in set.union(
        *(each for user, each in reasons.items() if user != "named")
    )


def test_a_flags_place_is_kept_and_no_other(demonstration):
    asked = handler(demonstration)
    key = demonstration["featureFlags"][0]["key"]
    for path in (
        FLAGS,
        f"{FLAGS}/{key}",
        f"{FLAGS}/nothing",
        f"{FLAGS}/{key[:-1]}%{ord(key[-1]):x}",
    ):
        ask(asked, path)

    kept = {path for path in asked._routes if path.startswith(FLAGS)}
    assert kept == {FLAGS, f"{FLAGS}/{key}"}


@pytest.mark.parametrize(("chars", "is_kept"), [(128, True), (129, False)])
def test_a_path_of_more_characters_than_a_url_is_sure_to_have_room_for_is_not_kept(
    demonstration, chars, is_kept
):
    flag = demonstration["featureFlags"][0]
    flag["key"] = "f" * (chars - len(FLAGS) - 1)
    asked = handler(demonstration)
    path = f"{FLAGS}/{flag['key']}"

    assert ask(asked, path).status == 200
    assert (path in asked._routes) is is_kept
