"""``POST /v1/decide``: one flag, several, or all, for one user.

Source: optimizely/agent 471fdcd, /v1/decide as it answers.
"""

from __future__ import annotations

from bucketer.api.http import LATER
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.decide import (
    DISABLE_DECISION_EVENT,
    ENABLED_FLAGS_ONLY,
    EXCLUDE_VARIABLES,
    IGNORE_USER_PROFILE_SERVICE,
    INCLUDE_REASONS,
    NO_OPTIONS,
    OPTIONS,
)
from bucketer.core.errors import InvalidRequest

from .call import Refused
from .fields import FLAG, OBJECT, OBJECTS, TEXT, TEXTS, Shape, Unreadable, objects
from .go_json import go_json
from .spelling import spelling_of, unknown_flag, user_context, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bucketer.api.http import Reply
    from bucketer.core.decision import Decision, Impression
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Flag
    from bucketer.core.user import User

    from .call import Call

SHAPE = Shape(
    userId=TEXT,
    userAttributes=OBJECT,
    decideOptions=TEXTS,
    forcedDecisions=OBJECTS,
    fetchSegments=FLAG,
    fetchSegmentsOptions=TEXTS,
)
_FORCED = Shape(flagKey=TEXT, ruleKey=TEXT, variationKey=TEXT)
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
    given = fields["forcedDecisions"]
    forced = _forced(given) if given else None
    if not options <= OPTIONS:
        unknown = next(each for each in fields["decideOptions"] if each not in OPTIONS)
        raise Refused(400, f"invalid option: {unknown}")
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
    is_one = len(keys) == 1
    later = "track" in call.query() and call.value("track").lower() == LATER
    decided = _Decided(call, user, options, later=later)
    shown = decided.all(keys or call.edition.ruleset.flag_order, one=is_one)
    text = shown[0] if is_one else f"[{','.join(shown)}]"
    silent = later or DISABLE_DECISION_EVENT in options
    events = () if silent else call.events(decided.impressions, user)
    profile = (user.id, decided.profile) if decided.profile is not None else None
    return call.reply_text(text, events, profile)


def _forced(given: list[object]) -> dict[tuple[str, str | None], str]:
    """Return the forced decisions by flag and rule, of which the last of two wins."""
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
        self.impressions: list[Impression] = []
        self.profile: dict[str, str] | None = None
        self._call, self._user, self._options, self._later = call, user, options, later
        self._decide, self._ruleset = call.api.engine.decide, call.edition.ruleset
        self._spelling = spelling_of(call.api)
        self._with_variables = EXCLUDE_VARIABLES not in options
        self._topic = call.topic
        self._room = _MOST_BYTES
        self._shown_user = user_context(user.id, user.attributes)

    def all(self, keys: Iterable[str], *, one: bool) -> list[str]:
        """Decide each of *keys* once, in their order; return what is shown of it.

        Raises:
            Refused: 413, the user's attributes are too long to be told with each.
            PredictionNeeded: with the options that concern its cache.
        """
        once = dict.fromkeys(keys)
        if len(self._shown_user) * len(once) > _MOST_BYTES:
            raise Refused(413, f"the user is too long to be told with {len(once)} decisions")
        only_enabled = ENABLED_FLAGS_ONLY in self._options and not one
        tells_more = self._later or self._topic or INCLUDE_REASONS in self._options
        try:
            if tells_more or self._user.known is not None:
                texts = [self._in_full(key, only_enabled=only_enabled) for key in once]
                return [text for text in texts if text is not None]
            return self._shortly(once, only_enabled=only_enabled)
        except PredictionNeeded as needed:
            needed.options = self._options
            raise

    def _shortly(self, keys: Iterable[str], *, only_enabled: bool) -> list[str]:
        """Decide *keys* for a user of whom id and attributes are known, with nothing to explain.

        All in one loop, as there may be hundreds.
        """
        ruleset, user, decide, spelling = self._ruleset, self._user, self._decide, self._spelling
        flags, with_variables = ruleset.flags, self._with_variables
        kept = spelling.whole if with_variables else spelling.without_variables
        told = f'{self._shown_user},"reasons":[]'
        texts = []
        for key in keys:
            flag = flags.get(key)
            if flag is None:
                if not only_enabled:
                    texts.append(whole(unknown_flag(key), self._shown_user, []))
                continue
            decision = decide(ruleset, key, user, NO_OPTIONS, None)
            self.impressions += decision.impressions
            if only_enabled and not decision.enabled:  # its variables may have no word in JSON
                continue
            spelled = kept.get(decision.base)
            if spelled is None:
                spelled = spelling.of(decision, flag, with_variables=with_variables)
            head, tail, always = spelled
            texts.append(whole(spelled, self._shown_user, []) if always else f"{head}{told}{tail}")
        return texts

    def _in_full(self, key: str, *, only_enabled: bool) -> str | None:
        """Decide *key* for any user, explain it, and tell those who listen.

        Returns:
            what is shown of it; None for a flag that is off, with *only_enabled*.
        """
        ruleset = self._ruleset
        flag = ruleset.flags.get(key)
        if flag is None:
            return None if only_enabled else whole(unknown_flag(key), self._shown_user, [])
        trace: list[Reason] | None = [] if INCLUDE_REASONS in self._options else None
        decision = self._decide(ruleset, key, self._user, NO_OPTIONS, trace)
        token = self._token_of(decision) if self._later else None
        self.impressions += decision.impressions
        if decision.bucketed is not None:  # a later flag may use the same experiment
            self.profile = {**(self._user.profile or {}), **dict([decision.bucketed])}
            self._user = self._user.knowing(profile=self.profile)
        reasons: list[str] = []
        if decision.error is not None:
            from .reasons import why_no_prediction

            reasons = why_no_prediction(self._call, flag, self._user)
        elif trace is not None:
            from .reasons import sentences

            reasons = self._within_room(sentences(trace, ruleset, flag, self._user))
        forced = self._is_forced(key, decision)
        if self._topic:
            self._tell(flag, decision, reasons, forced=forced)
        if only_enabled and not decision.enabled:  # whose variables no JSON may have a word for
            return None
        spelled = self._spelling.of(
            decision, flag, with_variables=self._with_variables, forced=forced
        )
        shown = whole(spelled, self._shown_user, reasons)
        return f'{shown[:-1]},"exposure":{go_json(token)}}}' if self._later else shown

    def _is_forced(self, key: str, decision: Decision) -> bool:
        """Say whether *decision* was forced upon its rule."""
        forced = self._user.forced_decisions
        return forced is not None and forced.get((key, decision.rule_key)) == decision.variation_key

    def _tell(self, flag: Flag, decision: Decision, reasons: list[str], *, forced: bool) -> None:
        """Tell those who listen."""
        from .notices import flag_notice

        values: dict[str, object] | None = None if self._with_variables else {}
        if self._later or DISABLE_DECISION_EVENT in self._options:
            decision = decision.but(impressions=())
        self._call.notices += flag_notice(
            self._topic, flag, decision, self._user, reasons, values, forced=forced
        )

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
