"""`bucketer settings`: what it shows, and what it keeps to itself."""

from tests.fakes.terminals import Kept

from bucketer.settings import TABLE


def test_every_setting_is_shown_with_default_and_explanation():
    kept = Kept("settings")

    assert (0, "") == (kept.status, kept.err)
    assert f"{len(TABLE)} settings, none of them set." == kept.lines[0]
    assert [row.name for row in TABLE] == names_in(kept)


def names_in(kept):
    """The settings in the order in which they are shown."""
    return [line.partition(" = ")[0] for line in kept.lines[1:] if line[:1].isupper()]


def test_what_is_set_is_counted_and_comes_first():
    kept = Kept("settings", BUCKETER_PORT="9000", BUCKETER_DEBUG="off", BUCKETER_HOST=" ")

    first = f"{len(TABLE)} settings, 2 of them set: "
    assert first == kept.lines[0][: len(first)]
    assert {"BUCKETER_PORT", "BUCKETER_DEBUG"} == set(kept.lines[0][len(first) : -1].split(", "))
    assert {"BUCKETER_PORT", "BUCKETER_DEBUG"} == set(names_in(kept)[:2])
    assert sorted(row.name for row in TABLE) == sorted(names_in(kept))


def test_a_value_that_is_set_is_told_from_a_default():
    kept = Kept("settings", BUCKETER_PORT="9000")

    assert "BUCKETER_PORT = 9000   [by variable; default 8080]" in kept.lines
    assert "BUCKETER_HOST = 127.0.0.1   [the default]" in kept.lines


def test_secrets_and_paths_of_urls_are_kept_back():
    environ = {
        "DATAFILE_ACCESS_TOKEN": "hush",
        "BUCKETER_WEBHOOK_SECRET": "hush",
        "DATAFILE_URL": "https://cdn.example/datafiles/SDKKEY.json",
    }

    shown = Kept("settings", **environ).out + Kept("settings", "--json", **environ).out

    assert "hush" not in shown
    assert "SDKKEY" not in shown
    assert "https://cdn.example/" in shown


def test_problems_are_shown_beside_the_settings_and_leave_with_1():
    kept = Kept("settings", BUCKETER_PORT="x", BUCKETER_DEBUG="y")

    assert 1 == kept.status
    assert "BUCKETER_PORT = x   [by variable; default 8080]" in kept.lines
    assert 2 == kept.err.count("bucketer: invalid_settings: ")


def test_json_has_one_entry_per_setting_and_the_problems():
    kept = Kept("settings", "--json", BUCKETER_WORKERS="0", BUCKETER_PROT="1")

    found = {each["name"]: each for each in kept.json["settings"]}
    assert 1 == kept.status
    assert {row.name for row in TABLE} == set(found)
    assert ("0", True, "1") == tuple(
        found["BUCKETER_WORKERS"][key] for key in ("value", "set", "default")
    )
    assert kept.json["problems"][0].startswith("BUCKETER_WORKERS: found '0'")


def test_a_misspelt_name_is_pointed_out():
    kept = Kept("settings", BUCKETER_PROT="1")

    assert (0, "bucketer: BUCKETER_PROT is no setting. Is BUCKETER_PORT meant?\n") == (
        kept.status,
        kept.err,
    )


FILE = """
port = 9000
events_batch = 100

[environments.production]
sdk_key = "SDKKEY1"
access_token = { env = "HUSH" }

[environments.development]
datafile = ["https://cdn.example/SDKKEY2.json", "/srv/d.json"]
webhook_secret = "hush"
project_id = "7"
"""


def with_file(tmp_path, *options, text=FILE, **environ):
    path = tmp_path / "b.toml"
    path.write_text(text)
    return Kept("settings", *options, BUCKETER_CONFIG=str(path), HUSH="hush", **environ)


def test_each_value_is_told_with_where_it_comes_from(tmp_path):
    kept = with_file(tmp_path, BUCKETER_PORT="9001")

    assert (0, "") == (kept.status, kept.err)
    assert "BUCKETER_EVENTS_BATCH = 100   [b.toml, line 3; default 500]" in kept.lines
    assert "BUCKETER_PORT = 9001   [by variable, not b.toml, line 2; default 8080]" in kept.lines
    assert "BUCKETER_HOST = 127.0.0.1   [the default]" in kept.lines
    assert f"{len(TABLE)} settings, 3 of them set: " in kept.lines[0]


def test_the_environments_of_the_file_are_listed_without_their_secrets(tmp_path):
    kept, told = with_file(tmp_path), with_file(tmp_path, "--json")

    listed = kept.lines[kept.lines.index("2 environments:") :]
    assert "production (the default one)" in listed
    assert "    datafile = https://cdn.example/\N{HORIZONTAL ELLIPSIS}, /srv/d.json" in listed
    production, development = told.json["environments"]
    assert ("production", True, "(set)", "(set)", "") == tuple(
        production[key] for key in ("name", "default", "sdk_key", "access_token", "webhook_secret")
    )
    assert ("development", False, "", "", "(set)", "7") == tuple(
        development[key]
        for key in ("name", "default", "sdk_key", "access_token", "webhook_secret", "project_id")
    )
    for secret in ("hush", "SDKKEY"):
        assert secret not in kept.out + told.out


def test_json_tells_variable_file_and_default_apart(tmp_path):
    kept = with_file(tmp_path, "--json", BUCKETER_PORT="9001")

    found = {each["name"]: (each["value"], each["from"]) for each in kept.json["settings"]}
    assert ("9001", "variable") == found["BUCKETER_PORT"]
    assert ("100", "file") == found["BUCKETER_EVENTS_BATCH"]
    assert ("127.0.0.1", "default") == found["BUCKETER_HOST"]


def test_what_is_wrong_with_the_file_is_told_beside_the_settings(tmp_path):
    kept = with_file(tmp_path, "--json", text="prot = 1\n")

    assert 1 == kept.status
    assert [] == kept.json["environments"]
    assert len(TABLE) == len(kept.json["settings"])
    assert "line 1, prot: no such key" in kept.json["problems"][0]


def test_what_only_shows_when_all_is_known_is_told_with_its_place_in_the_file(tmp_path):
    """It was told by the name of a variable that nobody had set."""
    path = tmp_path / "bucketer.toml"
    path.write_text('events_batch = 9\nevents = "flush"\n')

    def told(*argv, **environ):
        kept = Kept("serve", *argv, BUCKETER_CONFIG=str(path), **environ)
        assert 1 == kept.status
        return kept.err.removeprefix("bucketer: invalid_settings: ").partition(": found")[0]

    assert f"{path}, line 2, events" == told()
    assert "BUCKETER_EVENTS" == told("--events", "flush")
    assert "BUCKETER_EVENTS" == told(BUCKETER_EVENTS="flush")
    path.write_text("")
    assert "BUCKETER_EVENTS" == told(BUCKETER_EVENTS="flush")
