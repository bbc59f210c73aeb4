"""Where the datafile comes from, how fresh it is kept, and what decides on it."""

from __future__ import annotations

from .setting import LOCATION, SECRET, Setting
from .values import archive, datafile_url, locations, number, one_of, seconds, token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ROWS: Final = (
    Setting(
        "DATAFILE_URL",
        "",
        datafile_url,
        "an https://, http:// or s3://BUCKET/KEY URL",
        "Where the project's datafile is published. It is fetched at the start and again when it "
        "is older than `DATAFILE_MAX_AGE`. When it can't be reached at the start, the datafile "
        "packaged by `bucketer datafile pull` answers; without one, 503 until it can be. Not set, "
        "and nothing packaged: the demonstration datafile.",
        LOCATION,
    ),
    Setting(
        "DATAFILE_ACCESS_TOKEN",
        "",
        token,
        "the datafile access token of a secure environment",
        "Sent as `Authorization: Bearer …` to the host of `DATAFILE_URL`, and to no other. Without "
        "`DATAFILE_URL`, to the one host that is named otherwise; where several are, to none.",
        SECRET,
    ),
    Setting(
        "DATAFILE_MAX_AGE",
        "auto",
        seconds(0, 86_400),
        "`auto`, or seconds from 0 to 86400",
        "How old a datafile may grow before it is asked for again, behind the request that finds "
        "it old. `auto` is 10 s for s3:// and 60 s for other URLs.",
    ),
    Setting(
        "BUCKETER_DATAFILE_OLDER_AFTER",
        "600",
        number(0, 604_800),
        "seconds from 0 to 604800; 0 is at once",
        "How long a URL must have shown nothing newer before an older revision of the same "
        "environment replaces the one that serves: the caches of a CDN don't always agree.",
    ),
    Setting(
        "BUCKETER_DATAFILE",
        "",
        locations,
        "paths, https://, http:// or s3:// URLs, `packaged` and `demonstration`, between spaces",
        "Sources tried in this order. It wins over `DATAFILE_URL`, which is the same with one URL "
        "and `packaged` behind it.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_COLD_START",
        "packaged",
        one_of("packaged", "fetch"),
        "`packaged` or `fetch`",
        "What a new Lambda environment does first: `packaged` answers from the packaged datafile "
        "at once and fetches behind the first answer; `fetch` asks the sources before it answers.",
    ),
    Setting(
        "BUCKETER_REVISIONS",
        "off",
        archive,
        "`off`, a directory, or s3://BUCKET/PREFIX",
        "Where older revisions are kept, one `REVISION.json` each: a server puts what it fetches "
        "into a directory, `BUCKETER_PUBLISH` fills a bucket. Set, it allows "
        "`GET /bucketer?revision=` and `bucketer decide --revision`; no impression is sent then.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_ENGINE",
        "bucketer",
        one_of("bucketer", "sdk"),
        "`bucketer` or `sdk`",
        "Who decides: this project, or the official `optimizely-sdk` behind the same answers "
        "(needs the extra `[sdk]`; much slower, to compare with).",
    ),
)
