"""``/``: where somebody lands who was given the address alone; a request to try, and the way on."""

from __future__ import annotations

from bucketer.api.grant import EVALUATE
from bucketer.api.http import Reply, Response
from bucketer.api.json_text import to_json
from bucketer.api.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import EditionFacts

#: What can't end a URL where somebody reads or clicks it.
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEBUG = "&debug=1"
#: A visitor of the demonstration who qualifies, and gets one_step_checkout.
_DEMONSTRATION = (
    "/bucketer?e=checkout_flow_experiment&u=cooper34523569"
    f"&a=tier:platinum,member_since_days:56{_DEBUG}"
)


class IndexRoute:
    """The route, for one edition. Made when it is asked for: nobody lives on this page.

    Attributes:
        methods: what it takes.
    """

    methods = ("GET", "HEAD")
    role = EVALUATE

    def __init__(
        self,
        edition: EditionFacts | None,
        options: ApiOptions,
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        """Point to what *edition* has an answer to."""
        self._edition, self._options, self._headers = edition, options, headers

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Say what this is; *now*, *new_uuid* and *known* are every route's and not used here."""
        del now, new_uuid, known
        prefix = self._options.path_prefix
        said = {"service": "bucketer", "health": f"{prefix}/health"}
        if self._edition is not None:
            example = prefix + example_of(self._edition)
            if not self._options.debug_allowed:
                example = example.removesuffix(_DEBUG)
            said = {"service": "bucketer", "try": example, "health": f"{prefix}/health"}
        response = Response(200, self._headers, to_json(said).encode("ascii"), request.request_id)
        return Reply(response)

    def understood(self, request: Request) -> dict[str, object]:
        """Return that nobody is in a variation: whoever posts here meant another path."""
        del request
        return {"variation": None}


def example_of(edition: EditionFacts) -> str:
    """Return path and query of a request that *edition* has an answer to.

    An experiment that runs, if there is one, for it can be asked by its key; else a flag; else a
    rule of whatever kind.
    """
    if edition.source == "demonstration":
        return _DEMONSTRATION
    ruleset = edition.ruleset
    deliveries = delivery_keys(ruleset)
    real = [each for each in ruleset.experiments.values() if each.key not in deliveries]
    running = [each.key for each in real if each.running and each.broken is None]
    for name, keys in (("e", running), ("f", ruleset.flags), ("e", ruleset.experiments)):
        for key in keys:
            return f"/bucketer?{name}={quote(key, _UNRESERVED)}&u=visitor1{_DEBUG}"
    return "/health"


def delivery_keys(ruleset: Ruleset) -> set[str]:
    """Return the keys of the rules that only deliver a flag: no experiments to the eye."""
    return {rule.key for flag in ruleset.flags.values() for rule in flag.rollout}
