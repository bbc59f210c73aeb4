"""What is kept of users and asked about them: the state directory, profiles, bandits."""

from __future__ import annotations

from .setting import Setting
from .values import BANDITS, number, profiles_home, text, web_url, whole_or_auto

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ROWS: Final = (
    Setting(
        "BUCKETER_STATE_DIR",
        "~/.local/state/bucketer",
        text,
        "a directory that can be written to; `~` is the home directory",
        "Where the server keeps its outbox, its user profiles, and the copy of the datafile that "
        "its workers share.",
    ),
    Setting(
        "BUCKETER_PROFILES",
        "off",
        profiles_home,
        "`off`, `memory`, `sqlite` or sqlite:PATH",
        "Whether users keep the variation they once got when the traffic allocation changes: a "
        "store of user profiles, for this process or in a file in the state directory.",
    ),
    Setting(
        "BUCKETER_PROFILES_MAX",
        "auto",
        whole_or_auto(1, 1_000_000_000),
        "`auto`, or a whole number from 1 to 1000000000",
        "Users whose profiles are kept. Beyond it `memory` drops whoever was not seen for longest, "
        "`sqlite` whoever was first saved longest ago. `auto` is 100000 in memory, 1000000 in a "
        "file.",
    ),
    Setting(
        "BUCKETER_CMAB_ENDPOINT",
        BANDITS,
        web_url,
        "an https:// or http:// URL; the rule's id replaces `{}` in it, or is appended",
        "Who is asked for the predictions of contextual multi-armed bandit rules.",
    ),
    Setting(
        "BUCKETER_CMAB_TIMEOUT",
        "10",
        number(0.05, 60),
        "seconds from 0.05 to 60",
        "The longest that one attempt to get a prediction may take. There is a second after 0.1 s, "
        "if the request has time for it; without a prediction the user gets no variation.",
    ),
)
