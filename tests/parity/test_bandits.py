"""What the bandit is asked: rule, user and attributes, as the SDK's own service would ask."""

import json
from random import Random

import pytest
from optimizely.cmab.cmab_service import DefaultCmabService
from optimizely.odp.lru_cache import LRUCache

from bucketer.core.bandit import PredictionNeeded
from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide
from bucketer.core.explain import traffic_reasons
from bucketer.core.parse import parse_datafile
from bucketer.core.user import Prediction, User
from bucketer.reference.sdk import SILENT, OfficialSdk
from bucketer.verify.visitors import attributes, user_id
from bucketer.verify.vocabulary import Vocabulary

from .datafiles import generate
from .mended import raising_is_unknown
from .scenes import ALL, Scene, datafile, flag, rollout, rule

DATAFILES, VISITS = 220, 4


class AskedClient:
    """A bandit that notes what it is asked and never answers."""

    def __init__(self):
        self.asked = []

    def fetch_decision(self, rule_id, user_id, attributes, cmab_uuid):
        self.asked.append((rule_id, user_id, list(attributes.items())))
        raise ConnectionError(cmab_uuid)


def test_the_bandit_is_asked_the_same_in_both():
    met = 0
    for number in range(DATAFILES):
        datafile = generate(f"bandits/{number}").datafile
        vocabulary = Vocabulary(datafile)
        if not vocabulary.bandits:
            continue
        text = json.dumps(datafile)
        sdk, ruleset = OfficialSdk(text), compile_datafile(parse_datafile(text))
        client = AskedClient()
        service = DefaultCmabService(LRUCache(10, 10), client, SILENT)
        sdk.client.cmab_service = sdk.client.decision_service.cmab_service = service
        rng = Random(number)
        for _ in range(VISITS):
            user = User(user_id(rng, vocabulary), attributes(rng, vocabulary))
            for ask, key in _questions(ruleset):
                met += _both_ask_the_same(ask, key, ruleset, sdk, client, user)

    assert met > 100


def _questions(ruleset):
    yield from ((activate, key) for key in ruleset.experiments if key)
    yield from ((decide, key) for key in ruleset.flags)


def _both_ask_the_same(ask, key, ruleset, sdk, client, user):
    client.asked.clear()
    with raising_is_unknown():
        getattr(sdk, ask.__name__)(key, user)
    try:
        ask(ruleset, key, user)
    except PredictionNeeded as needed:
        asked = [(needed.rule_id, needed.user_id, needed.attributes)]
    else:
        asked = []

    assert repr(client.asked[:1]) == repr(asked)
    return len(asked)


@pytest.mark.parametrize("ids", [[], ["50"], ["51", "50", "404", "50"]])
def test_attributes_go_by_their_ids_in_the_rules_order_and_null_goes_too(ids):
    document = datafile(
        rule("1", cmab={"attributeIds": ids, "trafficAllocation": ALL}),
        attributes=[{"id": "50", "key": "tier"}, {"id": "51", "key": "days"}],
    )
    ruleset = compile_datafile(parse_datafile(json.dumps(document)))

    with pytest.raises(PredictionNeeded) as needed:
        activate(ruleset, "rule_1", User("u", {"tier": None, "days": 5, "other": 1}))

    known = {"50": None, "51": 5}
    wanted = [(each, known[each]) for each in dict.fromkeys(ids) if each in known]
    assert wanted == list(dict(needed.value.attributes).items())


class AnsweringClient:
    """A bandit that notes what it is asked and always answers the same."""

    def __init__(self):
        self.asked = []

    def fetch_decision(self, rule_id, user_id, attributes, cmab_uuid):
        self.asked.append(list(attributes.items()))
        return "71"


def with_own_service(document):
    """The SDK with its own CMAB service, and the client that this asks."""
    sdk, client = OfficialSdk(json.dumps(document)), AnsweringClient()
    service = DefaultCmabService(LRUCache(10, 10), client, SILENT)
    sdk.client.cmab_service = sdk.client.decision_service.cmab_service = service
    return sdk, client


