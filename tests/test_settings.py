"""The table of settings: what it takes, what it refuses, and how it says so."""

import pickle
import re

import pytest

from bucketer.core.errors import SettingsError
from bucketer.settings import (
    BY_NAME,
    LOCATION,
    SECRET,
    TABLE,
    Settings,
    host_only,
    read_settings,
    shown,
)
from bucketer.settings.values import web_url

SDK_KEY = "Ab1Cd2Ef3Gh4Ij5Kl6Mn7"


def refusal(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    return list(caught.value.problems)


def test_an_empty_environment_gives_the_defaults():
    settings = read_settings({})

    assert ("127.0.0.1", 8080, 1) == (settings.host, settings.port, settings.workers)
    assert (8192, 1_048_576) == (settings.max_url_bytes, settings.max_body_bytes)
    assert ("auto", "bucketer", True) == (settings.events, settings.engine, settings.debug)
    assert settings.datafile_max_age is None


def test_every_row_has_an_attribute_that_is_annotated():
    beside = {"environment", "environments", "sdk_key", "unknown", "usual_max_age"}
    expected = {row.attribute for row in TABLE} | beside

    assert expected == set(Settings.__annotations__)


def test_names_are_unique_and_follow_one_pattern():
    names = [row.name for row in TABLE]

    assert len(names) == len(set(names))
    assert [] == [
        name
        for name in names
        if not re.fullmatch(r"(BUCKETER|DATAFILE)(_[A-Z]+)+|DATAFILE_URL", name)
    ]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_default_is_allowed_and_every_row_explains_itself(row):
    row.parse(row.default)

    assert row.explanation.endswith((".", ")"))
    assert row.allowed
    assert not row.allowed.endswith(".")


@pytest.mark.parametrize("written", ["", "   "])
def test_a_variable_that_is_empty_counts_as_not_set(written):
    assert 8080 == read_settings({"BUCKETER_PORT": written}).port


def test_all_problems_are_told_at_once_each_with_name_finding_and_what_is_allowed():
    problems = refusal(BUCKETER_PORT="80a", BUCKETER_DEBUG="perhaps", BUCKETER_WORKERS="0")

    assert 3 == len(problems)
    assert any(
        each.startswith("BUCKETER_PORT: found '80a'; allowed: a whole number") for each in problems
    )
    assert any("'perhaps'" in each and "`on` or `off`" in each for each in problems)


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("BUCKETER_PORT", ["0", "65535"], ["-1", "65536", "1_0", "٨٠", "8080.0", "+80"]),
        ("BUCKETER_WORKERS", ["1", "256"], ["0", "257"]),
        ("BUCKETER_MAX_URL_BYTES", ["256", "65536"], ["255", "65537"]),
        ("BUCKETER_MAX_BODY_BYTES", ["1024", "67108864"], ["1023", "67108865"]),
        ("BUCKETER_MAX_JSON_DEPTH", ["1", "500"], ["0", "501"]),
        ("DATAFILE_MAX_AGE", ["auto", "0", "0.5", "86400"], ["-1", "86400.1", "nan", "inf", "soon"]),
        ("BUCKETER_DEBUG", ["on", "OFF", "1", "no"], ["2", "maybe"]),
        ("BUCKETER_DEBUG_URL", ["auto", "full", "host", "off"], ["fully", "hide"]),
        ("BUCKETER_ENGINE", ["bucketer", "sdk"], ["SDKs", "other"]),
        (
            "BUCKETER_EVENTS",
            ["auto", "off", "stdout", "outbox", "flush", "sqs://sqs.eu-west-1.amazonaws.com/1/q"],
            ["on", "sqs://", "kafka://x"],
        ),
        ("BUCKETER_PROFILES", ["off", "memory", "sqlite", "sqlite:/tmp/p"], ["sqlite:", "redis"]),
        ("DATAFILE_URL", ["https://h/d.json", "http://h", "http://h:65535/d", "http://[::1]:1/d", "s3://b/k"], ["d.json", "ftp://h/d", "https://", "s3://", "s3://b", "s3://b c/k", "http://h:0/d", "http://h:65536/d", "http://h:abc/d", "http://user:pw@h/d", "http://h/a\r\nX: y"]),
        ("BUCKETER_DATAFILE", ["d.json", "a,b.json", "s3://b/k https://h/d packaged"], ["ftp://h/d", "file:///d", "d.json https://", "s3://b", "a.json,/b.json", "/a.json,packaged", "a.json,https://h/d", "a.json,"]),
        ("BUCKETER_REVISIONS", ["off", "some/folder", "s3://b", "s3://b/p"], ["https://h/d", "s3://", "file:///d"]),
        ("BUCKETER_EVENTS_ENDPOINT", ["https://h/p", "http://h:81"], ["h", "https://h:x/", "http://h:99999/", "https://h/\r\nX: y"]),
        ("DATAFILE_ACCESS_TOKEN", ["a-b.c_d=", "~"], ["a b", "a\r\nX: y", "✓"]),
        (
            "BUCKETER_CORS_ORIGIN",
            ["*", "off", "OFF", "https://a.example, https://b.example", "https://A.example", "https://shop.example", "http://localhost:3000", "http://[::1]:80", "capacitor://localhost"],
            ["shop.example", "https://", "https://shop.example/", "*, https://b.example", "off https://b.example", ",", "https://a.example\r\nSet-Cookie: x=y", "https://a b", "✓", "https://h:", "https://h:x", "https://u@h"],
        ),
        ("BUCKETER_HEALTH_MAX_AGE", ["off", "OFF", "1", "31536000", "1.5"], ["0.9", "31536001", "nan", "auto"]),
        ("BUCKETER_CORS_HEADERS", ["*", "X-Mine", "a, b c"], [",", "a:b", "a\0b", "ü", "x" * 101]),
        ("BUCKETER_TRUSTED_PROXIES", ["10.0.0.0/8, ::1", "10.1.2.3/8", "::ffff:10.0.0.0/104"], ["10.0.0.0/33", "proxy.example", "[::1]"]),
        ("BUCKETER_ADDRESS_HEADER", ["X-Forwarded-For", "CloudFront-Viewer-Address"], ["Forwarded", "X-Real-IP"]),
        ("BUCKETER_PATH_PREFIX", ["/", "/a", "/api/v1/", "/%C3%A9"], ["a", "//a", "/a//b", "/../a", "/a/.", "/a b", "/a?b", "/a#b", "/%zz", "/%e9", "https://h/a"]),
        ("BUCKETER_PROFILES_MAX", ["1", "1000000000", "auto"], ["0", "1000000001", "many"]),
        ("BUCKETER_CMAB_TIMEOUT", ["0.05", "10", "60"], ["0.04", "60.1", "nan", "auto"]),
        ("BUCKETER_CMAB_ENDPOINT", ["https://h/p/"], ["h/p", "s3://b/k", "https://a b"]),
    ],
)  # fmt: skip
def test_both_sides_of_every_bound(name, allowed, refused):
    for written in allowed:
        read_settings({name: written})
    for written in refused:
        assert [name] == [each.partition(":")[0] for each in refusal(**{name: written})]


