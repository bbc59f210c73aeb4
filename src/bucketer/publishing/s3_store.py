"""The bucket that every environment reads its datafile from: published to with conditional writes.

``key`` is what serves now; ``revisions/REVISION.json`` beside it is the archive. Writes are made by
boto3 in the webhook function and by `bucketer deploy`; reading is `sources.s3`'s, without it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bucketer.core.errors import BucketerError

from .precedence import Standing, reason_to_keep, replaced, standing_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .check import Checked

#: Two webhooks at once make one of them try again; more often than this something else is wrong.
_TRIES = 5
_CONFLICT = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
#: What of an object's metadata says where it stands; the datafile itself needn't be read then.
_METADATA = ("project", "origin", "revision", "sha256")
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

        A datafile of another project or environment than what serves replaces it whatever its
        revision: the URL has moved. So does other content under the same revision.

        Raises:
            PublishError: S3 refuses, or the object changes under us again and again.
        """
        new = standing_of(checked.raw)
        assert new is not None  # noqa: S101 -- it was checked
        is_first = self._call(partial(self._archive, checked, new, {"IfNoneMatch": "*"}))
        for _ in range(_TRIES):
            etag, old = self._call(self._current)
            kept = reason_to_keep(old, new)
            if kept:
                return kept
            if not is_first:
                # What the archive has under this number may be another's: it must be what serves.
                self._call(partial(self._archive, checked, new, {}))
            if self._call(partial(self._replace, checked, new, etag)):
                return f"published revision {checked.revision}{replaced(old, new)}"
        raise PublishError(self.where, f"the object changed {_TRIES} times while it was written")

    def _archive(self, checked: Checked, new: Standing, condition: dict[str, str]) -> bool:
        """Keep this revision for good; say whether *condition* held."""
        folder, slash, _ = self._key.rpartition("/")
        key = f"{folder}{slash}revisions/{checked.revision}.json"
        return self._put(key, checked, new, condition)

    def _replace(self, checked: Checked, new: Standing, etag: str | None) -> bool:
        """Write if the object still is what we saw; say whether it was."""
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        return self._put(self._key, checked, new, condition)

    def _put(self, key: str, checked: Checked, new: Standing, condition: dict[str, str]) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=checked.raw,
                ContentType="application/json",
                Metadata={
                    "revision": new.revision,
                    "sha256": new.digest,
                    "project": new.project,
                    "origin": new.origin,
                },
                **condition,
            )
        except ClientError as error:
            if _code(error) in _CONFLICT:
                return False
            raise
        return True

    def _current(self) -> tuple[str | None, Standing | None]:
        """Return etag and standing of what serves; None, None when nothing does."""
        from botocore.exceptions import ClientError

        try:
            found = self._client.get_object(Bucket=self._bucket, Key=self._key)
        except ClientError as error:
            if _code(error) in _MISSING:
                return None, None
            raise
        known = found["Metadata"]
        if any(
            name not in known for name in _METADATA
        ):  # put there by hand, or by an older version
            return found["ETag"], standing_of(found["Body"].read())
        return found["ETag"], Standing(*(known[name] for name in _METADATA))

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
