from __future__ import annotations

import json

import pytest

from bucketer.core.errors import SourceError
from bucketer.sources.file import FileSource
from bucketer.sources.packaged import PackagedSource, from_package, is_stored, to_package

META = {"url": "https://cdn.example/d.json", "revision": "7", "etag": '"7"', "fetched_at": 12.5}


def test_what_is_packaged_comes_out_byte_for_byte(tmp_path):
    raw = '{"a": "ä",\n"datafile": 1}'.encode()
    path = tmp_path / "packaged.json"
    path.write_bytes(to_package(META, raw))
    source = PackagedSource(str(path))
    fetched = source.fetch(None)

    assert (raw, '"7"', 12.5) == (fetched.raw, fetched.etag, fetched.fetched_at)
    assert "https://cdn.example/d.json" == source.label
    assert source.fetch('"7"') is None


def test_the_document_is_json():
    document = json.loads(to_package(META, b'{"revision": "7"}'))

    assert {"package": META, "datafile": {"revision": "7"}} == document


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b'{"revision": "7"}',
        to_package(META, b"{}")[:-3],
        b'{"package": [],\n"datafile": {}}\n',
        b'{"package": {,\n"datafile": {}}\n',
    ],
)
def test_a_damaged_document_is_told(document):
    with pytest.raises(SourceError, match="pull it again"):
        from_package(document, "the package")


def test_a_missing_file_is_told(tmp_path):
    for source in (PackagedSource(str(tmp_path / "x")), FileSource(str(tmp_path / "x"), 2.0)):
        with pytest.raises(SourceError, match="No such file"):
            source.fetch(None)


def test_a_file_is_read_again_when_it_changes(tmp_path):
    path = tmp_path / "d.json"
    path.write_bytes(b"{}")
    source = FileSource(str(path), 2.0)
    first = source.fetch(None)
    again = source.fetch(first.mark)
    other = tmp_path / "e.json"
    other.write_bytes(b"[]")
    other.replace(path)
    changed = source.fetch(first.mark)

    assert (b"{}", None, b"[]") == (first.raw, again, changed.raw)
    assert first.etag is None  # files have none


def test_a_package_that_can_not_be_looked_at_is_not_taken_for_none(tmp_path):
    """Or the demonstration would answer in its place."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)

    assert is_stored(str(loop))
    assert not is_stored(str(tmp_path / "none.json"))
    assert not is_stored("/etc/hostname/none.json")
