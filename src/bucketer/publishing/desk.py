"""What happens to a genuine webhook: wait for the CDN, check, publish to every target."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from bucketer.core.errors import BucketerError, SourceError

from .check import Checked, fetch_checked, is_newer
from .s3_store import PublishError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bucketer.api.webhook import Notice
    from bucketer.ports import DatafileSource
    from bucketer.settings import Settings

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 4.0


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
    """

    revision: str
    done: dict[str, str]
    failed: dict[str, str]


class Desk:
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

    def take(self, notice: Notice) -> Report:
        """Act on *notice*.

        Raises:
            SourceError: the datafile can't be fetched.
            UnusableDatafile: what came can't be used; nothing was published.
            Stale: what came is older than announced; nothing was published.
        """
        checked = self.wait_for(notice.revision_of(self._source.label))
        if checked.ruleset.project_id != notice.project_id:
            why = f"its datafile is of another project than {notice.project_id}"
            raise SourceError(self._source.where, why)
        done: dict[str, str] = {}
        failed: dict[str, str] = {}
        for target in self._targets:
            try:
                done[target.where] = target.publish(checked, self._source.label)
            except PublishError as error:
                failed[target.where] = error.why
        return Report(checked.revision, done, failed)

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


def build_desk(settings: Settings, source: DatafileSource, environ: Mapping[str, str]) -> Desk:
    """Build the desk that *settings* describe.

    Args:
        settings: name the targets.
        source: of the datafile.
        environ: for AWS's own variables, which boto3 reads by itself where it can.
    """
    targets: list[Target] = []
    if settings.publish or settings.publish_function:
        import boto3  # 300 ms: for webhooks, never for decisions

        session = boto3.Session(
            region_name=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
        )
        if settings.publish:
            from .s3_store import S3Store

            targets.append(S3Store(settings.publish, session.client("s3")))
        if settings.publish_function:
            from .function import FunctionCode

            targets.append(FunctionCode(settings.publish_function, session.client("lambda")))
    return Desk(source, targets, wait_s=settings.webhook_wait)
