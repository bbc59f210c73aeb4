"""Events in, messages of an SQS queue out: durable before the answer, where there is no disk.

In Lambda the queue is told before the caller is answered. On a server it is the outbox's courier,
so that the loop never waits for a network. Either way `bucketer.doors.sqs` delivers behind it.

A message is `{"bucketer": 1, "region": …, "head": …, "visitors": [{…}, …]}`.
"""

from __future__ import annotations

import json
import logging
from time import monotonic

from bucketer.core.errors import SettingsError
from bucketer.core.events import Batch

from .delivery import LATER, SENT, Verdict
from .post import Address, Poster, PostFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .buffer import Buffer

    #: Headers of a request and its body → the headers with the signature's among them.
    Sign = Callable[[Mapping[str, str], bytes], dict[str, str]]

_log = logging.getLogger("bucketer.outbox")

#: SQS refuses messages of more than 256 KiB (more only where a queue was told so).
MAX_MESSAGE_BYTES = 256 * 1024
#: How a queue is written in the setting.
ALLOWED = "sqs://QUEUE-URL or sqs://arn:aws:sqs:REGION:ACCOUNT:NAME"
_FORMAT = 1
_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "AmazonSQS.SendMessage",
}


class QueueAddress:
    """Which queue a setting means.

    Attributes:
        url: the queue's.
        endpoint: where requests go: the URL without its path.
        region: for the signature.
    """

    __slots__ = ("endpoint", "region", "url")

    def __init__(self, setting: str, environ: Mapping[str, str]) -> None:
        """Read `sqs://` and a queue's URL (with or without https://) or ARN.

        Raises:
            SettingsError: it is neither, or nothing tells the region.
        """
        name = setting.removeprefix("sqs://")
        self.region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
        if name.startswith("arn:"):
            name = self._url_of_arn(name)
        self.url = name if "://" in name else f"https://{name}"
        host = self.url.partition("://")[2].partition("/")[0]
        if host.startswith("sqs.") and ".amazonaws.com" in host:
            self.region = host.split(".")[1]
        path = self.url.partition("://")[2].partition("/")[2]
        if not (host and path):
            raise _bad_setting("a queue's URL or ARN without its account or name")
        if not self.region:
            raise _bad_setting("no region in the queue's URL, and AWS_REGION is not set")
        self.endpoint = self.url.removesuffix(path)

    def _url_of_arn(self, arn: str) -> str:
        parts = arn.split(":")
        if len(parts) != 6 or parts[2] != "sqs":  # noqa: PLR2004 -- arn:aws:sqs:region:account:name
            raise _bad_setting("an ARN that is no queue's")
        self.region = parts[3]
        domain = "amazonaws.com.cn" if parts[1] == "aws-cn" else "amazonaws.com"
        return f"https://sqs.{parts[3]}.{domain}/{parts[4]}/{parts[5]}"


class Queue:
    """A courier that hands visitors to the queue.

    Args:
        address: which queue.
        sign: signs each request.
        ca_file: trusted roots in place of the system's, or None.
    """

    def __init__(self, address: QueueAddress, sign: Sign, ca_file: str | None = None) -> None:
        self._url = address.url
        self._sign = sign
        self._poster = Poster(Address(address.endpoint), ca_file)

    def send(self, batch: Batch, visitors: Sequence[str], timeout_s: float) -> Verdict:
        """Send as many messages as the visitors need; what SQS refuses may be mended, so: later."""
        deadline = monotonic() + timeout_s
        verdict = Verdict(SENT, 200, "", None)
        for message in to_messages(batch, visitors):
            body = json.dumps({"QueueUrl": self._url, "MessageBody": message}).encode("ascii")
            try:
                headers = self._sign(_HEADERS, body)
                answer = self._poster.post(body, headers, max(0.05, deadline - monotonic()))
            except PostFailed as failure:
                return Verdict(LATER, 0, f"SQS: {failure.why}", None)
            if answer.status != 200:  # noqa: PLR2004
                said = answer.body[:200].decode("ascii", "replace")
                return Verdict(LATER, answer.status, f"SQS: status {answer.status}: {said}", None)
        return verdict

    def abort(self) -> None:
        """Cut short an attempt that another thread is making."""
        self._poster.abort()

    def close(self) -> None:
        """Let go of the connection."""
        self._poster.close()


class HandOver:
    """Lambda's home where there is a queue: told before the caller is answered.

    When the queue can't be told in time, the events stay in memory and are delivered after the
    response, as without a queue.

    Args:
        queue: takes the events.
        buffer: takes what the queue can't.
        timeout_s: how long a caller may be kept for the queue.
    """

    def __init__(self, queue: Queue, buffer: Buffer, timeout_s: float = 1.0) -> None:
        self._queue = queue
        self._buffer = buffer
        self._timeout_s = timeout_s

    def write(self, batch: Batch, visitors: list[str]) -> None:
        """Tell the queue, or else remember."""
        verdict = self._queue.send(batch, visitors, self._timeout_s)
        if verdict.kind != SENT:
            _log.warning("outbox: %s; %d events wait in memory", verdict.why, len(visitors))
            self._buffer.write(batch, visitors)

    def waits(self) -> bool:
        """Whether the queue could not take something."""
        return self._buffer.waits()

    def after_response(self, deadline_s: float) -> None:
        """Deliver what the queue could not take."""
        self._buffer.after_response(deadline_s)

    def close(self) -> None:
        """The last chance for that."""
        self._buffer.close()
        self._queue.close()


def to_messages(batch: Batch, visitors: Sequence[str]) -> Iterator[str]:
    """Bodies of messages that hold all of *visitors*, each within SQS's limit."""
    about = json.dumps({"bucketer": _FORMAT, "region": batch.region, "head": batch.head})
    opening = f'{about[:-1]}, "visitors": ['
    part: list[str] = []
    size = room = len(opening) + 2
    for visitor in visitors:
        if part and size + len(visitor) + 2 > MAX_MESSAGE_BYTES:
            yield f"{opening}{', '.join(part)}]}}"
            part, size = [], room
        part.append(visitor)
        size += len(visitor) + 2
    if part:
        yield f"{opening}{', '.join(part)}]}}"


def from_message(body: str) -> tuple[Batch, list[str]]:
    """What `to_messages` put into a message.

    Raises:
        ValueError: the message is not one of ours.
    """
    try:
        found = json.loads(body)
        if found["bucketer"] != _FORMAT:
            message = f"a message of format {found['bucketer']!r}"
            raise ValueError(message)
        visitors = [json.dumps(visitor) for visitor in found["visitors"]]
        return Batch(found["region"], found["head"]), visitors
    except (KeyError, TypeError, RecursionError) as error:
        message = "the message is not one of ours"
        raise ValueError(message) from error


def _bad_setting(why: str) -> SettingsError:
    return SettingsError([f"BUCKETER_EVENTS: found {why}; allowed: {ALLOWED}"])
