"""From a webhook's bytes to a datafile that was published, or wasn't."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.editions import AnEdition
from tests.fakes.origin import Origin, answer, ok
from tests.fakes.sources import FakeSource, down, revision
from tests.fakes.webhooks import PROJECT, SECRET, body_of, signature_of, signed

from bucketer.api.http import DatafileAnnounced, Known, Request
from bucketer.api.options import ApiOptions, WebhookRule
from bucketer.api.routes import Handler
from bucketer.api.service.webhook import MAX_BODY_BYTES, concerned, parse_announcement
from bucketer.core.errors import (
    BucketerError,
    InvalidRequest,
    SettingsError,
    SourceError,
    WebhookRefused,
)
from bucketer.doors import webhook as door
from bucketer.publishing.aws import open_client, open_session
from bucketer.publishing.check import UnusableDatafile
from bucketer.publishing.function import FunctionCode
from bucketer.publishing.publisher import Publisher, Stale, build_publisher
from bucketer.publishing.s3_store import PublishError, S3Store
from bucketer.settings import read_settings
from bucketer.sources.url import UrlSource

BODY = body_of(5)


def _read(body=BODY, headers=None, secret=SECRET, project_id=PROJECT):
    headers = signed(body) if headers is None else headers
    concerned(body, headers, [WebhookRule("", secret, project_id)])
    return parse_announcement(body)


# -- is it genuine ----------------------------------------------------------------------------


def test_a_genuine_webhook_tells_project_and_revision_of_a_url():
    announcement = _read()

    assert PROJECT == announcement.project_id
    assert "5" == announcement.revision_of("https://elsewhere.example/x/SDK-KEY.json?y")
    assert announcement.revision_of("https://cdn.optimizely.com/datafiles/ANOTHER.json") is None


def test_the_signature_is_the_documented_one():
    # RFC 2202, test case 2, as Optimizely would send it.
    with pytest.raises(InvalidRequest):  # genuine, and no webhook
        _read(
            b"what do ya want for nothing?",
            {"x-hub-signature": "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
            secret="Jefe",
        )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature": ""},
        {"x-hub-signature": signature_of(BODY, "another")},
        {"x-hub-signature": signature_of(BODY)[:-1]},
        {"x-hub-signature": signature_of(BODY).removeprefix("sha1=")},
        {"x-hub-signature": signature_of(BODY).upper()},
        {"x-hub-signature": signature_of(BODY) + "\udc80ä"},
        {"x-hub-signature": signature_of(BODY + b" ")},
    ],
)
def test_a_wrong_signature_is_refused(headers):
    with pytest.raises(WebhookRefused):
        _read(headers=headers)


def test_without_a_secret_everything_is_refused_even_what_is_signed_with_nothing():
    with pytest.raises(WebhookRefused, match="BUCKETER_WEBHOOK_SECRET"):
        _read(headers={"x-hub-signature": signature_of(BODY, "")}, secret="")


def test_another_project_is_refused():
    body = body_of(5, project="12")

    with pytest.raises(WebhookRefused, match="another project"):
        _read(body)
    assert "12" == _read(body, project_id="").project_id


def test_the_body_is_bounded():
    body = BODY + b" " * (MAX_BODY_BYTES - len(BODY))

    assert "5" == _read(body).revision_of("SDK-KEY.json")
    with pytest.raises(WebhookRefused, match="65536"):
        _read(body + b" ")


@given(st.binary(max_size=200) | st.from_type(type(None)).map(lambda _: b"[" * 50_000))
def test_any_signed_bytes_are_read_or_refused(body):
    with contextlib.suppress(BucketerError):
        _read(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["project_id", "data", "revision", "cdn_url", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_signed_json_is_read_or_refused(value):
    with contextlib.suppress(BucketerError):
        _read(json.dumps(value).encode(), project_id="")


# -- the route of the server ------------------------------------------------------------------


def _ask(body, headers, known=None, *, rules=(SECRET, "")):
    options = ApiOptions()
    options.webhook = rules
    handler = Handler(AnEdition(json.loads(revision(4))), options)
    request = Request("POST", "/webhooks/optimizely", "", headers, body, request_id="r")
    return handler.handle(request, 0.0, lambda: "", known).response


def test_the_route_hands_a_genuine_webhook_to_the_shell_then_accepts():
    with pytest.raises(DatafileAnnounced) as caught:
        _ask(BODY, signed(BODY))
    response = _ask(BODY, signed(BODY), Known(asked=True))

    assert BODY == caught.value.body
    assert (202, b'{"status": "accepted"}') == (response.status, response.body)


def test_the_route_refuses_what_is_not_signed_or_about_another_project():
    for response in (
        _ask(BODY, {}),
        _ask(BODY, signed(BODY), rules=("", "")),
        _ask(body_of(5, project="12"), signed(body_of(5, project="12"))),
    ):
        assert 403 == response.status
        assert "webhook_refused" == json.loads(response.body)["error"]["code"]


def test_where_webhooks_are_not_taken_there_is_no_route():
    assert 404 == _ask(BODY, signed(BODY), rules=None).status


# -- the publisher: wait, check, publish -----------------------------------------------------------


class Shelf:
    """A target that keeps what it is given."""

    def __init__(self, where="shelf", error=None):
        self.where, self.error, self.kept = where, error, []

    def publish(self, checked, url):
        if self.error:
            raise PublishError(self.where, self.error)
        self.kept.append((checked.revision, url))
        return f"published revision {checked.revision}"


class Waiting:
    """Time that passes only by sleeping; `then` is called at each sleep."""

    def __init__(self, then=lambda: None):
        self.now, self.then = 0.0, then

    def sleep(self, seconds):
        self.now += seconds
        self.then()

    def clock(self):
        return self.now


def _publisher(source, *targets, waiting=None, wait_s=20.0):
    waiting = waiting or Waiting()
    return Publisher(source, targets, wait_s=wait_s, sleep=waiting.sleep, clock=waiting.clock)


def _notice(number=5, **options):
    return _read(body_of(number, **options), project_id="")


def test_a_new_revision_goes_to_every_target():
    one, other = Shelf("one"), Shelf("other")
    source = FakeSource(revision(5))

    report = _publisher(source, one, other).publish(_notice())

    assert ("5", {}) == (report.revision, report.failed)
    assert [("5", source.label)] == one.kept == other.kept


def test_a_cdn_that_lags_is_waited_for():
    source = FakeSource(revision(4))
    waiting = Waiting()
    waiting.then = lambda: setattr(source, "content", revision(5)) if waiting.now > 7 else None
    shelf = Shelf()

    report = _publisher(source, shelf, waiting=waiting).publish(_notice())

    assert "5" == report.revision
    assert 7 < waiting.now < 12


def test_a_cdn_that_never_shows_it_is_given_up_and_nothing_is_published():
    waiting, shelf = Waiting(), Shelf()

    with pytest.raises(Stale, match="still shows revision 4, not 5"):
        _publisher(FakeSource(revision(4)), shelf, waiting=waiting).publish(_notice())
    assert [] == shelf.kept
    assert waiting.now <= 20


def test_a_cdn_that_is_ahead_is_believed():
    shelf = Shelf()

    assert "6" == _publisher(FakeSource(revision(6)), shelf).publish(_notice()).revision


def test_an_error_while_waiting_is_no_reason_to_stop():
    source = FakeSource(down("status 502"))
    waiting = Waiting()
    waiting.then = lambda: setattr(source, "content", revision(5)) if waiting.now > 2 else None

    assert "5" == _publisher(source, Shelf(), waiting=waiting).publish(_notice()).revision


@pytest.mark.parametrize(
    ("content", "error"),
    [(down(), SourceError), (b"<html>", UnusableDatafile), (revision(5)[:-9], UnusableDatafile)],
)
def test_what_cannot_be_used_is_not_published(content, error):
    shelf = Shelf()

    with pytest.raises(error):
        _publisher(FakeSource(content), shelf).publish(_notice())
    assert [] == shelf.kept


def test_a_datafile_of_another_project_is_not_published():
    shelf = Shelf()

    with pytest.raises(WebhookRefused, match="about project 12, and the datafile is of 11"):
        _publisher(FakeSource(revision(5)), shelf).publish(_notice(project="12"))
    assert [] == shelf.kept


def test_one_target_that_fails_does_not_stop_the_next():
    shelf = Shelf()

    report = _publisher(FakeSource(revision(5)), Shelf("full", "AccessDenied"), shelf).publish(
        _notice()
    )

    assert {"full": "AccessDenied"} == report.failed
    assert 1 == len(shelf.kept)


# -- the Lambda function ----------------------------------------------------------------------


def _event(body=BODY, headers=None, *, encoded=False):
    headers = {"X-Hub-Signature": signature_of(body)} if headers is None else headers
    text = base64.b64encode(body).decode() if encoded else body.decode()
    return {"version": "2.0", "headers": headers, "body": text, "isBase64Encoded": encoded}


def _answer(event, source=None, *targets, **environ):
    environ = {"BUCKETER_WEBHOOK_SECRET": SECRET, "BUCKETER_PROJECT_ID": PROJECT, **environ}
    made = []

    def make_publisher(theirs):
        made.append(theirs.environment)
        return _publisher(source or FakeSource(revision(5)), *(targets or (Shelf(),)))

    result = door.answer(event, read_settings(environ), make_publisher)
    assert "nosniff" == result["headers"]["X-Content-Type-Options"]  # as every answer says
    return result["statusCode"], json.loads(result["body"]), made


@pytest.mark.parametrize("encoded", [False, True])
def test_the_function_publishes_and_reports(encoded):
    status, report, _ = _answer(_event(encoded=encoded))

    assert (200, "5") == (status, report["revision"])
    assert {"shelf": "published revision 5"} == report["done"]


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (_event(headers={}), 403),
        (_event(headers={"X-Hub-Signature": "sha1=0"}), 403),
        (_event(body_of(5, project="12")), 403),
        (_event(b"[]"), 400),
        ({}, 403),
        ({"body": 5}, 400),
        ({"body": "%", "isBase64Encoded": True, "headers": {}}, 400),
    ],
)
def test_the_function_refuses_before_it_does_anything(event, status):
    found, _, made = _answer(event)

    assert (status, []) == (found, made)


def test_the_function_says_403_to_another_project_even_when_none_is_configured():
    event = _event(body_of(5, project="12"))
    status, report, _ = _answer(event, BUCKETER_PROJECT_ID="")

    assert (403, "webhook_refused") == (status, report["error"]["code"])


def test_the_function_says_503_when_a_later_try_may_succeed():
    status, report, _ = _answer(_event(), FakeSource(revision(4)))

    assert (503, "not_there_yet") == (status, report["error"]["code"])


def test_the_function_says_500_when_a_target_failed():
    status, report, _ = _answer(_event(), None, Shelf("s3://b", "AccessDenied from S3"))

    assert (500, {"s3://b": "AccessDenied from S3"}) == (status, report["failed"])


def test_the_secret_is_in_no_answer():
    for event in (_event(), _event(headers={}), _event(body_of(5, project="12"))):
        assert SECRET not in json.dumps(_answer(event)[1])


def test_a_function_without_a_url_says_so_in_its_log(monkeypatch, caplog):
    monkeypatch.setenv("BUCKETER_WEBHOOK_SECRET", SECRET)
    monkeypatch.delenv("DATAFILE_URL", raising=False)

    assert 500 == door.lambda_handler(_event(), None)["statusCode"]
    assert "DATAFILE_URL" in caplog.text


def test_a_truncated_datafile_from_a_real_server_is_not_published():
    shelf = Shelf()
    with Origin(answer(200, revision(5)[:-20])) as origin:
        status, report, _ = _answer(_event(), UrlSource(origin.url, 60.0), shelf)

    assert (503, "invalid_datafile", []) == (status, report["error"]["code"], shelf.kept)
    with Origin(ok(revision(5))) as origin:
        assert 200 == _answer(_event(), UrlSource(origin.url, 60.0), shelf)[0]


# -- AWS, built as the settings say ------------------------------------------------------------

PUBLISHING = {
    "BUCKETER_PUBLISH": "s3://b/datafile.json",
    "BUCKETER_PUBLISH_FUNCTION": "bucketer:live",
}


@pytest.fixture
def keys(monkeypatch, tmp_path):
    """An environment with credentials, and no configuration files or region from elsewhere."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")


