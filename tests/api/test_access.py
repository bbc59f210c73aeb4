"""Who may ask what with which token: the same for every API, each in its own words."""

import json

import pytest
from tests.fakes.editions import NOW, AnEdition

from bucketer.access.gate import Gate
from bucketer.access.keys import Key, digest_of
from bucketer.access.ring import Ring
from bucketer.api.access import grant_of_claims, token_of
from bucketer.api.agent.tokens import OAuthApi
from bucketer.api.grant import ADMIN, EVALUATE, READ, ROLES, grant_of
from bucketer.api.http import BY_NAME, EnvironmentNeeded, Known, Needed, Request, WorkNeeded
from bucketer.api.options import ApiOptions
from bucketer.api.routes import Handler
from bucketer.core.errors import ClaimsRefused, KeysUnavailable, TokenRefused, TokensBusy
from bucketer.wiring.http import agent_api, oauth_api, openfeature_api

KEY = "AbC"
APIS = (("/v1/", agent_api), ("/oauth/", oauth_api), ("/ofrep/", openfeature_api))


class Checker:
    """Takes the token `good` and what it stands for; refuses the others."""

    def __init__(self, **claims):
        self.good = {"exp": NOW + 1, "sdk_keys": [KEY], **claims}

    def claims(self, token, now):
        if token == "unavailable":
            raise KeysUnavailable("status 500")
        if token != "good":
            raise TokenRefused("signature is invalid" if token else "empty token")
        return self.good


class Issuers:
    ttl_s = 90.0

    def __init__(self, *, busy=False):
        self.busy = busy

    def issue(self, client, secret, now):
        if self.busy:
            raise TokensBusy
        return "a.b.c" if (client, secret) == ("shop", "s=e+c&r") else None


def handler(checker=None, issuer=None):
    options = ApiOptions()
    options.apis, options.issuer, options.environment_id = APIS, issuer, "production"
    if checker is not None:
        options.gate = checker if hasattr(checker, "grant") else Gate(Ring(()), checker, READ)
    return Handler(AnEdition(), options, keys=frozenset({KEY, f"{KEY}:token"}))


def ask(path, token=None, *, method="GET", body=b"", checker=None, **headers):
    sent = {"x-optimizely-sdk-key": KEY, "content-type": "application/json"}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {name: value for name, value in sent.items() if value is not None}
    path, _, query = path.partition("?")
    request = Request(method, path, query, sent, body, request_id="r")
    return handler(checker or Checker()).handle(request, NOW, lambda: "u").response


#: One request for each of what a token guards.
GUARDED = {
    "/bucketer?e=checkout_flow_experiment&u=ben": {},
    "/bucketer/?e=checkout_flow_experiment&u=ben": {},
    "/?e=checkout_flow_experiment&u=ben": {},
    "/": {},
    "/track": {"method": "POST", "body": b'{"event": "purchase", "user": "ben"}'},
    "/v1/track?eventKey=purchase": {"method": "POST", "body": b'{"userId": "ben"}'},
    "/ofrep/v1/evaluate/flags": {
        "method": "POST",
        "body": b'{"context": {"targetingKey": "ben"}}',
    },
    "/ofrep/v1/evaluate/flags/checkout_flow": {
        "method": "POST",
        "body": b'{"context": {"targetingKey": "ben"}}',
    },
}


@pytest.mark.parametrize("path", GUARDED)
def test_without_a_genuine_token_nothing_is_answered(path):
    for token in (None, "", "bad"):
        answer = ask(path, token, **GUARDED[path])
        assert 401 == answer.status
        assert b"good" not in answer.body


