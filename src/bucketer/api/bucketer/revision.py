"""``/bucketer?revision=``: the same question put to an archived edition. Changes nothing.

Only where the setting allows it. No impression is sent and no profile stored: nobody is shown
what an old revision would have decided.
"""

from __future__ import annotations

from bucketer.api.http import Reply, RevisionNeeded
from bucketer.api.query import parse_query
from bucketer.core.errors import InvalidRequest, UnknownRevision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.route import Route
    from bucketer.ports import EditionFacts

MAX_CHARS = 32
_NAMES = {"revision": "revision"}
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class RevisionRoute:
    """A route, and the same route over archived editions.

    Attributes:
        methods, role: as the route has them.
    """

    def __init__(
        self,
        edition: EditionFacts | None,
        route_of: Callable[[EditionFacts | None], Route],
    ) -> None:
        """Answer by *edition* unless another is asked for; *route_of* makes the route of one."""
        self._edition = edition
        self._route_of = route_of
        self._inner = route_of(edition)
        self.methods, self.role = self._inner.methods, self._inner.role

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Decide by the edition that is asked for.

        Raises:
            RevisionNeeded: the shell must fetch it first.
            UnknownRevision: it looked, and there is none.
            RevisionUnavailable: it could not look.
            InvalidRequest: that can be no revision; and whatever the route itself raises.
        """
        if "revision" not in request.query and "%" not in request.query:
            return self._inner.answer(request, now, new_uuid, known)
        asked = parse_query(request.query, _NAMES).get("revision") or ""
        current = "" if self._edition is None else self._edition.ruleset.revision
        if asked in {"", current}:
            return self._inner.answer(request, now, new_uuid, known)
        check_revision(asked)
        if known is None or not known.asked:
            raise RevisionNeeded(asked)
        if known.failure is not None:
            raise known.failure
        if known.edition is None:
            raise UnknownRevision(asked, current or "none")
        reply = self._route_of(known.edition).answer(request, now, new_uuid, known)
        return Reply(reply.response)

    def understood(self, request: Request) -> dict[str, object]:
        """Return what the route understood."""
        return self._inner.understood(request)


def check_revision(text: str) -> None:
    """Let through what can be a revision, and a file's name.

    Raises:
        InvalidRequest: it is neither.
    """
    if not (0 < len(text) <= MAX_CHARS and _PLAIN.issuperset(text)):
        message = f"Parameter 'revision' must be 1 to {MAX_CHARS} letters, digits, '-' or '_'."
        raise InvalidRequest(message, field="revision")
