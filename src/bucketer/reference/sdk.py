"""The official SDK behind plain functions: a `User` in, an `Answer` out, nothing sent anywhere.

The client is asked through its public API. What it would have sent is caught by an event
processor of ours, what it would have stored by a profile service of ours, and a prediction it
would have fetched comes from the `User`. Needs the extra `[sdk]`.

Source: optimizely-sdk 5.7.0.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from optimizely.cmab.cmab_service import DefaultCmabService
from optimizely.event.event_factory import EventFactory
from optimizely.event.event_processor import BaseEventProcessor
from optimizely.event.user_event import ConversionEvent, ImpressionEvent, UserEvent
from optimizely.helpers.sdk_settings import OptimizelySdkSettings
from optimizely.optimizely import Optimizely
from optimizely.optimizely_user_context import OptimizelyUserContext
from optimizely.user_profile import UserProfileTracker

from bucketer.core.errors import DatafileError
from bucketer.core.user import User

T = TypeVar("T")

#: Says nothing and hands nothing on: the SDK's own default reaches the root logger (trap 48).
SILENT = logging.getLogger("bucketer.reference.silent")
SILENT.propagate = False
SILENT.setLevel(logging.CRITICAL + 1)
SILENT.addHandler(logging.NullHandler())

#: A list that is a default argument in the SDK and grows by an entry with each call that has no
#: profile service, for ever (trap 47).
_GROWING: list[str] = (UserProfileTracker.load_user_profile.__defaults__ or ([],))[0]


class ReferenceRejected(DatafileError):
    """The official SDK won't work with this datafile, whole.

    Attributes:
        why: one clause; the SDK itself says no more than that the format is invalid.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"the official SDK refuses the datafile: {self.why}"


class SentImpression(NamedTuple):
    """One impression as it would go over the wire, without uuid, time and visitor."""

    rule_type: str
    flag_key: str
    rule_key: str
    campaign_id: str
    experiment_id: str
    variation_id: str | None
    variation_key: str
    enabled: bool
    cmab_uuid: str | None


class SentConversion(NamedTuple):
    """One conversion event, without uuid, time and visitor."""

    event_id: str
    event_key: str
    tags: dict[str, object] | None


class Answer(NamedTuple):
    """All that one call of the SDK did.

    Attributes:
        value: what the call returned, the SDK's own type.
        sent: what it would have sent, in order.
        saved: experiment id → variation id of the profile it would have saved, or None.
    """

    value: Any
    sent: tuple[SentImpression | SentConversion, ...]
    saved: dict[str, str] | None


class _Capture(BaseEventProcessor):
    """Keeps events in a list."""

    def __init__(self) -> None:
        self.events: list[UserEvent] = []

    def process(self, user_event: UserEvent) -> None:
        self.events.append(user_event)


class _Profiles:
    """A user profile service that knows one profile and remembers what is saved."""

    def __init__(self) -> None:
        self.stored: Mapping[str, str] = {}
        self.saved: dict[str, str] | None = None

    def lookup(self, user_id: str) -> dict[str, object]:
        """The profile as the SDK wants it; a fresh copy, since the SDK changes it in place."""
        entries = {rule: {"variation_id": variation} for rule, variation in self.stored.items()}
        return {"user_id": user_id, "experiment_bucket_map": entries}

    def save(self, user_profile: dict[str, Any]) -> None:
        """Keep what would be stored."""
        entries = user_profile["experiment_bucket_map"]
        self.saved = {rule: entry["variation_id"] for rule, entry in entries.items()}
        self.stored = self.saved


class _Predictions:
    """Answers for the contextual bandit from what the `User` carries."""

    def __init__(self) -> None:
        self.user: User | None = None
        self.missing: str | None = None

    def get_decision(
        self, config: Any, context: Any, rule_id: str, _options: object
    ) -> tuple[dict[str, str], list[str]]:
        """The known prediction.

        Raises:
            LookupError: there is none; the SDK turns any exception into its error decision.
            KeyError, TypeError: the SDK can't look for the attributes that the bandit may see.
        """
        # Its own service does this first, and it uses nothing of the service.
        DefaultCmabService._filter_attributes(cast("Any", self), config, context, rule_id)  # noqa: SLF001
        known = self.user.predictions if self.user is not None else None
        if known is None or rule_id not in known:
            self.missing = rule_id
        prediction = known.get(rule_id) if known is not None else None
        if prediction is None:
            raise LookupError(rule_id)
        found = {"variation_id": prediction.variation_id, "cmab_uuid": prediction.cmab_uuid}
        return found, []


