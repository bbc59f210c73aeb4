"""The whole mission on a stand-in for AWS: deploy, send a webhook, see the new revision decide.

ministack applies the raw template, runs the functions and checks signatures and policies. What it
can't show (several environments that freeze and answer as on AWS) is run beside it, from the same
archive, against the same bucket.
"""

from __future__ import annotations

import io
import itertools
import json
import time
import zipfile

import pytest
from tests.fakes.ministack import REGION, Ministack
from tests.fakes.origin import Origin, ok
from tests.fakes.sources import revision
from tests.fakes.webhooks import PROJECT, SECRET, body_of, signature_of
from tests.lab.aws_tools import ministack_folder, or_skip
from tests.lab.minirapid import Minirapid
from tests.lab.prepare import lab_or_skip

from bucketer.doors.cli.main import main
from bucketer.doors.cli.terminal import Terminal
from bucketer.publishing import archive
from bucketer.publishing.function import baked_revision
from bucketer.sources.wire import exchange, split_url

pytestmark = pytest.mark.e2e

#: ministack runs functions with its own interpreter, whatever their runtime says.
PYTHON = "3.12"
QUERY = "?e=checkout_flow_experiment&u=user-3&debug=1"


class Deployed:
    """What the tests look at."""

    def __init__(self, aws, cdn, outputs, parameters):
        self.aws, self.cdn, self.outputs, self.parameters = aws, cdn, outputs, parameters
        self.bucket = outputs["DatafileBucketName"]
        self.function = outputs["BucketerFunctionName"]
        self._numbers = itertools.count(2)

    def new(self):
        """The number of a revision that is newer than all before, so that no test needs another."""
        return next(self._numbers)

    def publish(self, number):
        """Let the CDN show a revision."""
        self.cdn.answers[:] = [ok(revision(number), ETag=f'"{number}"')]

    def announce(self, number):
        """Publish a revision and send its webhook."""
        self.publish(number)
        return self.webhook(number)

    def keys(self):
        found = self.aws.client("s3").list_objects_v2(Bucket=self.bucket)
        return {each["Key"] for each in found.get("Contents", ())}

    def webhook(self, number, secret=SECRET):
        body = body_of(number, self.parameters["DatafileUrl"])
        headers = {
            "X-Hub-Signature": signature_of(body, secret),
            "Content-Type": "application/json",
        }
        return self.aws.ask(self.outputs["WebhookUrl"], "POST", "", body, headers)

    def decide(self):
        """What one request to the Function URL is decided by."""
        status, answer = self.aws.ask(self.outputs["BucketerUrl"], target=QUERY)
        assert status == 200, answer
        return answer["debug"]["datafile"]

    def stored(self, key):
        return self.aws.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def alias(self):
        client = self.aws.client("lambda")
        return client.get_alias(FunctionName=self.function, Name="live")["FunctionVersion"]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ministack")
    tools = or_skip(ministack_folder)
    lab_or_skip(PYTHON)
    aws = Ministack(tools, folder)
    with Origin(ok(revision(1), ETag='"1"')) as cdn, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environ.items():
            patch.setenv(name, value)
        parameters = {
            "DatafileUrl": f"{cdn.url}/datafiles/SDK-KEY.json",
            "WebhookSecret": SECRET,
            "WebhookUpdatesCode": "yes",
            "ProjectId": PROJECT,
            "DatafileMaxAge": "1",
            "Events": "off",
        }
        out, err = io.StringIO(), io.StringIO()
        given = [part for pair in parameters.items() for part in ("--parameter", "=".join(pair))]
        status = main(
            ["deploy", "--stack", "e2e", "--python", PYTHON, "--region", REGION, *given],
            Terminal(out, err, aws.environ),
        )
        assert status == 0, f"{err.getvalue()}\n{aws.log.read_text()[-3000:]}"
        outputs = dict(
            line.split(": ", 1)
            for line in out.getvalue().splitlines()
            if ": http" in line or "Name: " in line
        )
        _allow_what_ministack_calls_update_alias(aws)
        found = Deployed(aws, cdn, outputs, parameters)
        # Everything comes over plain HTTP here, which the bucket's policy denies.
        found.over_plain_http = found.announce(found.new())
        aws.client("s3").delete_bucket_policy(Bucket=found.bucket)
        yield found
    aws.stop()


def _allow_what_ministack_calls_update_alias(aws):
    """It takes UpdateAlias for ListAliases (1.5.33, core/iam_actions.py:_lambda_action)."""
    statement = {"Effect": "Allow", "Action": "lambda:ListAliases", "Resource": "*"}
    client = aws.client("iam")
    for role in client.list_roles()["Roles"]:
        if "WebhookFunctionRole" in role["RoleName"]:
            client.put_role_policy(
                RoleName=role["RoleName"],
                PolicyName="ministack",
                PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
            )


def _eventually(look, expected, within_s=10.0):
    deadline = time.monotonic() + within_s
    while (found := look()) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == expected


def test_the_deployed_function_answers_at_the_printed_url(deployed):
    assert deployed.outputs["BucketerUrl"].endswith("/bucketer")
    assert deployed.decide()["revision"].isdecimal()


def test_the_bucket_denies_what_does_not_come_over_tls(deployed):
    status, report = deployed.over_plain_http

    assert 500 == status
    assert "AccessDenied from S3" == report["failed"][f"s3://{deployed.bucket}"]


