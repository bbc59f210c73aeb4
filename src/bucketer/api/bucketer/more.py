"""What few requests to `/bucketer` ask beyond a user and a key.

Segments, `forced=`, several flags, and tokens in the place of impressions.

`f=a,b` and `f=*` decide several flags, or all, one after the other as the SDK's `decide` does; each
says for itself what went wrong with it.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quote

from bucketer.api.json_text import to_json
from bucketer.api.needs import SegmentsNeeded
from bucketer.core.decision import ROLLOUT, Decision
from bucketer.core.errors import InvalidRequest, UnknownFlag

from .names import switch_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from bucketer.api.http import Known
    from bucketer.api.options import ApiOptions
    from bucketer.core.decision import Impression
    from bucketer.core.events import Event
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import User

    from .answer import Answers

    Activate = Callable[[Ruleset, str, User, list[Reason] | None], Decision]
    Decide = Callable[[Ruleset, str, User, frozenset[str], list[Reason] | None], Decision]

ALL = "*"
_NO_OPTIONS: frozenset[str] = frozenset()
_MOST_CHARS = 60
_MOST_NAMED = 10
_FORCED = "Parameter 'forced' must be flag:variation, or several of them between commas"


class More:
    """What one request asks beyond a user and a key.

    Attributes:
        keys: of the flags that it asks for, each once; None where it asks for one flag, or for an
            experiment.
        forced: what it gives the user: key of the flag or experiment → variation key.
        is_there: something that it asks for is in the datafile.
        bucketed: what `decide` wants to have stored of the user: experiment id → variation id.
    """

    def __init__(self, fields: Mapping[str, Any], ruleset: Ruleset, options: ApiOptions) -> None:
        """Read *fields*.

        Raises:
            InvalidRequest: they have something in them that can't be done.
        """
        self._ruleset, self._options = ruleset, options
        self._experiment_key: str = fields.get("e") or ""
        self._flag_key: str = fields.get("f") or ""
        self.keys = _several(self._flag_key, ruleset) if self._flag_key else None
        asked = self.keys or (self._flag_key or self._experiment_key,)
        there = ruleset.experiments if self._experiment_key else ruleset.flags
        self.is_there = any(key in there for key in asked)
        word = fields.get("segments", "")
        self._wants_segments = word != "" and switch_of(word, "segments")
        self.forced: dict[str, str] = {}
        if fields.get("forced") and options.forced:
            self.forced = forced_of(fields["forced"])
            _check_forced(self.forced, ruleset, asked, of_flags=not self._experiment_key)
        self.bucketed: dict[str, str] = {}

    def known_of(self, user: User, known: Known | None) -> User:
        """Return *user* with what is known of them: segments, and what they are given.

        Raises:
            InvalidRequest: this datafile, or this service, can't be asked for segments.
            SegmentsNeeded: the shell must fetch them first.
            SegmentsUnavailable: it tried.
        """
        if self._wants_segments and self.is_there:
            user = user.knowing(segments=self._segments_of(user.id, known))
        if not self.forced:
            return user
        if self._experiment_key:
            return user.knowing(forced_variations=self.forced)
        forced: dict[tuple[str, str | None], str]
        forced = {(key, None): each for key, each in self.forced.items()}
        return user.knowing(forced_decisions=forced)

    def decide(
        self,
        decide: Decide,
        activate: Activate,
        answers: Answers,
        user: User,
        trace: list[Any] | None,
    ) -> tuple[Decision, str]:
        """Decide what is asked for.

        Args:
            decide: `Engine.decide`.
            activate: `Engine.activate`.
            answers: renders them.
            user: with all that is known.
            trace: receives why, of several flags each reason with its flag; or None.

        Returns:
            the decision (for several flags one that stands for all, with the impressions of each),
            and the text of the answer.

        Raises:
            UnknownFlag, UnknownExperiment: the one that is asked for isn't there.
            PredictionNeeded: a contextual bandit must be asked first.
        """
        if self.keys is not None:
            return self._decide_several(decide, answers, user, trace)
        if self._experiment_key:
            decision = activate(self._ruleset, self._experiment_key, user, trace)
            text = answers.experiment(decision, self._experiment_key, user.id)
        else:
            decision = decide(self._ruleset, self._flag_key, user, _NO_OPTIONS, trace)
            text = answers.flag(decision, user.id)
        if decision.bucketed is not None:
            self.bucketed = dict([decision.bucketed])
        return decision, text

    def exposures(self, events: Iterable[Event], now: float) -> dict[str, object]:
        """Return what an answer says in the place of *events*: a token, of several flags of each.

        Raises:
            InvalidRequest, ExposureTooLarge: see `exposure.token_of`.
        """
        from bucketer.api.exposure import token_of

        if self.keys is None:
            return {"exposure": token_of(tuple(events), self._options, now)}
        its: dict[str, list[Event]] = {}
        for event in events:
            its.setdefault(event.what.flag_key, []).append(event)  # type: ignore[union-attr]  # an impression
        told = {key: token_of(each, self._options, now) for key, each in its.items()}
        return {"exposures": told}

    def _decide_several(
        self, decide: Decide, answers: Answers, user: User, trace: list[Any] | None
    ) -> tuple[Decision, str]:
        impressions: list[Impression] = []
        texts = []
        for key in self.keys or ():
            own: list[Reason] | None = None if trace is None else []
            try:
                decision = decide(self._ruleset, key, user, _NO_OPTIONS, own)
            except UnknownFlag as error:
                texts.append(f"{quote(key)}: {_failed(error)}")
                continue
            impressions += decision.impressions
            if decision.bucketed is not None:  # a later flag may use the same experiment
                self.bucketed |= [decision.bucketed]
                user = user.knowing(profile={**(user.profile or {}), **self.bucketed})
            if trace is not None:
                trace += [_OfFlag(key, each) for each in own or ()]
            texts.append(f"{quote(key)}: {_text(answers, decision)}")
        together = Decision(
            flag_key="",
            rule_key=None,
            variation_key=None,
            enabled=False,
            variables={},
            source=ROLLOUT,
            impressions=tuple(impressions),
        )
        return together, f'{{"user": {quote(user.id)}, "flags": {{{", ".join(texts)}}}}}'

    def _segments_of(self, user_id: str, known: Known | None) -> tuple[str, ...]:
        odp = self._ruleset.odp
        if odp is None or not self._options.odp:
            why = "the datafile isn't integrated with it" if odp is None else "it isn't asked here"
            message = f"Parameter 'segments' is for Optimizely Data Platform (ODP), and {why}."
            raise InvalidRequest(message, field="segments")
        if known is None or not known.segments_asked:
            raise SegmentsNeeded(odp, user_id)
        if known.segments is None:
            from bucketer.api.problems import SegmentsUnavailable

            raise SegmentsUnavailable
        return known.segments


def _several(flag_key: str, ruleset: Ruleset) -> tuple[str, ...] | None:
    """Return the keys that *flag_key* lists, each once; None if it is one flag's."""
    if flag_key in ruleset.flags:
        return None
    if flag_key == ALL:
        return tuple(ruleset.flag_order)
    if "," not in flag_key:
        return None
    keys = dict.fromkeys(key for each in flag_key.split(",") if (key := each.strip()))
    if not keys:
        message = "Parameter 'f' lists no flag; give keys between commas, or '*' for all."
        raise InvalidRequest(message, field="f")
    return tuple(keys)


