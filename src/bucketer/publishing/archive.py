"""package.zip: the decision function for one Python and one architecture, the same bytes each time.

What goes in: the parts of `bucketer` that the Lambda door uses, `app.py`, the dependency's wheel,
and bytecode. Bytecode is made with the ``unchecked-hash`` stamp: it survives the fixed time stamps
that a reproducible archive needs, and nothing is compared at a cold start (docs/decisions/0061).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from bucketer.core.errors import BucketerError

from .bundle import LOADER, TASK
from .lean import without_words
from .misfit import stand_in

#: Lambda's architectures, and the wheels that run there.
PLATFORMS = {
    "x86_64": ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64"),
    "arm64": ("manylinux2014_aarch64", "manylinux_2_28_aarch64", "manylinux_2_34_aarch64"),
}
PYTHONS = ("3.12", "3.13", "3.14")
#: What `importlib.util.MAGIC_NUMBER` holds in its first two bytes, per minor Python.
#: Source: CPython, Include/internal/pycore_magic_number.h.
MAGIC = {"3.12": 3531, "3.13": 3571, "3.14": 3627}
#: What the archive holds beside us, to the byte: one version, one wheel per target. PyPI's digests.
DEPENDENCY = "mmh3==5.3.1"
WHEELS = {
    ("3.12", "x86_64"): "3b037280edc7a609a987fa7661a1132a3f6d721f46b299ed5f9f641b35ab415a",
    ("3.12", "arm64"): "6a48db69e7e7d40d18c24519a11b7d7d21a8b6b4af60fd2194d9ee514fa4354c",
    ("3.13", "x86_64"): "931d9d86c66f306e91414e95509af05e5c79bfcbac78218c2ee55c9734000053",
    ("3.13", "arm64"): "ae367d0cf6cb40f3ec60ebdb572022f3cc875bcf4c661d345f3dbf24571e7aa3",
    ("3.14", "x86_64"): "fd3bbb5dc3c3a045605c1a618bfccb2de6d65ae89b99ff9a7f54556cf81175b7",
    ("3.14", "arm64"): "66297ad16d75ffa14335ca23a40c23deed09fa0d832341fda29ad60a8a2a91ab",
}
#: All that is copied beside modules: what else lies in the folder is somebody's, not the package's.
DATA = ("data/packaged.json", "demo/datafile.json", "sources/amazon_roots.pem")
#: Not for the decision function: other doors, what they alone use, and other people's type hints.
LEFT_OUT = (
    "api/agent/notices.py",
    "api/streams.py",
    "api/console",
    "api/service/metrics.py",
    "api/service/tail.py",
    "api/service/operator.py",
    "access/rates.py",
    "access/stay.py",
    "api/limited.py",
    "api/local.py",
    "api/wanted.py",
    "api/service/webhook.py",
    "wiring/rates.py",
    "doors/cli",
    "doors/server",
    "doors/asgi.py",
    "doors/sqs.py",
    "doors/webhook.py",
    "lint",
    "metrics/collector.py",
    "metrics/decisions.py",
    "metrics/names.py",
    "metrics/process.py",
    "metrics/requests.py",
    "metrics/samples.py",
    "metrics/text.py",
    "metrics/workers.py",
    "migration",
    "publishing",
    "reference",
    "verify",
    "__main__.py",
    # What only a server runs.
    "api/ofrep/streams.py",
    "sinks/backlog.py",
    "sinks/cursor.py",
    "sinks/damaged.py",
    "sinks/dead_letters.py",
    "sinks/durable.py",
    "sinks/fault_finder.py",
    "sinks/files.py",
    "sinks/journal.py",
    "sinks/lanes.py",
    "sinks/pace.py",
    "sinks/published.py",
    "sinks/reader.py",
    "sinks/records.py",
    "sinks/quota.py",
    "sinks/sender.py",
    "sinks/store.py",
    "runtime/apart.py",
    "runtime/refresher.py",
    "sources/copies.py",
    "sources/shared.py",
    "core/shares.py",
    "web",
    "wiring/choosing.py",
    "wiring/console.py",
    "tail",
    "wiring/metrics.py",
    "wiring/tail.py",
    "wiring/operator.py",
    "wiring/state_dir.py",
    "wiring/webhooks.py",
)
#: `app.py` goes into the root of the archive: the repository's, or the copy in an installed wheel.
_APPS = (Path(__file__).resolve().parents[3] / "app.py", Path(__file__).with_name("app.py"))
#: What an installed wheel has in the package, and a repository outside of it.
_COPIES = ("publishing/app.py", "publishing/template.yaml")
#: The oldest time that a zip archive can hold.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PACKAGE = Path(__file__).resolve().parents[1]
_BUNDLE = Path(__file__).with_name("bundle.py")


class BuildError(BucketerError):
    """The package could not be built. The message says what failed, and what to do."""

    code = "build_failed"


class Built(NamedTuple):
    """What `build` made.

    Attributes:
        path: the archive.
        size_bytes: of the archive.
        files: how many it holds.
        byte_compiled: False when the matching interpreter wasn't there.
    """

    path: Path
    size_bytes: int
    files: int
    byte_compiled: bool


def build(target: Path, *, python: str, architecture: str, everything: bool = False) -> Built:
    """Build the archive for *python* (``3.13``) on *architecture* (``x86_64``, ``arm64``).

    Args:
        target: written in one step.
        python: minor version of the function's runtime.
        architecture: of the function.
        everything: keep the parts that the webhook and delivery functions use too.

    Raises:
        BuildError: an unknown version or architecture, no wheel for it, or pip fails; or *target*
            is no file.
    """
    if python not in PYTHONS or architecture not in PLATFORMS:
        allowed = f"Python {', '.join(PYTHONS)} and {', '.join(PLATFORMS)}"
        raise BuildError(f"can't build for Python {python} on {architecture}; allowed: {allowed}")
    if target.exists() and not target.is_file():  # its place would be taken: of /dev/null, say
        raise BuildError(f"{target} is there, and is no file")
    with tempfile.TemporaryDirectory(prefix="bucketer-build-") as folder:
        root = Path(folder) / "task"
        _install_dependency(root, python, architecture)
        (root / "mmh3.py").write_text(stand_in(python, architecture, WHEELS), encoding="utf-8")
        _copy_sources(root, everything=everything)
        interpreter = find_python(python)
        if interpreter is not None:
            if not everything:  # the other functions begin at other modules than app.py
                _begin_with_bundle(root)
            _compile(root, interpreter, python)
            if not everything:
                bundling = [*_without_columns(interpreter), str(_BUNDLE), str(root), "bucketer"]
                _run(bundling, "the bundle")
                _keep_bytecode_alone(root / "bucketer")
        half_made = target.with_name(f".{target.name}.new")
        files = _zip(root, half_made)
        half_made.replace(target)
    return Built(target, target.stat().st_size, files, interpreter is not None)


def find_python(version: str) -> Path | None:
    """Find an interpreter of *version*: this one, pyenv's, or on PATH; None when there is none."""
    if "{}.{}".format(*sys.version_info) == version:
        return Path(sys.executable)
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    on_path = shutil.which(f"python{version}")
    for candidate in (*pyenv, *([Path(on_path)] if on_path else [])):
        # A pyenv shim is there for every version that it knows, and fails for most.
        said = subprocess.run([candidate, "-V"], capture_output=True, text=True, check=False)  # noqa: S603 -- an interpreter of the user's own
        if said.stdout.startswith(f"Python {version}."):
            return candidate
    return None


