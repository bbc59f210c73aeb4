"""A datafile in S3, read with a conditional GET that is signed by `sigv4` and sent by `wire`.

boto3 costs a cold start 300 ms and 37 MB; this costs one round trip.
"""

from __future__ import annotations

import os

from bucketer import wire
from bucketer.core.errors import SourceError
from bucketer.ports import Fetched

from .credentials import CredentialChain
from .file import MAX_DATAFILE_BYTES
from .signing import Signer
from .sigv4 import quote
from .unpacking import plain_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_OK, _NOT_MODIFIED = 200, 304
#: What to do, by S3's code, where it isn't in the code.
_HINTS = {
    "AccessDenied": "; is the key right? Who may not list the bucket is told 403 for what isn't "
    "there: the role needs s3:GetObject, and s3:ListBucket to see the difference",
}
#: The roots that S3's certificates end in: 30 ms less to read than a system's whole bundle.
AMAZON_ROOTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "amazon_roots.pem")  # noqa: PTH100, PTH118, PTH120 -- pathlib costs 4 ms at cold start


class S3Source:
    """One object in a bucket.

    Attributes: as `ports.DatafileSource` has them; `region` is corrected when S3 knows better.
    """

    __slots__ = (
        "_bucket",
        "_ca_file",
        "_endpoint",
        "_key",
        "_signer",
        "_timeout_s",
        "kind",
        "label",
        "max_age_s",
        "region",
        "where",
    )

    def __init__(
        self,
        bucket: str,
        key: str,
        max_age_s: float,
        *,
        region: str,
        signer: Signer,
        endpoint: str | None = None,
        ca_file: str | None = None,
        timeout_s: float = 3.0,
    ) -> None:
        """Keep what is needed; nothing is fetched yet.

        Args:
            bucket: its name.
            key: of the object, not encoded.
            max_age_s: see `ports.DatafileSource`.
            region: where the bucket is.
            signer: signs each request.
            endpoint: URL of another S3 than Amazon's; the bucket goes into the path there.
            ca_file: roots to trust at the endpoint; `AMAZON_ROOTS` at Amazon's own.
            timeout_s: for one fetch.
        """
        self.kind = "s3"
        self.label = f"s3://{bucket}/{key}"
        self.where = f"s3://{bucket}"
        self.max_age_s = max_age_s
        self.region = region
        self._bucket, self._key = bucket, key
        self._signer = signer
        self._endpoint = endpoint
        self._ca_file = ca_file if endpoint else (ca_file or AMAZON_ROOTS)
        self._timeout_s = timeout_s

    @classmethod
    def from_url(
        cls, url: str, max_age_s: float, environ: Mapping[str, str], *, timeout_s: float = 3.0
    ) -> S3Source:
        """Read ``s3://bucket/key`` and what AWS's own variables in *environ* say.

        Raises:
            SourceError: the URL names no key.
        """
        bucket, _, key = url.partition("://")[2].partition("/")
        if not (bucket and key):
            raise SourceError("the datafile URL", "must be s3://BUCKET/KEY")
        return cls(
            bucket,
            key,
            max_age_s,
            region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1",
            signer=Signer("s3", CredentialChain(environ)),
            endpoint=environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or None,
            ca_file=environ.get("AWS_CA_BUNDLE") or None,
            timeout_s=timeout_s,
        )

    def fetch(self, mark: str | None) -> Fetched | None:
        """Get the object.

        Raises:
            SourceError: S3's own code says why where there is one.
        """
        answer = self._get(mark)
        elsewhere = answer.headers.get("x-amz-bucket-region", self.region)
        if answer.status not in {_OK, _NOT_MODIFIED} and elsewhere != self.region:
            self.region = elsewhere  # remembered, so that this is asked once
            answer = self._get(mark)
        if answer.status not in {_OK, _NOT_MODIFIED} and self._signer.learn(answer):
            answer = self._get(mark)
        if answer.status == _NOT_MODIFIED and mark:
            return None
        if answer.status != _OK:
            why = _why(answer)
            hint = _HINTS.get(why.rpartition(" ")[2], "")
            failure = SourceError(self.where, why, f"{len(answer.body)} bytes{hint}")
            failure.missing = why in {"status 404", "status 404 NoSuchKey"}  # not NoSuchBucket
            raise failure
        raw = plain_body(answer, self.where, MAX_DATAFILE_BYTES)
        return Fetched(raw, answer.headers.get("etag"), status=answer.status)

    def _get(self, etag: str | None) -> wire.Answer:
        address = self._address()
        condition = {"If-None-Match": etag} if etag else {}
        headers = self._signer.sign("GET", address, self.region, condition, b"")
        return wire.exchange(
            address,
            headers,
            timeout_s=self._timeout_s,
            max_bytes=MAX_DATAFILE_BYTES,
            ca_file=self._ca_file,
        )

    def _address(self) -> wire.Address:
        key = quote(self._key)
        if self._endpoint:
            address = wire.split_url(self._endpoint)
            address.target = f"{address.target.rstrip('/')}/{self._bucket}/{key}"
            return address
        domain = f"s3.{self.region}.amazonaws.com"
        if self.region.startswith("cn-"):
            domain += ".cn"
        if "." in self._bucket:  # the certificate covers one label before the domain
            return wire.Address(True, domain, 443, f"/{self._bucket}/{key}")
        return wire.Address(True, f"{self._bucket}.{domain}", 443, f"/{key}")


def _why(answer: wire.Answer) -> str:
    """Say what S3 said: the status, and the code from its XML."""
    code = answer.body[:4096].partition(b"<Code>")[2].partition(b"</Code>")[0]
    text = code.decode("ascii", "replace")
    return f"status {answer.status} {text}" if text.isalnum() else f"status {answer.status}"
