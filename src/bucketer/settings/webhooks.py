"""What a webhook does: who may send one, where the new datafile goes."""

from __future__ import annotations

from .setting import LOCATION, SECRET, Setting
from .values import s3_url, text, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ROWS: Final = (
    Setting(
        "BUCKETER_WEBHOOK_SECRET",
        "",
        text,
        "the secret that Optimizely shows for the webhook",
        "Checks the signature of webhooks. Not set: every webhook is refused. On a webhook a "
        "server fetches from `DATAFILE_URL`, or from the first URL in `BUCKETER_DATAFILE`; it "
        "needs one.",
        SECRET,
    ),
    Setting(
        "BUCKETER_WEBHOOK_WAIT",
        "20",
        wait,
        "seconds from 0 to 600",
        "How long a webhook waits for `DATAFILE_URL` to show the revision that it announced; a "
        "CDN takes a few seconds.",
    ),
    Setting(
        "BUCKETER_PUBLISH",
        "",
        s3_url,
        "an s3://BUCKET/KEY URL",
        "Where a webhook puts the new datafile; each revision is kept beside it, under "
        "`revisions/`.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_PUBLISH_FUNCTION",
        "",
        text,
        "the name of a Lambda function, or NAME:ALIAS",
        "The function whose package a webhook rebuilds with the new datafile in it; a new version "
        "is published, and the alias moved to it.",
    ),
    Setting(
        "BUCKETER_PROJECT_ID",
        "",
        text,
        "the id of an Optimizely project",
        "Webhooks for another project are refused. Not set: the project of the datafile in use.",
    ),
)
