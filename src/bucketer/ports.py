"""Where the shell meets the outside: what a datafile source, an outbox, a profile store must do.

The protocols exist for the type checker only. `Protocol` lives in `typing`, which a cold start
would pay 3 ms for, so they are hidden from the interpreter; what they carry is not.
"""

from __future__ import annotations

from bucketer.core.errors import SourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Protocol

    from bucketer.core.bandit import PredictionNeeded
    from bucketer.core.decision import Decision
    from bucketer.core.events import Event
    from bucketer.core.integration import Integration
    from bucketer.core.reasons import Reason
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import Prediction, User

    class DatafileSource(Protocol):
        """A place that datafiles come from.

        Attributes:
            kind: ``package``, ``demonstration``, ``file``, ``url`` or ``s3``.
            label: the path or URL, whole. It may hold the SDK key: for debug, where that is
                allowed, never for a log.
            where: the same without its secrets, for logs and errors.
            max_age_s: how old the answer may grow before it is asked for again; 0 for never.
        """

        kind: str
        label: str
        where: str
        max_age_s: float

        def fetch(self, mark: str | None) -> Fetched | None:
            """Get the datafile, or None when it still is the one that came with *mark*.

            Raises:
                SourceError: it can't be had; time and size are bounded, so this comes soon.
            """
            ...

    class EditionFacts(Protocol):
        """What the API reads of the runtime's `Edition` (one fetched datafile, compiled).

        Attributes:
            ruleset: the compiled datafile.
            label: the path or URL it came from, whole; the API's options say what is shown of it.
            source: its kind: ``package``, ``demonstration``, ``file``, ``url`` or ``s3``.
            etag: the origin's name for this content, or None.
            fetched_at: epoch seconds, or None where it isn't known.
            checked_at: epoch seconds when the source last confirmed it, or None where none does.
        """

        ruleset: Ruleset
        label: str
        source: str
        etag: str | None
        fetched_at: float | None
        checked_at: float | None

        def datafile(self) -> bytes:
            """Return the JSON text. It may have to be unpacked."""
            ...

    class Engine(Protocol):
        """What decides. The module `bucketer.core.decide` is one, the official SDK another."""

        def activate(
            self, ruleset: Ruleset, experiment_key: str, user: User, trace: list[Reason] | None
        ) -> Decision:
            """Decide an experiment by its key; the decision calls for an impression."""
            ...

        def decide(
            self,
            ruleset: Ruleset,
            flag_key: str,
            user: User,
            options: Collection[str],
            trace: list[Reason] | None,
        ) -> Decision:
            """Decide a flag."""
            ...

    class Outbox(Protocol):
        """Takes events off the shell's hands; delivery is its own business."""

        def add(self, events: Sequence[Event]) -> None:
            """Take *events*. Never raises for want of a network."""
            ...

        def waits(self) -> bool:
            """Say whether `after_response` has something to deliver."""
            ...

        def after_response(self, deadline_s: float) -> None:
            """Use at most *deadline_s* seconds to deliver, now that the caller has an answer."""
            ...

        def close(self) -> None:
            """Deliver or hand over what is left; the process is about to end."""
            ...

    class TokenChecker(Protocol):
        """Knows which tokens are genuine."""

        def claims(self, token: str, now: float) -> Mapping[str, object]:
            """Return the claims of a token that is genuine and good at *now*, epoch seconds.

            Raises:
                TokenRefused: it isn't.
                WorkNeeded: the keys have to be fetched first.
                KeysUnavailable: they can't be.
            """
            ...

    class TokenIssuer(Protocol):
        """Issues tokens.

        Attributes:
            ttl_s: how long one is good.
        """

        ttl_s: float

        def issue(self, client: str, secret: str, now: float) -> str | None:
            """Return a token for *client*, or None if that isn't its *secret*. Takes its time.

            It is good from *now*, in epoch seconds.

            Raises:
                TokensBusy: too many ask at once.
            """
            ...

    class ProfileStore(Protocol):
        """Remembers which variation each user got. Shared by threads.

        A store may raise whatever it likes; `profiles.guard` stands between it and the runtime.
        """

        def lookup(self, user_id: str) -> Mapping[str, str] | None:
            """Return experiment id → variation id; None for a stranger."""
            ...

        def save(self, user_id: str, profile: Mapping[str, str]) -> None:
            """Remember the whole of *profile*; what else is stored for the user may stay."""
            ...

        def replace(self, user_id: str, profile: Mapping[str, str]) -> object:
            """Remember *profile* and nothing else of the user.

            A guard of stores says whether that could be done.
            """
            ...

        def close(self) -> None:
            """Let go of what is held open."""
            ...

    class Overrides(Protocol):
        """Keeps overrides: variations that somebody gave a user. Shared by threads.

        Any of it may raise what its store raises.

        Attributes:
            is_quick: `of` never waits, and never raises.
        """

        is_quick: bool

        def of(self, environment_id: str, user_id: str) -> Mapping[str, str]:
            """Return the user's overrides: experiment key → variation key."""
            ...

        def put(
            self, environment_id: str, user_id: str, experiment_key: str, variation_key: str
        ) -> str:
            """Keep one, or remove it if *variation_key* is empty; return the one before, or ""."""
            ...

        def forget(self, environment_id: str) -> None:
            """Remove all of that environment."""
            ...

        def close(self) -> None:
            """Let go of what is held open."""
            ...

    class Segments(Protocol):
        """Asks ODP which segments users are in. Shared by threads."""

        def fetch(
            self,
            odp: Integration,
            user_id: str,
            *,
            ignore_cache: bool = False,
            reset: bool = False,
            deadline: float | None = None,
        ) -> tuple[str, ...] | None:
            """Return the user's segments; None when they can't be had.

            Args:
                odp: whom to ask, and about which segments.
                user_id: of whom.
                ignore_cache: ask whatever is remembered, and remember nothing.
                reset: forget all users of the account first.
                deadline: by `time.monotonic`: after it nobody waits for the answer.
            """
            ...

        def forget(self, odp: Integration) -> None:
            """Forget what was said of the users of one account."""
            ...

        def close(self) -> None:
            """Let go of what is held open."""
            ...

    class Predictor(Protocol):
        """Asks the contextual bandit. Shared by threads."""

        def predict(
            self,
            needed: PredictionNeeded,
            options: Collection[str] = (),
            deadline: float | None = None,
        ) -> Prediction | None:
            """Return the prediction for one rule and user; None when it can't be had.

            Args:
                needed: rule, user and what the bandit may see of them.
                options: the decide options that concern its cache.
                deadline: by `time.monotonic`: after it nobody waits for the answer.
            """
            ...

        def reset(self) -> None:
            """Forget all answers."""
            ...

        def close(self) -> None:
            """Let go of what is held open."""
            ...


