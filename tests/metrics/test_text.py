"""The text of a scrape, read by the official client's parsers."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from bucketer.metrics.names import BOUNDS_S, FAMILIES, HISTOGRAM, INFO
from bucketer.metrics.text import render, wants_openmetrics

ODD = 'a "quoted" \\ back\nslash\N{GRINNING FACE}é'


def one_of_each():
    """A sample of every family, with labels that are hard to write."""
    samples = {}
    for number, family in enumerate(FAMILIES):
        labels = tuple(f"{ODD}{label}" for label in family.labels)
        value = 1 if family.kind == INFO else number + 0.5
        if family.kind == HISTOGRAM:
            value = [*range(len(BOUNDS_S) + 1), 12.25]
        samples[family.name] = {labels: value}
    return samples


@pytest.mark.parametrize("parse", [prometheus, openmetrics])
def test_every_family_is_read_as_it_was_meant(parse):
    text = render(one_of_each(), openmetrics=parse is openmetrics).decode()

    read = {
        sample.name: (sample.labels, sample.value)
        for family in parse(text)
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }

    for number, family in enumerate(FAMILIES):
        name = family.name + ("_sum" if family.kind == HISTOGRAM else "")
        expected = {HISTOGRAM: 12.25, INFO: 1}.get(family.kind, number + 0.5)
        assert ({each: f"{ODD}{each}" for each in family.labels}, expected) == read[name], name


@pytest.mark.parametrize("parse", [prometheus, openmetrics])
def test_kind_and_meaning_are_told(parse):
    text = render(one_of_each(), openmetrics=parse is openmetrics).decode()

    read = {family.name: family for family in parse(text)}

    for family in FAMILIES:
        name = family.name.removesuffix("_total")
        if parse is openmetrics:
            name = name.removesuffix("_info")
        kind = {"info": "info" if parse is openmetrics else "gauge"}.get(family.kind, family.kind)
        assert (kind, family.help) == (read[name].type, read[name].documentation)


@pytest.mark.parametrize("parse", [prometheus, openmetrics])
def test_a_histogram_counts_up_to_each_bound(parse):
    value = [1, 2, *[0] * (len(BOUNDS_S) - 2), 4, 7.5]
    samples = {"bucketer_request_duration_seconds": {("/bucketer",): value}}

    [family] = parse(render(samples, openmetrics=parse is openmetrics).decode())
    found = {each.labels.get("le", each.name[-5:]): each.value for each in family.samples}

    assert (1, 3, 3, 7) == (found["5e-05"], found["0.0001"], found["1.0"], found["+Inf"])
    assert (7, 7.5) == (found["count"], found["s_sum"])


def test_nothing_counted_is_an_empty_text_and_a_whole_openmetrics_one():
    assert b"" == render({})
    assert [] == list(openmetrics(render({}, openmetrics=True).decode()))


def test_a_key_that_is_no_unicode_costs_a_character_and_not_the_scrape():
    samples = {"bucketer_decisions_total": {("default", "a\ud800b", "", "none"): 1}}

    [family] = prometheus(render(samples).decode("utf-8"))

    assert "a?b" == family.samples[0].labels["flag"]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("text/plain;version=0.0.4;q=0.5, application/openmetrics-text", True),
        ("application/openmetrics-text; version=1.0.0; q=0.4,text/plain;q=0.5", False),
        ("APPLICATION/OpenMetrics-Text;version=1.0.0,text/plain;q=1", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=often", False),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            True,
        ),
    ],
)
def test_openmetrics_is_for_whoever_prefers_it(accept, wanted):
    assert wanted is wants_openmetrics(accept)
