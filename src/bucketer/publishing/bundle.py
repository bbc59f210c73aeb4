"""All code that a cold start runs in one file, and what makes modules of it: half of a cold start.

Python looks for each of forty modules in the file system, and reads each by itself. One file, in
which what they share is written once, and no looking take a third of the time
(docs/decisions/0062). `write_bundle` runs in the interpreter that the bundle is for, so it stands
alone; `LOADER` is put in front of the archive's ``app.py``.
"""

from __future__ import annotations

import ast
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: Makes the modules of ``bundle.bin``, beside it, as importing would, but all at once, in an order
#: in which each finds run what it imports. Another Python than the bundle's is told so by the
#: stand-in for mmh3 (`misfit`).
LOADER = '''"""The bundle's loader, and app.py behind it. Made by `bucketer build`."""

import gc
import marshal
import sys

gc.disable()  # the code of all modules is thousands of objects and no garbage


def _load_bundle():
    here = __file__.rpartition("/")[0]
    with open(f"{here}/bundle.bin", "rb", 0) as file:
        bundle = file.read()
    magic = sys.modules["_frozen_importlib_external"].MAGIC_NUMBER
    if not bundle.startswith(magic):
        import mmh3  # raises, and says which Python the archive is for
        return
    parts = marshal.loads(memoryview(bundle)[len(magic):])
    for name, is_package, path, _ in parts:
        module = sys.modules[name] = type(sys)(name)
        module.__file__ = f"{here}/{path}"
        module.__package__ = name if is_package else name.rpartition(".")[0]
        if is_package:
            module.__path__ = [module.__file__.rpartition("/")[0]]
    for name, _, _, code in parts:
        parent, _, child = name.rpartition(".")
        if parent:  # before the parent runs, which may name something else like its module
            setattr(sys.modules[parent], child, sys.modules[name])
        exec(code, sys.modules[name].__dict__)


_load_bundle()

'''

#: What a cold start doesn't import, by the beginnings of paths: found one by one, if ever needed.
LATER = (
    "bucketer/api/agent/",
    "bucketer/api/body",
    "bucketer/api/bucketer/body",
    "bucketer/api/bucketer/debug",
    "bucketer/api/environment",
    "bucketer/api/cors",
    "bucketer/api/exposure",
    "bucketer/api/signed",
    "bucketer/api/bucketer/expose",
    "bucketer/api/bucketer/form",
    "bucketer/api/bucketer/idempotency",
    "bucketer/api/bucketer/more",
    "bucketer/api/bucketer/names",
    "bucketer/api/bucketer/posted",
    "bucketer/api/needs",
    "bucketer/api/problems",
    "bucketer/api/refusals",
    "bucketer/api/bucketer/revision",
    "bucketer/api/route.py",
    "bucketer/api/bucketer/times",
    "bucketer/api/bucketer/track",
    "bucketer/api/ofrep/",
    "bucketer/api/service/",
    "bucketer/api/streams",
    "bucketer/access/",
    "bucketer/api/access",
    "bucketer/api/grant",
    "bucketer/metrics/",
    "bucketer/tokens/",
    "bucketer/tracing/",
    "bucketer/wiring/traces",
    "bucketer/wiring/access",
    "bucketer/core/alternatives",
    "bucketer/core/change",
    "bucketer/core/condition_words",
    "bucketer/core/counterfactuals",
    "bucketer/core/hypothetical",
    "bucketer/core/mentions",
    "bucketer/core/repair",
    "bucketer/core/compile/faults",
    "bucketer/core/compile/integrations",
    "bucketer/core/conversions",
    "bucketer/core/explain",
    "bucketer/core/flags",
    "bucketer/core/integration",
    "bucketer/core/odp",
    "bucketer/core/optimizely_config",
    "bucketer/core/reasons",
    "bucketer/core/slips",
    "bucketer/demo/",
    "bucketer/odp/",
    "bucketer/predictions/",
    "bucketer/profiles/",
    "bucketer/runtime/answering",
    "bucketer/runtime/users",
    "bucketer/settings/file",
    "bucketer/sinks/buffer",
    "bucketer/sinks/counters",
    "bucketer/sinks/dedup",
    "bucketer/sinks/delivery",
    "bucketer/sinks/odp",
    "bucketer/sinks/outbox",
    "bucketer/sinks/post.py",
    "bucketer/sinks/sqs",
    "bucketer/sinks/stdout",
    "bucketer/sinks/suspects",
    "bucketer/sources/archive",
    "bucketer/sources/credentials",
    "bucketer/sources/file",
    "bucketer/sources/s3",
    "bucketer/sources/signing",
    "bucketer/sources/sigv4",
    "bucketer/sources/unpacking",
    "bucketer/sources/url",
    "bucketer/wire",
)
#: Where the archive is unpacked, as tracebacks name it.
TASK = "/var/task"


