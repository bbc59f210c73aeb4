"""The body of an answer, unpacked where it says that it is packed; for sources that speak HTTP.

What is packed and doesn't say so is named by `core.parse`, as is anything else that is no JSON.
"""

from __future__ import annotations

from bucketer.core.errors import SourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.wire import Answer

_GZIP = frozenset({"gzip", "x-gzip"})


def plain_body(answer: Answer, where: str, max_bytes: int) -> bytes:
    """Return the body of *answer*, at most *max_bytes* of it.

    It may be packed though nobody asked for that: an object in S3 keeps the encoding that it was
    stored with.

    Raises:
        SourceError: another encoding than gzip, a damaged body, or one that unpacks to too much.
    """
    named = answer.headers.get("content-encoding", "").lower().split(",")
    encodings = [name for each in named if (name := each.strip()) not in {"", "identity"}]
    came = f"status {answer.status}, {len(answer.body)} bytes"
    if not encodings:
        return answer.body
    if len(encodings) > 1 or encodings[0] not in _GZIP:
        told = ", ".join(encodings)[:20]
        raise SourceError(where, f"an answer in the encoding '{told}'", came)
    import zlib

    unpack = zlib.decompressobj(wbits=31)  # 31: gzip's frame
    try:
        raw = unpack.decompress(answer.body, max_bytes + 1)
    except zlib.error as error:
        raise SourceError(where, "an answer whose gzip is damaged", came) from error
    if len(raw) > max_bytes:
        raise SourceError(where, f"an answer of more than {max_bytes} bytes unpacked", came)
    if not unpack.eof:
        raise SourceError(where, "an answer whose gzip ends too soon", came)
    return raw
