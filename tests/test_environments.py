"""Many environments in one process: found by their keys, opened once, bounded, each by itself."""

from __future__ import annotations

import json
import threading
import tracemalloc
from pathlib import Path

import pytest
from tests.fakes.cdn import Cdn
from tests.fakes.datafiles import a_datafile
from tests.fakes.runtimes import an_environment
from tests.fakes.sources import Clock, FakeSource, down, revision
from tests.fakes.waiting import wait_until

from bucketer import demo, wiring
from bucketer.api.http import BY_NAME, Request
from bucketer.api.problems import RETRY_AFTER_S
from bucketer.core.errors import (
    EnvironmentsBusy,
    EnvironmentUnavailable,
    SettingsError,
    UnknownSdkKey,
)
from bucketer.doors.server.limits import Limits
from bucketer.ports import Fetched
from bucketer.runtime import environments as module
from bucketer.runtime.compiling import compile_quietly
from bucketer.runtime.environments import Environments
from bucketer.runtime.refresher import FETCHING, Refresher
from bucketer.runtime.runtime import Runtime
from bucketer.settings import read_settings
from bucketer.wiring.environments import (
    REMEMBERED_BYTES,
    REMEMBERED_MOST_BYTES,
    lacking,
    remembered_bytes,
)


def environments_that_open(source_of, **limits):
    """Environments with an empty default one, and sources of other keys by *source_of*."""
    return Environments(
        an_environment(FakeSource(revision(1))),
        open_key=lambda key: an_environment(source_of(key), keys=(key,)),
        **limits,
    )


def missing():
    error = down("status 403")
    error.missing = True
    return error


class TestFinding:
    def test_a_key_that_nobody_listed_is_refused(self):
        with pytest.raises(UnknownSdkKey):
            Environments(an_environment(FakeSource(revision(1)))).find("K")

    def test_a_listed_one_is_found_by_each_of_its_keys(self):
        listed = an_environment(FakeSource(revision(2)), keys=("K", "K:token"))
        environments = Environments(an_environment(FakeSource(revision(1))), [listed])

        assert environments.find("K") is environments.find("K:token") is listed
        assert environments.get("K:other") is None

    def test_the_default_one_answers_to_the_key_that_its_datafile_names(self):
        default = an_environment(FakeSource(revision(1, sdkKey="FromTheDatafile")))
        environments = Environments(default)
        before = environments.get("FromTheDatafile")
        default.load()

        assert before is None
        assert environments.get("FromTheDatafile") is default

    def test_one_whose_datafile_alone_tells_its_key_is_found_by_it_before_anybody_asked(self):
        """In Lambda nobody ever did: requests for it were refused for good."""
        nameless = an_environment(FakeSource(revision(2, sdkKey="Told")), name="nameless")
        named = FakeSource(revision(3))
        default = an_environment(FakeSource(revision(1)))
        environments = Environments(default, [nameless, an_environment(named, keys=("N",))])

        assert environments.find("Told") is nameless
        with pytest.raises(UnknownSdkKey):
            environments.find("Nobody's")
        assert not named.asked

    def test_while_that_datafile_can_not_be_had_nobody_knows_whose_a_key_is(self):
        """A client with the right key was told to check it."""
        source, clock = FakeSource(down()), Clock()
        nameless = an_environment(source, name="nameless", clock=clock, monotonic=clock)
        environments = Environments(an_environment(FakeSource(revision(1))), [nameless])
        for _ in range(3):
            with pytest.raises(EnvironmentUnavailable, match="may name it"):
                environments.find("Told")
        asked = len(source.asked)
        with pytest.raises(UnknownSdkKey):
            environments.find(f"{BY_NAME}no such name")

        source.content = revision(2, sdkKey="Told")
        clock.now += 60

        assert asked == 1
        assert environments.find("Told") is nameless

    def test_where_any_key_may_be_asked_for_such_a_datafile_holds_up_no_other(self):
        nameless = an_environment(FakeSource(down()), name="nameless")
        environments = Environments(
            an_environment(FakeSource(revision(1))),
            [nameless],
            open_key=lambda key: an_environment(FakeSource(revision(3)), keys=(key,)),
        )

        assert environments.find("K").edition.ruleset.revision == "3"

    def test_another_one_is_fetched_when_it_is_first_asked_for_and_then_is_there(self):
        source = FakeSource(revision(3))
        environments = environments_that_open(lambda key: source)
        before = environments.get("K")

        found = environments.find("K")

        assert (before, environments.get("K"), environments.find("K")) == (None, found, found)
        assert found.edition.ruleset.revision == "3"
        assert len(source.asked) == 1

    def test_what_two_datafiles_tell_at_once_is_both_taken_up(self):
        """Who had begun to look before the other's was told had the last word."""
        first, second = (an_environment(FakeSource(revision(1, sdkKey=key))) for key in "AB")
        environments = Environments(an_environment(FakeSource(revision(1))), [first, second])
        loading = threading.Thread(target=first.load)

        class Slow(frozenset[str]):
            """Keys of the second: when they are looked at, the first one's have been already."""

            def __iter__(self):
                if loading.ident is None:
                    loading.start()
                    loading.join(0.2)  # as long as it takes, where nothing holds it up
                return super().__iter__()

        second.keys = Slow("B")
        environments._changed(second)
        loading.join(10)

        assert environments.get("A") is first
        assert environments.get("B") is second


