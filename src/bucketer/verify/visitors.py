"""Vocabulary and seed in, Users out: visitors who are likely to meet the datafile's edges.

Half of the values are the ones that conditions ask for, the rest their neighbours on both sides
and values of wrong kinds, since a wrong kind is UNKNOWN and not False. The same seed gives the
same visitors on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from bucketer.core.user import BUCKETING_ID, Prediction, User

from .vocabulary import Vocabulary

#: Where the SDK stops to take a number for finite.
EDGE: Final = 2**53
#: Values that belong to no condition: a wrong kind, or a number that counts as none.
WRONG_KINDS: Final[tuple[object, ...]] = (
    None, True, False, 0, 1, -1, 0.0, 1.0, "", " ", "true", "1", [], [1], {}, {"a": 1},
    float("nan"), float("inf"), float("-inf"), 10**400, "\ud800",
    EDGE - 1, EDGE, EDGE + 1, -EDGE, -EDGE - 1, float(EDGE), float(EDGE + 2),
)  # fmt: skip
VERSIONS: Final = (
    "2", "2.0", "2.1", "2.1.3", "2.1.3-beta", "2.1.3-beta.10", "2.1.3-beta.9", "2.1.3-5", "2.1.3+7",
    "2.1.3-beta+2", "2.1.3+b-1", "02.1", "3", "1.9.9", "", "-", "+", "2.", ".2", "2.1.3.4", "2 ",
    "a.b", "2.²", "٢.1", "2.1-rc", "-beta", "9" * 30,
)  # fmt: skip
USER_IDS: Final = ("", " ", "0", "ü", "日本語", "🎉", "a\x00b", "A", "a", "null", "x" * 300)
#: The share of visitors that carry each kind of extra knowledge.
RARELY, SOMETIMES, OFTEN = 0.1, 0.25, 0.5


def visitors(vocabulary: Vocabulary, seed: int, count: int) -> list[User]:
    """Make *count* visitors; none of them has forced decisions, a profile or the like.

    Predictions are the exception: a bandit's rule has to be answered.
    """
    return [plain_visitor(Random(f"{seed}/{index}"), vocabulary) for index in range(count)]  # noqa: S311 -- tests want the same users again


def plain_visitor(rng: Random, vocabulary: Vocabulary) -> User:
    """An id, attributes, perhaps segments."""
    return made(
        user_id(rng, vocabulary),
        attributes(rng, vocabulary),
        segments=segments(rng, vocabulary),
        predictions=predictions(rng, vocabulary),
    )


def knowing_visitor(rng: Random, vocabulary: Vocabulary) -> User:
    """A visitor with some of everything: forced decisions and variations, a stored profile."""
    return made(
        user_id(rng, vocabulary),
        attributes(rng, vocabulary),
        segments=segments(rng, vocabulary),
        forced_decisions=_forced_decisions(rng, vocabulary) if rng.random() < SOMETIMES else None,
        forced_variations=_forced_variations(rng, vocabulary) if rng.random() < SOMETIMES else None,
        profile=_profile(rng, vocabulary) if rng.random() < OFTEN else None,
        predictions=predictions(rng, vocabulary),
    )


def made(
    id: str,  # noqa: A002 -- Optimizely's word
    attributes: Mapping[str, object],
    **facts: Any,
) -> User:
    """A user, told only what there is to tell: the core has a shorter way for those of no note."""
    return User(id, attributes, **{name: fact for name, fact in facts.items() if fact is not None})


def user_id(rng: Random, vocabulary: Vocabulary) -> str:
    """An id: mostly ordinary, sometimes whitelisted or odd."""
    drawn = rng.random()
    if drawn < RARELY:
        return rng.choice(USER_IDS)
    if vocabulary.user_ids and drawn < OFTEN / 2:
        return rng.choice(vocabulary.user_ids)
    return f"user-{rng.randrange(10**9)}"


def attributes(rng: Random, vocabulary: Vocabulary) -> dict[str, object]:
    """Values for some of the attributes that the datafile mentions, and for some it doesn't."""
    found: dict[str, object] = {}
    for name, mentioned in vocabulary.values.items():
        if rng.random() < 1 - SOMETIMES:
            found[name] = _value(rng, mentioned)
    if rng.random() < SOMETIMES / 2:
        found[BUCKETING_ID] = rng.choice(("", "b", "bucket-1", "ü", 5, None, 1.5, True, [1], {}))
    if rng.random() < RARELY:
        name = rng.choice(("$opt_user_agent", "$opt_bot_filtering", "$opt_x", "unheard-of", ""))
        found[name] = rng.choice(("Mozilla", True, 7, None))
    return found


