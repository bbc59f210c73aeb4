"""``POST /v1/activate``: experiments and flags by their keys, or all of them, for one user.

Source: optimizely/agent 471fdcd, /v1/activate as it answers.
"""

from __future__ import annotations

from bucketer.core.decision import FEATURE_TEST, HOLDOUT

from .call import Refused
from .fields import OBJECT, TEXT
from .go_json import Fields, go_string
from .variables import variables_of, variation_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Reply
    from bucketer.core.decision import Decision, Impression
    from bucketer.core.user import User

    from .call import Call

SHAPE = {"userId": TEXT, "userAttributes": OBJECT}
#: What a user's id may take, told again with each decision.
_MOST_BYTES = 16 * 1024 * 1024
_EXPERIMENT, _FLAG = "experiment", "feature"
_NO_EXPERIMENT, _NO_FLAG = "experimentKey not found", "featureKey not found"


def answer(call: Call) -> Reply:
    """Decide each key once; what is asked for twice counts as what it was last asked for as.

    Raises:
        Refused: 400.
        PredictionNeeded, ProfileNeeded: the shell must fetch that first.
    """
    fields = call.fields_of_user(SHAPE)
    wanted = _wanted(call)
    if len(go_string(fields["userId"])) * len(wanted) > _MOST_BYTES:
        raise Refused(413, f"the userId is too long to be told with {len(wanted)} decisions")
    user = call.user(fields["userId"], fields["userAttributes"])
    activated = _Activated(call, user)
    shown = [activated.one(key, what) for key, what in wanted.items()]
    filtered = call.value("enabled")
    if filtered in {"true", "false"}:
        shown = [each for each in shown if each["enabled"] is (filtered == "true")]
    tracks = call.value("disableTracking") != "true"
    events = call.events(activated.impressions, user) if tracks else ()
    profile = (user.id, activated.profile) if activated.profile is not None else None
    return call.reply(shown, events, profile)


def _wanted(call: Call) -> dict[str, str]:
    """Return key → what it is to be decided as, or why it can't be.

    Raises:
        Refused: 400, neither experiments nor features are asked for.
    """
    flags, experiments = call.edition.ruleset.flags, experiment_keys(call)
    wanted: dict[str, str] = {}
    for kind in call.values("type"):
        if kind == _EXPERIMENT:
            wanted.update(dict.fromkeys(experiments, _EXPERIMENT))
        elif kind == _FLAG:
            wanted.update(dict.fromkeys(flags, _FLAG))
        else:
            raise Refused(400, f'type "{kind}" not supported')
    for key in call.values("experimentKey"):
        wanted[key] = _EXPERIMENT if key in experiments else _NO_EXPERIMENT
    for key in call.values("featureKey"):
        wanted[key] = _FLAG if key in flags else _NO_FLAG
    return wanted


def experiment_keys(call: Call) -> dict[str, None]:
    """Return the keys of all experiments, without the rules that only deliver a flag."""
    found: dict[str, None] | None = call.api.kept.get("experiments")
    if found is None:
        ruleset = call.edition.ruleset
        deliveries = {rule.id for flag in ruleset.flags.values() for rule in flag.rollout}
        deliveries.update(ruleset.idle_deliveries)
        all_of_them = ruleset.experiments.items()
        found = {key: None for key, each in all_of_them if each.id not in deliveries}
        call.api.kept["experiments"] = found
    return found


class _Activated:
    """Decides for one user, one key after the other.

    Attributes:
        impressions: what the decisions call for.
        profile: the whole of the user's, to be saved; None where nothing is new.
    """

    def __init__(self, call: Call, user: User) -> None:
        self.impressions: list[Impression] = []
        self.profile: dict[str, str] | None = None
        self._call, self._user = call, user

    def one(self, key: str, what: str) -> Fields:
        """Return what is shown of one decision.

        Raises:
            Refused: 400, a variable of the flag has a value that is none.
        """
        shown = Fields(
            userId=self._user.id, experimentKey="", featureKey="", variationKey="", type=""
        )
        if what in {_NO_EXPERIMENT, _NO_FLAG}:
            shown["experimentKey" if what == _NO_EXPERIMENT else "featureKey"] = key
            shown["enabled"], shown["error"] = False, what
        elif what == _EXPERIMENT:
            self._experiment(shown, key)
        else:
            self._flag(shown, key)
        return shown

    def _experiment(self, shown: Fields, key: str) -> None:
        call = self._call
        decision = call.api.engine.activate(call.edition.ruleset, key, self._user, None)
        self._take(decision)
        if call.topic:
            from .notices import experiment_notice

            call.notices += experiment_notice(call.topic, key, decision, self._user)
        shown["experimentKey"], shown["type"] = key, _EXPERIMENT
        shown["variationKey"] = decision.variation_key or ""
        shown["enabled"] = bool(decision.variation_key)

    def _flag(self, shown: Fields, key: str) -> None:
        call, ruleset = self._call, self._call.edition.ruleset
        decision = call.api.engine.decide(ruleset, key, self._user, frozenset(), None)
        if decision.variation_key is None:
            decision = decision.but(impressions=())  # whatever the datafile says of flags
        self._take(decision)
        if decision.source in {FEATURE_TEST, HOLDOUT} and decision.variation_key is not None:
            shown["experimentKey"] = decision.rule_key or ""
            shown["variationKey"] = decision.variation_key
        shown["featureKey"], shown["type"] = key, _FLAG
        values = self._variables(decision, key)
        if values:
            shown["variables"] = values
        shown["enabled"] = decision.enabled
        if call.topic:
            from .notices import feature_notice

            flag = ruleset.flags[key]
            call.notices += feature_notice(call.topic, flag, decision, self._user, values)

    def _variables(self, decision: Decision, key: str) -> dict[str, object]:
        """Return the flag's variables. They are rendered last: what has no JSON may be left out."""
        flag = self._call.edition.ruleset.flags[key]
        variation = variation_of(flag, decision.rule_key, decision.variation_key)
        values, wrong = variables_of(flag, variation, enabled=decision.enabled)
        if wrong:
            told = "".join(f"\n\t* {error}" for _, error in wrong)
            count = f"{len(wrong)} error{'' if len(wrong) == 1 else 's'}"
            raise Refused(400, f"{count} occurred:{told}\n\n")
        return values

    def _take(self, decision: Decision) -> None:
        self.impressions += decision.impressions
        if decision.bucketed is not None:  # a later flag may use the same experiment
            self.profile = {**(self._user.profile or {}), **dict([decision.bucketed])}
            self._user = self._user.knowing(profile=self.profile)
