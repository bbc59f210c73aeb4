"""Small datafiles for the traps, and one way to put a question to both engines at once."""

from __future__ import annotations

import json
from ast import literal_eval
from typing import Any

from bucketer.core.compile import compile_datafile
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User
from bucketer.reference.sdk import OfficialSdk
from bucketer.verify.calls import Call, Seen, ask_core, ask_sdk

from .mended import raising_is_unknown

USER = User("somebody")
ALL = 10_000


def variation(variation_id: str, key: str | None = None, **more: Any) -> dict[str, Any]:
    """A variation that turns its flag on, called by its id unless *key* says otherwise."""
    return {"id": variation_id, "key": key or variation_id, "featureEnabled": True, **more}


def rule(rule_id: str, *variations: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A running rule for everybody; its one variation is `V` and the rule's id, unless given."""
    variations = variations or (variation(f"7{rule_id}", f"V{rule_id}"),)
    ends = [ALL * (index + 1) // len(variations) for index in range(len(variations))]
    whole = {
        "id": rule_id, "key": f"rule_{rule_id}", "status": "Running", "layerId": f"9{rule_id}",
        "audienceIds": [], "forcedVariations": {}, "variations": list(variations),
        "trafficAllocation": [
            {"entityId": each["id"], "endOfRange": end}
            for each, end in zip(variations, ends, strict=True)
        ],
    }  # fmt: skip
    return {**whole, **more}


NOBODY: list[Any] = []


def flag(*experiment_ids: str, rollout: str = "", variables: Any = (), key: str = "flag") -> Any:
    """A flag over experiments and perhaps a rollout."""
    return {
        "id": "5", "key": key, "experimentIds": list(experiment_ids), "rolloutId": rollout,
        "variables": list(variables),
    }  # fmt: skip


def rollout(*rules: dict[str, Any], rollout_id: str = "r") -> dict[str, Any]:
    """A rollout."""
    return {"id": rollout_id, "experiments": list(rules)}


def holdout(holdout_id: str, *variations: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A holdout of everybody."""
    held = rule(holdout_id, *(variations or (variation("off_id", "off", featureEnabled=False),)))
    held.update(key=f"holdout_{holdout_id}", **more)
    del held["forcedVariations"]
    return held


def audience(conditions: Any, audience_id: str = "a") -> dict[str, Any]:
    """A typed audience."""
    return {"id": audience_id, "name": audience_id, "conditions": conditions}


def leaf(match: str | None = "exact", value: Any = "x", **more: Any) -> dict[str, Any]:
    """A condition on the attribute `n`."""
    whole = {"type": "custom_attribute", "name": "n", "value": value, "match": match, **more}
    return {name: each for name, each in whole.items() if each != "left out"}


def datafile(*experiments: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """A whole datafile; flags that send for every decision."""
    return {
        "version": "4", "revision": "1", "accountId": "1", "projectId": "1", "groups": [],
        "events": [], "attributes": [], "audiences": [], "experiments": list(experiments),
        "sendFlagDecisions": True, **sections,
    }  # fmt: skip


class Scene:
    """Both engines over one datafile."""

    def __init__(self, document: dict[str, Any]) -> None:
        text = json.dumps(document)
        self.ruleset = compile_datafile(parse_datafile(text))
        self.sdk = OfficialSdk(text)

    def ask(self, name: str, *arguments: Any, user: User = USER, raises: bool = False) -> Seen:
        """The answer that both give; *raises* says that the SDK raises and answers when mended."""
        call = Call(name, arguments)
        ours = ask_core(call, self.ruleset, user)
        for use in ("second", "third"):  # a rule is judged first, then written, then used
            assert ours == ask_core(call, self.ruleset, user), f"another answer at its {use} use"
        try:
            theirs, raised = ask_sdk(call, self.sdk, user), False
        except (IndexError, TypeError, ValueError):
            raised = True
            with raising_is_unknown():
                theirs = ask_sdk(call, self.sdk, user)
        assert theirs == ours
        assert raises is raised
        return ours

    def variation(self, key: str, user: User = USER, *, raises: bool = False) -> Any:
        """What both answer to `activate`."""
        return literal_eval(self.ask("activate", key, user=user, raises=raises).value)

    def decide(self, user: User = USER, *options: str, key: str = "flag") -> Any:
        """What both answer to `decide`: variation key, enabled, variables, rule key, failed."""
        return literal_eval(self.ask("decide", key, options, user=user).value)

    def judge(self, user: User, *, raises: bool = False) -> bool | None:
        """What both say of audience `a`, for a scene made by `judging`; None is UNKNOWN."""
        wants = self.variation("rule_1", user, raises=raises) is not None
        spurns = self.variation("rule_2", user, raises=raises) is not None
        return None if wants is spurns else wants


def judging(conditions: Any, **sections: Any) -> Scene:
    """A scene that tells True, False and UNKNOWN of one audience apart."""
    return Scene(
        datafile(
            rule("1", audienceIds=["a"]),
            rule("2", audienceConditions=["not", "a"]),
            **{"typedAudiences": [audience(conditions)], **sections},
        )
    )
