"""What a plain `pip install bucketer` can do: everything but serve, draw and reach AWS."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Run the command where nothing but the package and mmh3 can be imported."""
    libraries = tmp_path_factory.mktemp("libraries")
    mmh3 = Path(importlib.util.find_spec("mmh3").origin)
    origin = mmh3.parent if mmh3.name.startswith("__init__") else mmh3
    (libraries / origin.name).symlink_to(origin)

    def run(*argv, **environ):
        return subprocess.run(
            [sys.executable, "-S", "-m", "bucketer", *argv],  # -S: without site-packages
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONPATH": f"{ROOT / 'src'}:{libraries}", "HOME": "/nonexistent", **environ},
        )

    return run


def test_it_decides(plain):
    answer = plain("decide", "-f", "checkout_flow", "-u", "qa_ben", "--explain", FORCE_COLOR="1")

    assert (0, "") == (answer.returncode, answer.stderr)
    assert answer.stdout.startswith("one_step_checkout\n")


@pytest.mark.parametrize(
    "argv", [("lint",), ("settings",), ("--help",), ("serve", "--help"), ("--version",)]
)
def test_it_does_what_needs_no_extra(plain, argv):
    answer = plain(*argv)

    assert (0, "") == (answer.returncode, answer.stderr)


def test_it_says_which_extra_serving_needs(plain):
    answer = plain("serve", "--port", "0")

    assert (1, "") == (answer.returncode, answer.stdout)
    assert "bucketer: server_missing: " in answer.stderr
    assert "pip install 'bucketer[server]'" in answer.stderr
