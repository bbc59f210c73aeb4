"""Environment in, `Settings` out."""

from __future__ import annotations

from bucketer.core.errors import SettingsError

from .setting import DEFAULT, PREFIX, UNLISTED, refusal
from .table import BY_NAME, TABLE
from .values import quoted_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final, NoReturn

    from bucketer.access.keys import Key

    from .file import Listed

#: What each environment says for itself, and what it is where it doesn't.
OF_ONE_DATAFILE: Final[Mapping[str, object]] = {
    "datafile_url": "",
    "datafile": (),
    "datafile_access_token": "",
    "datafile_max_age": None,
    "webhook_secret": "",
    "project_id": "",
}
#: Of these, what a variable says is the default environment's, wherever that one is listed.
_OF_THE_DEFAULT: Final = ("datafile_access_token", "webhook_secret", "project_id")


class Settings:
    """What the environment says, checked. Frozen: assigning raises AttributeError.

    The attributes are the names of `TABLE` without `BUCKETER_`, in lower case; what each means is
    told there. `unknown` lists variables that look like ours and are not, each with the setting
    that may have been meant: not an error, since an older version must start beside newer settings.

    What concerns one datafile (`OF_ONE_DATAFILE`) is that of the default environment, called
    `environment`, with its `sdk_key` where that is known; `environments` are the others of the
    file that `BUCKETER_CONFIG` names, and `of` gives the settings of one of them. Where one doesn't
    say how old its datafile may grow, that is `usual_max_age`.
    """

    __slots__ = (
        *(row.attribute for row in TABLE),
        "environment",
        "environments",
        "sdk_key",
        "unknown",
        "usual_max_age",
    )

    datafile_url: str
    datafile_access_token: str
    datafile_max_age: float | None
    datafile_older_after: float
    datafile: tuple[str, ...]
    cold_start: str
    revisions: str
    engine: str
    events: str
    events_endpoint: str
    events_fsync: str
    events_max_bytes: int
    events_batch: int
    events_interval: float
    events_timeout: float
    events_flush: float
    events_dedup: float
    signing_secrets: tuple[bytes, ...]
    exposure_ttl: float
    state_dir: str
    profiles: str
    profiles_max: int | None
    cmab_endpoint: str
    cmab_timeout: float
    profiles_api: bool
    overrides: bool
    forced: bool
    odp: bool
    odp_host: str
    odp_timeout: float
    odp_cache_size: int
    odp_cache_age: float
    debug: bool
    debug_url: str
    cors_origin: tuple[str, ...]
    cors_headers: tuple[str, ...]
    path_prefix: str
    health_max_age: float | None
    ready_max_age: float | None
    max_url_bytes: int
    max_body_bytes: int
    max_json_depth: int
    host: str
    port: int
    console: str
    workers: int
    access_log: bool
    stop_timeout: int
    log_file: str
    access_log_file: str
    metrics: str
    metrics_by_flag: bool
    tail: bool
    traces: str
    traces_users: bool
    log_level: str
    log_format: str
    trusted_proxies: tuple[str, ...]
    address_header: str
    webhook_secret: str
    webhook_wait: float
    publish: str
    publish_function: str
    project_id: str
    ofrep: bool
    ofrep_off: str
    ofrep_experiments: bool
    ofrep_bulk_impressions: bool | str
    ofrep_event_streams: str
    config: str
    sdk_keys: str
    sdk_key_url: str
    sdk_key_secure_url: str
    environments_store: str
    environments_max: int
    environments_max_bytes: int
    agent_notifications: bool
    agent_batch_max: int
    access: str
    keys_file: str
    keys: tuple[Key, ...]
    auth_hmac_secrets: tuple[bytes, ...]
    auth_jwks_url: str
    auth_jwks_age: float
    auth_issuer: str
    auth_audience: str
    auth_role: str
    auth_clients: tuple[tuple[str, bytes, tuple[str, ...]], ...]
    auth_ttl: float
    rate_per_address: float | None
    rate_per_key: float | None
    rate_burst: float
    environment: str
    sdk_key: str
    environments: tuple[Listed, ...]
    unknown: tuple[str, ...]
    usual_max_age: float | None

    def __init__(self, values: Mapping[str, object]) -> None:
        """Take the values by attribute; `read_settings` is the way to make one."""
        for name in self.__slots__:
            object.__setattr__(self, name, values[name])

    def __setattr__(self, name: str, value: object) -> NoReturn:
        message = f"settings are read once and then kept; {name} can't be assigned"
        raise AttributeError(message)

    def __delattr__(self, name: str) -> NoReturn:
        self.__setattr__(name, None)

    @property
    def is_keyed(self) -> bool:
        """Whether keys or tokens are asked for."""
        named = (self.keys_file, self.keys, self.auth_hmac_secrets, self.auth_jwks_url)
        return self.access == "keys" or any(named) or bool(self.auth_clients)

    def but(self, **changes: object) -> Settings:
        """A copy with some values replaced, by attribute; they are not checked again."""
        return Settings({**self._values(), **changes})

    def of(self, listed: Listed) -> Settings:
        """The settings of one environment: this one's, but for what concerns its datafile."""
        values = {**OF_ONE_DATAFILE, **listed.values}
        if not values["datafile"]:
            token = values["datafile_access_token"]
            template = self.sdk_key_secure_url if token else self.sdk_key_url
            values["datafile_url"] = template.replace("{}", quoted_key(listed.sdk_key))
        if values["datafile_max_age"] is None:
            values["datafile_max_age"] = self.usual_max_age
        return self.but(**values, environment=listed.name, sdk_key=listed.sdk_key, environments=())

    @property
    def stored_at(self) -> str:
        """Where webhooks put this environment's datafile; empty but for those of a file."""
        nobody = self.environment == UNLISTED or (self.environment == DEFAULT and not self.sdk_key)
        if nobody or not self.environments_store:
            return ""
        return f"{self.environments_store.rstrip('/')}/{self.environment}/datafile.json"

    def __reduce__(self) -> tuple[type[Settings], tuple[dict[str, object]]]:
        """Pickle by value: the server's workers are processes."""
        return Settings, (self._values(),)

    def _values(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


def unlisted(key: str) -> Listed:
    """The environment of an SDK key (`KEY` or `KEY:TOKEN`) that nobody listed."""
    from .file import Listed

    sdk_key, _, token = key.partition(":")
    return Listed(UNLISTED, sdk_key, {"datafile_access_token": token})


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Check the whole environment, with the file that it may name, and return its `Settings`.

    A variable that is empty counts as not set, as templates and compose files leave it. What a
    variable says wins over the file. The default environment is the one whose datafile the
    variables name; else the file's `default`; else the first of the file.

    Raises:
        SettingsError: with one line for each thing that can't be used, all of them at once.
    """
    values: dict[str, object] = {"unknown": _unknown(environ)}
    problems: list[str] = []
    file = None
    if path := environ.get("BUCKETER_CONFIG", "").strip():
        # With a parser of TOML, which a cold start seldom needs.
        from .file import Listed, read_file

        try:
            file = read_file(path, environ)
        except SettingsError as error:
            problems += error.problems
    said = {} if file is None else file.written
    for row in TABLE:
        written = environ.get(row.name, "").strip() or said.get(row.name) or row.default
        try:
            values[row.attribute] = row.parse(written)
        except ValueError as error:
            problems.append(f"{row.name}: {refusal(row, written, error)}")
    if problems:
        raise SettingsError(problems)
    values |= {"environment": DEFAULT, "sdk_key": "", "environments": ()}
    values["usual_max_age"] = values["datafile_max_age"]
    settings = Settings(values)
    if file is None or not file.environments:
        return settings
    if values["datafile_url"] or values["datafile"]:
        return settings.but(environments=file.environments)
    names = [each.name for each in file.environments]
    default = file.environments[names.index(file.default) if file.default else 0]
    others = tuple(each for each in file.environments if each is not default)
    own = default.values | {name: values[name] for name in _OF_THE_DEFAULT if values[name]}
    return settings.of(Listed(default.name, default.sdk_key, own)).but(environments=others)


def _unknown(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that begin as ours do and are none, with the nearest that is."""
    lines = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in BY_NAME:
            # Without the prefix, which would make any two of them look alike.
            from bucketer.core.slips import nearest

            meant = nearest(
                name.removeprefix(PREFIX), [row.removeprefix(PREFIX) for row in BY_NAME]
            )
            hint = f" Is {PREFIX}{meant} meant?" if meant else ""
            lines.append(f"{name} is no setting.{hint}")
    return tuple(lines)