class Gate(FakeSource):
    """Answers when it is let."""

    def __init__(self, content):
        super().__init__(content)
        self.gate, self.knocked = threading.Event(), threading.Event()

    def fetch(self, mark):
        self.knocked.set()
        assert self.gate.wait(10)
        return super().fetch(mark)


class TestOpening:
    def test_one_fetch_serves_all_who_wait(self):
        source = Gate(revision(3))
        environments = environments_that_open(lambda key: source)
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(environments.find("K"))) for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        source.gate.set()
        for thread in threads:
            thread.join(10)

        assert len(found) == 5
        assert len(set(map(id, found))) == 1
        assert len(source.asked) == 1

    def test_a_key_that_optimizely_does_not_have_is_remembered_for_a_while(self):
        clock = Clock()
        source = FakeSource(missing())
        environments = environments_that_open(lambda key: source, clock=clock)
        for _ in range(3):
            with pytest.raises(UnknownSdkKey):
                environments.find("K")
        asked = len(source.asked)

        clock.now += module.REFUSED_FOR_S
        source.content = revision(4)

        assert asked == 1
        assert environments.find("K").edition.ruleset.revision == "4"

    def test_a_datafile_that_can_not_be_had_is_asked_for_again_as_soon_as_clients_are_told(self):
        """They are told 5 s, and were refused for 30."""
        clock, source = Clock(), FakeSource(down())
        environments = environments_that_open(lambda key: source, clock=clock)
        for _ in range(2):
            with pytest.raises(EnvironmentUnavailable):
                environments.find("K")
        asked = len(source.asked)

        source.content = revision(4)
        clock.now += float(RETRY_AFTER_S) - 0.1
        with pytest.raises(EnvironmentUnavailable):
            environments.find("K")
        clock.now += 0.1

        assert asked == 1
        assert environments.find("K").edition.ruleset.revision == "4"

    def test_a_datafile_that_is_too_large_is_not_asked_for_again_so_soon(self):
        clock, source = Clock(), FakeSource(revision(3))
        environments = environments_that_open(lambda key: source, clock=clock, max_bytes=9)
        for pause in (0.0, module.REFUSED_FOR_S - 0.1):
            clock.now += pause
            with pytest.raises(EnvironmentUnavailable):
                environments.find("K")

        assert len(source.asked) == 1

    def test_a_key_whose_refusal_is_over_does_not_wait_for_others_that_are_not(self):
        clock, sources = Clock(), {"A": FakeSource(missing()), "B": FakeSource(down())}
        environments = environments_that_open(sources.__getitem__, clock=clock)
        for key, error in (("A", UnknownSdkKey), ("B", EnvironmentUnavailable)):
            with pytest.raises(error):
                environments.find(key)

        clock.now += module.UNAVAILABLE_FOR_S
        sources["B"].content = revision(4)

        assert environments.find("B").edition.ruleset.revision == "4"

    def test_one_that_turns_out_to_be_listed_is_let_go(self):
        """It was kept and refreshed for ever, where no request could reach it."""
        default = an_environment(FakeSource(revision(1, sdkKey="K")))
        environments = Environments(
            default, open_key=lambda key: an_environment(FakeSource(revision(3)), keys=(key,))
        )
        opened = environments.find("K")
        default.load()

        assert opened is not default
        assert environments.get("K") is default
        assert list(environments) == [default]

    def test_a_trouble_of_the_network_is_told_as_one(self):
        environments = environments_that_open(lambda key: FakeSource(down()))

        with pytest.raises(EnvironmentUnavailable, match="could not be fetched"):
            environments.find("K")

    def test_bad_keys_that_are_remembered_are_bounded(self):
        environments = environments_that_open(lambda key: FakeSource(missing()))
        for number in range(module.MAX_REFUSED + 50):
            with pytest.raises(UnknownSdkKey):
                environments.find(f"K{number}")

        assert len(environments._refused) == module.MAX_REFUSED

    def test_strangers_do_not_fill_the_log(self, caplog):
        clock = Clock()
        sources = {f"K{number}": FakeSource(missing()) for number in range(21)}
        environments = environments_that_open(sources.__getitem__, clock=clock)
        for number in range(21):
            clock.now += module.REFUSED_FOR_S if number == 20 else 0.0
            with pytest.raises(UnknownSdkKey):
                environments.find(f"K{number}")

        assert [each.partition(" since")[0][-3:].strip("( ") for each in caplog.messages] == [
            "1",
            "20",
        ]
        assert "the last for: cdn.example: status 403" in caplog.messages[0]

    def test_what_fails_after_it_was_opened_is_logged(self, caplog):
        source = FakeSource(revision(1))
        environments = environments_that_open(lambda key: source)
        environment = environments.find("K")
        source.content = down()

        environment.refresh()

        assert "Connection refused" in caplog.text

    def test_no_more_are_fetched_at_once_than_there_is_room_for(self, monkeypatch):
        gates = {}
        environments = environments_that_open(lambda key: gates.setdefault(key, Gate(revision(3))))
        threads = [
            threading.Thread(target=environments.find, args=(f"K{number}",))
            for number in range(module.MAX_OPENING)
        ]
        for thread in threads:
            thread.start()
        while len(gates) < module.MAX_OPENING:
            pass
        for gate in list(gates.values()):
            assert gate.knocked.wait(10)

        monkeypatch.setattr(module, "WAIT_S", 0.01)
        with pytest.raises(EnvironmentsBusy, match="at once"):
            environments.find("one more")
        for gate in gates.values():
            gate.gate.set()
        for thread in threads:
            thread.join(10)
        assert environments.find("K0")

    def test_other_keys_wait_for_their_turn_as_far_as_there_is_room_in_the_line(self):
        first, later = Gate(revision(3)), FakeSource(revision(3))
        environments = environments_that_open(lambda key: first if key[0] == "F" else later)
        found = []

        def find(key):
            found.append(environments.find(key))

        keys = [f"F{n}" for n in range(module.MAX_OPENING)]
        keys += [f"L{n}" for n in range(module.MAX_WAITING)]
        threads = [threading.Thread(target=find, args=(key,)) for key in keys]
        for thread in threads:
            thread.start()
        wait_until(lambda: environments._in_line == module.MAX_WAITING)
        with pytest.raises(EnvironmentsBusy, match="too many requests"):
            environments.find("one more")
        first.gate.set()
        for thread in threads:
            thread.join(10)

        assert len(found) == len(keys)
        assert environments.find("one more")

    def test_those_who_wait_leave_a_thread_to_refuse_others(self):
        """Of sixteen for all keys together: those who named slow ones took all of them."""
        gates = [Gate(revision(3)), Gate(revision(3))]
        environments = environments_that_open(lambda key: gates[int(key[1:])])
        outcomes = []

        def find(key):
            try:
                outcomes.append(environments.find(key))
            except EnvironmentUnavailable as error:
                outcomes.append(str(error))

        threads = [threading.Thread(target=find, args=(f"K{n % 2}",)) for n in range(20)]
        for thread in threads[:2]:
            thread.start()
        for gate in gates:
            assert gate.knocked.wait(10)
        for thread in threads[2:]:
            thread.start()
        for thread in threads[2 + module.MAX_WAITING :]:
            thread.join(0.2)
        refused = list(outcomes)
        for gate in gates:
            gate.gate.set()
        for thread in threads:
            thread.join(10)

        assert module.MAX_OPENING + module.MAX_WAITING < Limits().threads
        assert len(refused) == 18 - module.MAX_WAITING
        assert all("too many" in each for each in refused)
        assert len(outcomes) == 20

    def test_the_one_that_was_used_longest_ago_is_let_go(self):
        environments = environments_that_open(lambda key: FakeSource(revision(3)), max_opened=2)
        for key in ("A", "B"):
            environments.find(key)
        environments.get("A")
        environments.find("C")

        assert [key for key in "ABC" if environments.get(key)] == ["A", "C"]

    def test_their_bytes_are_bounded_too(self):
        size = len(revision(3))
        environments = environments_that_open(
            lambda key: FakeSource(revision(3)), max_bytes=3 * size
        )
        for key in ("A", "B", "C", "D"):
            environments.find(key)

        assert [key for key in "ABCD" if environments.get(key)] == ["B", "C", "D"]

    def test_a_datafile_that_is_larger_than_all_may_be_is_refused(self):
        environments = environments_that_open(
            lambda key: FakeSource(revision(3)), max_bytes=len(revision(3)) - 1
        )

        with pytest.raises(EnvironmentUnavailable, match="larger"):
            environments.find("K")

    def test_a_listed_one_is_never_let_go(self):
        listed = an_environment(FakeSource(revision(2)), keys=("L",))
        environments = Environments(
            an_environment(FakeSource(revision(1))),
            [listed],
            open_key=lambda key: an_environment(FakeSource(revision(3)), keys=(key,)),
            max_opened=1,
        )
        for key in ("A", "B"):
            environments.find(key)

        assert environments.get("L") is listed
        assert environments.get("A") is None


