"""The rows of the table: what is asked, how each side answers it, and that they answer the same.

Every loop is written out, so that nothing but the call is timed. Ours makes the `User`, as a
request does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.engine import projects, rival
from benchmarks.engine.timing import Asked, Contest, Loop
from optimizely.decision.optimizely_decide_option import OptimizelyDecideOption
from optimizely.event import user_event_factory

from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide, decide_all, get_variation
from bucketer.core.decision import Decision
from bucketer.core.events import Event, batch_of, envelope_of, payload, visitor_json
from bucketer.core.parse import parse_datafile
from bucketer.core.ruleset import Ruleset
from bucketer.core.user import User
from bucketer.runtime.ids import new_uuid

_QUIETLY = [OptimizelyDecideOption.DISABLE_DECISION_EVENT]
_VISITORS = 240
_KEYS = 4
#: Of every payload, not the same for the two sides.
_OWN = {"uuid": "", "timestamp": 0}


def contests(raw: bytes) -> list[Contest]:
    """All rows, over one datafile."""
    ruleset = compile_datafile(parse_datafile(raw))
    envelope_of(ruleset, "python-sdk", "5.7.0")  # the SDK's own name: the payloads compare
    text = raw.decode()
    client, silenced = rival.client(text), rival.client(text, log_level=100)
    renderer = rival.Renderer()
    rendering = rival.client(text, renderer)
    none, one, both, either = (_flags(ruleset, audiences) for audiences in range(4))
    two = [*both[: _KEYS // 2], *either[: _KEYS // 2]]
    return [
        _get_variation("get_variation, no audience", None, ruleset, client, none),
        _get_variation("get_variation, 1 audience", 50, ruleset, client, one),
        _get_variation("get_variation, 2 audiences", 50, ruleset, client, two),
        _get_variation("  the SDK's log switched off", None, ruleset, silenced, two),
        _activate("activate, with its event", None, ruleset, client, two),
        _activate_and_send("activate, with its payload", None, ruleset, rendering, renderer, two),
        _decide("decide, no audience", 50, ruleset, client, none),
        _decide("decide, 2 audiences", 50, ruleset, client, two),
        _decide_all("decide all 200 flags", 40, ruleset, client),
        _payload("impression payload", 10, ruleset, client, two),
    ]


def _flags(ruleset: Ruleset, audiences: int) -> list[str]:
    """Keys of flags with that entry of AUDIENCES_OF_FLAG and no exclusion group."""
    step = len(projects.AUDIENCES_OF_FLAG)
    keys = [f"flag_{index}" for index in range(audiences, 20 * step, step)]
    alone = [key for key in keys if ruleset.experiments[f"{key}_experiment_0"].group is None]
    return alone[:_KEYS]


def _asked(keys: Sequence[str]) -> list[Asked]:
    visitors = projects.visitors(_VISITORS)
    return [(keys[index % len(keys)], *visitor) for index, visitor in enumerate(visitors)]


def _experiments(flags: Sequence[str]) -> list[Asked]:
    return _asked([f"{key}_experiment_0" for key in flags])


def _get_variation(
    name: str, goal: float | None, ruleset: Ruleset, client: Any, flags: Sequence[str]
) -> Contest:
    def ours(asked: Sequence[Asked]) -> None:
        for key, id_, attributes in asked:
            get_variation(ruleset, key, User(id_, attributes))

    def theirs(asked: Sequence[Asked]) -> None:
        for key, id_, attributes in asked:
            client.get_variation(key, id_, attributes)

    def answers(question: Asked) -> tuple[object, object]:
        key, id_, attributes = question
        decision = get_variation(ruleset, key, User(id_, attributes))
        return decision.variation_key, client.get_variation(key, id_, attributes)

    return Contest(name, goal, _experiments(flags), ours, theirs, answers)


def _activate(
    name: str, goal: float | None, ruleset: Ruleset, client: Any, flags: Sequence[str]
) -> Contest:
    """Decide, and make the event that is handed to a processor; nothing is rendered."""

    def ours(asked: Sequence[Asked]) -> None:
        for key, id_, attributes in asked:
            user = User(id_, attributes)
            for each in activate(ruleset, key, user).impressions:
                Event(each, user, ruleset, int(time.time() * 1000), new_uuid())

    def theirs(asked: Sequence[Asked]) -> None:
        for key, id_, attributes in asked:
            client.activate(key, id_, attributes)

    def answers(question: Asked) -> tuple[object, object]:
        key, id_, attributes = question
        decision = activate(ruleset, key, User(id_, attributes))
        return decision.variation_key, client.activate(key, id_, attributes)

    return Contest(name, goal, _experiments(flags), ours, theirs, answers)


def _activate_and_send(
    name: str,
    goal: float | None,
    ruleset: Ruleset,
    client: Any,
    renderer: rival.Renderer,
    flags: Sequence[str],
) -> Contest:
    """Decide, and make the bytes of the POST for each event."""

    def ours(asked: Sequence[Asked]) -> None:
        for key, id_, attributes in asked:
            user = User(id_, attributes)
            for each in activate(ruleset, key, user).impressions:
                event = Event(each, user, ruleset, int(time.time() * 1000), new_uuid())
                payload(batch_of(event), [visitor_json(event)])

    def theirs(asked: Sequence[Asked]) -> None:
        for key, id_, attributes in asked:
            if client.activate(key, id_, attributes) is not None:
                json.dumps(renderer.params)

    def answers(question: Asked) -> tuple[object, object]:
        key, id_, attributes = question
        renderer.params = {}
        client.activate(key, id_, attributes)
        user = User(id_, attributes)
        impressions = activate(ruleset, key, user).impressions
        sent = [_sent(Event(each, user, ruleset, 0, "")) for each in impressions]
        return sent, [_comparable(json.dumps(renderer.params))] if renderer.params else []

    return Contest(name, goal, _experiments(flags), ours, theirs, answers)


def _decide(
    name: str, goal: float | None, ruleset: Ruleset, client: Any, flags: Sequence[str]
) -> Contest:
    def ours(asked: Sequence[Asked]) -> None:
        for key, id_, attributes in asked:
            decide(ruleset, key, User(id_, attributes))

    def answers(question: Asked) -> tuple[object, object]:
        key, id_, attributes = question
        theirs = client.create_user_context(id_, attributes).decide(key, _QUIETLY)
        return _ours(decide(ruleset, key, User(id_, attributes))), _theirs(theirs)

    return Contest(name, goal, _asked(flags), ours, sdk_decides(client), answers)


def sdk_decides(client: Any) -> Loop:
    """The SDK's loop of `decide` without an event."""

    def theirs(asked: Sequence[Asked]) -> None:
        for key, id_, attributes in asked:
            client.create_user_context(id_, attributes).decide(key, _QUIETLY)

    return theirs


