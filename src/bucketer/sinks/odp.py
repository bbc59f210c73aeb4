"""An outbox for events that go to ODP: apart from the other, which must not wait for ODP."""

from __future__ import annotations

from bucketer.core.odp import OdpEvent

from .outbox import Outbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.envelope import Batch
    from bucketer.core.events import Event


def _batch_of(event: Event) -> Batch:
    assert isinstance(event, OdpEvent)  # noqa: S101 -- nothing else comes here
    return event.batch


def _told_of(event: Event) -> str:  # noqa: ARG001 -- the interface of the outbox
    return ""


def _text_of(event: Event, told: str | None) -> str:  # noqa: ARG001 -- likewise
    assert isinstance(event, OdpEvent)  # noqa: S101 -- nothing else comes here
    return event.text


class OdpOutbox(Outbox):
    """The same, with another spelling."""

    _batch_of = staticmethod(_batch_of)
    _told_of = staticmethod(_told_of)
    _visitor_json = staticmethod(_text_of)
