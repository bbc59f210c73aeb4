"""OpenStack Swift on loopback: an object store that checks S3's signatures with code of its own."""

from __future__ import annotations

import contextlib
import getpass
import socket
import subprocess
import time
from pathlib import Path

import boto3
from botocore.config import Config

from .ports import held_port

REGION = "eu-central-1"
BUCKET = "datafiles"
_STORES = ("account", "container", "object")
_PIPELINE = "catch_errors gatekeeper listing_formats s3api tempauth slo versioned_writes symlink"
#: Four Pythons with all of Swift in each, on a machine that does other things too.
_START_S = 120.0


@contextlib.contextmanager
def swift(tools: Path, folder: Path):
    """Start it from the programs in *tools*, with everything it writes in *folder*; end it.

    Raises:
        RuntimeError: one of its servers ended or doesn't listen, with what it logged.
    """
    with contextlib.ExitStack() as held:
        ports = {name: held.enter_context(held_port()) for name in (*_STORES, "proxy")}
        _configure(tools, folder, ports)
        servers = {name: held.enter_context(_server(tools, folder, name)) for name in ports}
        for name, server in servers.items():
            _wait(server, ports[name], folder / f"{name}.log")
        yield Swift(f"http://127.0.0.1:{ports['proxy']}")


class Swift:
    """One Swift of its own processes and data, with an empty bucket, `BUCKET`.

    Attributes:
        environ: AWS's variables for its one user, who may do everything.
        s3: a boto3 client of theirs.
    """

    def __init__(self, url: str) -> None:
        """Make the bucket at what answers at *url*."""
        self.environ = {
            "AWS_ACCESS_KEY_ID": "test:tester",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": url,
        }
        self.s3 = boto3.client(
            "s3",
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id="test:tester",
            aws_secret_access_key="testing",
            config=Config(s3={"addressing_style": "path"}),
        )
        self.s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )


def _configure(tools: Path, folder: Path, ports: dict[str, int]) -> None:
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n"
    )
    (folder / "devices" / "d1").mkdir(parents=True)
    for name in _STORES:
        _ring(tools, folder, name, ports[name])
        stored = f"devices = {folder}/devices\nmount_check = false\n"
        _write_settings(folder, name, ports[name], "", stored)
    _write_settings(folder, "proxy", ports["proxy"], _PIPELINE, "", "account_autocreate = true\n")


def _ring(tools: Path, folder: Path, name: str, port: int) -> None:
    """Say where the one copy of everything lies."""
    place = ["--region", "1", "--zone", "1", "--ip", "127.0.0.1", "--device", "d1"]
    for command in (
        ["create", "2", "1", "1"],
        ["add", *place, "--port", str(port), "--weight", "1"],
        ["rebalance"],
    ):
        subprocess.run(
            [tools / "swift-ring-builder", f"{name}.builder", *command],
            cwd=folder,
            check=True,
            capture_output=True,
        )


def _write_settings(
    folder: Path, name: str, port: int, pipeline: str, defaults: str, options: str = ""
) -> None:
    filters = "".join(
        f"[filter:{each}]\nuse = egg:swift#{each}\n"
        f"{'location = ' + REGION if each == 's3api' else ''}\n"
        f"{'user_test_tester = testing .admin' if each == 'tempauth' else ''}\n"
        for each in pipeline.split()
    )
    (folder / f"{name}.conf").write_text(
        f"[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\n"
        f"swift_dir = {folder}\nworkers = 0\nuser = {getpass.getuser()}\n"
        f"log_address = {folder}/none\n{defaults}"
        f"[pipeline:main]\npipeline = {pipeline} {name}-server\n"
        f"[app:{name}-server]\nuse = egg:swift#{name}\n{options}{filters}"
    )


@contextlib.contextmanager
def _server(tools: Path, folder: Path, name: str):
    # Without --verbose it tells all its troubles to syslog alone, which isn't here.
    command = [tools / f"swift-{name}-server", folder / f"{name}.conf", "--verbose"]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once *server* listens."""
    deadline = time.monotonic() + _START_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if server.poll() is not None or time.monotonic() > deadline:
            how = "doesn't listen" if server.returncode is None else f"ended: {server.returncode}"
            message = f"swift: {log.stem} {how}; it logged: {log.read_text()[-2000:] or 'nothing'}"
            raise RuntimeError(message)
        time.sleep(0.05)
