"""Agent's options in, the text of our TOML file out, with what has no counterpart."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from bucketer.settings import BY_NAME, refusal

from .durations import seconds_of
from .options import DEFAULTS, TAKEN, why_not
from .reading import AgentConfigError, is_on, listed

if TYPE_CHECKING:
    from .reading import Options

_PUBLIC = "https://cdn.optimizely.com/datafiles/%s.json"
_SECURE = "https://config.optimizely.com/datafiles/auth/%s.json"
_LEVELS = {"panic": "error", "fatal": "error", "trace": "debug", "warn": "warning"}
_DAY_S = 86_400.0
#: The most that may be set, since Agent has no bound.
_LONGEST_URL = 65_536


class Migration:
    """What becomes of Agent's options.

    Attributes:
        text: the file.
        notes: what has no counterpart, and what the reader should know; a sentence each.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self.notes: list[str] = []
        self._lines: list[str] = []
        self._settings()
        self._profiles()
        self._datafiles()
        self._auth()
        environments = _environments(options, self)
        if environments:
            self._lines.append("")
        self._tell_the_rest()
        head = ["# Made by `bucketer migrate-agent` of the options of an Optimizely Agent."]
        self.text = "\n".join([*head, *self._lines, *environments]) + "\n"

    # -- what is said ----------------------------------------------------------------------

    def said(self, option: str) -> Any:
        """Return what an option says, if it says anything but Agent's default."""
        value = self._options.values.get(option.lower())
        default = DEFAULTS.get(option.lower())
        if value is None or value == "" or str(value) == str(default):
            return None
        return value

    def note(self, option: str, told: str) -> None:
        """Say something of an option that isn't wholly taken over."""
        if (text := f"{option}: {told}") not in self.notes:
            self.notes.append(text)

    def set(self, name: str, value: object, option: str) -> None:
        """Write a setting, if it may be what it is."""
        variable = self._options.variables.get(option.lower())
        row = BY_NAME[name]
        written = " ".join(value) if isinstance(value, list) else toml_text(value)
        try:
            row.parse(written)
        except ValueError as error:
            self.note(option, f"not taken over: {refusal(row, written, error)}")
            return
        if variable is not None and row.shown == "secret":
            self._lines.append(f"{row.attribute} = {{ env = {json.dumps(variable)} }}")
        else:
            self._lines.append(f"{row.attribute} = {toml(value)}")

    def _fits(self, name: str, value: str, option: str) -> bool:
        """Say whether a setting may be *value*; note it if not."""
        try:
            BY_NAME[name].parse(value)
        except ValueError as error:
            self.note(option, f"not taken over: {refusal(BY_NAME[name], value, error)}")
            return False
        return True

    def keep_closed(self, name: str, value: str | list[str], option: str) -> None:
        """Write a setting without which anybody could ask.

        Raises:
            AgentConfigError: it can't be what it is.
        """
        before = len(self.notes)
        self.set(name, value, option)
        if len(self.notes) > before:
            why = self.notes.pop().partition(": ")[2]
            raise AgentConfigError(option, f"{why}. Without it everybody could ask")

    def seconds(self, name: str, option: str) -> None:
        """Write a time, if the option says one."""
        value = self.said(option)
        if value is None:
            return
        self.warn_of_nanoseconds(option, value)
        try:
            self.set(name, number(seconds_of(value)), option)
        except ValueError:
            self.note(option, f"not taken over: {str(value)[:40]!r} is no duration")

    def warn_of_nanoseconds(self, option: str, value: object) -> None:
        """Say so where a time has no unit."""
        if re.fullmatch("0*[1-9][0-9]*", str(value)):
            self.note(option, f"{value} counts nanoseconds, as in Agent; {value}s are seconds")

    # -- areas -----------------------------------------------------------------------------

    def _settings(self) -> None:
        self._lines.append('sdk_keys = "any"  # as Agent: "listed" serves the keys below alone')
        self.set("BUCKETER_MAX_URL_BYTES", _LONGEST_URL, "")  # a decide may name many keys
        if (host := self.said("server.host")) is not None:
            self.set("BUCKETER_HOST", str(host), "server.host")
        if (port := self.said("api.port")) is not None:
            if str(port) == "0":
                self.note("api.port", "0 turns Agent's API off; here it would take any free port")
            else:
                self.set("BUCKETER_PORT", whole(port), "api.port")
        if (level := self.said("log.level")) is not None:
            chosen = _LEVELS.get(str(level).lower(), str(level).lower())
            self.set("BUCKETER_LOG_LEVEL", chosen, "log.level")
        pretty = is_on(self._options.values.get("log.pretty"))
        self.set("BUCKETER_LOG_FORMAT", "text" if pretty else "json", "log.pretty")
        interceptors = self.said("server.interceptors") or {}
        for name in interceptors if isinstance(interceptors, dict) else ():
            if str(name).lower() == "httplog":
                self.set("BUCKETER_ACCESS_LOG", True, "server.interceptors")
            else:
                self.note(f"server.interceptors.{name}", "there are no plugins")
        if is_on(self.said("api.enableNotifications")):
            self.set("BUCKETER_AGENT_NOTIFICATIONS", True, "api.enableNotifications")
        if is_on(self.said("api.enableOverrides")):
            self.set("BUCKETER_OVERRIDES", True, "api.enableOverrides")
        if (most := self.said("server.batchRequests.operationsLimit")) is not None:
            option = "server.batchRequests.operationsLimit"
            self.set("BUCKETER_AGENT_BATCH_MAX", whole(most), option)
        self._cors()

    def _cors(self) -> None:
        option = "api.cors.allowedOrigins"
        origins = listed(self.said(option))
        if origins and "*" not in origins:
            taken = [each for each in origins if self._fits("BUCKETER_CORS_ORIGIN", each, option)]
            # Nobody is let in whom Agent keeps out.
            self.set("BUCKETER_CORS_ORIGIN", taken or "off", option)
        headers = listed(self.said("api.cors.allowedHeaders"))
        if headers == ["*"]:
            told = "`*` is not taken over; the usual ones are allowed (BUCKETER_CORS_HEADERS)"
            self.note("api.cors.allowedHeaders", told)
        elif headers:
            self.set("BUCKETER_CORS_HEADERS", headers, "api.cors.allowedHeaders")

    def _profiles(self) -> None:
        option = "client.userProfileService"
        service, options = chosen_service(self.said(option))
        if not service:
            return
        if service != "in-memory":
            told = f'`{service}` has no counterpart; profiles="sqlite" keeps them in a file'
            self.note(option, told)
            return
        self.set("BUCKETER_PROFILES", "memory", option)
        self.set("BUCKETER_PROFILES_API", True, option)
        if str(options.get("capacity", 0)) not in {"0", ""}:
            self.set("BUCKETER_PROFILES_MAX", whole(options["capacity"]), f"{option}.capacity")

    def _datafiles(self) -> None:
        template = self.said("client.datafileURLTemplate")
        if template is not None and template not in {_PUBLIC, _SECURE}:
            url = str(template).replace("%s", "{}")
            self.set("BUCKETER_SDK_KEY_URL", url, "client.datafileURLTemplate")
            self.set("BUCKETER_SDK_KEY_SECURE_URL", url, "client.datafileURLTemplate")
        if (endpoint := self.said("client.eventURL")) is not None:
            self.set("BUCKETER_EVENTS_ENDPOINT", str(endpoint), "client.eventURL")
        if (batch := self.said("client.batchSize")) is not None:
            self.set("BUCKETER_EVENTS_BATCH", whole(batch), "client.batchSize")
        self.seconds("BUCKETER_EVENTS_INTERVAL", "client.flushInterval")
        self.seconds("BUCKETER_CMAB_TIMEOUT", "client.cmab.requestTimeout")
        if (url := self.said("client.cmab.predictionEndpoint")) is not None:
            option = "client.cmab.predictionEndpoint"
            self.set("BUCKETER_CMAB_ENDPOINT", str(url).replace("%s", "{}"), option)
        self._odp()

    def _odp(self) -> None:
        if is_on(self.said("client.odp.disable")):
            self.set("BUCKETER_ODP", False, "client.odp.disable")
        self.seconds("BUCKETER_ODP_TIMEOUT", "client.odp.segmentsRequestTimeout")
        option = "client.odp.segmentsCache"
        service, options = chosen_service(self.said(option))
        if service not in {"", "in-memory"}:
            self.note(option, f"`{service}` has no counterpart; segments are kept in memory")
            return
        if "size" in options and str(options["size"]) != "10000":
            self.set("BUCKETER_ODP_CACHE_SIZE", whole(options["size"]), f"{option}.size")
        if "timeout" in options and str(options["timeout"]) not in {"600s", "10m"}:
            try:
                age = number(seconds_of(options["timeout"]))
            except ValueError:
                self.note(f"{option}.timeout", "not taken over: it is no duration")
            else:
                self.set("BUCKETER_ODP_CACHE_AGE", age, f"{option}.timeout")

    def _auth(self) -> None:
        secrets = listed(self.said("api.auth.hmacSecrets"))
        if secrets:
            self.keep_closed("BUCKETER_AUTH_HMAC_SECRETS", secrets, "api.auth.hmacSecrets")
        if (url := self.said("api.auth.jwksURL")) is not None:
            self.keep_closed("BUCKETER_AUTH_JWKS_URL", str(url), "api.auth.jwksURL")
            self.seconds("BUCKETER_AUTH_JWKS_AGE", "api.auth.jwksUpdateInterval")
        clients = self.said("api.auth.clients")
        if isinstance(clients, list) and clients:
            written = []
            for each in clients:
                client = (
                    {str(k).lower(): v for k, v in each.items()} if isinstance(each, dict) else {}
                )
                keys = ",".join(listed(client.get("sdkkeys")))
                written.append(f"{client.get('id', '')}:{client.get('secrethash', '')}:{keys}")
            self._options.variables.pop("api.auth.clients", None)  # it is JSON there
            self.set("BUCKETER_AUTH_CLIENTS", written, "api.auth.clients")
            self.seconds("BUCKETER_AUTH_TTL", "api.auth.ttl")
        if secrets or url:
            self.set("BUCKETER_AUTH_ROLE", "admin", "api.auth")
            self.note("api.auth", "tokens are asked for by /bucketer and /track as well")

    def _tell_the_rest(self) -> None:
        """Say what has no counterpart: of options that say anything but Agent's default."""
        for option in self._options.values:
            if option in TAKEN or self.said(option) is None or _is_off(self.said(option)):
                continue
            found = why_not(option)
            if found is not None:
                self.note(found[0], f"no counterpart: {found[1]}")
        for name in self._options.unknown:
            self.notes.append(f"{name}: no option of Agent's, so not taken over")


