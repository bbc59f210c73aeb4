"""Agent's options become our file, which we can read; what has no counterpart is said."""

import json
import tomllib

import pytest

from bucketer.migration.durations import seconds_of
from bucketer.migration.options import DEFAULTS, NONE_FOR, TAKEN, by_variable
from bucketer.migration.reading import MAX_BYTES, MAX_NODES, AgentConfigError, read_options
from bucketer.migration.writing import Migration
from bucketer.settings import read_settings

HASH = "JDJhJDEyJDNDOG12LmNCNzlHaHhGcEJtLzZZQk9VLnRneEpGTTlnTXozb2kyNS9ERzhJTDZOZkpGa0ND"


def migrated(yaml="", **environ):
    return Migration(read_options(yaml.encode(), "config.yaml", environ))


def settings_of(migration, tmp_path, **environ):
    """The settings that our own reader makes of what was written."""
    path = tmp_path / "bucketer.toml"
    path.write_text(migration.text, encoding="utf-8")
    return read_settings({"BUCKETER_CONFIG": str(path), **environ})


WHOLE = """
sdkKeys: [AbC, "SeC:token+1"]
log: {level: warn, pretty: true}
server:
  host: 0.0.0.0
  batchRequests: {operationsLimit: 77}
  interceptors: {httplog: {}}
api:
  port: "9090"
  enableNotifications: true
  enableOverrides: true
  cors: {allowedOrigins: ["https://shop.example"], allowedHeaders: [X-One, X-Two]}
  auth:
    ttl: 1h30m
    hmacSecrets: ["c2VjcmV0LW9uZQ==", "c2VjcmV0LXR3bw=="]
    clients:
      - {id: shop, secretHash: HASH, sdkKeys: [AbC, "SeC:token+1"]}
webhook:
  projects:
    4242: {sdkKeys: [AbC, LaTeR], secret: 'a "secret" \\\\ with # all'}
client:
  pollingInterval: 1m30s
  batchSize: 25
  flushInterval: 250ms
  datafileURLTemplate: https://files.example/%s.json
  eventURL: https://events.example/v1
  userProfileService: {default: in-memory, services: {in-memory: {capacity: 500}}}
  odp:
    disable: true
    segmentsRequestTimeout: 3s
    segmentsCache: {default: in-memory, services: {in-memory: {size: 7, timeout: 2m}}}
  cmab: {requestTimeout: 2s, predictionEndpoint: "https://bandits.example/%s"}
""".replace("HASH", HASH)


def test_each_option_that_has_a_counterpart_is_taken_over(tmp_path):
    settings = settings_of(migrated(WHOLE), tmp_path)

    assert ("any", "0.0.0.0", 9090) == (settings.sdk_keys, settings.host, settings.port)
    assert ("warning", "text", True) == (
        settings.log_level,
        settings.log_format,
        settings.access_log,
    )
    assert (True, 77) == (settings.agent_notifications, settings.agent_batch_max)
    assert ("https://shop.example",) == settings.cors_origin
    assert ("X-One", "X-Two") == settings.cors_headers
    assert (b"secret-one", b"secret-two") == settings.auth_hmac_secrets
    assert 5400 == settings.auth_ttl
    assert [("shop", ("AbC", "SeC:token+1"))] == [(c, k) for c, _, k in settings.auth_clients]
    assert (25, 0.25) == (settings.events_batch, settings.events_interval)
    assert "https://files.example/{}.json" == settings.sdk_key_url == settings.sdk_key_secure_url
    assert "https://events.example/v1" == settings.events_endpoint
    assert (True, False, 3) == (settings.overrides, settings.odp, settings.odp_timeout)
    assert (7, 120) == (settings.odp_cache_size, settings.odp_cache_age)
    assert ("memory", 500) == (settings.profiles, settings.profiles_max)
    assert (2, "https://bandits.example/{}") == (settings.cmab_timeout, settings.cmab_endpoint)


