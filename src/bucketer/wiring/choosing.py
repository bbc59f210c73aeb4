"""Has a request whose key is for another environment answered there at once.

Without this the default environment's route finds out and raises `EnvironmentNeeded`, which costs
half as much again as deciding. It is a short way, and no check: the route of the other one asks who
asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.api.http import SDK_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.access import Gate
    from bucketer.api.http import Known, Reply, Request
    from bucketer.api.routes import Handler
    from bucketer.runtime.edition import Edition
    from bucketer.runtime.environment import Environment
    from bucketer.runtime.environments import Environments

    MakeHandler = Callable[[Edition | None, Environment], Handler]


#: Asked often, and the same whichever environment's handler begins. `/health` isn't.
_PATHS = frozenset(("/bucketer", "/track", "/ofrep/v1/evaluate/flags"))


class Chooser:
    """Knows the environments, once they are there.

    Attributes:
        environments: all of them.
    """

    environments: Environments | None = None

    def __init__(self, gate: Gate) -> None:
        """Find by what *gate* remembers of a header."""
        self._gate = gate

    def other(self, request: Request) -> Handler | None:
        """Return the handler of the environment that a key chooses; None where that isn't clear."""
        environments, headers = self.environments, request.headers
        if environments is None or request.path not in _PATHS or SDK_KEY in headers:
            return None
        if "sdk_key=" in request.query:
            return None
        chosen = self._gate.chosen(headers)
        environment = environments.get(chosen) if chosen else None
        if environment is None or environment is environments.default:
            return None
        return environment.handler if environment.edition is not None else None

    def of_default(self, make: MakeHandler) -> MakeHandler:
        """Return what makes the handlers of the default environment, by *make*."""

        def made(edition: Edition | None, environment: Environment) -> Handler:
            handler = make(edition, environment)
            handler.handle = self._first(handler.handle)  # type: ignore[method-assign]  # of this one
            return handler

        return made

    def _first(self, handle: Callable[..., Reply]) -> Callable[..., Reply]:
        def handle_or_hand_over(
            request: Request,
            now: float,
            new_uuid: Callable[[], str],
            known: Known | None = None,
        ) -> Reply:
            if known is None:
                other = self.other(request)
                if other is not None:
                    return other.handle(request, now, new_uuid)
            return handle(request, now, new_uuid, known)

        return handle_or_hand_over
