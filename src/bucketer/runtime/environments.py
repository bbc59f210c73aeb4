"""All environments of a process, by what requests call them; and those that nobody listed.

A listed environment is there from the start and stays. With `open_key`, an SDK key that nobody
listed gets one when it is first asked for: one fetch for all who wait, a bad key remembered for a
while, and the one that was used longest ago let go when there are too many.

`get` never waits and may be called from an event loop. `find` may fetch.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict

from bucketer.api.http import BY_NAME
from bucketer.core.errors import (
    BucketerError,
    EnvironmentsBusy,
    EnvironmentUnavailable,
    UnknownSdkKey,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .environment import Environment

_log = logging.getLogger("bucketer.datafile")

#: How long a key that isn't known, or whose datafile is too large, is refused without asking
#: again; and one whose datafile could not be had, whom `Retry-After` sends back after as long.
REFUSED_FOR_S, UNAVAILABLE_FOR_S = 30.0, 5.0
#: How many such keys are remembered; a key has at most a few hundred characters.
MAX_REFUSED = 1_000
#: How many keys are opened at once, and how many requests may wait for them, or for their turn.
#: Together they are less than the threads for it (16): there is always one to refuse others.
MAX_OPENING, MAX_WAITING = 8, 7
#: The longest that a request waits for a fetch that another one began, or for its turn.
WAIT_S = 15.0


class _Opening:
    """A key that is being opened, and who waits for it."""

    __slots__ = ("done", "error", "found", "waiting")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.found: Environment | None = None
        self.error: BucketerError | None = None
        self.waiting = 0


class Environments:
    """The environments of one process.

    Attributes:
        default: the one that answers where none is named.
        listed: the others that the settings list.
        on_edition: called when a new edition of any of them serves, by whatever thread.
    """

    def __init__(
        self,
        default: Environment,
        listed: Sequence[Environment] = (),
        *,
        open_key: Callable[[str], Environment] | None = None,
        max_opened: int = 1_000,
        max_bytes: int = 33_554_432,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take them as they are; nothing is fetched here.

        Args:
            default: answers where no environment is named.
            listed: the others that the settings list.
            open_key: makes the environment of an SDK key (`KEY` or `KEY:TOKEN`) that nobody
                listed, without fetching; None refuses such keys.
            max_opened: how many of those are kept.
            max_bytes: how much their datafiles may come to, in bytes of JSON.
            clock: seconds that only go forward.
        """
        self.default = default
        self.listed = tuple(listed)
        self.on_edition: Callable[[Environment], None] | None = None
        self._open_key = open_key
        self._max_opened, self._max_bytes = max_opened, max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._by_key: dict[str, Environment] = {}
        #: In the order of their use, by what requests call them.
        self._opened: OrderedDict[str, Environment] = OrderedDict()
        self._opening: dict[str, _Opening] = {}
        #: Told whenever one of those is done; and who waits to begin.
        self._turn, self._in_line = threading.Condition(self._lock), 0
        self._refused: OrderedDict[str, tuple[BucketerError, float]] = OrderedDict()
        self._untold, self._tell_from = 0, float("-inf")
        #: Whose datafiles alone tell what requests call them.
        self._nameless = tuple(each for each in self.listed if not each.keys)
        given = frozenset(key for each in (default, *self.listed) for key in each.keys)
        for environment in (default, *self.listed):
            environment.keys_of_all = given
            environment.on_change = self._changed
        self._index()

    def __iter__(self) -> Iterator[Environment]:
        """Go through all that there are now."""
        yield self.default
        yield from self.listed
        with self._lock:
            opened = tuple(self._opened.values())
        yield from opened

    @property
    def are_several(self) -> bool:
        """Whether there may ever be another one than the default."""
        return bool(self.listed) or self._open_key is not None

    @property
    def opened(self) -> int:
        """How many there are that nobody listed."""
        return len(self._opened)

    def get(self, key: str) -> Environment | None:
        """Return the environment that requests call *key*, if it is there. Never waits."""
        found = self._by_key.get(key)
        if found is None:
            found = self._opened.get(key)
            if found is not None:
                try:
                    self._opened.move_to_end(key)
                except KeyError:  # another thread has just let it go; it answers once more
                    return found
        return found

    def find(self, key: str, unlisted: BucketerError | None = None) -> Environment:
        """Return the environment of *key*, fetching its datafile if nobody has yet.

        Raises:
            BucketerError: *unlisted*, if it is given and nobody listed that key.
            UnknownSdkKey: nobody listed it and others are refused, or Optimizely has none.
            EnvironmentUnavailable: its datafile can't be had now.
            EnvironmentsBusy: too many are being fetched.
        """
        found = self.get(key) or self._among_nameless(key)
        if found is not None:
            return found
        if self._open_key is None or key.startswith(BY_NAME):
            raise UnknownSdkKey
        if unlisted is not None:
            raise unlisted
        with self._lock:
            if key not in self._opening and len(self._opening) >= MAX_OPENING:
                self._await_turn(key)
            found = self._opened.get(key)
            if found is not None:
                return found
            self._forget_old_refusals()
            refusal, until = self._refused.get(key, (None, 0.0))
            if refusal is not None and self._clock() < until:
                raise refusal.with_traceback(None)
            opening = self._opening.get(key)
            mine = opening is None
            if opening is None:
                opening = self._opening[key] = _Opening()
            else:
                self._check_line()
                opening.waiting += 1
        return self._open(key, opening) if mine else _wait_for(opening)

    def _among_nameless(self, key: str) -> Environment | None:
        """Ask for what alone tells whose *key* may be, where nobody has: in Lambda, say.

        Raises:
            EnvironmentUnavailable: it can't be had now, and nobody else may have that key.
        """
        if not self._nameless or key.startswith(BY_NAME):
            return None
        for each in self._nameless:
            if each.edition is None:
                each.refresh_if_due()
        found = self.get(key)
        unknown = found is None and self._open_key is None
        if unknown and any(each.edition is None for each in self._nameless):
            raise EnvironmentUnavailable("a datafile that may name it could not be fetched")
        return found

    def _await_turn(self, key: str) -> None:
        """Wait, with the lock, until *key* may be opened, or somebody else opens it.

        Raises:
            EnvironmentsBusy: it takes too long, or too many wait.
        """
        self._check_line()
        self._in_line += 1
        try:
            came = self._turn.wait_for(
                lambda: key in self._opening or len(self._opening) < MAX_OPENING, WAIT_S
            )
        finally:
            self._in_line -= 1
        if not came:
            raise EnvironmentsBusy("too many datafiles are being fetched at once")

    def _check_line(self) -> None:
        waiting = self._in_line + sum(each.waiting for each in self._opening.values())
        if waiting >= MAX_WAITING:
            raise EnvironmentsBusy("too many requests wait for datafiles")

    def _open(self, key: str, opening: _Opening) -> Environment:
        """Fetch the datafile of *key* for all who wait."""
        assert self._open_key is not None  # noqa: S101 -- or nothing would be opening
        environment = None
        try:
            environment = self._open_key(key)
            environment.freshness.is_quiet = True
            environment.load()
            self._check(environment)
            environment.freshness.is_quiet = False
            opening.found = environment
        except BucketerError as error:
            opening.error = error
            self._tell("" if environment is None else environment.freshness.trouble)
            raise
        except BaseException:
            opening.error = EnvironmentUnavailable("its datafile could not be fetched")
            raise
        finally:
            with self._lock:
                if opening.found is not None:
                    self._opened[key] = opening.found
                    opening.found.on_change = self._opened_changed
                    self._make_room()
                elif opening.error is not None:
                    is_there = environment is not None and environment.edition is not None
                    lasts = is_there or isinstance(opening.error, UnknownSdkKey)
                    until = self._clock() + (REFUSED_FOR_S if lasts else UNAVAILABLE_FOR_S)
                    self._refused[key] = (opening.error, until)
                    while len(self._refused) > MAX_REFUSED:
                        self._refused.popitem(last=False)
                del self._opening[key]
                self._turn.notify_all()
            opening.done.set()
        return environment

    def _tell(self, trouble: str) -> None:
        """Log that a key was refused, now and then: anybody may name one, as often as they like."""
        with self._lock:
            self._untold += 1
            untold, now = self._untold, self._clock()
            if now < self._tell_from:
                return
            self._untold, self._tell_from = 0, now + REFUSED_FOR_S
        _log.warning(
            "environments: SDK keys that nobody listed were refused (%d since the last such line; "
            "the last for: %s)",
            untold,
            trouble or "another reason",
        )

    def _check(self, environment: Environment) -> None:
        """Let through what has a datafile that fits.

        Raises:
            UnknownSdkKey, EnvironmentUnavailable: it hasn't.
        """
        edition = environment.edition
        if edition is None:
            if environment.missing:
                raise UnknownSdkKey
            raise EnvironmentUnavailable("its datafile could not be fetched")
        if edition.size_bytes > self._max_bytes:
            raise EnvironmentUnavailable("its datafile is larger than all of them may be")

    def _make_room(self) -> None:
        total = sum(_size_of(each) for each in self._opened.values())
        while len(self._opened) > self._max_opened or total > self._max_bytes:
            _, oldest = self._opened.popitem(last=False)
            total -= _size_of(oldest)

    def _forget_old_refusals(self) -> None:
        now = self._clock()
        while self._refused and next(iter(self._refused.values()))[1] <= now:
            self._refused.popitem(last=False)

    def _changed(self, environment: Environment) -> None:
        """Go by what a new edition of *environment* is called; tell of it."""
        self._index()
        self._tell_of(environment)

    def _opened_changed(self, environment: Environment) -> None:
        """Make room for the new edition of one that nobody listed, which may have grown."""
        with self._lock:
            self._make_room()
        self._tell_of(environment)

    def _tell_of(self, environment: Environment) -> None:
        if self.on_edition is not None:
            self.on_edition(environment)

    def _index(self) -> None:
        """Take up what the environments are called by now: their datafiles may tell a key."""
        with self._lock:  # or a thread that began earlier might have the last word
            by_key: dict[str, Environment] = {}
            for environment in (self.default, *self.listed):
                by_key[f"{BY_NAME}{environment.name}"] = environment
                for key in environment.keys:
                    by_key.setdefault(key, environment)
                    self._opened.pop(key, None)  # while nobody knew that it is a listed one's
            self._by_key = by_key


def _wait_for(opening: _Opening) -> Environment:
    if not opening.done.wait(WAIT_S):
        raise EnvironmentUnavailable("its datafile takes too long to come")
    if opening.error is not None:
        raise opening.error.with_traceback(None)
    assert opening.found is not None  # noqa: S101 -- done without an error
    return opening.found


def _size_of(environment: Environment) -> int:
    return environment.edition.size_bytes if environment.edition is not None else 0
