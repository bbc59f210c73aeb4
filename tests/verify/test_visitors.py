"""Invented visitors: the same from the same seed, made of what the datafile mentions."""

import json
from collections import Counter
from pathlib import Path

from bucketer import demo
from bucketer.verify.visitors import EDGE, visitors
from bucketer.verify.vocabulary import Vocabulary

DATAFILE = json.loads(Path(demo.PATH).read_bytes())


def facts(users):
    return [(user.id, repr(user.attributes), user.segments) for user in users]


def test_the_same_seed_makes_the_same_visitors():
    vocabulary = Vocabulary(DATAFILE)

    assert facts(visitors(vocabulary, 1, 50)) == facts(visitors(vocabulary, 1, 50))
    assert facts(visitors(vocabulary, 1, 50)) != facts(visitors(vocabulary, 2, 50))


def test_more_visitors_begin_with_the_same_ones():
    vocabulary = Vocabulary(DATAFILE)

    assert facts(visitors(vocabulary, 1, 10)) == facts(visitors(vocabulary, 1, 20))[:10]


def test_attributes_are_the_values_mentioned_their_neighbours_and_wrong_kinds():
    leaf = {"type": "custom_attribute", "name": "days", "match": "ge", "value": 30}
    audience = {"id": "1", "name": "old", "conditions": ["and", ["or", leaf]]}
    vocabulary = Vocabulary({"typedAudiences": [audience]})

    drawn = Counter(
        repr(user.attributes["days"])
        for user in visitors(vocabulary, 1, 1000)
        if "days" in user.attributes
    )

    assert {"30", "29", "31", "30.5", "'30'", "None", "True", "nan", str(EDGE + 1)} <= set(drawn)
    assert drawn["30"] > 200


def test_conditions_in_json_text_and_those_inside_other_values_are_read():
    leaf = {"type": "custom_attribute", "name": "a", "value": {"name": "b", "value": "deep"}}
    text = {"id": "1", "name": "t", "conditions": json.dumps(["not", leaf])}

    vocabulary = Vocabulary({"audiences": [text]})

    assert {"a": [{"name": "b", "value": "deep"}], "b": ["deep"]} == vocabulary.values


def test_a_malformed_datafile_has_fewer_words_and_raises_nothing():
    broken = {
        "audiences": [None, {"conditions": "{"}, {"conditions": 5}],
        "typedAudiences": {"a": 1},
        "attributes": [{"key": 5}, {}],
        "experiments": [{"id": [], "key": {}}, "x"],
        "rollouts": [{"experiments": None}],
        "featureFlags": [{"key": "f", "experimentIds": [{}, None], "rolloutId": []}],
        "events": None,
    }

    vocabulary = Vocabulary(broken)

    assert ({"f": ([], [])}, {}) == (vocabulary.flags, vocabulary.values)
    assert 5 == len(visitors(vocabulary, 1, 5))
