"""Predictions and profiles through a whole server, a process of its own, and through Lambda."""

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.fakes.bandit import Bandit
from tests.fakes.bandits import ONE_STEP, TWO_STEP, UNHEARD_OF, a_datafile_with_bandits
from tests.fakes.collector import Collector
from tests.fakes.datafiles import a_datafile, experiments_of
from tests.fakes.process import bucketer_serve
from tests.fakes.serving import serving
from tests.fakes.waiting import wait_until

from bucketer import wiring
from bucketer.doors.aws_lambda import make_handler
from bucketer.doors.server.limits import Limits

QUESTION = "f=checkout_flow&u={}&a=tier:gold,member_since_days:56,country:DE"


@pytest.fixture
def bandit():
    with Bandit(ONE_STEP) as listening:
        yield listening


@pytest.fixture
def datafile(tmp_path):
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(a_datafile_with_bandits()))
    return path


def get(port, query, path="/bucketer"):
    """One GET: (status, body, seconds)."""
    began = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}?{query}", timeout=30) as answer:
        return answer.status, json.load(answer), time.monotonic() - began


def together(count, call):
    """Call it in threads at once; what they got, by number."""
    got = {}
    threads = [
        threading.Thread(target=lambda number=number: got.__setitem__(number, call(number)))
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert count == len(got)
    return got


# Predictions


@pytest.fixture
def serve(bandit, datafile):
    """Starts a server that gives the bandit so many seconds."""
    with contextlib.ExitStack() as stack:

        def serve_(timeout_s):
            return stack.enter_context(
                bucketer_serve(
                    "--datafile",
                    str(datafile),
                    BUCKETER_CMAB_ENDPOINT=bandit.url,
                    BUCKETER_CMAB_TIMEOUT=str(timeout_s),
                )
            )

        yield serve_


@pytest.fixture
def server(serve):
    """A server that gives the bandit more time than it takes, however slow the machine."""
    return serve(10)


def test_the_bandit_decides_and_is_asked_once(server, bandit):
    answers = [get(server.port, QUESTION.format("ben"))[:2] for _ in range(3)]

    assert [(200, "one_step_checkout")] * 3 == [(s, body["variation"]) for s, body in answers]
    [question] = bandit.questions
    assert "ben" == question.instance["visitorId"]
    assert [  # in the rule's order, and none that the rule doesn't list
        ("10000000102", 56),
        ("10000000101", "gold"),
    ] == [(each["id"], each["value"]) for each in question.instance["attributes"]]


def test_without_a_bandit_to_be_asked_nothing_of_it_is_in_health(server):
    assert "predictions" not in get(server.port, "", "/health")[1]


def test_health_tells_how_asking_goes(server, bandit):
    get(server.port, QUESTION.format("ben"))
    bandit.mood = 503
    get(server.port, QUESTION.format("ann"))
    told = get(server.port, "", "/health")[1]["predictions"]

    assert (2, 1, 3) == (told["asked"], told["failed"], told["requests"])
    assert "status 503" == told["trouble"]


@pytest.mark.parametrize("letter_and_key", ["f=checkout_flow", "e=checkout_flow_experiment"])
@pytest.mark.parametrize("mood", [500, "hang", "close", b"nonsense"])
def test_when_it_fails_the_caller_gets_no_variation_and_is_told_why(
    serve, bandit, mood, letter_and_key
):
    """Status 200: the request was right, and whoever only looks at `variation` falls back."""
    server = serve(0.3)
    bandit.mood = mood
    status, body, took = get(server.port, f"{letter_and_key}&u=ben")

    assert 200 == status
    assert None is body["variation"]
    assert {
        "code": "prediction_failed",
        "message": "The contextual bandit could not be asked about experiment "
        "'checkout_flow_experiment'.",
    } == body["error"]
    assert took < 10  # the bandit never answers
    assert len(bandit.questions) >= 2


def test_the_answer_in_the_docs_is_what_is_answered(server, bandit):
    page = Path(__file__).parents[2] / "docs" / "profiles-and-predictions.md"
    [example] = [
        line for line in page.read_text("utf-8").splitlines() if line.startswith('{"variation"')
    ]
    bandit.mood = 500

    assert json.loads(example) == get(server.port, "f=checkout_flow&u=ben")[1]


def test_debug_tells_whether_it_was_asked_cached_or_failed(server, bandit):
    def reasons(user_id):
        body = get(server.port, QUESTION.format(user_id) + "&debug=1")[1]
        return [each for each in body["debug"]["reasons"] if each["code"].startswith("prediction")]

    [asked], [cached] = reasons("ben"), reasons("ben")
    bandit.variation_id = UNHEARD_OF
    [unknown] = reasons("ann")
    bandit.mood = 500
    [failed] = reasons("zoe")

    assert ("prediction", False) == (asked["code"], asked["cached"])
    assert ("prediction", True) == (cached["code"], cached["cached"])
    assert "prediction_unknown" == unknown["code"]
    assert "prediction_failed" == failed["code"]


def test_an_unheard_of_variation_falls_to_the_rollout_without_an_error(server, bandit):
    bandit.variation_id = UNHEARD_OF
    body = get(server.port, QUESTION.format("ben"))[1]

    assert "off" == body["variation"]
    assert "error" not in body


def test_users_are_asked_about_in_parallel_and_each_gets_their_own(server, bandit):
    bandit.delay_s = 0.15
    bandit.choose = lambda question: (
        ONE_STEP if int(question.instance["visitorId"]) % 2 else TWO_STEP
    )
    got = together(12, lambda number: get(server.port, QUESTION.format(number))[1]["variation"])

    assert {
        number: "one_step_checkout" if number % 2 else "two_step_checkout" for number in range(12)
    } == got
    assert bandit.most_at_once > 2


def test_the_same_user_many_times_at_once_is_asked_about_once(server, bandit):
    bandit.delay_s = 0.2
    got = together(10, lambda _: get(server.port, QUESTION.format("ben"))[1]["variation"])

    assert {"one_step_checkout"} == set(got.values())
    assert 1 == len(bandit.questions)


def test_while_the_bandit_hangs_other_questions_are_answered_at_once(serve, bandit):
    server = serve(2)
    bandit.mood = "hang"
    slow = threading.Thread(
        target=lambda: together(8, lambda number: get(server.port, QUESTION.format(number)))
    )
    slow.start()
    wait_until(lambda: bandit.questions)
    for _ in range(20):
        get(server.port, "f=free_shipping&u=ben&a=country:DE")
    still_hang = slow.is_alive()
    slow.join(30)

    assert still_hang


def test_the_impression_carries_the_prediction_s_id(bandit, datafile, tmp_path):
    with (
        Collector() as collector,
        bucketer_serve(
            "--datafile",
            str(datafile),
            BUCKETER_CMAB_ENDPOINT=bandit.url,
            BUCKETER_EVENTS="outbox",
            BUCKETER_EVENTS_ENDPOINT=collector.url,
            BUCKETER_EVENTS_INTERVAL="0.05",
            BUCKETER_STATE_DIR=str(tmp_path),
        ) as started,
    ):
        get(started.port, QUESTION.format("ben"))
        collector.wait_for(1)
        [visitor] = collector.visitors()
    [decision] = visitor["snapshots"][0]["decisions"]

    assert bandit.questions[0].instance["cmabUUID"] == decision["metadata"]["cmab_uuid"]
    assert ONE_STEP == decision["variation_id"]


def test_nobody_waits_longer_than_the_server_allows_even_for_a_thread(bandit, datafile, tmp_path):
    """Two threads, and predictions that never come: the waiting in line counts."""
    bandit.mood = "hang"
    runtime = wiring.build(
        environ={
            "BUCKETER_DATAFILE": str(datafile),
            "BUCKETER_EVENTS": "off",
            "BUCKETER_CMAB_ENDPOINT": bandit.url,
            "BUCKETER_STATE_DIR": str(tmp_path),
        }
    )
    with serving(runtime, limits=Limits(threads=2, apart_s=0.5)) as started:
        got = together(8, lambda number: get(started.port, QUESTION.format(number)))

    assert {None} == {body["variation"] for _, body, _ in got.values()}
    assert {"prediction_failed"} == {body["error"]["code"] for _, body, _ in got.values()}
    assert max(took for _, _, took in got.values()) < 5  # each would wait for ten
    assert len(bandit.questions) < 8


# Profiles


def profiled(datafile, state, **environ):
    settings = {"BUCKETER_PROFILES": "sqlite", "BUCKETER_STATE_DIR": str(state)} | environ
    return bucketer_serve("--datafile", str(datafile), **settings)


def turned_round(path):
    """The same experiment, its traffic given out in another order: many users would change."""
    datafile = a_datafile()
    for experiment in experiments_of(datafile):
        ids = [each["entityId"] for each in experiment["trafficAllocation"]]
        for each, id_ in zip(experiment["trafficAllocation"], reversed(ids), strict=True):
            each["entityId"] = id_
    path.write_text(json.dumps(datafile))


CHECKOUT = "e=checkout_flow_experiment&u={}&a=tier:platinum,member_since_days:56"


def test_users_keep_their_variation_when_the_traffic_changes(tmp_path):
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(a_datafile()))
    with profiled(path, tmp_path) as started:
        before = {n: get(started.port, CHECKOUT.format(n))[1]["variation"] for n in range(20)}
        told = get(started.port, "", "/health")[1]["profiles"]
    turned_round(path)
    with profiled(path, tmp_path) as started:
        after = {n: get(started.port, CHECKOUT.format(n))[1]["variation"] for n in range(20)}

    assert (20, 0, 20) == (told["lookups"], told["found"], told["saves"])
    assert 3 == len(set(before.values()))
    assert before == after
    assert (tmp_path / "profiles.sqlite").is_file()


