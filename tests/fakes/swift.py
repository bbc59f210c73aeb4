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

REGION = "eu-central-1"
BUCKET = "datafiles"
_STORES = ("account", "container", "object")
_PIPELINE = "catch_errors gatekeeper listing_formats s3api tempauth slo versioned_writes symlink"


class Swift:
    """One Swift of its own processes and data, with an empty bucket, `BUCKET`.

    Attributes:
        environ: AWS's variables for its one user, who may do everything.
        s3: a boto3 client of theirs.
    """

    def __init__(self, tools: Path, folder: Path) -> None:
        """Start it from the programs in *tools*, with everything it writes in *folder*."""
        self._tools, self._folder = tools, folder
        self._ports = {name: _free_port() for name in (*_STORES, "proxy")}
        (folder / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n"
        )
        (folder / "devices" / "d1").mkdir(parents=True)
        for name in _STORES:
            self._ring(name)
            self._configure(name, "", f"devices = {folder}/devices\nmount_check = false\n")
        self._configure("proxy", _PIPELINE, "", "account_autocreate = true\n")
        self._processes = [self._start(name) for name in self._ports]
        url = f"http://127.0.0.1:{self._ports['proxy']}"
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
        self._wait()
        self.s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(timeout=20)

    def _ring(self, name: str) -> None:
        """Say where the one copy of everything lies."""
        place = ["--region", "1", "--zone", "1", "--ip", "127.0.0.1", "--device", "d1"]
        for command in (
            ["create", "2", "1", "1"],
            ["add", *place, "--port", str(self._ports[name]), "--weight", "1"],
            ["rebalance"],
        ):
            subprocess.run(
                [self._tools / "swift-ring-builder", f"{name}.builder", *command],
                cwd=self._folder,
                check=True,
                capture_output=True,
            )

    def _configure(self, name: str, pipeline: str, defaults: str, options: str = "") -> None:
        filters = "".join(
            f"[filter:{each}]\nuse = egg:swift#{each}\n"
            f"{'location = ' + REGION if each == 's3api' else ''}\n"
            f"{'user_test_tester = testing .admin' if each == 'tempauth' else ''}\n"
            for each in pipeline.split()
        )
        (self._folder / f"{name}.conf").write_text(
            f"[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {self._ports[name]}\n"
            f"swift_dir = {self._folder}\nworkers = 0\nuser = {getpass.getuser()}\n"
            f"log_address = {self._folder}/none\n{defaults}"
            f"[pipeline:main]\npipeline = {pipeline} {name}-server\n"
            f"[app:{name}-server]\nuse = egg:swift#{name}\n{options}{filters}"
        )

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        program, config = self._tools / f"swift-{name}-server", self._folder / f"{name}.conf"
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen([program, config], stdout=log, stderr=subprocess.STDOUT)

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        for port in self._ports.values():
            while time.monotonic() < deadline:
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection(("127.0.0.1", port), 1),
                ):
                    break
                time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