def _is_off(value: object) -> bool:
    """Say whether a table says of all in it that it is off, as Agent's own file does."""
    if not isinstance(value, dict):
        return False
    lower = {str(key).lower(): each for key, each in value.items()}
    switches = [lower[name] for name in ("enabled", "enable") if name in lower]
    if switches:
        return not any(map(is_on, switches))
    inner = [each for each in lower.values() if isinstance(each, dict) and "enable" in each]
    return bool(inner) and all(map(_is_off, inner))


def _environments(options: Options, migration: Migration) -> list[str]:
    """Return the tables of environments: of the keys that Agent is told to have at hand."""
    projects = options.values.get("webhook.projects")
    by_key: dict[str, tuple[str, dict[str, Any]]] = {}
    for project, each in projects.items() if isinstance(projects, dict) else ():
        mine = {str(k).lower(): v for k, v in each.items()} if isinstance(each, dict) else {}
        option = f"webhook.projects.{str(project)[:40]}"
        if is_on(mine.get("skipsignaturecheck")):
            told = "no counterpart: signatures are always checked"
            migration.note(f"{option}.skipSignatureCheck", told)
        if not mine.get("secret"):
            migration.note(option, "no secret, so its webhooks aren't heard")
        for key in listed(mine.get("sdkkeys")):
            if by_key.setdefault(key, (str(project), mine))[1] is not mine:
                migration.note(option, "one of its keys is of an earlier project, which is heard")
    keys = list(dict.fromkeys([*listed(options.values.get("sdkkeys")), *by_key]))
    # Agent's webhook concerns whatever begins with the key, `KEY:TOKEN` above all.
    keys = [key for key in keys if not any(other.startswith(f"{key}:") for other in keys)]
    lines: list[str] = []
    polling, seen = _polling(migration), set()
    for number_of_it, written in enumerate(keys, 1):
        name = f"environment_{number_of_it}"
        key, _, token = written.partition(":")
        project, mine = by_key.get(written) or by_key.get(key) or ("", {})
        if (wrong := _not_a_key(key)) is not None:
            migration.note("sdkKeys", f"the {number_of_it}. key is not taken over: {wrong}")
            continue
        if key in seen:
            told = "is an earlier one with another token, and not taken over"
            migration.note("sdkKeys", f"the {number_of_it}. key {told}")
            continue
        seen.add(key)
        lines += ["", f"[environments.{name}]", f"sdk_key = {toml(key)}"]
        if token:
            lines.append(f"access_token = {toml(token)}")
            told = "key answers without its token, too; docs/access.md says how to ask for one"
            migration.note("sdkKeys", f"the {number_of_it}. {told}")
        lines += polling
        if mine.get("secret"):
            variable = options.variables.get(f"webhook.projects.{project}.secret")
            stands = (
                f"{{ env = {json.dumps(variable)} }}" if variable else toml(str(mine["secret"]))
            )
            lines.append(f"webhook_secret = {stands}")
            lines.append(f"project_id = {toml(project)}")
    if not lines:
        told = "/bucketer without one answers of the demonstration, which sends no events"
        migration.note("sdkKeys", f"none is listed, so /v1 has to name one, as with Agent; {told}")
    return lines[1:] if lines else lines


