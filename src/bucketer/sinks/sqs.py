"""Events in, messages of an SQS queue out: durable before the answer, where there is no disk.

In Lambda the queue is told before the caller is answered. On a server it is the outbox's transport,
so that the loop never waits for a network. Either way `bucketer.doors.sqs` delivers behind it.

A message is `{"bucketer": 1, "region": …, "head": …, "visitors": [{…}, …]}`.
"""

from __future__ import annotations

import json
import logging
from time import monotonic

from bucketer.core.envelope import ODP, Batch
from bucketer.core.errors import SettingsError
from bucketer.core.events import ENDPOINTS
from bucketer.wire import ExchangeFailed

from .delivery import LATER, NEVER, SENT, Verdict, deliver
from .post import Poster

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

    #: Headers of a request and its body → the headers with the signature's among them.
    from bucketer.wire import Answer

    from .buffer import Buffer
    from .sender import Transport

    Sign = Callable[[Mapping[str, str], bytes], dict[str, str]]

_log = logging.getLogger("bucketer.outbox")

#: Some queues take more, and some less: they say so, then what they refuse is divided. One event
#: that is larger is tried all the same.
MAX_MESSAGE_BYTES = 256 * 1024
#: What SQS calls a message that it will never take: too long, or of characters it doesn't take.
_FINAL = ("InvalidParameterValue", "InvalidMessageContents")
_TOO_LARGE = 413
_CLIENT_ERRORS = range(400, 500)
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
    """A transport that hands visitors to the queue.

    Args:
        address: which queue.
        sign: signs each request.
        ca_file: trusted roots in place of the system's, or None.
        learn: is given a refusal; says whether a request that is signed anew may succeed.
    """

    def __init__(
        self,
        address: QueueAddress,
        sign: Sign,
        ca_file: str | None = None,
        learn: Callable[[Answer], bool] = lambda _: False,
    ) -> None:
        self._url = address.url
        self._sign = sign
        self._learn = learn
        self._poster = Poster(address.endpoint, ca_file)

    def send(self, batch: Batch, visitors: Sequence[str], timeout_s: float) -> Verdict:
        """Send one message. More than one can hold are refused, to be divided, without asking.

        What SQS says against the message itself is final; everything else may be mended (a
        throttle, credentials, a queue that isn't there), so: later. Never raises.
        """
        deadline = monotonic() + timeout_s
        message = to_message(batch, visitors)
        if len(message) > MAX_MESSAGE_BYTES and len(visitors) > 1:
            return Verdict(NEVER, _TOO_LARGE, "more than a message can hold", None)
        body = json.dumps({"QueueUrl": self._url, "MessageBody": message}).encode("ascii")
        try:
            answer = self._ask(body, deadline)
            if answer.status != 200 and self._learn(answer):  # noqa: PLR2004 -- HTTP's OK
                answer = self._ask(body, deadline)
        except ExchangeFailed as failure:
            return Verdict(LATER, 0, f"SQS: {failure.why}", None)
        except Exception as error:  # noqa: BLE001 -- whatever keeps us from asking, the events stay
            return Verdict(LATER, 0, f"SQS: can't be asked: {error}", None)
        if answer.status == 200:  # noqa: PLR2004
            return Verdict(SENT, 200, "", None)
        said = answer.body[:200].decode("ascii", "replace")
        why = f"SQS: status {answer.status}: {said}"
        final = answer.status in _CLIENT_ERRORS and any(word in said for word in _FINAL)
        return Verdict(NEVER if final else LATER, answer.status, why, None)

    def _ask(self, body: bytes, deadline: float) -> Answer:
        headers = self._sign(_HEADERS, body)
        return self._poster.post(body, headers, max(0.05, deadline - monotonic()))

    def abort(self) -> None:
        """Cut short an attempt that another thread is making."""
        self._poster.abort()

    def close(self) -> None:
        """Let go of the connection."""
        self._poster.close()


class HandOver:
    """Lambda's sink where there is a queue: told before the caller is answered.

    When the queue can't be told in time, or doesn't want an event, it stays in memory and is
    delivered after the response, as without a queue.

    Args:
        queue: takes the events.
        buffer: takes what the queue can't.
        timeout_s: how long a caller may be kept for the queue.
    """

    def __init__(self, queue: Transport, buffer: Buffer, timeout_s: float = 1.0) -> None:
        self._queue = queue
        self._buffer = buffer
        self._timeout_s = timeout_s

    def write(self, batch: Batch, visitors: list[str]) -> None:
        """Tell the queue, or else remember."""
        deadline = monotonic() + self._timeout_s

        def send(batch: Batch, visitors: Sequence[str]) -> Verdict:
            return self._queue.send(batch, visitors, max(0.05, deadline - monotonic()))

        outcome = deliver(send, batch, visitors)
        left = [each for part, _ in outcome.dead for each in part] + visitors[outcome.settled :]
        if left:
            verdict = outcome.later or outcome.dead[0][1]
            _log.warning("outbox: %s; %d events wait in memory", verdict.why, len(left))
            self._buffer.write(batch, left)

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


def to_message(batch: Batch, visitors: Sequence[str]) -> str:
    """The body of a message that holds *visitors*: one line of ASCII, of any length."""
    about = json.dumps({"bucketer": _FORMAT, "region": batch.region, "head": batch.head})
    return f'{about[:-1]}, "visitors": [{", ".join(visitors)}]}}'


def from_message(body: str) -> tuple[Batch, list[str]]:
    """What `to_message` put into a message.

    Raises:
        ValueError: the message is not one of ours: its parts are not what they should be, or
            what would be sent isn't JSON.
    """
    try:
        found = json.loads(body, parse_constant=_refuse)
        region, head, visitors = found["region"], found["head"], found["visitors"]
        if found["bucketer"] != _FORMAT or found["bucketer"] is True:
            message = f"a message of format {str(found['bucketer'])[:20]}"
            raise ValueError(message)
        if region not in ENDPOINTS and region != ODP:
            message = f"a message for the region {str(region)[:20]}"
            raise ValueError(message)
        if not (visitors and isinstance(visitors, list)):
            message = "a message of nobody"
            raise ValueError(message)
        if not (head.isascii() and isinstance(json.loads(f"{head}]}}")["visitors"], list)):
            message = "the head of a payload is damaged"
            raise ValueError(message)
        if not all(isinstance(each, dict) for each in visitors):
            message = "a visitor that is none"
            raise ValueError(message)
        return Batch(region, head), [json.dumps(visitor) for visitor in visitors]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        message = "the message is not one of ours"
        raise ValueError(message) from error


def _refuse(word: str) -> NoReturn:
    message = f"{word} is not JSON"
    raise ValueError(message)


def _bad_setting(why: str) -> SettingsError:
    return SettingsError([f"BUCKETER_EVENTS: found {why}; allowed: {ALLOWED}"])