@pytest.mark.parametrize("path", GUARDED)
def test_with_one_it_is(path):
    assert ask(path, "good", **GUARDED[path]).status in {200, 204}


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize(
    "claims",
    [
        {"sdk_keys": ["Other"]},
        {"sdk_keys": []},
        {"sdk_keys": KEY},
        {"sdk_keys": None},
        {"sdk_keys": [1, None, [KEY], {KEY: 1}]},
        {"exp": NOW},
        {"exp": None},
        {"exp": "x"},
        {"exp": float("nan")},
    ],
)
def test_a_genuine_token_for_something_else_is_none(path, claims):
    assert 401 == ask(path, "good", checker=Checker(**claims), **GUARDED[path]).status


@pytest.mark.parametrize("path", GUARDED)
def test_where_it_can_not_be_told_the_service_is_unavailable(path):
    answer = ask(path, "unavailable", **GUARDED[path])

    assert 503 == answer.status
    assert b"status 500" not in answer.body


def test_health_and_preflights_need_none():
    assert 200 == ask("/health").status
    for path in ("/bucketer", "/v1/track", "/ofrep/v1/evaluate/flags"):
        assert 204 == ask(path, method="OPTIONS").status


def test_our_own_api_says_what_is_needed():
    answer = ask("/bucketer?e=checkout_flow_experiment&u=ben")

    assert ("WWW-Authenticate", "Bearer") in answer.headers
    assert "unauthorized" == json.loads(answer.body)["error"]["code"]


@pytest.mark.parametrize(
    ("token", "claims", "body"),
    [
        (None, {}, b'{"error": "unauthorized, "reason": "empty token"}\n'),
        ("bad", {}, b'{"error": "unauthorized, "reason": "signature is invalid"}\n'),
        ("good", {"exp": None}, b'{"error":"token expired"}\n'),
        (
            "good",
            {"sdk_keys": KEY},
            b'{"error":"invalid claims: sdk_keys not found, or have the wrong type"}\n',
        ),
        (
            "good",
            {"sdk_keys": ["Other"]},
            b'{"error":"SDK key given in X-Optimizely-Sdk-Key header was not found in the SDK keys in this token\'s claims"}\n',
        ),
    ],
)
def test_agents_api_says_it_in_agents_words(token, claims, body):
    answer = ask("/v1/track", token, method="POST", body=b"{}", checker=Checker(**claims))

    assert (401, body) == (answer.status, answer.body)


def test_agent_looks_at_key_path_and_method_first_and_at_the_type_of_the_body_behind():
    assert 400 == ask("/v1/track", method="POST", x_optimizely_sdk_key=None).status
    assert 404 == ask("/v1/nothing").status
    assert 405 == ask("/v1/track").status
    wrong_type = {"method": "POST", "body": b"{}", "content_type": "text/plain"}
    assert 401 == ask("/v1/track", **wrong_type).status
    assert 415 == ask("/v1/track", "good", **wrong_type).status


def test_agent_wants_the_key_in_the_token_as_the_header_has_it():
    asked = {"method": "POST", "body": b'{"userId": "ben"}'}
    path = "/v1/track?eventKey=purchase"

    assert 401 == ask(path, "good", x_optimizely_sdk_key=f"{KEY}:token", **asked).status
    whole = Checker(sdk_keys=[f"{KEY}:token"])
    secure = {"x_optimizely_sdk_key": f"{KEY}:token", "checker": whole, **asked}
    assert 200 == ask(path, "good", **secure).status


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, ""),
        ({"authorization": "Bearer a.b"}, "a.b"),
        ({"authorization": "bearer   a.b "}, "a.b"),
        ({"authorization": "JWT a.b"}, "a.b"),
        ({"authorization": "a.b"}, "a.b"),
        ({"authorization": "Bearer"}, ""),
        ({"authorization": "Bearer a.b, Bearer c.d"}, "a.b"),
        ({"jwt": "a.b"}, "a.b"),
        ({"auth": "a.b"}, "a.b"),
        ({"auth": "1", "jwt": "2"}, "2"),
        ({"auth": "1", "jwt": "2", "authorization": "Bearer 3"}, "3"),
        ({"auth": "1", "authorization": "Bearer"}, ""),
    ],
)
def test_where_a_token_may_stand(headers, token):
    assert token == token_of(headers)


