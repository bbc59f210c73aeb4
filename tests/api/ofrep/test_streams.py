"""Where OpenFeature's clients hear of new revisions: `eventStreams`, and the stream itself."""

from __future__ import annotations

import base64
import json

import pytest
from tests.fakes.editions import NOW, AnEdition

from bucketer import wiring
from bucketer.api.http import Request
from bucketer.api.ofrep.streams import ADDRESS_S, PATH, STEP_S, edition_notice, topic_of
from bucketer.api.options import ApiOptions
from bucketer.api.routes import Handler
from bucketer.api.signed import EXPOSURE, STREAM, sign
from bucketer.api.streams import Room, Stream
from bucketer.core.errors import TokenRefused
from bucketer.settings import read_settings
from bucketer.wiring.http import openfeature_api

FLAGS = "/ofrep/v1/evaluate/flags"
SECRET = b"s" * 32


def options(environment_id="default", **more):
    found = ApiOptions()
    found.apis = (("/ofrep/", openfeature_api),)
    found.event_streams, found.stream_secrets, found.stream_room = "on", (SECRET,), Room()
    found.environment_id = environment_id
    for name, value in more.items():
        setattr(found, name, value)
    return found


class Asking:
    def __init__(self, its=None, **facts):
        self.handler = Handler(AnEdition(**facts), its or options())

    def all(self, now=NOW, prefix="", **headers):
        body = b'{"context": {"targetingKey": "ben"}}'
        request = Request("POST", f"{prefix}{FLAGS}", "", headers, body, "", "r")
        return self.handler.handle(request, now, lambda: "u").response

    def streams(self, now=NOW, **more):
        return json.loads(self.all(now, **more).body).get("eventStreams")

    def listen(self, address, now=NOW, request_id="r"):
        path, _, query = address.partition("?")
        request = Request("GET", path, query, {}, b"", "", request_id)
        return self.handler.handle(request, now, lambda: "u").response


@pytest.fixture
def asking():
    return Asking()


def address_of(streams):
    [stream] = streams
    assert (stream["type"], [*stream["endpoint"]]) == ("sse", ["requestUri"])
    return stream["endpoint"]["requestUri"]


class TestAddress:
    def test_stands_in_bulk_answers_alone(self, asking):
        one = Request("POST", f"{FLAGS}/search", "", {}, b"{}", "", "r")

        assert address_of(asking.streams()).startswith(f"{PATH}?stream=")
        assert "eventStreams" not in json.loads(
            asking.handler.handle(one, NOW, lambda: "u").response.body
        )

    def test_has_in_front_what_the_request_had(self):
        asking = Asking(options(path_prefix="/experiments"))

        assert address_of(asking.streams()).startswith(PATH)
        assert address_of(asking.streams(prefix="/experiments")).startswith(f"/experiments{PATH}")
        assert asking.listen(address_of(asking.streams(prefix="/experiments"))).status == 200

    def test_is_good_for_as_long_as_an_answer_that_names_it_is(self, asking):
        for start in range(0, 2 * STEP_S, 25):
            first = asking.all(NOW + start)
            etag, address = dict(first.headers)["ETag"], address_of(asking.streams(NOW + start))
            for later in range(0, 2 * ADDRESS_S, 100):
                now = NOW + start + later
                again = asking.all(now, **{"if-none-match": etag})
                is_good = asking.listen(address, now).status == 200
                assert is_good or again.status == 200  # never kept with an address that has ended
                if later <= ADDRESS_S:
                    assert is_good
                if later > ADDRESS_S + STEP_S:
                    assert not is_good

    def test_is_another_where_it_is_signed_by_another(self):
        one, other = Asking(), Asking(options(stream_secrets=(b"o" * 32,)))
        etag = dict(one.all().headers)["ETag"]

        assert one.all(**{"if-none-match": etag}).status == 304
        assert other.all(**{"if-none-match": etag}).status == 200
        assert other.listen(address_of(one.streams())).status == 403

    def test_is_not_given_while_nobody_can_listen(self):
        its = options()
        asking = Asking(its)
        etag = dict(asking.all().headers)["ETag"]
        its.stream_room.is_full = True

        assert asking.streams() is None
        assert asking.all(**{"if-none-match": etag}).status == 200

    def test_holds_no_sdk_key(self):
        document = json.loads(AnEdition().raw) | {"sdkKey": "SECRET-SDK-KEY"}
        token = address_of(Asking(datafile=document).streams()).partition("=")[2]
        payload = token.split(".")[1]

        assert base64.urlsafe_b64decode(payload + "==") == b"ofrep default"

    @pytest.mark.parametrize("given", ["off", "https://streams.example/a?b=c"])
    def test_may_be_another_service_or_none(self, given):
        its = wiring.api_options(read_settings({"BUCKETER_OFREP_EVENT_STREAMS": given}))
        asking = Asking(its)
        expected = None if given == "off" else [{"type": "sse", "url": given}]

        assert asking.streams() == expected
        assert asking.listen(f"{PATH}?stream=x").status == 404

    @pytest.mark.parametrize("mode", [wiring.SERVER, wiring.LAMBDA, wiring.COMMAND])
    def test_is_not_ours_where_no_answer_can_be_kept_open(self, mode):
        environ = {"BUCKETER_EVENTS": "off", "BUCKETER_OFREP_EVENT_STREAMS": "on"}
        runtime = wiring.build(read_settings(environ), {}, mode=mode)
        body = b'{"context": {}}'

        told = json.loads(runtime.serve(Request("POST", FLAGS, body=body)).body)
        assert "eventStreams" not in told
        assert runtime.serve(Request("GET", PATH, "stream=x")).status == 404

    def test_is_signed_by_what_is_set_or_by_what_the_server_makes_up(self):
        secret = base64.b64encode(b"x" * 16).decode()
        environ = {"BUCKETER_EVENTS": "off", "BUCKETER_OFREP_EVENT_STREAMS": "on"}
        for more, expected in [({}, b"made up"), ({"BUCKETER_SIGNING_SECRETS": secret}, b"x" * 16)]:
            runtime = wiring.build(
                read_settings(environ | more), {}, mode=wiring.SERVER, stream_secret=b"made up"
            )
            [stream] = json.loads(runtime.serve(Request("POST", FLAGS, body=b"{}")).body)[
                "eventStreams"
            ]
            token = stream["endpoint"]["requestUri"].partition("=")[2]
            until = int(token.partition(".")[0])
            assert token == sign(expected, STREAM, b"ofrep default", until)


