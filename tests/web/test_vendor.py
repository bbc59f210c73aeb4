"""What the page carries with it from others: each byte accounted for, each licence beside it."""

import hashlib
import importlib.util
import json
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "src" / "bucketer" / "web" / "vendor"
SCRIPT = ROOT / "tools" / "web" / "vendor.py"
TOLD = json.loads((VENDOR / "vendor.json").read_text())

spec = importlib.util.spec_from_file_location("vendor", SCRIPT)
vendor = importlib.util.module_from_spec(spec)
spec.loader.exec_module(vendor)


def sha512(data):
    return "sha512-" + b64encode(hashlib.sha512(data).digest()).decode()


def test_what_lies_there_is_what_was_fetched():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)


@pytest.fixture
def copied(tmp_path):
    for each in VENDOR.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    return tmp_path


def test_a_changed_byte_a_lost_file_and_a_stray_one_are_told(copied):
    with (copied / "htm.js").open("a") as file:
        file.write("\n")
    (copied / "preact.LICENSE").unlink()
    (copied / "stray.js").write_text("")

    assert [
        "preact.LICENSE: only one of the folder and vendor.json has it",
        "stray.js: only one of the folder and vendor.json has it",
        "htm.js: its bytes are not those that were vendored",
    ] == vendor.amiss(copied)


def test_a_version_that_was_raised_without_fetching_is_told(copied):
    told = json.loads((copied / "vendor.json").read_text())
    told["htm.js"]["integrity"] = sha512(b"another archive")
    (copied / "vendor.json").write_text(json.dumps(told))

    assert ["htm.js: it is of another archive than the one that is locked"] == vendor.amiss(copied)


def test_a_change_that_doesn_t_fit_once_is_refused():
    assert b"let a\n" == vendor.changed(b"var a", (("var", "let"),))
    for text in (b"let a", b"var a; var b"):
        with pytest.raises(SystemExit, match="times, not once"):
            vendor.changed(text, (("var", "let"),))


def test_each_library_has_its_licence_and_no_way_out():
    libraries = {each["package"].rpartition("@")[0] for each in TOLD.values()}
    sources = [each.read_text() for each in VENDOR.glob("*.js")]

    assert {"htm", "preact"} == libraries == {path.stem for path in VENDOR.glob("*.LICENSE")}
    for source in sources:
        assert not re.search(r"\beval\(|new Function|import\(|sourceMappingURL", source)
        for imported in re.findall(r"""from["']([^"']+)""", source):
            assert (VENDOR / imported).is_file()
