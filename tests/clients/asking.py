"""OpenFeature's clients, each asked the same way: a question in, what its SDK tells of it out.

The clients of other languages are programs beside this file. Each is started with the server's
address and headers (`NAME=VALUE`), reads a question a line and writes an answer a line:

    {"type": "Integer", "key": "search.max_results", "default": -1, "context": {"targetingKey": "u1"}}
    {"value": 20, "variant": "on", "reason": "DEFAULT", "errorCode": "", "metadata": {…}}

They are built in `build/`, of packages from their languages' registries; where a toolchain or a
registry isn't there, the test is skipped and says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build"
JS_PACKAGES = (
    "@openfeature/web-sdk@1.10.0",
    "@openfeature/ofrep-web-provider@0.4.3",
    "@openfeature/server-sdk@1.23.0",
    "@openfeature/ofrep-provider@0.1.3",
    "@openfeature/core@1.12.0",
    "@openfeature/react-sdk@1.4.1",
    "react@19",
    "react-dom@19",
    "esbuild@0.25",
)


def build_folder(language, *tools):
    """Return `build/openfeature-LANGUAGE`, with that language's program in it; skips without *tools*."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} is here")
    folder = BUILD / f"openfeature-{language}"
    shutil.copytree(HERE / language, folder, dirs_exist_ok=True)
    return folder


def run_or_skip(command, folder, why):
    """Run what asks a registry; skips where that can't be done."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{why}: {(done.stderr or done.stdout)[-300:]}")


@cache
def go_folder():
    """Return the folder of the Go program, built as `ask`, with all modules at hand."""
    folder = build_folder("go", "go")
    run_or_skip(["go", "mod", "download"], folder, "Go's modules can't be had")
    subprocess.run(["go", "build", "-o", "ask", "."], cwd=folder, check=True)
    return folder


@cache
def java_folder():
    """Return the folder of the Java program, compiled, and its class path in `classpath`."""
    folder = build_folder("java", "java", "javac", "mvn")
    if not (folder / "classpath").exists():
        goal = ["dependency:build-classpath", "-Dmdep.outputFile=classpath"]
        run_or_skip(["mvn", "-q", "-B", *goal], folder, "Maven's packages can't be had")
    command = ["javac", "-cp", (folder / "classpath").read_text(), "Asking.java"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


@cache
def js_folder():
    """Return the folder of the JavaScript programs, with the packages installed."""
    folder = build_folder("js", "npm", "node")
    if not (folder / "node_modules" / "react-dom").is_dir():
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", *JS_PACKAGES]
        run_or_skip(install, folder, "npm's packages can't be had")
    return folder


def _go():
    return [str(go_folder() / "ask")]


def _java():
    folder = java_folder()
    return ["java", "-cp", f"{folder}:{(folder / 'classpath').read_text()}", "Asking"]


def _js(name):
    return ["node", str(js_folder() / name)]


PROGRAMS = {
    "go": _go,
    "java": _java,
    "js": lambda: _js("server.mjs"),
    "js-web": lambda: _js("web.mjs"),
}


@contextlib.contextmanager
def asking(language, url, headers=()):
    """Give a function that asks by that language's client: (type, key, default, **context) → answer."""
    if language == "python":
        yield _Python(url, dict(headers))
        api.shutdown()
        return
    given = [f"{name}={value}" for name, value in dict(headers).items()]
    with subprocess.Popen(
        [*PROGRAMS[language](), url, *given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        watch = threading.Timer(120, process.kill)  # no test waits for ever
        watch.start()
        try:
            yield _Program(process)
        finally:
            watch.cancel()
            process.kill()


class _Program:
    def __init__(self, process):
        self._process = process

    def __call__(self, kind, key, default, **context):
        asked = {"type": kind, "key": key, "default": default, "context": context}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self._process.stderr.read()
        return json.loads(answer)


class _Python:
    def __init__(self, url, headers):
        api.set_provider(OFREPProvider(url, headers_factory=lambda: headers))
        self._client = api.get_client()

    def __call__(self, kind, key, default, **context):
        user = EvaluationContext(context.pop("targetingKey", None), context)
        ask = getattr(self._client, f"get_{kind.lower()}_details")
        told = ask(key, default, user)
        return {
            "value": told.value,
            "variant": told.variant,
            "reason": str(told.reason or ""),
            "errorCode": told.error_code.value if told.error_code else "",
            "errorMessage": told.error_message,
            "metadata": told.flag_metadata,
        }


def keys(environ, *arguments):
    """What `bucketer keys` tells, as JSON."""
    command = [sys.executable, "-m", "bucketer", "keys", *arguments, "--json"]
    told = subprocess.run(
        command, env=os.environ | environ, capture_output=True, text=True, check=True
    )
    return json.loads(told.stdout)
