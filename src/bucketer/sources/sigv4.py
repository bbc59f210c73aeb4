"""AWS Signature Version 4: a request in, the headers that sign it out. Pure.

boto3 would sign as well, and cost a cold start 300 ms. Held against `botocore.auth` on thousands
of generated requests (tests/sources/test_sigv4.py).

Source: AWS, "Signature Version 4 signing process"; botocore 1.40, auth.py.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bucketer.wire import Address

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SLASH = frozenset(b"/")
#: Changed on the way by proxies and clients, so never signed.
_NOT_SIGNED = frozenset({"connection", "expect", "user-agent", "x-amzn-trace-id"})


class Credentials:
    """Who signs: `key_id`, `secret`, and `token` for temporary ones (else None)."""

    __slots__ = ("key_id", "secret", "token")

    def __init__(self, key_id: str, secret: str, token: str | None = None) -> None:
        self.key_id, self.secret, self.token = key_id, secret, token


def sign(
    method: str,
    address: Address,
    headers: Mapping[str, str],
    body: bytes,
    *,
    service: str,
    region: str,
    credentials: Credentials,
    now: float,
) -> dict[str, str]:
    """Return *headers* with those added that sign the request.

    Args:
        method: upper case.
        address: where it goes; path and query are percent-encoded as they go over the wire.
        headers: to be sent and signed, beside the host.
        body: what is sent; its digest is signed.
        service: ``s3``, ``sqs``, ….
        region: ``eu-central-1``, ….
        credentials: of the signer.
        now: epoch seconds; AWS accepts five minutes (S3: fifteen) of difference.
    """
    import hashlib  # 3 ms together with hmac: paid when something is signed, not at cold start
    import hmac

    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    digest = hashlib.sha256(body).hexdigest()
    sent = {**headers, "X-Amz-Date": stamp}
    if service == "s3":
        sent["X-Amz-Content-SHA256"] = digest
    if credentials.token:
        sent["X-Amz-Security-Token"] = credentials.token
    names, canonical = canonical_request(method, address, sent, digest, service=service)
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashed}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    sent["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return sent


def canonical_request(
    method: str, address: Address, headers: Mapping[str, str], digest: str, *, service: str
) -> tuple[str, str]:
    """Return the names of the signed headers and the text that the signature covers."""
    path, _, query = address.target.partition("?")
    if service != "s3":  # every service but S3 encodes the path a second time
        path = quote(path)
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&") if pair)
    covered = {"host": address.host_header}
    for name, value in headers.items():
        if name.lower() not in _NOT_SIGNED:
            covered[name.lower()] = " ".join(value.split())
    names = ";".join(sorted(covered))
    lines = [
        method,
        path or "/",
        "&".join(f"{name}={value}" for name, value in pairs),
        *(f"{name}:{covered[name]}" for name in sorted(covered)),
        "",
        names,
        digest,
    ]
    return names, "\n".join(lines)


def quote(text: str, *, slash: bool = True) -> str:
    """Percent-encode *text* as AWS wants it: all but unreserved characters (and slashes)."""
    kept = _UNRESERVED | _SLASH if slash else _UNRESERVED
    return "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in text.encode())