def _install_dependency(root: Path, python: str, architecture: str) -> None:
    """Put the wheel for the function's machine into *root*, whatever machine this is."""
    platforms = [f"--platform={each}" for each in PLATFORMS[architecture]]
    requirement = root.with_name("requirements.txt")
    requirement.write_text(f"{DEPENDENCY} --hash=sha256:{WHEELS[python, architecture]}\n", "utf-8")
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={python}"),
        *("--no-compile", "--no-deps", "--require-hashes", f"--requirement={requirement}"),
        *(f"--target={root}", *platforms),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- our own arguments
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise BuildError(f"no {DEPENDENCY} for Python {python} on {architecture}: {why[0]}")
    for extra in (*root.glob("*.dist-info"), root / "bin"):
        shutil.rmtree(extra, ignore_errors=True)
    for pattern in ("*.pyi", "py.typed", "*.c", "*.h"):  # wheels carry what only compilers read
        for extra in root.rglob(pattern):
            extra.unlink()
    if (root / "mmh3").is_dir() and not any((root / "mmh3").iterdir()):
        (root / "mmh3").rmdir()


def _copy_sources(root: Path, *, everything: bool) -> None:
    left_out = _COPIES if everything else (*_COPIES, *LEFT_OUT)

    def is_wanted(path: Path) -> bool:
        place = path.relative_to(_PACKAGE).as_posix()
        if place in left_out or path.name.startswith((".", "__pycache__")):
            return False
        return path.is_dir() or path.suffix == ".py" or place in DATA

    def ignored(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if not is_wanted(Path(folder) / name)}

    shutil.copytree(_PACKAGE, root / "bucketer", ignore=ignored)
    for path in (root / "bucketer").rglob("*.py"):
        path.write_text(without_words(path.read_text(encoding="utf-8")), encoding="utf-8")
    app = next((path for path in _APPS if path.is_file()), None)
    if app is None:
        raise BuildError("app.py is missing from the installation; install the package again")
    shutil.copyfile(app, root / "app.py")


