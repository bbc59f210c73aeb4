"""`bucketer keys`: make a key and tell it once, list those that there are, revoke one."""

from __future__ import annotations

import os
import secrets
import stat
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bucketer.access.keys import EVERY, KEY_BYTES, Key, digest_of, new_key, read_key
from bucketer.access.ring import read_file
from bucketer.api.grant import ROLES, role_name
from bucketer.core.errors import BucketerError

from .options import add_setting, settings_of
from .terminal import GOOD

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from bucketer.settings import Settings

    from .terminal import Terminal

#: What the owner alone may read: hashes are no keys, but nobody else has a use for them.
_MODE = 0o600
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SHOW = "ask for one with --file or BUCKETER_KEYS_FILE"


class KeysUnusable(BucketerError):
    """The keys can't be read, written, or there is no such key."""

    code = "keys_unusable"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the commands below this one."""
    commands = parser.add_subparsers(required=True, metavar="ACTION")
    for name, command in (
        ("create", create_command),
        ("list", list_command),
        ("revoke", revoke_command),
    ):
        sub = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        add_setting(sub, "BUCKETER_KEYS_FILE", "--file", "PATH")
        sub.add_argument("--json", action="store_true", help="for programs")
        if name == "create":
            _add_what_it_is_for(sub)
        if name == "revoke":
            sub.add_argument("id", metavar="ID", help="as `bucketer keys list` shows it")
        sub.set_defaults(run=command)


def _add_what_it_is_for(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--role", required=True, choices=[*ROLES], help="what it may do")
    parser.add_argument(
        "--environment",
        dest="for_environment",
        metavar="NAME",
        help=f"the only one that it is for (default: the default one; `{EVERY}` for all)",
    )
    parser.add_argument(
        "--origins",
        nargs="+",
        metavar="ORIGIN",
        help="make a publishable key, for pages of these: https://shop.example",
    )
    parser.add_argument("--note", metavar="TEXT", help="whose it is, for the list")


def create_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Make a key, tell it once, and keep its hash."""
    settings = settings_of(args, terminal)
    text = new_key(secrets.token_bytes(KEY_BYTES), publishable=bool(args.origins))
    day = time.strftime("%Y-%m-%d", time.gmtime())
    note = " ".join(f"{day} {args.note or ''}".split()).replace("#", "")
    environment = args.for_environment or settings.environment
    origins = tuple(origin.lower().rstrip("/") for origin in args.origins or ())
    key = Key(digest_of(text), ROLES[args.role], environment, origins, note)
    try:
        read_key(key.line())
    except ValueError as error:
        raise KeysUnusable(f"This key {error}.") from None
    _check_environment(settings, environment)
    path = settings.keys_file
    if path:
        with _alone(path):
            _write(path, [*_lines(path), key.line()])
    told = key.line().partition("#")[0].strip()
    if args.json:
        terminal.json({"key": text, **_described(key), "file": path or None, "setting": told})
        return 0
    terminal.line(text)
    terminal.say(
        "It is told this once. Send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`."
    )
    if origins:
        terminal.say("Pages of its origins may send it as ?api_key=KEY, too.")
    if path:
        terminal.say(f"{path} has its hash. A server that reads it takes the key within 5 s.")
    else:
        terminal.say(f"No file keeps it: put this into BUCKETER_KEYS, or {_SHOW}:")
        terminal.line(told)
    return 0


def list_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """List the keys that there are, by their ids; what they are is not kept."""
    settings = settings_of(args, terminal)
    keys = [*settings.keys, *_read(settings.keys_file)]
    if args.json:
        for key in keys:
            terminal.json(_described(key))
        return 0
    if not keys:
        terminal.say(f"There are none. `bucketer keys create` makes one; {_SHOW} to keep it.")
        return 0
    terminal.table(
        ("id", "role", "environment", "for pages of", "note"),
        [
            (key.id, role_name(key.role), key.environment, " ".join(key.origins), key.note)
            for key in keys
        ],
    )
    return 0


def revoke_command(args: argparse.Namespace, terminal: Terminal) -> int:
    """Take a key away: its file's line goes, and servers refuse it within 5 s."""
    settings = settings_of(args, terminal)
    path = settings.keys_file
    with _alone(path):
        found = [key for key in _read(path) if key.id == args.id]
        if found:
            _write(path, [line for line in _lines(path) if not _is_of(line, found)])
    if not found:
        if any(key.id == args.id for key in settings.keys):
            raise KeysUnusable(f"{args.id} stands in BUCKETER_KEYS: take it out there.")
        raise KeysUnusable(f"There is no key {args.id!r}; see `bucketer keys list`.")
    for key in found:
        if args.json:
            terminal.json({**_described(key), "revoked": True})
        else:
            terminal.line(f"revoked {key.id} ({role_name(key.role)}, {key.environment})", GOOD)
    return 0


def _described(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "role": role_name(key.role),
        "environment": key.environment,
        "origins": [*key.origins],
        "note": key.note,
    }


def _check_environment(settings: Settings, environment: str) -> None:
    names = [settings.environment, *(each.name for each in settings.environments)]
    if environment not in {EVERY, *names}:
        raise KeysUnusable(
            f"There is no environment {environment!r}; there are: {', '.join(names)}."
        )


def _read(path: str) -> tuple[Key, ...]:
    if not path:
        return ()
    try:
        return read_file(path)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise KeysUnusable(f"{path}: {error}") from None


def _lines(path: str) -> list[str]:
    """Return the lines of the file, which are all sound; none where it isn't there yet."""
    _read(path)
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _is_of(line: str, keys: list[Key]) -> bool:
    return line.strip()[:64] in {key.digest.hex() for key in keys}


@contextmanager
def _alone(path: str) -> Iterator[None]:
    """Keep other commands away while the file at *path* is changed: by a lock of its folder."""
    try:
        import fcntl

        folder = os.open(Path(path).absolute().parent, os.O_RDONLY)
    except (ImportError, OSError):  # not a Unix; or there is no folder, as writing will say
        yield
        return
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(path: str, lines: list[str]) -> None:
    """Put *lines* in place of the file, whole or not at all.

    A new one is readable for its owner only. One that is there keeps its owner and who may
    read it: the server, which may be another user, is to learn what root has revoked.
    """
    if Path(path).exists() and not Path(path).is_file():  # its place would be taken: of /dev/null
        raise KeysUnusable(f"{path} can't be written: it is no file")
    place = Path(path).resolve()  # a link goes on pointing there
    beside = Path(f"{place}.{os.getpid()}")
    try:
        before = place.stat() if place.exists() else None
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "w") as file:
            if before is not None:
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode) & ~_OTHERS_WRITE)
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise KeysUnusable(f"{path} can't be written: {error.strerror}") from None
