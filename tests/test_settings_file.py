"""The TOML file of environments: what it says, and how it is told what is wrong with it."""

import pickle

import pytest

from bucketer.core.errors import SettingsError
from bucketer.settings import read_settings, unlisted

CDN = "https://cdn.optimizely.com/datafiles"
SECURE = "https://config.optimizely.com/datafiles/auth"


@pytest.fixture
def read(tmp_path):
    """Write the file, then read it with some variables beside it."""

    def read(text, **environ):
        path = tmp_path / "bucketer.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_settings({"BUCKETER_CONFIG": str(path), **environ})

    return read


@pytest.fixture
def problems(read, tmp_path):
    """What is wrong with a file, by line and key."""

    def problems(text, **environ):
        with pytest.raises(SettingsError) as raised:
            read(text, **environ)
        return [each.replace(str(tmp_path) + "/", "") for each in raised.value.problems]

    return problems


def test_an_environment_is_found_by_its_sdk_key(read):
    settings = read('[environments.production]\nsdk_key = "AbC"\n')

    assert settings.environment == "production"
    assert settings.sdk_key == "AbC"
    assert settings.datafile_url == f"{CDN}/AbC.json"
    assert settings.environments == ()


def test_a_token_leads_to_the_address_for_secure_environments(read):
    settings = read('[environments.p]\nsdk_key = "AbC"\naccess_token = "t0k"\n')

    assert settings.datafile_url == f"{SECURE}/AbC.json"
    assert settings.datafile_access_token == "t0k"


TWO = """
events_batch = 100
access_log = true

[environments.one]
sdk_key = "K1"
max_age = 5
webhook_secret = { env = "SECRET_ONE" }

[environments.two]
sdk_key = "K2"
datafile = "a path with blanks.json"
project_id = "7"
"""


def test_the_first_is_the_default_unless_another_is_named(read):
    first = read(TWO, SECRET_ONE="s1")
    second = read(f'default = "two"\n{TWO}', SECRET_ONE="s1")

    assert (first.environment, [each.name for each in first.environments]) == ("one", ["two"])
    assert (second.environment, [each.name for each in second.environments]) == ("two", ["one"])


def test_each_has_its_own_and_shares_the_rest(read):
    one = read(TWO, SECRET_ONE="s1")
    two = one.of(one.environments[0])

    assert (one.webhook_secret, one.datafile_max_age, one.project_id) == ("s1", 5.0, "")
    assert (two.webhook_secret, two.datafile_max_age, two.project_id) == ("", None, "7")
    assert two.datafile == ("a path with blanks.json",)
    assert two.datafile_url == ""
    assert (one.events_batch, two.events_batch) == (100, 100)
    assert one.access_log


def test_a_datafile_named_by_a_variable_is_the_default_environment(read):
    settings = read(TWO, SECRET_ONE="s1", DATAFILE_URL="https://origin.example/d.json")

    assert settings.environment == "default"
    assert settings.datafile_url == "https://origin.example/d.json"
    assert [each.name for each in settings.environments] == ["one", "two"]


def test_a_variable_wins_over_the_file(read):
    assert read(TWO, SECRET_ONE="s1", BUCKETER_EVENTS_BATCH="7").events_batch == 7


def test_settings_with_environments_travel_to_worker_processes(read):
    settings = pickle.loads(pickle.dumps(read(TWO, SECRET_ONE="s1")))

    assert [each.sdk_key for each in settings.environments] == ["K2"]


WRONG = """events_batch = 0
evnets_interval = 1
datafile = "x"

[environments.one]
sdk_key = "K1"
max_age = "soon"
access_token = "a secret"
acces_token = "x"

[environments."two words"]
sdk_key = "K 2"

[environments.three]
project_id = 7

[environments.four]
sdk_key = "K1"
webhook_secret = { env = "NOT_THERE" }
datafile = { from = "x" }
"""