def forced_of(given: str | Mapping[str, object]) -> dict[str, str]:
    """Read `forced`: key → variation key.

    Raises:
        InvalidRequest: it is something else, or gives one key two variations.
    """
    pairs: list[tuple[str, object]]
    if isinstance(given, str):
        items = [each.partition(":") for each in given.split(",") if each.strip()]
        pairs = [(key.strip(), variation.strip()) for key, _, variation in items]
    else:
        pairs = list(given.items())
    forced: dict[str, str] = {}
    for key, variation in pairs:
        if not (key and isinstance(variation, str) and variation):
            raise InvalidRequest(f"{_FORCED}.", field="forced")
        if forced.setdefault(key, variation) != variation:
            message = f"{_FORCED}; '{_cut(key)}' is there twice."
            raise InvalidRequest(message, field="forced")
    return forced


def _check_forced(
    forced: Mapping[str, str], ruleset: Ruleset, asked: tuple[str, ...], *, of_flags: bool
) -> None:
    """Let through what can be given.

    Raises:
        InvalidRequest: it names what isn't asked for, or a variation that isn't there.
    """
    for key, variation in forced.items():
        if key not in asked:
            message = f"Parameter 'forced' names '{_cut(key)}', which isn't asked for."
            raise InvalidRequest(message, field="forced")
        there = _variations(ruleset, key, of_flag=of_flags)
        if there is not None and variation not in there:
            named = ", ".join(_cut(each) for each in there[:_MOST_NAMED]) or "none"
            message = f"'{_cut(key)}' has no variation '{_cut(variation)}'; it has: {named}."
            raise InvalidRequest(message, field="forced")


def _variations(ruleset: Ruleset, key: str, *, of_flag: bool) -> list[str] | None:
    if of_flag:
        flag = ruleset.flags.get(key)
        return None if flag is None else list({each.key: None for each in flag.variations})
    experiment = ruleset.experiments.get(key)
    return None if experiment is None else list(experiment.by_key)


class _OfFlag:
    """A reason, with the flag that it is about."""

    __slots__ = ("_flag", "_reason")

    def __init__(self, flag: str, reason: Reason) -> None:
        self._flag, self._reason = flag, reason

    def to_json(self) -> dict[str, object]:
        return {**self._reason.to_json(), "flag": self._flag}


def _text(answers: Answers, decision: Decision) -> str:
    text = answers.flag_alone(decision)
    if decision.error is None:
        return text
    from bucketer.api.problems import prediction_failed

    return f"{text[:-1]}, {to_json({'error': prediction_failed(decision.error)})[1:]}"


def _failed(error: UnknownFlag) -> str:
    from bucketer.api.problems import describe

    return to_json({"variation": None, "error": describe(error)})


def _cut(text: str) -> str:
    shown = text[:_MOST_CHARS].encode("ascii", "backslashreplace").decode()
    return f"{shown}…" if len(text) > _MOST_CHARS else shown
