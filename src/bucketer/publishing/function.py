"""The code of a Lambda function: read, given a new datafile, written, published, moved to.

The function serves the old version until the alias moves, so no request meets a half-made one.
"""

from __future__ import annotations

import io
import time
import zipfile
from typing import TYPE_CHECKING, Any

from bucketer.core.errors import SourceError
from bucketer.sources.packaged import from_package
from bucketer.sources.wire import exchange, split_url

from .archive import write_entry
from .check import is_newer
from .pull import envelope
from .s3_store import PublishError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .check import Checked

#: Where `sources.packaged` looks, seen from the root of the archive.
DATAFILE = "bucketer/data/packaged.json"
#: What Lambda takes in one piece.
MAX_ZIP_BYTES = 50 * 1024 * 1024
_DOWNLOAD_S = 30.0
_OK = 200


class FunctionCode:
    """One function, and the alias that callers use.

    Attributes:
        where: the function's name, for messages.
    """

    def __init__(
        self, name: str, client: Any, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Work on ``NAME`` or ``NAME:ALIAS`` with boto3's Lambda *client*."""
        self.where, _, self._alias = name.partition(":")
        self._client = client
        self._sleep = sleep

    def publish(self, checked: Checked, url: str) -> str:
        """Bake the datafile in unless a newer one is; say what was done.

        Args:
            checked: the datafile.
            url: where it was fetched from, for the package's record.

        Raises:
            PublishError: Lambda refuses, or its code can't be had.
        """
        with self._told():
            found = self._client.get_function(FunctionName=self.where)
        code = self._download(found["Code"]["Location"])
        current = baked_revision(code)
        if not is_newer(checked.revision, current):
            return f"kept revision {current}, which is not older"
        baked = bake(code, envelope(checked, url, time.time()))
        version = self.update(baked, found["Configuration"].get("RevisionId"))
        moved = f", alias {self._alias} moved" if self._alias else ""
        return f"revision {checked.revision} is in version {version}{moved}"

    def update(self, code: bytes, seen: str | None = None) -> str:
        """Give the function new *code*; return the version that was published.

        Args:
            code: a zip archive.
            seen: Lambda's revision id of what is to be replaced; another's change makes it fail.

        Raises:
            PublishError: Lambda refuses.
        """
        condition = {"RevisionId": seen} if seen else {}
        with self._told():
            self._client.update_function_code(FunctionName=self.where, ZipFile=code, **condition)
            self._wait()
            version = self._client.publish_version(FunctionName=self.where)["Version"]
            if self._alias:
                self._move(str(version))
        return str(version)

    def runtime(self) -> tuple[str, str]:
        """Return the function's Python (``3.13``) and architecture (``x86_64``).

        Raises:
            PublishError: there is no such function, or it isn't a Python one.
        """
        with self._told():
            found = self._client.get_function_configuration(FunctionName=self.where)
        runtime = str(found.get("Runtime", ""))
        if not runtime.startswith("python3."):
            raise PublishError(self.where, f"its runtime is '{runtime}', not Python")
        return runtime.removeprefix("python"), (found.get("Architectures") or ["x86_64"])[0]

    def _move(self, version: str) -> None:
        try:
            self._client.update_alias(
                FunctionName=self.where, Name=self._alias, FunctionVersion=version
            )
        except self._client.exceptions.ResourceNotFoundException:
            self._client.create_alias(
                FunctionName=self.where, Name=self._alias, FunctionVersion=version
            )

    def _wait(self) -> None:
        """Wait until Lambda has taken the code in; a version can't be published before."""
        for _ in range(60):
            found = self._client.get_function_configuration(FunctionName=self.where)
            status = found.get("LastUpdateStatus", "Successful")
            if status == "Successful":
                return
            if status == "Failed":
                why = str(found.get("LastUpdateStatusReason", "no reason given"))
                raise PublishError(self.where, f"Lambda could not take the code: {why}")
            self._sleep(0.5)
        raise PublishError(self.where, "Lambda did not finish taking the code within 30 s")

    def _download(self, url: str) -> bytes:
        try:
            answer = exchange(split_url(url), {}, timeout_s=_DOWNLOAD_S, max_bytes=MAX_ZIP_BYTES)
        except SourceError as error:
            raise PublishError(self.where, f"its code can't be fetched: {error}") from error
        if answer.status != _OK:
            raise PublishError(self.where, f"its code can't be fetched: status {answer.status}")
        return answer.body

    def _told(self) -> _Told:
        return _Told(self.where)


class _Told:
    """Turns what boto3 raises into `PublishError`."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            found = error.response.get("Error", {})
            why = f"{found.get('Code')} from Lambda: {found.get('Message')}"
            raise PublishError(self._where, why) from error
        if isinstance(error, BotoCoreError):
            raise PublishError(self._where, f"{type(error).__name__}: {error}") from error


def bake(code: bytes, document: bytes) -> bytes:
    """Return the archive *code* with *document* as its packaged datafile, all else as it was."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(code)) as old, zipfile.ZipFile(target, "w") as new:
        for name, content in sorted(_entries(old, document)):
            write_entry(new, name, content)
    return target.getvalue()


def baked_revision(code: bytes) -> str | None:
    """Return the revision of the datafile in an archive; None when it has none.

    Raises:
        PublishError: that is no archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            if DATAFILE not in archive.namelist():
                return None
            meta, _ = from_package(archive.read(DATAFILE), DATAFILE)
    except zipfile.BadZipFile as error:
        raise PublishError("the function's code", "it is no zip archive") from error
    except SourceError:
        return None  # damaged: a good one may replace it
    return str(meta.get("revision"))


def _entries(archive: zipfile.ZipFile, document: bytes) -> Iterator[tuple[str, bytes]]:
    yield DATAFILE, document
    for entry in archive.infolist():
        if not entry.is_dir() and entry.filename != DATAFILE:
            yield entry.filename, archive.read(entry)
