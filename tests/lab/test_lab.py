"""The laboratory itself: what `Minirapid` says must be what AWS documents."""

from __future__ import annotations

import pytest
from tests.lab.minirapid import Minirapid
from tests.lab.prepare import PYTHON_VERSIONS, LabUnavailable, find_python, lab_or_skip
from tests.lab.rie import Rie

pytestmark = pytest.mark.slow

#: Does a second of work after each answer: in a plain thread, or as an internal extension.
FUNCTION = """
import http.client, json, os, signal, threading, time

finished = []
begin = threading.Event()

def work():
    time.sleep(1.0)
    finished.append(True)

def extension(identifier):
    while True:
        api.request("GET", "/2020-01-01/extension/event/next",
                    headers={"Lambda-Extension-Identifier": identifier})
        api.getresponse().read()
        begin.wait()
        begin.clear()
        work()

def thread():
    while True:
        begin.wait()
        begin.clear()
        work()

def stop(*_):
    print("finished", len(finished), flush=True)
    os._exit(7)

if os.environ["MANNER"] == "extension":
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request("POST", "/2020-01-01/extension/register", json.dumps({"events": ["INVOKE"]}),
                {"Lambda-Extension-Name": "test"})
    answer = api.getresponse()
    answer.read()
    threading.Thread(target=extension, daemon=True,
                     args=(answer.getheader("Lambda-Extension-Identifier"),)).start()
else:
    threading.Thread(target=thread, daemon=True).start()
signal.signal(signal.SIGTERM, stop)

def handler(event, context):
    seen = len(finished)
    begin.set()
    return {"finished": seen, "event": event}
"""


@pytest.fixture(params=PYTHON_VERSIONS)
def lab(request):
    return lab_or_skip(request.param)


@pytest.fixture
def task(tmp_path):
    (tmp_path / "function.py").write_text(FUNCTION)
    return tmp_path


def test_emulator_runs_a_function(lab, task):
    """The real emulator with the real client; a first invoke holds the whole cold start."""
    with Rie(lab, task, "function.handler", environment={"MANNER": "thread"}) as rie:
        answer = rie.invoke({"n": 1})

        assert answer == {"finished": 0, "event": {"n": 1}}
        assert rie.duration_ms > rie.init_ms() > 0
        assert 5 < rie.rss_mb() < 200


def test_extension_works_after_the_answer_and_before_the_next(lab, task):
    """The client doesn't wait for it, the bill does."""
    with Minirapid(lab, task, "function.handler", environment={"MANNER": "extension"}) as aws:
        answers = []
        for _ in range(3):
            answers.append(aws.invoke({})["finished"])
            assert aws.duration_ms < 900
            assert aws.wait_until_done() >= 1_000
            assert aws.frozen

    assert answers == [0, 1, 2]


def test_plain_thread_gets_no_time_between_invocations(lab, task):
    """This is the false pass of an emulator that doesn't freeze."""
    with Minirapid(lab, task, "function.handler", environment={"MANNER": "thread"}) as aws:
        answers = []
        for _ in range(3):
            answers.append(aws.invoke({})["finished"])
            aws.wait_until_done()

    assert answers[1] == 0


def test_shutdown_lets_a_function_with_an_extension_clean_up(lab, task):
    """SIGTERM reaches Python's handler; what it prints and returns is seen."""
    with Minirapid(lab, task, "function.handler", environment={"MANNER": "extension"}) as aws:
        aws.invoke({})
        aws.wait_until_done()

        assert aws.shut_down() == 7
        assert "finished 1" in aws.log()


def test_shutdown_kills_a_function_without_an_extension(lab, task):
    """AWS gives it no notice."""
    with Minirapid(lab, task, "function.handler", environment={"MANNER": "thread"}) as aws:
        aws.invoke({})
        aws.wait_until_done()

        assert aws.shut_down() == -9
        assert "finished" not in aws.log()


def test_snapshot_is_frozen_before_its_first_invocation(lab, task):
    """Init ends in the snapshot; `restore` lets it go on."""
    environment = {"MANNER": "thread"}
    with Minirapid(lab, task, "function.handler", environment=environment, snapstart=True) as aws:
        assert aws.frozen

        aws.restore()

        assert aws.invoke({"n": 2})["event"] == {"n": 2}


def test_failed_init_is_told(lab, task):
    """As Lambda logs it."""
    with Minirapid(lab, task, "missing.handler") as aws:
        assert aws.init_error["errorType"] == "Runtime.ImportModuleError"


def test_missing_interpreter_gives_a_plain_reason():
    """What a skipped test says."""
    with pytest.raises(LabUnavailable, match=r"Python 3\.99 isn't here"):
        find_python("3.99")
