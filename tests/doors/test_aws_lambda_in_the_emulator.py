"""The Lambda door in AWS's own runtime emulator and client, on each Python we ship for."""

from __future__ import annotations

import pytest
from tests.fakes.recorded_events import RECORDED, check_result
from tests.lab.prepare import PYTHON_VERSIONS, lab_or_skip
from tests.lab.rie import Rie

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=PYTHON_VERSIONS)
def rie(request, tmp_path_factory):
    lab = lab_or_skip(request.param)
    task = lab.make_task(tmp_path_factory.mktemp("lambda") / "task")
    with Rie(lab, task, "app.lambda_handler", environment={"BUCKETER_EVENTS": "off"}) as running:
        yield running


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_event_is_answered_by_the_real_runtime(rie, name):
    """The same expectations as without it: serialising and import paths are the real ones."""
    result = rie.invoke(RECORDED[name]["event"])

    assert "errorType" not in result, rie.log()
    check_result(result, RECORDED[name]["expected"])


def test_request_id_is_lambdas_own(rie):
    """The id that the caller sees is the one that Lambda's log lines carry."""
    result = rie.invoke(RECORDED["http_api"]["event"])

    assert f"RequestId: {result['headers']['X-Request-Id']}" in rie.log()