def test_everything_wrong_is_told_at_once_with_file_line_and_key(problems):
    told = problems(WRONG)

    for line, key, words in [
        (1, "events_batch", "allowed: a whole number from 1 to 10000"),
        (2, "evnets_interval", "Is `events_interval` meant?"),
        (3, "datafile", "no such key"),
        (7, "environments.one.max_age", "found 'soon'"),
        (8, "environments.one.access_token", "found a text of 8 characters"),
        (9, "environments.one.acces_token", "Is `access_token` meant?"),
        (11, "environments.two words", "a name has"),
        (12, "environments.two words.sdk_key", "found a text of 3 characters"),
        (14, "environments.three", "needs `sdk_key` or `datafile`"),
        (18, "environments.four.sdk_key", "the same key as that of 'one'"),
        (19, "environments.four.webhook_secret", "NOT_THERE"),
        (20, "environments.four.datafile", "expected a text"),
    ]:
        [found] = [each for each in told if each.startswith(f"bucketer.toml, line {line}, {key}: ")]
        assert words in found
    assert not [each for each in told if "a secret" in each]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[environments\n", "no valid TOML"),
        (b"a = 1\nb = '\xff'\n", "line 2: not valid UTF-8"),
        ('default = "x"\n[environments.one]\nsdk_key = "K"\n', "there are: one"),
        ("environments = 3\n", "expected tables"),
        ("[environments]\none = 3\n", "expected a table: [environments.one]"),
        ('config = "other.toml"\n', "no such key"),
    ],
)
def test_what_can_be_no_file_of_environments_is_refused(problems, text, words):
    [told] = problems(text)

    assert told.startswith("bucketer.toml")
    assert words in told


def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path):
    with pytest.raises(SettingsError, match=r"'/nowhere/b.toml' can't be read: No such file"):
        read_settings({"BUCKETER_CONFIG": "/nowhere/b.toml"})


def test_problems_of_the_file_and_of_variables_are_told_together(problems):
    told = problems('[environments.one]\nmax_age = "x"\n', BUCKETER_PORT="99999")

    assert len([each for each in told if each.startswith("BUCKETER_PORT")]) == 1
    assert len(told) == 3


@pytest.mark.parametrize("template", ["https://a.example/x.json", "https://a.example/{}/{}", "{}"])
def test_the_address_of_an_sdk_key_has_one_place_for_it(template):
    with pytest.raises(SettingsError):
        read_settings({"BUCKETER_SDK_KEY_URL": template})


def test_a_slash_in_a_key_stays_inside_its_place(read):
    settings = read('[environments.p]\nsdk_key = "a/../b"\n'.replace("..", "__"))

    assert settings.datafile_url == f"{CDN}/a%2F__%2Fb.json"


def test_the_age_that_the_default_environment_says_is_its_own(read):
    settings = read(TWO, SECRET_ONE="s1", DATAFILE_MAX_AGE="30")

    assert settings.datafile_max_age == 5
    assert settings.of(settings.environments[0]).datafile_max_age == 30
    assert settings.of(unlisted("K3")).datafile_max_age == 30


@pytest.mark.parametrize("nowhere", ['""', "[]", '"  "', '[""]'])
def test_a_datafile_that_is_nowhere_is_told_of(problems, nowhere):
    [told] = problems(f"[environments.a]\ndatafile = {nowhere}\n")

    assert told.startswith("bucketer.toml, line 2, environments.a.datafile: ")


def test_each_text_of_a_list_is_one_place(read):
    settings = read('[environments.a]\ndatafile = ["a path with blanks.json", "Packaged"]\n')

    assert settings.datafile == ("a path with blanks.json", "packaged")


def test_a_list_in_the_place_of_one_text_is_told(problems):
    """Two secrets came together as one, which fitted no webhook."""
    told = problems('[environments.a]\nsdk_key = "K"\nwebhook_secret = ["one", "two"]\n')

    assert [
        "bucketer.toml, line 3, environments.a.webhook_secret: expected one text, found a list"
    ] == told


@pytest.mark.parametrize("value", ["true", "7", "1.5"])
def test_a_datafile_is_a_place_or_a_list_of_them(problems, value):
    [told] = problems(f"[environments.a]\ndatafile = {value}\n")

    assert told.startswith("bucketer.toml, line 2, environments.a.datafile: expected a path")