@pytest.fixture
def cdn():
    """Serves revision 7 to `/K7.json`, revision 8 with the token `t8` to `/auth/K8.json`."""
    published = {"/K7.json": (revision(7), None), "/auth/K8.json": (revision(8), "t8")}
    with Cdn(published) as cdn:
        yield cdn


@pytest.fixture
def built(cdn, tmp_path):
    """Build a runtime from variables and a file, as a server would; closed at the end."""
    made = []

    def build(toml="", **environ):
        if toml:
            path = tmp_path / "bucketer.toml"
            path.write_text(toml)
            environ["BUCKETER_CONFIG"] = str(path)
        environ |= {
            "BUCKETER_EVENTS": "off",
            "BUCKETER_STATE_DIR": str(tmp_path / "state"),
            "BUCKETER_SDK_KEY_URL": f"{cdn.url}/{{}}.json",
            "BUCKETER_SDK_KEY_SECURE_URL": f"{cdn.url}/auth/{{}}.json",
        }
        runtime = wiring.build(environ=environ)
        made.append(runtime)
        return runtime

    yield build
    for runtime in made:
        runtime.close()


def ask(runtime, query="", **headers):
    query = f"e=checkout_flow_experiment&u=user-3&debug=1{query}"
    response = runtime.serve(Request("GET", "/bucketer", query, headers))
    told = json.loads(response.body)
    return response.status, told.get("debug", {}).get("datafile", {}).get("revision"), told


