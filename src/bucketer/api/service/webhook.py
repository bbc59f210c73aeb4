"""Optimizely's datafile webhook: is it genuine, what does it say. Pure.

Source: Optimizely, "Webhooks for Feature Experimentation": `X-Hub-Signature` is ``sha1=`` and the
hex HMAC-SHA1 of the raw body; ``{"project_id", "timestamp", "event", "data": [{"revision",
"origin_url", "cdn_url", "environment"}]}``.
"""

from __future__ import annotations

import json

from bucketer.api.grant import NOBODY
from bucketer.api.http import DatafileAnnounced, Reply, Response
from bucketer.api.options import WebhookRule
from bucketer.core.errors import InvalidRequest, WebhookRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bucketer.api.http import Known, Request
    from bucketer.ports import EditionFacts

PATH = "/webhooks/optimizely"
#: Optimizely sends a few hundred bytes; a project has tens of environments at most.
MAX_BODY_BYTES = 64 * 1024
#: Epoch seconds of the year 9999.
_LAST_TIME_S = 253_402_300_800
_NO_SECRET = "no secret is configured (BUCKETER_WEBHOOK_SECRET)"  # noqa: S105 -- says that there is none

_OTHER_PROJECT = "it is about another project"


class Announcement:
    """What a webhook says.

    Attributes:
        project_id: whose datafile has changed.
        revisions: by the last part of each URL (the file's name) the revision that is there now.
        sent_at: epoch seconds; 0 where it doesn't say.
    """

    __slots__ = ("project_id", "revisions", "sent_at")

    def __init__(self, project_id: str, revisions: dict[str, str], sent_at: float = 0.0) -> None:
        """Keep the values."""
        self.project_id = project_id
        self.revisions = revisions
        self.sent_at = sent_at

    def revision_of(self, url: str) -> str | None:
        """Return the revision that *url* should show by now; None when it isn't about that.

        Hosts may differ (a CDN and its origin); files are named by project or SDK key.
        """
        return self.revisions.get(_file_name(url))


def concerned(
    body: bytes, headers: Mapping[str, str], rules: Sequence[WebhookRule]
) -> tuple[str, ...]:
    """Check that a webhook is genuine for one of the environments; name all whom it concerns.

    Each secret is tried once, however many environments have it, and only of those that the body
    can be about: anybody may send one, and a thousand signatures take longer than a request may.

    Raises:
        WebhookRefused: it is genuine for none; why not for the first.
        InvalidRequest: it is genuine, and yet not what Optimizely sends.
    """
    refusal: WebhookRefused | None = None
    tried: dict[str, WebhookRefused | None] = {}
    names = []
    for rule in _meant(body, rules):
        if rule.secret not in tried:
            tried[rule.secret] = None
            try:
                check_signature(body, headers.get("x-hub-signature", ""), rule.secret)
            except WebhookRefused as refused:
                tried[rule.secret] = refused
        why = tried[rule.secret]
        if (
            why is None
            and rule.project_id
            and parse_announcement(body).project_id != rule.project_id
        ):
            why = WebhookRefused(_OTHER_PROJECT)
        if why is None:
            names.append(rule.environment)
        refusal = refusal or why
    if not names:
        raise refusal or WebhookRefused(_NO_SECRET)
    parse_announcement(body)
    return tuple(names)


def _meant(body: bytes, rules: Sequence[WebhookRule]) -> Sequence[WebhookRule]:
    """Return those of *rules* that are for the project which *body* names; one, if none is."""
    signed = [rule for rule in rules if rule.secret]
    one = signed[:1] or rules[:1]
    if len(signed) <= 1 or len(body) > MAX_BODY_BYTES:
        return one
    try:
        project_id = parse_announcement(body).project_id
    except InvalidRequest:
        return one
    return [rule for rule in signed if rule.project_id in {"", project_id}] or one


def parse_announcement(body: bytes) -> Announcement:
    """Read a webhook that is known to be genuine.

    Raises:
        InvalidRequest: it is not what Optimizely sends.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or "project_id" not in said:
        message = "A webhook's body must be a JSON object with a project_id."
        raise InvalidRequest(message, field="body")
    data = said.get("data")
    entries = data if isinstance(data, list) else [data]
    revisions: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("revision"), int | str):
            for name in ("origin_url", "cdn_url"):
                if isinstance(entry.get(name), str):
                    revisions[_file_name(entry[name])] = str(entry["revision"])
    sent_at = said.get("timestamp")
    # Digits without end are no time, and `float` would refuse them.
    if not isinstance(sent_at, int | float) or not 0 < sent_at < _LAST_TIME_S:
        sent_at = 0.0
    return Announcement(str(said["project_id"]), revisions, float(sent_at))


def check_signature(body: bytes, signature: str, secret: str) -> None:
    """Compare in constant time.

    Raises:
        WebhookRefused: *body* wasn't signed with *secret*.
    """
    import hmac  # 3 ms of a cold start that most processes never need

    if not secret:
        raise WebhookRefused(_NO_SECRET)
    if len(body) > MAX_BODY_BYTES:
        raise WebhookRefused(f"its body is over {MAX_BODY_BYTES} bytes")
    expected = "sha1=" + hmac.digest(secret.encode(), body, "sha1").hex()
    # As bytes: compare_digest refuses text outside ASCII, which a header may hold.
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass")):
        raise WebhookRefused("its signature is missing or wrong")


class WebhookRoute:
    """``POST /webhooks/optimizely``, in server mode.

    Attributes:
        methods: what it takes.
    """

    methods = ("POST",)
    role = NOBODY

    def __init__(
        self,
        edition: EditionFacts | None,
        rules: tuple[str, str],
        headers: tuple[tuple[str, str], ...],
        others: Callable[[], Iterable[WebhookRule]] | None = None,
    ) -> None:
        """Take webhooks signed with the secret, and about the project, of *rules* or of *others*.

        Without a project id in *rules*, the project of *edition* counts. *others* are the rules
        of other environments.
        """
        secret, project_id = rules
        if not project_id and edition is not None:
            project_id = edition.ruleset.project_id
        self._own = WebhookRule("", secret, project_id)
        self._others = others
        self._headers = headers

    def answer(
        self,
        request: Request,
        now: float,
        new_uuid: Callable[[], str],
        known: Known | None,
    ) -> Reply:
        """Check the webhook, have the shell pass it on, then answer 202.

        Raises:
            WebhookRefused, InvalidRequest: see `concerned`.
            DatafileAnnounced: it is genuine.
        """
        del now, new_uuid
        if known is None or not known.asked:
            rules = [self._own, *(self._others() if self._others else ())]
            raise DatafileAnnounced(request.body, concerned(request.body, request.headers, rules))
        return Reply(Response(202, self._headers, b'{"status": "accepted"}', request.request_id))

    def understood(self, request: Request) -> dict[str, object]:
        """Return nothing: what isn't signed wasn't understood."""
        del request
        return {}


def _file_name(url: str) -> str:
    return url.partition("?")[0].rstrip("/").rpartition("/")[2]