def _built(remaining_s=None, **environ):
    settings = read_settings({**PUBLISHING, **environ})
    environ = {"AWS_REGION": "eu-central-1"}
    return build_publisher(settings, FakeSource(revision(5)), environ, remaining_s)


def test_the_clients_give_up_long_before_the_function_is_stopped(keys):
    for target in _built()._targets:
        config = target._client.meta.config

        assert (3, 10) == (config.connect_timeout, config.read_timeout)
        assert 2 == config.retries["total_max_attempts"]


class Silent:
    """A publisher's targets on a service that accepts and never answers."""

    def __init__(self, url, read_s):
        session = open_session("eu-central-1")
        self.clients = [open_client(session, each, read_s=read_s) for each in ("s3", "lambda")]
        for client in self.clients:
            client.meta.events.register(
                "before-send", lambda request, **_: setattr(request, "url", f"{url}/")
            )

    @property
    def targets(self):
        s3, lambda_ = self.clients
        return S3Store("s3://b/datafile.json", s3), FunctionCode("bucketer:live", lambda_)


def test_targets_that_accept_and_never_answer_fail_in_bounded_time(keys):
    started = time.monotonic()
    with Origin([60.0]) as origin:
        report = _publisher(FakeSource(revision(5)), *Silent(origin.url, 0.2).targets).publish(
            _notice()
        )
        asked = len(origin.requests)

    assert 4 == asked  # two targets, two tries each
    assert time.monotonic() - started < 10
    assert {} == report.done
    assert {"s3://b", "bucketer"} == set(report.failed)
    assert all("ReadTimeoutError" in why for why in report.failed.values())


