"""`bucketer keys`: a key is told once, kept as its hash, listed and taken away."""

import json
import os
import stat
import threading

import pytest
from tests.fakes.terminals import Kept

from bucketer import wiring
from bucketer.access.keys import digest_of
from bucketer.api.http import Request


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys"


def status_of(text, **environ):
    """How a service that has been told of keys answers somebody who shows this one."""
    runtime = wiring.build(environ={"BUCKETER_EVENTS": "off", **environ}, mode=wiring.COMMAND)
    headers = {"x-api-key": text, "origin": "https://shop.example"}
    query = "e=checkout_flow_experiment&u=ben"
    return runtime.serve(Request("GET", "/bucketer", query, headers, request_id="r")).status


def test_a_key_is_told_once_and_opens_until_it_is_revoked(path):
    made = Kept("keys", "create", "--role", "evaluate", "--file", str(path), "--note", "the shop")
    [text] = made.lines

    assert (0, True) == (made.status, "It is told this once" in made.err)
    assert text not in path.read_text()
    assert digest_of(text).hex() in path.read_text()
    assert (200, 401) == (
        status_of(text, BUCKETER_KEYS_FILE=str(path)),
        status_of(f"{text}x", BUCKETER_KEYS_FILE=str(path)),
    )
    listed = Kept("keys", "list", BUCKETER_KEYS_FILE=str(path))
    row = listed.lines[-1]
    assert all(part in row for part in (digest_of(text).hex()[:8], "evaluate", "the shop"))
    assert text not in listed.out
    revoked = Kept("keys", "revoke", digest_of(text).hex()[:8], BUCKETER_KEYS_FILE=str(path))
    assert "revoked" in revoked.out
    assert 401 == status_of(text, BUCKETER_KEYS_FILE=str(path))


def test_what_is_no_file_keeps_its_place(path):
    path.symlink_to(os.devnull)

    made = Kept("keys", "create", "--role", "read", "--file", str(path))

    assert (1, "") == (made.status, made.out)
    assert "it is no file" in made.err
    assert path.is_symlink()


def test_its_file_is_its_owners_alone_and_keeps_what_else_is_written_there(path):
    Kept("keys", "create", "--role", "read", "--file", str(path))
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    path.write_text("# made by hand\n")
    for role in ("read", "admin"):
        Kept("keys", "create", "--role", role, "--file", str(path))
    listed = [
        json.loads(line) for line in Kept("keys", "list", "--file", str(path), "--json").lines
    ]
    Kept("keys", "revoke", listed[0]["id"], "--file", str(path))

    lines = path.read_text().splitlines()
    assert ["read", "admin"] == [each["role"] for each in listed]
    assert ["# made by hand", listed[1]["id"]] == [lines[0], lines[1][:8]]
    assert 2 == len(lines)


@pytest.mark.parametrize(
    ("mode", "after"), [(0o600, 0o600), (0o640, 0o640), (0o444, 0o444), (0o666, 0o644)]
)
def test_a_file_that_is_there_keeps_its_owner_and_who_may_read_it(path, mode, after):
    """Else whoever runs the server could no longer read what root has revoked."""
    path.touch()
    path.chmod(mode)
    others = os.getuid() or 65_534, os.getgid() or 65_534  # root may give it away
    os.chown(path, *others)
    [key] = Kept("keys", "create", "--role", "read", "--file", str(path)).lines
    Kept("keys", "revoke", digest_of(key).hex()[:8], "--file", str(path))

    found = path.stat()
    assert (*others, after) == (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))
    assert "" == path.read_text()


def test_a_link_to_the_file_goes_on_pointing_there(path, tmp_path):
    path.symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        Kept("keys", "create", "--role", "read", "--file", str(path))

    assert path.is_symlink()
    assert 2 == (tmp_path / "elsewhere").read_text().count(":read:")


def test_without_a_file_it_says_what_the_setting_is_to_have(path):
    made = Kept("keys", "create", "--role", "read", "--environment", "*")
    text, setting = made.lines

    assert "put this into BUCKETER_KEYS" in made.err
    assert 200 == status_of(text, BUCKETER_KEYS=setting)
    told = Kept("keys", "list", BUCKETER_KEYS=setting)
    assert setting[:8] in told.out
    refused = Kept("keys", "revoke", setting[:8], BUCKETER_KEYS=setting)
    assert (1, True) == (refused.status, "take it out there" in refused.err)


def test_for_programs_it_is_one_object(path):
    made = Kept(
        *("keys", "create", "--role", "evaluate", "--origins", "https://Shop.example/", "--json"),
        *("--file", str(path)),
    )

    told = made.json
    assert told["key"].startswith("bp_")
    assert ["https://shop.example"] == told["origins"]
    assert told["setting"].endswith(":evaluate:default:https://shop.example")
    assert 200 == status_of(told["key"], BUCKETER_KEYS_FILE=str(path))
    revoked = Kept("keys", "revoke", told["id"], "--file", str(path), "--json").json
    assert (told["id"], True) == (revoked["id"], revoked["revoked"])


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["create", "--role", "read", "--origins", "https://a.example"], "no role but evaluate"),
        (["create", "--role", "evaluate", "--origins", "a.example"], "https://shop.example"),
        (["create", "--role", "read", "--environment", "nowhere"], "there are: default"),
        (["create", "--role", "read", "--file", "/nowhere/keys"], "can't be written"),
        (["revoke", "00000000"], "no key '00000000'"),
        (["revoke", "00000000", "--file", "/"], "Is a directory"),
        (["list", "--file", "/"], "Is a directory"),
    ],
)
def test_what_can_not_be_done_is_said(asked, told):
    refused = Kept("keys", *asked)

    assert 1 == refused.status
    assert told in refused.err


def test_a_file_that_can_not_be_used_is_left_as_it_is(path):
    path.write_text("nonsense\n")
    refused = Kept("keys", "create", "--role", "read", "--file", str(path))

    assert (1, "") == (refused.status, refused.out)
    assert "line 1 isn't HASH:ROLE:ENVIRONMENT" in refused.err
    assert "nonsense\n" == path.read_text()


def test_keys_that_are_made_at_the_same_time_are_all_kept(path):
    making = [
        threading.Thread(
            target=Kept, args=("keys", "create", "--role", "read", "--file", str(path))
        )
        for _ in range(12)
    ]
    for each in making:
        each.start()
    for each in making:
        each.join()

    assert 12 == len(Kept("keys", "list", "--file", str(path), "--json").lines)
