"""template.yaml: linted, validated, and what it turns into looked at."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.lab.aws_tools import or_skip, sam_folder

from bucketer.doors.cli.build import DEFAULT_PYTHON
from bucketer.publishing.archive import PLATFORMS, PYTHONS
from bucketer.publishing.publisher import RESERVE_S
from bucketer.publishing.stack import release_of
from bucketer.settings import BY_NAME

REPOSITORY = Path(__file__).parents[2]
TEMPLATE = REPOSITORY / "template.yaml"

_TRANSLATE = """
import json, sys
from samtranslator.parser import parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse
import boto3

template = yaml_parse(open(sys.argv[1]).read())
translator = Translator({}, parser.Parser(), boto_session=boto3.Session(region_name="eu-central-1"))
print(json.dumps(translator.translate(template, json.loads(sys.argv[2])), default=str))
"""


def _translate(**parameters):
    """What CloudFormation would be given, after the SAM transform with those parameters."""
    tools = or_skip(sam_folder)
    text = re.sub(r"CodeUri: \S+", "CodeUri: s3://archives/code.zip", TEMPLATE.read_text())
    done = subprocess.run(
        [tools / "python", "-c", _TRANSLATE, "/dev/stdin", json.dumps(parameters)],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def translated():
    return _translate()


def _of_kind(translated, kind):
    return {
        name: each["Properties"]
        for name, each in translated["Resources"].items()
        if each["Type"] == kind
    }


def test_cfn_lint_finds_nothing():
    done = subprocess.run(
        [Path(sys.executable).parent / "cfn-lint", TEMPLATE],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stdout)


def test_sam_accepts_it(tmp_path):
    tools = or_skip(sam_folder)
    done = subprocess.run(
        [tools / "sam", "validate", "--template", TEMPLATE, "--region", "eu-central-1"],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "SAM_CLI_TELEMETRY": "0",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
        },
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr


def test_every_function_runs_on_a_python_that_lambda_has(translated):
    functions = _of_kind(translated, "AWS::Lambda::Function")

    assert 3 == len(functions)
    assert [{"Ref": "Runtime"}] * 3 == [each["Runtime"] for each in functions.values()]
    runtime = translated["Parameters"]["Runtime"]
    assert [f"python{each}" for each in PYTHONS] == runtime["AllowedValues"]
    assert f"python{DEFAULT_PYTHON}" == runtime["Default"]
    assert sorted(PLATFORMS) == sorted(translated["Parameters"]["Architecture"]["AllowedValues"])


def test_the_decision_function_has_an_alias_a_url_and_a_bounded_time(translated):
    function = _of_kind(translated, "AWS::Lambda::Function")["BucketerFunction"]
    (url,) = [
        each
        for name, each in _of_kind(translated, "AWS::Lambda::Url").items()
        if name.startswith("Bucketer")
    ]

    assert "app.lambda_handler" == function["Handler"]
    assert 10 == function["Timeout"]
    assert {"Ref": "BucketerFunctionAliaslive"} == url["TargetFunctionArn"]
    assert "BucketerFunctionAliaslive" in translated["Resources"]
    assert {"Fn::If": ["HasSnapStart", "PublishedVersions", "None"]} == function["SnapStart"][
        "ApplyOn"
    ]


def _version(translated):
    """The resource that publishes the version which callers meet."""
    return translated["Resources"]["BucketerFunctionAliaslive"]["Properties"]["FunctionVersion"][
        "Fn::GetAtt"
    ][0]


def test_a_deployment_that_changes_only_a_parameter_publishes_a_version_for_the_alias():
    """SAM looks at the template as it is written, where a parameter is a reference: hence Release."""
    releases = [_release(MemorySize=512), _release(MemorySize=512), _release(MemorySize=1024)]
    first, again, other = (_translate(Release=each) for each in releases)

    assert _version(first) == _version(again)
    assert _version(first) != _version(other)
    # Lambda publishes nothing where nothing has changed, and CloudFormation takes that for an error.
    descriptions = [
        each["Resources"]["BucketerFunction"]["Properties"]["Description"]
        for each in (first, other)
    ]
    assert descriptions[0] != descriptions[1]


def _by_access(translated, access):
    """The names of the resources that there are with that parameter, of those that depend on it."""
    conditions = {"IsOpen": {"open"}, "AsksForJwt": {"jwt"}, "AsksForApiKey": {"api-key"}}
    conditions["HasApi"] = {"jwt", "api-key"}
    return {
        name
        for name, each in translated["Resources"].items()
        if access in conditions.get(each.get("Condition", ""), ())
    }


def test_one_parameter_says_who_may_ask(translated):
    access = translated["Parameters"]["Access"]

    assert ("open", ["open", "iam", "jwt", "api-key"]) == (
        access["Default"],
        access["AllowedValues"],
    )
    url = translated["Resources"]["BucketerFunctionUrl"]["Properties"]
    assert {"Fn::If": ["IsOpen", "NONE", "AWS_IAM"]} == url["AuthType"]
    assert {"Fn::Equals": [{"Ref": "Access"}, "open"]} == translated["Conditions"]["IsOpen"]
    assert set() == _by_access(translated, "iam")


def test_only_where_it_is_open_may_everybody_call_the_function(translated):
    """SAM makes these itself where `AuthType` is written out; else there would be none, or two."""
    permissions = {
        name: each
        for name, each in translated["Resources"].items()
        if each["Type"] == "AWS::Lambda::Permission" and "Webhook" not in name
    }
    everybodys = {
        name for name, each in permissions.items() if each["Properties"]["Principal"] == "*"
    }

    assert everybodys == _by_access(translated, "open")
    assert 2 == len(everybodys)
    assert {"BucketerFunctionAliaslive"} == {
        each["Properties"]["FunctionName"]["Ref"] for each in permissions.values()
    }
    others = {
        name: each["Properties"] for name, each in permissions.items() if name not in everybodys
    }
    assert {"JwtPermission": "JwtApi", "KeyPermission": "KeyApi"} == {
        name: re.search(r"\{(\w+)\}/", each["SourceArn"]["Fn::Sub"])[1]
        for name, each in others.items()
    }


def test_the_http_api_lets_nothing_but_preflights_in_without_a_jwt(translated):
    routes = _of_kind(translated, "AWS::ApiGatewayV2::Route").values()
    open_routes = [each["RouteKey"] for each in routes if each["AuthorizationType"] != "JWT"]

    assert ["OPTIONS /{proxy+}"] == open_routes
    assert ["$default"] == [
        each["RouteKey"] for each in routes if each.get("AuthorizerId") == {"Ref": "JwtAuthorizer"}
    ]
    (stage,) = _of_kind(translated, "AWS::ApiGatewayV2::Stage").values()
    assert {"Ref": "RateLimit"} == stage["DefaultRouteSettings"]["ThrottlingRateLimit"]
    (rule,) = translated["Rules"].values()
    assert "JwtIssuer" in json.dumps(rule["Assertions"])


def test_the_rest_api_lets_nothing_but_preflights_in_without_a_key_of_a_plan(translated):
    methods = _of_kind(translated, "AWS::ApiGateway::Method").values()

    assert {"ANY": True, "OPTIONS": False} == {
        each["HttpMethod"]: each["ApiKeyRequired"] for each in methods
    }
    (plan,) = _of_kind(translated, "AWS::ApiGateway::UsagePlan").values()
    assert {"Limit": {"Ref": "DailyQuota"}, "Period": "DAY"} == plan["Quota"]
    assert {"RateLimit": {"Ref": "RateLimit"}, "BurstLimit": {"Ref": "BurstLimit"}} == plan[
        "Throttle"
    ]
    assert translated["Resources"]["KeyDeployment"]["DependsOn"] == [
        "KeyMethod",
        "KeyPreflightMethod",
    ]


def test_without_a_release_as_sam_deploys_it_there_still_is_a_version(translated):
    assert "AWS::Lambda::Version" == translated["Resources"][_version(translated)]["Type"]


def _release(**values):
    return release_of("template", values, {"DatafileUrl"}, "", salt="s")


def test_the_webhook_may_wait_and_still_publish_before_it_is_stopped(translated):
    timeout = _of_kind(translated, "AWS::Lambda::Function")["WebhookFunction"]["Timeout"]

    assert {"Fn::If": ["UpdatesCode", 300, 120]} == timeout
    assert 120 >= RESERVE_S + float(BY_NAME["BUCKETER_WEBHOOK_WAIT"].default)


#: What strangers can cost is bounded from the start; forged webhooks are refused in milliseconds.
_CONCURRENCY = {"ReservedConcurrency": 100, "WebhookConcurrency": -1}


def test_each_function_s_concurrency_is_a_parameter_of_its_own(translated):
    functions = _of_kind(translated, "AWS::Lambda::Function")

    for name, condition, parameter in (
        ("BucketerFunction", "HasReservation", "ReservedConcurrency"),
        ("WebhookFunction", "HasWebhookReservation", "WebhookConcurrency"),
    ):
        reserved = functions[name]["ReservedConcurrentExecutions"]
        assert [condition, {"Ref": parameter}, {"Ref": "AWS::NoValue"}] == reserved["Fn::If"]
    defaults = {name: translated["Parameters"][name]["Default"] for name in _CONCURRENCY}
    assert _CONCURRENCY == defaults


def test_every_variable_that_it_sets_is_a_setting(translated):
    for name, each in _of_kind(translated, "AWS::Lambda::Function").items():
        assert set(each["Environment"]["Variables"]) <= set(BY_NAME), name


_STARRED = r"Arn\}/(revisions|environments)/\*|BucketerFunction\.Arn\}:\*"


def test_policies_name_actions_and_resources_and_no_wildcards(translated):
    """Beside what lies in the bucket's folders and the function's versions, nothing is starred."""
    seen = 0
    for name, role in _of_kind(translated, "AWS::IAM::Role").items():
        for statement in _statements(role.get("Policies", [])):
            seen += 1
            for action in _list(statement["Action"]):
                assert "*" not in action, (name, action)
            for resource in _list(statement["Resource"]):
                text = json.dumps(resource)
                assert text not in {'"*"', '"arn:aws:s3:::*"'}, (name, statement)
                if "*" in text:
                    assert re.search(_STARRED, text), (name, text)
    assert seen >= 5


def test_the_decision_function_can_write_nothing_but_the_queue(translated):
    roles = _of_kind(translated, "AWS::IAM::Role")
    actions = {
        action
        for statement in _statements(roles["BucketerFunctionRole"]["Policies"])
        for action in _list(statement["Action"])
    }

    assert {"s3:GetObject", "s3:ListBucket", "sqs:SendMessage"} == actions


def test_without_webhook_or_queue_the_decision_function_may_do_nothing_at_all(translated):
    policies = _of_kind(translated, "AWS::IAM::Role")["BucketerFunctionRole"]["Policies"]

    assert ["HasWebhook", "HasRevisions", "HasQueue"] == [each["Fn::If"][0] for each in policies]
    assert all({"Ref": "AWS::NoValue"} == each["Fn::If"][2] for each in policies)


def test_archived_revisions_are_read_only_where_they_may_be_asked(translated):
    variables = _of_kind(translated, "AWS::Lambda::Function")["BucketerFunction"]["Environment"]
    condition, _, otherwise = variables["Variables"]["BUCKETER_REVISIONS"]["Fn::If"]

    assert ("HasRevisions", {"Ref": "AWS::NoValue"}) == (condition, otherwise)
    assert {
        "Fn::And": [
            {"Condition": "PublishesDatafile"},
            {"Fn::Equals": [{"Ref": "Revisions"}, "on"]},
        ]
    } == (translated["Conditions"]["HasRevisions"])


def test_a_file_of_environments_reaches_both_functions_with_a_folder_in_the_bucket(translated):
    functions = _of_kind(translated, "AWS::Lambda::Function")
    for name in ("BucketerFunction", "WebhookFunction"):
        condition, layers, _ = functions[name]["Layers"]["Fn::If"]
        variables = functions[name]["Environment"]["Variables"]
        _, store, otherwise = variables["BUCKETER_ENVIRONMENTS_STORE"]["Fn::If"]

        assert ("HasConfig", [{"Ref": "ConfigLayer"}]) == (condition, layers)
        assert "/opt/bucketer.toml" == variables["BUCKETER_CONFIG"]["Fn::If"][1]
        assert ("s3://${DatafileBucket}/environments", {"Ref": "AWS::NoValue"}) == (
            store["Fn::Sub"],
            otherwise,
        )
        roles = _of_kind(translated, "AWS::IAM::Role")
        assert "}/environments/*" in json.dumps(roles[f"{name}Role"]["Policies"])


def test_only_the_datafile_of_a_parameter_goes_to_the_bucket_s_first_place(translated):
    """Where the file names the default environment, it has a folder as the others have."""
    functions = _of_kind(translated, "AWS::Lambda::Function")
    read = functions["BucketerFunction"]["Environment"]["Variables"]["BUCKETER_DATAFILE"]
    written = functions["WebhookFunction"]["Environment"]["Variables"]["BUCKETER_PUBLISH"]

    assert "PublishesDatafile" == read["Fn::If"][0] == written["Fn::If"][0]
    assert "HasWebhook" == translated["Resources"]["WebhookFunction"]["Condition"]
    assert {"Fn::Or": [{"Condition": "PublishesDatafile"}, {"Condition": "HasConfig"}]} == (
        translated["Conditions"]["HasWebhook"]
    )


def test_the_bucket_is_versioned_encrypted_private_and_kept(translated):
    bucket = translated["Resources"]["DatafileBucket"]
    facts = bucket["Properties"]

    assert "Enabled" == facts["VersioningConfiguration"]["Status"]
    assert facts["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert all(facts["PublicAccessBlockConfiguration"].values())
    assert 4 == len(facts["PublicAccessBlockConfiguration"])
    assert "Retain" == bucket["DeletionPolicy"]
    (policy,) = _of_kind(translated, "AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert ("Deny", {"Bool": {"aws:SecureTransport": "false"}}) == (
        statement["Effect"],
        statement["Condition"],
    )


def test_the_queue_has_dead_letters_and_outlasts_its_reader(translated):
    queue = _of_kind(translated, "AWS::SQS::Queue")["EventQueue"]
    reader = _of_kind(translated, "AWS::Lambda::Function")["DeliveryFunction"]
    (mapping,) = _of_kind(translated, "AWS::Lambda::EventSourceMapping").values()

    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 3
    assert queue["VisibilityTimeout"] >= 6 * reader["Timeout"]
    assert ["ReportBatchItemFailures"] == mapping["FunctionResponseTypes"]


def test_every_function_has_a_log_that_ends_and_every_alarm_a_place_to_go(translated):
    logs = _of_kind(translated, "AWS::Logs::LogGroup")
    functions = _of_kind(translated, "AWS::Lambda::Function")
    alarms = _of_kind(translated, "AWS::CloudWatch::Alarm")

    assert {f["LoggingConfig"]["LogGroup"]["Ref"] for f in functions.values()} == set(logs)
    assert all(each["RetentionInDays"] for each in logs.values())
    assert 9 == len(alarms)
    assert all(each["AlarmActions"] for each in alarms.values())


def test_callers_who_get_5xx_and_webhooks_that_fail_raise_alarms(translated):
    alarms = _of_kind(translated, "AWS::CloudWatch::Alarm").values()
    watched = {
        (str(each["MetricName"]), each["Dimensions"][0]["Value"].get("Ref")) for each in alarms
    }

    assert {("Url5xxCount", "BucketerFunction"), ("Url5xxCount", "WebhookFunction")} <= watched


def test_every_parameter_is_described_and_secrets_are_not_echoed(translated):
    parameters = translated["Parameters"]

    assert all(len(each["Description"]) > 20 for each in parameters.values())
    for name in ("DatafileUrl", "DatafileAccessToken", "WebhookSecret", "Keys", "SigningSecrets"):
        assert parameters[name]["NoEcho"] is True
    grouped = [
        each
        for group in translated["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        for each in group["Parameters"]
    ]
    assert sorted(grouped) == sorted(parameters)


def test_the_page_tells_every_parameter_with_its_default_and_every_alarm(translated):
    page = (REPOSITORY / "docs/deploy.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    told = {name: row[2] for row in rows for name in re.findall(r"`(\w+)`", row[1])}

    alarms = {name.removesuffix("Alarm") for name in _of_kind(translated, "AWS::CloudWatch::Alarm")}
    assert set(translated["Parameters"]) | alarms == set(told)
    for name, facts in translated["Parameters"].items():
        if facts["Default"] != "":
            assert str(facts["Default"]) in told[name], name


def test_everything_that_is_referred_to_exists(translated):
    """A `!Ref` in a policy or a variable is what neither linter looks at."""
    known = set(translated["Resources"]) | set(translated["Parameters"])
    conditions = set(translated["Conditions"])
    for where, kind, name in _references(translated["Resources"]):
        if kind == "Condition":
            assert name in conditions, (where, name)
        else:
            assert name.startswith("AWS::") or name in known, (where, name)


def test_every_handler_can_be_imported():
    handlers = re.findall(r"Handler: (\S+)", TEMPLATE.read_text())

    assert "app.lambda_handler" in handlers
    for each in handlers:
        module = each.rpartition(".")[0]
        path = REPOSITORY / ("app.py" if module == "app" else f"src/{module.replace('.', '/')}.py")
        assert path.exists(), each
        assert re.search(rf"^(def )?{each.rpartition('.')[2]}\b", path.read_text(), re.MULTILINE), (
            each
        )


def _statements(policies):
    for policy in policies:
        document = policy["Fn::If"][1] if "Fn::If" in policy else policy
        yield from document["PolicyDocument"]["Statement"]


def _list(value):
    return value if isinstance(value, list) else [value]


def _references(node, where="Resources"):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref":
                yield where, "Ref", value
            elif key == "Fn::GetAtt":
                yield where, "GetAtt", value[0] if isinstance(value, list) else value.split(".")[0]
            elif key == "Fn::If":
                yield where, "Condition", value[0]
            elif key == "Condition" and isinstance(value, str):
                yield where, "Condition", value
            elif key == "Fn::Sub":
                text = value if isinstance(value, str) else value[0]
                for name in re.findall(r"\$\{([\w:]+)", text):
                    yield where, "Sub", name
            yield from _references(value, f"{where}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _references(value, f"{where}/{index}")
