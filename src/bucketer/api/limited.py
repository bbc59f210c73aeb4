"""A route that each address may ask so often, and no oftener."""

from __future__ import annotations

from .problems import RateLimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .access import Rates
    from .http import Known, Reply, Request
    from .route import Route


class Limited:
    """Counts before anything else is looked at: also what then shows no key.

    Attributes:
        methods, role: of the route.
    """

    def __init__(self, route: Route, rates: Rates) -> None:
        """Let through to *route* what *rates* allow."""
        self.methods, self.role = route.methods, route.role
        self._route, self._rates = route, rates

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Answer as the route does.

        Raises:
            RateLimited: its address has asked too often.
        """
        # Whoever comes a second time, with what was needed or for another environment, has paid.
        if known is None and not hasattr(request, "grant"):
            wait_s = self._rates.of_address(request.ip, now)
            if wait_s:
                raise RateLimited(wait_s)
        return self._route.answer(request, now, new_uuid, known)

    def understood(self, request: Request) -> dict[str, object]:
        """Return what an error's body carries."""
        return self._route.understood(request)