def test_each_sdk_key_becomes_an_environment_with_its_token_age_and_webhook(tmp_path):
    settings = settings_of(migrated(WHOLE), tmp_path)
    secure, later = (settings.of(each) for each in settings.environments)

    assert ["AbC", "SeC", "LaTeR"] == [settings.sdk_key, secure.sdk_key, later.sdk_key]
    assert 'a "secret" \\\\ with # all' == settings.webhook_secret == later.webhook_secret
    assert "4242" == settings.project_id == later.project_id
    assert ("token+1", "") == (secure.datafile_access_token, secure.webhook_secret)
    assert {90} == {each.datafile_max_age for each in (settings, secure, later)}


def test_no_name_of_an_environment_tells_its_key():
    assert ["environment_1", "environment_2", "environment_3"] == list(
        tomllib.loads(migrated(WHOLE).text)["environments"]
    )


def test_without_options_agents_defaults_are_ours(tmp_path):
    migration = migrated()
    settings = settings_of(migration, tmp_path)

    assert ("any", "json") == (settings.sdk_keys, settings.log_format)
    assert (8080, "127.0.0.1", 500) == (settings.port, settings.host, settings.agent_batch_max)
    [told] = migration.notes
    assert told.startswith("sdkKeys: none is listed, so /v1 has to name one, as with Agent; ")


def test_variables_win_over_the_file_and_names_match_in_any_case(tmp_path):
    migration = migrated(
        "API: {Port: 1}\nclient: {FLUSHinterval: 9s}",
        OPTIMIZELY_API_PORT="7000",
        OPTIMIZELY_SDKKEYS="one, two",
        OPTIMIZELY_LOG_PRETTY="true",
        OPTIMIZELY_CMAB_PREDICTIONENDPOINT="https://b.example/%s",
        OPTIMIZELY_CLIENT_USERPROFILESERVICE='{"default":"in-memory","services":{"in-memory":{}}}',
        OPTIMIZELY_CLIENT_CMAB='{"requestTimeout":"3s"}',
    )
    settings = settings_of(migration, tmp_path)

    assert (7000, 9, "text", "memory") == (
        settings.port,
        settings.events_interval,
        settings.log_format,
        settings.profiles,
    )
    assert ("https://b.example/{}", 3) == (settings.cmab_endpoint, settings.cmab_timeout)
    assert ["one", "two"] == [settings.sdk_key, settings.environments[0].sdk_key]


def test_a_secret_that_a_variable_says_stays_there(tmp_path):
    secrets = {
        "OPTIMIZELY_API_AUTH_HMACSECRETS": "c2VjcmV0LW9uZQ==,c2VjcmV0LXR3bw==",
        "OPTIMIZELY_WEBHOOK_PROJECTS_7_SECRET": "hush",
    }
    migration = migrated("webhook: {projects: {7: {sdkKeys: [AbC]}}}", **secrets)

    assert "hush" not in migration.text
    assert "c2VjcmV0" not in migration.text
    settings = settings_of(migration, tmp_path, **secrets)
    assert ("hush", (b"secret-one", b"secret-two")) == (
        settings.webhook_secret,
        settings.auth_hmac_secrets,
    )


@pytest.mark.parametrize("option", [each for each in NONE_FOR if each != "log.includeSdkKey"])
def test_what_has_no_counterpart_is_said_with_the_reason(option):
    yaml = json.dumps("unusual")
    for part in reversed(option.split(".")):
        yaml = f"{{{part}: {yaml}}}"
    notes = migrated(yaml).notes

    assert any(note.startswith(option) and NONE_FOR[option] in note for note in notes), notes


