"""package.zip: small, the same each time, and complete by itself."""

from __future__ import annotations

import ast
import functools
import importlib.util
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from tests.fakes.collector import Collector
from tests.fakes.datafiles import a_datafile
from tests.fakes.extensions_api import ExtensionsApi
from tests.fakes.queues import MotoQueue, moto_server
from tests.fakes.sources import revision
from tests.lab.minirapid import Minirapid
from tests.lab.prepare import lab_or_skip
from tests.lab.rie import Rie

from bucketer.publishing import archive
from bucketer.publishing.check import check
from bucketer.publishing.function import bake
from bucketer.publishing.misfit import stand_in
from bucketer.publishing.pull import envelope

#: Bytecode and the compiled hash included. The goal was half a megabyte, and is missed
#: (docs/benchmarks.md); it grows on purpose or not at all.
CEILING_BYTES = 588_000
PYTHONS = ("3.12", "3.13")
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())


@pytest.fixture(scope="module", params=PYTHONS)
def built(request, tmp_path_factory):
    """The archive for one Python on this kind of machine, built once."""
    lab_or_skip(request.param)
    target = tmp_path_factory.mktemp("built") / "package.zip"
    return request.param, archive.build(target, python=request.param, architecture="x86_64")


def _names(path):
    with zipfile.ZipFile(path) as file:
        return file.namelist()


def test_the_archive_stays_below_its_ceiling(built):
    assert built[1].size_bytes <= CEILING_BYTES, f"{built[1].size_bytes:,} bytes"


def test_it_holds_what_is_needed_and_nothing_else(built):
    names = _names(built[1].path)
    tops = {name.partition("/")[0].partition(".")[0] for name in names}

    assert {"app", "bucketer", "bundle", "mmh3", "__pycache__"} == tops
    assert "bundle.py" not in names
    for unwanted in (
        "doors/cli",
        "doors/server",
        "publishing",
        "verify",
        "lint",
        ".dist-info",
        ".pyi",
    ):
        assert not [name for name in names if unwanted in name], unwanted
    assert {"app.py", "bundle.bin", "bucketer/demo/datafile.json"} <= set(names)
    assert "bucketer/sources/amazon_roots.pem" in names


def test_what_is_left_out_exists():
    # Or a module that was renamed would slip back in.
    package = Path(archive.__file__).parents[1]
    assert [] == [each for each in archive.LEFT_OUT if not (package / each).exists()]


#: Imported by modules of the decision function for what it never is: a server, a receiver of
#: webhooks, or the SDK's double.
ELSEWHERE = {
    "bucketer.api.agent.notices", "bucketer.api.streams",
    "bucketer.api.ofrep.streams",
    "bucketer.api.limited", "bucketer.api.service.metrics", "bucketer.api.service.tail", "bucketer.wiring.tail", "bucketer.wiring.metrics",
    "bucketer.api.service.operator", "bucketer.wiring.choosing", "bucketer.wiring.console", "bucketer.wiring.operator", "bucketer.wiring.rates",
    "bucketer.api.service.webhook", "bucketer.publishing.publisher", "bucketer.publishing.webhook_queue",
    "bucketer.reference", "bucketer.reference.engine", "bucketer.sinks.durable",
    "bucketer.runtime.refresher", "bucketer.sinks.pace", "bucketer.sources.shared",
    "bucketer.wiring.state_dir", "bucketer.wiring.webhooks",
}  # fmt: skip


def test_what_a_packaged_module_imports_at_any_time_is_packaged():
    """An import that waits for its moment fails only then: in a flush, in an outage."""
    package = Path(archive.__file__).parents[1]
    missing = set()
    for path in package.rglob("*.py"):
        if path.relative_to(package).as_posix().startswith(archive.LEFT_OUT):
            continue
        for name in _imports(path, package):
            place = package.joinpath(*name.split(".")[1:])
            inside = place.relative_to(package).as_posix() + (".py" if not place.is_dir() else "")
            if inside.startswith(archive.LEFT_OUT):
                missing.add(name)

    assert missing <= ELSEWHERE


