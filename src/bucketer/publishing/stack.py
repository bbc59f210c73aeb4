"""template.yaml and two archives in, a CloudFormation stack out.

The alias moves to a new version when the parameter ``Release`` changes, so that has to change with
whatever the function is made of: code, template and parameters (docs/decisions/0068).
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .archive import BuildError
from .aws import open_client
from .s3_store import PublishError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

_TEMPLATES = (
    Path(__file__).resolve().parents[3] / "template.yaml",
    Path(__file__).with_name("template.yaml"),
)
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
#: The template's parameter that a new version hangs on.
RELEASE = "Release"
_POLL_S, _POLLS = 5, 360
#: An upload of megabytes over a slow line is silent for long.
_READ_S = 60.0
#: Rounds of PBKDF2: a fingerprint of 32 bits shall not be a cheap way to try secrets.
_ROUNDS = 200_000


class Before(NamedTuple):
    """What a stack is like before it is deployed again; all empty when there is none.

    Attributes:
        parameters: by name; those without echo as ``****``.
        outputs: by name.
    """

    parameters: dict[str, str]
    outputs: dict[str, str]


class Stack:
    """One stack."""

    def __init__(self, name: str, session: Any, say: Callable[[str], None]) -> None:
        """Take the stack's name, a boto3 session, and where to tell progress."""
        self._name, self._session, self._say = name, session, say

    def before(self) -> Before:
        """Look at the stack as it is.

        Raises:
            PublishError: AWS refuses.
        """
        with self._told():
            client = self._client("cloudformation")
            if not self._exists(client):
                return Before({}, {})
            found = self._describe(client)
            return Before(
                {
                    each["ParameterKey"]: each.get("ParameterValue", "")
                    for each in found.get("Parameters", ())
                },
                _outputs(found),
            )

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
        with self._told():
            text = self._upload(template, archives, bucket or self._make_bucket())
            return self._apply(text, parameters)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what boto3 raises into `PublishError`."""
        from botocore.exceptions import BotoCoreError, ClientError

        where = f"stack {self._name}"
        try:
            yield
        except ClientError as error:
            found = error.response.get("Error", {})
            raise PublishError(where, f"{found.get('Code')}: {found.get('Message')}") from error
        except BotoCoreError as error:
            raise PublishError(where, str(error)) from error

    def _client(self, service: str) -> Any:
        return open_client(self._session, service, read_s=_READ_S)

    def _make_bucket(self) -> str:
        account = self._client("sts").get_caller_identity()["Account"]
        region = self._session.region_name
        name = f"bucketer-archives-{account}-{region}"
        s3 = self._client("s3")
        if name not in {each["Name"] for each in s3.list_buckets().get("Buckets", ())}:
            self._say(f"Making the bucket {name} for the archives")
            place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
            s3.create_bucket(Bucket=name, **(place if region != "us-east-1" else {}))
        return name

    def _upload(self, template: str, archives: Mapping[str, bytes], bucket: str) -> str:
        s3 = self._client("s3")
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
        client = self._client("cloudformation")
        exists = self._exists(client)
        waiter = client.get_waiter("stack_update_complete" if exists else "stack_create_complete")
        known = client.validate_template(TemplateBody=template).get("Parameters", ())
        before = self.before().parameters if exists else {}
        kept = (before.keys() & {each["ParameterKey"] for each in known}) - parameters.keys()
        listed: list[dict[str, Any]] = [
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in {
                RELEASE: self._release(template, known, before, parameters),
                **parameters,
            }.items()
        ]
        listed += [
            {"ParameterKey": name, "UsePreviousValue": True} for name in sorted(kept - {RELEASE})
        ]
        call = client.update_stack if exists else client.create_stack
        self._say(f"{'Updating' if exists else 'Creating'} the stack {self._name}")
        if self._changes(call, template, listed):
            waiter.wait(
                StackName=self._name, WaiterConfig={"Delay": _POLL_S, "MaxAttempts": _POLLS}
            )
        return _outputs(self._describe(client))

    def _release(
        self,
        template: str,
        known: Iterable[Mapping[str, Any]],
        before: Mapping[str, str],
        given: Mapping[str, str],
    ) -> str:
        values: dict[str, str | None] = {}
        secrets = set()
        for each in known:
            name = each["ParameterKey"]
            if each.get("NoEcho"):
                secrets.add(name)
            kept = None if each.get("NoEcho") else before.get(name)
            values[name] = given.get(name, kept if name in before else each.get("DefaultValue", ""))
        values.pop(RELEASE, None)
        return release_of(template, values, secrets, before.get(RELEASE, ""), salt=self._name)

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


def release_of(
    template: str,
    values: Mapping[str, str | None],
    secrets: Collection[str],
    before: str,
    *,
    salt: str,
) -> str:
    """Name a deployment, so that two have the same name only if they are the same.

    Args:
        template: its text, which names the archives by their digests.
        values: of all parameters; None for one of *secrets* that stays as it was.
        secrets: the parameters that CloudFormation doesn't show again.
        before: the name of the last deployment, which holds what is known of its secrets.
        salt: so that equal secrets don't look equal in two stacks.

    Returns:
        Ten hexadecimal digits for the whole, then eight for each of *secrets* in the order of
        their names.
    """
    names = sorted(secrets)
    groups = before.split("-")[1:]
    if len(groups) != len(names):
        groups = ["00000000"] * len(names)
    for index, name in enumerate(names):
        value = values.get(name)
        if value is not None:
            key = hashlib.pbkdf2_hmac("sha256", value.encode(), f"{salt}/{name}".encode(), _ROUNDS)
            groups[index] = key.hex()[:8]
    shown = {name: value for name, value in values.items() if name not in secrets}
    whole = json.dumps([template, shown, groups], sort_keys=True)
    return "-".join([hashlib.sha256(whole.encode()).hexdigest()[:10], *groups])


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}


def find_template() -> Path:
    """Find template.yaml: the repository's, or the copy in an installed wheel.

    Raises:
        BuildError: neither is there.
    """
    for path in _TEMPLATES:
        if path.is_file():
            return path
    raise BuildError("template.yaml is missing from the installation; install the package again")
