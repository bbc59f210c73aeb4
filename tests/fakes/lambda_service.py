"""As much of AWS Lambda's control plane as publishing a package needs, behind boto3's interface.

Source: the AWS Lambda API reference (revision ids, ``CodeSha256``, versions that are published only
when something has changed) and botocore 1.44's shapes; not checked against AWS.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.exceptions import ClientError


class FakeLambda:
    """One function: its code, its versions, its aliases; the code can be fetched over HTTP.

    Attributes:
        versions: code of each published version by its number; ``$LATEST`` is what was uploaded
            last.
        alias: version that each alias points to.
        calls: the names of what was called to change something, in order.
        failing: by name of a call, errors (or None for none) that its next calls raise.
        before: by name of a call, what somebody else does just before it is answered; once.
        unfinished: how often a state is still ``InProgress`` or ``Pending`` when asked for.
        failed: why Lambda can't take code in, or None.
        unready: why no version gets ready, or None.
    """

    def __init__(self, code=b"", *, aliases=()):
        self.versions = {"$LATEST": code, "1": code}
        self.alias = dict.fromkeys(aliases, "1")
        self.calls = []
        self.failing = {}
        self.before = {}
        self.unfinished = 0
        self.failed = self.unready = None
        self.asked_until_ready = []
        self._revision, self._alias_revisions = 1, dict.fromkeys(aliases, 1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.location = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def code(self):
        return self.versions["$LATEST"]

    def serving(self, alias="live"):
        """The code that callers of the alias meet."""
        return self.versions[self.alias[alias]]

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    # -- boto3's interface --------------------------------------------------------------------

    def get_function(self, FunctionName, Qualifier="$LATEST"):  # noqa: N803 -- as boto3 has it, here and below
        self._begin("get_function")
        code = self._version(Qualifier)
        return {
            "Code": {"Location": f"{self.location}/{Qualifier}?X-Amz-Signature=x"},
            "Configuration": {"RevisionId": f"r{self._revision}", "CodeSha256": _digest(code)},
        }

    def get_function_configuration(self, FunctionName, Qualifier="$LATEST"):  # noqa: N803
        self._begin("get_function_configuration")
        self.asked_until_ready.append(Qualifier)
        waiting, self.unfinished = self.unfinished > 0, max(0, self.unfinished - 1)
        found = {"Runtime": "python3.12", "Architectures": ["arm64"]}
        if Qualifier == "$LATEST":
            state = "Failed" if self.failed else "InProgress" if waiting else "Successful"
            return {**found, "LastUpdateStatus": state, "LastUpdateStatusReason": self.failed}
        state = "Failed" if self.unready else "Pending" if waiting else "Active"
        return {**found, "State": state, "StateReason": self.unready}

    def get_alias(self, FunctionName, Name):  # noqa: N803
        self._begin("get_alias")
        if Name not in self.alias:
            raise _error("ResourceNotFoundException", f"Cannot find alias arn: {Name}")
        revision = f"a{self._alias_revisions[Name]}"
        return {"FunctionVersion": self.alias[Name], "RevisionId": revision}

    def update_function_code(self, FunctionName, ZipFile, RevisionId=None):  # noqa: N803
        self._begin("update_function_code", change=True)
        if RevisionId not in {None, f"r{self._revision}"}:
            raise _error("PreconditionFailedException", "The RevisionId provided does not match")
        self.versions["$LATEST"] = ZipFile
        self._revision += 1
        return {"CodeSha256": _digest(ZipFile), "RevisionId": f"r{self._revision}"}

    def publish_version(self, FunctionName, CodeSha256=None):  # noqa: N803
        self._begin("publish_version", change=True)
        digest = _digest(self.code)
        if CodeSha256 not in {None, digest}:
            why = f"CodeSHA256 ({CodeSha256}) is different from current CodeSHA256 in $LATEST"
            raise _error("InvalidParameterValueException", why)
        last = max((each for each in self.versions if each != "$LATEST"), key=int)
        if self.versions[last] != self.code:  # unchanged code is not published again
            last = str(int(last) + 1)
            self.versions[last] = self.code
        return {"Version": last}

    def update_alias(self, FunctionName, Name, FunctionVersion, RevisionId=None):  # noqa: N803
        self._begin("update_alias", change=True)
        if RevisionId not in {None, f"a{self._alias_revisions[Name]}"}:
            raise _error("PreconditionFailedException", "The RevisionId provided does not match")
        self._point(Name, FunctionVersion)

    def create_alias(self, FunctionName, Name, FunctionVersion):  # noqa: N803
        self._begin("create_alias", change=True)
        if Name in self.alias:
            raise _error("ResourceConflictException", "Alias already exists")
        self._point(Name, FunctionVersion)

    # -- behind it ----------------------------------------------------------------------------

    def _point(self, name, version):
        self._version(version)
        self.alias[name] = version
        self._alias_revisions[name] = self._alias_revisions.get(name, 0) + 1

    def _version(self, qualifier):
        version = self.alias.get(qualifier, qualifier)
        if version not in self.versions:
            raise _error("ResourceNotFoundException", f"Function not found: {qualifier}")
        return self.versions[version]

    def _begin(self, name, *, change=False):
        if change:
            self.calls.append(name)
        somebody_else = self.before.pop(name, None)
        if somebody_else:
            somebody_else()
        error = self.failing[name].pop(0) if self.failing.get(name) else None
        if error:
            raise error

    def _handler(self):
        service = self

        class Code(BaseHTTPRequestHandler):
            def do_GET(self):
                body = service._version(self.path.strip("/").partition("?")[0])
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Stay silent."""

        return Code


def refusal(code="ServiceException", message="try later"):
    """What boto3 raises when Lambda refuses."""
    return _error(code, message)


def _error(code, message):
    return ClientError({"Error": {"Code": code, "Message": message}}, "Anything")


def _digest(code):
    return base64.b64encode(hashlib.sha256(code).digest()).decode()
