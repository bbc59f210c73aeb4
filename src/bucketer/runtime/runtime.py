"""The process's one `Runtime`: which environment answers a request, and what that obliges to."""

from __future__ import annotations

import logging
import time

from bucketer.api.http import (
    SDK_KEY,
    EnvironmentNeeded,
    Known,
    Needed,
    NoticeReceived,
    ProfileNeeded,
    RevisionNeeded,
)
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.errors import BucketerError

from .ids import new_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bucketer.api.http import Reply, Request, Response
    from bucketer.api.routes import Handler
    from bucketer.ports import Outbox, Predictor, ProfileStore

    from .edition import Edition
    from .environment import Environment
    from .environments import Environments
    from .refresher import Refresher

_log = logging.getLogger("bucketer")


class Runtime:
    """Answers requests, each by its environment.

    Attributes:
        default: the environment that answers where none is named.
        environments: all of them, by what requests call them.
        outbox: takes the events; None drops them.
    """

    def __init__(  # noqa: PLR0913 -- a keyword for each thing that it is wired to
        self,
        environments: Environments,
        *,
        outbox: Outbox | None = None,
        profiles: ProfileStore | None = None,
        predictor: Predictor | None = None,
        archive: Callable[[str], Edition | None] | None = None,
        on_notice: Callable[[bytes, tuple[str, ...]], None] | None = None,
        name_event: Callable[[], str] | None = None,
        inline: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Wire up; nothing is fetched before `load`.

        Args:
            environments: at least the default one.
            outbox: takes the events; None drops them (events are off).
            profiles: the profile store, if one is configured; one that never raises.
            predictor: asks for CMAB predictions; without one each prediction counts as failed.
            archive: finds the edition of an older revision, or None; or raises
                RevisionUnavailable.
            on_notice: passes a webhook's body on, with the names of the environments that it
                concerns, without waiting for what comes of it.
            name_event: makes the name of an event; a UUID's unless given.
            inline: refresh before a request that finds the edition too old, since nothing will
                call `after_response` and no thread runs.
            clock: epoch seconds.
        """
        self.default = environments.default
        self.environments = environments
        self.outbox = outbox
        self.inline = inline
        self._profiles = profiles
        self._predictor = predictor
        self._archive = archive
        self._on_notice = on_notice
        self._name_event = name_event or new_uuid
        self._clock = clock
        self._refresher: Refresher | None = None

    @property
    def edition(self) -> Edition | None:
        """The default environment's, for information; None while there is no datafile."""
        return self.default.edition

    @property
    def handler(self) -> Handler:
        """The default environment's, which also refuses what never becomes a request."""
        return self.default.handler

    # -- requests ---------------------------------------------------------------------------

    def handler_for(self, headers: Mapping[str, str]) -> Handler:
        """Return the handler of the environment that a request's *headers* name. Never waits.

        Where they name none, or one that isn't there (yet), it is the default one's, which may
        raise `EnvironmentNeeded` then.
        """
        key = headers.get(SDK_KEY)
        if key is None:
            return self.default.handler
        environment = self.environments.get(key)
        return self.default.handler if environment is None else environment.handler

    def answer_now(
        self, needed: Exception, request: Request, new_uuid: Callable[[], str]
    ) -> Reply | None:
        """Answer what was *needed*, if that is an environment which is there; else None.

        Never waits: it is for an event loop, which leaves the rest to `serve` in a thread.
        """
        if not isinstance(needed, EnvironmentNeeded):
            return None
        environment = self.environments.get(needed.key)
        if environment is None or environment.edition is None:
            return None
        try:
            return environment.handler.handle(request, self._clock(), new_uuid)
        except (PredictionNeeded, Needed):
            return None

    def serve(
        self, request: Request, deadline: Callable[[], float | None] | None = None
    ) -> Response:
        """Answer *request*; what it obliges us to do is done or handed over when this returns.

        Args:
            request: from a door.
            deadline: gives when, by `time.monotonic`, nobody waits for a contextual bandit any
                longer; without one, or if it gives None, the predictor's own time-outs bound it.
        """
        reply = self._reply(request, deadline)
        if reply.failure is not None:
            _log.error("request %s failed", request.request_id, exc_info=reply.failure)
        if reply.profile is not None and self._profiles is not None:
            self._profiles.save(*reply.profile)
        if reply.events and self.outbox is not None:
            self.outbox.add(reply.events)
        return reply.response

    def _reply(self, request: Request, deadline: Callable[[], float | None] | None) -> Reply:
        """Call the handler until it has all it needs to know."""
        key = request.headers.get(SDK_KEY)
        environment = (self.environments.get(key) if key else None) or self.default
        handler = self._fresh_handler(environment)  # one edition for the whole request
        now = self._clock()  # no earlier: nothing that answers was fetched after it
        known: Known | None = None
        while True:
            try:
                return handler.handle(request, now, self._name_event, known)
            except EnvironmentNeeded as needed:
                if known is not None and known.environment_asked:
                    raise AssertionError(needed.key) from needed  # it would go round for ever
                known = known or Known()
                known.environment_asked = True
                try:
                    environment = self.environments.find(needed.key)
                except BucketerError as error:
                    known.refusal = error
                else:
                    handler = self._fresh_handler(environment)
            except (PredictionNeeded, Needed) as needed:
                known = known or Known()
                self._provide(needed, known, deadline)

    def _fresh_handler(self, environment: Environment) -> Handler:
        """Return what answers for *environment*, fetched first where nobody does that behind."""
        if self.inline or environment.edition is None:
            environment.refresh_if_due()
        return environment.handler

    def _provide(
        self,
        needed: PredictionNeeded | Needed,
        known: Known,
        deadline: Callable[[], float | None] | None,
    ) -> None:
        """Do what the handler asks for; put what comes of it into *known*."""
        if isinstance(needed, PredictionNeeded):
            if needed.rule_id in (known.predictions or {}):
                raise AssertionError(needed.rule_id) from needed  # it would go round for ever
            prediction = None
            if self._predictor is not None:
                until = None if deadline is None else deadline()
                prediction = self._predictor.predict(needed, deadline=until)
            known.predictions = {**(known.predictions or {}), needed.rule_id: prediction}
        elif isinstance(needed, ProfileNeeded):
            stored = None if self._profiles is None else self._profiles.lookup(needed.user_id)
            known.profile = {} if stored is None else stored
        elif isinstance(needed, RevisionNeeded):
            known.asked = True
            try:
                known.edition = self._archive(needed.revision) if self._archive else None
            except BucketerError as error:
                known.failure = error
        elif isinstance(needed, NoticeReceived):
            known.asked = True
            if self._on_notice is not None:
                self._on_notice(needed.body, needed.environments)

    # -- datafiles --------------------------------------------------------------------------

    def load(self, *, local_first: bool = False) -> None:
        """Get a first edition of the default environment; the others' come behind, or when asked.

        Args:
            local_first: see `Environment.load`.
        """
        self.default.load(local_first=local_first)

    def expire(self) -> None:
        """Make the next opportunity refresh all: the process was frozen and copied (SnapStart)."""
        for environment in self.environments:
            environment.expire()

    def has_work(self) -> bool:
        """Say whether `after_response` would do anything now."""
        if self.outbox is not None and self.outbox.waits():
            return True
        return any(each.is_due() for each in self._used())

    def after_response(self, deadline_s: float) -> None:
        """Do what was put off while a caller waited: deliver events, then refresh what is due.

        Events come first: a datafile that is slow to come must not take their time, and what they
        leave of it would be too little for the datafile. So each has its own.

        Args:
            deadline_s: seconds that events may take; a source's own time-out bounds a refresh.
        """
        try:
            if self.outbox is not None:
                self.outbox.after_response(deadline_s)
        finally:
            for environment in self._used():
                environment.refresh_if_due()

    def keep_fresh(self) -> None:
        """Refresh by age in threads of its own, until `close`. For server mode."""
        if self._refresher is None:
            from .refresher import Refresher

            self._refresher = Refresher(self.environments)
            self._refresher.start()

    def _used(self) -> Iterator[Environment]:
        """Go through the default environment and those that have been asked for."""
        for environment in self.environments:
            if environment is self.default or environment.edition is not None:
                yield environment

    def close(self) -> None:
        """Stop refreshing, then deliver or hand over what the outbox holds."""
        if self._refresher is not None:
            self._refresher.stop()
        try:
            for held in (self._predictor, self._profiles):
                if held is not None:
                    held.close()
        finally:
            if self.outbox is not None:
                self.outbox.close()
