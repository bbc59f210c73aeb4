"""`bucketer deploy`, up to where AWS would be asked; tests/e2e goes on from there."""

from __future__ import annotations

import argparse
import sys

import pytest
from tests.fakes.terminals import Kept

from bucketer.core.errors import InvalidRequest
from bucketer.doors.cli.deploy import _target


@pytest.fixture(autouse=True)
def _no_aws_from_elsewhere(monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


@pytest.mark.parametrize("what", [["--function", "f"], []])
def test_without_a_region_there_is_one_clear_line(what):
    ran = Kept("deploy", *what)

    assert (1, "") == (ran.status, ran.out)
    expected = "no region of AWS is known; say --region NAME, or set AWS_REGION"
    assert f"bucketer: aws_unusable: {expected}\n" == ran.err


def test_an_unknown_profile_is_one_clear_line():
    ran = Kept("deploy", "--profile", "nobody", AWS_REGION="eu-central-1")

    assert 1 == ran.status
    assert "bucketer: aws_unusable: The config profile (nobody) could not be found\n" == ran.err


def test_without_boto3_there_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)  # as if it weren't installed
    ran = Kept("deploy", AWS_REGION="eu-central-1")

    assert 1 == ran.status
    assert "aws_missing: this needs the extra [aws]: pip install 'bucketer[aws]'" in ran.err


def test_a_parameter_for_a_single_function_is_refused_instead_of_ignored():
    ran = Kept("deploy", "--function", "f", "--parameter", "MemorySize=1", AWS_REGION="x")

    assert 1 == ran.status
    assert "--parameter is of the template" in ran.err


def _find(parameters=(), *, python=None, arch=None, before=()):
    args = argparse.Namespace(python=python, arch=arch)
    return _target(args, dict(parameters), dict(before))


STACK = {"Runtime": "python3.12", "Architecture": "arm64"}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (_find(), ("3.13", "x86_64")),
        (_find(before=STACK), ("3.12", "arm64")),
        (_find(before={"MemorySize": "512"}), ("3.13", "x86_64")),
        (_find(python="3.14", before=STACK), ("3.14", "arm64")),
        (_find(arch="x86_64", before=STACK), ("3.12", "x86_64")),
        (_find({"Architecture": "arm64"}), ("3.13", "arm64")),
        (
            _find({"Runtime": "python3.14", "Architecture": "x86_64"}, before=STACK),
            ("3.14", "x86_64"),
        ),
        (_find({"Architecture": "arm64"}, arch="arm64"), ("3.13", "arm64")),
    ],
)
def test_what_is_built_for_is_given_or_stays_as_the_stack_has_it(found, expected):
    assert expected == found


def test_an_option_that_contradicts_a_parameter_is_refused():
    with pytest.raises(InvalidRequest, match="--arch says x86_64, and --parameter says arm64"):
        _find({"Architecture": "arm64"}, arch="x86_64")
    with pytest.raises(InvalidRequest, match=r"--python says 3\.12, and --parameter says 3\.13"):
        _find({"Runtime": "python3.13"}, python="3.12")