#: An older revision replaces a newer one when nothing newer was shown for so many seconds.
OLDER_AFTER_S = 600.0


def shows_older(where: str, shown: str, serving: str, after_s: float) -> SourceError:
    """Return what to say of a source that shows an older revision than what goes on serving."""
    return SourceError(
        where,
        f"shows revision {shown[:20]}, older than {serving[:20]}, which goes on serving",
        f"until nothing newer was shown for {after_s:g} s; see BUCKETER_DATAFILE_OLDER_AFTER",
    )


class Fetched:
    """A datafile as it came, unread.

    Attributes:
        raw: the JSON text.
        etag: the origin's own name for this content, as it is shown; or None.
        fetched_at: when it was fetched, epoch seconds, if that was not just now (a stored copy).
        mark: to be handed to the next `fetch`, which tells by it what is new: the etag, unless
            the source has a name of its own for the content; or None.
        status: of the HTTP answer that it came in, if it did.
        admitted: it may take the place of a newer revision: it has stayed, or was asked for.
    """

    __slots__ = ("admitted", "etag", "fetched_at", "mark", "raw", "status")

    def __init__(
        self,
        raw: bytes,
        etag: str | None = None,
        fetched_at: float | None = None,
        mark: str | None = None,
        status: int | None = None,
        *,
        admitted: bool = False,
    ) -> None:
        self.raw, self.etag, self.fetched_at, self.status = raw, etag, fetched_at, status
        self.mark = etag if mark is None else mark
        self.admitted = admitted

    def size(self) -> str:
        """Say for a message what came: ``status 200, 6 bytes``."""
        told = f"{len(self.raw)} bytes"
        return told if self.status is None else f"status {self.status}, {told}"