KEY = "x-optimizely-sdk-key"
TWO = '[environments.one]\nsdk_key = "K7"\n\n[environments.two]\nsdk_key = "K8"\naccess_token = "t8"\n'


class TestRequests:
    def test_are_for_the_default_environment_unless_they_name_another(self, built):
        runtime = built(TWO)

        assert ask(runtime)[:2] == (200, "7")
        assert ask(runtime, **{KEY: "K7"})[:2] == (200, "7")
        assert ask(runtime, **{KEY: "K8"})[:2] == (200, "8")
        assert ask(runtime, **{KEY: "K8:t8"})[:2] == (200, "8")
        assert ask(runtime, "&sdk_key=K8")[:2] == (200, "8")

    @pytest.mark.parametrize("is_listed", [False, True])
    def test_name_a_secure_one_by_its_datafiles_key_and_token_too(self, built, cdn, is_listed):
        """As Agent's clients do, wherever its datafile is; they were refused."""
        cdn.datafiles["/secure.json"] = (revision(9, sdkKey="K9"), "t9")
        url = f"{cdn.url}/secure.json"
        if is_listed:
            runtime = built(f'{TWO}[environments.three]\ndatafile = "{url}"\naccess_token = "t9"\n')
        else:
            runtime = built(DATAFILE_URL=url, DATAFILE_ACCESS_TOKEN="t9")

        assert [ask(runtime, **{KEY: key})[:2] for key in ("K9:t9", "K9")] == [(200, "9")] * 2
        for key in ("K9:t8", "K9:t", "K9:t99"):
            assert ask(runtime, **{KEY: key})[0] == 403

    @pytest.mark.parametrize("name", ["sdk%5Fkey", "sdk%5fkey", "%73dk_key", "%73%64%6B_key"])
    def test_that_spell_the_parameter_in_percent_are_no_other_environments(self, built, name):
        """They were answered by the default one, without a word."""
        status, revision, told = ask(built(TWO), f"&{name}=K8")

        assert (status, revision, told["variation"]) == (400, None, None)
        assert "without percent signs" in told["error"]["message"]

    @pytest.mark.parametrize("key", ["K9", "K8:wrong", "K7:any", "k7"])
    def test_with_a_key_that_is_not_listed_are_refused(self, built, key):
        status, _, told = ask(built(TWO), **{KEY: key})

        assert (status, told["error"]["code"], told["variation"]) == (403, "unknown_sdk_key", None)
        assert key not in told["error"]["message"]

    @pytest.mark.parametrize("key", ["a b", "a:", ":a", "a:b:c", "ü", "x" * 513])
    def test_with_what_is_no_key_are_told_so(self, built, key):
        status, _, told = ask(built(TWO), **{KEY: key})

        assert (status, told["error"]["code"]) == (400, "invalid_request")

    def test_that_name_two_are_refused(self, built):
        assert ask(built(TWO), "&sdk_key=K8", **{KEY: "K7"})[0] == 400
        assert ask(built(TWO), "&sdk_key=K8", **{KEY: "K8"})[0] == 200

    def test_with_any_key_are_answered_where_that_is_allowed(self, built, cdn):
        runtime = built(BUCKETER_SDK_KEYS="any")

        assert ask(runtime)[1] == "22"  # the demonstration
        assert ask(runtime, **{KEY: "K7"})[:2] == (200, "7")
        assert ask(runtime, **{KEY: "K8:t8"})[:2] == (200, "8")
        assert ask(runtime, **{KEY: "K8"})[0] == 403
        assert ask(runtime, **{KEY: "K8:t9"})[0] == 403

    def test_never_carry_a_token_to_where_it_does_not_belong(self, built, cdn):
        runtime = built(BUCKETER_SDK_KEYS="any")
        ask(runtime, **{KEY: "K8:t8"})
        ask(runtime, **{KEY: "K7"})

        assert dict(cdn.asked) == {"/auth/K8.json": "Bearer t8", "/K7.json": None}

    @pytest.mark.parametrize(
        ("says", "told"),
        [
            ('sdk_key = "K9"', "needs `access_token`"),
            ('sdk_key = "K88"\naccess_token = "wrong"', "check `access_token`"),
            (
                'datafile = ["http://127.0.0.1:1/a", "CDN/K9.json"]\naccess_token = "t"',
                "`access_token` isn't sent there: `datafile` names several hosts",
            ),
        ],
    )
    def test_a_token_is_called_what_the_file_calls_it(self, built, cdn, says, told):
        """It was called by a variable that has no say in it."""
        runtime = built(f"{TWO}[environments.three]\n{says.replace('CDN', cdn.url)}\n")
        [_, three] = runtime.environments.listed
        three.load()

        assert told in three.freshness.trouble
        assert "DATAFILE_ACCESS_TOKEN" not in three.freshness.trouble

    def test_of_a_key_that_nobody_listed_the_log_says_where_a_token_goes(self, built, caplog):
        ask(built(BUCKETER_SDK_KEYS="any"), **{KEY: "K9"})

        assert "a secure environment needs KEY:TOKEN" in caplog.text

    def test_health_names_the_environments_and_no_key(self, built):
        runtime = built(TWO)
        ask(runtime, **{KEY: "K8"})
        body = runtime.serve(Request("GET", "/health")).body

        assert json.loads(body)["environments"]["two"]["revision"] == "8"
        assert b"K8" not in body
        assert b"t8" not in body


