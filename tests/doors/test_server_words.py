"""What the server says at its start: a URL that shows something, and what there really is."""

import copy
from urllib.parse import urlsplit

import pytest

from bucketer.doors.server.words import example_of, first_lines
from fakes.editions import AnEdition, Client

ADDRESS = "http://127.0.0.1:8080"


def answer_to(url, edition):
    parts = urlsplit(url)
    return Client(edition).json(parts.query, path=parts.path)


def test_the_demonstration_shows_a_visitor_who_gets_a_variation():
    edition = AnEdition(source="demonstration")

    first, second = first_lines(edition, ADDRESS)

    said, _, url = first.rpartition(" ")
    assert "Bucketer serves its demonstration datafile (DATAFILE_URL is not set) at" == said
    assert url.startswith(f"{ADDRESS}/bucketer?e=checkout_flow_experiment&")
    assert "one_step_checkout" == answer_to(url, edition)["variation"]
    assert "Revision 22: 3 flags, 3 experiments, 5 delivery rules." == second


def test_another_datafile_is_named_without_its_key_and_asked_by_its_first_running_experiment(
    demonstration,
):
    demonstration["experiments"][0]["status"] = "Paused"

    first, _ = first_lines(AnEdition(demonstration), ADDRESS)

    example = "/bucketer?e=search_ranking_experiment&u=visitor1&debug=1"
    assert f"Bucketer serves the datafile from cdn.example at {ADDRESS}{example}" == first


def without_experiments(datafile):
    datafile = copy.deepcopy(datafile)
    datafile |= {"experiments": [], "groups": []}
    for flag in datafile["featureFlags"]:
        flag["experimentIds"] = []
    return datafile


def paused(datafile):
    datafile = copy.deepcopy(datafile)
    for each in [*datafile["experiments"], *datafile["groups"][0]["experiments"]]:
        each["status"] = "Paused"
    return datafile


@pytest.mark.parametrize("change", [without_experiments, paused])
def test_where_no_experiment_runs_a_flag_is_asked_and_no_delivery_rule(demonstration, change):
    edition = AnEdition(change(demonstration))

    example = example_of(edition.ruleset)

    assert "/bucketer?f=checkout_flow&u=visitor1&debug=1" == example
    assert "checkout_flow" == answer_to(example, edition)["flag"]


def test_where_nothing_else_is_there_a_rule_of_whatever_kind_is_asked(demonstration):
    bare = without_experiments(demonstration) | {"featureFlags": []}
    edition = AnEdition(bare)

    answer = answer_to(example_of(edition.ruleset), edition)

    assert "experiment" in answer
    assert "error" not in answer


def test_an_empty_datafile_leaves_the_health(demonstration):
    empty = without_experiments(demonstration) | {"featureFlags": [], "rollouts": []}

    assert "/health" == example_of(AnEdition(empty).ruleset)


def test_what_there_is_one_of_is_told_in_the_singular(demonstration):
    one = without_experiments(demonstration)
    flag = one["featureFlags"][0]
    one["featureFlags"] = [flag]
    one["rollouts"] = [each for each in one["rollouts"] if each["id"] == flag["rolloutId"]]

    _, second = first_lines(AnEdition(one), ADDRESS)

    assert "Revision 22: 1 flag, 0 experiments, 1 delivery rule." == second


def test_a_key_that_means_something_in_a_url_is_quoted(demonstration):
    demonstration["experiments"][0]["key"] = "a&b/ü"
    edition = AnEdition(demonstration)

    example = example_of(edition.ruleset)

    assert "/bucketer?e=a%26b%2F%C3%BC&u=visitor1&debug=1" == example
    assert "a&b/ü" == answer_to(example, edition)["experiment"]


def test_without_a_datafile_it_says_so_and_where_its_health_is():
    first, second = first_lines(None, ADDRESS)

    assert f"Bucketer at {ADDRESS} has no datafile yet" in first
    assert second.endswith(f"{ADDRESS}/health")
