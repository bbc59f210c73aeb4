"""Signed requests to one service of AWS, also from a machine whose clock is wrong.

AWS refuses what is signed at another time than its own. Its answers say what time it is there, so
the difference is learnt from the first refusal, and what is signed afterwards is signed by it.
"""

from __future__ import annotations

import time

from .sigv4 import sign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bucketer.wire import Address, Answer

    from .credentials import CredentialChain

#: What S3 and SQS say of another time, and of credentials that have ended.
_SKEWED = (b"RequestTimeTooSkewed", b"RequestExpired", b"Signature expired", b"not yet current")
_ENDED = (b"ExpiredToken",)
#: Smaller differences are nobody's trouble; with greater ones not even a certificate is valid.
_LEAST_SKEW_S, _MOST_SKEW_S = 60.0, 86_400.0


class Signer:
    """Signs requests; learns from refusals.

    Args:
        service: ``s3``, ``sqs``, ….
        credentials: of the signer.
        clock: epoch seconds.
    """

    __slots__ = ("_ahead_s", "_clock", "_credentials", "_service")

    def __init__(
        self, service: str, credentials: CredentialChain, clock: Callable[[], float] = time.time
    ) -> None:
        self._service, self._credentials, self._clock = service, credentials, clock
        self._ahead_s = 0.0  # AWS's clock, before ours

    def sign(
        self, method: str, address: Address, region: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """Return the headers that sign the request; see `sigv4.sign`.

        Raises:
            SourceError: there are no credentials.
        """
        return sign(
            method,
            address,
            headers,
            body,
            service=self._service,
            region=region,
            credentials=self._credentials(),
            now=self._clock() + self._ahead_s,
        )

    def learn(self, answer: Answer) -> bool:
        """Say whether the same request, signed anew, may succeed where *answer* refused it."""
        said = answer.body[:4096]
        if any(word in said for word in _ENDED):
            self._credentials.forget()
            return True
        if not any(word in said for word in _SKEWED):
            return False
        told = _moment(answer.headers.get("date", ""))
        ahead_s = 0.0 if told is None else told - self._clock()
        if abs(ahead_s - self._ahead_s) < _LEAST_SKEW_S or abs(ahead_s) > _MOST_SKEW_S:
            return False
        self._ahead_s = ahead_s
        return True


def _moment(date: str) -> float | None:
    """Read ``Tue, 24 Nov 2026 08:00:00 GMT``; None when it says something else."""
    from calendar import timegm  # rarely needed

    try:
        return float(timegm(time.strptime(date, "%a, %d %b %Y %H:%M:%S GMT")))
    except ValueError:
        return None
