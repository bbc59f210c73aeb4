"""``POST /v1/decide``: one flag, several, or all, for one user.

Source: optimizely/agent 471fdcd, /v1/decide as it answers.
"""

from __future__ import annotations

from bucketer.api.http import LATER
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.decide import (
    DISABLE_DECISION_EVENT,
    ENABLED_FLAGS_ONLY,
    IGNORE_USER_PROFILE_SERVICE,
    INCLUDE_REASONS,
    OPTIONS,
)
from bucketer.core.errors import InvalidRequest

from .call import Refused
from .fields import FLAG, OBJECT, OBJECTS, TEXT, TEXTS, Unreadable, objects
from .go_json import Raw, go_json
from .spelling import Spelling, unknown_flag, user_context, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bucketer.api.http import Reply
    from bucketer.core.decision import Decision, Impression
    from bucketer.core.reasons import Reason
    from bucketer.core.user import User

    from .call import Call

SHAPE = {
    "userId": TEXT,
    "userAttributes": OBJECT,
    "decideOptions": TEXTS,
    "forcedDecisions": OBJECTS,
    "fetchSegments": FLAG,
    "fetchSegmentsOptions": TEXTS,
}
_FORCED = {"flagKey": TEXT, "ruleKey": TEXT, "variationKey": TEXT}
#: What a user may take, told again with the decision of each flag; and what reasons may.
_MOST_BYTES = 16 * 1024 * 1024
_BAD_BODY = "error parsing request body"


def answer(call: Call) -> Reply:
    """Decide: no `keys` are all flags, one key gives an object, several a list.

    With `track=later`, which is ours, each has a token (`exposure`) in the place of its event.

    Raises:
        Refused: 400, or 500 where segments are wanted and can't be had.
        PredictionNeeded, ProfileNeeded: the shell must fetch that first.
    """
    fields = call.fields_of_user(SHAPE)
    options = frozenset(fields["decideOptions"])
    forced = _forced(fields["forcedDecisions"])
    for option in fields["decideOptions"]:
        if option not in OPTIONS:
            raise Refused(400, f"invalid option: {option}")
    segments = None
    if fields["fetchSegments"]:
        segments = call.segments(fields["userId"], fields["fetchSegmentsOptions"])
    user = call.user(
        fields["userId"],
        fields["userAttributes"],
        segments=segments,
        forced_decisions=forced,
        with_profile=IGNORE_USER_PROFILE_SERVICE not in options,
    )
    keys = call.form_values("keys")
    later = call.value("track").lower() == LATER
    decided = _Decided(call, user, options, later=later)
    shown = decided.all(keys or call.edition.ruleset.flag_order, one=len(keys) == 1)
    events = call.events(decided.impressions, user)
    profile = (user.id, decided.profile) if decided.profile is not None else None
    return call.reply(shown[0] if len(keys) == 1 else shown, events, profile)


def _forced(given: list[object]) -> dict[tuple[str, str | None], str] | None:
    """Return the forced decisions by flag and rule, of which the last of two wins."""
    if not given:
        return None
    try:
        read = objects(given, _FORCED)
    except Unreadable:
        raise Refused(400, _BAD_BODY) from None
    return {(each["flagKey"], each["ruleKey"] or None): each["variationKey"] for each in read}