def _imports(path, package):
    """The package's modules that the one at *path* imports when it runs, whenever that is."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    around = ["bucketer", *path.relative_to(package).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = around[: len(around) - node.level + 1] if node.level else []
            name = ".".join([*base, *filter(None, [node.module])])
            if name.startswith("bucketer"):
                yield from {name, *(f"{name}.{each.name}" for each in node.names)} & _modules(
                    package
                )


@functools.cache
def _modules(package):
    return {
        ".".join(["bucketer", *path.relative_to(package).with_suffix("").parts]).removesuffix(
            ".__init__"
        )
        for path in package.rglob("*.py")
    }


def test_every_file_that_comes_along_exists_and_is_taken(built):
    package = Path(archive.__file__).parents[1]
    kept = {each for each in archive.DATA if each != "data/packaged.json"}  # made by a pull

    assert [] == [each for each in kept if not (package / each).exists()]
    assert {f"bucketer/{each}" for each in kept} <= set(_names(built[1].path))


@pytest.mark.parametrize("everything", [False, True])
def test_what_lies_about_in_the_folder_stays_there(tmp_path, monkeypatch, everything):
    package = tmp_path / "bucketer"
    shutil.copytree(archive._PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for stray in (
        "notes.txt",
        "core/decide.py.orig",
        ".env",
        "core/.#decide.py",
        "demo/other.json",
    ):
        (package / stray).write_text("somebody's")
    (package / ".idea").mkdir()
    (package / ".idea/workspace.py").write_text("")
    expected = {
        f"bucketer/{path.relative_to(archive._PACKAGE).as_posix()}"
        for path in archive._PACKAGE.rglob("*.py")
    }
    monkeypatch.setattr(archive, "_PACKAGE", package)
    monkeypatch.setattr(archive, "find_python", lambda _: None)  # only sources
    target = tmp_path / "p.zip"
    archive.build(target, python="3.13", architecture="x86_64", everything=everything)
    ours = {name for name in _names(target) if name.startswith("bucketer/")}

    assert {f"bucketer/{each}" for each in archive.DATA[1:]} == {n for n in ours if n[-3:] != ".py"}
    assert {name for name in ours if name.endswith(".py")} <= expected
    assert everything == (expected <= ours)


def test_the_dependency_is_one_that_the_package_allows_and_has_a_wheel_for_every_target():
    name, _, version = archive.DEPENDENCY.partition("==")
    [allowed] = [each for each in PROJECT["project"]["dependencies"] if each.startswith(name)]

    assert ("mmh3>=5,<6", "5") == (allowed, version.partition(".")[0])
    assert set(archive.WHEELS) == set(itertools.product(archive.PYTHONS, archive.PLATFORMS))


def test_another_wheel_than_the_one_that_is_known_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(archive.WHEELS, ("3.13", "x86_64"), "0" * 64)

    with pytest.raises(archive.BuildError, match=r"no mmh3==5\.3\.1 for Python 3\.13 on x86_64"):
        archive.build(tmp_path / "p.zip", python="3.13", architecture="x86_64")


def test_building_twice_gives_the_same_bytes(built, tmp_path):
    version, first = built
    again = archive.build(tmp_path / "p.zip", python=version, architecture="x86_64")

    assert first.path.read_bytes() == again.path.read_bytes()


def test_bytecode_is_for_that_python_and_never_compared_with_its_source(built):
    version, found = built
    with zipfile.ZipFile(found.path) as file:
        bundle = file.read("bundle.bin")
        pyc = file.read(next(n for n in file.namelist() if n.endswith(".pyc")))

    assert archive.MAGIC[version] == int.from_bytes(bundle[:2], "little")
    assert bundle[:4] == pyc[:4]
    assert 0b01 == int.from_bytes(pyc[4:8], "little")  # a hash, and unchecked
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        assert bundle[:4] == importlib.util.MAGIC_NUMBER


@pytest.mark.parametrize(
    ("python", "architecture", "machine"),
    [
        ("3.12", "arm64", 0xB7),
        ("3.13", "arm64", 0xB7),
        ("3.14", "arm64", 0xB7),
        ("3.14", "x86_64", 0x3E),
    ],
)
def test_it_can_be_built_for_another_machine(python, architecture, machine, tmp_path):
    found = archive.build(tmp_path / "p.zip", python=python, architecture=architecture)
    with zipfile.ZipFile(found.path) as file:
        (name,) = [each for each in file.namelist() if each.endswith(".so")]
        head = file.read(name)[:20]

    assert f"cpython-{python.replace('.', '')}" in name
    assert machine == int.from_bytes(head[18:20], "little")  # e_machine of ELF


def test_without_the_matching_interpreter_sources_go_out_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "find_python", lambda _: None)
    found = archive.build(tmp_path / "p.zip", python="3.13", architecture="x86_64")

    assert not found.byte_compiled
    assert not [n for n in _names(found.path) if n.endswith((".pyc", "bundle.bin", "bundle.py"))]


def test_what_is_no_file_keeps_its_place(tmp_path):
    link = tmp_path / "null"
    link.symlink_to(os.devnull)

    with pytest.raises(archive.BuildError, match="is no file"):
        archive.build(link, python="3.13", architecture="x86_64")

    assert link.is_symlink()


def test_what_cannot_be_built_for_is_told(tmp_path):
    with pytest.raises(archive.BuildError, match=r"3\.12, 3\.13"):
        archive.build(tmp_path / "p.zip", python="3.9", architecture="x86_64")
    with pytest.raises(archive.BuildError, match="arm64"):
        archive.build(tmp_path / "p.zip", python="3.13", architecture="mips")


def test_an_interpreter_with_another_magic_number_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("")

    with pytest.raises(archive.BuildError, match="magic number"):
        archive._compile(tmp_path, Path(sys.executable), "3.14")


def test_the_other_functions_get_what_they_need(tmp_path):
    found = archive.build(tmp_path / "f.zip", python="3.13", architecture="x86_64", everything=True)
    names = _names(found.path)

    assert {"bucketer/doors/webhook.py", "bucketer/publishing/publisher.py"} <= set(names)
    assert "bundle.bin" not in names


def test_the_bundle_holds_what_a_cold_start_imports_and_nothing_else(built, tmp_path):
    """Run from the sources, which import what they need; the bundle makes all that it holds."""
    version, found = built
    task = _unpack(found.path, tmp_path / "task")
    bundled = _modules_after(version, task, _NOTHING_IS_FOUND)
    whole = tmp_path / "whole.zip"
    archive.build(whole, python=version, architecture="x86_64", everything=True)
    program = "import app; app.lambda_handler(json.loads(sys.argv[1]), None)"
    needed = _modules_after(version, _unpack(whole, tmp_path / "whole"), program)

    assert needed == bundled


#: Or a module would be made a second time, and `except` would know the other one's errors.
_NOTHING_IS_FOUND = """
class Finder:
    def find_spec(name, path=None, target=None):
        assert not name.startswith("bucketer"), f"{name} is looked for beside the bundle"