@pytest.mark.parametrize("value", ['"/a.json,/b.json"', '"ftp://a.example/b"'])
def test_what_is_no_place_of_a_datafile_is_told_what_is_allowed_in_a_file(problems, value):
    [told] = problems(f"[environments.a]\ndatafile = {value}\n")

    assert "or a list of them" in told
    assert "between spaces" not in told


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ('webhook_secret = "s"\n', 1, "webhook_secret", "says `webhook_secret`, below [env"),
        ('\nsdk_key = "K"\n', 2, "sdk_key", "says `sdk_key`, below"),
        ('datafile_url = "https://a.example/b"\n', 1, "datafile_url", "says `datafile`, below"),
        ("datafile_max_age = 3\n", 1, "datafile_max_age", "says `max_age`, below"),
        ('[environment.a]\nsdk_key = "K"\n', 1, "environment", "Is `environments` meant?"),
        ('defualt = "a"\n', 1, "defualt", "Is `default` meant?"),
        ('\n[shop]\nsdk_key = "K"\n', 2, "shop", "Is [environments.shop] meant?"),
        ("[shop]\nmax_age = 9\n", 1, "shop", "no such key."),
        ("X\nevents_batch = 9\n", 3, "environments.a.events_batch", "put it above the first"),
        ('X\ndefault = "a"\n', 3, "environments.a.default", "put it above the first"),
        ("X\nevent_batch = 9\n", 3, "environments.a.event_batch", "no such key."),
    ],
)
def test_a_key_in_the_wrong_part_of_the_file_is_told_where_it_goes(
    problems, text, line, key, words
):
    [told] = problems(text.replace("X", '[environments.a]\nsdk_key = "K"', 1))

    assert told.startswith(f"bucketer.toml, line {line}, {key}: no such ")
    assert words in told


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ('\n[environments]\na = { sdk_key = "!" }\n', 3, "environments.a.sdk_key"),
        ('\nenvironments = { a = { sdk_key = "!" } }\n', 2, "environments.a.sdk_key"),
        ('\n[[environments]]\nsdk_key = "K"\n', 2, "environments"),
        ('\n[[environments.a]]\nsdk_key = "K"\n', 2, "environments.a"),
        ('[environments.a]\nsdk_key = "K"\nmax_age.x = 3\n', 3, "environments.a.max_age"),
        ('\nlog_level.x = "debug"\n', 2, "log_level"),
        (
            '# a\u2028b\x85c\r\n[environments.a] # d\r\nsdk_key = "!"\r\n',
            3,
            "environments.a.sdk_key",
        ),
    ],
)
def test_the_line_is_told_however_a_key_is_written(problems, text, line, key):
    [told] = problems(text)

    assert told.startswith(f"bucketer.toml, line {line}, {key}: ")


def test_an_sdk_key_with_a_token_is_told_where_the_token_goes(problems):
    [told] = problems('[environments.a]\nsdk_key = "KEY:t0ken"\n')

    assert "`access_token`" in told
    assert "t0ken" not in told


@pytest.mark.parametrize(
    ("datafile", "is_wrong"),
    [('"a.json"', True), ('["a.json", "packaged"]', True), ('["a.json", "s3://b/k"]', False)],
)
def test_a_webhook_without_a_url_to_fetch_from_is_told_at_its_line(
    read, problems, datafile, is_wrong
):
    """It was told as a fault of variables that nobody had set."""
    text = f'[environments.a]\ndatafile = {datafile}\nwebhook_secret = "s"\n'
    if not is_wrong:
        assert read(text).webhook_secret == "s"
        return
    [told] = problems(text)

    assert told.startswith("bucketer.toml, line 3, environments.a.webhook_secret: ")
    assert "no URL" in told


@pytest.mark.parametrize("variable", ["DATAFILE_URL", "BUCKETER_DATAFILE"])
def test_no_two_environments_have_one_name(read, problems, variable):
    """A key for `default` opened both."""
    text = '[environments.default]\nsdk_key = "K"\n'
    [told] = problems(text, **{variable: "https://a.example/b.json"})

    assert told.startswith("bucketer.toml, line 1, environments.default: ")
    assert read(text).sdk_key == "K"


def test_what_variables_say_of_the_default_environment_holds_in_the_file_too(read):
    """They were shown as set, and did nothing."""
    variables = {
        "DATAFILE_ACCESS_TOKEN": "t",
        "BUCKETER_WEBHOOK_SECRET": "s",
        "BUCKETER_PROJECT_ID": "9",
    }
    settings = read(
        'default = "two"\n' + TWO.replace("datafile =", "#"), SECRET_ONE="s1", **variables
    )
    other = settings.of(settings.environments[0])

    assert (settings.webhook_secret, settings.project_id) == ("s", "9")
    assert settings.datafile_access_token == "t"
    assert settings.datafile_url == f"{SECURE}/K2.json"
    assert (other.webhook_secret, other.project_id, other.datafile_access_token) == ("s1", "", "")


def test_a_mark_that_an_editor_puts_in_front_is_no_part_of_the_file(read):
    assert read(b'\xef\xbb\xbf[environments.a]\nsdk_key = "K"\n').sdk_key == "K"


@pytest.mark.parametrize("text", ["port = " + "9" * 5000 + "\n", "port = " + "[" * 9000 + "\n"])
def test_what_the_parser_of_toml_gives_up_on_is_told(problems, text):
    [told] = problems(text)

    assert told.startswith("bucketer.toml: no valid TOML: ")
