"""Options that several commands share: what may name a datafile, and what is told of the rest."""

import pytest

from fakes.terminals import Kept

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
