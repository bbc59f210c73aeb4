"""What is kept of users and asked about them: the state directory, profiles, bandits."""

from __future__ import annotations

from .setting import LOCATION, Setting
from .values import BANDITS, number, profiles_home, switch, text, web_url, whole, whole_or_auto

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
        LOCATION,
    ),
    Setting(
        "BUCKETER_CMAB_TIMEOUT",
        "10",
        number(0.05, 60),
        "seconds from 0.05 to 60",
        "The longest that one attempt to get a prediction may take. There is a second after 0.1 s, "
        "if the request has time for it; without a prediction the user gets no variation.",
    ),
    Setting(
        "BUCKETER_PROFILES_API",
        "off",
        switch,
        "`on` or `off`",
        "Whether `/v1/lookup` and `/v1/save` tell and change stored profiles, as Agent's do where "
        "it has a profile service. Anybody who may send requests may then read what any user was "
        "given, and change it.",
    ),
    Setting(
        "BUCKETER_OVERRIDES",
        "off",
        switch,
        "`on` or `off`",
        "Whether `/v1/override` gives users variations, as Agent's `api.enableOverrides`. They are "
        "kept beside the profiles where those are in a file, else in this process. Anybody who may "
        "send requests may then change what others get.",
    ),
    Setting(
        "BUCKETER_FORCED",
        "off",
        switch,
        "`on` or `off`",
        "Whether `forced=flag:variation` is heard, for those who want to look at a variation. Such "
        "a request sends no impression and saves no profile.",
    ),
    Setting(
        "BUCKETER_ODP",
        "on",
        switch,
        "`on` or `off`",
        "Whether Optimizely Data Platform (ODP) is asked for a user's segments when a request "
        "wants them, and takes events, where the datafile is integrated with it.",
    ),
    Setting(
        "BUCKETER_ODP_HOST",
        "",
        web_url,
        "an https:// or http:// URL without a path of ODP's",
        "Who is asked in the place of the host that a datafile names. Hosts of datafiles are only "
        "asked by https://.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_ODP_TIMEOUT",
        "10",
        number(0.05, 60),
        "seconds from 0.05 to 60",
        "The longest that fetching a user's segments may take. There is one attempt.",
    ),
    Setting(
        "BUCKETER_ODP_CACHE_SIZE",
        "10000",
        whole(0, 1_000_000),
        "a whole number from 0 to 1000000",
        "Users whose segments are remembered; 16 MiB at most. 0 remembers none.",
    ),
    Setting(
        "BUCKETER_ODP_CACHE_AGE",
        "600",
        number(0, 86_400),
        "seconds from 0 to 86400",
        "How long they are remembered.",
    ),
)
