"""`/console/…`: which route stands where, who is let in, and what an error looks like."""

from __future__ import annotations

from bucketer.api.access import admit
from bucketer.api.body import parse_object
from bucketer.api.grant import READ, grant_of
from bucketer.api.http import ProfileNeeded, Reply, Response, WorkNeeded
from bucketer.api.json_text import to_json
from bucketer.api.local import is_local
from bucketer.api.query import parse_query
from bucketer.core.errors import BucketerError, InvalidRequest, NoDatafile

from . import entities, listing
from .allowed import check_json, check_origin, no_keys, not_here
from .pages import PREFIX, page_route
from .refusal import JSON, PRIVATE, Refused, refusal
from .revisions import compare_json, revisions_json
from .service import service_json
from .split import split_of
from .tryout import try_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from bucketer.api.http import Known, Request
    from bucketer.api.options import ApiOptions
    from bucketer.api.route import Route
    from bucketer.ports import EditionFacts, Engine

    from .parts import ConsoleParts, Room

    Told: TypeAlias = dict[str, object]

_API = f"{PREFIX}/api/"
#: What the work of a route stands under in `Known.work`.
_WORK = "console"
_CSV = (("Content-Type", "text/csv; charset=utf-8"), *PRIVATE)


class Question:
    """What one request asks, read.

    Attributes:
        fields: of a GET's query, or a POST's body.
        found: the edition of the environment that it names, or None where there is none yet.
        parts: what the console was given.
        health: gives what `/health` answers.
        environment: the name of that environment.
        rooms: the environments that who asks may know of.
        now: epoch seconds.
        profile: the user's stored variations, where they were asked for.
    """

    __slots__ = ("environment", "fields", "found", "health", "now", "parts", "profile", "rooms")

    def __init__(
        self,
        fields: dict[str, Any],
        found: EditionFacts | None,
        parts: ConsoleParts,
        health: Callable[[], dict[str, object]],
    ) -> None:
        """Take them."""
        self.fields, self.found, self.parts, self.health = fields, found, parts, health
        self.environment = ""
        self.rooms: list[Room] = []
        self.profile: dict[str, str] | None = None
        self.now = 0.0

    @property
    def edition(self) -> EditionFacts:
        """The edition.

        Raises:
            NoDatafile: there is none yet.
        """
        if self.found is None:
            raise NoDatafile
        return self.found


def _project(question: Question) -> Told:
    parts = question.parts
    return listing.project_json(
        question.edition,
        question.environment,
        question.rooms,
        has_archive=parts.archive is not None,
    )


def _list(question: Question) -> Told:
    return listing.list_json(question.edition.ruleset, question.fields)


def _flag(question: Question) -> Told:
    return entities.flag_json(question.edition.ruleset, _key(question, "key"))


def _experiment(question: Question) -> Told:
    return entities.experiment_json(question.edition.ruleset, _key(question, "key"))


def _audience(question: Question) -> Told:
    return entities.audience_json(question.edition.ruleset, _key(question, "id"))


def _group(question: Question) -> Told:
    return entities.group_entity(question.edition.ruleset, _key(question, "id"))


def _holdout(question: Question) -> Told:
    return entities.holdout_json(question.edition.ruleset, _key(question, "key"))


def _try(question: Question) -> Told:
    ruleset = question.edition.ruleset
    return try_json(question.fields, ruleset, question.environment, question.profile)


def _split(question: Question) -> Told | str:
    return split_of(question.fields, question.edition.ruleset)


def _service(question: Question) -> Told:
    parts, rooms = question.parts, question.rooms
    return service_json(parts, rooms, question.health(), question.now)


def _revisions(question: Question) -> Told:
    return revisions_json(question.parts, question.edition)


def _compare(question: Question) -> Told:
    return compare_json(question.fields, question.edition, question.parts)


def _key(question: Question, name: str) -> str:
    found: str = question.fields.get(name) or ""
    if not found:
        raise InvalidRequest(f"Parameter '{name}' is missing.", field=name)
    return found


#: Path below `/console/api/` → method, and what answers.
ROUTES: dict[str, tuple[str, Callable[[Question], Told | str]]] = {
    "project": ("GET", _project),
    "list": ("GET", _list),
    "flag": ("GET", _flag),
    "experiment": ("GET", _experiment),
    "audience": ("GET", _audience),
    "group": ("GET", _group),
    "holdout": ("GET", _holdout),
    "try": ("POST", _try),
    "split": ("POST", _split),
    "service": ("GET", _service),
    "revisions": ("GET", _revisions),
    "compare": ("POST", _compare),
}
_NAMES = {
    name: name for name in ("environment", "key", "id", "q", "kind", "offset", "limit", "sdk_key")
}