def we_decide(ruleset: Ruleset) -> Loop:
    """Our loop of `decide`; events are the caller's business, so none is made."""

    def ours(asked: Sequence[Asked]) -> None:
        for key, id_, attributes in asked:
            decide(ruleset, key, User(id_, attributes))

    return ours


def _decide_all(name: str, goal: float | None, ruleset: Ruleset, client: Any) -> Contest:
    def ours(asked: Sequence[Asked]) -> None:
        for _, id_, attributes in asked:
            decide_all(ruleset, User(id_, attributes))

    def theirs(asked: Sequence[Asked]) -> None:
        for _, id_, attributes in asked:
            client.create_user_context(id_, attributes).decide_all(_QUIETLY)

    def answers(question: Asked) -> tuple[object, object]:
        _, id_, attributes = question
        ours = decide_all(ruleset, User(id_, attributes))
        theirs = client.create_user_context(id_, attributes).decide_all(_QUIETLY)
        return (
            {key: _ours(each) for key, each in ours.items()},
            {key: _theirs(each) for key, each in theirs.items()},
        )

    return Contest(name, goal, _asked(["all"])[:4], ours, theirs, answers)


def _payload(
    name: str, goal: float | None, ruleset: Ruleset, client: Any, flags: Sequence[str]
) -> Contest:
    """From the decision that is there already to the bytes of the POST."""
    make_event = user_event_factory.UserEventFactory.create_impression_event
    make_request = rival.EventFactory.create_log_event
    config = client.config_manager.get_config()
    asked = [
        question for question in _experiments(flags) if client.get_variation(*question) is not None
    ]
    decided = {
        key: (
            activate(ruleset, key, User(id_, attributes)).impressions[0],
            config.get_experiment_from_key(key),
        )
        for key, id_, attributes in asked
    }

    def ours(asked: Sequence[Asked]) -> None:
        for key, id_, attributes in asked:
            impression, _ = decided[key]
            event = Event(
                impression, User(id_, attributes), ruleset, int(time.time() * 1000), new_uuid()
            )
            payload(batch_of(event), [visitor_json(event)])

    def theirs(asked: Sequence[Asked]) -> None:
        for key, id_, attributes in asked:
            impression, experiment = decided[key]
            event = make_event(
                config,
                experiment,
                impression.variation_id,
                impression.flag_key,
                impression.rule_key,
                impression.rule_type,
                impression.enabled,
                id_,
                attributes,
                None,
            )
            json.dumps(make_request(event, None).params)

    def answers(question: Asked) -> tuple[object, object]:
        key, id_, attributes = question
        impression, experiment = decided[key]
        event = make_event(
            config,
            experiment,
            impression.variation_id,
            impression.flag_key,
            impression.rule_key,
            impression.rule_type,
            impression.enabled,
            id_,
            attributes,
            None,
        )
        our_event = Event(impression, User(id_, attributes), ruleset, 0, "")
        return _sent(our_event), _comparable(json.dumps(make_request(event, None).params))

    return Contest(name, goal, asked, ours, theirs, answers)


def _sent(event: Event) -> object:
    return _comparable(payload(batch_of(event), [visitor_json(event)]))


def _comparable(text: str | bytes) -> object:
    """A payload without what differs between any two: its events' ids and times."""

    def without(pairs: list[tuple[str, object]]) -> dict[str, object]:
        return {key: _OWN.get(key, value) for key, value in pairs}

    return json.loads(text, object_pairs_hook=without)


def _ours(decision: Decision) -> tuple[object, ...]:
    return (
        decision.variation_key,
        decision.enabled,
        dict(decision.variables),
        decision.rule_key,
        decision.flag_key,
    )


def _theirs(decision: Any) -> tuple[object, ...]:
    return (
        decision.variation_key,
        decision.enabled,
        decision.variables,
        decision.rule_key,
        decision.flag_key,
    )