@pytest.mark.parametrize(
    ("remaining_s", "wait_s"),
    [(None, 20.0), (300.0, 20.0), (95.0, 20.0), (94.0, 19.0), (80.0, 5.0), (75.0, 0.0), (3.0, 0.0)],
)
def test_what_is_waited_for_is_bounded_by_what_is_left_of_the_function_s_time(
    keys, remaining_s, wait_s
):
    assert wait_s == _built(remaining_s)._wait_s


@pytest.mark.parametrize(
    ("remaining_s", "patience_s"), [(None, 60), (300.0, 205), (120.0, 30), (95.0, 30)]
)
def test_a_version_is_waited_for_as_long_as_is_left(keys, remaining_s, patience_s):
    _, function = _built(remaining_s)._targets

    assert 2 * patience_s == function._polls  # two looks a second


def test_the_function_tells_the_publisher_what_is_left(monkeypatch, keys):
    class Context:
        def get_remaining_time_in_millis(self):
            return 90_500

    assert 90.5 == door._remaining_s(Context())
    assert door._remaining_s(None) is None


def test_a_function_to_publish_to_without_a_region_is_one_clear_line(keys):
    with pytest.raises(SettingsError) as caught:
        build_publisher(read_settings(PUBLISHING), FakeSource(revision(5)), {})

    assert "BUCKETER_PUBLISH_FUNCTION: no region of AWS is known; set AWS_REGION" == str(
        caught.value
    )


