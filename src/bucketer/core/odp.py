"""Events for Optimizely Data Platform (ODP) as values, and what a request to it is made of.

They go the way of all events, through an outbox.

Source: optimizely-sdk 5.7.0, odp/odp_event.py, odp/odp_event_api_manager.py, odp/odp_manager.py.
"""

from __future__ import annotations

from json import dumps, loads

from .conversions import Conversion
from .envelope import ODP, Batch
from .errors import InvalidRequest
from .events import Event
from .user import User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .integration import Integration
    from .ruleset import Ruleset

#: What an event is when its sender doesn't say.
EVENT_TYPE = "fullstack"
#: The identifier that is the user id of Feature Experimentation; it has other spellings.
USER_ID = "fs_user_id"
_USER_IDS = frozenset((USER_ID, "fs-user-id"))
_VALUES = (str, int, float, type(None))  # a boolean is an integer
#: As in Agent. Source: optimizely/agent 471fdcd, /v1/send-odp-event as it answers.
_LARGEST = 2**53


class OdpEvent(Event):
    """An event for ODP, which an outbox takes like any other: a conversion of another collector.

    Its `uuid` is its `idempotence_id`, unless its data gives another. Made by `odp_event`, which
    refuses what can't be sent.
    """

    __slots__ = ("_identifiers", "_kind", "_odp")

    def __init__(
        self,
        ruleset: Ruleset,
        odp: Integration,
        kind: str,
        action: str,
        identifiers: Mapping[str, str],
        data: Mapping[str, object],
        timestamp_ms: int,
        uuid: str,
    ) -> None:
        what = Conversion("", action, data, ("", "", ""))
        super().__init__(what, User(""), ruleset, timestamp_ms, uuid)
        self._odp, self._kind, self._identifiers = odp, kind, identifiers

    @property
    def batch(self) -> Batch:
        """Which events it may travel with: those of the same account."""
        about = dumps({"odp": {"host": self._odp.host, "key": self._odp.public_key}})
        return Batch(ODP, f'{about[:-1]}, "visitors": [')

    @property
    def text(self) -> str:
        """One line of ASCII."""
        from bucketer import __version__  # the package imports the core

        what = self.what
        assert isinstance(what, Conversion)  # noqa: S101 -- see above
        common = {
            "idempotence_id": self.uuid,
            "data_source_type": "sdk",
            "data_source": "bucketer",
            "data_source_version": __version__,
        }
        event = {
            "type": self._kind or EVENT_TYPE,
            "action": what.event_key,
            "identifiers": _normal(self._identifiers),
            "data": {**common, **(what.tags or {})},
        }
        return dumps(event)


def odp_event(
    ruleset: Ruleset,
    kind: str,
    action: str,
    identifiers: Mapping[str, str],
    data: Mapping[str, object],
    timestamp_ms: int,
    uuid: str,
) -> OdpEvent:
    """Make an event for ODP.

    Args:
        ruleset: whose integration it is for.
        kind: ODP's `type`; empty is `fullstack`.
        action: what happened.
        identifiers: of the person, by kind; `fs-user-id` and `FS_USER_ID` mean `fs_user_id`.
        data: facts about it: strings, numbers up to ±2**53, booleans and nulls. They may replace
            what is said of the sender.
        timestamp_ms: milliseconds since 1970; ODP goes by when it comes.
        uuid: its name.

    Raises:
        OdpNotIntegrated: the datafile names no ODP account.
        InvalidRequest: a value of *data* can't be sent.
    """
    odp = ruleset.odp
    if odp is None:
        raise OdpNotIntegrated
    for key, value in data.items():
        fits = not isinstance(value, (int, float)) or abs(value) <= _LARGEST
        if not isinstance(value, _VALUES) or not fits:
            message = f"The ODP data '{str(key)[:100]}' is no string, number, true, false or null."
            raise InvalidRequest(message, field="data")
    return OdpEvent(ruleset, odp, kind, action, identifiers, data, timestamp_ms, uuid)


class OdpNotIntegrated(InvalidRequest):
    """The datafile names no ODP account."""

    def __init__(self) -> None:
        super().__init__("The datafile has no integration with ODP (Optimizely Data Platform).")


def account_in(batch: Batch) -> tuple[str, str]:
    """Return host and public key of the account that a batch of ODP's is for.

    Raises:
        KeyError, TypeError, ValueError: it is no such batch, or damaged.
    """
    about = loads(f"{batch.head}]}}")["odp"]
    host, key = about["host"], about["key"]
    if not (isinstance(host, str) and isinstance(key, str)):
        raise TypeError(type(host))
    return host, key


def payload_of(events: Iterable[str]) -> bytes:
    """The body of one POST to ODP."""
    return f"[{', '.join(events)}]".encode("ascii")


def base_url(instead: str, host: str) -> str:
    """Return the URL of ODP, without a path.

    Args:
        instead: the operator's, or empty.
        host: the datafile's, which may be anybody's: only TLS keeps it from naming what is reached
            from here alone.

    Raises:
        ValueError: a datafile names a host that isn't asked; with one clause for a log.
    """
    if instead:
        return instead.rstrip("/")
    if not host.lower().startswith("https://"):
        message = "the datafile's host is no https:// URL, and BUCKETER_ODP_HOST names none"
        raise ValueError(message)
    return host.rstrip("/")


def headers_of(public_key: str) -> dict[str, str]:
    """Return the headers of a request to ODP.

    Raises:
        ValueError: the key can't stand in one; with one clause for a log.
    """
    if not (public_key.isascii() and public_key.isprintable()):
        message = "the datafile's public key can't stand in a header"
        raise ValueError(message)
    return {"Content-Type": "application/json", "User-Agent": "bucketer", "x-api-key": public_key}


def _normal(identifiers: Mapping[str, str]) -> dict[str, str]:
    """The same, with `fs_user_id` for the first other spelling of it, if it isn't there itself."""
    normal = dict(identifiers)
    if not normal.get(USER_ID):
        found = next((key for key in normal if key.lower() in _USER_IDS), None)
        if found is not None:
            normal[USER_ID] = normal.pop(found)
    return normal
