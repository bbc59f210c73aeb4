"""`POST try`: what one visitor gets, and why, as `/bucketer` decides; nothing is sent or kept."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.consoles import HERE, Console
from tests.fakes.waiting import wait_until
from tests.parity.datafiles import generate

from bucketer.api.console.refusal import Refused
from bucketer.api.console.tryout import try_json
from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User
from bucketer.verify.visitors import attributes, predictions, user_id
from bucketer.verify.vocabulary import Vocabulary
from bucketer.wiring.console import Turn

CHECKOUT = "checkout_flow_experiment"
PLATINUM = {"tier": "platinum", "member_since_days": 56}


@pytest.fixture(scope="module")
def console():
    return Console()


def outcomes(node):
    return (node["outcome"], [outcomes(each) for each in node.get("children", ())])


def test_it_says_what_she_gets_and_why(console):
    told = console.post(
        "try", {"experiment": CHECKOUT, "user": "cooper34523569", "attributes": PLATINUM}
    )

    assert "one_step_checkout" == told["decision"]["variation"]
    [step] = told["steps"]
    assert ("decides", "one_step_checkout", 2) == (
        step["result"], step["variation"], step["traffic"]["hit"],
    )  # fmt: skip
    ends = step["traffic"]["ranges"][2]
    assert ends["start"] <= step["traffic"]["bucket"] < ends["end"]
    assert told["sentence"].startswith(
        f"cooper34523569 gets one_step_checkout from experiment {CHECKOUT}: "
    )


def test_the_tree_has_the_outcome_of_each_node_and_what_she_has(console):
    told = console.post(
        "try", {"experiment": CHECKOUT, "user": "a", "attributes": {"tier": "gold"}}
    )

    audience = told["steps"][0]["audience"]
    assert ("UNKNOWN", [
        ("TRUE", [("TRUE", [("FALSE", []), ("TRUE", [])])]),
        ("UNKNOWN", [("UNKNOWN", [])]),
    ]) == outcomes(audience["tree"])  # fmt: skip
    leaf = audience["tree"]["children"][0]["children"][0]["children"][1]
    assert ("tier", "exact", "gold", "gold") == (
        leaf["name"], leaf["match"], leaf["value"], leaf["user_value"],
    )  # fmt: skip
    unknown = audience["tree"]["children"][1]["children"][0]
    assert "the user has no attribute 'member_since_days'" == unknown["why"]
    assert "user_value" not in unknown
    assert "UNKNOWN" == audience["outcome"]


def test_rules_behind_the_one_that_decides_are_told_as_well(console):
    told = console.post("try", {"flag": "search", "user": "cooper"})

    assert ["passed over", "decides", "not reached", "not reached"] == [
        each["result"] for each in told["steps"]
    ]
    assert all(each["traffic"]["bucket"] is not None for each in told["steps"])
    assert told["steps"][1]["group"]["mine"] is not told["steps"][2]["group"]["mine"]
    assert "UNKNOWN" == told["steps"][2]["audience"]["outcome"]


@pytest.mark.parametrize(
    ("more", "kind", "variation"),
    [
        ({"user": "qa_anna"}, "whitelisted", "two_step_checkout"),
        ({"user": "a", "forced": {CHECKOUT: "current_checkout"}}, "forced", "current_checkout"),
    ],
)
def test_whom_somebody_forces_is_told_so(console, more, kind, variation):
    told = console.post("try", {"experiment": CHECKOUT, **more})

    assert variation == told["decision"]["variation"] == told["steps"][0][kind]
    assert "forces" in told["sentence"]


def test_a_flag_can_be_forced_as_a_whole(console):
    told = console.post("try", {"flag": "search", "user": "a", "forced": {"search": "by_margin"}})

    assert ("by_margin", None) == (told["decision"]["variation"], told["decision"]["rule"])
    assert {"not reached"} == {each["result"] for each in told["steps"]}
    assert ["forced_decision"] == [each["code"] for each in told["reasons"]]
    assert "caller forces" in told["sentence"]


def test_a_slip_in_an_attribute_is_pointed_out(console):
    told = console.post("try", {"flag": "search", "user": "a", "attributes": {"teir": 1}})

    assert ["The datafile has no attribute 'teir'. Did you mean 'tier'?"] == told["hints"]


def test_a_stored_profile_counts_unless_it_is_not_to(tmp_path):
    console = Console(BUCKETER_PROFILES="memory")
    asked = {"experiment": CHECKOUT, "user": "cooper34523569", "attributes": PLATINUM}
    console.runtime.profiles.save("cooper34523569", {"10000000301": "10000000601"})

    assert "current_checkout" == console.post("try", asked)["steps"][0]["stored"]
    told = console.post("try", {**asked, "profile": False})

    assert "one_step_checkout" == told["decision"]["variation"]


def test_each_change_that_can_be_tried_gives_what_it_says(console):
    asked = {
        "flag": "free_shipping",
        "user": "a",
        "attributes": {"country": "DE"},
        "forced": {"x": "y"},
    }
    changes = console.post("try", asked)["changes"]

    assert changes["complete"]
    tried = [each for each in changes["items"] if each["try"]]
    assert {"attributes", "user"} <= {each["kind"] for each in tried}
    for each in tried:
        decision = console.post("try", {"flag": "free_shipping", **each["try"]})["decision"]
        assert each["gives"] == {name: decision[name] for name in ("variation", "rule", "enabled")}


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"user": "a", "forced": {"search": "without_synonyms"}}, "forced"),
        ({"user": "her"}, "stored"),
    ],
)
def test_what_is_known_of_her_can_be_tried_without(asked, kind):
    console = Console(BUCKETER_PROFILES="memory")
    console.runtime.profiles.save(
        "her", {"10000000302": "10000000612", "10000000303": "10000000621"}
    )
    if kind == "stored":
        asked = {**asked, "user": "her"}

    [change] = [
        each
        for each in console.post("try", {"flag": "search", **asked})["changes"]["items"]
        if each["kind"] == kind
    ]

    decision = console.post("try", {"flag": "search", **change["try"]})["decision"]
    assert change["gives"]["variation"] == decision["variation"]


def test_changes_are_left_out_where_nobody_wants_them(console):
    assert "changes" not in console.post("try", {"flag": "search", "user": "a", "changes": False})


@pytest.mark.parametrize(("chars", "is_there"), [(3_900, True), (8_001, False)])
def test_long_attributes_are_not_repeated_with_each_change(console, chars, is_there):
    asked = {"flag": "search", "user": "a", "attributes": {"x": "x" * chars}}
    items = console.post("try", asked)["changes"]["items"]

    assert is_there is any(each["try"] for each in items)


def test_nothing_is_sent_and_nothing_is_kept(tmp_path):
    console = Console(
        BUCKETER_PROFILES="memory", BUCKETER_EVENTS="stdout", BUCKETER_STATE_DIR=str(tmp_path)
    )
    sent = []
    console.runtime.outbox = type("Outbox", (), {"add": sent.append})()

    asked = {"user": "cooper34523569", "attributes": PLATINUM}
    assert console.post("try", {"experiment": CHECKOUT, **asked})["decision"]["variation"]
    assert console.post("try", {"flag": "search", **asked})["decision"]["variation"]

    assert [] == sent
    assert not console.runtime.profiles.lookup("cooper34523569")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user": "a"}, "flag"),
        ({"flag": "search", "experiment": "x", "user": "a"}, "flag"),
        ({"flag": 1, "user": "a"}, "flag"),
        ({"flag": "search"}, "user"),
        ({"flag": "search", "user": 1}, "user"),
        ({"flag": "search", "user": "\ud800"}, "u"),
        ({"flag": "search", "user": "a", "attributes": []}, "attributes"),
        ({"flag": "search", "user": "a", "attributes": {"$opt_bucketing_id": "\ud800"}}, "a"),
        ({"flag": "search", "user": "a", "segments": "x"}, "segments"),
        ({"flag": "search", "user": "a", "segments": [1]}, "segments"),
        ({"flag": "search", "user": "a", "segments": ["x"] * 1_001}, "segments"),
        ({"flag": "search", "user": "a", "forced": {"search": 1}}, "forced"),
        ({"flag": "search", "user": "a", "forced": ["x"]}, "forced"),
        ([], "body"),
    ],
)
def test_what_can_not_be_understood_is_named(console, body, field):
    assert field == console.post("try", body, status=400)["error"]["field"]


def test_an_unknown_key_is_a_404(console):
    error = console.post("try", {"flag": "serch", "user": "a"}, status=404)["error"]

    assert ("unknown_flag", "search") == (error["code"], error["suggestion"])


@pytest.mark.parametrize(
    "user", ["a", "a'b", '"; rm -rf /; "', "\u202e$(id)`id`\\", "ü🎉", "@file", "-d"]
)
def test_the_requests_ask_the_same_whatever_the_user_is_called(console, user, tmp_path):
    facts = {"it's": user, "__proto__": 1, "n": 1.5, "t": True, "z": None}
    told = console.post("try", {"flag": "search", "user": user, "attributes": facts})
    wanted = {"f": "search", "u": user, "a": facts}

    curl = told["requests"]["curl"].replace("curl ", f"{sys.executable} {tmp_path}/curl.py ", 1)
    (tmp_path / "curl.py").write_text("import sys; print(sys.argv[-1])")
    shell = subprocess.run(["/bin/sh", "-c", curl], capture_output=True, text=True, check=True)
    assert wanted == json.loads(shell.stdout)

    named = {}
    question = next(
        line for line in told["requests"]["python"].splitlines() if line.startswith("question")
    )
    exec(question, named)
    assert wanted == named["question"]

    script = told["requests"]["javascript"]
    body = script[script.index("  body: ") + 8 : script.rindex(",\n});")]
    assert wanted == json.loads(json.loads(body))


def test_another_environment_is_asked_by_its_key_in_the_requests(tmp_path):
    (tmp_path / "bucketer.toml").write_text(
        'default = "prod"\n'
        '[environments.prod]\nsdk_key = "prod-key"\ndatafile = "demonstration"\n'
        '[environments.beta]\nsdk_key = "beta-key"\ndatafile = "demonstration"\n'
    )
    console = Console(BUCKETER_CONFIG=str(tmp_path / "bucketer.toml"))
    console.runtime.environments.listed[0].load()

    told = console.post("try", {"flag": "search", "user": "a", "environment": "beta"})

    assert "beta" == told["environment"]
    assert all("SDK" in each for each in told["requests"].values())
    assert ["prod", "beta"] == [each["title"] for each in console.get("project")["environments"]]
    assert b"beta-key" not in console.ask("/console/api/project").body


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"]
)
def test_what_a_form_can_send_is_refused(console, kind):
    answer = console.ask(
        "/console/api/try", method="POST", headers={**HERE, "content-type": kind}, body={}
    )

    assert 415 == answer.status


def test_what_it_asks_for_is_done_one_by_one_and_too_many_are_told_to_come_back():
    turn, begun, go_on, running = Turn(), threading.Semaphore(0), threading.Event(), []

    def work():
        running.append(1)
        begun.release()
        go_on.wait(10)
        most = len(running)
        running.pop()
        return most

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(turn, work)]
        begun.acquire(timeout=10)
        asked += [pool.submit(turn, work) for _ in range(7)]
        wait_until(lambda: not turn._waiting._value)  # all eight are in, and seven wait
        with pytest.raises(Refused, match="Too many") as refused:
            turn(work)
        go_on.set()

    assert 503 == refused.value.status
    assert [1] * 8 == [each.result() for each in asked]
    assert 1 == turn(work)


# ---------------------------------------------------------------------------- as the core decides


def compiled(seed):
    datafile = generate(f"console/{seed}").datafile
    return compile_datafile(parse_datafile(json.dumps(datafile))), Vocabulary(datafile)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_it_tells_what_the_core_decides_and_one_step_decides_it(seed):
    ruleset, vocabulary = compiled(seed)
    rng = Random(seed)
    who, facts = user_id(rng, vocabulary), attributes(rng, vocabulary)
    unasked = dict.fromkeys(predictions(rng, vocabulary) or ())

    for kind, keys, ask in (
        ("flag", ruleset.flags, lambda key, user: decide(ruleset, key, user)),
        ("experiment", ruleset.experiments, lambda key, user: activate(ruleset, key, user)),
    ):
        for key in filter(None, keys):
            expected = ask(key, User(who, facts, predictions=unasked))
            told = try_json({kind: key, "user": who, "attributes": facts}, ruleset, "", None)

            assert expected.variation_key == told["decision"]["variation"]
            assert expected.rule_key == told["decision"]["rule"]
            deciding = [each for each in told["steps"] if each["result"] == "decides"]
            assert len(deciding) == (expected.variation_key is not None)
            for each in deciding:
                assert expected.rule_key == each["key"]
            hit = deciding[0]["traffic"]["hit"] if deciding else None
            given_ = deciding and any(
                deciding[0][name] for name in ("whitelisted", "forced", "stored")
            )
            if hit is not None and not given_:
                assert expected.variation_key == deciding[0]["traffic"]["ranges"][hit]["variation"]
            assert told["sentence"]
            json.dumps(told)