def write_bundle(root: str, package: str) -> None:
    """Compile *package* below *root* into ``bundle.bin`` there, but for `LATER`.

    The sources that are taken are deleted, and the bytecode beside them.
    """
    import marshal
    from graphlib import TopologicalSorter
    from importlib.util import MAGIC_NUMBER, cache_from_source
    from pathlib import Path

    top = Path(root)
    modules = {}
    imported: dict[str, dict[str, None]] = {}
    for source in sorted((top / package).rglob("*.py")):
        path = source.relative_to(top).as_posix()
        if path.startswith(LATER):
            continue
        is_package = source.name == "__init__.py"
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        tree = _Lean().visit(ast.parse(source.read_bytes()))
        # Without docstrings, which nobody reads there; lines keep their numbers for tracebacks.
        code = compile(tree, f"{TASK}/{path}", "exec", dont_inherit=True, optimize=2)
        modules[name] = (name, is_package, path, code)
        found = [name.rpartition(".")[0], *_imports(tree, name, is_package=is_package)]
        imported[name] = dict.fromkeys(found)  # in order, so that the bundle is the same each time
        imported[name].pop(name, None)  # `from . import a_module` in a package
        Path(cache_from_source(str(source), optimization="")).unlink(missing_ok=True)
        source.unlink()
    _run_packages_after_what_they_show(imported)
    order = TopologicalSorter(imported).static_order()
    bundle = [modules[name] for name in order if name in modules]
    # Format 4 writes what is shared once, and takes how often an object is referred to for a sign
    # that it is. Read back from format 2 these counts come from the code alone: the same bytes
    # each time.
    plain = marshal.loads(marshal.dumps(bundle, 2))  # noqa: S302 -- written in the same line
    (top / "bundle.bin").write_bytes(MAGIC_NUMBER + marshal.dumps(plain))


def _run_packages_after_what_they_show(imported: dict[str, dict[str, None]]) -> None:
    """Let no module wait for its package, where that imports from its own modules."""
    for package, needed in imported.items():
        inside = f"{package}."
        if any(name in imported and name.startswith(inside) for name in needed):
            for name, others in imported.items():
                if name.startswith(inside):
                    others.pop(package, None)


#: The place of the explanation among the arguments of `Setting`.
_EXPLANATION = 4


class _Lean(ast.NodeTransformer):
    """Takes out what only type checkers and readers of the pages read: a quarter of the code."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Leave out what a setting is for, which only the command line and the pages tell."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "Setting":
            node.args[_EXPLANATION : _EXPLANATION + 1] = [
                ast.copy_location(ast.Constant(""), each)
                for each in node.args[_EXPLANATION : _EXPLANATION + 1]
            ]
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)


def _imports(tree: ast.Module, name: str, *, is_package: bool) -> Iterator[str]:
    """Name the modules that module *name* imports when it is run, and what only may be some."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = name.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


if __name__ == "__main__":
    write_bundle(*sys.argv[1:])