def segments(rng: Random, vocabulary: Vocabulary) -> list[str] | None:
    """Qualified segments: None (never fetched), none, or some that the datafile asks for."""
    drawn = rng.random()
    if drawn < OFTEN and not vocabulary.segments:
        return None
    if drawn < SOMETIMES:
        return None if rng.random() < OFTEN else []
    wanted = [name for name in vocabulary.segments if rng.random() < OFTEN]
    return wanted if rng.random() < 1 - RARELY else [*wanted, "unheard-of"]


def predictions(rng: Random, vocabulary: Vocabulary) -> dict[str, Prediction | None] | None:
    """An answer for every bandit: mostly one of its variations, else a failure or an unknown id."""
    if not vocabulary.bandits:
        return None
    found: dict[str, Prediction | None] = {}
    for rule_id, variation_ids in vocabulary.bandits.items():
        drawn = rng.random()
        if drawn < RARELY * 2:
            found[rule_id] = None
        else:
            known = variation_ids and drawn < 1 - RARELY
            variation_id = rng.choice(variation_ids) if known else "999"
            found[rule_id] = Prediction(variation_id, f"uuid-{rule_id}")
    return found


def _value(rng: Random, mentioned: list[object]) -> object:
    drawn = rng.random()
    if mentioned and drawn < OFTEN:
        return rng.choice(mentioned)
    if mentioned and drawn < 1 - RARELY:
        return _neighbour(rng, rng.choice(mentioned))
    if drawn < 1 - RARELY / 2:
        return rng.choice(WRONG_KINDS)
    return rng.choice(VERSIONS)


def _neighbour(rng: Random, value: object) -> object:
    """Something near *value*: over or under it, longer or shorter, the same as another kind."""
    if isinstance(value, bool):
        return rng.choice((not value, int(value), str(value).lower()))
    if isinstance(value, int):
        near = (value + 1, value - 1, -value, str(value), value + 0.5 if abs(value) < EDGE else 0)
        return rng.choice((*near, float(value) if abs(value) <= EDGE else value))
    if isinstance(value, float):
        return rng.choice((value + 0.5, value - 0.5, -value, value * 2, str(value)))
    if isinstance(value, str):
        near_text = (f"{value}x", value[:-1], value.upper(), f" {value}", f"x{value}y", value * 2)
        return rng.choice((*near_text, f"{value}.1", f"{value}-beta", f"{value}+1", *VERSIONS[:12]))
    return rng.choice(WRONG_KINDS)


def _forced_decisions(rng: Random, vocabulary: Vocabulary) -> dict[tuple[str, str | None], str]:
    found: dict[tuple[str, str | None], str] = {}
    for flag_key, (rule_keys, variation_keys) in vocabulary.flags.items():
        wanted = rng.choice(variation_keys) if variation_keys else "none"
        if rng.random() < RARELY:
            wanted = "unheard-of"
        if rng.random() < SOMETIMES:
            found[flag_key, None] = wanted
        elif rule_keys and rng.random() < OFTEN:
            found[flag_key, rng.choice(rule_keys)] = wanted
    return found


def _forced_variations(rng: Random, vocabulary: Vocabulary) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, variation_keys in vocabulary.experiments.items():
        if rng.random() < SOMETIMES:
            known = variation_keys and rng.random() < 1 - RARELY
            found[key] = rng.choice(variation_keys) if known else rng.choice(("unheard-of", ""))
    if rng.random() < RARELY:
        found["unheard-of"] = "x"
    return found


def _profile(rng: Random, vocabulary: Vocabulary) -> dict[str, str]:
    found: dict[str, str] = {}
    for rule_id, variation_ids in vocabulary.stored.items():
        if rng.random() < SOMETIMES:
            known = variation_ids and rng.random() < 1 - RARELY
            found[rule_id] = rng.choice(variation_ids) if known else rng.choice(("999", ""))
    if rng.random() < RARELY:
        found["unheard-of"] = "1"
    return found