def test_an_unsigned_webhook_is_refused_and_publishes_nothing(deployed):
    number, before = deployed.new(), deployed.keys()
    deployed.publish(number)
    status, report = deployed.webhook(number, secret="guessed")

    assert (403, "webhook_refused") == (status, report["error"]["code"])
    assert before == deployed.keys()


def test_a_webhook_reaches_every_running_environment_within_its_age(deployed, tmp_path):
    lab = lab_or_skip(PYTHON)
    built = archive.build(tmp_path / "p.zip", python=PYTHON, architecture="x86_64")
    with zipfile.ZipFile(built.path) as file:
        file.extractall(tmp_path / "task")
    environ = {
        "BUCKETER_DATAFILE": f"s3://{deployed.bucket}/datafile.json {deployed.cdn.url}/x packaged",
        "DATAFILE_MAX_AGE": "1",
        "BUCKETER_EVENTS": "off",
        **deployed.aws.environ,
    }
    old, new = deployed.new(), deployed.new()
    assert 200 == deployed.announce(old)[0]
    environments = [
        Minirapid(lab, tmp_path / "task", "app.lambda_handler", environment=environ)
        for _ in range(3)
    ]
    try:
        for each in environments:
            _eventually(lambda each=each: _revision(each), str(old))
        status, report = deployed.announce(new)
        time.sleep(1.1)
        for each in environments:
            _revision(each)  # finds its datafile too old, and fetches behind the answer
        after = [_revision(each) for each in environments]
    finally:
        for each in environments:
            each.stop()

    assert 200 == status, report
    assert f"s3://{deployed.bucket}" in report["done"]
    assert [str(new)] * 3 == after
    _eventually(lambda: deployed.decide()["revision"], str(new))
    assert revision(new) == deployed.stored("datafile.json")
    assert revision(old) == deployed.stored(f"revisions/{old}.json")


def test_the_functions_new_version_has_the_revision_baked_in(deployed):
    before, number = deployed.alias(), deployed.new()
    status, report = deployed.announce(number)
    client = deployed.aws.client("lambda")
    version = deployed.alias()
    location = client.get_function(FunctionName=deployed.function, Qualifier=version)["Code"][
        "Location"
    ]
    code = exchange(split_url(location), {}, timeout_s=20, max_bytes=10**8).body

    assert 200 == status, report
    assert (
        f"revision {number} is in version {version}, alias live moved"
        == report["done"][deployed.function]
    )
    assert int(version) > int(before)
    assert str(number) == baked_revision(code)


def test_the_replay_of_an_older_webhook_changes_nothing(deployed):
    old, new = deployed.new(), deployed.new()
    deployed.announce(new)
    version = deployed.alias()
    status, report = deployed.announce(old)  # from an edge of the CDN that is behind

    assert 200 == status, report
    assert 2 == len(report["done"])
    assert all(told.startswith(f"kept revision {new},") for told in report["done"].values())
    assert revision(new) == deployed.stored("datafile.json")
    assert version == deployed.alias()


def test_a_broken_datafile_is_not_published_and_decisions_go_on(deployed):
    number = deployed.new()
    deployed.announce(number)
    deployed.cdn.answers[:] = [ok(revision(deployed.new())[:-30])]
    body = json.dumps({"project_id": int(PROJECT), "data": []}).encode()  # names no revision
    headers = {"X-Hub-Signature": signature_of(body)}
    status, report = deployed.aws.ask(deployed.outputs["WebhookUrl"], "POST", "", body, headers)

    assert (503, "invalid_datafile") == (status, report["error"]["code"])
    assert revision(number) == deployed.stored("datafile.json")
    _eventually(lambda: deployed.decide()["revision"], str(number))


def test_an_archived_revision_can_be_asked(deployed):
    old, new = deployed.new(), deployed.new()
    deployed.announce(old)
    deployed.announce(new)
    url = deployed.outputs["BucketerUrl"]
    status, answer = deployed.aws.ask(url, target=f"{QUERY}&revision={old}")
    missing, error = deployed.aws.ask(url, target=f"{QUERY}&revision=99999")

    assert (200, str(old)) == (status, answer["debug"]["datafile"]["revision"])
    assert (404, "unknown_revision") == (missing, error["error"]["code"])


def test_deploying_again_without_a_change_is_no_update(deployed):
    out, err = io.StringIO(), io.StringIO()
    status = main(
        ["deploy", "--stack", "e2e", "--python", PYTHON, "--region", REGION],
        Terminal(out, err, deployed.aws.environ),
    )

    assert 0 == status, err.getvalue()
    assert "Try:" in out.getvalue()


def test_pushing_one_functions_code_moves_its_alias(deployed):
    before = deployed.alias()
    out, err = io.StringIO(), io.StringIO()
    status = main(
        ["deploy", "--function", f"{deployed.function}:live", "--region", REGION],
        Terminal(out, err, deployed.aws.environ),
    )

    assert 0 == status, err.getvalue()
    assert int(deployed.alias()) > int(before)
    assert 200 == deployed.aws.ask(deployed.outputs["BucketerUrl"], target=QUERY)[0]


def _revision(environment):
    event = {
        "version": "2.0",
        "rawPath": "/bucketer",
        "rawQueryString": QUERY[1:],
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": "/bucketer", "sourceIp": "192.0.2.1"}},
    }
    result = environment.invoke(event)
    environment.wait_until_done()
    body = json.loads(result["body"])
    return body["debug"]["datafile"]["revision"] if result["statusCode"] == 200 else body
