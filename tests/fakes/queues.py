"""SQS on loopback: moto's server, and a queue of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import boto3
from moto.server import ThreadedMotoServer


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """The URL of one, in this process."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class MotoQueue:
    """A queue of its own.

    Attributes:
        setting: for ``BUCKETER_EVENTS``.
    """

    def __init__(self, endpoint: str, name: str, region: str = "us-east-1") -> None:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self._client = boto3.client("sqs", endpoint_url=endpoint, region_name=region, **keys)
        self._url = self._client.create_queue(QueueName=name)["QueueUrl"]
        self.setting = f"sqs://{self._url}"

    def records(self) -> list[dict]:
        """What it holds, as Lambda's event source would pass it on."""
        found = self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        messages = found.get("Messages", [])
        return [{"messageId": each["MessageId"], "body": each["Body"]} for each in messages]

    def users(self) -> list[str]:
        """Whose events it holds, sorted; one that a slow machine sent twice is there once."""
        bodies = [json.loads(each["body"]) for each in self.records()]
        visitors = [visitor for body in bodies for visitor in body["visitors"]]
        return sorted({_uuid(each): each["visitor_id"] for each in visitors}.values())

    def close(self) -> None:
        """It is no more: the next one of its name, which moto would take for the same, is empty."""
        self._client.delete_queue(QueueUrl=self._url)
        self._client.close()


def _uuid(visitor: dict) -> str:
    return visitor["snapshots"][0]["events"][0]["uuid"]
