"""`bucketer build` (and `./build.sh`, which only starts it) says which datafile is inside."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from tests.fakes.datafiles import a_datafile
from tests.fakes.terminals import Kept

from bucketer.publishing import archive
from bucketer.publishing.check import check
from bucketer.publishing.function import DATAFILE
from bucketer.publishing.pull import envelope

ROOT = Path(__file__).parents[3]
FETCHED_AT = 1_700_000_000.0


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, in which a datafile may be stored; built without bytecode, to be quick."""
    copy = tmp_path / "bucketer"
    left_out = shutil.ignore_patterns("__pycache__", "data")
    shutil.copytree(archive._PACKAGE, copy, ignore=left_out)
    monkeypatch.setattr(archive, "_PACKAGE", copy)
    monkeypatch.setattr(archive, "find_python", lambda _: None)
    monkeypatch.chdir(tmp_path)
    return copy


def _store(package, document):
    (package / "data").mkdir()
    (package / "data/packaged.json").write_bytes(document)


def _pulled(fetched_at=FETCHED_AT, **changed):
    checked = check(json.dumps(a_datafile(**changed)).encode(), "x")
    return envelope(checked, "https://cdn.example/datafiles/SECRET_KEY.json", fetched_at)


@pytest.mark.parametrize("revision", ["77", "1"])
def test_the_revision_inside_is_told(package, revision):
    _store(package, _pulled(revision=revision))
    ran = Kept("build")

    assert 0 == ran.status
    project = a_datafile()["projectId"]
    expected = f"Inside: revision {revision} of project {project}, fetched 2023-11-14 22:13 UTC"
    assert expected in ran.out
    assert "No datafile" not in ran.out
    assert "SECRET_KEY" not in ran.out + ran.err


def test_that_none_is_inside_is_told_with_what_happens_then_and_what_to_do(package):
    ran = Kept("build")

    assert 0 == ran.status
    assert not (package / "data").exists()
    for part in ("No datafile is inside", "503", "demonstration", "python webhook.py"):
        assert part in ran.out


def test_each_archive_of_all_says_so(package):
    _store(package, _pulled(revision="78"))
    ran = Kept("build", "--all")

    targets = len(archive.PYTHONS) * len(archive.PLATFORMS)
    assert (0, targets) == (ran.status, ran.out.count("Inside: revision 78"))


@pytest.mark.parametrize(
    "document",
    [b"", b"{}", b'{"package": {},\n"datafile": {"version": "9"}}\n', _pulled()[:-40]],
    ids=["empty", "another document", "no datafile", "cut short"],
)
def test_a_datafile_that_cannot_be_used_fails_the_build_and_is_told(package, document):
    _store(package, document)
    ran = Kept("build")

    assert 1 == ran.status
    assert "the packaged datafile" in ran.out
    assert "python webhook.py" in ran.out
    assert "Inside:" not in ran.out
    assert "Traceback" not in ran.out + ran.err


@pytest.mark.parametrize("fetched_at", [1e300, -1e300])
def test_a_time_that_is_none_does_not_hide_the_revision(package, fetched_at):
    _store(package, _pulled(fetched_at, revision="79"))

    assert "Inside: revision 79" in Kept("build").out


def test_what_is_told_is_what_the_archive_holds(package):
    _store(package, _pulled(revision="80"))
    ran = Kept("build", "-o", "other.zip")
    with zipfile.ZipFile("other.zip") as file:
        document = file.read(DATAFILE)

    assert b'"revision": "80"' in document
    assert "revision 80" in ran.out


def test_build_sh_is_the_command_and_nothing_else():
    script = (ROOT / "build.sh").read_text()

    assert re.search(r'^exec \.venv/bin/bucketer build "\$@"$', script, re.MULTILINE)