def bandit_of(**cmab):
    """A flag over a bandit, with a delivery rule to fall back to."""
    return datafile(
        rule("1", cmab={"trafficAllocation": ALL, **cmab}), rollouts=[rollout(rule("2"))],
        featureFlags=[flag("1", rollout="r")], attributes=[{"id": "5", "key": "tier"}],
    )  # fmt: skip


UNASKABLE = [
    {}, {"attributeIds": None}, {"attributeIds": 0}, {"attributeIds": True},
    {"attributeIds": ["5", []]}, {"attributeIds": [{}]},
]  # fmt: skip


@pytest.mark.parametrize("cmab", UNASKABLE)
def test_a_bandit_whose_attributes_cant_be_looked_for_is_not_asked_and_fails(cmab):
    """The SDK's own service raises before it asks, and that is its error decision."""
    document = bandit_of(**cmab)
    sdk, client = with_own_service(document)
    scene = Scene(document)
    user = User("u", {"tier": "gold"}, predictions={"1": Prediction("71", "uuid")})

    theirs = sdk.decide("flag", user).value

    ours = decide(scene.ruleset, "flag", user)
    assert (None, None, []) == (theirs.variation_key, theirs.rule_key, client.asked)
    assert any(each.startswith("Failed to fetch CMAB") for each in theirs.reasons)
    assert (None, None, ()) == (ours.variation_key, ours.rule_key, ours.impressions)
    assert ours.error is not None
    assert scene.decide(user)[4] is True
    assert scene.decide(User("u"))[4] is True  # nor is a prediction asked for
    [said] = scene.ruleset.diagnostics
    assert ("error", True) == (
        said.severity,
        said.pointer.startswith("/experiments/0/cmab/attributeIds"),
    )


def test_why_such_a_bandit_fails_is_told():
    ruleset = Scene(bandit_of()).ruleset
    told = traffic_reasons(ruleset, ruleset.experiments["rule_1"], User("u"), {})

    assert ["bandit_in", "prediction_failed"] == [each.code for each in told]


@pytest.mark.parametrize(
    ("ids", "seen"),
    [
        ("5", [("5", "gold")]),
        ("", []),
        ("tier", []),
        ({"5": 1, "404": 2}, [("5", "gold")]),
        ({}, []),
        ([None, 5, True, "5"], [("5", "gold")]),
    ],
)
def test_whatever_can_be_gone_through_is_taken_for_the_ids(ids, seen):
    document = bandit_of(attributeIds=ids)
    sdk, client = with_own_service(document)
    ruleset = Scene(document).ruleset
    user = User("u", {"tier": "gold"})

    with pytest.raises(PredictionNeeded) as needed:
        decide(ruleset, "flag", user)

    assert "V1" == sdk.decide("flag", user).value.variation_key
    assert [seen] == client.asked
    assert seen == list(needed.value.attributes)
    assert not [each for each in ruleset.diagnostics if each.severity == "error"]
    assert bool(ruleset.diagnostics) is not isinstance(ids, list)


@pytest.mark.parametrize(("traffic", "end"), [(None, 0), (False, 0), (True, 1), (9999.5, ALL)])
def test_a_share_of_the_traffic_that_is_no_whole_number_counts_as_in_the_sdk(traffic, end):
    scene = Scene(bandit_of(attributeIds=[], trafficAllocation=traffic))
    inside = 0
    for index in range(40):
        user = User(f"u{index}", predictions={"1": Prediction("71", "uuid")})
        inside += scene.decide(user)[0] == "V1"

    assert (40 if end == ALL else 0) == inside
    told = [each.pointer for each in scene.ruleset.diagnostics]
    odd = traffic is None or isinstance(traffic, bool)
    assert (["/experiments/0/cmab/trafficAllocation"] if odd else []) == told
