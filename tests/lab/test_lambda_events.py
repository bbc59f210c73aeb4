"""Every event arrives: in AWS's emulator, and in an environment that freezes."""

import json
import threading

import pytest
from tests.fakes.cdn import Cdn
from tests.fakes.collector import Collector
from tests.fakes.datafiles import write_datafile
from tests.fakes.queues import MotoQueue, moto_server
from tests.fakes.sources import revision
from tests.lab.minirapid import Minirapid
from tests.lab.prepare import PYTHON_VERSIONS, lab_or_skip
from tests.lab.rie import Rie

HANDLER = "app.lambda_handler"


@pytest.fixture(scope="session", params=PYTHON_VERSIONS)
def lab(request):
    return lab_or_skip(request.param)


@pytest.fixture(scope="session")
def task(lab, tmp_path_factory):
    task = lab.make_task(tmp_path_factory.mktemp("events") / "task")
    write_datafile(task / "datafile.json")
    return task


@pytest.fixture
def collector():
    with Collector() as collector:
        yield collector


def settings(collector, **more):
    return {"BUCKETER_DATAFILE": "datafile.json", "BUCKETER_EVENTS_ENDPOINT": collector.url, **more}


def activation(user):
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/bucketer",
        "rawQueryString": f"e=checkout_flow_experiment&u={user}&a=tier:platinum,member_since_days:56",
        "headers": {"host": "x"},
        "requestContext": {
            "stage": "$default",
            "http": {"method": "GET", "path": "/bucketer", "sourceIp": "192.0.2.1"},
        },
        "isBase64Encoded": False,
    }


def tracking(goals):
    event = activation("")
    event["requestContext"]["http"].update(method="POST", path="/track")
    return {**event, "rawPath": "/track", "rawQueryString": "", "body": json.dumps(goals)}


def users(collector):
    return [visitor["visitor_id"] for visitor in collector.visitors()]


@pytest.mark.parametrize(
    ("environment", "extensions"),
    [
        ({"BUCKETER_EVENTS": "off"}, 0),
        ({"BUCKETER_EVENTS": "flush"}, 1),
        ({"BUCKETER_EVENTS": "off", "BUCKETER_DATAFILE": "datafile.json"}, 1),
        ({"BUCKETER_EVENTS": "off", "BUCKETER_SDK_KEYS": "any"}, 1),
    ],
)
def test_there_is_an_extension_only_where_it_may_have_work(lab, task, environment, extensions):
    with Minirapid(lab, task, HANDLER, environment=environment) as function:
        answer = function.invoke(activation("ada"))

        assert (200, extensions) == (answer["statusCode"], len(function.extensions))


def test_an_environment_is_refreshed_behind_answers_wherever_the_default_one_is(
    lab, task, tmp_path
):
    """Where that one's datafile was packaged and events off, the others were never refreshed."""
    config = tmp_path / "bucketer.toml"
    config.write_text(
        '[environments.one]\ndatafile = "packaged"\n'
        '[environments.two]\nsdk_key = "K2"\nmax_age = 0\n'
    )
    event = activation("ada")
    event["rawQueryString"] += "&debug=1&sdk_key=K2"
    told = []
    with Cdn({"/K2.json": (revision(1), None)}) as cdn:
        environment = {
            "BUCKETER_EVENTS": "off",
            "BUCKETER_CONFIG": str(config),
            "BUCKETER_SDK_KEY_URL": f"{cdn.url}/{{}}.json",
        }
        with Minirapid(lab, task, HANDLER, environment=environment) as function:
            for number in (1, 2, 3):
                cdn.datafiles["/K2.json"] = (revision(number), None)
                answer = json.loads(function.invoke(event)["body"])
                told.append(answer["debug"]["datafile"]["revision"])
                function.wait_until_done()

    assert ["1", "1", "2"] == told


def test_in_the_emulator_every_event_arrives(lab, task, collector):
    with Rie(lab, task, HANDLER, environment=settings(collector)) as function:
        for n in range(5):
            assert function.invoke(activation(f"u{n}"))["statusCode"] == 200

    assert [f"u{n}" for n in range(5)] == users(collector)


def test_events_have_arrived_before_the_next_invocation(lab, task, collector):
    with Minirapid(lab, task, HANDLER, environment=settings(collector)) as function:
        for n in range(6):
            function.invoke(activation(f"u{n}"))
            function.wait_until_done()
            assert n + 1 == len(users(collector))


def test_a_collector_that_hangs_holds_the_environment_no_longer_than_the_bound(
    lab, task, collector
):
    collector.mood = "hang"
    environment = settings(collector, BUCKETER_EVENTS_FLUSH="0.3")
    with Minirapid(lab, task, HANDLER, environment=environment) as function:
        for n in range(3):
            function.invoke(activation(f"u{n}"))
            function.wait_until_done()
            assert function.billed_ms < 600
        collector.mood = 200
        function.invoke(activation("u3"))
        function.wait_until_done()

        assert [f"u{n}" for n in range(4)] == users(collector)


def test_what_is_left_is_delivered_at_sigterm(lab, task, collector):
    collector.mood = 503
    with Minirapid(lab, task, HANDLER, environment=settings(collector)) as function:
        function.invoke(activation("u0"))
        function.wait_until_done()
        collector.mood = 200
        assert function.shut_down() == 0

    assert ["u0"] == users(collector)


