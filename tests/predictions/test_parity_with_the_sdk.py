"""Our predictor and core beside the SDK's whole CMAB: the same questions, the same answers.

Each side has a prediction service of its own, a real one on loopback, in the same mood.
"""

import json
import random
import uuid

import pytest
from optimizely.event.event_processor import BaseEventProcessor
from optimizely.helpers.sdk_settings import OptimizelySdkSettings
from optimizely.optimizely import Optimizely
from tests.fakes.bandit import Bandit
from tests.fakes.bandits import (
    CHECKOUT,
    CURRENT,
    ONE_STEP,
    TWO_STEP,
    UNHEARD_OF,
    a_datafile_with_bandits,
)

from bucketer.core.bandit import PredictionNeeded
from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide
from bucketer.core.user import User
from bucketer.predictions.client import PredictionClient
from bucketer.predictions.predictor import CachedPredictor
from bucketer.reference.sdk import SILENT

CACHE_OPTIONS = ("IGNORE_CMAB_CACHE", "RESET_CMAB_CACHE", "INVALIDATE_USER_CMAB_CACHE")
DATAFILE = a_datafile_with_bandits(traffic=9_000)


class Capture(BaseEventProcessor):
    """Keeps what would be sent."""

    def __init__(self):
        self.events = []

    def process(self, user_event):
        self.events.append(user_event)


class Theirs:
    """The SDK, its own CMAB client, service and cache."""

    def __init__(self, bandit):
        self.bandit = bandit
        self.capture = Capture()
        self.client = Optimizely(
            json.dumps(DATAFILE),
            logger=SILENT,
            event_processor=self.capture,
            settings=OptimizelySdkSettings(
                odp_disabled=True, cmab_prediction_endpoint=bandit.url + "{}"
            ),
        )

    def decide(self, flag, user_id, attributes, options):
        self.capture.events.clear()
        context = self.client.create_user_context(user_id, dict(attributes))
        found = context.decide(flag, list(options))
        uuids = [event.cmab_uuid for event in self.capture.events]
        failed = any("Failed to fetch CMAB data" in each for each in found.reasons)
        return (found.variation_key, found.enabled, found.rule_key, found.variables, failed), uuids

    def activate(self, key, user_id, attributes):
        self.capture.events.clear()
        found = self.client.activate(key, user_id, dict(attributes))
        return (found,), [event.cmab_uuid for event in self.capture.events]


class Ours:
    """The core and our predictor, joined as the runtime joins them."""

    def __init__(self, bandit):
        self.bandit = bandit
        self.ruleset = compile_datafile(json.loads(json.dumps(DATAFILE)))
        client = PredictionClient(bandit.url)
        self.predictor = CachedPredictor(client, lambda: str(uuid.uuid4()))

    def decide(self, flag, user_id, attributes, options):
        found = self.until_known(
            lambda user: decide(self.ruleset, flag, user, options), user_id, attributes, options
        )
        uuids = [each.cmab_uuid for each in found.impressions]
        failed = found.error is not None
        variables = dict(found.variables)
        return (found.variation_key, found.enabled, found.rule_key, variables, failed), uuids

    def activate(self, key, user_id, attributes):
        found = self.until_known(
            lambda user: activate(self.ruleset, key, user), user_id, attributes, ()
        )
        return (found.variation_key,), [each.cmab_uuid for each in found.impressions]

    def until_known(self, call, user_id, attributes, options):
        predictions = {}
        while True:
            try:
                return call(User(user_id, attributes, predictions=predictions))
            except PredictionNeeded as needed:
                predictions[needed.rule_id] = self.predictor.predict(needed, options)


@pytest.fixture
def sides():
    with Bandit() as one, Bandit() as other:
        ours, theirs = Ours(one), Theirs(other)
        yield ours, theirs
        ours.predictor.close()
        theirs.client.close()


def moods_of(sides, **mood):
    for side in sides:
        for name, value in mood.items():
            setattr(side.bandit, name, list(value) if isinstance(value, list) else value)


def named(uuids, bandit):
    """Each uuid as the number of the question that carried it: those are made anew on each side."""
    asked = [question.instance["cmabUUID"] for question in bandit.questions]
    return [asked.index(each) if each is not None else None for each in uuids]