class _Decided:
    """Decides flags for one user, one after the other.

    Attributes:
        impressions: what the decisions call for.
        profile: the whole of the user's, to be saved; None where nothing is new.
    """

    def __init__(self, call: Call, user: User, options: frozenset[str], *, later: bool) -> None:
        self._later = later
        if later:
            options -= {DISABLE_DECISION_EVENT}  # what is left out is what the token holds
        self.impressions: list[Impression] = []
        self.profile: dict[str, str] | None = None
        self._call, self._user, self._options = call, user, options
        self._forced = user.forced_decisions
        api = call.api
        self._spelling: Spelling = api.kept.get("decide") or api.kept.setdefault(
            "decide", Spelling(api.options.answers_bytes)
        )
        self._room = _MOST_BYTES
        self._shown_user = user_context(user.id, dict(user.attributes))

    def all(self, keys: Iterable[str], *, one: bool) -> list[Raw]:
        """Decide each of *keys* once, in their order; return what is shown of it.

        Raises:
            Refused: 413, the user's attributes are too long to be told with each.
        """
        only_enabled = ENABLED_FLAGS_ONLY in self._options and not one
        shown = []
        once = dict.fromkeys(keys)
        if len(self._shown_user) * len(once) > _MOST_BYTES:
            raise Refused(413, f"the user is too long to be told with {len(once)} decisions")
        for key in once:
            text = self._one(key, only_enabled=only_enabled)
            if text is not None:
                shown.append(text)
        return shown

    def _one(self, key: str, *, only_enabled: bool) -> Raw | None:
        """Return what is shown of a flag's decision: nothing of one that is off, if so wanted."""
        ruleset, options = self._call.edition.ruleset, self._options
        flag = ruleset.flags.get(key)
        if flag is None:
            return None if only_enabled else whole(unknown_flag(key), self._shown_user, [])
        trace: list[Reason] | None = [] if INCLUDE_REASONS in options else None
        decision = self._decide(key, trace)
        token = None
        if self._later:
            token = self._token_of(decision)
            decision = decision.but(impressions=())
        self.impressions += decision.impressions
        if decision.bucketed is not None:  # a later flag may use the same experiment
            self.profile = {**(self._user.profile or {}), **dict([decision.bucketed])}
            self._user = self._user.knowing(profile=self.profile)
        with_variables = "EXCLUDE_VARIABLES" not in options
        at = (key, decision.rule_key)
        forced = self._forced is not None and self._forced.get(at) == decision.variation_key
        reasons: list[str] = []
        if decision.error is not None:
            from .reasons import why_no_prediction

            reasons = why_no_prediction(self._call, flag, self._user)
        elif trace is not None:
            from .reasons import sentences

            reasons = self._within_room(sentences(trace, ruleset, flag, self._user))
        if self._call.topic:
            from .notices import flag_notice

            values: dict[str, object] | None = None if with_variables else {}
            self._call.notices += flag_notice(
                self._call.topic, flag, decision, self._user, reasons, values, forced=forced
            )
        if only_enabled and not decision.enabled:  # whose variables no JSON may have a word for
            return None
        spelled = self._spelling.of(decision, flag, with_variables=with_variables, forced=forced)
        shown = whole(spelled, self._shown_user, reasons)
        if self._later:
            shown = Raw(f'{shown[:-1]},"exposure":{go_json(token)}}}')
        return shown

    def _token_of(self, decision: Decision) -> str | None:
        """Return the token that exposes what was decided.

        Raises:
            Refused: 400, none is given here; 413, it would be too long.
        """
        from bucketer.api.exposure import token_of
        from bucketer.api.problems import ExposureTooLarge, status_of

        call = self._call
        try:
            events = call.events(decision.impressions, self._user)
            return token_of(events, call.api.options, call.now)
        except (InvalidRequest, ExposureTooLarge) as error:
            raise Refused(status_of(error), str(error)) from None

    def _within_room(self, sentences: Iterator[str]) -> list[str]:
        """Take *sentences*, each of which may name the user, as long as they are not too many.

        Raises:
            Refused: 413.
        """
        taken = []
        for sentence in sentences:
            self._room -= len(sentence)
            if self._room < 0:
                raise Refused(413, "the user is too long to be told with all reasons")
            taken.append(sentence)
        return taken

    def _decide(self, key: str, trace: list[Reason] | None) -> Decision:
        """Decide a flag.

        Raises:
            PredictionNeeded: with the options that concern its cache.
        """
        call, options = self._call, self._options
        try:
            return call.api.engine.decide(call.edition.ruleset, key, self._user, options, trace)
        except PredictionNeeded as needed:
            needed.options = options
            raise