def test_what_cannot_be_delivered_at_the_end_is_in_the_log_whole(lab, task, collector):
    collector.mood = 503
    with Minirapid(lab, task, HANDLER, environment=settings(collector)) as function:
        function.invoke(activation("u0"))
        function.wait_until_done()
        function.shut_down()
        log = function.log()

    [line] = [line for line in log.splitlines() if "outbox: undelivered" in line]
    event = json.loads(line[line.index("{") :])
    assert [visitor["visitor_id"] for visitor in event["visitors"]] == ["u0"]
    assert event["account_id"] == "81"


def test_at_the_end_all_that_a_hanging_collector_left_is_in_the_log_whole(lab, task, collector):
    """16,000 events: more than can be written in the half second before SIGKILL."""
    collector.mood = "hang"
    environment = settings(collector, BUCKETER_EVENTS_FLUSH="0.1")
    goal = {"event": "purchase", "tags": {"note": "x" * 300}}
    names = [f"{n}-{each}" for n in range(16) for each in range(1_000)]
    with Minirapid(lab, task, HANDLER, environment=environment) as function:
        for n in range(16):
            goals = [{**goal, "user": name} for name in names[n * 1_000 : (n + 1) * 1_000]]
            assert function.invoke(tracking(goals))["statusCode"] == 200
            function.wait_until_done()
        assert function.shut_down() == 0
        log = function.log()

    events = [
        json.loads(line[line.index("{") :])
        for line in log.splitlines()
        if line.startswith("outbox: undelivered (")
    ]
    logged = [event["visitors"][0]["visitor_id"] for event in events]
    assert names == logged


def test_a_queue_that_cannot_be_asked_for_want_of_credentials_costs_no_event(lab, task, collector):
    environment = settings(
        collector,
        BUCKETER_EVENTS="sqs://http://127.0.0.1:9/1/q",
        AWS_ACCESS_KEY_ID="",
        AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:9/credentials",
    )
    with Minirapid(lab, task, HANDLER, environment=environment) as function:
        for n in range(2):
            assert function.invoke(activation(f"u{n}"))["statusCode"] == 200
            function.wait_until_done()
            assert [f"u{each}" for each in range(n + 1)] == users(collector)


def test_without_extensions_events_are_sent_before_the_answer(lab, task, collector):
    environment = settings(collector)
    code = (
        "import json, os, sys; os.environ.update(json.loads(sys.argv[1]));"
        "import app; print(app.lambda_handler(json.loads(sys.argv[2]), None)['statusCode'])"
    )
    import subprocess

    out = subprocess.run(
        [lab.python, "-c", code, json.dumps(environment), json.dumps(activation("u0"))],
        cwd=task, capture_output=True, text=True, check=True, env={"PYTHONPATH": "."},
    )  # fmt: skip

    assert out.stdout.strip() == "200"
    assert ["u0"] == users(collector)


def test_the_caller_waits_no_longer_with_events_than_without(lab, task, collector):
    """The collector takes nothing before the caller has their answer: who waited would show."""
    answered, in_time = threading.Event(), []

    def judge(_payload):
        in_time.append(answered.wait(5))
        return 204

    collector.judge = judge
    with Minirapid(lab, task, HANDLER, environment=settings(collector)) as function:
        for n in range(3):
            answered.clear()
            function.invoke(activation(f"u{n}"))
            answered.set()
            function.wait_until_done()
            assert n + 1 == len(users(collector))

    assert [True] * 3 == in_time


@pytest.fixture(scope="session")
def moto():
    with moto_server() as url:
        yield url


@pytest.fixture
def queue(moto, lab):
    """A queue of moto's: its setting, and whose events it holds."""
    queue = MotoQueue(moto, f"events-{lab.version.replace('.', '-')}")
    yield queue
    queue.close()


def test_with_a_queue_it_has_the_event_when_the_caller_has_the_answer(lab, task, collector, queue):
    environment = settings(collector, BUCKETER_EVENTS=queue.setting)
    with Minirapid(lab, task, HANDLER, environment=environment) as function:
        for n in range(3):
            function.invoke(activation(f"u{n}"))
            function.stop() if n == 2 else function.wait_until_done()  # no time to do it later

    assert queue.users() == ["u0", "u1", "u2"]
    assert collector.requests == 0


def test_a_copy_of_a_snapshot_sends_its_events(lab, task, collector):
    with Minirapid(lab, task, HANDLER, environment=settings(collector), snapstart=True) as function:
        function.restore()
        for n in range(2):
            function.invoke(activation(f"u{n}"))
            function.wait_until_done()
            assert n + 1 == len(users(collector))


def test_a_line_of_metrics_is_written_behind_each_answer_with_what_became_of_its_event(
    lab, task, collector
):
    environment = settings(collector, BUCKETER_METRICS="emf")
    with Minirapid(lab, task, HANDLER, environment=environment) as function:
        for number in range(2):
            function.invoke(activation(f"her{number}"))
            function.wait_until_done()
        log = function.log()

    lines = [json.loads(each) for each in log.splitlines() if each.startswith('{"_aws"')]
    assert [(1, 1, 1)] * 2 == [
        (each["Requests"], each["EventsAccepted"], each["EventsSent"]) for each in lines
    ]
