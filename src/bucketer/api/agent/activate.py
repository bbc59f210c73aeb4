"""``POST /v1/activate``: experiments and flags by their keys, or all of them, for one user.

Source: optimizely/agent 471fdcd, /v1/activate as it answers.
"""

from __future__ import annotations

from bucketer.core.decide import NO_OPTIONS
from bucketer.core.decision import FEATURE_TEST, HOLDOUT
from bucketer.core.experiments import with_prediction

from .call import Refused
from .fields import OBJECT, TEXT, Shape
from .go_json import Fields, NoJson, go_json, go_string
from .spelling import spelling_of
from .variables import variables_of, variation_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Reply
    from bucketer.core.decision import Decision, Impression
    from bucketer.core.user import User

    from .call import Call

SHAPE = Shape(userId=TEXT, userAttributes=OBJECT)
#: What a user's id may take, told again with each decision.
_MOST_BYTES = 16 * 1024 * 1024
_EXPERIMENT, _FLAG = "experiment", "feature"
#: What `enabled` may ask for.
_ONLY = {"true": True, "false": False}
_NO_EXPERIMENT, _NO_FLAG = "experimentKey not found", "featureKey not found"


def answer(call: Call) -> Reply:
    """Decide each key once; what is asked for twice counts as what it was last asked for as.

    Raises:
        Refused: 400.
        NoJson: a variable is none.
        PredictionNeeded, ProfileNeeded: the shell must fetch that first.
    """
    fields = call.fields_of_user(SHAPE)
    wanted = _wanted(call)
    if len(go_string(fields["userId"])) * len(wanted) > _MOST_BYTES:
        raise Refused(413, f"the userId is too long to be told with {len(wanted)} decisions")
    user = call.user(fields["userId"], fields["userAttributes"])
    activated = _Activated(call, user, only=_ONLY.get(call.value("enabled")))
    tails = [activated.one(key, what) for key, what in wanted.items()]
    if activated.no_json is not None:
        raise activated.no_json
    head = f'{{"userId":{go_string(user.id)},'
    shown = f"[{','.join([head + tail for tail in tails if tail is not None])}]"
    tracks = call.value("disableTracking") != "true"
    events = call.events(activated.impressions, user) if tracks else ()
    profile = (user.id, activated.profile) if activated.profile is not None else None
    return call.reply_text(shown, events, profile)


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
        no_json: the first thing to be shown that JSON has no word for; None if there is none.
    """

    def __init__(self, call: Call, user: User, *, only: bool | None) -> None:
        """Show those that are on, or off, if *only* one of these is asked for."""
        self.impressions: list[Impression] = []
        self.profile: dict[str, str] | None = None
        self.no_json: NoJson | None = None
        self._call, self._user, self._only = call, user, only
        self._spelling = spelling_of(call.api)

    def one(self, key: str, what: str) -> str | None:
        """Return what is shown of one decision behind the user, if it is one to be shown.

        Raises:
            Refused: 400, a variable of the flag has a value that is none.
        """
        if what == _EXPERIMENT:
            return self._experiment(key)
        if what == _FLAG:
            return self._flag(key)
        shown = _nothing_shown("")
        shown["experimentKey" if what == _NO_EXPERIMENT else "featureKey"] = key
        shown["enabled"], shown["error"] = False, what
        return None if self._only is True else go_json(shown)[1:]

    def _experiment(self, key: str) -> str | None:
        call = self._call
        ruleset = call.edition.ruleset
        decision = call.api.engine.activate(ruleset, key, self._user, None)
        experiment = ruleset.experiments[key]
        if experiment.cmab is not None:  # the SDK for Python sends no bandit's id from here
            decision = with_prediction(decision, experiment, self._user)
        self._take(decision)
        if call.topic:
            from .notices import experiment_notice

            call.notices += experiment_notice(call.topic, ruleset, key, decision, self._user)
        enabled = bool(decision.variation_key)
        if self._only not in (None, enabled):
            return None
        tail = self._spelling.activated.get(decision.base)
        if tail is None:
            shown = _nothing_shown(_EXPERIMENT)
            shown["experimentKey"], shown["variationKey"] = key, decision.variation_key or ""
            shown["enabled"] = enabled
            tail = self._spelling.activate(decision, shown)
        return tail

    def _flag(self, key: str) -> str | None:
        call, ruleset = self._call, self._call.edition.ruleset
        decision = call.api.engine.decide(ruleset, key, self._user, NO_OPTIONS, None)
        if decision.variation_key is None:
            decision = decision.but(impressions=())  # whatever the datafile says of flags
        self._take(decision)
        if call.topic:
            from .notices import feature_notice

            flag, values = ruleset.flags[key], self._variables(decision, key)
            call.notices += feature_notice(call.topic, flag, decision, self._user, values)
        tail = self._spelling.activated.get(decision.base)
        if tail is not None:
            return tail if self._only in (None, decision.enabled) else None
        shown = self._shown_of_flag(decision, key)
        if self._only not in (None, decision.enabled):
            return None  # what has no JSON may be left out
        try:
            return self._spelling.activate(decision, shown)
        except NoJson as error:  # what is refused for a later key comes first
            self.no_json = self.no_json or error
            return None

    def _shown_of_flag(self, decision: Decision, key: str) -> Fields:
        shown = _nothing_shown(_FLAG)
        if decision.source in {FEATURE_TEST, HOLDOUT} and decision.variation_key is not None:
            shown["experimentKey"] = decision.rule_key or ""
            shown["variationKey"] = decision.variation_key
        shown["featureKey"] = key
        values = self._variables(decision, key)
        if values:
            shown["variables"] = values
        shown["enabled"] = decision.enabled
        return shown

    def _variables(self, decision: Decision, key: str) -> dict[str, object]:
        """Return the flag's variables.

        Raises:
            Refused: 400, one of them has a value that is none.
        """
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


def _nothing_shown(kind: str) -> Fields:
    """Return what each decision tells, in its order; `enabled` comes last."""
    return Fields(experimentKey="", featureKey="", variationKey="", type=kind)