def test_why_a_url_is_impossible_is_told_without_the_url():
    url = f"http://127.0.0.1:abc/{SDK_KEY}.json"

    [problem] = refusal(DATAFILE_URL=url)

    expected = f"found a http:// URL of {len(url)} characters, which has a port outside 1 to 65535;"
    assert f"DATAFILE_URL: {expected} allowed: {BY_NAME['DATAFILE_URL'].allowed}" == problem


def test_a_token_that_is_refused_is_not_told():
    [problem] = refusal(DATAFILE_ACCESS_TOKEN="hush hush")

    assert "hush" not in problem


def test_a_secret_is_never_told():
    environ = {row.name: "hush" for row in TABLE if row.shown == SECRET}

    assert len(environ) >= 4
    assert {"(set)"} == {shown(row, environ) for row in TABLE if row.shown == SECRET}


def test_every_setting_of_a_url_is_a_location():
    """Whoever may read `/config`, or the screen, is told its host: a path may be a key."""
    assert {LOCATION} == {row.shown for row in TABLE if row.parse is web_url}


def test_a_location_is_shown_by_its_host_and_refused_by_its_shape():
    url = f"ftp://cdn.example/datafiles/{SDK_KEY}.json"

    [problem] = refusal(DATAFILE_URL=url)
    told = [shown(row, url) for row in TABLE if row.shown == LOCATION]

    assert SDK_KEY not in problem
    assert f"a ftp:// URL of {len(url)} characters" in problem
    assert {"ftp://cdn.example/…"} == set(told)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:pass@h.example:8443/a/b?sig=1", "https://h.example:8443/…"),
        ("https://h.example?sig=1", "https://h.example/…"),
        ("s3://bucket/key", "s3://bucket/…"),
        ("datafile.json", "datafile.json"),
        ("packaged", "packaged"),
    ],
)
def test_host_only_keeps_neither_path_nor_password(url, expected):
    assert expected == host_only(url)


def test_a_name_that_looks_like_ours_is_pointed_out_and_not_an_error():
    settings = read_settings({"BUCKETER_PROT": "1", "BUCKETER_ZZZZZZZ": "1", "PATH": "/bin"})

    assert (
        "BUCKETER_PROT is no setting. Is BUCKETER_PORT meant?",
        "BUCKETER_ZZZZZZZ is no setting.",
    ) == settings.unknown


def test_settings_are_frozen():
    settings = read_settings({})

    with pytest.raises(AttributeError, match="port can't be assigned"):
        settings.port = 1
    with pytest.raises(AttributeError):
        del settings.port


def test_a_copy_with_changes_leaves_the_original():
    settings = read_settings({})

    changed = settings.but(port=9000)

    assert (9000, 8080) == (changed.port, settings.port)


def test_settings_travel_to_another_process_whole():
    settings = read_settings({"BUCKETER_PORT": "9000", "BUCKETER_TRUSTED_PROXIES": "10.0.0.0/8"})

    received = pickle.loads(pickle.dumps(settings))

    assert (9000, ("10.0.0.0/8",)) == (received.port, received.trusted_proxies)


def test_the_longest_value_is_cut_in_an_error():
    [problem] = refusal(BUCKETER_ENGINE="x" * 5000)

    assert "4960 characters more" in problem
    assert 200 > len(problem)


def test_every_row_can_be_found_by_its_name():
    assert all(BY_NAME[row.name] is row for row in TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_word_that_is_allowed_is_allowed_in_any_case(row):
    """What else may stand there (paths, hosts) is another matter."""
    for word in re.findall(r"`([a-z]+)`", row.allowed):
        assert row.parse(word) == row.parse(word.upper()) == row.parse(word.title())
