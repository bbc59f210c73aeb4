"""How often one address or key may ask: no more, no less, and at nobody else's expense."""

import json
import tracemalloc
import urllib.error
import urllib.request

import pytest
from tests.fakes.environments import environments_file
from tests.fakes.process import bucketer_serve

from bucketer import wiring
from bucketer.access import rates
from bucketer.access.keys import digest_of, new_key
from bucketer.access.rates import MAX_BUCKETS, Buckets, Rates
from bucketer.api.bucketer import body as bodies
from bucketer.api.http import Request
from bucketer.api.problems import RateLimited

NOW = 1_800_000_000.0
KEY, PAGE = new_key(bytes(32)), new_key(bytes(range(32)), publishable=True)
KEYS = {
    "BUCKETER_KEYS": f"{digest_of(KEY).hex()}:admin:*,"
    f"{digest_of(PAGE).hex()}:evaluate:*:https://shop.example"
}


def taken(buckets, who, now, tries=1_000):
    return sum(not buckets.take(who, now) for _ in range(tries))


# ---------------------------------------------------------------------------- one bucket


def test_what_comes_at_once_is_let_through_up_to_the_burst_and_then_at_the_rate():
    buckets = Buckets(5, 10)

    assert 50 == taken(buckets, "a", NOW)
    assert pytest.approx(0.2, abs=1e-3) == buckets.take("a", NOW)
    assert 0 == taken(buckets, "a", NOW + 0.19)
    assert 1 == taken(buckets, "a", NOW + 0.2)
    assert 5 == taken(buckets, "a", NOW + 1.2)
    assert 50 == taken(buckets, "a", NOW + 1_000)


@pytest.mark.parametrize(
    ("per_second", "burst_s", "at_once"), [(0.01, 10, 1), (5, 0, 1), (2, 1, 2)]
)
def test_one_may_always_come_when_nothing_came_before(per_second, burst_s, at_once):
    assert at_once == taken(Buckets(per_second, burst_s), "a", NOW)


def test_what_is_refused_costs_nothing():
    """Or whoever goes on asking would never be let in again."""
    buckets = Buckets(1, 1)
    for tenth in range(100):
        buckets.take("a", NOW + tenth / 10)

    assert 1 == taken(buckets, "a", NOW + 11)


def test_a_clock_that_is_set_shuts_nobody_out():
    buckets = Buckets(1, 10)
    taken(buckets, "a", NOW)

    assert 10 == taken(buckets, "a", NOW - 86_400)
    assert 10 == taken(buckets, "a", NOW + 86_400)
    assert 10 == taken(buckets, "a", NOW + 86_400 - 3_600)


@pytest.mark.parametrize(
    ("wait_s", "told"), [(0.001, "1"), (1, "1"), (1.001, "2"), (59.5, "60"), (100, "100")]
)
def test_retry_after_has_whole_seconds_and_no_fewer_than_there_are(wait_s, told):
    assert told == RateLimited(wait_s).retry_after


# ---------------------------------------------------------------------------- many


def test_nobody_is_refused_for_what_others_ask():
    buckets = Buckets(1, 1)
    for number in range(1_000):
        buckets.take(number % 10, NOW)

    assert 0.0 == buckets.take("somebody else", NOW)


def test_however_many_ask_what_is_kept_is_bounded_in_bytes_and_shuts_nobody_out():
    buckets = Rates(1, None, 1)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(MAX_BUCKETS + 10_000):
            address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            assert 0.0 == buckets.of_address(address, NOW)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert MAX_BUCKETS == len(buckets._addresses._full_at)
    assert after - before < 16 * 1024 * 1024


def test_whoever_asked_last_is_forgotten_last(monkeypatch):
    monkeypatch.setattr(rates, "MAX_BUCKETS", 3)
    buckets = Buckets(1, 1)
    for who in ("a", "b", "a", "c", "d"):  # so `b` goes
        buckets.take(who, NOW)

    assert ["a", "c", "d"] == [*buckets._full_at]


