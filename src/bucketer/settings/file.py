"""The file that `BUCKETER_CONFIG` names: TOML in, environments and settings out.

    sdk_keys = "listed"                 # settings, as in the table, without BUCKETER_
    events_batch = 100
    default = "production"              # the environment that answers where none is named

    [environments.production]
    sdk_key = "AbCdEfGh123"
    access_token = { env = "PRODUCTION_TOKEN" }

    [environments.development]
    datafile = ["s3://bucket/development.json", "packaged"]
    max_age = 10

Whatever is wrong is told with file, line and key, all of it at once, and no secret.
"""

from __future__ import annotations

import re
import tomllib

from bucketer.core.errors import SettingsError
from bucketer.core.slips import nearest

from .setting import DEFAULT, LOCATION, PREFIX, Setting, refusal
from .table import BY_NAME
from .values import OURS, locations, word
from .values import sdk_key as parse_sdk_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: What one environment may say, by the setting that it has of its own.
OF_AN_ENVIRONMENT = {
    "datafile": "BUCKETER_DATAFILE",
    "access_token": "DATAFILE_ACCESS_TOKEN",
    "max_age": "DATAFILE_MAX_AGE",
    "webhook_secret": "BUCKETER_WEBHOOK_SECRET",
    "project_id": "BUCKETER_PROJECT_ID",
}
_SDK_KEY, _DATAFILE_KEY = "sdk_key", "datafile"
_DEFAULT, _ENVIRONMENTS = "default", "environments"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: Settings that a file can't have: it is found by the one, and has the others by environment.
_NOT_HERE = frozenset({"BUCKETER_CONFIG", *OF_AN_ENVIRONMENT.values(), "DATAFILE_URL"})
_OF_ALL = tuple(row.attribute for name, row in BY_NAME.items() if name not in _NOT_HERE)
#: What an environment says, by that and by what the variable is called.
_OWN = {BY_NAME[name].attribute: key for key, name in OF_AN_ENVIRONMENT.items()}
_OWN |= {"datafile_url": _DATAFILE_KEY, **{key: key for key in OF_AN_ENVIRONMENT}}
#: Here a text is one place, with the blanks in it.
_DATAFILE = Setting(
    "BUCKETER_DATAFILE",
    "",
    locations,
    "a path, an https://, http:// or s3:// URL, `packaged` or `demonstration`, or a list of them",
    "",
    LOCATION,
)
_HEADER = re.compile(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}\s*(#.*)?")
_ASSIGNED = re.compile(r"\s*([^=#\[\]{}]+?)\s*=")


class Listed:
    """One environment of the file.

    Attributes:
        name: what it is called there.
        sdk_key: the key that requests name it by; empty if its datafile tells.
        values: settings of its own, by attribute of `Settings`, parsed.
    """

    __slots__ = ("name", "sdk_key", "values")

    def __init__(self, name: str, sdk_key: str, values: dict[str, object]) -> None:
        self.name, self.sdk_key, self.values = name, sdk_key, values


class ConfigFile:
    """What a file says, checked.

    Attributes:
        written: settings as they would be written in the environment, by variable's name.
        environments: in the order of the file.
        default: the name of the environment that answers where none is named; empty if the file
            names none.
        lines: where each setting of `written` stands, from 1, by variable's name.
    """

    __slots__ = ("default", "environments", "lines", "written")

    def __init__(
        self,
        written: dict[str, str],
        environments: tuple[Listed, ...],
        default: str,
        lines: dict[str, int],
    ) -> None:
        self.written, self.environments = written, environments
        self.default, self.lines = default, lines


def read_file(path: str, environ: Mapping[str, str]) -> ConfigFile:
    """Read and check the file at *path*; `{ env = "NAME" }` in it stands for a variable.

    Raises:
        SettingsError: it can't be read, is no TOML, or says something impossible.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- pathlib costs a cold start 4 ms
            raw = file.read()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise SettingsError([f"BUCKETER_CONFIG: '{path}' can't be read: {why}"]) from None
    try:
        text = raw.decode("utf-8-sig")  # some editors begin with a mark
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError([f"{path}, line {line}: not valid UTF-8"]) from None
    except (ValueError, RecursionError) as error:
        raise SettingsError([f"{path}: no valid TOML: {error}"]) from None
    return _Check(path, text, environ).document(document)


class _Check:
    """One file under examination; problems add up."""

    def __init__(self, path: str, text: str, environ: Mapping[str, str]) -> None:
        self._path, self._environ = path, environ
        self._lines = _lines_of(text)
        self._problems: list[str] = []

    def document(self, document: dict[str, object]) -> ConfigFile:
        listed = self._environments(document.pop(_ENVIRONMENTS, {}))
        default = document.pop(_DEFAULT, "")
        names = [each.name for each in listed]
        if default != "" and default not in names:
            told = f"names no environment of this file; there are: {', '.join(names) or 'none'}"
            self._wrong((_DEFAULT,), told)
        written: dict[str, str] = {}
        lines: dict[str, int] = {}
        for key, value in document.items():
            row = BY_NAME.get(PREFIX + key.upper())
            if row is None or row.name in _NOT_HERE:
                if isinstance(value, dict) and {_SDK_KEY, _DATAFILE_KEY} & value.keys():
                    self._wrong((key,), f"no such table. Is [{_ENVIRONMENTS}.{key}] meant?")
                else:
                    self._unknown((key,), [_DEFAULT, _ENVIRONMENTS, *_OF_ALL])
                continue
            text = self._text((key,), value)
            if text is not None and self._parsed((key,), row, text) is not None:
                written[row.name], lines[row.name] = text, self._line((key,))
        if self._problems:
            raise SettingsError(self._problems)
        return ConfigFile(written, tuple(listed), str(default), lines)

    def _environments(self, table: object) -> list[Listed]:
        if not isinstance(table, dict):
            self._wrong((_ENVIRONMENTS,), "expected tables such as [environments.production]")
            return []
        found = [self._environment(name, each) for name, each in table.items()]
        by_key: dict[str, str] = {}
        for each in found:
            if each.sdk_key and each.sdk_key in by_key:
                told = f"the same key as that of '{by_key[each.sdk_key]}'"
                self._wrong((_ENVIRONMENTS, each.name, _SDK_KEY), told)
            by_key.setdefault(each.sdk_key, each.name)
        return found

    def _environment(self, name: str, table: object) -> Listed:
        where = (_ENVIRONMENTS, name)
        if not _NAME.fullmatch(name):
            self._wrong(where, "a name has 1 to 64 letters, digits, `_` and `-`")
        if not isinstance(table, dict):
            self._wrong(where, f"expected a table: [{_ENVIRONMENTS}.{name}]")
            return Listed(name, "", {})
        values: dict[str, object] = {}
        sdk_key = ""
        for key, value in table.items():
            at = (*where, key)
            if key != _SDK_KEY and key not in OF_AN_ENVIRONMENT:
                self._unknown(at, [_SDK_KEY, *OF_AN_ENVIRONMENT])
                continue
            text = self._text(at, value)
            if text is None:
                continue
            if key == _DATAFILE_KEY:
                values["datafile"] = self._datafile(at, value, text)
            elif isinstance(value, list):
                self._wrong(at, "expected one text, found a list")
            elif key == _SDK_KEY:
                sdk_key = self._sdk_key(at, text)
            else:
                row = BY_NAME[OF_AN_ENVIRONMENT[key]]
                values[row.attribute] = self._parsed(at, row, text)
        if _SDK_KEY not in table and _DATAFILE_KEY not in table:
            self._wrong(where, "needs `sdk_key` or `datafile`")
        places = values.get(_DATAFILE_KEY)
        if values.get("webhook_secret") and places and "://" not in str(places):
            why = "found a secret, and no URL in `datafile` to fetch from when a webhook comes"
            self._wrong((*where, "webhook_secret"), why)
        named = (self._environ.get(each, "") for each in ("DATAFILE_URL", "BUCKETER_DATAFILE"))
        if name == DEFAULT and "".join(named).strip():
            self._wrong(where, "is what the environment is called whose datafile a variable names")
        return Listed(name, sdk_key, values)

    def _datafile(self, at: tuple[str, ...], value: object, text: str) -> object:
        """Read the places of a datafile. One text is one: a path may hold blanks."""
        if isinstance(value, int | float):
            self._wrong(at, f"expected {_DATAFILE.allowed}")
            return None
        if not _all_written(value):
            self._wrong(at, "found nothing; leave it out where `sdk_key` says where it is")
            return None
        parsed = self._parsed(at, _DATAFILE, text)
        if parsed is None or not isinstance(value, str | list):
            return parsed
        texts = [value] if isinstance(value, str) else value
        return tuple(word(each, OURS) or each for each in texts)

    def _sdk_key(self, at: tuple[str, ...], text: str) -> str:
        try:
            return parse_sdk_key(text)
        except ValueError:
            told = f"found a text of {len(text)} characters"
            told += "; allowed: up to 128 letters, digits and `+/=_-`"
            if ":" in text:
                told += ". A token behind the key goes into `access_token`"
            self._wrong(at, told)
            return ""

    def _text(self, at: tuple[str, ...], value: object) -> str | None:
        """Turn a TOML value into what the environment would have said; None if it can't be."""
        if isinstance(value, dict) and set(value) == {"env"} and isinstance(value["env"], str):
            text = self._environ.get(value["env"], "")
            if not text:
                self._wrong(at, f"the variable {value['env']} that it stands for isn't set")
                return None
            return text
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, (int, float)):
            return repr(value)
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return " ".join(value)
        if isinstance(value, str):
            return value
        self._wrong(
            at, 'expected a text, a number, true, false, a list of texts or { env = "NAME" }'
        )
        return None

    def _parsed(self, at: tuple[str, ...], row: Setting, text: str) -> object:
        parse: Callable[[str], object] = row.parse
        try:
            return parse(text)
        except ValueError as error:
            self._wrong(at, refusal(row, text, error))
            return None

    def _unknown(self, at: tuple[str, ...], known: list[str]) -> None:
        key = at[-1]
        own = key if key == _SDK_KEY else _OWN.get(key)
        if len(at) == 1 and own:
            told = f" here. An environment says `{own}`, below [{_ENVIRONMENTS}.NAME]"
        elif len(at) > 1 and key in {_DEFAULT, *_OF_ALL}:
            told = f" here. It is for all: put it above the first [{_ENVIRONMENTS}.NAME]"
        else:
            meant = nearest(key, known)
            told = f". Is `{meant}` meant?" if meant else "."
        self._wrong(at, f"no such key{told}")

    def _line(self, at: tuple[str, ...]) -> int:
        """Return the line of what is at *at*, or where that begins, or of what it stands in."""
        if at in self._lines or not at:
            return self._lines.get(at, 0)
        inside = [line for path, line in self._lines.items() if path[: len(at)] == at]
        return min(inside) if inside else self._line(at[:-1])

    def _wrong(self, at: tuple[str, ...], told: str) -> None:
        line = self._line(at)
        place = f"{self._path}, line {line}" if line else self._path
        self._problems.append(f"{place}, {'.'.join(at)}: {told}")


def _all_written(value: object) -> bool:
    """Say whether *value* is a text, or texts, none of them blank."""
    texts = value if isinstance(value, list) else [value]
    return bool(texts) and all(not isinstance(each, str) or each.strip() for each in texts)


def _lines_of(text: str) -> dict[tuple[str, ...], int]:
    """Return the line, from 1, of each header and key of a TOML document.

    `tomllib` doesn't tell. A line inside a text of several lines may be taken for a key; nobody
    asks for that one.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.fullmatch(line):
            table = _path_of(header[1])
            lines.setdefault(table, number)
        elif assigned := _ASSIGNED.match(line):
            lines.setdefault((*table, *_path_of(assigned[1])), number)
    return lines


def _path_of(dotted: str) -> tuple[str, ...]:
    """Split a dotted key, whose parts may be quoted."""
    try:
        here: object = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return (dotted,)
    path = []
    while isinstance(here, dict):
        [(name, here)] = here.items()
        path.append(name)
    return tuple(path)