# ---------------------------------------------------------------------------- /oauth/token

FORM = "application/x-www-form-urlencoded"
RIGHT = b"grant_type=client_credentials&client_id=shop&client_secret=s%3De%2Bc%26r"


def token_for(body, content_type=FORM, issuer=None, path="/oauth/token", method="POST"):
    """The answer, when the shell has done what there was to do."""
    one = handler(Checker(), Issuers() if issuer is None else issuer or None)
    request = Request(method, path, "", {"content-type": content_type}, body, request_id="r")
    known = Known()
    try:
        response = one.handle(request, NOW, lambda: "u", known).response
    except WorkNeeded as needed:
        try:
            known.work[needed.name] = needed.work()
        except TokensBusy as busy:
            known.work[needed.name] = busy
        response = one.handle(request, NOW, lambda: "u", known).response
    return response.status, response.body.decode()


def test_a_client_gets_a_token():
    expected = '{"access_token":"a.b.c","token_type":"bearer","expires_in":90}\n'

    assert (200, expected) == token_for(RIGHT)
    assert (200, expected) == token_for(RIGHT, f"{FORM}; charset=utf-8")


@pytest.mark.parametrize(
    ("body", "status", "error", "description"),
    [
        (b"", 400, "invalid_request", "grant_type missing from request body"),
        (b"grant_type=", 400, "invalid_request", "grant_type missing from request body"),
        (b"grant_type=password", 400, "unsupported_grant_type", None),
        (
            b"grant_type=client_credentials",
            401,
            "invalid_client",
            "client_id missing from request body",
        ),
        (
            b"grant_type=client_credentials&client_id=shop",
            401,
            "invalid_client",
            "client_secret missing from request body",
        ),
        (RIGHT + b"x", 401, "invalid_client", "invalid client_id or client_secret"),
        (
            b"\xff\x00=%zz&" + RIGHT + b"x",
            401,
            "invalid_client",
            "invalid client_id or client_secret",
        ),
    ],
)
def test_nobody_else_does(body, status, error, description):
    expected = {"error": error} | ({"error_description": description} if description else {})
    found, text = token_for(body)

    assert (status, expected) == (found, json.loads(text))


@pytest.mark.parametrize("content_type", ["", "application/json", FORM.upper()])
def test_it_has_to_be_a_form(content_type):
    status, text = token_for(RIGHT, content_type)

    assert 415 == status
    assert f"Content-Type header value must be {FORM}" == json.loads(text)["error_description"]


def test_where_nobody_is_configured_nobody_gets_one():
    status, text = token_for(RIGHT, issuer=False)

    assert (401, "invalid_client") == (status, json.loads(text)["error"])


def test_too_many_at_once_are_told_to_come_again():
    status, text = token_for(RIGHT, issuer=Issuers(busy=True))

    assert 503 == status
    assert "Too many" in json.loads(text)["error"]


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/oauth/token", "GET"),
        ("/oauth/token", "PUT"),
        ("/oauth/token/", "POST"),
        ("/oauth/", "POST"),
    ],
)
def test_nothing_else_stands_there(path, method):
    assert (404, "404 page not found\n") == token_for(RIGHT, path=path, method=method)


def test_no_secret_is_echoed():
    assert "s=e+c" not in token_for(RIGHT + b"x")[1]
    assert OAuthApi.checks_tokens  # it is where tokens come from


# ---------------------------------------------------------------------------- roles

SECRETS = {role: f"bk_{role}" for role in ("evaluate", "read", "admin")}
PAGES = "bp_pages"


def keys_for(environment="production"):
    made = [Key(digest_of(text), ROLES[role], environment) for role, text in SECRETS.items()]
    pages = Key(digest_of(PAGES), EVALUATE, environment, ("https://shop.example",))
    return Gate(Ring([*made, pages]), None, READ)


