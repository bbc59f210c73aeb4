"""`eventStreams`: where clients hear of new revisions, at addresses that are signed and soon end.

A client's `EventSource` can't send headers, so the address is the leave: it says what is listened
to, which is no SDK key, and nothing but "evaluate again" is told there. Whoever connects is told so
at once: what happened before nobody knows, and not every client asks again by itself.

Source: open-feature/protocol, service/event-streams.yaml; @openfeature/ofrep-web-provider 0.4.3.
"""

from __future__ import annotations

from bucketer.api.grant import NOBODY
from bucketer.api.json_text import to_json
from bucketer.api.problems import StreamRefused
from bucketer.api.query import parse_query
from bucketer.api.signed import STREAM, NotOurs, opened, sign
from bucketer.api.streams import Notice, Stream, Telling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.http import Known, Reply, Request
    from bucketer.api.options import ApiOptions

#: Where the stream stands below the service's address.
PATH = "/ofrep/v1/events"
#: How long an address is good to connect to; a connection stays.
ADDRESS_S = 900
#: After so long it is another one, so that what a client is told has 900 s at least to go.
STEP_S = 225
_REFETCH = "refetchEvaluation"
_NAMES = {"stream": "stream"}
#: A client that was cut off comes back after 2 s to 7 s, so that not all come at once.
_RETRY_MS, _RETRY_SPREAD_MS = 2_000, 5_000


def topic_of(environment_id: str) -> str:
    """Return what those listen to who want to hear of the environment of that id."""
    return f"ofrep {environment_id}"


def edition_notice(environment_id: str, revision: str) -> Notice:
    """Return what is told of a new datafile of the environment of that id."""
    told = to_json({"type": _REFETCH, "etag": revision})
    name = to_json(revision)[1:-1]  # of one line, whatever is in it
    return Notice(topic_of(environment_id), _REFETCH, f"id: {name}\ndata: {told}".encode("ascii"))


class EventStreams:
    """What bulk answers say of streams.

    Addresses are the same for all of an environment for a while, and end only after an answer that
    names them could have been told to be still good (304).
    """

    def __init__(self, options: ApiOptions) -> None:
        """Sign by what *options* say."""
        self._options = options
        self._told: tuple[int, str, str] | None = None

    def told(self, request: Request, now: float) -> str:
        """Return the JSON text of `eventStreams`; empty where no more may listen.

        Args:
            request: to a bulk evaluation; its path tells what stands in front of ours.
            now: epoch seconds.
        """
        options = self._options
        if options.stream_room is None or options.stream_room.is_full:
            return ""
        expires_s = (int(now) // STEP_S + 1) * STEP_S + ADDRESS_S
        prefix = request.path.partition("/ofrep/")[0]
        told = self._told
        if told is None or told[0] != expires_s or told[1] != prefix:
            topic = topic_of(options.environment_id).encode()
            token = sign(options.stream_secrets[0], STREAM, topic, expires_s)
            address = {"requestUri": f"{prefix}{PATH}?stream={token}"}
            text = to_json([{"type": "sse", "endpoint": address}])
            told = self._told = (expires_s, prefix, text)
        return told[2]


class StreamRoute:
    """The stream, the same for every edition: the address says what is listened to.

    Attributes:
        methods: what it takes.
        role: none: the address is the leave.
    """

    methods = ("GET",)
    role = NOBODY

    def __init__(self, options: ApiOptions, headers: tuple[tuple[str, str], ...]) -> None:
        """Stream with *headers*, but for the type."""
        self._options = options
        rest = [each for each in headers if each[0] != "Content-Type"]
        # Without the last one, nginx keeps back what there is.
        self._headers = (
            ("Content-Type", "text/event-stream"), *rest, ("X-Accel-Buffering", "no"),
        )  # fmt: skip

    def answer(
        self,
        request: Request,
        now: float,
        new_uuid: Callable[[], str],  # noqa: ARG002 -- nothing is named
        known: Known | None,  # noqa: ARG002 -- nothing is fetched
    ) -> Reply:
        """Begin a stream.

        Raises:
            StreamRefused: the address isn't one of ours, or has ended.
        """
        token = parse_query(request.query, _NAMES).get("stream", "")
        try:
            topic = opened(self._options.stream_secrets, STREAM, token, now).decode()
        except NotOurs as error:
            raise StreamRefused(error.why) from None
        stream = Stream(self._headers, request.request_id, topic, (_REFETCH,))
        retry_ms = _RETRY_MS + int.from_bytes(request.request_id.encode()[-4:]) % _RETRY_SPREAD_MS
        again = f"data: {to_json({'type': _REFETCH})}\n\n".encode("ascii")
        stream.opening = b"retry: %d\n%b" % (retry_ms, again)
        stream.before = b""
        stream.lost = b": %d lost\n" + again
        return Telling(stream)

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing: `OfrepApi.refuse` says what was asked."""
        del request
        return {}
