"""Which environments there are: the file that lists them, and SDK keys that nobody listed."""

from __future__ import annotations

from .setting import LOCATION, Setting
from .values import one_of, s3_url, text, url_of_key, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ROWS: Final = (
    Setting(
        "BUCKETER_CONFIG",
        "",
        text,
        "the path of a TOML file",
        "A file with any number of environments, and with settings that the variables don't say; "
        "docs/environments.md has one. What a variable says wins over the file.",
    ),
    Setting(
        "BUCKETER_SDK_KEYS",
        "listed",
        one_of("listed", "any"),
        "`listed` or `any`",
        "Which SDK keys a request may name: those of the environments in the file and of the "
        "default one, or any, whose datafile is then fetched from Optimizely when it is first "
        "asked for, as Optimizely Agent does.",
    ),
    Setting(
        "BUCKETER_SDK_KEY_URL",
        "https://cdn.optimizely.com/datafiles/{}.json",
        url_of_key,
        "an https:// or http:// URL with `{}` where the SDK key goes",
        "Where the datafile of an SDK key is published.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_SDK_KEY_SECURE_URL",
        "https://config.optimizely.com/datafiles/auth/{}.json",
        url_of_key,
        "an https:// or http:// URL with `{}` where the SDK key goes",
        "The same for an SDK key that comes with a datafile access token (`KEY:TOKEN`), which is "
        "sent there and nowhere else.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_ENVIRONMENTS_STORE",
        "",
        s3_url,
        "an s3://BUCKET/FOLDER URL",
        "Where a webhook puts the datafile of an environment of the file, as "
        "FOLDER/NAME/datafile.json with its revisions beside it; it is read there first, then "
        "where the file says.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_ENVIRONMENTS_MAX",
        "1000",
        whole(1, 100_000),
        "a whole number from 1 to 100000",
        "How many environments that nobody listed are kept at once; the one that was used longest "
        "ago is let go. Listed ones stay.",
    ),
    Setting(
        "BUCKETER_ENVIRONMENTS_MAX_BYTES",
        "33554432",
        whole(1_048_576, 1_099_511_627_776),
        "a whole number from 1048576 to 1099511627776",
        "How much their datafiles may come to, in bytes of JSON; compiled, they take about "
        "eleven times that. Beyond it the one that was used longest ago is let go.",
    ),
)
