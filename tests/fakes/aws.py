"""AWS on loopback: a moto server that checks signatures and policies, once it is told to."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import boto3
from botocore.config import Config

from .ports import held_port

REGION = "eu-central-1"
_READ_ONLY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": ["arn:aws:s3:::open", "arn:aws:s3:::open/*"],
        }
    ],
}


class Moto:
    """A moto server of its own process.

    Attributes:
        url: its endpoint for every service.
        environ: AWS's variables for a user who may read the bucket ``open``, and nothing else.
        root_environ: those for one who may do everything.
    """

    def __init__(self) -> None:
        self._held = ExitStack()
        port = self._held.enter_context(held_port())
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            # After this many calls signatures and policies are checked: the ones made below.
            env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "7"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait_for(port)
        iam = self._client("iam")
        iam.create_user(UserName="root")
        iam.put_user_policy(
            UserName="root",
            PolicyName="all",
            PolicyDocument=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
                }
            ),
        )
        root = iam.create_access_key(UserName="root")["AccessKey"]
        iam.create_user(UserName="reader")
        iam.put_user_policy(
            UserName="reader", PolicyName="read", PolicyDocument=json.dumps(_READ_ONLY)
        )
        reader = iam.create_access_key(UserName="reader")["AccessKey"]
        self._root = (root["AccessKeyId"], root["SecretAccessKey"])
        self._client("s3").create_bucket(  # the seventh; from here on everything is checked
            Bucket="open", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        self.s3 = self.client("s3")
        self.s3.create_bucket(
            Bucket="closed", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        self.environ = {
            "AWS_ACCESS_KEY_ID": reader["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": reader["SecretAccessKey"],
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": self.url,
        }
        keys = zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), self._root, strict=True)
        self.root_environ = {**self.environ, **dict(keys)}

    def client(self, service):
        """A boto3 client that may do everything."""
        return self._client(service, *self._root)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._held.close()

    def _client(self, service, key_id="unchecked", secret="unchecked"):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def _wait_for(self, port):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 0.5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        message = "moto did not start within 30 s"
        raise RuntimeError(message)
