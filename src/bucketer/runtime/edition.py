"""An edition: a ruleset with where and when it came from. It is swapped whole."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.ruleset import Ruleset
    from bucketer.ports import DatafileSource, Fetched

    from .freshness import Freshness


class Edition:
    """A ruleset, and where and when it came from.

    Attributes:
        ruleset: what decides.
        label: the URL or path, whole; only for debug answers where that is allowed.
        where: the same without its secrets.
        source: the kind of source: ``package``, ``demonstration``, ``file``, ``url``, ``s3``.
        etag: the origin's name for this content, or None.
        fetched_at: epoch seconds when this content was fetched (for a packaged datafile, when it
            was pulled), or None when nobody knows.
        checked_at: epoch seconds when the source last confirmed it, or None where none does; of a
            stored copy, when it was fetched.
        size_bytes: of the JSON text.
        freshness: how fetching goes, shared by all editions of one runtime.
    """

    __slots__ = (
        "_is_packed",
        "_text",
        "checked_at",
        "etag",
        "fetched_at",
        "freshness",
        "label",
        "ruleset",
        "size_bytes",
        "source",
        "where",
    )

    def __init__(
        self,
        ruleset: Ruleset,
        source: DatafileSource,
        fetched: Fetched,
        now: float,
        freshness: Freshness,
    ) -> None:
        self.ruleset = ruleset
        self.label = source.label
        self.where = source.where
        self.source = source.kind
        self.etag = fetched.etag
        self.fetched_at = fetched.fetched_at
        if self.fetched_at is None and source.kind not in {"package", "demonstration"}:
            self.fetched_at = now
        self.checked_at = self.fetched_at
        self.size_bytes = len(fetched.raw)
        self._text, self._is_packed = fetched.raw, False
        self.freshness = freshness

    def pack(self) -> None:
        """Keep the JSON text in a fifth of its bytes. Nobody waits: unpacking is as cheap."""
        if not self._is_packed:
            import zlib  # a cold start does without

            self._text, self._is_packed = zlib.compress(self._text, 1), True

    def datafile(self) -> bytes:
        """Return the JSON text, as it was fetched."""
        if not self._is_packed:
            return self._text
        import zlib

        return zlib.decompress(self._text)

    def of(self, source: DatafileSource) -> bool:
        """Say whether it came from *source*."""
        return self.label == source.label