def outcome(side, name, *arguments):
    """What one call gave, and every question it asked, without the uuids."""
    before = len(side.bandit.questions)
    found, uuids = getattr(side, name)(*arguments)
    asked = []
    for question in side.bandit.questions[before:]:
        instance = dict(question.instance)
        assert uuid.UUID(instance.pop("cmabUUID")).version == 4
        asked.append((question.path, question.headers["content-type"], instance))
    return found, named(uuids, side.bandit), asked


def choose(question):
    """A variation that depends on what is asked, unheard-of and oddly typed ones among them."""
    choices = [CURRENT, TWO_STEP, ONE_STEP, UNHEARD_OF, int(ONE_STEP), None, "", "10000000611"]
    instance = question.instance
    drawn = json.dumps([instance["visitorId"], instance["experimentId"], instance["attributes"]])
    return choices[sum(drawn.encode()) % len(choices)]


VALUES = ("gold", "é🙂", 56, 56.0, True, None, "", -1.5)


def draw_attributes(rng):
    return {
        name: rng.choice(VALUES)
        for name in ("tier", "member_since_days", "country", "unknown")
        if rng.random() < 0.5
    }


@pytest.mark.parametrize("seed", range(8))
def test_hundred_calls_in_a_row_ask_and_answer_as_the_sdk_does(sides, seed):
    """Cache hits, misses, changed attributes, cache options, odd answers, failures with retries."""
    rng = random.Random(f"predictions/{seed}")
    moods_of(sides, choose=choose)
    met = set()
    for step in range(100):
        user_id = rng.choice(("ben", "ann", "1-2", "Zoë", "", "x" * 300))
        attributes = draw_attributes(rng) if rng.random() < 0.6 else {}
        options = [each for each in CACHE_OPTIONS if rng.random() < 0.12]
        key = rng.choice(("checkout_flow", "search"))
        experiment = rng.choice(("checkout_flow_experiment", "search_ranking_experiment"))
        by_key = rng.random() < 0.2
        script = []
        if step % 10 == 9:  # whoever is new has to be asked about
            user_id, by_key = f"new {step}", False
            script = rng.choice(([500], [404, b"no"], [b"{}"], [503, b"[]"]))
        moods_of(sides, script=script)

        call = ("decide", key, user_id, attributes, options)
        if by_key:
            call = ("activate", experiment, user_id, attributes)
        ours, theirs = (outcome(side, *call) for side in sides)

        assert theirs == ours, f"step {step}: {user_id!r} {attributes} {options} {script}"
        met |= {f"{len(ours[2])} questions", f"failed {ours[0][-1]}"}

    assert {"0 questions", "1 questions", "2 questions", "failed False", "failed True"} <= met


def test_every_byte_of_the_question_is_the_sdks_but_the_uuid(sides):
    attributes = {"tier": "é", "member_since_days": 1.0, "country": "DE"}
    for side in sides:
        side.decide("checkout_flow", "ben", attributes, ())
    ours, theirs = (side.bandit.questions[0] for side in sides)
    blank = "-" * 36

    assert f"/predict/{CHECKOUT}" == ours.path == theirs.path
    assert theirs.body.replace(
        theirs.instance["cmabUUID"].encode(), blank.encode()
    ) == ours.body.replace(ours.instance["cmabUUID"].encode(), blank.encode())


@pytest.mark.parametrize("ids", [["10000000101", "10000000101"], ["404"], []])
def test_attributes_listed_twice_or_unknown_are_seen_as_the_sdk_sees_them(ids, monkeypatch):
    datafile = a_datafile_with_bandits(attribute_ids=ids)
    monkeypatch.setitem(globals(), "DATAFILE", datafile)
    with Bandit(ONE_STEP) as one, Bandit(ONE_STEP) as other:
        pair = Ours(one), Theirs(other)
        ours, theirs = (
            outcome(side, "decide", "checkout_flow", "ben", {"tier": 1}, ()) for side in pair
        )
        pair[0].predictor.close()
        pair[1].client.close()

    assert theirs == ours
    assert 1 == len(ours[2])
