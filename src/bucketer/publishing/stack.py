"""template.yaml and two archives in, a CloudFormation stack out."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .archive import BuildError
from .s3_store import PublishError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TEMPLATES = (
    Path(__file__).resolve().parents[3] / "template.yaml",
    Path(__file__).with_name("template.yaml"),
)
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
_POLL_S, _POLLS = 5, 360


class Stack:
    """One stack."""

    def __init__(self, name: str, session: Any, say: Callable[[str], None]) -> None:
        """Take the stack's name, a boto3 session, and where to tell progress."""
        self._name, self._session, self._say = name, session, say

    def apply(
        self,
        template: str,
        archives: Mapping[str, bytes],
        parameters: Mapping[str, str],
        *,
        bucket: str | None = None,
    ) -> dict[str, str]:
        """Create or update the stack, and wait for it.

        Args:
            template: its text; each ``CodeUri`` in it names one of *archives*.
            archives: to be uploaded under a name that holds their digest.
            parameters: of the template; those of an earlier deployment stay where they aren't
                given.
            bucket: for the archives; one is made when it is None.

        Returns:
            The stack's outputs.

        Raises:
            PublishError: AWS refuses, or the stack ends in another state than complete.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            text = self._upload(template, archives, bucket or self._make_bucket())
            return self._apply(text, parameters)
        except ClientError as error:
            found = error.response.get("Error", {})
            why = f"{found.get('Code')}: {found.get('Message')}"
            raise PublishError(f"stack {self._name}", why) from error
        except BotoCoreError as error:
            raise PublishError(f"stack {self._name}", str(error)) from error

    def _make_bucket(self) -> str:
        account = self._session.client("sts").get_caller_identity()["Account"]
        region = self._session.region_name
        name = f"bucketer-archives-{account}-{region}"
        s3 = self._session.client("s3")
        if name not in {each["Name"] for each in s3.list_buckets().get("Buckets", ())}:
            self._say(f"Making the bucket {name} for the archives")
            place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
            s3.create_bucket(Bucket=name, **(place if region != "us-east-1" else {}))
        return name

    def _upload(self, template: str, archives: Mapping[str, bytes], bucket: str) -> str:
        s3 = self._session.client("s3")
        for name, content in archives.items():
            key = f"{self._name}/{hashlib.sha256(content).hexdigest()[:32]}.zip"
            self._say(f"Uploading {name}")
            s3.put_object(Bucket=bucket, Key=key, Body=content)
            line = re.compile(rf"CodeUri: {re.escape(name)}$", re.MULTILINE)
            template, times = line.subn(f"CodeUri: s3://{bucket}/{key}", template)
            if not times:
                raise PublishError(f"stack {self._name}", f"the template has no CodeUri: {name}")
        return template

    def _apply(self, template: str, parameters: Mapping[str, str]) -> dict[str, str]:
        client = self._session.client("cloudformation")
        exists = self._exists(client)
        waiter = client.get_waiter("stack_update_complete" if exists else "stack_create_complete")
        known = {
            each["ParameterKey"]
            for each in client.validate_template(TemplateBody=template).get("Parameters", ())
        }
        listed: list[dict[str, Any]] = [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ]
        if exists:
            before = {each["ParameterKey"] for each in self._describe(client).get("Parameters", ())}
            kept = (before & known) - parameters.keys()
            listed += [{"ParameterKey": name, "UsePreviousValue": True} for name in sorted(kept)]
        call = client.update_stack if exists else client.create_stack
        self._say(f"{'Updating' if exists else 'Creating'} the stack {self._name}")
        if self._changes(call, template, listed):
            waiter.wait(
                StackName=self._name, WaiterConfig={"Delay": _POLL_S, "MaxAttempts": _POLLS}
            )
        outputs = self._describe(client).get("Outputs", ())
        return {each["OutputKey"]: each["OutputValue"] for each in outputs}

    def _changes(self, call: Any, template: str, parameters: list[dict[str, Any]]) -> bool:
        """Begin; False when everything is already as it should be."""
        from botocore.exceptions import ClientError

        try:
            call(
                StackName=self._name,
                TemplateBody=template,
                Parameters=parameters,
                Capabilities=_CAPABILITIES,
            )
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
            self._say("Nothing has changed")
            return False
        return True

    def _describe(self, client: Any) -> dict[str, Any]:
        found: dict[str, Any] = client.describe_stacks(StackName=self._name)["Stacks"][0]
        return found

    def _exists(self, client: Any) -> bool:
        from botocore.exceptions import ClientError

        try:
            status = self._describe(client)["StackStatus"]
        except ClientError as error:
            if "does not exist" in str(error):
                return False
            raise
        return bool(status != "REVIEW_IN_PROGRESS")


def find_template() -> Path:
    """Find template.yaml: the repository's, or the copy in an installed wheel.

    Raises:
        BuildError: neither is there.
    """
    for path in _TEMPLATES:
        if path.is_file():
            return path
    raise BuildError("template.yaml is missing from the installation; install the package again")
