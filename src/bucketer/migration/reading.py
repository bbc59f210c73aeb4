"""YAML and `OPTIMIZELY_…` variables in, Agent's options out.

What Agent's own reader does is done here: names match in any case, variables win over the file,
lists in variables are separated by commas, tables are JSON there.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from bucketer.core.errors import BucketerError

from .options import HEADINGS, TABLES, TAKEN, by_variable, why_not

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "OPTIMIZELY_"
#: A file of options has a few kilobytes; aliases may make far more of it than it has bytes.
MAX_BYTES, MAX_NODES = 1024 * 1024, 20_000
_PROJECT = re.compile(
    r"WEBHOOK_PROJECTS_([0-9]+)_(SECRET|SDKKEYS|SKIPSIGNATURECHECK)", re.IGNORECASE
)


class AgentConfigError(BucketerError):
    """The file isn't one that Agent reads.

    Attributes:
        where: the path, with a line where there is one.
        why: a clause.
    """

    code = "invalid_agent_config"

    def __init__(self, where: str, why: str) -> None:
        super().__init__(where, why)
        self.where, self.why = where, why

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"


class Options:
    """What Agent was told.

    Attributes:
        values: by dotted name in lower case; tables as they are.
        variables: the options that a variable says: its name.
        unknown: what is no option of Agent's, as it was written.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.variables: dict[str, str] = {}
        self.unknown: list[str] = []


def read_options(raw: bytes, where: str, environ: Mapping[str, str]) -> Options:
    """Read a file's bytes and the variables.

    Raises:
        AgentConfigError: the file is no YAML, or no table, or too large.
    """
    options = Options()
    document = _parse(raw, where)
    if document is not None and not isinstance(document, dict):
        raise AgentConfigError(where, "expected options such as `sdkKeys:` at its top")
    try:
        _Flat(options, where).take(document or {}, "")
    except RecursionError:  # an alias may stand inside of what it names
        raise AgentConfigError(where, "is nested too deeply") from None
    _take_variables(options, environ)
    return options


def _parse(raw: bytes, where: str) -> object:
    if len(raw) > MAX_BYTES:
        raise AgentConfigError(where, f"has {len(raw)} bytes; {MAX_BYTES} are read at most")
    if not raw.strip():
        return None
    from .yaml_text import NoYaml, parse  # needs the extra [cli]

    try:
        return parse(raw)
    except NoYaml as error:
        line = f", line {error.line}" if error.line else ""
        raise AgentConfigError(f"{where}{line}", f"no valid YAML: {error.why}") from None


class _Flat:
    """Tables inside tables → dotted names; bounded, whatever aliases say."""

    def __init__(self, options: Options, where: str) -> None:
        self._options, self._where, self._nodes = options, where, 0

    def take(self, table: dict[Any, Any], path: str) -> None:
        for key, value in table.items():
            self._count()
            name = f"{path}.{str(key).lower()}" if path else str(key).lower()
            if name in HEADINGS and value is not None and not isinstance(value, dict):
                self._options.unknown.append(f"{name} (no table, where one is expected)")
            elif name in TABLES or (name in TAKEN and not isinstance(value, dict)):
                self._options.values[name] = self._counted(value)
            elif isinstance(value, dict) and value:
                if name in TAKEN:
                    self._options.unknown.append(f"{name} (a table, where none is expected)")
                    continue
                self.take(value, name)
            elif why_not(name) is not None:
                self._options.values[name] = self._counted(value)
            elif value is not None and value != {}:  # a heading with nothing below it is allowed
                self._options.unknown.append(name[:200])

    def _counted(self, value: object) -> object:
        """Return *value* as it is, once all in it has been counted."""
        self._count()
        inner = (
            [*value.values()]
            if isinstance(value, dict)
            else value
            if isinstance(value, list)
            else ()
        )
        for each in inner:
            self._counted(each)
        return value

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise AgentConfigError(self._where, f"says more than {MAX_NODES} things")


def _take_variables(options: Options, environ: Mapping[str, str]) -> None:
    known = by_variable()
    for name in sorted(environ):
        if not name.startswith(PREFIX) or not environ[name]:
            continue
        short = name.removeprefix(PREFIX).upper()
        if short == "CONFIG_FILENAME":
            continue
        if found := _PROJECT.fullmatch(short):
            _take_project(options, found[1], found[2].lower(), name, environ[name])
        elif short == "CMAB_PREDICTIONENDPOINT":
            _say(options, "client.cmab.predictionendpoint", environ[name], name)
        elif short in known:
            _take_variable(options, known[short], environ[name], name)
        else:
            options.unknown.append(name[:200])


def _take_variable(options: Options, option: str, text: str, name: str) -> None:
    is_json = option in TABLES or option in {"client.cmab", "api.auth.clients"}
    if not is_json:
        _say(options, option, text, name)
        return
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        options.unknown.append(f"{name} (expected JSON)")
        return
    if option in HEADINGS and not isinstance(value, dict):
        options.unknown.append(f"{name} (no JSON object, where one is expected)")
    elif option == "client.cmab":
        _Flat(options, name).take(value, option)
    else:
        _say(options, option, value, name)


def _say(options: Options, option: str, value: object, name: str) -> None:
    options.values[option] = value
    options.variables[option] = name


def _take_project(options: Options, project: str, part: str, name: str, text: str) -> None:
    projects = options.values.get("webhook.projects")
    if not isinstance(projects, dict):
        projects = options.values["webhook.projects"] = {}
    key = next((each for each in projects if str(each) == project), project)
    if not isinstance(projects.get(key), dict):
        projects[key] = {}
    mine = {str(each).lower(): value for each, value in projects[key].items()}
    mine[part] = text
    projects[key] = mine
    options.variables[f"webhook.projects.{project}.{part}"] = name


def listed(value: object) -> list[str]:
    """Return a list as YAML has it, or as a variable has it: between commas."""
    if isinstance(value, list):
        return [text for each in value if each is not None and (text := str(each).strip())]
    if value is None:
        return []
    return [each.strip() for each in str(value).split(",") if each.strip()]


def is_on(value: object) -> bool:
    """Return a switch as Agent reads it. Source: Go, package strconv, ParseBool."""
    return str(value) in {"true", "True", "TRUE", "1", "t", "T"}
