"""Fetch what the Lambda laboratory needs, once, into ``.lab/``; build task folders to run in it.

Nothing here needs Docker, root or an AWS account; pip's index is the only place that is asked.
Everything is pinned, so that a red test is never a new release of somebody else's.

Source: AWS ships the emulator's binary inside the ``aws-sam-cli`` wheel.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
LAB = REPOSITORY / ".lab"
#: What the package is shipped for, and tested on where the interpreter is to be had.
PYTHON_VERSIONS = ("3.12", "3.13")
SAM_CLI = "aws-sam-cli==1.170.0"
RUNTIME_CLIENT = "awslambdaric==4.2.2"
#: Run-time dependencies of the Lambda door, as the built zip has them.
DEPENDENCIES = ("mmh3>=5,<6",)
_RIE_IN_WHEEL = "samcli/local/rapid/aws-lambda-rie-x86_64"


class LabUnavailable(Exception):
    """Something that the laboratory needs can't be had here; the text says what."""


class Lab:
    """One Python version, ready to run Lambda functions.

    Attributes:
        version: ``3.13``.
        rie: AWS's emulator, an executable.
        python: a clean interpreter of that version, without site-packages.
        runtime: folder that holds `awslambdaric`, for PYTHONPATH.
        dependencies: folder that holds the function's dependencies.
    """

    def __init__(self, version: str, folder: Path) -> None:
        """Name the parts in *folder*; `prepare` makes them."""
        self.version = version
        self.rie = folder / "rie" / "aws-lambda-rie"
        self.python = folder / "py" / version / "bin" / "python"
        self.runtime = folder / "runtime" / version
        self.dependencies = folder / "dependencies" / version

    def make_task(self, folder: Path) -> Path:
        """Lay the sources out in *folder* as Lambda would unpack them; return it.

        It holds the package, ``app.py`` and the dependencies; a test may add files to it.
        """
        shutil.copytree(self.dependencies, folder)
        shutil.copytree(
            REPOSITORY / "src" / "bucketer",
            folder / "bucketer",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        shutil.copy(REPOSITORY / "app.py", folder)
        return folder

    def environment(self, task: Path, handler: str, timeout_s: int = 10) -> dict[str, str]:
        """Return the variables that AWS sets for a function, and nothing of ours."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "LAMBDA_TASK_ROOT": str(task),
            "LAMBDA_RUNTIME_DIR": str(self.runtime),
            "PYTHONPATH": str(self.runtime),
            "PYTHONDONTWRITEBYTECODE": "1",  # the task root is read-only on AWS
            # Without this name the client never lets Python's signal handlers run.
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{self.version}",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "test",
            "AWS_LAMBDA_FUNCTION_NAME": "bucketer",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_s),
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bucketer",
            "AWS_LAMBDA_LOG_STREAM_NAME": "test",
            "_HANDLER": handler,
        }


def lab_or_skip(version: str) -> Lab:
    """Return the laboratory for Python *version*; skip the test that asks where there is none."""
    try:
        return prepare(version)
    except LabUnavailable as reason:
        import pytest  # benchmarks use this module too, and have no pytest

        pytest.skip(str(reason))


def prepare(version: str, folder: Path = LAB) -> Lab:
    """Fetch and install what is missing; later calls only look.

    Raises:
        LabUnavailable: no such interpreter, or pip can't reach its index.
    """
    lab = Lab(version, folder)
    with one_at_a_time(folder):
        if not lab.rie.exists():
            _fetch_rie(lab.rie)
        interpreter = None
        for target, make in (
            (lab.python.parents[1], _make_venv),
            (lab.runtime, _install_runtime_client),
            (lab.dependencies, _install_dependencies),
        ):
            if not target.exists():
                interpreter = interpreter or find_python(version)
                half_made = target.with_name(target.name + ".new")
                shutil.rmtree(half_made, ignore_errors=True)
                make(interpreter, half_made)
                half_made.rename(target)
    return lab


def find_python(version: str) -> Path:
    """Find an interpreter of *version*: among pyenv's, then on PATH.

    Raises:
        LabUnavailable: there is none that runs.
    """
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    on_path = shutil.which(f"python{version}")
    for candidate in (*pyenv, *([Path(on_path)] if on_path else [])):
        # A pyenv shim is there for every version it knows, and fails for most.
        said = subprocess.run([candidate, "-V"], capture_output=True, text=True, check=False)
        if said.stdout.startswith(f"Python {version}."):
            return candidate
    message = f"Python {version} isn't here (looked in ~/.pyenv/versions and PATH)"
    raise LabUnavailable(message)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep parallel test processes from fetching the same thing."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_rie(target: Path) -> None:
    wheels = target.parents[1] / "wheels"
    _pip(Path(sys.executable), "download", "--no-deps", "--dest", wheels, SAM_CLI)
    wheel = next(wheels.glob("aws_sam_cli-*.whl"))
    target.parent.mkdir(exist_ok=True)
    half_made = target.with_suffix(".new")
    with zipfile.ZipFile(wheel) as archive:
        half_made.write_bytes(archive.read(_RIE_IN_WHEEL))
    half_made.chmod(0o755)
    half_made.rename(target)
    wheel.unlink()


def _make_venv(interpreter: Path, target: Path) -> None:
    # Not the interpreter itself: its site-packages would hide a missing dependency.
    subprocess.run([interpreter, "-m", "venv", "--without-pip", target], check=True)


def _install_runtime_client(interpreter: Path, target: Path) -> None:
    _pip(interpreter, "install", "--only-binary=:all:", "--target", target, RUNTIME_CLIENT)


def _install_dependencies(interpreter: Path, target: Path) -> None:
    _pip(interpreter, "install", "--only-binary=:all:", "--target", target, *DEPENDENCIES)


def _pip(interpreter: Path, *arguments: str | Path) -> None:
    command = [interpreter, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"pip {arguments[0]} {arguments[-1]} failed: {done.stderr.strip()[-400:]}"
        raise LabUnavailable(message)


def main() -> None:
    """Prepare every version, and say what there is."""
    for version in PYTHON_VERSIONS:
        try:
            lab = prepare(version)
        except LabUnavailable as reason:
            print(f"Python {version}: not available: {reason}")  # noqa: T201 -- a program
        else:
            print(f"Python {version}: ready ({lab.python})")  # noqa: T201 -- a program


if __name__ == "__main__":
    main()
