"""All settings, in the order in which they are told: the rows of each area, one after the other."""

from __future__ import annotations

from . import (
    access,
    agent,
    datafile,
    environments,
    events,
    http,
    openfeature,
    server,
    users,
    webhooks,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

TABLE: Final = (
    *datafile.ROWS,
    *environments.ROWS,
    *events.ROWS,
    *users.ROWS,
    *http.ROWS,
    *openfeature.ROWS,
    *server.ROWS,
    *webhooks.ROWS,
    *agent.ROWS,
    *access.ROWS,
)

BY_NAME: Final = {row.name: row for row in TABLE}
