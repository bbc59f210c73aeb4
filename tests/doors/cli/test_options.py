"""Options that several commands share: what may name a datafile, and what is told of the rest."""

from pathlib import Path

import pytest
from tests.fakes.terminals import Kept

import bucketer

COMMANDS = [
    ("decide", "-e", "x", "-u", "ada", "-d"),
    ("serve", "-d"),
    ("verify", "-d"),
    ("lint",),
    ("datafile", "pull"),
    ("datafile", "diff", "a.json"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("place", ["ftp://h/y", "file:///etc/x", "https://", "s3://bucket", "://"])
def test_a_datafile_at_an_impossible_place_is_wrong_usage_and_told_what_is_allowed(
    command, place, capsys
):
    kept = Kept(*command, place)

    told = " ".join(capsys.readouterr().err.split())
    assert 2 == kept.status
    assert "allowed: a path, an https://, http:// or s3://BUCKET/KEY URL, `packaged`" in told
    assert "Traceback" not in told


def test_what_is_wrong_with_a_url_is_told_without_the_url(capsys):
    kept = Kept("lint", "http://127.0.0.1:abc/SECRET-KEY.json")

    told = capsys.readouterr().err
    assert 2 == kept.status
    assert "a http:// URL of 36 characters, which has a port outside 1 to 65535" in told
    assert "SECRET-KEY" not in told


@pytest.mark.parametrize("place", ["no/such/file.json", "a:b", "ftp:/h"])
def test_whatever_is_no_url_is_a_path(place):
    kept = Kept("lint", place)

    assert (1, True) == (kept.status, kept.err.startswith(f"bucketer: source_failed: {place}: "))


@pytest.fixture
def two_environments(tmp_path):
    """A file with an environment that is at hand, and a default one that is not."""
    at_hand = Path(bucketer.__file__).parent / "demo/datafile.json"
    path = tmp_path / "b.toml"
    path.write_text(
        f"[environments.away]\ndatafile = '{tmp_path}/away.json'\n"
        f"[environments.at_hand]\ndatafile = '{at_hand}'\n"
        "[environments.by_key]\nsdk_key = 'K'\n"
    )
    return {"BUCKETER_CONFIG": str(path), "BUCKETER_STATE_DIR": str(tmp_path / "state")}


@pytest.mark.parametrize(
    "command",
    [
        ("decide", "-e", "checkout_flow_experiment", "-u", "ada"),
        ("lint",),
        ("list",),
        ("verify", "--users", "1"),
        ("datafile", "status"),
        ("datafile", "pull", "--into", "{folder}/pulled.json"),
    ],
    ids=" ".join,
)
def test_commands_take_the_datafile_of_the_environment_that_is_named(
    command, two_environments, tmp_path
):
    command = [each.format(folder=tmp_path) for each in command]
    by_default = Kept(*command, **two_environments)
    named = Kept(*command, "--environment", "at_hand", **two_environments)

    assert 1 == by_default.status
    assert 0 == named.status
    assert "bucketer:" not in named.err
    assert "demo/datafile.json" in named.out


def test_what_is_packaged_does_not_stand_in_for_another_environment(two_environments):
    two_environments["BUCKETER_SDK_KEY_URL"] = "http://127.0.0.1:9/{}.json"

    kept = Kept("datafile", "status", "--json", "--environment", "by_key", **two_environments)

    assert ["url"] == [each["source"] for each in kept.json["sources"]]


def test_an_older_revision_is_accepted_for_the_environment_that_is_named(two_environments):
    default = Kept("datafile", "accept", **two_environments)
    named = Kept("datafile", "accept", "--environment", "by_key", **two_environments)

    assert 1 == default.status
    assert 0 == named.status
    assert "cdn.optimizely.com" in named.out


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("lint", "--environment", "at_hnad"), "Did you mean 'at_hand'?"),
        (("lint", "--environment", "zzz"), "There is: away, at_hand, by_key."),
        (("lint", "--environment", "at_hand", "a.json"), "or a datafile, not both"),
        (("datafile", "pull", "a.json", "--environment", "at_hand"), "or a URL, not both"),
        (
            ("decide", "-e", "x", "-u", "y", "--environment", "at_hand", "--revision", "1"),
            "archived revisions are the default environment's",
        ),
    ],
    ids=str,
)
def test_an_environment_that_cannot_be_meant_is_told(command, told, two_environments):
    kept = Kept(*command, **two_environments)

    assert 1 == kept.status
    assert told in kept.err
