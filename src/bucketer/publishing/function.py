"""The code of a Lambda function: read, given a new datafile, written, published, moved to.

The function serves the old version until the alias moves, so no request meets a half-made one.
What counts is what the alias serves: a publisher that died halfway left code behind that nobody
uses yet, and one that was overtaken must not move the alias back (docs/decisions/0067).
"""

from __future__ import annotations

import io
import time
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from bucketer.core.errors import SourceError
from bucketer.sources.packaged import from_package
from bucketer.wire import exchange, split_url

from .archive import write_entry
from .precedence import Standing, reason_to_keep, replaced, standing_of
from .pull import envelope
from .s3_store import PublishError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .check import Checked

#: Where `sources.packaged` looks, seen from the root of the archive.
DATAFILE = "bucketer/data/packaged.json"
#: What Lambda takes in one piece.
MAX_ZIP_BYTES = 50 * 1024 * 1024
_DOWNLOAD_S = 10.0
_OK = 200
_POLL_S = 0.5
#: Pauses before another try, when somebody else has changed the function meanwhile.
_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 4.0)
_CONFLICT = frozenset({"PreconditionFailedException", "ResourceConflictException"})
_MISSING = "ResourceNotFoundException"


class Packaged(NamedTuple):
    """The datafile in a package.

    Attributes:
        document: as it stands in the archive; see `sources.packaged`.
        standing: whose it is, and which.
    """

    document: bytes
    standing: Standing


class _Code(NamedTuple):
    """The code of a version, as it was found."""

    archive: bytes
    sha256: str
    revision_id: str | None


class _Alias(NamedTuple):
    version: str
    revision_id: str | None


class _Overtaken(Exception):
    """Somebody else has changed the function since it was looked at."""