class TestStream:
    def test_tells_at_once_to_evaluate_again(self, asking):
        stream = asking.listen(address_of(asking.streams()))

        assert isinstance(stream, Stream)
        lines = stream.opening.decode().split("\n")
        assert lines[1:] == ['data: {"type": "refetchEvaluation"}', "", ""]
        assert lines[0].startswith("retry: ")
        headers = dict(stream.headers)
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Cache-Control"] == "no-store"

    def test_has_clients_come_back_at_different_times(self, asking):
        address = address_of(asking.streams())
        openings = {asking.listen(address, request_id=f"r{n}").opening for n in range(50)}
        waits = {int(each.split(b"\n")[0].split()[1]) for each in openings}

        assert len(waits) > 40
        assert all(2_000 <= each < 7_000 for each in waits)

    def test_tells_of_its_own_environment_alone(self):
        one, other = Asking(options("shop")), Asking(options("blog"))
        listened = [each.listen(address_of(each.streams())) for each in (one, other)]

        assert [each.topic for each in listened] == [topic_of("shop"), topic_of("blog")]
        through_the_other = other.listen(address_of(one.streams()))
        assert through_the_other.topic == topic_of("shop")

    @pytest.mark.parametrize("revision", ["23", "a\nb", 'x"\r\n\u2028'])
    def test_frames_a_revision_whatever_is_in_it(self, revision):
        notice = edition_notice("shop", revision)
        name, data = notice.data.split(b"\n")

        assert notice.topic == topic_of("shop")
        assert name.startswith(b"id: ")
        assert json.loads(data.removeprefix(b"data: ")) == {
            "type": "refetchEvaluation",
            "etag": revision,
        }
        assert b"\r" not in notice.data

    def test_says_how_much_was_lost_and_to_evaluate_again(self, asking):
        stream = asking.listen(address_of(asking.streams()))

        assert stream.lost % 3 == b': 3 lost\ndata: {"type": "refetchEvaluation"}\n\n'

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "stream=",
            "stream=x",
            "stream=1.a.b",
            f"stream={sign(SECRET, EXPOSURE, b'ofrep default', int(NOW) + 60)}",
            f"stream={sign(b'o' * 32, STREAM, b'ofrep default', int(NOW) + 60)}",
            f"stream={sign(SECRET, STREAM, b'ofrep default', int(NOW))}",
        ],
    )
    def test_is_refused_without_an_address_of_ours(self, asking, query):
        response = asking.listen(f"{PATH}?{query}")
        told = json.loads(response.body)

        assert response.status == 403
        assert (told["errorCode"], told["metadata"]) == ("GENERAL", {})
        assert "stream" in told["errorDetails"]

    def test_is_a_get_alone(self, asking):
        request = Request("POST", PATH, "stream=x", {}, b"", "", "r")

        assert asking.handler.handle(request, NOW, lambda: "u").response.status == 405

    def test_asks_for_no_other_token_and_bulk_does(self):
        class Nobody:
            rates = None

            def grant(self, request, now):
                raise TokenRefused("none was sent")

        open_one = Asking()
        closed = Asking(options(gate=Nobody()))

        assert closed.all().status == 401
        assert closed.listen(address_of(open_one.streams())).status == 200
