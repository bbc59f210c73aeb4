"""What happens to a genuine webhook: wait for the CDN, check, publish to every target."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from bucketer.core.errors import BucketerError, SettingsError, WebhookRefused

from .aws import AwsMissing, AwsUnusable, open_client, open_session
from .check import Checked, fetch_checked, is_newer
from .s3_store import PublishError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bucketer.api.service.webhook import Announcement
    from bucketer.ports import DatafileSource
    from bucketer.settings import Settings

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 4.0
#: What one more fetch and the first call to S3 and to Lambda take at most, when nobody answers.
RESERVE_S = 75.0
#: For Lambda to take code in, and to make a version ready, where no time-out says otherwise.
_PATIENCE_S = 60.0


class Target(Protocol):
    """Where a checked datafile goes."""

    where: str

    def publish(self, checked: Checked, url: str, /) -> str:
        """Publish unless something newer is there; say what was done."""
        ...


class Stale(BucketerError):
    """The source did not show the announced revision in time: try again later.

    Attributes:
        where: the source's host.
        expected: the revision that the webhook announced.
        found: the revision that is there.
    """

    code = "not_there_yet"

    def __init__(self, where: str, expected: str, found: str) -> None:
        super().__init__(where, expected, found)
        self.where, self.expected, self.found = where, expected, found

    def __str__(self) -> str:
        return f"{self.where} still shows revision {self.found}, not {self.expected}"


class Report(NamedTuple):
    """What became of a webhook.

    Attributes:
        revision: that was fetched.
        done: by target, what was done.
        failed: by target, why it failed.
        announced: the webhook names this very revision.
    """

    revision: str
    done: dict[str, str]
    failed: dict[str, str]
    announced: bool = False


class Publisher:
    """Fetches from one source, publishes to several targets."""

    def __init__(
        self,
        source: DatafileSource,
        targets: Sequence[Target],
        *,
        wait_s: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what is needed.

        Args:
            source: where Optimizely publishes.
            targets: tried in order, each whatever becomes of the others.
            wait_s: for the source to show the announced revision.
            sleep: between two looks.
            clock: seconds.
        """
        self._source = source
        self._targets = targets
        self._wait_s = wait_s
        self._sleep = sleep
        self._clock = clock

    def publish(self, announcement: Announcement) -> Report:
        """Act on *announcement*.

        Raises:
            SourceError: the datafile can't be fetched.
            UnusableDatafile: what came can't be used; nothing was published.
            Stale: what came is older than announced; nothing was published.
            WebhookRefused: what came is of another project than the webhook is about.
        """
        revision = announcement.revision_of(self._source.label)
        checked = self.wait_for(revision)
        ours = checked.ruleset.project_id
        if ours != announcement.project_id:
            why = f"it is about project {announcement.project_id}, and the datafile is of {ours}"
            raise WebhookRefused(why)
        done: dict[str, str] = {}
        failed: dict[str, str] = {}
        for target in self._targets:
            try:
                done[target.where] = target.publish(checked, self._source.label)
            except PublishError as error:
                failed[target.where] = error.why
        return Report(checked.revision, done, failed, announced=checked.revision == revision)

    def wait_for(self, revision: str | None) -> Checked:
        """Fetch until *revision* or a newer one is there; None takes whatever is.

        Raises:
            SourceError, UnusableDatafile, Stale: as `take`.
        """
        deadline = self._clock() + self._wait_s
        pause = _FIRST_PAUSE_S
        while True:
            problem: BucketerError
            try:
                checked = fetch_checked(self._source)
            except BucketerError as error:  # a CDN in the middle of a change may well fail
                problem = error
            else:
                if revision is None or not is_newer(revision, checked.revision):
                    return checked
                problem = Stale(self._source.where, revision, checked.revision)
            if self._clock() + pause > deadline:
                raise problem
            self._sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def build_publisher(
    settings: Settings,
    source: DatafileSource,
    environ: Mapping[str, str],
    remaining_s: float | None = None,
) -> Publisher:
    """Build the publisher that *settings* describe.

    Args:
        settings: name the targets.
        source: of the datafile.
        environ: for AWS's own variables, which boto3 reads by itself where it can.
        remaining_s: until whoever asks is stopped; None where nobody is. What is waited for is
            bounded by it, so that the answer still gets out.

    Raises:
        SettingsError: a target can't be spoken to: no boto3, no region.
    """
    wait_s, patience_s = settings.webhook_wait, _PATIENCE_S
    if remaining_s is not None:
        wait_s = max(0.0, min(wait_s, remaining_s - RESERVE_S))
        patience_s = max(_PATIENCE_S / 2, remaining_s - RESERVE_S - wait_s)
    targets: list[Target] = []
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if settings.publish:
        from .s3_store import S3Store

        client = _client("BUCKETER_PUBLISH", "s3", region)
        targets.append(S3Store(settings.publish, client))
    if settings.publish_function:
        from .function import FunctionCode

        client = _client("BUCKETER_PUBLISH_FUNCTION", "lambda", region)
        targets.append(FunctionCode(settings.publish_function, client, patience_s=patience_s))
    return Publisher(source, targets, wait_s=wait_s)


def _client(setting: str, service: str, region: str | None) -> Any:
    try:
        return open_client(open_session(region), service)
    except (AwsMissing, AwsUnusable) as error:
        raise SettingsError([f"{setting}: {error}"]) from error
