"""All of it on a stand-in for AWS: deploy, send a webhook, see the new revision decide.

ministack applies the raw template, runs the functions and checks signatures and policies. What it
can't show (several environments that freeze and answer as on AWS) is run beside it, from the same
archive, against the same bucket.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import time
import zipfile

import pytest
from tests.fakes.ministack import REGION, Ministack
from tests.fakes.origin import Origin, answer, ok
from tests.fakes.sources import revision
from tests.fakes.webhooks import PROJECT, SECRET, body_of, signature_of
from tests.lab.aws_tools import ministack_folder, or_skip
from tests.lab.minirapid import Minirapid
from tests.lab.prepare import lab_or_skip

from bucketer.doors.cli.main import main
from bucketer.doors.cli.terminal import Terminal
from bucketer.publishing import archive
from bucketer.publishing.function import FunctionCode, packaged_in
from bucketer.wire import exchange, split_url

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

    def webhook_without_revision(self):
        """A webhook that names no revision, so that nothing is waited for."""
        body = json.dumps({"project_id": int(PROJECT), "data": []}).encode()
        headers = {"X-Hub-Signature": signature_of(body)}
        return self.aws.ask(self.outputs["WebhookUrl"], "POST", "", body, headers)

    @contextlib.contextmanager
    def denied(self, action):
        """Meanwhile nobody may do *action* with what is in the bucket."""
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": action,
            "Resource": f"arn:aws:s3:::{self.bucket}/*",
        }
        s3 = self.aws.client("s3")
        s3.put_bucket_policy(
            Bucket=self.bucket,
            Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        try:
            yield
        finally:
            s3.delete_bucket_policy(Bucket=self.bucket)

    def packaged(self):
        """The revision in the package that callers meet."""
        client = self.aws.client("lambda")
        return FunctionCode(f"{self.function}:live", client).packaged().standing.revision

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
        status, out, err = _deploy(aws, "--python", PYTHON, **parameters)
        assert status == 0, f"{err}\n{aws.log.read_text()[-3000:]}"
        outputs = dict(
            line.split(": ", 1)
            for line in out.splitlines()
            if line.split(": ")[0].endswith(("Url", "Name"))
        )
        _allow_what_ministack_calls_update_alias(aws)
        found = Deployed(aws, cdn, outputs, parameters)
        found.told = out
        # Everything comes over plain HTTP here, which the bucket's policy denies.
        found.over_plain_http = found.announce(found.new())
        aws.client("s3").delete_bucket_policy(Bucket=found.bucket)
        yield found
    aws.stop()


def _deploy(aws, *options, **parameters):
    """Run `bucketer deploy` on the stack."""
    out, err = io.StringIO(), io.StringIO()
    given = [part for pair in parameters.items() for part in ("--parameter", "=".join(pair))]
    status = main(
        ["deploy", "--stack", "e2e", "--region", REGION, *options, *given],
        Terminal(out, err, {"COLUMNS": "10000", **aws.environ}),  # a URL stays on its line
    )
    return status, out.getvalue(), err.getvalue()


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


def test_what_is_deployed_first_has_the_datafile_packaged_already(deployed):
    assert "Revision 1 is packaged." in deployed.told
    assert "curl 'http" in deployed.told
    assert "/bucketer?e=" in deployed.told


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
    task = _task(tmp_path)
    environ = {
        "BUCKETER_DATAFILE": f"s3://{deployed.bucket}/datafile.json {deployed.cdn.url}/x packaged",
        "DATAFILE_MAX_AGE": "1",
        "BUCKETER_EVENTS": "off",
        **deployed.aws.environ,
    }
    old, new = deployed.new(), deployed.new()
    assert 200 == deployed.announce(old)[0]
    environments = [
        Minirapid(lab, task, "app.lambda_handler", environment=environ) for _ in range(3)
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
    assert str(number) == packaged_in(code).standing.revision


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
    status, report = deployed.webhook_without_revision()

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


def test_a_cdn_that_lags_is_waited_for(deployed):
    number = deployed.new()
    before = deployed.cdn.answers[-1]
    deployed.cdn.answers[:] = [before, answer(502), before, ok(revision(number), ETag='"new"')]
    status, report = deployed.webhook(number)

    assert (200, str(number)) == (status, report["revision"])
    assert revision(number) == deployed.stored("datafile.json")


HOSTILE = [
    b"[" * 200_000,
    b'{"a":' * 100_000,
    b"\xff\xfe" * 1_000,
    b'{"version": "4", "revision": "99999999999999999999", "projectId": "11"}',
    revision("9" * 5_000, projectId=["11"]),
]


def test_hostile_datafiles_are_not_published_and_decisions_go_on(deployed):
    before, version = deployed.stored("datafile.json"), deployed.alias()
    deployed.cdn.answers[:] = [ok(each) for each in HOSTILE]  # one for each look at the CDN
    status, report = deployed.webhook_without_revision()

    assert 1 == len(deployed.cdn.answers)  # all were looked at; the last one again and again
    assert (503, "invalid_datafile") == (status, report["error"]["code"])
    assert before == deployed.stored("datafile.json")
    assert version == deployed.alias()
    assert deployed.decide()["revision"].isdecimal()


def test_a_target_that_is_denied_is_told_and_the_webhook_sent_again_makes_up_for_it(deployed):
    number = deployed.new()
    with deployed.denied("s3:PutObject"):
        status, report = deployed.announce(number)
    again, second = deployed.webhook(number)

    assert (500, "AccessDenied from S3") == (status, report["failed"][f"s3://{deployed.bucket}"])
    assert f"revision {number} is in version" in report["done"][deployed.function]
    assert (200, f"published revision {number}") == (
        again,
        second["done"][f"s3://{deployed.bucket}"],
    )
    assert revision(number) == deployed.stored("datafile.json")


def test_an_environment_that_is_denied_its_datafile_decides_by_the_last_good_one(deployed):
    number, newer = deployed.new(), deployed.new()
    deployed.announce(number)
    _eventually(lambda: deployed.decide()["revision"], str(number))
    with deployed.denied("s3:GetObject"):
        deployed.aws.client("s3").put_object(
            Bucket=deployed.bucket, Key="datafile.json", Body=revision(newer)
        )
        found = []
        for _ in range(3):
            time.sleep(1.1)  # older than DATAFILE_MAX_AGE: it asks, and is refused
            found.append(deployed.decide()["revision"])

    assert [str(number)] * 3 == found
    _eventually(lambda: deployed.decide()["revision"], str(newer))


def test_an_s3_that_stops_answering_costs_no_decision(deployed, tmp_path):
    """It accepts and is silent from the second request on."""
    lab = lab_or_skip(PYTHON)
    task = _task(tmp_path)
    with Origin(ok(revision(70), ETag='"70"'), [60.0]) as s3, Origin([60.0]) as cdn:
        environment = Minirapid(
            lab,
            task,
            "app.lambda_handler",
            environment={
                **deployed.aws.environ,
                "AWS_ENDPOINT_URL_S3": s3.url,
                "BUCKETER_DATAFILE": f"s3://b/datafile.json {cdn.url}/x packaged",
                "DATAFILE_MAX_AGE": "1",
                "BUCKETER_EVENTS": "off",
            },
        )
        try:
            first = _revision(environment)
            time.sleep(1.1)
            took, found = [], []
            for _ in range(3):
                started = time.monotonic()
                result = environment.invoke(_event())
                took.append(time.monotonic() - started)
                found.append(json.loads(result["body"])["debug"]["datafile"]["revision"])
                environment.wait_until_done()
            asked = len(s3.requests)
        finally:
            environment.stop()

    assert ("70", ["70"] * 3) == (first, found)
    assert asked > 1
    assert max(took) < 1  # what is waited for is behind the answer


def test_deploying_again_without_a_change_is_no_update(deployed):
    first, _, _ = _deploy(deployed.aws)  # a webhook may have baked in another than was deployed
    version = deployed.alias()
    status, out, err = _deploy(deployed.aws)

    assert (0, 0) == (first, status), err
    assert "Nothing has changed" in err
    assert "Try:" in out
    assert version == deployed.alias()


def test_a_deployment_that_changes_only_a_parameter_reaches_what_callers_meet(deployed):
    number = deployed.new()
    deployed.announce(number)
    version = deployed.alias()
    status, _, err = _deploy(deployed.aws, MemorySize="640")
    serving = deployed.aws.client("lambda").get_function_configuration(
        FunctionName=deployed.function, Qualifier="live"
    )

    assert 0 == status, err
    assert int(deployed.alias()) > int(version)
    assert 640 == serving["MemorySize"]
    # What wasn't given stays, also what CloudFormation doesn't show: runtime, secrets, the datafile.
    assert f"python{PYTHON}" == serving["Runtime"]
    assert deployed.parameters["DatafileUrl"] == serving["Environment"]["Variables"]["DATAFILE_URL"]
    assert str(number) == deployed.packaged()
    assert 200 == deployed.webhook(number)[0]


def test_a_deployment_that_knows_the_url_packages_and_publishes_what_is_there(deployed):
    number = deployed.new()
    deployed.publish(number)  # and no webhook
    status, out, err = _deploy(deployed.aws, DatafileUrl=deployed.parameters["DatafileUrl"])

    assert 0 == status, err
    assert f"Revision {number} is packaged." in out
    assert f"s3://{deployed.bucket}: published revision {number}." in out
    assert str(number) == deployed.packaged()
    assert revision(number) == deployed.stored("datafile.json")


def test_a_stack_whose_url_moves_to_another_project_serves_that(deployed):
    number = deployed.new()
    deployed.announce(number)
    with Origin(ok(revision(1, projectId="12"), ETag='"other"')) as other:
        status, out, err = _deploy(deployed.aws, DatafileUrl=f"{other.url}/OTHER.json")
        moved = deployed.packaged(), deployed.stored("datafile.json")
        _eventually(lambda: deployed.decide()["revision"], "1")
    back, _, _ = _deploy(deployed.aws, DatafileUrl=deployed.parameters["DatafileUrl"])

    assert (0, 0) == (status, back), err
    assert f"published revision 1, in place of revision {number} of project 11" in out
    assert ("1", revision(1, projectId="12")) == moved
    assert str(number) == deployed.packaged()


def test_a_datafile_that_cannot_be_fetched_stops_the_deployment_unless_it_is_told_not_to(deployed):
    version = deployed.alias()
    with Origin(answer(403)) as gone:
        url = {"DatafileUrl": f"{gone.url}/datafiles/SDK-KEY.json"}
        status, _, err = _deploy(deployed.aws, **url)

    assert 1 == status
    assert "status 403" in err
    assert "SDK-KEY" not in err
    assert version == deployed.alias()


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


def _task(folder):
    """The archive of the decision function, unpacked."""
    built = archive.build(folder / "p.zip", python=PYTHON, architecture="x86_64")
    with zipfile.ZipFile(built.path) as file:
        file.extractall(folder / "task")
    return folder / "task"


def _event():
    return {
        "version": "2.0",
        "rawPath": "/bucketer",
        "rawQueryString": QUERY[1:],
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": "/bucketer", "sourceIp": "192.0.2.1"}},
    }


def _revision(environment):
    result = environment.invoke(_event())
    environment.wait_until_done()
    body = json.loads(result["body"])
    return body["debug"]["datafile"]["revision"] if result["statusCode"] == 200 else body


@pytest.mark.parametrize(
    ("access", "url"),
    [
        ("iam", r"https?://\w+\.lambda-url\..*/bucketer"),
        ("jwt", r"https://\w+\.execute-api\.\S+\.amazonaws\.com/bucketer"),
        ("api-key", r"https://\w+\.execute-api\.\S+\.amazonaws\.com/live/bucketer"),
        ("open", r"https?://\w+\.lambda-url\..*/bucketer"),
    ],
)
def test_the_stack_goes_over_to_each_way_of_asking_who_asks(deployed, access, url):
    parameters = {**deployed.parameters, "Access": access, "JwtIssuer": "https://issuer.example"}
    status, out, err = _deploy(deployed.aws, "--python", PYTHON, "--no-pull", **parameters)

    assert 0 == status, err
    [told] = re.findall(r"^BucketerUrl: (.+)$", out, re.MULTILINE)
    assert re.fullmatch(url, told)
    client = deployed.aws.client("lambda")
    config = client.get_function_url_config(FunctionName=deployed.function, Qualifier="live")
    assert ("NONE" if access == "open" else "AWS_IAM") == config["AuthType"]


def test_a_file_of_environments_comes_as_a_layer_to_both_functions(deployed):
    """ministack has no /opt, so what they do with it is shown over moto (test_webhook_environments)."""
    client = deployed.aws.client("lambda")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr("bucketer.toml", '[environments.production]\nsdk_key = "SDK-KEY"\n')
    layer = client.publish_layer_version(
        LayerName="bucketer-toml", Content={"ZipFile": held.getvalue()}
    )["LayerVersionArn"]
    parameters = {**deployed.parameters, "ConfigLayer": layer}
    status, _, err = _deploy(deployed.aws, "--python", PYTHON, "--no-pull", **parameters)

    assert 0 == status, err
    names = [each["FunctionName"] for each in client.list_functions()["Functions"]]
    webhook = next(name for name in names if "WebhookFunction" in name)
    for name in (deployed.function, webhook):
        found = client.get_function_configuration(FunctionName=name)
        assert [layer] == [each["Arn"] for each in found["Layers"]]
        variables = found["Environment"]["Variables"]
        assert "/opt/bucketer.toml" == variables["BUCKETER_CONFIG"]
        assert f"s3://{deployed.bucket}/environments" == variables["BUCKETER_ENVIRONMENTS_STORE"]