def test_without_profiles_the_same_users_do_change(tmp_path):
    """Or the test above would show nothing."""
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(a_datafile()))
    with bucketer_serve("--datafile", str(path)) as started:
        before = [get(started.port, CHECKOUT.format(n))[1]["variation"] for n in range(20)]
    turned_round(path)
    with bucketer_serve("--datafile", str(path)) as started:
        after = [get(started.port, CHECKOUT.format(n))[1]["variation"] for n in range(20)]

    assert before != after


def test_two_workers_share_one_file_and_answer_in_parallel(tmp_path):
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(a_datafile()))
    with profiled(path, tmp_path, BUCKETER_WORKERS="2") as started:
        first = together(40, lambda n: get(started.port, CHECKOUT.format(n))[1]["variation"])
        second = together(40, lambda n: get(started.port, CHECKOUT.format(n))[1]["variation"])

    assert first == second


def test_a_store_that_can_not_be_opened_costs_no_decision(tmp_path):
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(a_datafile()))
    (tmp_path / "taken").write_text("no directory")
    home = f"sqlite:{tmp_path}/taken/profiles.sqlite"
    with bucketer_serve("--datafile", str(path), BUCKETER_PROFILES=home) as started:
        status, body, _ = get(started.port, CHECKOUT.format("ben"))
        told = get(started.port, "", "/health")[1]["profiles"]
        _, _, err = started.stop()

    assert 200 == status
    assert body["variation"]
    assert (1, 1) == (told["failed_lookups"], told["failed_saves"])
    assert "taken" in told["trouble"]
    assert 1 == err.count("look-up fails")


