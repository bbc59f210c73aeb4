"""The libraries of the console, from npm into ``src/bucketer/web/vendor``: what lies there, proved.

    python tools/web/vendor.py          # fetches anew: after a version in package.json was raised
    python tools/web/vendor.py --check  # without a network: is what lies there what was fetched?

`package-lock.json` has the sha512 of each archive; an archive that has another is not opened. Each
file is copied as it is but for the changes that `FILES` lists: a page without a build step has no
one who finds ``preact`` by its bare name. ``vendor.json`` keeps what was fetched, changed and
written, so that the licence and the origin of each byte can be told from the wheel alone.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
VENDOR = HERE.parents[1] / "src" / "bucketer" / "web" / "vendor"
#: What is copied: to which name, from which package, which file, with which texts changed.
FILES = (
    ("preact.js", "preact", "dist/preact.mjs", (("//# sourceMappingURL=preact.mjs.map\n", ""),)),
    (
        "preact-hooks.js",
        "preact",
        "hooks/dist/hooks.mjs",
        (
            ('from"preact"', 'from"./preact.js"'),
            ("//# sourceMappingURL=hooks.mjs.map\n", ""),
        ),
    ),
    ("preact.LICENSE", "preact", "LICENSE", ()),
    ("htm.js", "htm", "dist/htm.mjs", ()),
    ("htm.LICENSE", "htm", "LICENSE", ()),
)


def sha512(data: bytes) -> str:
    """Return the digest of *data* as npm writes it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


def changed(data: bytes, changes: tuple[tuple[str, str], ...]) -> bytes:
    """Return *data* with each of *changes* made, which must be there exactly once."""
    text = data.decode("utf-8") + ("" if data.endswith(b"\n") else "\n")
    for old, new in changes:
        if text.count(old) != 1:
            raise SystemExit(f"vendor: {old!r} is there {text.count(old)} times, not once")
        text = text.replace(old, new)
    return text.encode()


def fetch(name: str, folder: Path) -> tuple[str, str, Path]:
    """Fetch the locked version of *name*, check it, unpack it: its version, digest and folder."""
    lock = json.loads((HERE / "package-lock.json").read_text())["packages"][f"node_modules/{name}"]
    version, wanted = lock["version"], lock["integrity"]
    command = ["npm", "pack", f"{name}@{version}", "--json", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 -- our own words; npm is where PATH has it
    archive = folder / json.loads(done.stdout)[0]["filename"]
    if (found := sha512(archive.read_bytes())) != wanted:
        raise SystemExit(f"vendor: {name}@{version} is {found}, the lock says {wanted}")
    with tarfile.open(archive) as packed:
        packed.extractall(folder / name, filter="data")
    return version, wanted, folder / name / "package"


def vendor() -> None:
    """Fetch, check and write every file, and `vendor.json` beside them."""
    told = {}
    with tempfile.TemporaryDirectory() as folder:
        packages = {name: fetch(name, Path(folder)) for name in {each[1] for each in FILES}}
        VENDOR.mkdir(exist_ok=True)
        for target, name, path, changes in FILES:
            version, integrity, root = packages[name]
            data = changed((root / path).read_bytes(), changes)
            (VENDOR / target).write_bytes(data)
            told[target] = {
                "package": f"{name}@{version}",
                "integrity": integrity,
                "file": path,
                "changes": changes,
                "sha512": sha512(data),
            }
    (VENDOR / "vendor.json").write_text(json.dumps(told, indent=2) + "\n")


def amiss(folder: Path) -> list[str]:
    """Return what differs between *folder* and what its `vendor.json` says; nothing if none."""
    told = json.loads((folder / "vendor.json").read_text())
    lock = json.loads((HERE / "package-lock.json").read_text())["packages"]
    apart = told.keys() ^ {each.name for each in folder.iterdir()} - {"vendor.json"}
    found = [f"{name}: only one of the folder and vendor.json has it" for name in sorted(apart)]
    for name, said in told.items():
        if name not in apart and sha512((folder / name).read_bytes()) != said["sha512"]:
            found.append(f"{name}: its bytes are not those that were vendored")
        locked = lock["node_modules/" + said["package"].rpartition("@")[0]]
        if locked["integrity"] != said["integrity"]:
            found.append(f"{name}: it is of another archive than the one that is locked")
    return found


def main() -> int:
    """Vendor, or check: exit status 1 if something is amiss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fetch nothing, compare")
    if not parser.parse_args().check:
        vendor()
    problems = amiss(VENDOR)
    for each in problems:
        print(f"vendor: {each}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
