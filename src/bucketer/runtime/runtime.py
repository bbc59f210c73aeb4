"""The process's one `Runtime`: which environment answers a request, and what that obliges to."""

from __future__ import annotations

import logging
import time

from bucketer.api.http import (
    SDK_KEY,
    EnvironmentNeeded,
    Needed,
    Reply,
)
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.errors import BucketerError

from .ids import new_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Protocol

    from bucketer.api.http import Request, Response
    from bucketer.api.routes import Handler
    from bucketer.api.streams import Notice, Room
    from bucketer.ports import Outbox, Overrides, Predictor, ProfileStore, Segments

    from .answering import Answering
    from .edition import Edition
    from .environment import Environment
    from .environments import Environments
    from .refresher import Refresher

    class Stay(Protocol):
        """Knows whether somebody who listens would still be let in."""

        def is_good(self) -> bool:
            """Say so. May wait; any thread may ask."""

    class Sending(Protocol):
        """What sends something behind."""

        def flush(self) -> None:
            """Send what waits, for a while."""

        def close(self) -> None:
            """Send what waits, for a while, and end."""


_log = logging.getLogger("bucketer")


#: How long a server's start waits for the datafiles of environments beside the default one.
PATIENCE_S = 10.0


class Runtime:
    """Answers requests, each by its environment.

    Attributes:
        default: the environment that answers where none is named.
        environments: all of them, by what requests call them.
        outbox: takes the events; None drops them.
        profiles, predictor, archive, on_notice, name_event, clock: what it was wired to.
        listened: what somebody listens to, kept true by the door; None where nobody can.
        stream_room: whether one more can listen, kept true by the door; None where nobody can.
        on_telling: tells what happened to those who listen; may be called by any thread.
        stay_of: gives what says whether who sent a request may listen on; None for all may.
    """

    def __init__(  # noqa: PLR0913 -- a keyword for each thing that it is wired to
        self,
        environments: Environments,
        *,
        outbox: Outbox | None = None,
        profiles: ProfileStore | None = None,
        predictor: Predictor | None = None,
        segments: Segments | None = None,
        odp_events: Outbox | None = None,
        overrides: Overrides | None = None,
        archive: Callable[[str], Edition | None] | None = None,
        on_notice: Callable[[bytes, tuple[str, ...]], None] | None = None,
        name_event: Callable[[], str] | None = None,
        listened: set[str] | None = None,
        stream_room: Room | None = None,
        traces: Sending | None = None,
        inline: bool = False,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wire up; nothing is fetched before `load`.

        Args:
            environments: at least the default one.
            outbox: takes the events; None drops them (events are off).
            profiles: the profile store, if one is configured; one that never raises.
            predictor: asks for CMAB predictions; without one each prediction counts as failed.
            segments: asks ODP; without it segments can't be had.
            odp_events: takes events for ODP; None drops them.
            overrides: keeps forced variations, where that is allowed.
            archive: finds the edition of an older revision, or None; or raises
                RevisionUnavailable.
            on_notice: passes a webhook's body on, with the names of the environments that it
                concerns, without waiting for what comes of it.
            name_event: makes the name of an event; a UUID's unless given.
            listened: see above.
            stream_room: see above.
            traces: sends spans, and is to be closed at the end; None where there are none.
            inline: refresh before a request that finds the edition too old, since nothing will
                call `after_response` and no thread runs.
            clock: epoch seconds.
            monotonic: seconds that only go forward.
        """
        self.default = environments.default
        self.environments = environments
        self.outbox = outbox
        self.inline = inline
        self.profiles = profiles
        self.predictor = predictor
        self.segments, self.overrides = segments, overrides
        self.odp_events = odp_events
        self.archive = archive
        self.on_notice = on_notice
        self.name_event = name_event or new_uuid
        self.clock, self._monotonic = clock, monotonic
        self.listened, self.stream_room = listened, stream_room
        self.traces = traces
        self.on_telling: Callable[[Iterable[Notice]], None] | None = None
        self.stay_of: Callable[[Request], Stay | None] | None = None
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

    def environment_name(self, request: Request) -> str:
        """Return what the environment is called that *request* is for; "" for none that is there.

        What a request calls it by is its key, which isn't for logs.
        """
        named = request.headers.get(SDK_KEY)
        if named is None and "sdk_key=" not in request.query:
            return self.default.name
        from bucketer.api.environment import key_of

        try:
            key = key_of(request)
        except BucketerError:
            return ""
        found = self.environments.get(key) if key else self.default
        return "" if found is None else found.name

    def answer_now(self, needed: Exception, request: Request, new_uuid: Callable[[], str]) -> Reply:
        """Answer what was *needed*, if that is an environment which is there. Never waits.

        It is for an event loop, which leaves the rest to other threads.

        Raises:
            PredictionNeeded, Needed: what still is needed, if it is the same.
        """
        if isinstance(needed, EnvironmentNeeded):
            environment = self.environments.get(needed.key)
            if environment is not None and environment.edition is not None:
                return environment.handler.handle(request, self.clock(), new_uuid)
        raise needed

    def serve(
        self, request: Request, deadline: Callable[[], float | None] | None = None
    ) -> Response:
        """Answer *request*; what it obliges us to do is done or handed over when this returns.

        Args:
            request: from a door.
            deadline: gives when, by `time.monotonic`, nobody waits for a contextual bandit any
                longer; without one, or if it gives None, the predictor's own time-outs bound it.
        """
        key = request.headers.get(SDK_KEY)
        environment = (self.environments.get(key) if key else None) or self.default
        handler = self.fresh_handler(environment)  # one edition for the whole request
        try:
            reply = handler.handle(request, self.clock(), self.name_event)
        except (PredictionNeeded, Needed) as needed:
            answering = self.answering(request, deadline, handler)
            reply = _to_the_end(answering, needed)
        return self.finish(request, reply)

    def answering(
        self,
        request: Request,
        deadline: Callable[[], float | None] | None = None,
        handler: Handler | None = None,
    ) -> Answering:
        """Return *request* on its way to a reply, to be gone step by step; see `serve`."""
        from .answering import Answering  # most requests need nothing

        return Answering(self, request, handler or self.handler_for(request.headers), deadline)

    def finish(self, request: Request, reply: Reply) -> Response:
        """Do what *reply* obliges us to, and return its response. May wait for a disk."""
        if reply.failure is not None:
            _log.error("request %s failed", request.request_id, exc_info=reply.failure)
        if reply.profile is not None and self.profiles is not None:
            self.profiles.save(*reply.profile)
        if reply.events and self.outbox is not None:
            self.outbox.add(reply.events)
        if reply.__class__ is not Reply and self.on_telling is not None:
            self.on_telling(reply.notices)  # type: ignore[attr-defined]  # `Telling`, the other kind
        return reply.response

    def fresh_handler(self, environment: Environment) -> Handler:
        """Return what answers for *environment*, fetched first where nobody does that behind."""
        if self.inline or environment.edition is None:
            environment.refresh_if_due()
        return environment.handler

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
        if self.odp_events is not None and self.odp_events.waits():
            return True
        return any(each.is_due() for each in self._used())

    def after_response(self, deadline_s: float) -> None:
        """Do what was put off while a caller waited: deliver events, then refresh what is due.

        Events come first: a datafile that is slow to come must not take their time, and what they
        leave of it would be too little for the datafile. So each has its own.

        Args:
            deadline_s: seconds that events may take, of which ODP's have what impressions leave,
                and then refreshing; a source's own time-out bounds the last refresh begun in it.
        """
        until = self._monotonic() + deadline_s
        try:
            if self.outbox is not None:
                self.outbox.after_response(deadline_s)
            left_s = until - self._monotonic()
            if self.odp_events is not None and self.odp_events.waits() and left_s > 0:
                self.odp_events.after_response(left_s)
        finally:
            self._refresh_some(deadline_s)

    def _refresh_some(self, deadline_s: float) -> None:
        """Refresh what is due, for so long; at least one, and that which has waited longest."""
        until = self._monotonic() + deadline_s
        for environment in sorted(self._used(), key=lambda each: each.due_at):
            if environment.refresh_if_due() and self._monotonic() >= until:
                return

    def keep_fresh(self) -> None:
        """Refresh by age in threads of its own, until `close`. For server mode."""
        if self._refresher is None:
            from .refresher import Refresher

            self._refresher = Refresher(self.environments)
            self._refresher.start()

    def wait_for_all(self, seconds: float = PATIENCE_S) -> None:
        """Wait until each listed environment was asked for once, but no longer than *seconds*.

        After `keep_fresh`: a server that answers before would refuse what it has in a moment.
        """
        if self._refresher is not None:
            self._refresher.wait_for_all(seconds)

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
            for held in (self.predictor, self.profiles, self.segments, self.overrides):
                if held is not None:
                    held.close()
        finally:
            for sending in (self.odp_events, self.outbox, self.traces):
                if sending is not None:
                    sending.close()


def _to_the_end(answering: Answering, needed: PredictionNeeded | Needed) -> Reply:
    """Provide what is *needed*, and what is needed then, until there is a reply."""
    while True:
        answering.provide(needed)
        try:
            return answering.reply()
        except (PredictionNeeded, Needed) as more:
            needed = more