def test_what_is_agents_default_anyway_is_not_worth_a_word():
    for option, default in DEFAULTS.items():
        yaml = json.dumps(default)
        for part in reversed(option.split(".")):
            yaml = f"{{{part}: {yaml}}}"
        assert 1 == len(migrated(yaml).notes), option  # that no SDK key is listed


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("api: {port: 70000}", "api.port: not taken over: found '70000'; allowed: a whole number"),
        ("api: {port: -1}", "api.port: not taken over"),
        ("api: {port: 0}", "api.port: 0 turns"),
        ("client: {flushInterval: soon}", "client.flushInterval: not taken over: 'soon' is no"),
        ("client: {pollingInterval: soon}", "client.pollingInterval: not taken over"),
        ("client: {pollingInterval: 0}", "client.pollingInterval: datafiles are always asked"),
        ("client: {userProfileService: {default: redis}}", "`redis` has no counterpart"),
        ("server: {interceptors: {mine: {}}}", "server.interceptors.mine: there are no plugins"),
        ("api: {cors: {allowedHeaders: ['*']}}", "api.cors.allowedHeaders: `*`"),
        ("sdkKeys: ['a b']", "sdkKeys: the 1. key is not taken over"),
        ("webhook: {projects: {1: {skipSignatureCheck: true}}}", "signatures are always checked"),
        ("clients: 1", "clients: no option of Agent's"),
        ("api: {prot: 1}", "api.prot: no option of Agent's"),
        ("api: {auth: {clients: [{id: a}]}}", "api.auth.clients: not taken over"),
        ("api: yes", "api (no table, where one is expected)"),
        ("client: {userProfileService: redis}", "client.userprofileservice (no table"),
        ("webhook: {projects: [1]}", "webhook.projects (no table"),
        ("webhook: {projects: {1: {sdkKeys: [A]}}}", "webhook.projects.1: no secret"),
        (
            "webhook: {projects: {1: {sdkKeys: [A], secret: s}, 2: {sdkKeys: [A], secret: t}}}",
            "webhook.projects.2: one of its keys is of an earlier project",
        ),
        ("sdkKeys: [A, 'B:t']", "sdkKeys: the 2. key answers without its token, too"),
        ("sdkKeys: ['A:t', 'A:u']", "sdkKeys: the 2. key is an earlier one with another token"),
        ("client: {pollingInterval: 60}\nsdkKeys: [A]", "60 counts nanoseconds"),
        ("client: {flushInterval: 30}", "client.flushInterval: 30 counts nanoseconds"),
        ("admin: {port: '8090'}", "/metrics (BUCKETER_METRICS)"),
        ("tracing: {enabled: true}", "BUCKETER_TRACES=otlp"),
        ("synchronization: {datafile: {enable: true}}", "processes don't talk to each other"),
    ],
)
def test_what_can_not_be_taken_over_is_said(tmp_path, yaml, told):
    migration = migrated(yaml)

    assert any(told in note for note in migration.notes), migration.notes
    settings_of(migration, tmp_path)


@pytest.mark.parametrize(
    "off",
    [
        "tracing: {enabled: false, opentelemetry: {default: stdout}}",
        "synchronization: {pubsub: {}, notification: {enable: false}, datafile: {Enable: false}}",
    ],
)
def test_what_is_off_is_not_worth_a_word(off):
    assert 1 == len(migrated(off).notes)  # that no SDK key is listed


@pytest.mark.parametrize(
    ("origins", "taken"),
    [
        (["https://a.example", "https://*.b.example"], ("https://a.example",)),
        (["https://*.b.example"], ()),
        (["https://a.example", "*"], ("*",)),
        ([], ("*",)),
    ],
)
def test_no_page_may_ask_that_agent_keeps_out(tmp_path, origins, taken):
    migration = migrated(json.dumps({"api": {"cors": {"allowedOrigins": origins}}}))

    assert taken == settings_of(migration, tmp_path).cors_origin
    told = [each for each in migration.notes if each.startswith("api.cors.allowedOrigins: not")]
    assert len(told) == ("https://*.b.example" in origins)


