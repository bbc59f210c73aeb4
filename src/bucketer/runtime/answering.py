"""One request that can't be answered without waiting for something: step by step to its answer.

A step either waits (`provide`) or decides (`reply`), so that who calls can have each done where it
holds up nobody. Imported when a first request needs it.
"""

from __future__ import annotations

from bucketer.api.http import (
    DatafileAnnounced,
    DatafileNeeded,
    EnvironmentNeeded,
    Known,
    ProfileNeeded,
    RequestsNeeded,
    RevisionNeeded,
    WorkNeeded,
)
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.errors import BucketerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from bucketer.api.http import Needed, Reply, Request, Response
    from bucketer.api.routes import Handler

    from .edition import Edition
    from .environment import Environment
    from .environments import Environments
    from .users import Stores

    class Shell(Stores, Protocol):
        """What answering a request may need of the runtime, which has these attributes."""

        environments: Environments
        archive: Callable[[str], Edition | None] | None
        on_notice: Callable[[bytes, tuple[str, ...]], None] | None
        name_event: Callable[[], str]
        clock: Callable[[], float]

        def fresh_handler(self, environment: Environment) -> Handler:
            """Return what answers for *environment*, fetched first where nobody does that."""
            ...

        def serve(self, request: Request, deadline: Callable[[], float | None] | None) -> Response:
            """Answer another request to its end."""
            ...


#: What the answers to the requests of one batch may come to; those behind aren't answered.
MAX_ANSWERED_BYTES = 16 * 1024 * 1024


class Answering:
    """What is known of one request so far. Any thread may take a step, one at a time."""

    __slots__ = ("_deadline", "_handler", "_known", "_now", "_request", "_runtime")

    def __init__(
        self,
        runtime: Shell,
        request: Request,
        handler: Handler,
        deadline: Callable[[], float | None] | None = None,
    ) -> None:
        """Begin with nothing known; see `Runtime.serve` for *deadline*.

        One edition answers the whole request: that of *handler*, or of the environment that the
        request turns out to name.
        """
        self._runtime, self._request, self._handler = runtime, request, handler
        self._deadline = deadline
        self._known = Known()
        self._now = runtime.clock()  # no earlier: nothing that answers was fetched after it

    def reply(self) -> Reply:
        """Ask the handler. Never waits.

        Raises:
            PredictionNeeded, Needed: `provide` it, and ask again.
        """
        while True:
            try:
                return self._handler.handle(
                    self._request, self._now, self._runtime.name_event, self._known
                )
            except EnvironmentNeeded as needed:
                found = self._runtime.environments.get(needed.key)
                if found is None or found.edition is None or self._known.environment_asked:
                    raise
                self._known.environment_asked = True
                self._handler = found.handler

    def provide(self, needed: PredictionNeeded | Needed) -> None:
        """Do what `reply` asked for, however long that takes."""
        known, runtime = self._known, self._runtime
        if isinstance(needed, EnvironmentNeeded):
            self._find(needed)
        elif isinstance(needed, PredictionNeeded):
            if needed.rule_id in (known.predictions or {}):
                raise AssertionError(needed.rule_id) from needed  # it would go round for ever
            prediction = None
            if runtime.predictor is not None:
                until = None if self._deadline is None else self._deadline()
                prediction = runtime.predictor.predict(needed, needed.options, until)
            known.predictions = {**(known.predictions or {}), needed.rule_id: prediction}
        elif isinstance(needed, ProfileNeeded):
            stored = None if runtime.profiles is None else runtime.profiles.lookup(needed.user_id)
            known.profile = {} if stored is None else stored
        elif isinstance(needed, RevisionNeeded):
            known.asked = True
            try:
                known.edition = runtime.archive(needed.revision) if runtime.archive else None
            except BucketerError as error:
                known.failure = error
        elif isinstance(needed, WorkNeeded | RequestsNeeded):
            self._work(needed)
        elif isinstance(needed, DatafileNeeded):
            known.datafile = needed.edition.datafile()
        elif isinstance(needed, DatafileAnnounced):
            known.asked = True
            if runtime.on_notice is not None:
                runtime.on_notice(needed.body, needed.environments)
        else:
            from .users import provide  # few requests need any of it

            provide(needed, known, runtime, None if self._deadline is None else self._deadline())

    def _work(self, needed: WorkNeeded | RequestsNeeded) -> None:
        """Do the work, or keep why it failed; answer the requests."""
        if isinstance(needed, RequestsNeeded):
            self._known.answered = self._answer_all(needed.requests)
            return
        work = self._known.work
        if needed.name in work:
            raise AssertionError(needed.name) from needed  # it would go round for ever
        try:
            work[needed.name] = needed.work()
        except BucketerError as error:
            work[needed.name] = error

    def _answer_all(self, requests: list[Request]) -> list[tuple[Response | None, float, float]]:
        """Answer each of *requests* as if it had come alone, while there is room for answers."""
        clock, room_bytes = self._runtime.clock, MAX_ANSWERED_BYTES
        answers: list[tuple[Response | None, float, float]] = []
        for request in requests:
            since = clock()
            response = self._runtime.serve(request, self._deadline) if room_bytes > 0 else None
            room_bytes -= 0 if response is None else len(response.body)
            answers.append((response, since, clock()))
        return answers

    def _find(self, needed: EnvironmentNeeded) -> None:
        """Find the environment that the request names, or why there is none."""
        if self._known.environment_asked:
            raise AssertionError(needed.key) from needed  # it would go round for ever
        self._known.environment_asked = True
        try:
            environment = self._runtime.environments.find(needed.key, needed.unlisted)
        except BucketerError as error:
            self._known.refusal = error
        else:
            self._handler = self._runtime.fresh_handler(environment)
