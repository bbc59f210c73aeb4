"""Which documents are datafiles at all: the same ones, but that a broken part is no reason here."""

import json

import pytest

from bucketer.core.errors import DatafileError
from bucketer.core.parse import parse_datafile
from bucketer.reference.sdk import OfficialSdk, ReferenceRejected

from .scenes import datafile, rule

WHOLE = datafile(rule("1"))
TEXT = json.dumps(WHOLE)
REQUIRED = (
    "version", "revision", "accountId", "projectId", "groups", "experiments", "events",
    "audiences", "attributes",
)  # fmt: skip


def taken(raw):
    """(by us, by the SDK)"""
    answers = []
    for load, refusal in ((parse_datafile, DatafileError), (OfficialSdk, ReferenceRejected)):
        try:
            load(raw)
        except refusal:
            answers.append(False)
        else:
            answers.append(True)
    return tuple(answers)


@pytest.mark.parametrize(
    "raw",
    [
        TEXT,
        TEXT.encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        f" \n{TEXT}\n",
        TEXT.replace('"version"', '"revision": "0", "version"'),
        TEXT[:-1] + ', "unheard-of": NaN}',
        TEXT[:-1] + ', "variables": [1e999]}',
    ],
)
def test_taken_by_both(raw):
    assert (True, True) == taken(raw)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        b"",
        " ",
        "{",
        "[]",
        '"s"',
        "{}",
        "null",
        "1",
        "\ufeff" + TEXT,
        TEXT + "x",
        b"\xff\xfe\xfd",
    ],
)
def test_refused_by_both(raw):
    assert (False, False) == taken(raw)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_the_other_encodings_of_json_are_taken_by_us_alone(encoding):
    assert (True, False) == taken(TEXT.encode(encoding))


@pytest.mark.parametrize("version", ["1", "5", "04", " 4", "", 4, 4.0, None, True, ["4"]])
def test_only_three_versions_are_known(version):
    assert (False, False) == taken(json.dumps({**WHOLE, "version": version}))


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_and_each_of_them_is(version):
    assert (True, True) == taken(json.dumps({**WHOLE, "version": version}))


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_field_must_be_there(name):
    rest = {field: value for field, value in WHOLE.items() if field != name}

    assert (False, False) == taken(json.dumps(rest))


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, 5, True, {}, 1.5])
def test_a_required_field_must_have_its_type(name, value):
    assert (False, False) == taken(json.dumps({**WHOLE, name: value}))
