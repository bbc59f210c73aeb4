"""What stands at one path, and what an API is: for the type checker only."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .http import Known, Reply, Request, Response

    class Api(Protocol):
        """Another API than `/bucketer`, below a prefix of its own.

        It may have `paths`: those at which always the same route stands, which is asked for once.
        """

        def route(self, path: str) -> Route | None:
            """Return what stands at *path*, below the API's prefix; None for nothing."""
            ...

        def refuse(self, request: Request, error: Exception, status: int) -> Response:
            """Answer *error* in the API's own words and shape.

            Args:
                request: what was asked; its body may have been too large to be read.
                error: what was raised, or why the request was refused.
                status: how `problems` would answer it.
            """
            ...

    class Route(Protocol):
        """What stands at one path."""

        @property
        def methods(self) -> tuple[str, ...]:
            """What it takes, for `Allow`; OPTIONS is everybody's."""
            ...

        @property
        def role(self) -> int:
            """Who may ask it where keys are configured: of `grant`, NOBODY for without one."""
            ...

        def answer(
            self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
        ) -> Reply:
            """Answer one of the `methods`; errors are raised."""
            ...

        def understood(self, request: Request) -> dict[str, object]:
            """Return what an error's body carries of a request that failed."""
            ...
