"""As much of AWS Lambda's control plane as publishing a package needs, behind boto3's interface."""

from __future__ import annotations

import itertools


class ResourceNotFoundException(Exception):
    """As boto3 names it."""


class FakeLambda:
    """One function whose code can be fetched at `location`.

    Attributes:
        code: the package now.
        calls: what was called, in order.
        alias: version that each alias points to.
        pending: how often the code is still being taken in when asked for.
    """

    class exceptions:  # noqa: N801 -- as boto3 has it
        """Errors by name."""

        ResourceNotFoundException = ResourceNotFoundException

    def __init__(self, code=b"", location="", *, aliases=()):
        self.code, self.location = code, location
        self.alias = dict.fromkeys(aliases, "1")
        self.calls = []
        self.pending = 0
        self.failed = None
        self._versions = itertools.count(2)

    def get_function(self, FunctionName):  # noqa: N803 -- as boto3 has it, here and below
        self.calls.append("get_function")
        return {"Code": {"Location": self.location}, "Configuration": {"RevisionId": "seen"}}

    def get_function_configuration(self, FunctionName):  # noqa: N803
        if self.failed:
            return {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": self.failed}
        if self.pending:
            self.pending -= 1
            return {"LastUpdateStatus": "InProgress"}
        return {
            "LastUpdateStatus": "Successful",
            "Runtime": "python3.12",
            "Architectures": ["arm64"],
        }

    def update_function_code(self, FunctionName, ZipFile, RevisionId=None):  # noqa: N803
        self.calls.append(("update_function_code", RevisionId))
        self.code = ZipFile

    def publish_version(self, FunctionName):  # noqa: N803
        self.calls.append("publish_version")
        return {"Version": str(next(self._versions))}

    def update_alias(self, FunctionName, Name, FunctionVersion):  # noqa: N803
        if Name not in self.alias:
            raise ResourceNotFoundException
        self.calls.append(("update_alias", Name, FunctionVersion))
        self.alias[Name] = FunctionVersion

    def create_alias(self, FunctionName, Name, FunctionVersion):  # noqa: N803
        self.calls.append(("create_alias", Name, FunctionVersion))
        self.alias[Name] = FunctionVersion
