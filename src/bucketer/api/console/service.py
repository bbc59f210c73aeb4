"""`GET service`: how the service is, as health has it, and each environment that may be known."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .parts import ConsoleParts, Room


def service_json(
    parts: ConsoleParts, rooms: Iterable[Room], health: dict[str, object], now: float
) -> dict[str, object]:
    """Tell it, at *now* (epoch seconds); *health* is what `/health` answers."""
    return {
        "now": now,
        "version": parts.version,
        "uptime_s": round(max(0.0, now - parts.started_at), 3),
        "status": health["status"],
        "why": health.get("why") or _why(health),
        "environments": [_environment(each, now) for each in rooms],
        "events": health.get("events"),
        "requests": None if parts.counters is None else parts.counters(),
    }


def _why(health: dict[str, object]) -> list[object]:
    error = health.get("error")
    return [] if error is None else [error]


def _environment(room: Room, now: float) -> dict[str, object]:
    edition = room.edition
    told: dict[str, object] = {"name": room.name, "title": room.title, "refresh": room.refresh}
    if edition is None:
        return {**told, "revision": None, "source": None, "age_s": None, "fetched_at": None}
    checked_at = edition.checked_at
    return {
        **told,
        "revision": edition.ruleset.revision,
        "source": edition.source,
        "age_s": None if checked_at is None else round(max(0.0, now - checked_at), 3),
        "fetched_at": edition.fetched_at,
    }