sys.meta_path.insert(0, Finder)
import app
"""


def _modules_after(version, task, program):
    """Our modules that are loaded behind *program*, with Lambda's extensions at hand."""
    program = (
        # Nothing that comes after the answer must come before the list.
        "import json, sys; sys.path.insert(0, '.'); sys.setswitchinterval(1000.0)\n"
        f"{program}\n"
        "print(*[name for name in sys.modules if name.partition('.')[0] == 'bucketer'], flush=True)\n"
        "import os; os._exit(0)"
    )
    lab = lab_or_skip(version)
    with ExtensionsApi() as lambda_:
        done = subprocess.run(
            [lab.python, "-c", program, json.dumps(_event(QUERY.removesuffix("&debug=1")))],
            cwd=task,
            env={
                **lab.environment(task, "app.lambda_handler"),
                "AWS_LAMBDA_RUNTIME_API": lambda_.address,
            },
            capture_output=True,
            text=True,
            check=True,
        )
    return set(done.stdout.split())


# -- unpacked alone, run by Lambda's runtime client in AWS's emulator -------------------------


def _event(query):
    return {
        "version": "2.0",
        "rawPath": "/bucketer",
        "rawQueryString": query,
        "headers": {"x-request-id": "r-1"},
        "requestContext": {"http": {"method": "GET", "path": "/bucketer", "sourceIp": "192.0.2.1"}},
    }