def test_an_unknown_key_looks_nobody_up(tmp_path):
    """As the SDK, which turns it away first; and strangers can't make us work."""
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(a_datafile()))
    with profiled(path, tmp_path, BUCKETER_PROFILES="memory") as started:
        for query in ("e=unheard_of&u=ben", "f=unheard_of&u=ben", "e=a&u=%ED%A0%80"):
            with pytest.raises(urllib.error.HTTPError):
                get(started.port, query)
        get(started.port, CHECKOUT.format("ben"))
        told = get(started.port, "", "/health")[1]["profiles"]

    assert 1 == told["lookups"]


# Lambda


class Context:
    """Lambda's, with so many milliseconds left."""

    aws_request_id = "request-1"

    def __init__(self, left_ms):
        self._left_ms = left_ms

    def get_remaining_time_in_millis(self):
        return self._left_ms


def event(query):
    return {
        "version": "2.0",
        "rawPath": "/bucketer",
        "rawQueryString": query,
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": "/bucketer", "sourceIp": "192.0.2.1"}},
        "isBase64Encoded": False,
    }


@pytest.fixture
def function(bandit, datafile, tmp_path):
    """A Lambda function, called here."""
    runtime = wiring.build(
        environ={
            "BUCKETER_DATAFILE": str(datafile),
            "BUCKETER_EVENTS": "off",
            "BUCKETER_CMAB_ENDPOINT": bandit.url,
            "BUCKETER_PROFILES": f"sqlite:{tmp_path}/profiles.sqlite",
        },
        mode=wiring.LAMBDA,
    )
    yield make_handler(runtime)
    runtime.close()


def test_a_function_asks_before_it_answers(function, bandit):
    answers = [function(event(QUESTION.format("ben")), Context(10_000)) for _ in range(2)]

    assert {"one_step_checkout"} == {json.loads(each["body"])["variation"] for each in answers}
    assert 1 == len(bandit.questions)


@pytest.mark.parametrize(("left_ms", "asked"), [(1_000, 1), (400, 0)])
def test_a_function_answers_before_its_own_time_out(function, bandit, left_ms, asked):
    """Half a second is kept for answering; where there is no more, nobody is asked."""
    bandit.mood = "hang"
    began = time.monotonic()
    answer = function(event(QUESTION.format("ben")), Context(left_ms))
    took = time.monotonic() - began

    assert 200 == answer["statusCode"]
    assert "prediction_failed" == json.loads(answer["body"])["error"]["code"]
    assert took < 5  # the bandit never answers, and may take ten seconds
    assert asked == len(bandit.questions)


def test_a_function_without_a_context_relies_on_the_predictions_own_time_out(function):
    answer = function(event(QUESTION.format("ben")), None)

    assert "one_step_checkout" == json.loads(answer["body"])["variation"]
