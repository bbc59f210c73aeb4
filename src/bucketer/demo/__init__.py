"""The demonstration datafile: ours, invented, shaped like a real export, and marked as such.

It answers while nothing else is configured. Whoever sends events asks `is_demonstration` first:
nothing decided on it ever goes to Optimizely.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

#: Ids that Optimizely gave to nobody; the pair marks the demonstration.
ACCOUNT_ID: Final = "80000000000"
PROJECT_ID: Final = "10000000000"

#: `datafile.json` beside this module. No `pathlib`, no `importlib.resources`: Lambda imports this.
PATH: Final = __file__.rpartition("/")[0] + "/datafile.json"


def is_demonstration(account_id: str, project_id: str) -> bool:
    """Whether a datafile with these ids is the demonstration (or a variation on it)."""
    return account_id == ACCOUNT_ID and project_id == PROJECT_ID
