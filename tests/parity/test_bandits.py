"""What the bandit is asked: rule, user and attributes, as the SDK's own service would ask."""

import json
from random import Random

import pytest
from optimizely.cmab.cmab_service import DefaultCmabService
from optimizely.odp.lru_cache import LRUCache

from bucketer.core.bandit import PredictionNeeded
from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User
from bucketer.reference.sdk import SILENT, OfficialSdk
from bucketer.verify.visitors import attributes, user_id
from bucketer.verify.vocabulary import Vocabulary

from .datafiles import generate
from .mended import raising_is_unknown

DATAFILES, VISITS = 160, 4


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
    from .scenes import ALL, datafile, rule

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
