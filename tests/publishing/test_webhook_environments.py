"""One webhook function for several environments: who is published, where, and what is said."""

from __future__ import annotations

import json

import pytest
from tests.fakes.aws import Moto
from tests.fakes.cdn import Cdn
from tests.fakes.sources import FakeSource, down, revision
from tests.fakes.webhooks import PROJECT, SECRET, body_of, signature_of

from bucketer.api.http import Request
from bucketer.doors import webhook as door
from bucketer.publishing.publisher import Publisher
from bucketer.settings import read_settings, unlisted
from bucketer.wiring import LAMBDA, build
from bucketer.wiring.datafiles import build_sources

#: Two environments of one project, and one of another; all have the project's secret, or its own.
FILE = """
[environments.production]
sdk_key = "PRODUCTION"
webhook_secret = "shared-with-optimizely"

[environments.development]
sdk_key = "DEVELOPMENT"
webhook_secret = "shared-with-optimizely"

[environments.elsewhere]
sdk_key = "ELSEWHERE"
webhook_secret = "another"
"""
STORE = "s3://open/environments"


@pytest.fixture
def environ(tmp_path):
    path = tmp_path / "bucketer.toml"
    path.write_text(FILE)
    return {"BUCKETER_CONFIG": str(path), "BUCKETER_ENVIRONMENTS_STORE": STORE}


class Shelf:
    def __init__(self, where):
        self.where = where

    def publish(self, checked, _url):
        return f"published revision {checked.revision}"


def event(body, secret=SECRET):
    return {"headers": {"x-hub-signature": signature_of(body, secret)}, "body": body.decode()}


def url_of(key):
    return f"https://cdn.optimizely.com/datafiles/{key}.json"


def ask(asked, environ, sources=None):
    """Answer it; return the status, what is said, and who was published where."""
    published = {}

    def make_publisher(theirs):
        published[theirs.environment] = theirs.publish
        source = (sources or {}).get(theirs.environment) or FakeSource(revision(5))
        return Publisher(source, [Shelf(theirs.publish)], wait_s=0)

    result = door.answer(asked, read_settings(environ), make_publisher)
    return result["statusCode"], json.loads(result["body"]), published


def test_the_environment_whose_datafile_is_named_is_published_to_its_own_folder(environ):
    status, said, published = ask(event(body_of(5, url_of("DEVELOPMENT"))), environ)

    assert 200 == status
    assert {"development": f"{STORE}/development/datafile.json"} == published
    assert "5" == said["environments"]["development"]["revision"]


def test_all_whose_secret_it_is_are_published_where_it_names_none_of_theirs(environ):
    status, said, published = ask(event(body_of(5, url_of("A-MIRROR-CALLS-IT-SO"))), environ)

    assert 200 == status
    assert {"production", "development"} == set(published) == set(said["environments"])


def test_another_secret_is_another_environments(environ):
    body = body_of(5, url_of("ELSEWHERE"))

    assert ["elsewhere"] == list(ask(event(body, "another"), environ)[2])
    assert (403, {}) == ask(event(body, "guessed"), environ)[::2]


def test_what_one_meets_costs_the_others_nothing_and_a_later_try_is_asked_for(environ):
    body = body_of(5, url_of("A-MIRROR-CALLS-IT-SO"))
    sources = {"production": FakeSource(down("status 500"))}
    status, said, _ = ask(event(body), environ, sources)

    assert 503 == status
    assert "source_failed" == said["environments"]["production"]["error"]["code"]
    assert "5" == said["environments"]["development"]["revision"]


def test_of_several_projects_with_one_secret_the_one_that_it_is_about_is_published(environ):
    body = body_of(5, url_of("A-MIRROR-CALLS-IT-SO"))
    other = {"production": FakeSource(revision(5, projectId="12"))}
    both = {name: FakeSource(revision(5, projectId="12")) for name in ("production", "development")}

    assert (200, ["development"]) == told(ask(event(body), environ, other))
    assert (403, ["production", "development"]) == told(ask(event(body), environ, both))


def told(answer):
    status, said, _ = answer
    return status, list(said["environments"])


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, f"{STORE}/production/datafile.json"),
        ({"BUCKETER_ENVIRONMENTS_STORE": f"{STORE}/"}, f"{STORE}/production/datafile.json"),
        ({"BUCKETER_ENVIRONMENTS_STORE": ""}, ""),
        ({"DATAFILE_URL": "https://cdn.example/d.json"}, ""),
    ],
)
def test_the_default_environment_has_a_folder_where_the_file_lists_it(environ, changes, place):
    settings = read_settings(environ | changes)

    assert place == settings.stored_at


def test_a_key_that_nobody_listed_has_no_folder(environ):
    settings = read_settings(environ)

    assert "" == settings.of(unlisted("STRANGER")).stored_at


def test_the_folder_is_asked_before_what_the_file_says(environ):
    settings = read_settings(environ)
    theirs = settings.of(settings.environments[0])
    locations = (theirs.datafile_url,)
    found = build_sources(theirs, {}, mode=LAMBDA, locations=locations)

    assert ["s3", "url"] == [source.kind for source in found]
    without = theirs.but(environments_store="")
    assert ["url"] == [s.kind for s in build_sources(without, {}, mode=LAMBDA, locations=locations)]


@pytest.fixture(scope="module")
def moto():
    server = Moto()
    yield server
    server.stop()


def test_what_the_webhook_function_published_is_what_the_decision_function_serves(
    environ, moto, monkeypatch
):
    """Over a real API of S3, with the rights of each; the CDN is gone when it is asked for."""
    datafiles = {
        f"/{key}.json": (revision(number, sdkKey=key), None)
        for key, number in (("PRODUCTION", 7), ("DEVELOPMENT", 3))
    }
    with Cdn(datafiles) as cdn:
        environ["BUCKETER_SDK_KEY_URL"] = f"{cdn.url}/{{}}.json"
        for name, value in (environ | moto.root_environ).items():
            monkeypatch.setenv(name, value)
        for key, number in (("PRODUCTION", 7), ("DEVELOPMENT", 3)):
            body = body_of(number, url_of(key), project=PROJECT)
            result = door.lambda_handler(event(body), None)
            assert 200 == result["statusCode"], result["body"]
    runtime = build(environ={**environ, **moto.environ, "BUCKETER_EVENTS": "off"}, mode=LAMBDA)
    found = {}
    for key in ("PRODUCTION", "DEVELOPMENT"):
        headers = {"x-optimizely-sdk-key": key}
        request = Request("GET", "/v1/datafile", "", headers, b"", request_id="r")
        found[key] = json.loads(runtime.serve(request).body)["revision"]
    runtime.close()

    assert {"PRODUCTION": "7", "DEVELOPMENT": "3"} == found
    kept = moto.s3.list_objects_v2(Bucket="open", Prefix="environments/")["Contents"]
    assert {
        "environments/production/datafile.json",
        "environments/production/revisions/7.json",
        "environments/development/datafile.json",
        "environments/development/revisions/3.json",
    } == {each["Key"] for each in kept}