class FunctionCode:
    """One function, and the alias that callers use.

    Attributes:
        where: the function's name, for messages.
    """

    def __init__(
        self,
        name: str,
        client: Any,
        *,
        patience_s: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take what is needed.

        Args:
            name: ``NAME`` or ``NAME:ALIAS``.
            client: boto3's for Lambda.
            patience_s: for Lambda to take code in, and again to make a version ready.
            sleep: between two looks.
        """
        self.where, _, self._alias = name.partition(":")
        self._client = client
        self._polls = max(1, int(patience_s / _POLL_S))
        self._sleep = sleep

    def publish(self, checked: Checked, url: str) -> str:
        """Bake the datafile in unless a newer one serves; say what was done.

        Args:
            checked: the datafile.
            url: where it was fetched from, for the package's record.

        Raises:
            PublishError: Lambda refuses, or its code can't be had; the alias is where it was.
        """
        document = envelope(checked, url, time.time())
        return self._again_when_overtaken(lambda: self._publish(document))

    def push(self, code: bytes) -> str:
        """Give the function new *code*, but leave it a newer datafile; say what was done.

        Raises:
            PublishError: Lambda refuses; the alias is where it was.
        """
        return self._again_when_overtaken(lambda: self._push(code))

    def packaged(self) -> Packaged | None:
        """Return the datafile in the code that serves; None when there is none, or no function.

        Raises:
            PublishError: Lambda refuses, or the code can't be had.
        """
        try:
            alias = self._find_alias()
            return packaged_in(self._fetch(alias.version if alias else None).archive)
        except _Absent:
            return None

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

    def _again_when_overtaken(self, attempt: Callable[[], str]) -> str:
        for pause_s in (0.0, *_PAUSES_S):
            self._sleep(pause_s)
            try:
                return attempt()
            except _Overtaken:
                continue
        raise PublishError(self.where, "somebody else changed it again and again meanwhile")

    def _publish(self, document: bytes) -> str:
        new = _standing_in(document)
        assert new is not None  # noqa: S101 -- it was checked
        alias, latest, serving = self._look()
        old = packaged_in(serving.archive)
        kept = reason_to_keep(old.standing if old else None, new)
        if kept and not self._lacks(alias):
            return kept
        waiting = packaged_in(latest.archive)
        if waiting is not None and reason_to_keep(waiting.standing, new):
            # Here already, or a newer one; who put it there has not come to moving the alias.
            sha256, new = latest.sha256, waiting.standing
        else:
            sha256 = self._upload(bake(latest.archive, document), latest.revision_id)
        version = self._release(sha256, alias)
        moved = f", alias {self._alias} moved" if self._alias else ""
        instead = replaced(old.standing if old else None, new)
        return f"revision {new.revision} is in version {version}{moved}{instead}"

    def _push(self, code: bytes) -> str:
        alias, latest, serving = self._look()
        carried, told = carry_over(code, packaged_in(serving.archive))
        version = self._release(self._upload(carried, latest.revision_id), alias)
        return f"{self.where} is at version {version}; {told}"

    def _look(self) -> tuple[_Alias | None, _Code, _Code]:
        """Return the alias, the code uploaded last, and the code that serves.

        The alias comes first: whoever moves it after this is noticed when we come to move it.
        """
        alias = self._find_alias()
        latest = self._fetch(None)
        return alias, latest, latest if alias is None else self._fetch(alias.version, latest)

    def _lacks(self, alias: _Alias | None) -> bool:
        return bool(self._alias) and alias is None

    def _find_alias(self) -> _Alias | None:
        """Look where the alias points; None when there is none (yet)."""
        if not self._alias:
            return None
        try:
            with self._told():
                found = self._client.get_alias(FunctionName=self.where, Name=self._alias)
        except _Absent:
            return None
        return _Alias(str(found["FunctionVersion"]), found.get("RevisionId"))

    def _fetch(self, version: str | None, known: _Code | None = None) -> _Code:
        """Fetch the code of *version* (None: what was uploaded last), unless it is *known*."""
        which = {"Qualifier": version} if version else {}
        with self._told():
            found = self._client.get_function(FunctionName=self.where, **which)
        facts = found["Configuration"]
        if known is not None and known.sha256 == facts["CodeSha256"]:
            return known
        archive = self._download(found["Code"]["Location"])
        return _Code(archive, str(facts["CodeSha256"]), facts.get("RevisionId"))

    def _upload(self, code: bytes, seen: str | None) -> str:
        """Put *code* in place of what has the revision id *seen*; return its digest by Lambda."""
        condition = {"RevisionId": seen} if seen else {}
        with self._told():
            done = self._client.update_function_code(
                FunctionName=self.where, ZipFile=code, **condition
            )
        self._wait("take the code in", "LastUpdateStatus", {"InProgress"})
        return str(done["CodeSha256"])

    def _release(self, sha256: str, alias: _Alias | None) -> str:
        """Publish the code with that digest, and move the alias from where it was seen."""
        with self._told():
            made = self._client.publish_version(FunctionName=self.where, CodeSha256=sha256)
        version = str(made["Version"])
        if not self._alias:
            return version
        # With SnapStart a version takes minutes to be ready; callers would meet errors until then.
        self._wait(f"make version {version} ready", "State", {"Pending"}, version)
        place = {"FunctionName": self.where, "Name": self._alias, "FunctionVersion": version}
        with self._told():
            if alias is None:
                self._client.create_alias(**place)
            else:
                seen = {"RevisionId": alias.revision_id} if alias.revision_id else {}
                self._client.update_alias(**place, **seen)
        return version

    def _wait(
        self, what: str, field: str, unfinished: set[str], version: str | None = None
    ) -> None:
        """Wait until *field* of the function, or of one version of it, is past *unfinished*."""
        which = {"Qualifier": version} if version else {}
        for _ in range(self._polls):
            with self._told():
                found = self._client.get_function_configuration(FunctionName=self.where, **which)
            state = found.get(field)
            if state == "Failed":
                why = str(found.get(f"{field}Reason", "no reason given"))
                raise PublishError(self.where, f"Lambda could not {what}: {why}")
            if state not in unfinished:
                return
            self._sleep(_POLL_S)
        within = f"{self._polls * _POLL_S:.0f} s"
        raise PublishError(self.where, f"Lambda did not {what} within {within}; try again")

    def _download(self, url: str) -> bytes:
        try:
            answer = exchange(split_url(url), {}, timeout_s=_DOWNLOAD_S, max_bytes=MAX_ZIP_BYTES)
        except SourceError as error:
            raise PublishError(self.where, f"its code can't be fetched: {error}") from error
        if answer.status != _OK:
            raise PublishError(self.where, f"its code can't be fetched: status {answer.status}")
        return answer.body

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what boto3 raises into `PublishError`, and what may pass into `_Overtaken`."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            found = error.response.get("Error", {})
            code, message = str(found.get("Code")), str(found.get("Message"))
            if code in _CONFLICT or "codesha256" in message.lower():
                raise _Overtaken from error
            why = f"{code} from Lambda: {message}"
            raise (_Absent if code == _MISSING else PublishError)(self.where, why) from error
        except BotoCoreError as error:
            raise PublishError(self.where, f"{type(error).__name__}: {error}") from error


class _Absent(PublishError):
    """There is no such function, version or alias."""


def bake(code: bytes, document: bytes) -> bytes:
    """Return the archive *code* with *document* as its packaged datafile, all else as it was."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(code)) as old, zipfile.ZipFile(target, "w") as new:
        for name, content in sorted(_entries(old, document)):
            write_entry(new, name, content)
    return target.getvalue()


def carry_over(code: bytes, serving: Packaged | None) -> tuple[bytes, str]:
    """Put the datafile of *serving* into the archive *code*, unless its own is to replace that.

    A datafile that stays goes in as it was, with the time at which it was fetched, so that the same
    code and content make the same archive.

    Returns:
        The archive, and a clause about the datafile in it.
    """
    own = packaged_in(code)
    if serving is not None and (
        own is None or reason_to_keep(serving.standing, own.standing) is not None
    ):
        code = bake(code, serving.document)
        told = f"revision {serving.standing.revision} is packaged"
        if own is None:
            return code, f"{told}, as it was before"
        if own.standing.digest != serving.standing.digest:
            return code, f"{told}, as it was before: it is newer than {own.standing.revision}"
        return code, told
    if own is None:
        return code, "no datafile is packaged"
    instead = replaced(serving.standing if serving else None, own.standing)
    return code, f"revision {own.standing.revision} is packaged{instead}"


def packaged_in(code: bytes) -> Packaged | None:
    """Return the datafile in an archive; None when it has none that can be used.

    Raises:
        PublishError: that is no archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            if DATAFILE not in archive.namelist():
                return None
            document = archive.read(DATAFILE)
    except zipfile.BadZipFile as error:
        raise PublishError("the function's code", "it is no zip archive") from error
    standing = _standing_in(document)
    return None if standing is None else Packaged(document, standing)


def _standing_in(document: bytes) -> Standing | None:
    try:
        _, raw = from_package(document, DATAFILE)
    except SourceError:
        return None  # damaged: a good one may replace it
    return standing_of(raw)


def _entries(archive: zipfile.ZipFile, document: bytes) -> Iterator[tuple[str, bytes]]:
    yield DATAFILE, document
    for entry in archive.infolist():
        if not entry.is_dir() and entry.filename != DATAFILE:
            yield entry.filename, archive.read(entry)
