"""The visitor of one request: everything a decision may know of them."""

from __future__ import annotations

from .errors import InvalidUser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import TypedDict, Unpack

    class Facts(TypedDict, total=False):
        """What may be known of a user beyond id and attributes; see `Known`."""

        segments: Collection[str] | None
        forced_decisions: Mapping[tuple[str, str | None], str] | None
        forced_variations: Mapping[str, str] | None
        profile: Mapping[str, str] | None
        predictions: Mapping[str, Prediction | None] | None


#: The attribute that is hashed in place of the user id.
BUCKETING_ID = "$opt_bucketing_id"

_NOTHING: dict[str, object] = {}


class Prediction:
    """What the contextual bandit answered for one rule and user.

    Attributes:
        variation_id: the variation to show.
        cmab_uuid: names this prediction in the impression.
        cached: it was made for an earlier request. Only explanations tell.
    """

    __slots__ = ("cached", "cmab_uuid", "variation_id")

    def __init__(self, variation_id: str, cmab_uuid: str, *, cached: bool = False) -> None:
        self.variation_id = variation_id
        self.cmab_uuid = cmab_uuid
        self.cached = cached


class Known:
    """What is known of a user beyond id and attributes. Most users have none of it.

    Attributes:
        segments: qualified segments; None means they were never fetched.
        forced_decisions: `(flag_key, rule_key or None)` → variation key.
        forced_variations: experiment key → variation key.
        profile: experiment id → variation id, as stored; None means there is no profile service.
        predictions: rule id → the bandit's answer, or None where asking failed.
    """

    __slots__ = ("forced_decisions", "forced_variations", "predictions", "profile", "segments")

    def __init__(
        self,
        *,
        segments: Collection[str] | None = None,
        forced_decisions: Mapping[tuple[str, str | None], str] | None = None,
        forced_variations: Mapping[str, str] | None = None,
        profile: Mapping[str, str] | None = None,
        predictions: Mapping[str, Prediction | None] | None = None,
    ) -> None:
        self.segments = segments
        self.forced_decisions = forced_decisions
        self.forced_variations = forced_variations
        self.profile = profile
        self.predictions = predictions


_UNKNOWN = Known()


class User:
    """All that is known of the visitor for one request. Treat as immutable.

    Attributes:
        id: any string, the empty one included.
        attributes: facts about the user, by attribute key; values are not validated here.
        hash_prefix: the bucketing id in UTF-8: `$opt_bucketing_id` when that is a string (even
            an empty one), else the user id.
        known: everything else, or None: then only audiences, traffic and whitelists decide.

    Source: optimizely-sdk 5.7.0, decision_service.py:_get_bucketing_id.
    """

    __slots__ = ("attributes", "hash_prefix", "id", "known")

    def __init__(
        self,
        id: str,  # noqa: A002 -- Optimizely's word
        attributes: Mapping[str, object] | None = None,
        **facts: Unpack[Facts],
    ) -> None:
        """Take what is known; the *facts* are those of `Known`, by keyword.

        Raises:
            InvalidUser: *id* is not a string, or it or the bucketing id holds a lone surrogate
                (JSON can smuggle one in), which has no UTF-8 form and so no bucket.
        """
        if not attributes:  # the reference takes whatever is falsy for none
            attributes = _NOTHING
        self.id = id
        self.attributes = attributes
        self.known = Known(**facts) if facts else None
        try:
            self.hash_prefix = id.encode()
        except AttributeError:
            message = "The user id must be a string."
            raise InvalidUser(message, field="u") from None
        except UnicodeEncodeError as error:
            message = f"The user id has a lone surrogate at position {error.start}."
            raise InvalidUser(message, field="u", position=error.start) from None
        if BUCKETING_ID in attributes:
            self._use_bucketing_id(attributes[BUCKETING_ID])

    def _use_bucketing_id(self, bucketing_id: object) -> None:
        if isinstance(bucketing_id, str):
            try:
                self.hash_prefix = bucketing_id.encode()
            except UnicodeEncodeError as error:
                message = f"{BUCKETING_ID} has a lone surrogate at position {error.start}."
                raise InvalidUser(message, field="a", position=error.start) from None

    @property
    def segments(self) -> Collection[str] | None:
        """See `Known`."""
        return (self.known or _UNKNOWN).segments

    @property
    def forced_decisions(self) -> Mapping[tuple[str, str | None], str] | None:
        """See `Known`."""
        return (self.known or _UNKNOWN).forced_decisions

    @property
    def forced_variations(self) -> Mapping[str, str] | None:
        """See `Known`."""
        return (self.known or _UNKNOWN).forced_variations

    @property
    def profile(self) -> Mapping[str, str] | None:
        """See `Known`."""
        return (self.known or _UNKNOWN).profile

    @property
    def predictions(self) -> Mapping[str, Prediction | None] | None:
        """See `Known`."""
        return (self.known or _UNKNOWN).predictions

    def called(self, id: str) -> User:  # noqa: A002 -- Optimizely's word
        """Another user of whom all else is the same.

        Raises:
            InvalidUser: see `User`.
        """
        other = User(id, self.attributes)
        other.known = self.known
        return other

    def knowing(self, **facts: Unpack[Facts]) -> User:
        """The same user, with these facts in place of what was known of them."""
        known = self.known or _UNKNOWN
        kept: Facts = {
            "segments": known.segments,
            "forced_decisions": known.forced_decisions,
            "forced_variations": known.forced_variations,
            "profile": known.profile,
            "predictions": known.predictions,
        }
        kept.update(facts)
        return User(self.id, self.attributes, **kept)
