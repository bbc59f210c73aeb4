"""What concerns the API of Optimizely Agent."""

from __future__ import annotations

from .setting import Setting
from .values import switch, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ROWS: Final = (
    Setting(
        "BUCKETER_AGENT_NOTIFICATIONS",
        "off",
        switch,
        "`on` or `off`",
        "Whether a server tells of decisions, conversions and new datafiles at "
        "`/v1/notifications/event-stream`. Each worker tells of its own; Lambda never does.",
    ),
    Setting(
        "BUCKETER_AGENT_BATCH_MAX",
        "500",
        whole(1, 10_000),
        "a whole number from 1 to 10000",
        "The most operations that one `/v1/batch` may have.",
    ),
)