class OfficialSdk:
    """One client of the official SDK over one datafile. Not for use by two threads at once.

    Attributes:
        client: the SDK's own object, for what isn't wrapped here.
    """

    def __init__(self, datafile: str | bytes, *, validate: bool = True) -> None:
        """Build the client.

        Args:
            datafile: the JSON text.
            validate: let the SDK check its schema, as it does unless told otherwise; most of the
                time that building takes goes there.

        Raises:
            ReferenceRejected: it refuses the datafile, or its constructor raises.
        """
        self._capture = _Capture()
        self._profiles = _Profiles()
        self._predictions = _Predictions()
        try:
            # Bytes are fine there, and only one method of the service is used.
            self.client = Optimizely(
                cast("str", datafile),
                event_processor=self._capture,
                logger=SILENT,
                skip_json_validation=not validate,
                settings=OptimizelySdkSettings(odp_disabled=True),
                cmab_service=cast("Any", self._predictions),
            )
        except Exception as error:
            why = f"its constructor raises {type(error).__name__}"
            raise ReferenceRejected(why) from error
        if self.client.config_manager.get_config() is None:
            why = "it isn't valid by its schema or its parser"
            raise ReferenceRejected(why)

    def activate(self, key: str, user: User) -> Answer:
        """`activate`: a variation key or None."""
        return self._ask(user, lambda: self.client.activate(key, user.id, _legacy(user)))

    def get_variation(self, key: str, user: User) -> Answer:
        """`get_variation`: a variation key or None."""
        return self._ask(user, lambda: self.client.get_variation(key, user.id, _legacy(user)))

    def is_feature_enabled(self, key: str, user: User) -> Answer:
        """`is_feature_enabled`: a boolean."""
        return self._ask(user, lambda: self.client.is_feature_enabled(key, user.id, _legacy(user)))

    def get_enabled_features(self, user: User) -> Answer:
        """`get_enabled_features`: a list of flag keys. One profile look-up per flag."""
        return self._ask(user, lambda: self.client.get_enabled_features(user.id, _legacy(user)))

    def get_feature_variable(
        self, flag_key: str, variable_key: str, user: User, kind: str | None = None
    ) -> Answer:
        """`get_feature_variable`, or `get_feature_variable_KIND`."""
        name = "get_feature_variable" if kind is None else f"get_feature_variable_{kind}"
        method = getattr(self.client, name)
        return self._ask(user, lambda: method(flag_key, variable_key, user.id, _legacy(user)))

    def get_all_feature_variables(self, flag_key: str, user: User) -> Answer:
        """`get_all_feature_variables`: a dict, or None for an unknown flag."""
        method = self.client.get_all_feature_variables
        return self._ask(user, lambda: method(flag_key, user.id, _legacy(user)))

    def track(self, event_key: str, user: User, tags: dict[str, object] | None = None) -> Answer:
        """`track`: returns nothing; the conversion, if any, is in what was sent."""
        return self._ask(
            user, lambda: self.client.track(event_key, user.id, _legacy(user), cast("Any", tags))
        )

    def decide(self, flag_key: str, user: User, options: Sequence[str] = ()) -> Answer:
        """`decide`: an `OptimizelyDecision`."""
        context = self.context(user)
        return self._ask(user, lambda: context.decide(flag_key, list(options)))

    def decide_for_keys(
        self, keys: Sequence[str], user: User, options: Sequence[str] = ()
    ) -> Answer:
        """`decide_for_keys`: flag key → `OptimizelyDecision`."""
        context = self.context(user)
        return self._ask(user, lambda: context.decide_for_keys(list(keys), list(options)))

    def decide_all(self, user: User, options: Sequence[str] = ()) -> Answer:
        """`decide_all`: flag key → `OptimizelyDecision`."""
        context = self.context(user)
        return self._ask(user, lambda: context.decide_all(list(options)))

    @property
    def missing_prediction(self) -> str | None:
        """Id of the rule for which the last call wanted a prediction that its user didn't bring."""
        return self._predictions.missing

    def context(self, user: User) -> OptimizelyUserContext:
        """A user context that carries the segments and forced decisions of *user*."""
        context = self.client.create_user_context(user.id, _legacy(user))
        if context is None:
            message = "the SDK made no user context of a User, which can't be"
            raise AssertionError(message)
        if user.segments is not None:
            context.set_qualified_segments(list(user.segments))
        for (flag_key, rule_key), variation_key in (user.forced_decisions or {}).items():
            context.set_forced_decision(
                OptimizelyUserContext.OptimizelyDecisionContext(flag_key, rule_key),
                OptimizelyUserContext.OptimizelyForcedDecision(variation_key),
            )
        return context

    def _ask(self, user: User, call: Callable[[], T]) -> Answer:
        """Run *call* with all that is known of *user* in place, and collect what it did."""
        self._capture.events.clear()
        self._predictions.user, self._predictions.missing = user, None
        service = self.client.decision_service
        service.forced_variation_map.clear()
        for experiment_key, variation_key in (user.forced_variations or {}).items():
            self.client.set_forced_variation(experiment_key, user.id, variation_key)
        profiles = self._profiles
        profiles.stored, profiles.saved = user.profile or {}, None
        used = cast("Any", profiles if user.profile is not None else None)
        service.user_profile_service = self.client.user_profile_service = used
        _GROWING.clear()
        value = call()
        return Answer(value, tuple(map(_sent, self._capture.events)), profiles.saved)


def _legacy(user: User) -> Any:
    return dict(user.attributes)


def _sent(event: UserEvent) -> SentImpression | SentConversion:
    """Read *event* from the payload that the SDK's own factory makes of it."""
    if isinstance(event, ConversionEvent):
        found = event.event
        if found is None:
            message = "the SDK sent a conversion of nothing"
            raise AssertionError(message)
        return SentConversion(found.id, found.key, event.event_tags)
    if not isinstance(event, ImpressionEvent):
        message = f"the SDK sent a {type(event).__name__}"
        raise TypeError(message)
    visitor = EventFactory._create_visitor(event, SILENT)  # noqa: SLF001 -- its parts, without the JSON round trip
    decision = cast("Any", visitor).snapshots[0].decisions[0]
    facts = decision.metadata
    return SentImpression(
        facts.rule_type,
        facts.flag_key,
        facts.rule_key,
        decision.campaign_id,
        decision.experiment_id,
        decision.variation_id,
        facts.variation_key,
        facts.enabled,
        getattr(facts, "cmab_uuid", None),
    )
