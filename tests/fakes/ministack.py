"""AWS on loopback that also runs functions: ministack, with signatures and policies checked."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import boto3

from .ports import held_port

REGION = "eu-central-1"


class Ministack:
    """One ministack of its own process and data.

    Attributes:
        url: its endpoint for every service.
        environ: AWS's variables for an account that may do everything.
    """

    def __init__(self, tools: Path, folder: Path) -> None:
        self._held = ExitStack()
        self.port = self._held.enter_context(held_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.environ = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }
        self.log = folder / "ministack.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [tools / "ministack"],
                env={
                    "PATH": f"{tools}:{os.environ['PATH']}",
                    "HOME": str(folder),
                    "TMPDIR": str(folder),
                    "BIND_HOST": "127.0.0.1",  # it listens on every interface unless told
                    "GATEWAY_PORT": str(self.port),
                    "MINISTACK_REGION": REGION,
                    "AUTH": "true",
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait()

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def ask(self, function_url, method="GET", target="", body=b"", headers=None):
        """Send a request to a Function URL, as a client on the internet would."""
        host, _, path = function_url.partition("://")[2].partition("/")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        connection.request(method, f"/{path}{target}", body, {"Host": host, **(headers or {})})
        response = connection.getresponse()
        found = response.read()
        connection.close()
        return response.status, json.loads(found) if found else None

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._held.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(self.log.read_text()[-2000:])
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        message = "ministack did not start within 60 s"
        raise RuntimeError(message)