def test_only_the_default_environments_revisions_are_kept(built, tmp_path):
    """Both may have a revision of the same number; asking for it must not show the other's."""
    runtime = built(TWO, BUCKETER_REVISIONS=str(tmp_path / "revisions"))

    assert (ask(runtime)[1], ask(runtime, **{KEY: "K8"})[1]) == ("7", "8")

    assert ["7.json"] == [path.name for path in (tmp_path / "revisions").iterdir()]


def test_what_is_wrong_with_one_environment_stops_the_start(built):
    with pytest.raises(SettingsError, match="two words"):
        built('[environments."two words"]\nsdk_key = "K7"\n')


class Downloading(FakeSource):
    """Gives each time a text of its own, which is counted with whoever keeps it."""

    def fetch(self, etag):
        return Fetched(bytes(bytearray(super().fetch(etag).raw)))


def test_a_thousand_environments_take_little_more_than_their_rulesets():
    """At most 1.3 times the bytes of a thousand compiled rulesets: counted, on fifty."""
    raw = Path(demo.PATH).read_bytes()

    def bytes_of(make):
        make()  # what is made once is made
        tracemalloc.start()
        try:
            kept = [make() for _ in range(50)]
            size, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        del kept
        return size

    def loaded():
        environment = an_environment(Downloading(raw))
        environment.load()
        return environment

    rulesets = bytes_of(lambda: compile_quietly(raw))
    environments = bytes_of(loaded)

    assert environments <= 1.3 * rulesets, (environments, rulesets)