def _unpack(path, folder):
    with zipfile.ZipFile(path) as file:
        file.extractall(folder)
    return folder


QUERY = "e=checkout_flow_experiment&u=user-3&a=tier:%22platinum%22,member_since_days:56&debug=1"


def test_the_archive_alone_answers_in_the_emulator(built, tmp_path):
    version, found = built
    task = _unpack(found.path, tmp_path / "task")
    with Rie(lab_or_skip(version), task, "app.lambda_handler") as rie:
        result = rie.invoke(_event(QUERY))
        log = rie.log()

    body = json.loads(result["body"])
    assert 200 == result["statusCode"]
    assert "user-3" == body["user"]
    assert body["variation"]
    assert "demonstration" == body["debug"]["datafile"]["url"]
    assert "Traceback" not in log


@pytest.mark.parametrize("home", ["the collector", "a queue"])
def test_the_archive_alone_delivers_its_events(built, tmp_path, home, queue):
    version, found = built
    document = envelope(check(json.dumps(a_datafile()).encode(), "x"), "u", 1.0)
    baked = tmp_path / "baked.zip"
    baked.write_bytes(bake(found.path.read_bytes(), document))
    task = _unpack(baked, tmp_path / "task")
    with Collector() as collector:
        environment = {"BUCKETER_EVENTS_ENDPOINT": collector.url}
        if home == "a queue":
            environment["BUCKETER_EVENTS"], users = queue.setting, queue.users
        else:
            users = lambda: [each["visitor_id"] for each in collector.visitors()]  # noqa: E731
        lab = lab_or_skip(version)
        with Minirapid(lab, task, "app.lambda_handler", environment=environment) as aws:
            for _ in range(2):
                assert 200 == aws.invoke(_event(QUERY))["statusCode"]
                aws.wait_until_done()
            log = aws.log()
        delivered = users()

    assert ["user-3"] * 2 == delivered, log
    assert "Traceback" not in log


@pytest.fixture
def queue():
    with moto_server() as url:
        queue = MotoQueue(url, "events")
        yield queue
        queue.close()


def test_with_a_datafile_baked_in_it_decides_by_that(built, tmp_path):
    version, found = built
    raw = json.dumps(a_datafile(revision="77")).encode()
    baked = tmp_path / "baked.zip"
    document = envelope(check(raw, "x"), "https://cdn.example/d.json", 1_700_000_000.0)
    baked.write_bytes(bake(found.path.read_bytes(), document))
    task = _unpack(baked, tmp_path / "task")
    with Rie(
        lab_or_skip(version), task, "app.lambda_handler", environment={"BUCKETER_EVENTS": "off"}
    ) as rie:
        block = json.loads(rie.invoke(_event(QUERY))["body"])["debug"]["datafile"]

    assert ("77", "https://cdn.example/d.json") == (block["revision"], block["url"])
    assert block["fetched_at"].startswith("2023-11-14 22:13:20")


def test_baking_changes_nothing_else(built):
    before = built[1].path.read_bytes()
    document = envelope(check(revision(1), "x"), "u", 1.0)
    after = bake(before, document)

    assert after == bake(after, document)
    with zipfile.ZipFile(built[1].path) as file:
        import io

        with zipfile.ZipFile(io.BytesIO(after)) as other:
            assert all(file.read(name) == other.read(name) for name in file.namelist())


# -- where it does not fit --------------------------------------------------------------------


