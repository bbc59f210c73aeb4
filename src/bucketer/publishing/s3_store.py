"""The bucket that every environment reads its datafile from: published to with conditional writes.

``key`` is what serves now; ``revisions/REVISION.json`` beside it is the archive. Writes are made by
boto3 in the webhook function; reading is `sources.s3`'s, without it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bucketer.core.errors import BucketerError, DatafileError
from bucketer.core.parse import parse_datafile

from .check import Checked, is_newer

if TYPE_CHECKING:
    from collections.abc import Callable

#: Two webhooks at once make one of them try again; more often than this something else is wrong.
_TRIES = 5
_CONFLICT = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})


class PublishError(BucketerError):
    """A checked datafile could not be put where it should serve from.

    Attributes:
        where: the bucket or the function.
        why: AWS's code, and what to look at.
    """

    code = "publish_failed"

    def __init__(self, where: str, why: str) -> None:
        super().__init__(where, why)
        self.where, self.why = where, why

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"


class S3Store:
    """One object that serves, and its archive.

    Attributes:
        where: ``s3://bucket``, for messages.
    """

    def __init__(self, url: str, client: Any) -> None:
        """Publish to ``s3://bucket/key`` with boto3's S3 *client*."""
        self._bucket, _, self._key = url.removeprefix("s3://").partition("/")
        self._client = client
        self.where = f"s3://{self._bucket}"

    def publish(self, checked: Checked, _url: str = "") -> str:
        """Archive the revision, then make it serve unless a newer one does; say what was done.

        Raises:
            PublishError: S3 refuses, or the object changes under us again and again.
        """
        self._call(partial(self._archive, checked))
        for _ in range(_TRIES):
            etag, current = self._call(self._current)
            if not is_newer(checked.revision, current):
                return f"kept revision {current}, which is not older"
            if self._call(partial(self._replace, checked, etag)):
                return f"published revision {checked.revision}"
        raise PublishError(self.where, f"the object changed {_TRIES} times while it was written")

    def _archive(self, checked: Checked) -> None:
        """Keep this revision for good; what is archived under its number already stays."""
        folder, slash, _ = self._key.rpartition("/")
        key = f"{folder}{slash}revisions/{checked.revision}.json"
        self._put(key, checked, {"IfNoneMatch": "*"})

    def _replace(self, checked: Checked, etag: str | None) -> bool:
        """Write if the object still is what we saw; say whether it was."""
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        return self._put(self._key, checked, condition)

    def _put(self, key: str, checked: Checked, condition: dict[str, str]) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=checked.raw,
                ContentType="application/json",
                Metadata={"revision": checked.revision, "sha256": checked.digest},
                **condition,
            )
        except ClientError as error:
            if _code(error) in _CONFLICT:
                return False
            raise
        return True

    def _current(self) -> tuple[str | None, str | None]:
        """Return etag and revision of what serves; None, None when nothing does."""
        from botocore.exceptions import ClientError

        try:
            found = self._client.get_object(Bucket=self._bucket, Key=self._key)
        except ClientError as error:
            if _code(error) in _MISSING:
                return None, None
            raise
        revision = found["Metadata"].get("revision")
        if revision is None:  # put there by hand
            try:
                revision = str(parse_datafile(found["Body"].read())["revision"])
            except DatafileError:
                return found["ETag"], None  # whatever it is, it can't serve
        return found["ETag"], revision

    def _call(self, action: Callable[[], Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return action()
        except ClientError as error:
            raise PublishError(self.where, f"{_code(error)} from S3") from error
        except BotoCoreError as error:
            raise PublishError(self.where, type(error).__name__) from error


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown error"))