def test_a_large_datafile_of_another_environment_remembers_its_decisions_and_answers(tmp_path):
    """As much as its JSON can come to: what is forgotten is made anew for each request."""
    datafile = a_datafile(sdkKey="large", experiments=[], groups=[], holdouts=[])
    flag = datafile["featureFlags"][1] | {"experimentIds": []}
    datafile["featureFlags"] = [flag | {"id": f"{i}", "key": f"flag{i}"} for i in range(1_100)]
    (tmp_path / "large.json").write_text(json.dumps(datafile))
    config = tmp_path / "b.toml"
    config.write_text(f"[environments.large]\ndatafile = '{tmp_path / 'large.json'}'\n")
    runtime = wiring.build(environ={"BUCKETER_CONFIG": str(config), "BUCKETER_EVENTS": "stdout"})
    environment = runtime.environments.find("large")
    environment.load()
    key = {"x-optimizely-sdk-key": "large", "content-type": "application/json"}

    def ask(user):
        body = json.dumps({"userId": user}).encode()
        request = Request("POST", "/v1/decide", "", key, body)
        return environment.handler.handle(request, 0.0, lambda: "uuid").events

    first, second = ask("anna"), ask("ben")
    runtime.close()

    assert len(first) == len(datafile["featureFlags"])
    assert all(one.what is other.what for one, other in zip(first, second, strict=True))
    assert environment.handler._options.answers_bytes > REMEMBERED_BYTES
    assert remembered_bytes(10) == REMEMBERED_BYTES
    assert remembered_bytes(10**9) == REMEMBERED_MOST_BYTES


def test_settings_of_the_file_are_told_without_secrets(tmp_path):
    path = tmp_path / "b.toml"
    path.write_text(TWO)
    settings = read_settings({"BUCKETER_CONFIG": str(path)})

    assert [each.name for each in settings.environments] == ["two"]


class TestKeysThatDatafilesTell:
    def test_a_datafile_does_not_take_the_key_of_a_listed_environment(self):
        listed = an_environment(FakeSource(revision(2)), keys=("K",))
        default = an_environment(FakeSource(revision(1, sdkKey="K")))
        environments = Environments(default, [listed])

        default.load()

        assert environments.get("K") is listed
        assert default.keys == frozenset()


class TestStayingInBounds:
    def test_a_datafile_that_grows_has_others_let_go(self):
        small, large = revision(3), revision(4, padding="x" * 20_000)
        sources = {key: FakeSource(small) for key in "AB"}
        environments = environments_that_open(
            sources.__getitem__, max_bytes=len(small) + len(large) - 1
        )
        first, second = environments.find("A"), environments.find("B")
        both = environments.get("A"), environments.get("B")

        sources["B"].content = large
        second.refresh()

        assert both == (first, second)
        assert environments.get("A") is None
        assert environments.get("B") is second


