"""The demonstration datafile with its experiments handed over to contextual bandits."""

from __future__ import annotations

from .datafiles import a_datafile, experiments_of

CHECKOUT, SEARCH = "10000000301", "10000000302"
#: Variation ids of the checkout experiment, and one that nobody has.
CURRENT, TWO_STEP, ONE_STEP, UNHEARD_OF = "10000000601", "10000000602", "10000000603", "999"
#: Attribute ids: tier, member_since_days, country; the last is no attribute's.
SEEN = ["10000000102", "10000000101", "404"]


def a_datafile_with_bandits(*, traffic=10_000, attribute_ids=SEEN, **changes):
    """Everybody is let in; the checkout and the search ranking experiments are bandits'."""
    datafile = a_datafile(**changes)
    for experiment in experiments_of(datafile):
        experiment |= {"audienceIds": [], "audienceConditions": [], "forcedVariations": {}}
        if experiment["id"] in {CHECKOUT, SEARCH}:
            experiment["cmab"] = {"attributeIds": attribute_ids, "trafficAllocation": traffic}
            experiment["trafficAllocation"] = []
    return datafile