def test_on_another_python_than_it_was_built_for_it_says_so_in_the_log_and_to_the_caller(
    built, tmp_path
):
    version, found = built
    task = _unpack(found.path, tmp_path / "task")
    other = next(each for each in PYTHONS if each != version)
    with Rie(lab_or_skip(other), task, "app.lambda_handler") as rie:
        result = rie.invoke(_event(QUERY))
        log = rie.log()

    said = (
        f"the package was built for Python {version} on Linux x86_64, and this is Python {other} "
        f"on Linux x86_64: build it with ./build.sh --python {other} --arch x86_64, or set the "
        f"function to runtime python{version} and architecture x86_64"
    )
    assert f"Unable to import module 'app': {said}" == result["errorMessage"]
    assert said in log


def _import_elsewhere(task, module, python=sys.executable):
    """Import *module* in an archive's folder with *python*; return the last line of what it said."""
    program = f"import sys; sys.path.insert(0, '.'); import {module}"
    done = subprocess.run(
        [python, "-B", "-c", program], cwd=task, capture_output=True, text=True, check=False
    )
    assert 1 == done.returncode, done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("byte_compiled", [False, True])
def test_whatever_is_built_says_so_when_it_is_imported(
    everything, byte_compiled, tmp_path, monkeypatch
):
    here = "{}.{}".format(*sys.version_info)
    there = next(each for each in reversed(archive.PYTHONS) if each != here)
    if not byte_compiled:
        monkeypatch.setattr(archive, "find_python", lambda _: None)
    elif archive.find_python(there) is None:
        there = next(each for each in PYTHONS if each != here)
    built = archive.build(
        tmp_path / "p.zip", python=there, architecture="x86_64", everything=everything
    )
    task = _unpack(built.path, tmp_path / "task")
    modules = ["app", *(["bucketer.doors.webhook"] if everything else [])]

    for module in modules:
        told = _import_elsewhere(task, module)
        assert told.startswith(f"ImportError: the package was built for Python {there} on Linux")
        assert f"and this is Python {here} on " in told
        assert f"set the function to runtime python{there}" in told


@pytest.mark.parametrize("python", PYTHONS)
def test_built_for_another_architecture_it_says_so_too(python, tmp_path):
    lab = lab_or_skip(python)
    here = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    other = next(each for each in archive.PLATFORMS if each != here)
    built = archive.build(tmp_path / "p.zip", python=python, architecture=other)
    told = _import_elsewhere(_unpack(built.path, tmp_path / "task"), "app", lab.python)

    assert f"for Python {python} on Linux {other}, and this is Python {python} on Linux" in told
    assert f"build it with ./build.sh --python {python} --arch {here}" in told


@pytest.mark.parametrize(
    ("here", "said"),
    [
        (("3.12", "x86_64", "Linux"), "build it with ./build.sh --python 3.12 --arch x86_64, or "),
        (("3.13", "aarch64", "Linux"), "build it with ./build.sh --python 3.13 --arch arm64, or "),
        (("3.11", "x86_64", "Linux"), "3.11 on Linux x86_64: set the function to runtime python3"),
        (("3.13", "riscv64", "Linux"), "this is Python 3.13 on Linux riscv64: set the function to"),
        (("3.13", "arm64", "Darwin"), "this is Python 3.13 on Darwin arm64: set the function to"),
        (("3.13", "x86_64", "Linux"), "the package is damaged: its compiled mmh3 is missing"),
    ],
)
def test_what_it_says_names_both_and_offers_only_what_can_be_built(here, said, monkeypatch):
    python, machine, system = here
    monkeypatch.setattr(sys, "version_info", (*map(int, python.split(".")), 1))
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "system", lambda: system)

    with pytest.raises(ImportError) as told:
        exec(stand_in("3.13", "x86_64", archive.WHEELS), {})
    assert said in str(told.value)
    assert "runtime python3.13 and architecture x86_64" in str(told.value) or "damaged" in said


def test_where_it_fits_nobody_looks_at_the_stand_in(built, tmp_path):
    version, found = built
    task = _unpack(found.path, tmp_path / "task")
    (task / "mmh3.py").write_text("raise AssertionError('it was looked at')")
    with Rie(lab_or_skip(version), task, "app.lambda_handler") as rie:
        result = rie.invoke(_event(QUERY))

    assert 200 == result["statusCode"]