POST = {"method": "POST", "body": b'{"userId": "ben"}'}
#: What each route takes, but for those of GUARDED, which all take the least.
TAKES = [
    *((path, asked, "evaluate") for path, asked in GUARDED.items()),
    ("/v1/decide?keys=checkout_flow", POST, "evaluate"),
    ("/v1/activate?experimentKey=checkout_flow_experiment", POST, "evaluate"),
    ("/v1/send-odp-event", {"method": "POST", "body": b'{"action": "x"}'}, "evaluate"),
    ("/v1/config", {}, "read"),
    ("/v1/datafile", {}, "read"),
    ("/v1/lookup", POST, "read"),
    ("/v1/notifications/event-stream", {}, "read"),
    ("/v1/override", POST, "admin"),
    ("/v1/save", POST, "admin"),
    ("/v1/reset", POST, "admin"),
]


def is_let_in(role, path, asked):
    """Say whether the role was enough, whatever the route then made of the request."""
    try:
        answer = ask(path, SECRETS.get(role), checker=keys_for(), **asked)
    except Needed:
        return True
    return b"This takes a key with the role" not in answer.body and answer.status != 401


@pytest.mark.parametrize(("path", "asked", "takes"), TAKES)
def test_each_route_takes_a_role_and_any_higher_one(path, asked, takes):
    let_in = [role for role in (None, *ROLES) if is_let_in(role, path, asked)]

    assert [*ROLES][[*ROLES].index(takes) :] == let_in


@pytest.mark.parametrize(
    ("path", "asked", "place"),
    [
        ("/v1/config", {}, ("error",)),
        ("/v1/override", POST, ("error",)),
    ],
)
def test_a_refusal_says_which_role_is_missing_in_each_apis_shape(path, asked, place):
    answer = ask(path, SECRETS["evaluate"], checker=keys_for(), **asked)
    said = json.loads(answer.body)
    for each in place:
        said = said[each]

    assert 403 == answer.status
    assert said.startswith("This takes a key with the role ")
    assert said.endswith("; this one has evaluate.")


@pytest.mark.parametrize(
    ("path", "asked", "read"),
    [
        ("/bucketer?e=checkout_flow_experiment&u=ben", {}, lambda told: told["error"]["message"]),
        ("/v1/decide", POST, lambda told: told["error"]),
        (
            "/ofrep/v1/evaluate/flags/checkout_flow",
            GUARDED["/ofrep/v1/evaluate/flags"],
            lambda told: told["errorDetails"],
        ),
    ],
)
def test_a_key_of_another_environment_is_refused_in_each_apis_shape(path, asked, read):
    answer = ask(path, SECRETS["admin"], checker=keys_for("development"), **asked)

    assert 403 == answer.status
    assert "another environment" in read(json.loads(answer.body))


def test_debug_is_heard_of_readers_only():
    path = "/bucketer?e=checkout_flow_experiment&u=ben&debug=1"
    for query in (path, path + "&segments=0", path.replace("e=checkout_flow_experiment", "f=*")):
        shown = {
            role: "debug" in json.loads(ask(query, text, checker=keys_for()).body)
            for role, text in SECRETS.items()
        }
        assert {"evaluate": False, "read": True, "admin": True} == shown


def test_where_access_is_open_everybody_is_shown_it_and_nobody_is_an_admin():
    request = Request("GET", "/bucketer", "e=checkout_flow_experiment&u=ben&debug=1", {})

    assert b'"debug"' in handler().handle(request, NOW, lambda: "u").response.body
    assert READ == grant_of(request).role


def test_the_key_of_a_page_decides_and_no_more():
    page = {"checker": keys_for(), "origin": "https://shop.example"}

    assert 200 == ask(f"/bucketer?f=checkout_flow&u=ben&api_key={PAGES}", **page).status
    assert 403 == ask(f"/v1/config?api_key={PAGES}", **page).status
    page["origin"] = "https://elsewhere.example"
    assert 403 == ask(f"/bucketer?f=checkout_flow&u=ben&api_key={PAGES}", **page).status