def _polling(migration: Migration) -> list[str]:
    option = "client.pollingInterval"
    value = migration.said(option)
    if value is None:
        return []
    try:
        age_s = seconds_of(value)
    except ValueError:
        migration.note(option, f"not taken over: {str(value)[:40]!r} is no duration")
        return []
    if age_s <= 0:
        migration.note(option, "datafiles are always asked for anew; here once a day then")
    migration.warn_of_nanoseconds(option, value)
    age_s = min(age_s, _DAY_S) if age_s > 0 else _DAY_S
    told = f"for keys that nobody lists, set the variable DATAFILE_MAX_AGE={number(age_s)}"
    migration.note(option, told)
    return [f"max_age = {number(age_s)}"]


def _not_a_key(key: str) -> str | None:
    from bucketer.settings.values import sdk_key

    try:
        sdk_key(key)
    except ValueError:
        return "an SDK key has letters, digits and `+/=_-`, 128 at most"
    return None


def chosen_service(value: object) -> tuple[str, dict[str, Any]]:
    """Return which of the services of a plugin is chosen, and its options; empty for none."""
    if not isinstance(value, dict):
        return "", {}
    lower = {str(key).lower(): each for key, each in value.items()}
    name = str(lower.get("default") or "")
    services = lower.get("services")
    options = services.get(name) if isinstance(services, dict) else None
    found = options if isinstance(options, dict) else {}
    return name, {str(key).lower(): each for key, each in found.items()}


def whole(value: object) -> object:
    """Return *value* as the whole number that it is, or as it is."""
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text  # noqa: PLR2004 -- 64 bits


def number(value: float) -> float:
    """Return *value* without a needless fraction."""
    return int(value) if value == int(value) else value


def toml_text(value: object) -> str:
    """Return *value* as a variable would say it."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def toml(value: object) -> str:
    """Return *value* as TOML writes it: its basic strings are JSON's, but for one character."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
