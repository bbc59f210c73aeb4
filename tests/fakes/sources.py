"""A datafile source that gives what it is told to, and a clock that stands until it is moved."""

from __future__ import annotations

import json

from tests.fakes.datafiles import a_datafile

from bucketer.core.errors import SourceError
from bucketer.ports import Fetched


class FakeSource:
    """Gives `content` (bytes, or an exception to raise) under `etag`; counts `asked`."""

    def __init__(self, content, etag=None, *, kind="url", max_age_s=60.0, where="cdn.example"):
        self.content, self.etag = content, etag
        self.kind, self.max_age_s, self.where = kind, max_age_s, where
        self.label = f"https://{where}/SDK-KEY.json"
        self.asked = []

    def fetch(self, etag):
        self.asked.append(etag)
        if isinstance(self.content, Exception):
            raise self.content
        if etag is not None and etag == self.etag:
            return None
        return Fetched(self.content, self.etag)


class Clock:
    """Epoch seconds that pass only when `now` is moved."""

    def __init__(self, now=1_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


def revision(number, **changes):
    """A usable datafile of that revision, as bytes."""
    return json.dumps(a_datafile(revision=str(number), **changes)).encode()


def down(why="Connection refused", where="cdn.example"):
    """What a source raises that can't be had."""
    return SourceError(where, why)
