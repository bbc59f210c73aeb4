"""What stands at one path: for the type checker only."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .http import Known, Reply, Request

    class Route(Protocol):
        """What stands at one path."""

        @property
        def methods(self) -> tuple[str, ...]:
            """What it takes, for `Allow`; OPTIONS is everybody's."""
            ...

        def answer(
            self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
        ) -> Reply:
            """Answer one of the `methods`; errors are raised."""
            ...

        def understood(self, request: Request) -> dict[str, object]:
            """Return what an error's body carries of a request that failed."""
            ...
