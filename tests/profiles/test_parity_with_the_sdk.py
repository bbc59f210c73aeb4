"""Profiles beside the SDK's: the same look-ups, saves and answers, call by call.

Each side has a store of the same make. Ours is asked through the HTTP API and the runtime, the SDK
through its `UserProfileService`.
"""

import copy
import json
import random
from urllib.parse import quote

import pytest
from optimizely.event.event_processor import BaseEventProcessor
from optimizely.helpers.sdk_settings import OptimizelySdkSettings
from optimizely.optimizely import Optimizely
from optimizely.user_profile import UserProfileService
from tests.fakes.bandit import Bandit
from tests.fakes.bandits import CHECKOUT, CURRENT, ONE_STEP, a_datafile_with_bandits
from tests.fakes.datafiles import a_datafile, experiments_of
from tests.fakes.runtimes import a_runtime

from bucketer.api.http import Request
from bucketer.api.options import ApiOptions
from bucketer.ports import Fetched
from bucketer.profiles.guard import GuardedProfiles
from bucketer.reference.sdk import SILENT


class Store(UserProfileService):
    """Keeps experiment id → variation id, and what was asked of it; fails where it is told to.

    Our look-ups get the map, the SDK's what the SDK wants: that is `shaped`.
    """

    def __init__(self, shaped):
        self.shaped = shaped
        self.kept = {}
        self.calls = []
        self.mood = None

    def lookup(self, user_id):
        self.calls.append(("lookup", user_id))
        if self.mood == "look-up fails":
            raise RuntimeError(self.mood)
        if self.mood == "nothing" or user_id not in self.kept:
            return None
        if self.mood == "malformed":
            return {"user_id": user_id} if self.shaped else ["malformed"]
        kept = copy.deepcopy(self.kept[user_id])
        if self.shaped:
            entries = {key: {"variation_id": value} for key, value in kept.items()}
            return {"user_id": user_id, "experiment_bucket_map": entries, "more": 1}
        return kept

    def save(self, profile, ours=None):
        user_id, kept = profile, ours
        if self.shaped:
            user_id = profile["user_id"]
            entries = profile["experiment_bucket_map"]
            kept = {key: value["variation_id"] for key, value in entries.items()}
        self.calls.append(("save", user_id, dict(kept)))
        if self.mood == "save fails":
            raise RuntimeError(self.mood)
        self.kept[user_id] = dict(kept)

    def close(self):
        """Nothing is open."""


class Source:
    """Gives one datafile, for ever."""

    kind, label, where, max_age_s = "file", "a", "a", 0

    def __init__(self, datafile):
        self.raw = json.dumps(datafile).encode()

    def fetch(self, etag):
        return Fetched(self.raw)


class Silent(BaseEventProcessor):
    """Sends nothing."""

    def process(self, user_event):
        """Forget it."""


class Ours:
    def __init__(self):
        self.store = Store(shaped=False)

    def use(self, datafile, endpoint=""):
        del endpoint
        options = ApiOptions(profiles=True)
        profiles = GuardedProfiles(self.store, "a store")
        self.runtime = a_runtime(Source(datafile), options=options, profiles=profiles)
        self.runtime.load()

    def ask(self, letter, key, user_id, attributes):
        text = quote(json.dumps(attributes))
        query = f"{letter}={key}&u={quote(user_id)}&a={text}"
        answer = self.runtime.serve(Request("GET", "/bucketer", query))
        return json.loads(answer.body)["variation"]


class Theirs:
    def __init__(self):
        self.store = Store(shaped=True)

    def use(self, datafile, endpoint=""):
        self.client = Optimizely(
            json.dumps(datafile),
            logger=SILENT,
            event_processor=Silent(),
            user_profile_service=self.store,
            settings=OptimizelySdkSettings(
                odp_disabled=True, cmab_prediction_endpoint=endpoint or None
            ),
        )

    def ask(self, letter, key, user_id, attributes):
        if letter == "e":
            return self.client.activate(key, user_id, attributes)
        return self.client.create_user_context(user_id, attributes).decide(key).variation_key


def changed(rng):
    """The demonstration with other traffic, paused experiments, variations that are gone."""
    datafile = a_datafile()
    for experiment in experiments_of(datafile):
        ids = [each["id"] for each in experiment["variations"]]
        if rng.random() < 0.3 and len(ids) > 1:
            gone = ids.pop(rng.randrange(len(ids)))
            experiment["variations"] = [v for v in experiment["variations"] if v["id"] != gone]
        if rng.random() < 0.2:
            experiment["status"] = "Paused"
        ends = sorted(rng.sample(range(0, 10_001, 500), len(ids)))
        rng.shuffle(ids)
        experiment["trafficAllocation"] = [
            {"entityId": id_, "endOfRange": end} for id_, end in zip(ids, ends, strict=True)
        ]
    return datafile


QUESTIONS = [
    ("e", "checkout_flow_experiment"),
    ("e", "search_ranking_experiment"),
    ("e", "unheard_of"),
    ("f", "checkout_flow"),
    ("f", "search"),
    ("f", "free_shipping"),
    ("f", "unheard_of"),
]
USERS = [*(f"user {number}" for number in range(12)), "qa_anna", "qa_ben", "Zoë"]
MOODS = ["look-up fails", "save fails", "nothing", "malformed"]


@pytest.mark.parametrize("seed", range(6))
def test_every_call_looks_up_and_saves_what_the_sdk_does(seed):
    """Through changes of the datafile, whitelists, failures and malformed profiles."""
    rng = random.Random(f"profiles/{seed}")
    ours, theirs = Ours(), Theirs()
    met = set()
    for _ in range(8):
        datafile = changed(rng)
        for side in (ours, theirs):
            side.use(datafile)
        for _ in range(60):
            letter, key = rng.choice(QUESTIONS)
            user_id = rng.choice(USERS)
            attributes = {"tier": rng.choice(["platinum", "gold"]), "member_since_days": 56}
            mood = rng.choice(MOODS) if rng.random() < 0.15 else None
            answers, calls = [], []
            for side in (ours, theirs):
                side.store.mood = mood
                before = len(side.store.calls)
                answers.append(side.ask(letter, key, user_id, dict(attributes)))
                calls.append(side.store.calls[before:])

            assert answers[1] == answers[0], (letter, key, user_id, attributes, mood)
            assert calls[1] == calls[0], (letter, key, user_id, attributes, mood)
            assert len(calls[0]) <= 2
            met |= {len(calls[0]), mood}
    assert theirs.store.kept == ours.store.kept
    assert {0, 1, 2, None, *MOODS} == met


def test_a_bandit_s_choice_is_not_saved_but_a_stored_one_is_kept():
    ours, theirs = Ours(), Theirs()
    with Bandit(ONE_STEP) as bandit:
        for side in (ours, theirs):
            side.use(a_datafile_with_bandits(), bandit.url + "{}")
            side.store.kept["ann"] = {CHECKOUT: CURRENT}
            side.ask("f", "checkout_flow", "ben", {})
            side.ask("f", "checkout_flow", "ann", {})

    assert theirs.store.calls == ours.store.calls == [("lookup", "ben"), ("lookup", "ann")]
    assert "current_checkout" == ours.ask("f", "checkout_flow", "ann", {})
    assert 1 == len(bandit.questions)  # the SDK's about ben; our runtime has nobody to ask here
