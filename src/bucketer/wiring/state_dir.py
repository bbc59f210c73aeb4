"""The state directory: can a server that needs one write there?"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from bucketer.core.errors import SettingsError

from .events import events_sink
from .modes import SERVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bucketer.settings import Settings
    from bucketer.sources.shared import SharedSource

#: What a disk says that is full; some room may be made while the server runs.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def check_state_dir(settings: Settings) -> None:
    """Make the state directory, and a file in it, which goes away again; where it is needed at all.

    A disk that is full stops nothing: what is fetched serves from memory, and events are refused
    until there is room.

    Raises:
        SettingsError: it can't be written to, and wouldn't ever be.
    """
    users = users_of(settings)
    if not users:
        return
    try:
        folder = Path(settings.state_dir).expanduser()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / f".writable-{os.getpid()}"
        try:
            probe.write_bytes(b"1")
        finally:
            probe.unlink(missing_ok=True)  # on a full disk it is there, and empty
    except (OSError, RuntimeError, ValueError) as error:  # no home directory, no path at all
        if isinstance(error, OSError) and error.errno in _FULL:
            return
        if isinstance(error, FileExistsError):
            why = "is no directory"
        else:
            clause = getattr(error, "strerror", None) or str(error)
            why = f"can't be written to ({clause})"
        problem = (
            f"BUCKETER_STATE_DIR: found {settings.state_dir[:200]!r}, which {why}; allowed: a "
            f"directory that can be written to. It is needed for {' and '.join(users)}"
        )
        raise SettingsError([problem]) from None


def state_watch(settings: Settings, shared: Sequence[SharedSource]) -> Callable[[], str] | None:
    """Return what tells health why the state directory can't be used now ("" if it can).

    It asks those who write there, then the directory, which costs two looks at it and no write.
    None where nobody needs one.
    """
    if not users_of(settings):
        return None
    folder = Path(settings.state_dir).expanduser()

    def trouble() -> str:
        unusable = next((each.unusable for each in shared if each.unusable), "")
        if unusable:
            return unusable
        try:
            disk = os.statvfs(folder)
        except OSError as error:
            return error.strerror or type(error).__name__
        if not os.access(folder, os.W_OK | os.X_OK):
            return os.strerror(errno.EACCES)
        return "" if disk.f_bavail or not disk.f_blocks else os.strerror(errno.ENOSPC)

    return trouble


def users_of(settings: Settings) -> list[str]:
    """Name what would be written there."""
    users = []
    if events_sink(settings, SERVER) not in {"off", "stdout"}:
        users.append("the outbox (BUCKETER_EVENTS)")
    named = (settings.datafile_url, *settings.datafile)
    if any("://" in each for each in named) or settings.environments:
        users.append("the copy of the datafile")
    if settings.profiles == "sqlite":
        users.append("user profiles (BUCKETER_PROFILES)")
    return users
