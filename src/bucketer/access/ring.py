"""The keys of a process: those of a setting, and those of a file, which may change meanwhile."""

from __future__ import annotations

import logging
import os
import threading

from .keys import read_keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bucketer.api.grant import Grant

    from .keys import Key

_log = logging.getLogger("bucketer.access")

#: The largest file that is read: some 10,000 keys.
MAX_BYTES = 1024 * 1024


class Ring:
    """Finds what a key allows, by its hash. May be shared by threads.

    Attributes:
        path: of the file; empty where there is none.
        grants: by the hash of each key. Replaced whole.
    """

    def __init__(self, keys: Sequence[Key], path: str = "") -> None:
        """Begin with *keys* and those of the file at *path*, which needn't be there yet."""
        self._own = {key.digest: key.grant() for key in keys}
        self.grants: Mapping[bytes, Grant] = self._own
        self.path = path
        self._stamp: tuple[int, ...] | None = None
        self._trouble = ""
        self._looking = threading.Lock()
        if path:
            self.look()

    def look(self) -> bool:
        """Read the file if it is another than before; say whether it was. Raises nothing.

        A file that can't be read or used changes nothing: the keys that were there stay, and the
        log says so once. One that is gone has no keys.
        """
        if not self.path or not self._looking.acquire(blocking=False):
            return False
        try:
            return self._look()
        finally:
            self._looking.release()

    def _look(self) -> bool:
        try:
            found = os.stat(self.path)  # noqa: PTH116 -- pathlib costs a cold start 4 ms
            stamp: tuple[int, ...] = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp == self._stamp:
                return False
            keys = read_file(self.path)
        except FileNotFoundError:
            stamp, keys = (), ()
            if stamp == self._stamp:
                return False
            self._tell("the file isn't there, so it has no keys")
        except OSError as error:
            self._tell(f"the file can't be read: {error.strerror}; the keys from before stay")
            return False
        except ValueError as error:
            self._tell(f"{error}; the keys from before stay")
            return False
        else:
            self._trouble = ""
        self._stamp = stamp
        self.grants = self._own | {key.digest: key.grant() for key in keys}
        return True

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            _log.warning("access: BUCKETER_KEYS_FILE: %s", trouble)


def read_file(path: str) -> tuple[Key, ...]:
    """Read a file of keys.

    Raises:
        OSError: it can't be read.
        ValueError: it has a line that can't be used, or is too large.
    """
    with open(path, "rb") as file:  # noqa: PTH123 -- pathlib costs a cold start 4 ms
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"the file has more than {MAX_BYTES} bytes")
    return read_keys(raw.decode("utf-8", "replace").splitlines(), "line")
