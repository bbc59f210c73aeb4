"""Task folders to start from: what each function's unpacked zip looks like."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bucketer.publishing import archive
from bucketer.publishing.function import DATAFILE
from bucketer.sources.packaged import to_package

if TYPE_CHECKING:
    from tests.lab.prepare import Lab

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parents[1]
_DEMONSTRATION = _REPOSITORY / "src/bucketer/demo/datafile.json"
SDK = "optimizely-sdk==5.7.0"
#: What registers one; our archive has it in a bundle that only our own handler opens.
_OF_EXTENSIONS = (
    "bucketer/__init__.py",
    "bucketer/doors/__init__.py",
    "bucketer/doors/lambda_extension.py",
)

_EMPTY = """import json


def lambda_handler(event, context):
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"variation": None}),
    }
"""


_EXTENSION = """

import os
from bucketer.doors.lambda_extension import ask_to_register, start


class Nothing:
    def has_work(self):
        return False

    def after_response(self, deadline_s):
        pass

    def close(self):
        pass


answered = start(Nothing(), ask_to_register(os.environ), 1.0)
inner = lambda_handler


def lambda_handler(event, context):
    try:
        return inner(event, context)
    finally:
        answered()
"""


def small_datafile() -> dict[str, Any]:
    """Return the demonstration under ids of its own, so that its events are really delivered."""
    datafile: dict[str, Any] = json.loads(_DEMONSTRATION.read_bytes())
    return {**datafile, "accountId": "12000000001", "projectId": "12000000002"}


def empty_task(lab: Lab, folder: Path) -> Path:
    """An empty handler."""
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(_EMPTY)
    byte_compile(lab, folder)
    return folder


def empty_task_with_extension(lab: Lab, folder: Path) -> Path:
    """An empty handler that registers the internal extension that we do, with nothing for it.

    Lambda, and its emulators, tell each extension of each invocation: that costs whoever has one.
    """
    for name in _OF_EXTENSIONS:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_REPOSITORY / "src" / name, target)
    (folder / "app.py").write_text(_EMPTY + _EXTENSION)
    byte_compile(lab, folder)
    return folder


def our_task(lab: Lab, folder: Path, datafile: dict[str, Any]) -> tuple[Path, int]:
    """Our zip, built as `./build.sh` does, with *datafile* in it; and the zip's size."""
    folder.mkdir(parents=True)
    zipped = folder.with_suffix(".zip")
    built = archive.build(zipped, python=lab.version, architecture="x86_64")
    with zipfile.ZipFile(zipped) as file:
        file.extractall(folder)
    raw = json.dumps(datafile).encode()
    meta = {"url": "https://cdn.example/datafile.json", "etag": '"bench"', "fetched_at": 1.0}
    target = folder / DATAFILE
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(to_package(meta, raw))
    return folder, built.size_bytes


def sdk_task(
    lab: Lab, folder: Path, datafile: dict[str, Any], interpreter: Path
) -> tuple[Path, int]:
    """The official SDK's endpoint, byte-compiled as ours; and its zip's size."""
    kept = lab.python.parents[3] / "sdk" / lab.version
    if not kept.exists():
        half_made = kept.with_name(kept.name + ".new")
        command = [interpreter, "-m", "pip", "install", "--quiet", "--target", half_made, SDK]
        subprocess.run(command, check=True)
        byte_compile(lab, half_made)
        half_made.rename(kept)
    shutil.copytree(kept, folder)
    (folder / "app.py").write_text((_HERE / "sdk_app.py").read_text())
    (folder / "datafile.json").write_text(json.dumps(datafile))
    byte_compile(lab, folder)
    zipped = Path(shutil.make_archive(str(folder), "zip", folder))
    return folder, zipped.stat().st_size


def byte_compile(lab: Lab, folder: Path) -> None:
    """Compile everything below *folder* with the stamp that is never compared."""
    command = [lab.python, "-m", "compileall", "-q", "-f", "--invalidation-mode"]
    subprocess.run([*command, "unchecked-hash", folder], check=True)
