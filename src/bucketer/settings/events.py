"""What becomes of impressions and conversions."""

from __future__ import annotations

from .setting import LOCATION, SECRET, Setting
from .values import events_sink, number, one_of, signing_secrets, web_url, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ROWS: Final = (
    Setting(
        "BUCKETER_EVENTS",
        "auto",
        events_sink,
        "`auto`, `off`, `stdout`, `outbox`, `flush` or sqs://QUEUE-URL",
        "What becomes of impressions and conversions. `outbox`: a durable file in the state "
        "directory, sent behind the answer. `flush`: sent after the answer, before Lambda freezes "
        "the environment. `sqs://…`: handed to a queue before the answer. `stdout`: one JSON line "
        "each. `auto` is `outbox` for the server, `flush` in Lambda. With the demonstration "
        "datafile nothing is ever sent to Optimizely.",
    ),
    Setting(
        "BUCKETER_EVENTS_ENDPOINT",
        "",
        web_url,
        "an https:// or http:// URL",
        "Send events there instead of Optimizely's endpoint for the datafile's region.",
        LOCATION,
    ),
    Setting(
        "BUCKETER_EVENTS_FSYNC",
        "second",
        one_of("second", "answer"),
        "`second` or `answer`",
        "When events of the `outbox` are brought to the disk itself. Either way the death of the "
        "process can't take them; a crash of the machine can take the last second or so, unless "
        "`answer` makes each answer wait for the disk.",
    ),
    Setting(
        "BUCKETER_EVENTS_MAX_BYTES",
        "1073741824",
        whole(1_048_576, 1_099_511_627_776),
        "a whole number from 1048576 to 1099511627776",
        "How much may wait in the state directory, of all workers together. Beyond it requests are "
        "still answered, and the events that are refused are counted and logged. The dead-letter "
        "store has as much again.",
    ),
    Setting(
        "BUCKETER_EVENTS_BATCH",
        "500",
        whole(1, 10_000),
        "a whole number from 1 to 10000",
        "The most events that are sent in one request.",
    ),
    Setting(
        "BUCKETER_EVENTS_INTERVAL",
        "1",
        number(0.01, 3_600),
        "seconds from 0.01 to 3600",
        "The longest that an event of the `outbox` waits for others to be sent with.",
    ),
    Setting(
        "BUCKETER_EVENTS_TIMEOUT",
        "10",
        number(0.05, 120),
        "seconds from 0.05 to 120",
        "The longest that one attempt to send events may take before it counts as failed and is "
        "made again.",
    ),
    Setting(
        "BUCKETER_EVENTS_FLUSH",
        "1",
        number(0.05, 10),
        "seconds from 0.05 to 10",
        "The longest that `flush` keeps a Lambda environment after an answer. What could not be "
        "sent by then is carried over to the next.",
    ),
    Setting(
        "BUCKETER_EVENTS_DEDUP",
        "0",
        number(0, 86_400),
        "seconds from 0 to 86400; 0 is off",
        "Leave out an impression when this process has sent one of the same user, experiment, "
        "variation and revision within so many seconds.",
    ),
    Setting(
        "BUCKETER_SIGNING_SECRETS",
        "",
        signing_secrets,
        "secrets of 16 bytes and more in base64, between commas or spaces",
        "What we sign with what we give out to get back: exposure tokens (`track=later`), and the "
        "addresses of OpenFeature's event streams. The same for all machines and functions that "
        "answer for each other. The first signs, all check, so a new one is put in front of the "
        "old. Without any, no exposure token is given.",
        SECRET,
    ),
    Setting(
        "BUCKETER_EXPOSURE_TTL",
        "86400",
        number(60, 604_800),
        "seconds from 60 to 604800",
        "How long an exposure token is good.",
    ),
)
