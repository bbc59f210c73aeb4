"""The bytes that go to the Event API, ours against the official SDK's.

Uuid and time are what the SDK drew for the same decision; the client's name and version are set to
the SDK's. Everything else has to come out equal, byte by byte.
"""

import json
from random import Random

import pytest
from optimizely.event.event_factory import EventFactory
from optimizely.event.user_event import EventContext

from bucketer.core import decide as core
from bucketer.core.compile import compile_datafile
from bucketer.core.conversions import track
from bucketer.core.errors import InvalidRequest
from bucketer.core.events import (
    ENDPOINTS,
    Event,
    batch_of,
    envelope_of,
    payload,
    visitor_json,
)
from bucketer.core.parse import parse_datafile
from bucketer.reference.sdk import SILENT, OfficialSdk
from bucketer.verify.visitors import knowing_visitor
from bucketer.verify.vocabulary import Vocabulary

from .datafiles import generate
from .draw import Visit
from .mended import RAISED

SHARDS = 4
EVENTS_EACH = 13_000
VISITORS_PER_DATAFILE = 60
SDK = EventContext("", "", "", False, "")

LEAVES = (
    None, True, False, 0, 1, -7, 10**30, 2**53 + 1, 1.0, -0.0, 1e300, 5e-324, 0.1, "", "a", "ü", "🎉",
    '\x00\n"\\/', "1e3", " 7 ", "1_000", "1,000", "inf", "nan", "0x10", "x" * 50, "\ud800",
)  # fmt: skip
KEYS = ("revenue", "value", "tags", "decisions", "sku", "ключ", "", "a b", "$opt_x")


def some_tags(rng):
    """Tags of any JSON shape; those that the SDK strips when null come up often."""
    if rng.random() < 0.15:
        return None
    return {rng.choice(KEYS): some_json(rng, 3) for _ in range(rng.randrange(5))}


def some_json(rng, depth):
    drawn = rng.random()
    if depth and drawn < 0.2:
        return {rng.choice(KEYS): some_json(rng, depth - 1) for _ in range(rng.randrange(4))}
    if depth and drawn < 0.3:
        return [some_json(rng, depth - 1) for _ in range(rng.randrange(4))]
    return rng.choice(LEAVES)


def calls(rng, sdk, ruleset, user):
    """Questions that may cause events: of whom, what to ask the SDK, what to ask the core."""
    legacy = Visit(user, []).legacy
    experiments = [key for key in ruleset.experiments if key]
    if experiments:
        key = rng.choice(experiments)
        yield (
            legacy,
            lambda: sdk.activate(key, legacy),
            lambda: core.activate(ruleset, key, legacy).impressions,
        )
    for flag in rng.sample(ruleset.flag_order, min(3, len(ruleset.flag_order))):
        yield (
            user,
            lambda flag=flag: sdk.decide(flag, user),
            lambda flag=flag: core.decide(ruleset, flag, user).impressions,
        )
    for event in ruleset.events:
        if event and rng.random() < 0.5:
            tags = some_tags(rng)
            yield (
                user,
                lambda event=event, tags=tags: sdk.track(event, user, tags),
                lambda event=event, tags=tags: (track(ruleset, event, user, tags),),
            )


@pytest.mark.parametrize("shard", range(SHARDS))
def test_more_than_fifty_thousand_events_are_the_official_sdks_to_the_byte(shard):
    compared = {"impressions": 0, "conversions": 0}
    datafile = 0
    while sum(compared.values()) < EVENTS_EACH:
        seed = f"events {shard}/{datafile}"
        datafile += 1
        text = generate(seed).text()
        sdk, ruleset = OfficialSdk(text, validate=False), compile_datafile(parse_datafile(text))
        envelope_of(ruleset, SDK.client_name, SDK.client_version)
        rng, vocabulary = Random(seed), Vocabulary(json.loads(text))
        for _ in range(VISITORS_PER_DATAFILE):
            compare_visitor(rng, vocabulary, sdk, ruleset, compared)

    assert compared["impressions"] > EVENTS_EACH / 2
    assert compared["conversions"] > EVENTS_EACH / 10


def compare_visitor(rng, vocabulary, sdk, ruleset, compared):
    visitor = knowing_visitor(rng, vocabulary)
    for user, ask_sdk, ask_core in calls(rng, sdk, ruleset, visitor):
        try:
            ask_sdk()
        except RAISED:
            continue  # conditions the SDK can't evaluate: compared elsewhere, with it mended
        theirs = list(sdk._capture.events)
        ours = [
            Event(what, user, ruleset, sent.timestamp, sent.uuid)
            for what, sent in zip(ask_core(), theirs, strict=True)
        ]
        for mine, sent in zip(ours, theirs, strict=True):
            request = EventFactory.create_log_event(sent, SILENT)
            expected = json.dumps(request.params)
            batch = batch_of(mine)

            assert expected == payload(batch, [visitor_json(mine)]).decode()
            assert request.url == ENDPOINTS[batch.region]
            kind = "impressions" if "campaign_activated" in expected else "conversions"
            compared[kind] += 1
        if len(theirs) > 1:
            expected = json.dumps(EventFactory.create_log_event(theirs, SILENT).params)
            assert expected == payload(batch_of(ours[0]), map(visitor_json, ours)).decode()


def test_what_the_sdk_cannot_build_is_refused():
    """An integer that no float holds raises in the SDK's thread and takes later events with it."""
    sdk = OfficialSdk(generate("a").text(), validate=False)
    ruleset = compile_datafile(parse_datafile(generate("a").text()))
    [event, *_] = ruleset.events
    user = knowing_visitor(Random(1), Vocabulary(generate("a").datafile))
    sdk.track(event, user, {"value": 10**400})

    with pytest.raises(OverflowError):
        EventFactory.create_log_event(sdk._capture.events[0], SILENT)
    with pytest.raises(InvalidRequest, match="value"):
        track(ruleset, event, user, {"value": 10**400})
