"""What the console is given of the process around it: plain values, and what may be called."""

from __future__ import annotations

from copy import copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol, TypeVar

    from bucketer.api.options import ApiOptions
    from bucketer.ports import EditionFacts

    Done = TypeVar("Done")

    class InTurn(Protocol):
        """Does one thing after the other."""

        def __call__(self, work: Callable[[], Done]) -> Done:
            """Do *work*, and return what it gives."""
            ...

    class Told(Protocol):
        """One difference between two datafiles; its text is a sentence.

        Attributes:
            where: what it belongs to, from the outside in; empty for the datafile as a whole.
        """

        @property
        def where(self) -> tuple[str, ...]:
            """Return it."""
            ...

        def to_json(self) -> dict[str, object]:
            """Return where and what."""
            ...


class Room:
    """One environment, as it is at a moment.

    Attributes:
        name: as `environment` names it; empty for the default one.
        title: what it is called.
        edition: what it decides by; None while there is no datafile.
        refresh: how fetching goes.
    """

    __slots__ = ("edition", "name", "refresh", "title")

    def __init__(
        self, name: str, title: str, edition: EditionFacts | None, refresh: Mapping[str, object]
    ) -> None:
        """Keep the values."""
        self.name, self.title, self.edition, self.refresh = name, title, edition, refresh

    @property
    def keys(self) -> tuple[str, ...]:
        """The SDK key that its datafile tells, if any."""
        return () if self.edition is None else (self.edition.ruleset.sdk_key,)


class File:
    """One of the page's files.

    Attributes:
        kind: its media type.
        body, packed: as it is, and with gzip (empty where that is no shorter).
        etag: names this content.
    """

    __slots__ = ("body", "etag", "kind", "packed")

    def __init__(self, kind: str, body: bytes, packed: bytes, etag: str) -> None:
        """Keep the values."""
        self.kind, self.body, self.packed, self.etag = kind, body, packed, etag


class ConsoleParts:
    """What wiring gives.

    Attributes:
        is_open: True where the server listens on a loopback address alone, and who reaches it
            there needs no key.
        takes_keys: True where it is open to others, who need one.
        files: reads the page's files, by their paths below `web/`; takes its time.
        in_turn: does one thing after the other, since each takes a processor for itself.
        rooms: gives the environments, the default one first.
        archive: finds the edition of an older revision, or None; takes its time, and raises what a
            name is that can be no revision's. None where there is no archive.
        revisions: gives what the archive has, newest first, or None where that can't be listed.
        diff: compares the texts of two datafiles.
        health: gives what `/health` answers of an edition at a time (epoch seconds).
        counters: gives requests and errors so far, or None where nobody counts.
        version: of the package.
        started_at: epoch seconds.
    """

    def __init__(
        self, *, is_open: bool, takes_keys: bool, version: str = "", started_at: float = 0.0
    ) -> None:
        """Begin with nothing beside these; wiring puts the rest in its place."""
        self.is_open, self.takes_keys = is_open, takes_keys
        self.version, self.started_at = version, started_at
        self.files: Callable[[], Mapping[str, File]] = dict
        self.in_turn: InTurn = _at_once
        self.rooms: Callable[[], Iterable[Room]] = tuple
        self.archive: Callable[[str], EditionFacts | None] | None = None
        self.revisions: Callable[[], list[str] | None] | None = None
        self.diff: Callable[[bytes, bytes], Iterable[Told]] | None = None
        self.health: Callable[[EditionFacts | None, ApiOptions, float], dict[str, object]]
        self.health = lambda _edition, _options, _now: {"status": "ok"}
        self.counters: Callable[[], dict[str, object]] | None = None

    def without_archive(self) -> ConsoleParts:
        """The same for another environment than the default one, whose the archive is."""
        if self.archive is None:
            return self
        other = copy(self)
        other.archive = other.revisions = None
        return other


def _at_once(work: Callable[[], Done]) -> Done:
    return work()