class TestTakingTurns:
    def runtime(self, count, clock):
        """A runtime with environments whose sources take a second each, all of them used."""

        class Slow(FakeSource):
            def fetch(self, mark):
                clock.now += 1.0
                return super().fetch(mark)

        sources = [Slow(revision(number + 1)) for number in range(count)]
        wired = {"clock": clock, "monotonic": clock}
        default, *listed = (an_environment(each, **wired) for each in sources)
        for environment in (default, *listed):
            environment.load()
        runtime = Runtime(Environments(default, listed), clock=clock, monotonic=clock)
        clock.now += 1_000.0
        return runtime, sources

    def test_after_a_response_no_more_are_refreshed_than_there_is_time_for(self):
        runtime, sources = self.runtime(20, Clock())

        runtime.after_response(3.0)

        assert sum(len(each.asked) for each in sources) == 20 + 3

    def test_the_rest_has_its_turn_after_the_next_ones(self):
        runtime, sources = self.runtime(20, Clock())

        for _ in range(7):
            runtime.after_response(3.0)

        assert [len(each.asked) for each in sources] == [2] * 20

    def test_without_time_one_is_refreshed_all_the_same(self):
        runtime, sources = self.runtime(3, Clock())

        runtime.after_response(0.0)

        assert sum(len(each.asked) for each in sources) == 3 + 1


class TestRefreshing:
    def test_sources_that_hang_do_not_hold_up_the_default_environment(self):
        gates = [Gate(revision(2)) for _ in range(FETCHING + 2)]
        source = FakeSource(revision(1))
        default = an_environment(source)
        environments = Environments(default, [an_environment(gate) for gate in gates])
        default.load()
        refresher = Refresher(environments)
        refresher.start()

        wait_until(lambda: sum(gate.knocked.is_set() for gate in gates) == FETCHING)
        default.expire()
        wait_until(lambda: len(source.asked) == 2)

        for gate in gates:
            gate.gate.set()
        refresher.stop()

    def test_a_start_waits_until_each_was_asked_but_not_for_ever(self):
        gate = Gate(revision(2))
        broken, listed = an_environment(FakeSource(down())), an_environment(gate)
        runtime = Runtime(Environments(an_environment(FakeSource(revision(1))), [broken, listed]))
        runtime.keep_fresh()

        runtime.wait_for_all(0.1)
        before = listed.edition
        gate.gate.set()
        runtime.wait_for_all(10.0)

        assert before is None
        assert listed.edition is not None
        assert broken.edition is None
        runtime.close()

    def test_the_log_names_the_environment(self, caplog):
        environment = an_environment(FakeSource(down()), name="production")

        environment.refresh()

        assert caplog.messages == ["datafile of production: cdn.example: Connection refused"]


class TestHealth:
    def test_it_is_degraded_where_an_environment_has_no_datafile(self, built):
        runtime = built(f'{TWO}[environments.three]\nsdk_key = "nobody"\n')
        before = self.health(runtime)

        runtime.environments.listed[1].refresh()
        without = self.health(runtime)

        assert before["status"] == "ok"
        assert without["status"] == "degraded"
        assert without["why"] == [
            {"code": "environments_lacking", "message": "No datafile for three."}
        ]

    def health(self, runtime):
        response = runtime.serve(Request("GET", "/health", "", {}))
        assert response.status == 200
        return json.loads(response.body)

    def test_no_more_are_named_than_a_person_reads(self):
        listed = [an_environment(FakeSource(down()), name=f"e{number}") for number in range(9)]
        environments = Environments(an_environment(FakeSource(revision(1))), listed)
        for each in listed:
            each.refresh()

        assert lacking(environments, None, 0.0) == "No datafile for e0, e1, e2, e3, e4 and 4 more."

    def test_it_is_degraded_where_a_datafile_of_one_is_too_old(self):
        clock = Clock()
        listed = an_environment(FakeSource(revision(1)), name="old", clock=clock)
        environments = Environments(an_environment(FakeSource(revision(1))), [listed])
        listed.refresh()

        assert lacking(environments, 100.0, clock.now + 100) == ""
        assert lacking(environments, None, clock.now + 101) == ""
        told = lacking(environments, 100.0, clock.now + 101)
        assert told == "Not confirmed for 100 s: old."
