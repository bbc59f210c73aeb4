"""All bytecode of a package in one file, and what imports from it: a third off a cold start.

Python looks for each of forty modules in the file system; one read and no looking takes 3 to 4 ms
less (docs/decisions/0062). `write_bundle` runs in the interpreter that the bundle is for, so it
stands alone; `IMPORTER` goes into the archive's root as ``bundle.py``.
"""

from __future__ import annotations

import sys

#: Reads ``bundle.bin`` beside it. Another Python than it was made for finds the sources instead.
IMPORTER = '''"""Imports bucketer from bundle.bin, beside this file. Made by `bucketer build`."""

import marshal
import sys

_Spec = type(sys.__spec__)
_HERE = __file__.rpartition("/")[0]


class Bundle:
    """A finder and loader: module name to (is it a package, its path, its bytecode)."""

    def __init__(self, modules):
        self.modules = modules

    def find_spec(self, name, path=None, target=None):
        found = self.modules.get(name)
        if found is None:
            return None
        is_package, file, _ = found
        origin = f"{_HERE}/{file}"
        spec = _Spec(name, self, origin=origin, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [origin.rpartition("/")[0]]
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(marshal.loads(self.modules[module.__name__][2]), module.__dict__)


def install():
    with open(f"{_HERE}/bundle.bin", "rb") as file:
        magic, modules = marshal.loads(file.read())
    if magic == sys.modules["_frozen_importlib_external"].MAGIC_NUMBER:
        sys.meta_path.insert(0, Bundle(modules))


install()
'''


#: What a cold start doesn't import, by the beginnings of paths: found one by one, if ever needed.
LATER = (
    "bucketer/api/index",
    "bucketer/api/revision",
    "bucketer/api/webhook",
    "bucketer/core/explain",
    "bucketer/core/flags",
    "bucketer/core/reasons",
    "bucketer/predictions/",
    "bucketer/profiles/",
    "bucketer/sinks/dedup",
    "bucketer/sinks/post",
    "bucketer/sinks/sqs",
    "bucketer/sinks/stdout",
    "bucketer/sources/archive",
    "bucketer/sources/credentials",
    "bucketer/sources/file",
    "bucketer/sources/s3",
    "bucketer/sources/sigv4",
    "bucketer/sources/url",
    "bucketer/wire",
)


def write_bundle(root: str, package: str) -> None:
    """Move the bytecode of *package* below *root* into ``bundle.bin`` there, but for `LATER`."""
    import marshal
    from importlib.util import MAGIC_NUMBER, cache_from_source
    from pathlib import Path

    top = Path(root)
    modules = {}
    for source in sorted((top / package).rglob("*.py")):
        place = source.relative_to(top)
        if place.as_posix().startswith(LATER):
            continue
        is_package = source.name == "__init__.py"
        name = ".".join((place.parent if is_package else place.with_suffix("")).parts)
        compiled = Path(cache_from_source(str(source), optimization=""))
        code = compiled.read_bytes()[16:]  # behind magic number, flags and stamp
        modules[name] = (is_package, place.as_posix(), code)
        compiled.unlink()
    (top / "bundle.bin").write_bytes(marshal.dumps((MAGIC_NUMBER, modules), 2))


if __name__ == "__main__":
    write_bundle(*sys.argv[1:])
