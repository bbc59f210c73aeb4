"""What the server says at its start: a URL that shows something, and what there really is."""

from urllib.parse import urlsplit

import pytest
from tests.fakes.datafiles import without_experiments
from tests.fakes.editions import AnEdition, Client

from bucketer.doors.server.process import _config
from bucketer.doors.server.words import first_lines, open_to_others
from bucketer.settings import read_settings

ADDRESS = "http://127.0.0.1:8080"


def answer_to(url, edition):
    parts = urlsplit(url)
    return Client(edition).json(parts.query, path=parts.path)


def test_the_demonstration_shows_a_visitor_who_gets_a_variation():
    edition = AnEdition(source="demonstration")

    first, second = first_lines(edition, ADDRESS)

    said, _, url = first.rpartition(" ")
    assert "Bucketer serves its demonstration datafile (DATAFILE_URL names yours) at" == said
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


def test_what_there_is_one_of_is_told_in_the_singular(demonstration):
    one = without_experiments(demonstration)
    flag = one["featureFlags"][0]
    one["featureFlags"] = [flag]
    one["rollouts"] = [each for each in one["rollouts"] if each["id"] == flag["rolloutId"]]

    _, second = first_lines(AnEdition(one), ADDRESS)

    assert "Revision 22: 1 flag, 0 experiments, 1 delivery rule." == second


def test_without_a_datafile_it_says_so_and_where_its_health_is():
    first, second = first_lines(None, ADDRESS)

    assert f"Bucketer has no datafile yet; its health is at {ADDRESS}/health" == first
    assert second.startswith("It answers 503 until it has one")


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1"]
)
def test_what_other_machines_reach_and_asks_for_no_key_is_said_to_be_open(address):
    assert f"access is open: whoever reaches {address} may ask" in open_to_others(
        address, keyed=False
    )
    assert "" == open_to_others(address, keyed=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_what_only_this_machine_reaches_is_not(address):
    assert "" == open_to_others(address, keyed=False)


class Listener:
    """A socket that listens there; none is opened beyond this machine for a test."""

    def __init__(self, address):
        self.address = address

    def getsockname(self):
        return (self.address, 8080)


@pytest.mark.parametrize(
    ("address", "environ", "warns"),
    [
        ("0.0.0.0", {}, True),
        ("127.0.0.1", {}, False),
        ("0.0.0.0", {"BUCKETER_ACCESS": "keys"}, False),
    ],
)
def test_it_is_said_of_the_address_that_is_listened_on(address, environ, warns):
    application = _config(read_settings(environ), Listener(address)).app

    assert warns is ("access is open" in application._warning)
