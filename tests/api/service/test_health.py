"""`/health`: how old, and of what; what is amiss though it decides; and nothing of the inside."""

from __future__ import annotations

import json

import pytest
from tests.fakes.editions import NOW, AnEdition, Client

from bucketer.api.options import ApiOptions
from bucketer.api.service.health import without_paths


def options(max_age_s=None, events=None, state="", freshness=None, **reports):
    made = ApiOptions(events=None if events is None else lambda: events)
    made.health_max_age_s = max_age_s
    made.state_trouble = lambda: state
    made.freshness = None if freshness is None else lambda: freshness
    made.reports = {name: lambda told=told: told for name, told in reports.items()}
    return made


def health(made=None, **facts):
    reply = Client(AnEdition(**facts), options=made or options()).ask(path="/health")
    return reply.response.status, json.loads(reply.response.body)


def test_age_is_since_the_last_check_and_that_of_the_content_stands_beside_it():
    _, said = health(fetched_at=NOW - 7_200, checked_at=NOW - 5)

    assert said["datafile"]["age_s"] == 5
    assert said["datafile"]["content_age_s"] == 7_200
    assert said["datafile"]["fetched_at"] == "2018-04-09 15:06:02.698754"
    assert said["datafile"]["checked_at"] == "2018-04-09 17:05:57.698754"


def test_what_nobody_confirms_has_no_age():
    _, said = health(fetched_at=None, checked_at=None)

    assert not {"age_s", "content_age_s", "checked_at", "fetched_at"} & said["datafile"].keys()


def test_a_check_that_is_yet_to_come_is_no_negative_age():
    assert health(checked_at=NOW + 3_600)[1]["datafile"]["age_s"] == 0


@pytest.mark.parametrize(
    ("age_s", "max_age_s", "status"),
    [(60, 60, "ok"), (60.5, 60, "degraded"), (10**6, None, "ok"), (None, 1, "ok")],
)
def test_a_datafile_older_than_is_allowed_degrades(age_s, max_age_s, status):
    checked_at = None if age_s is None else NOW - age_s
    code, said = health(options(max_age_s), checked_at=checked_at)

    assert code == 200
    assert said["status"] == status
    assert [each["code"] for each in said.get("why", [])] == ["datafile_old"] * (status != "ok")


@pytest.mark.parametrize(
    ("made", "code", "says"),
    [
        (options(events={"refused": 3, "refusing": "No space left on device"}), "events_refused", "No space left"),
        (options(events={"refusing": "/var/lib/b/outbox can't be used: full"}), "events_refused", "refused: outbox can't"),
        (options(events={"stuck": "1 lane of events can't be read (/v/l: no)"}), "events_stuck", "read (l: no)"),
        (options(state="Permission denied"), "state_unwritable", "Permission denied"),
        (options(state="/var/lib/b is gone"), "state_unwritable", "used: b is gone"),
    ],
)  # fmt: skip
def test_what_is_lost_or_cannot_be_kept_degrades_and_says_why(made, code, says):
    """Still 200: it decides, and taking it out of service would cost more."""
    status, said = health(made)

    assert (status, said["status"]) == (200, "degraded")
    assert [each["code"] for each in said["why"]] == [code]
    assert says in said["why"][0]["message"]


def test_all_that_is_amiss_is_told():
    made = options(1, {"refusing": "full"}, "full")

    codes = [each["code"] for each in health(made)[1]["why"]]

    assert codes == ["datafile_old", "events_refused", "state_unwritable"]


def test_events_that_were_refused_and_are_taken_again_are_no_trouble():
    assert health(options(events={"refused": 3}))[1]["status"] == "ok"


def test_times_have_one_form():
    _, said = health(options(freshness={"refreshes": 2, "failing_since": NOW - 3_600}))

    assert said["refresh"] == {"refreshes": 2, "failing_since": "2018-04-09 16:06:02.698754"}


SECRET = "/srv/shop/private"


def test_no_path_is_told_wherever_it_may_come_from():
    trouble = f"{SECRET}/datafile.json: No such file or directory; ~/x/y.json: no"
    made = options(
        None,
        {"refusing": f"{SECRET}/outbox can't be used", "trouble": f"'{SECRET}/a' is gone"},
        f"{SECRET}/state: full",
        {"trouble": trouble},
        profiles={"trouble": f"save: OSError: {SECRET}/profiles.db"},
        lanes={"worst": {"trouble": f"{SECRET}/lanes/1"}},
    )
    for edition in (AnEdition(label=f"{SECRET}/d.json", source="file"), None):
        body = Client(edition, options=made).ask(path="/health").response.body.decode()

        assert "srv" not in body
        assert "private" not in body
        assert "~" not in body


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/etc/bucketer/d.json: no such file", "d.json: no such file"),
        ("'/a b/c.json' is none", "'a c.json' is none"),
        ("(../x/y)", "(y)"),
        ("~/state", "state"),
        ("~bob/state", "state"),
        ("/", "/"),
        ("/etc", "etc"),
        ("/var/lib/x/", "x/"),
        ("data/files/d.bin: gone", "d.bin: gone"),
        ("data/d.json: gone", "d.json: gone"),
        ("https://cdn.example/a/b.json answered 404", "https://cdn.example/a/b.json answered 404"),
        ("s3://bucket: 403", "s3://bucket: 403"),
        ("got text/html, not application/json", "got text/html, not application/json"),
        ("HTTP/1.1, 3/4, and/or", "HTTP/1.1, 3/4, and/or"),
    ],
)
def test_paths_become_names_and_nothing_else_does(text, shown):
    assert without_paths(text) == shown