@pytest.mark.parametrize(
    "auth",
    [
        {"hmacSecrets": ["no base64!"]},
        {"hmacSecrets": ["c2VjcmV0LW9uZQ==", "x"]},
        {"jwksURL": "keys.example"},
    ],
)
def test_a_service_that_asks_for_tokens_never_becomes_an_open_one(auth):
    with pytest.raises(AgentConfigError, match=r"api\.auth\..*Without it everybody could ask"):
        migrated(json.dumps({"api": {"auth": auth}}))


@pytest.mark.parametrize("word", ["on", "yes", "Y", "off", "no", "tRuE"])
def test_only_true_is_on_as_agents_reader_has_it(tmp_path, word):
    migration = migrated(f"api: {{enableOverrides: {word}}}\nlog: {{pretty: {word}}}")

    assert not settings_of(migration, tmp_path).overrides
    for true in ("true", "True", '"1"', "1", "t"):
        assert settings_of(migrated(f"api: {{enableOverrides: {true}}}"), tmp_path).overrides


def test_a_longer_url_than_ours_may_name_many_keys(tmp_path):
    assert 65_536 == settings_of(migrated(), tmp_path).max_url_bytes


def test_a_heading_with_nothing_below_it_is_no_matter():
    assert 1 == len(migrated("api:\nclient: {}\nserver:\n  batchRequests:\n").notes)


def test_a_variable_that_agent_does_not_know_is_said():
    assert any("OPTIMIZELY_SDKKEY:" in note for note in migrated(OPTIMIZELY_SDKKEY="x").notes)


@pytest.mark.parametrize("value", ['a"b\\c\nd\x7f\u2028', "''' \"\"\"", "[x]\n[environments.y]"])
def test_no_text_breaks_out_of_its_place(tmp_path, value):
    projects = {"1": {"sdkKeys": ["AbC"], "secret": value}}
    migration = migrated(json.dumps({"webhook": {"projects": projects}}))

    assert value == settings_of(migration, tmp_path).webhook_secret


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"a: [", "line 1"),
        (b"- 1", "expected options"),
        (b"'x'", "expected options"),
        (b"a: !!python/object:os.system x", "no valid YAML"),
        (b"\xff\xfe\xfd", "no valid YAML"),
        (b"[" * 5_000, "no valid YAML"),
        (b"#" * (MAX_BYTES + 1), "bytes"),
        (
            b"api: {port: 1}\nlog: {}\napi: {port: 2}",
            "line 3: no valid YAML: `api` stands in line 1",
        ),
        (b"api:\n  port: 1\n  port: 2", "line 3: no valid YAML: `port` stands in line 2"),
        (b"name: \xfc\n", "its 7. character: "),
        (b"a: &a [*a]\nsdkKeys: *a", "nested too deeply"),
        (b"api: &a {x: *a}", "nested too deeply"),
    ],
)
def test_what_is_no_file_of_options_is_refused(raw, told):
    with pytest.raises(AgentConfigError) as refused:
        read_options(raw, "config.yaml", {})

    assert told in str(refused.value)
    assert "config.yaml" in str(refused.value)


def test_aliases_do_not_make_much_of_little():
    lines = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    lines.append("tracing: *a11")

    with pytest.raises(AgentConfigError, match=str(MAX_NODES)):
        read_options("\n".join(lines).encode(), "config.yaml", {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1m30s", 90), ("100ms", 0.1), ("1.5h", 5400), ("-5s", -5), (30_000_000_000, 30), ("0", 0)],
)
def test_durations_are_gos(value, expected):
    assert pytest.approx(expected) == seconds_of(value)


@pytest.mark.parametrize("value", ["", "5", "s", "5 s", "1d", "5s5", "--5s", None, True, []])
def test_what_is_no_duration_is_refused(value):
    if value == "5":
        assert pytest.approx(5e-9) == seconds_of(value)
        return
    with pytest.raises(ValueError):
        seconds_of(value)


def test_no_option_is_both_taken_over_and_without_a_counterpart():
    assert not set(TAKEN) & {name.lower() for name in NONE_FOR}
    assert len(by_variable()) == len({*by_variable().values()})
