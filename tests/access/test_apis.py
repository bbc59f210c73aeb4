"""What else asks for a role: metrics and the console, which a key opens to others."""

import urllib.error
import urllib.request

from tests.fakes.consoles import Console
from tests.fakes.environments import environments_file
from tests.fakes.process import bucketer_serve

from bucketer.access.keys import digest_of, new_key
from bucketer.api.grant import ADMIN, READ, Grant
from bucketer.api.http import Request, WorkNeeded
from bucketer.api.options import ApiOptions
from bucketer.api.problems import LocalOnly
from bucketer.api.service.metrics import MetricsRoute

TEXTS = {role: new_key(role.ljust(32).encode()) for role in ("evaluate", "read", "admin")}
KEYS = " ".join(f"{digest_of(text).hex()}:{role}:*" for role, text in TEXTS.items())
OTHER = new_key(b"a reader of the first one alone.")


def console(**settings):
    return Console(BUCKETER_CONSOLE="on", BUCKETER_KEYS=KEYS, **settings)


def status(one, role, path="/console/api/project", query="", text=None):
    headers = {"host": "decisions.example"}
    if role:
        headers["authorization"] = f"Bearer {text or TEXTS[role]}"
    return one.ask(path, query, headers=headers, ip="192.0.2.7").status


def test_the_console_takes_the_role_read():
    one = console()

    assert [401, 403, 200, 200] == [status(one, role) for role in (None, *TEXTS)]


def test_the_console_shows_the_key_of_one_environment_no_other(tmp_path, demonstration):
    datafiles = {name: demonstration | {"sdkKey": name} for name in ("first", "second")}
    config = environments_file(tmp_path, datafiles, sdk_key="{name}")
    keys = f"{KEYS} {digest_of(OTHER).hex()}:read:first"
    one = Console(BUCKETER_CONSOLE="on", BUCKETER_KEYS=keys, BUCKETER_CONFIG=str(config))
    for each in one.runtime.environments:
        each.refresh()
    query = "environment=second"

    assert (200, 404) == (
        status(one, "read", query=query),
        status(one, "read", query=query, text=OTHER),
    )
    assert 200 == status(one, "read", text=OTHER)


def test_metrics_take_the_role_admin():
    with bucketer_serve(BUCKETER_METRICS="local", BUCKETER_KEYS=KEYS) as server:

        def status_of(role):
            headers = {"X-API-Key": TEXTS[role]} if role else {}
            asked = urllib.request.Request(f"{server.url}/metrics", headers=headers)
            try:
                with urllib.request.urlopen(asked, timeout=60) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                return error.code

        assert [401, 403, 403, 200] == [status_of(role) for role in (None, *TEXTS)]


def test_metrics_for_this_machine_alone_are_told_to_an_admin_elsewhere():
    options = ApiOptions()
    options.metrics = lambda _accept, _may: ("text/plain", b"")
    route = MetricsRoute(options)

    def is_told(grant):
        request = Request("GET", "/metrics", ip="192.0.2.7")
        if grant is not None:
            request.grant = grant
        try:
            route.answer(request, 0.0, str, None)
        except LocalOnly:
            return False
        except WorkNeeded:
            return True
        raise AssertionError

    assert [False, False, True] == [is_told(each) for each in (None, Grant(READ), Grant(ADMIN))]
