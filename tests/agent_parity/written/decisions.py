"""Forced decisions, queries, overrides, resets, segments, ODP events, keys without a datafile."""

from __future__ import annotations

from tests.agent_parity.conversation import DEMO, DEMO_ACCOUNT, JSON, post, step


def forced(talk):
    for value in (
        [{"flagKey": "checkout_flow"}],
        [{"variationKey": "x"}],
        [{"flagKey": "checkout_flow", "variationKey": "two_step_checkout"}],
        [{"flagKey": "checkout_flow", "ruleKey": "", "variationKey": "two_step_checkout"}],
        [
            {
                "flagKey": "checkout_flow",
                "ruleKey": "checkout_flow_experiment",
                "variationKey": "two_step_checkout",
            }
        ],
        [{"flagKey": "checkout_flow", "ruleKey": None, "variationKey": "unheard-of"}],
        [
            {"flagKey": "checkout_flow", "variationKey": "two_step_checkout"},
            {"flagKey": "checkout_flow", "variationKey": "one_step_checkout"},
        ],
        [{"FLAGKEY": "checkout_flow", "VariationKey": "two_step_checkout"}],
    ):
        for keys in ("keys=checkout_flow", None):
            talk.demo(
                "forced",
                post(
                    "/v1/decide",
                    DEMO,
                    {
                        "userId": "ben",
                        "forcedDecisions": value,
                        "decideOptions": ["INCLUDE_REASONS"],
                    },
                    keys,
                ),
            )


def queries(talk):
    for query in (
        "keys=",
        "keys",
        "keys=checkout_flow&keys=checkout_flow",
        "keys=checkout_flow,search",
        "keys=%20checkout_flow",
        "KEYS=search",
        "keys=unheard-of",
        "keys=search&keys=unheard-of",
        "keys=a%00b",
        "keys=%zz",
        "keys=search;keys=checkout_flow",
        "&&&",
        "keys=%C3%BC",
        "keys=%ff",
        "keys=<&>",
    ):
        talk.demo(
            "queries",
            step(
                "POST",
                "/v1/decide",
                DEMO,
                {"userId": "ben", "decideOptions": ["DISABLE_DECISION_EVENT"]},
                query,
            ),
        )
    for query in (
        "",
        "type=",
        "type=experiment",
        "type=feature",
        "type=Experiment",
        "type=other",
        "type=experiment&type=other",
        "type=other&experimentKey=x",
        "experimentKey=",
        "featureKey=",
        "experimentKey=search&featureKey=search",
        "experimentKey=checkout_flow_experiment&enabled=false",
        "featureKey=checkout_flow&enabled=true",
        "featureKey=checkout_flow&disableTracking=true&disableTracking=false",
        "featureKey=%zz",
        "experimentKey=checkout_flow_experiment&experimentKey=checkout_flow_experiment",
    ):
        talk.demo("queries", step("POST", "/v1/activate", DEMO, {"userId": "ben"}, query))
    for query in (
        None,
        "",
        "eventKey=",
        "eventKey",
        "eventkey=purchase",
        "eventKey=purchase",
        "eventKey=unheard-of",
        "eventKey=purchase&eventKey=x",
        "eventKey=%zz",
        "eventKey=%20purchase",
    ):
        for body in ({"userId": "ben"}, {}, {"userId": ""}):
            talk.demo("queries", step("POST", "/v1/track", DEMO, body, query))


def overrides(talk):
    override = {
        "userId": "o",
        "experimentKey": "checkout_flow_experiment",
        "variationKey": "two_step_checkout",
    }
    for change in (
        {},
        {"userId": ""},
        {"experimentKey": ""},
        {"userId": "", "experimentKey": ""},
        {"variationKey": ""},
        {"experimentKey": "unheard-of"},
        {"variationKey": "unheard-of"},
        {"experimentKey": "unheard-of", "variationKey": ""},
    ):
        talk.demo(
            "overrides",
            *[
                step(
                    "POST",
                    "/v1/override",
                    DEMO,
                    override | {"userId": f"ov{len(talk.found)}"} | change,
                )
            ]
            * 2,
        )
        talk.demo(
            "overrides",
            step("POST", "/v1/override", DEMO, override | change),
            agent="bare",
            quiet=True,
        )
    for number in range(6):  # kept for this header value only, and until a reset
        user = f"reset-{number}"
        ask = step(
            "POST",
            "/v1/activate",
            "lab01" if number % 2 else "demonstrationodp",
            {"userId": user},
            "type=experiment&disableTracking=true",
        )
        key, account = ("lab01", "910001") if number % 2 else ("demonstrationodp", "80000000001")
        talk.say(
            "resets",
            "open",
            key,
            account,
            step("POST", "/v1/override", key, override | {"userId": user}),
            ask,
            step(
                "POST",
                "/v1/reset",
                key,
                "{}" if number % 3 else None,
                content_type=JSON if number % 3 != 1 else "text/plain",
            ),
            ask,
        )


def odp(talk):
    odp, account = "demonstrationodp", "80000000001"
    good = {"action": "any", "identifiers": {"email": "a@b.c"}}
    for change in (
        {},
        {"type": "custom"},
        {"type": ""},
        {"type": None},
        {"action": ""},
        {"identifiers": {}},
        {"identifiers": None},
        {"identifiers": {"fs-user-id": "u"}},
        {"identifiers": {"FS_USER_ID": "u"}},
        {"identifiers": {"": "x"}},
        {"identifiers": {"email": ""}},
        {"data": {"a": 1, "b": "x", "c": None, "d": True, "e": 1.5}},
        {"data": {"a": [1]}},
        {"data": {"a": {}}},
        {"data": {}},
        {"data": None},
        {"data": {"idempotence_id": "mine", "data_source": "me"}},
        {"unknown": 1},
        {"identifiers": {"fs-user-id": "a", "FS_USER_ID": "b"}},
        {"identifiers": {" ": " ", "\u00fc": "<>"}},
        *({"data": {"n": n}} for n in (2**53, -(2**53), 2.0**53 + 2, -(2.0**53) - 2, 1e300, -1.5)),
    ):
        talk.say("odp", "open", odp, account, post("/v1/send-odp-event", odp, good | change))
    talk.demo("odp", post("/v1/send-odp-event", DEMO, good))
    for prefix in ("", "fail-", "odd-", "bad-", "none-"):
        for options in (None, ["IGNORE_CACHE"], ["RESET_CACHE"], ["NONSENSE"]):
            body = {
                "userId": f"{prefix}seg{options}",
                "fetchSegments": True,
                "decideOptions": ["INCLUDE_REASONS"],
            } | ({"fetchSegmentsOptions": options} if options else {})
            for key in (odp, "lab00", "lab03", DEMO):
                account_of = {
                    odp: account,
                    "lab00": "910000",
                    "lab03": "910003",
                    DEMO: DEMO_ACCOUNT,
                }[key]
                talk.say(
                    "segments",
                    "open",
                    key,
                    account_of,
                    post("/v1/decide", key, body),
                    post("/v1/decide", key, body, "keys=search"),
                )


def no_datafile(talk):
    for key in (
        "raw00",
        "raw01",
        "raw02",
        "raw03",
        "raw04",
        "broken",
        "empty",
        "status404",
        "status503",
        "hangup",
    ):
        talk.demo(
            "no-datafile",
            step("GET", "/v1/config", key),
            step("POST", "/v1/decide", key, {"userId": "a"}),
            step("POST", "/v1/track", key, {"userId": "a"}, "eventKey=x"),
            quiet=True,
        )


def written(talk):
    for each in (forced, queries, overrides, odp, no_datafile):
        each(talk)