# ---------------------------------------------------------------------------- addresses


def test_of_an_ipv6_address_the_first_64_bits_count():
    each = Rates(1, None, 1)

    assert 0.0 == each.of_address("2001:db8::1", NOW)
    assert 0.0 < each.of_address("2001:db8:0:0:ffff::2", NOW)
    assert 0.0 == each.of_address("2001:db8:0:1::1", NOW)


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.9.9.9", "::1"])
def test_an_address_that_may_be_anybodys_has_no_limit(address):
    each = Rates(1, None, 1)

    assert {0.0} == {each.of_address(address, NOW) for _ in range(100)}


# ---------------------------------------------------------------------------- through a runtime


def asker(**environ):
    runtime = wiring.build(
        environ={"BUCKETER_EVENTS": "off", "BUCKETER_RATE_BURST": "0", **environ}
    )

    def ask(path="/bucketer?e=checkout_flow_experiment&u=ben", ip="192.0.2.1", **more):
        path, _, query = path.partition("?")
        headers = {name.replace("_", "-"): value for name, value in more.pop("headers", {}).items()}
        request = Request(
            more.get("method", "GET"), path, query, headers, more.get("body", b""), ip
        )
        return runtime.serve(request)

    return ask


SLOW = {"BUCKETER_RATE_PER_ADDRESS": "0.01"}
AGENTS = {"x_optimizely_sdk_key": "demonstration"}


@pytest.mark.parametrize(
    ("path", "asked", "read"),
    [
        ("/bucketer?f=search&u=ben", {}, lambda told: told["error"]["message"]),
        ("/?f=search&u=ben", {}, lambda told: told["error"]["message"]),
        ("/", {}, lambda told: told["error"]["message"]),
        (
            "/track",
            {"method": "POST", "body": b'{"event": "purchase", "user": "ben"}'},
            lambda told: told["error"]["message"],
        ),
        ("/v1/config", {"headers": AGENTS}, lambda told: told["error"]),
        (
            "/ofrep/v1/evaluate/flags",
            {"method": "POST", "body": b'{"context": {"targetingKey": "ben"}}'},
            lambda told: told["errorDetails"],
        ),
    ],
)
def test_every_api_refuses_in_its_own_shape_and_says_when_to_come_again(path, asked, read):
    ask = asker(**SLOW)
    first, second = ask(path, **asked), ask(path, **asked)

    assert first.status in {200, 204}
    assert 429 == second.status
    assert ("Retry-After", "100") in second.headers
    assert "Too many requests. Ask again in 100 s." == read(json.loads(second.body))
    assert 200 == ask("/bucketer?f=search&u=ben", ip="192.0.2.2").status


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/health", {}),
        ("/openapi.yaml", {}),
        ("/bucketer", {"method": "OPTIONS"}),
    ],
)
def test_what_watches_over_the_service_is_not_counted(path, asked):
    ask = asker(**SLOW)

    assert {True} == {ask(path, **asked).status in {200, 204} for _ in range(5)}


@pytest.mark.parametrize("path", ["/oauth/token", "/expose", "/v1/batch"])
def test_what_takes_a_body_from_anybody_is(path):
    ask = asker(**SLOW)
    statuses = [ask(path, method="POST", body=b"{}").status for _ in range(2)]

    assert 429 != statuses[0]
    assert 429 == statuses[1]


@pytest.mark.parametrize(("environ", "status"), [(SLOW, 429), ({"BUCKETER_ACCESS": "keys"}, 401)])
def test_of_whom_may_not_ask_the_body_is_not_read(environ, status, monkeypatch):
    """Or it would cost what the limit is there to save."""
    ask = asker(**environ)
    ask()
    read = []
    monkeypatch.setattr(bodies, "parse_json", lambda *given: read.append(given))
    answer = ask("/bucketer", method="POST", body=b'{"e": "checkout_flow_experiment", "u": "ben"}')

    assert (status, None) == (answer.status, json.loads(answer.body)["variation"])
    assert [] == read


