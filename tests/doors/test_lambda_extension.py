"""Work after the answer: begun when the handler is done, whatever becomes of the connection."""

import logging
import os
import signal
import threading
import time

import pytest
from tests.fakes.extensions_api import ExtensionsApi

from bucketer.doors import lambda_extension
from bucketer.doors.lambda_extension import ask_to_register, start


class Busy:
    """A runtime that always, or never, has work; it keeps when it worked."""

    def __init__(self, has_work=True):
        self.work = has_work
        self.worked = []
        self.done = threading.Event()
        self.raises = None

    def has_work(self):
        return self.work

    def after_response(self, deadline_s):
        self.worked.append((time.monotonic(), deadline_s))
        self.done.set()
        if self.raises:
            raise self.raises

    def close(self):
        pass


CLOCKS = [
    lambda_extension._Sleeper,
    pytest.param(
        lambda_extension._Timer,
        marks=pytest.mark.skipif(
            not hasattr(os, "timerfd_create"), reason="the kernel's clock: Python 3.13 on Linux"
        ),
    ),
]


@pytest.fixture(params=CLOCKS)
def clock(request, monkeypatch):
    """Each kind of clock in turn, whichever this Python would take."""
    monkeypatch.setattr(lambda_extension, "_Alarm", request.param)


@pytest.fixture
def api():
    with ExtensionsApi() as api:
        yield api


@pytest.fixture(autouse=True)
def _handlers():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def begun(api, runtime):
    extension = ask_to_register({"AWS_LAMBDA_RUNTIME_API": api.address})
    done = start(runtime, extension, 0.7)
    api.wait_until_asked(1)
    return extension, done


@pytest.mark.usefixtures("clock")
def test_work_begins_a_little_after_the_handler_and_then_the_next_is_asked_for(api):
    runtime = Busy()
    _, done = begun(api, runtime)
    api.invoke()
    time.sleep(0.03)
    assert ([], 1) == (runtime.worked, api._asked_for_next())  # the invocation alone wakes nobody

    called = time.monotonic()
    done()
    api.wait_until_asked(2)

    [(began, deadline_s)] = runtime.worked
    assert began - called >= lambda_extension._GIVE_WAY_S + lambda_extension._GIVE_WAY_TO_POST_S
    assert 0.7 == deadline_s


@pytest.mark.usefixtures("clock")
def test_invocation_after_invocation(api):
    runtime = Busy()
    _, done = begun(api, runtime)
    for number in range(1, 6):
        api.invoke()
        done()
        api.wait_until_asked(number + 1)
        assert number == len(runtime.worked)


@pytest.mark.usefixtures("clock")
def test_without_work_only_the_next_is_asked_for(api):
    runtime = Busy(has_work=False)
    _, done = begun(api, runtime)
    api.invoke()
    done()
    api.wait_until_asked(2)

    assert not runtime.worked


def test_work_that_raises_is_logged_and_the_thread_goes_on(api, caplog):
    runtime = Busy()
    runtime.raises = RuntimeError("unforeseen")
    _, done = begun(api, runtime)
    for times in (2, 3):
        api.invoke()
        done()
        api.wait_until_asked(times)

    assert 2 == len(runtime.worked)
    assert "work after the response failed" in caplog.text


def test_a_connection_that_is_cut_during_an_invocation_costs_no_work(api, caplog):
    runtime = Busy()
    _, done = begun(api, runtime)
    api.drop()
    done()
    api.wait_until_asked(2)  # over a new one

    assert 1 == len(runtime.worked)
    assert "the Extensions API can't be read" in caplog.text
    time.sleep(1.0)  # what came within `_LATE_S` of its question would be taken for the one before
    api.invoke()
    done()
    api.wait_until_asked(3)
    assert 2 == len(runtime.worked)


def test_who_asked_anew_for_an_invocation_that_is_over_asks_once_more(api, monkeypatch):
    """The connection is lost, and Lambda keeps the event for whoever asks next."""
    monkeypatch.setattr(lambda_extension, "_LATE_S", 5.0)  # "at once", on a slow machine too
    runtime = Busy()
    _, done = begun(api, runtime)
    api.drop()
    api.invoke()
    done()
    api.wait_until_asked(3)  # what is told of at once is the invocation that was just answered

    assert 1 == len(runtime.worked)
    api.invoke()
    done()
    api.wait_until_asked(4)
    assert 2 == len(runtime.worked)


@pytest.mark.parametrize("closes", ["Connection: close\r\n", ""])
def test_an_api_that_closes_behind_the_registration_is_asked_over_a_new_connection(closes):
    runtime = Busy()
    with ExtensionsApi(closes=closes) as api:
        extension = ask_to_register({"AWS_LAMBDA_RUNTIME_API": api.address})
        time.sleep(0.03)  # the datafile
        done = start(runtime, extension, 0.7)
        api.wait_until_asked(1)
        api.invoke()
        done()
        api.wait_until_asked(2)

    assert 1 == len(runtime.worked)


def test_a_copy_of_a_snapshot_asks_again_only_if_its_question_was_lost(api):
    extension, done = begun(api, Busy())
    extension.ask_again()
    assert 1 == api._asked_for_next()

    api.drop()
    extension.ask_again()
    api.wait_until_asked(2)
    api.invoke()
    done()
    api.wait_until_asked(3)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"status": 403}, "HTTP/1.1 403"),
        ({"identifier": ""}, "the Extensions API gave no identifier"),
    ],
)
def test_who_is_refused_works_before_the_answer(caplog, answer, why):
    runtime = Busy()
    with ExtensionsApi(**answer) as api:
        extension = ask_to_register({"AWS_LAMBDA_RUNTIME_API": api.address})
        start(runtime, extension, 0.7)()

        asked = list(api.asked)
        extension.ask_again()  # SnapStart's hook runs all the same

    assert [0.7] == [deadline_s for _, deadline_s in runtime.worked]
    assert asked == api.asked
    assert f"no internal extension ({why}" in caplog.text


def test_where_nobody_listens_too(caplog):
    runtime = Busy()
    with ExtensionsApi() as api:
        address = api.address
    start(runtime, ask_to_register({"AWS_LAMBDA_RUNTIME_API": address}), 0.7)()

    assert 1 == len(runtime.worked)
    assert "no internal extension" in caplog.text


def test_without_lambda_nobody_is_asked_and_nothing_logged(caplog):
    caplog.set_level(logging.DEBUG)
    runtime = Busy()
    start(runtime, ask_to_register({}), 0.7)()

    assert 1 == len(runtime.worked)
    assert not caplog.records


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("has_work", [False, True])
def test_what_is_to_be_told_is_told_after_each_answer_and_after_its_work(api, has_work):
    runtime, told = Busy(has_work=has_work), []
    extension = ask_to_register({"AWS_LAMBDA_RUNTIME_API": api.address})
    done = start(runtime, extension, 0.7, [lambda: told.append(len(runtime.worked))])
    api.wait_until_asked(1)
    for number in (1, 2):
        api.invoke()
        done()
        api.wait_until_asked(number + 1)

    assert ([1, 2] if has_work else [0, 0]) == told


def test_without_an_extension_it_is_told_at_the_handlers_end():
    told = []

    start(Busy(), None, 0.7, [lambda: told.append(1)])()

    assert [1] == told
