"""AWS's own tools and a stand-in for its services, each in an environment of its own in ``.lab/``.

They pin what they need so tightly that they can't share one, with us or with each other.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.lab.prepare import LAB, LabUnavailable, find_python, one_at_a_time

SAM = ("aws-sam-cli==1.170.0",)
MINISTACK = ("ministack==1.5.33", "aws-sam-translator==1.115.0", "boto3", "mmh3>=5,<6")
SWIFT = ("swift==2.38.3",)
#: They run on this one; ministack runs the functions with it too.
PYTHON = "3.12"


def sam_folder(folder: Path = LAB) -> Path:
    """``bin`` of the environment that has `sam`. Raises LabUnavailable."""
    return _environment(folder, "sam", SAM)


def ministack_folder(folder: Path = LAB) -> Path:
    """``bin`` of the environment that has `ministack`. Raises LabUnavailable."""
    return _environment(folder, "ministack", MINISTACK)


def swift_folder(folder: Path = LAB) -> Path:
    """``bin`` of the environment that has OpenStack's object store. Raises LabUnavailable."""
    return _environment(folder, "swift", SWIFT)


def or_skip(make) -> Path:
    """What *make* returns; skip the test that asks where it can't be had."""
    try:
        return make()
    except LabUnavailable as reason:
        import pytest

        pytest.skip(str(reason))


def _environment(folder: Path, name: str, packages: tuple[str, ...]) -> Path:
    """Make it if it isn't there, whole."""
    target = folder.resolve() / name  # its scripts name where it lies, and must not name a link
    done = target / ".done"
    with one_at_a_time(folder):
        if done.exists() and done.read_text() == " ".join(packages):
            return target / "bin"
        interpreter = find_python(PYTHON)
        subprocess.run([interpreter, "-m", "venv", "--clear", target], check=True)
        command = [target / "bin/python", "-m", "pip", "install", "-q", *packages]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            message = f"{name} can't be installed: {made.stderr.strip()[-300:]}"
            raise LabUnavailable(message)
        done.write_text(" ".join(packages))
    return target / "bin"