def test_each_operation_of_a_batch_counts():
    ask = asker(**SLOW)
    operation = {
        "method": "GET",
        "url": "/v1/config",
        "headers": {"X-Optimizely-SDK-Key": "demonstration"},
    }
    body = json.dumps({"operations": [operation] * 3}).encode()
    told = json.loads(ask("/v1/batch", method="POST", body=body).body)

    assert {429} == {each["status"] for each in told["response"]}


def test_wrong_keys_count_for_their_address():
    ask = asker(**SLOW, **KEYS)

    assert [401, 429] == [ask(headers={"x_api_key": "bk_wrong"}).status for _ in range(2)]


def test_a_key_has_a_bucket_of_its_own_wherever_it_is_used():
    ask = asker(BUCKETER_RATE_PER_KEY="0.01", **KEYS)
    statuses = [ask(ip=f"192.0.2.{n}", headers={"x_api_key": KEY}).status for n in range(3)]

    assert [200, 429, 429] == statuses


def test_one_visitor_of_a_page_does_not_use_up_its_key_for_the_others():
    ask = asker(BUCKETER_RATE_PER_KEY="0.01", **SLOW, **KEYS)
    headers = {"x_api_key": PAGE, "origin": "https://shop.example"}
    statuses = [
        ask(ip=ip, headers=headers).status for ip in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
    ]

    assert [200, 429, 200] == statuses


def test_a_request_that_is_handed_on_counts_once(tmp_path, demonstration):
    """To the environment that its key chooses, which its address pays for but once."""
    config = environments_file(tmp_path, dict.fromkeys(("first", "second"), demonstration))
    keys = f"{digest_of(KEY).hex()}:admin:second"
    both = {"BUCKETER_RATE_PER_ADDRESS": "0.01", "BUCKETER_RATE_PER_KEY": "0.01"}
    ask = asker(BUCKETER_CONFIG=str(config), BUCKETER_KEYS=keys, **both)

    assert [200, 429] == [ask(headers={"x_api_key": KEY}).status for _ in range(2)]


def test_a_request_that_has_to_wait_for_something_counts_once():
    ask = asker(BUCKETER_PROFILES="memory", **SLOW)

    assert [200, 429] == [ask().status for _ in range(2)]


def test_without_a_setting_nothing_stands_in_the_way():
    runtime = wiring.build(environ={"BUCKETER_EVENTS": "off"})

    assert "BucketerRoute" == type(runtime.handler._routes["/bucketer"]).__name__


@pytest.mark.parametrize("written", ["0", "-1", "0.009", "100001", "nan", "fast"])
def test_a_rate_that_can_not_be_meant_is_refused(written):
    with pytest.raises(Exception, match=r"requests per second from 0\.01 to 100000"):
        asker(BUCKETER_RATE_PER_ADDRESS=written)


# ---------------------------------------------------------------------------- over sockets


def test_over_sockets_each_visitor_behind_a_trusted_proxy_has_a_bucket():
    settings = {"BUCKETER_TRUSTED_PROXIES": "127.0.0.1", "BUCKETER_RATE_BURST": "0", **SLOW}
    with bucketer_serve(**settings) as server:

        def ask(address):
            headers = {"X-Forwarded-For": address} if address else {}
            url = f"{server.url}/bucketer?e=checkout_flow_experiment&u=ben"
            try:
                with urllib.request.urlopen(
                    urllib.request.Request(url, headers=headers), timeout=60
                ) as answer:
                    return answer.status, None
            except urllib.error.HTTPError as error:
                return error.code, error.headers["Retry-After"]

        assert (200, None) == ask("192.0.2.1")
        assert (429, "100") == ask("192.0.2.1")
        assert (429, "100") == ask("6.6.6.6, 192.0.2.1")  # the left one may be made up
        assert (200, None) == ask("192.0.2.2")
        assert (200, None) == ask("2001:db8::1")
        assert (429, "100") == ask("2001:db8::2")
        assert {(200, None)} == {ask("") for _ in range(3)}