def test_a_request_that_names_none_is_for_the_environment_of_its_key():
    with pytest.raises(EnvironmentNeeded) as needed:
        ask(
            "/bucketer?f=search",
            SECRETS["read"],
            checker=keys_for("other"),
            x_optimizely_sdk_key=None,
        )

    assert f"{BY_NAME}other" == needed.value.key


def test_an_environment_is_opened_only_for_whoever_may_ask_something():
    stranger = {"checker": keys_for(), "x_optimizely_sdk_key": None}

    assert 401 == ask("/bucketer?f=search&sdk_key=Stranger", **stranger).status
    assert 401 == ask("/bucketer?f=search&sdk_key=Stranger", "bk_wrong", **stranger).status
    with pytest.raises(EnvironmentNeeded):
        ask("/bucketer?f=search&sdk_key=Stranger", SECRETS["evaluate"], **stranger)


# ---------------------------------------------------------------------------- claims


def granted(**claims):
    return grant_of_claims({"exp": NOW + 9, "sdk_keys": [KEY], **claims}, NOW, EVALUATE, NOW + 300)


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({}, EVALUATE),
        ({"role": "read"}, READ),
        ({"roles": ["evaluate", "admin", "other", 1]}, ADMIN),
        ({"role": "evaluate", "roles": ["read"]}, READ),
        ({"scope": "openid bucketer:admin"}, ADMIN),
        ({"scope": "openid admin read"}, EVALUATE),
        ({"scope": ["bucketer:admin"]}, EVALUATE),
        ({"admin": True}, ADMIN),
        ({"admin": "true"}, EVALUATE),
        ({"admin": 1}, EVALUATE),
    ],
)
def test_a_token_says_its_role_in_one_of_a_few_ways(claims, role):
    assert role == granted(**claims).role


@pytest.mark.parametrize(
    "claims", [{"role": "root"}, {"role": None}, {"roles": []}, {"role": ["x"]}, {"role": {"a": 1}}]
)
def test_a_token_that_means_to_say_one_and_does_not_is_refused(claims):
    with pytest.raises(ClaimsRefused, match="none of its roles"):
        granted(**claims)


@pytest.mark.parametrize(
    ("claims", "covered"),
    [
        ({}, {"by key"}),
        ({"sdk_keys": []}, set()),
        ({"environments": ["production"], "sdk_keys": None}, {"by name"}),
        ({"environments": ["production"]}, {"by key", "by name"}),
        ({"environments": ["*"]}, {"by key", "by name", "neither"}),
        ({"environments": []}, {"by key"}),
        ({"environments": [KEY], "sdk_keys": []}, set()),
        ({"environments": [], "sdk_keys": ["production"]}, set()),
    ],
)
def test_a_token_names_environments_by_key_or_by_name_which_are_never_taken_for_each_other(
    claims, covered
):
    grant = granted(**claims)
    places = {"by key": ("x", {KEY}), "by name": ("production", {"x"}), "neither": ("x", {"y"})}

    assert covered == {name for name, place in places.items() if grant.covers(*place)}


def test_the_token_of_agents_admin_is_for_all():
    grant = grant_of_claims({"exp": NOW + 9, "admin": True}, NOW, EVALUATE, NOW + 300)

    assert (ADMIN, True) == (grant.role, grant.covers("whichever", ()))


def test_a_token_is_good_until_it_expires_and_looked_at_anew_before_if_that_is_long():
    assert NOW + 9 == granted().until
    assert NOW + 300 == granted(exp=NOW + 3_600).until


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"x-api-key": "k"}, "k"),
        ({"x-api-key": " k , l"}, "k"),
        ({"x-api-key": "k", "jwt": "a.b"}, "k"),
        ({"x-api-key": "k", "authorization": "Bearer t"}, "t"),
        ({"x-api-key": "k", "authorization": "Basic x"}, "k"),
    ],
)
def test_where_a_key_may_stand(headers, token):
    assert token == token_of(headers)