def test_publishing_without_boto3_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)  # as if it weren't installed

    with pytest.raises(SettingsError) as caught:
        _built()
    assert "BUCKETER_PUBLISH: this needs the extra [aws]: pip install 'bucketer[aws]'" == str(
        caught.value
    )


# -- whose is it, of many environments --------------------------------------------------------


@pytest.fixture
def signatures(monkeypatch):
    """The secrets with which signatures were made."""
    made = []
    digest = hmac.digest
    monkeypatch.setattr(
        hmac, "digest", lambda key, *rest: made.append(key.decode()) or digest(key, *rest)
    )
    return made


def _rules(count):
    """Environments of as many projects, each with a secret, and the default one without."""
    listed = [WebhookRule(f"e{n}", f"secret-{n}", str(n)) for n in range(count)]
    return [WebhookRule("", "", ""), *listed]


def test_a_webhook_is_checked_with_the_secrets_of_its_own_project_alone(signatures):
    body = json.dumps({"project_id": 77}).encode()
    headers = {"x-hub-signature": signature_of(body, "secret-77")}
    signatures.clear()

    assert concerned(body, headers, _rules(1_000)) == ("e77",)
    assert signatures == ["secret-77"]


@pytest.mark.parametrize(
    "body",
    [b'{"project_id": 1001}', b"{}", b"[" * 50_000, b"\xff", b"", b"x" * (MAX_BODY_BYTES + 1)],
    ids=lambda body: f"{body[:20]}",
)
def test_what_nobody_can_have_signed_costs_one_signature_at_most(signatures, body):
    with pytest.raises(WebhookRefused):
        concerned(body, {"x-hub-signature": "sha1=00"}, _rules(1_000))

    assert len(signatures) <= 1


def test_the_secret_of_another_project_makes_no_webhook_genuine():
    body = json.dumps({"project_id": 77}).encode()

    with pytest.raises(WebhookRefused):
        concerned(body, {"x-hub-signature": signature_of(body, "secret-78")}, _rules(1_000))


def test_an_environment_whose_project_is_not_known_yet_takes_what_it_has_signed():
    body = json.dumps({"project_id": 77}).encode()
    rules = [*_rules(10), WebhookRule("new", "hers", "")]

    assert concerned(body, {"x-hub-signature": signature_of(body, "hers")}, rules) == ("new",)