class ConsoleApi:
    """The console, for one edition.

    Attributes:
        checks_tokens: it does so itself, since the page's files need none.
    """

    checks_tokens = True

    def __init__(
        self,
        parts: ConsoleParts,
        edition: EditionFacts | None,
        options: ApiOptions,
        headers: tuple[tuple[str, str], ...],
        engine: Engine,
        keys: frozenset[str],
    ) -> None:
        """Answer by *edition*, as the core decides."""
        del headers, engine  # those let any page read
        self._parts, self._edition, self._options, self._keys = parts, edition, options, keys

    def route(self, path: str) -> Route | None:
        """Return what stands at *path*."""
        found = ROUTES.get(path[len(_API) :]) if path.startswith(_API) else None
        if found is None:
            return page_route(self._parts, self._options.path_prefix, path)
        return ConsoleRoute(self, *found)

    def refuse(self, request: Request, error: Exception, status: int) -> Response:
        """Answer *error*."""
        return refusal(request, error, status)

    def admit(self, request: Request, now: float, known: Known | None) -> None:
        """Let in who may see the console.

        Raises:
            Refused: they may not.
            TokenRefused: they show no key, or one that isn't good; and what `admit` raises.
        """
        check_origin(request.headers)
        parts, gate = self._parts, self._options.gate
        local = parts.is_open and is_local(request)
        if not local and not parts.takes_keys:
            raise not_here()
        if gate is not None:
            admit(request, gate, READ, self._options.environment_id, self._keys, now, known)
        elif not local:
            raise no_keys()

    def question(self, request: Request, now: float) -> Question:
        """Read what *request* asks.

        Raises:
            InvalidRequest: it can't be understood.
            Refused: it names an environment that isn't there.
        """
        if request.method == "POST":
            check_json(request.headers)
            fields = parse_object(request.body, self._options.max_json_depth)
        else:
            fields = parse_query(request.query, _NAMES)
        name = fields.get("environment") or ""
        edition = self._edition
        rooms = list(self._parts.rooms())
        if self._options.gate is not None:  # a key may be for some of them
            grant = grant_of(request)
            rooms = [each for each in rooms if grant.covers(each.title, each.keys)]
        if name:
            named = [each for each in rooms if each.name == name]
            if not named:
                message = "No environment has that name; GET /console/api/project lists them."
                raise Refused(404, "unknown_environment", message)
            edition = named[0].edition
        whose = self._parts
        if name or not self._options.revisions:
            whose = whose.without_archive()
        question = Question(
            fields,
            edition,
            whose,
            lambda: self._parts.health(self._edition, self._options, now),
        )
        question.environment, question.now, question.rooms = name, now, rooms
        return question

    def needs_profile(self, question: Question) -> str | None:
        """Return the user whose stored profile counts, where there are any."""
        user = question.fields.get("user")
        wanted = question.fields.get("profile") is not False
        return user if self._options.profiles and wanted and isinstance(user, str) else None


class ConsoleRoute:
    """One route: who may ask is checked, the question is read, and answered beside the loop.

    Attributes:
        methods: what it takes.
    """

    role = READ

    def __init__(
        self, api: ConsoleApi, method: str, answer: Callable[[Question], Told | str]
    ) -> None:
        """Answer by *answer*, which may take its time."""
        self.methods = ("GET", "HEAD") if method == "GET" else ("POST",)
        self._api, self._answer = api, answer

    def answer(
        self, request: Request, now: float, new_uuid: Callable[[], str], known: Known | None
    ) -> Reply:
        """Answer; nothing is sent, and nothing kept.

        Raises:
            WorkNeeded, ProfileNeeded: the shell must do that first.
            BucketerError: to be answered as `refusal` says.
        """
        del new_uuid
        if known is not None and _WORK in known.work:
            return self._told(request, known.work[_WORK])
        try:
            self._api.admit(request, now, known)
            question = self._api.question(request, now)
        except Refused as refused:
            return Reply(refusal(request, refused, refused.status))
        user = self._api.needs_profile(question) if request.method == "POST" else None
        if user is not None:
            if known is None or known.profile is None:
                raise ProfileNeeded(user)
            question.profile = dict(known.profile)
        raise WorkNeeded(_WORK, lambda: self._work(question))

    def _work(self, question: Question) -> Told | str | Refused:
        try:
            return question.parts.in_turn(lambda: self._answer(question))
        except Refused as refused:
            return refused

    def _told(self, request: Request, done: object) -> Reply:
        if isinstance(done, Refused):
            return Reply(refusal(request, done, done.status))
        if isinstance(done, BucketerError):
            raise done
        if isinstance(done, str):
            return Reply(Response(200, _CSV, done.encode(), request.request_id))
        return Reply(Response(200, JSON, to_json(done).encode("ascii"), request.request_id))

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing: there is no decision to fall back from."""
        del request
        return {}