def _compile(root: Path, interpreter: Path, python: str) -> None:
    """Make bytecode with *interpreter*, whose magic number must be that of the runtime.

    Raises:
        BuildError: it isn't, or a source doesn't compile.
    """
    ask = "import importlib.util as u; print(int.from_bytes(u.MAGIC_NUMBER[:2], 'little'))"
    said = subprocess.run([interpreter, "-c", ask], capture_output=True, text=True, check=False)  # noqa: S603 -- an interpreter of the user's own
    if said.stdout.strip() != str(MAGIC[python]):
        why = f"{interpreter} makes bytecode that Python {python} in Lambda does not read"
        raise BuildError(f"{why}: magic number {said.stdout.strip()}, not {MAGIC[python]}")
    command = [
        *(*_without_columns(interpreter), "-m", "compileall"),
        *("-q", "-f", "-s", str(root), "-p", TASK),
        # Without docstrings, which nobody reads there: a third smaller, so sooner loaded.
        *("--invalidation-mode", "unchecked-hash", "-o", "2", str(root)),
    ]
    _run(command, "bytecode")
    for path in root.rglob("*.opt-2.pyc"):  # under the name that an interpreter without -OO reads
        path.rename(path.with_name(path.name.replace(".opt-2", "")))


def _without_columns(interpreter: Path) -> tuple[str, ...]:
    """Leave out what only draws the carets of a traceback: a quarter of all bytecode."""
    return str(interpreter), "-X", "no_debug_ranges"


def _keep_bytecode_alone(package: Path) -> None:
    """Put what the bundle doesn't hold into the archive once: as bytecode, without its source."""
    for bytecode in sorted(package.rglob("__pycache__/*.pyc")):
        source = bytecode.parent.with_name(f"{bytecode.name.partition('.')[0]}.py")
        bytecode.rename(source.with_suffix(".pyc"))
        source.unlink()


def _begin_with_bundle(root: Path) -> None:
    """Have app.py begin with what makes modules of the bundle."""
    app = root / "app.py"
    app.write_text(LOADER + app.read_text(encoding="utf-8"), encoding="utf-8")


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- our own arguments
    if done.returncode:
        tail = (done.stderr or done.stdout).strip()[-400:]
        raise BuildError(f"{what} could not be made: {tail}")


def _zip(root: Path, target: Path) -> int:
    """Write every file below *root*, sorted, with one time stamp and one mode; return how many."""
    target.parent.mkdir(parents=True, exist_ok=True)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files:
            write_entry(archive, path.relative_to(root).as_posix(), path.read_bytes())
    return len(files)


def write_entry(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Write one file as every machine would: readable by all, of 1980, of Unix."""
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3  # Unix; the default is the machine's own
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content, compresslevel=9)
