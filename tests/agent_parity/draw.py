"""What a generated datafile is asked: decide, activate, track, override, profiles, batch, config, datafile."""

from __future__ import annotations

import json
import re
from math import isfinite
from random import Random
from urllib.parse import parse_qsl

from bucketer.verify.visitors import knowing_visitor, plain_visitor
from bucketer.verify.vocabulary import Vocabulary

from .conversation import post, step
from .plain import VERSION

OPTIONS = (
    "DISABLE_DECISION_EVENT",
    "ENABLED_FLAGS_ONLY",
    "IGNORE_USER_PROFILE_SERVICE",
    "EXCLUDE_VARIABLES",
    "INCLUDE_REASONS",
    "IGNORE_CMAB_CACHE",
    "RESET_CMAB_CACHE",
    "INVALIDATE_USER_CMAB_CACHE",
)


_OF_A_VERSION = re.compile(r'"name": "([^"]*)", "type": "[^"]*", "match": "semver')


def is_version(value):
    """Whether both SDKs read it alike; what is no text is no version to both."""
    return not isinstance(value, str) or VERSION.fullmatch(value) is not None


def finite(value):
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    return not isinstance(value, list) or all(map(finite, value))


class Drawn:
    """What one datafile is asked."""

    def __init__(self, talk, key, datafile, seed, per_key):
        self.talk, self.key, self.datafile, self.per_key = talk, key, datafile, per_key
        self.account = str(datafile["accountId"])
        self.rng = Random(f"{seed}/{key}")
        self.words = Vocabulary(datafile)
        self.flags = [flag["key"] for flag in datafile.get("featureFlags", ())]
        self.experiments = [
            e["key"]
            for e in (
                *datafile.get("experiments", ()),
                *(e for g in datafile.get("groups", ()) for e in g.get("experiments", ())),
            )
        ]
        self.has_odp = bool(datafile.get("integrations"))
        self.versions = set(_OF_A_VERSION.findall(json.dumps(datafile).replace("\\", "")))
        self.number = 0

    def times(self, usual):
        whole = int(usual * self.per_key)
        return range(whole + (self.rng.random() < usual * self.per_key - whole))

    def visitor(self, prefix=""):
        user = (plain_visitor if self.rng.random() < 0.5 else knowing_visitor)(self.rng, self.words)
        attributes = {
            name: "2.1.3" if name in self.versions and not is_version(value) else value
            for name, value in user.attributes.items()
            if finite(value)
        }
        self.number += 1
        if not prefix and self.words.bandits and self.rng.random() < 0.2:
            prefix = self.rng.choice(("fail-", "odd-", "none-"))
        if prefix:
            return f"{prefix}{self.key}-{self.number}", attributes, user
        if user.id in self.words.user_ids:
            return user.id, attributes, user
        # Nobody else has that id, so what was sent tells what it was sent for.
        return f"{user.id}~{self.number}", attributes, user

    def body(self, prefix="", **more):
        user_id, attributes, _ = self.visitor(prefix)
        body = {"userId": user_id, **more}
        if attributes or self.rng.random() < 0.3:
            body["userAttributes"] = attributes
        elif self.rng.random() < 0.2:
            body["userAttributes"] = None
        return body

    def some_flags(self):
        rng, flags = self.rng, self.flags
        drawn = rng.random()
        if drawn < 0.25 or not flags:
            return []
        if drawn < 0.6:
            return [rng.choice(flags)]
        keys = rng.sample(flags, min(len(flags), rng.choice((2, 2, 3, 5))))
        if drawn > 0.9:
            keys.append(
                rng.choice(("unheard-of", "", keys[0], keys[0].upper(), f"{keys[0]},{keys[-1]}"))
            )
        return keys

    def decide(self, prefix=""):
        rng = self.rng
        user_id, attributes, user = self.visitor(prefix)
        body = {"userId": user_id}
        if attributes:
            body["userAttributes"] = attributes
        options = [
            each for each in OPTIONS if rng.random() < (0.5 if each == "INCLUDE_REASONS" else 0.12)
        ]
        if rng.random() < 0.03:
            options.append(rng.choice(("NONSENSE", "include_reasons", "", " INCLUDE_REASONS")))
        if options or rng.random() < 0.2:
            body["decideOptions"] = options
        if user.forced_decisions:
            body["forcedDecisions"] = [
                {"flagKey": flag, "variationKey": variation}
                | ({"ruleKey": rule} if rule is not None else {})
                for (flag, rule), variation in dict(user.forced_decisions).items()
            ]
        if rng.random() < (0.5 if self.has_odp else 0.05):
            body["fetchSegments"] = True
            if rng.random() < 0.3:
                body["fetchSegmentsOptions"] = rng.sample(
                    ["IGNORE_CACHE", "RESET_CACHE", "NONSENSE"], rng.choice((1, 2))
                )
        keys = self.some_flags()
        query = [("keys", each) for each in keys]
        if rng.random() < 0.05:
            query.append(("unknown", "1"))
        return post("/v1/decide", self.key, body, query or None)

    def activate(self, body=None):
        rng = self.rng
        query = []
        drawn = rng.random()
        if drawn < 0.35:
            query += [
                ("type", each)
                for each in rng.choice(
                    (
                        ["experiment"],
                        ["feature"],
                        ["experiment", "feature"],
                        ["other"],
                        [""],
                        ["feature", "feature"],
                    )
                )
            ]
        if drawn > 0.25 and self.experiments:
            query += [
                ("experimentKey", rng.choice(self.experiments))
                for _ in range(rng.choice((1, 1, 2)))
            ]
        if drawn > 0.5 and self.flags:
            query += [("featureKey", rng.choice(self.flags)) for _ in range(rng.choice((1, 1, 2)))]
        if rng.random() < 0.1:
            query.append(
                (rng.choice(("experimentKey", "featureKey")), rng.choice(("unheard-of", "")))
            )
        if rng.random() < 0.25:
            query.append(
                ("disableTracking", rng.choice(("true", "True", "1", "false", "", "true")))
            )
        if rng.random() < 0.25:
            query.append(("enabled", rng.choice(("true", "false", "yes", "", "TRUE"))))
        return post("/v1/activate", self.key, body or self.body(), query or None)

    def track(self):
        rng = self.rng
        event = (
            rng.choice(self.words.events)
            if self.words.events and rng.random() < 0.85
            else rng.choice(("unheard-of", ""))
        )
        body = self.body()
        if rng.random() < 0.6:
            tags = {}
            if rng.random() < 0.6:
                tags["revenue"] = rng.choice((4200, 42.5, "4200", -1, 0, None, True, 2**53, [1]))
            if rng.random() < 0.5:
                tags["value"] = rng.choice((1.5, 3, "1.5", None, False, {"a": 1}))
            if rng.random() < 0.4:
                tags[rng.choice(("category", "nested", "", "ü"))] = rng.choice(
                    ("shoes", {"a": [1, None]}, 1e300, "<&>")
                )
            body["eventTags"] = tags if rng.random() < 0.95 else None
        query = [("eventKey", event)] + ([("eventKey", "second")] if rng.random() < 0.05 else [])
        return post("/v1/track", self.key, body, query)

    def override(self):
        rng = self.rng
        key = (
            rng.choice(self.experiments)
            if self.experiments and rng.random() < 0.9
            else "unheard-of"
        )
        variations = self.words.experiments.get(key) or ["v0"]
        user = f"override-{self.key}-{self.number}-{rng.randrange(10**6)}"

        def one(variation):
            return post(
                "/v1/override",
                self.key,
                {"userId": user, "experimentKey": key, "variationKey": variation},
            )

        body = {"userId": user, "userAttributes": self.visitor()[1]}
        steps = [
            one(rng.choice(variations) if rng.random() < 0.85 else "unheard-of"),
            post("/v1/activate", self.key, body, [("experimentKey", key)]),
            post("/v1/decide", self.key, body | {"decideOptions": ["INCLUDE_REASONS"]}),
            one(rng.choice(variations)),
            one(""),
            one(""),
            post("/v1/activate", self.key, body, [("experimentKey", key)]),
        ]
        self.talk.say("override", "open", self.key, self.account, *steps[: rng.choice((3, 5, 7))])

    def profiles(self):
        rng = self.rng
        user_id, attributes, _ = self.visitor(f"ups{rng.randrange(10**6)}-")
        stored = {}
        for rule, variations in self.words.stored.items():
            if rng.random() < 0.5:
                stored[rule] = {"variation_id": rng.choice([*variations, "999"])}
        ask = {"userId": user_id, "userAttributes": attributes}
        steps = [post("/v1/lookup", self.key, {"userId": user_id})]
        if rng.random() < 0.7:
            steps.append(
                post("/v1/save", self.key, {"userId": user_id, "experimentBucketMap": stored})
            )
        steps += [
            post(
                "/v1/decide",
                self.key,
                ask
                | {
                    "decideOptions": rng.choice(
                        (["INCLUDE_REASONS"], ["INCLUDE_REASONS", "IGNORE_USER_PROFILE_SERVICE"])
                    )
                },
            ),
            post("/v1/lookup", self.key, {"userId": user_id}),
        ]
        if rng.random() < 0.5:
            steps += [self.activate(ask), post("/v1/lookup", self.key, {"userId": user_id})]
        if rng.random() < 0.3:
            steps += [
                post("/v1/save", self.key, {"userId": user_id}),
                post("/v1/lookup", self.key, {"userId": user_id}),
            ]
        self.talk.say("profiles", "profiles", self.key, self.account, *steps)

    def batch(self):
        rng = self.rng
        operations = []
        for number in range(rng.choice((0, 1, 2, 3, 5))):
            made = rng.choice((self.decide, self.activate, self.track))()
            operation = {
                "method": made["method"],
                "url": made["path"],
                "operationID": str(number + 1),
                "body": json.loads(made["body"]),
                "params": {},
                "headers": dict(made["headers"]),
            }
            if "query" in made:
                if rng.random() < 0.7:
                    operation["url"] += "?" + made["query"]
                else:
                    operation["params"] = dict(parse_qsl(made["query"], keep_blank_values=True))
            drawn = rng.random()
            if drawn < 0.06:
                operation["headers"].pop("X-Optimizely-SDK-Key")
            elif drawn < 0.12:
                operation["headers"].pop("Content-Type")
            elif drawn < 0.16:
                operation["method"] = rng.choice(("GET", "DELETE", "NO SUCH", "", "post"))
            elif drawn < 0.2:
                operation["url"] = rng.choice(
                    ("/v1/nothing", "", "http://[::1", "/health", "/v1/batch", "/v1/config")
                )
            operations.append(operation)
        self.talk.say(
            "batch",
            "open",
            self.key,
            self.account,
            post("/v1/batch", rng.choice((self.key, None)), {"operations": operations}),
        )

    def everything(self):
        for _ in self.times(18):
            self.talk.say("decide", "open", self.key, self.account, self.decide())
        for _ in self.times(8):
            self.talk.say("activate", "open", self.key, self.account, self.activate())
        for _ in self.times(4):
            self.talk.say("track", "open", self.key, self.account, self.track())
        for _ in self.times(3):
            self.override()
        for _ in self.times(3):
            self.profiles()
        for _ in self.times(2):
            self.batch()
        self.talk.say(
            "config",
            "open",
            self.key,
            self.account,
            step("GET", "/v1/config", self.key),
            quiet=True,
        )
        self.talk.say(
            "datafile",
            "open",
            self.key,
            self.account,
            step("GET", "/v1/datafile", self.key),
            quiet=True,
        )
