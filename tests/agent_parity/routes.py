"""Agent's routes, and for each a body and a query that it takes."""

from __future__ import annotations

POSTS = (
    "/v1/decide",
    "/v1/activate",
    "/v1/track",
    "/v1/override",
    "/v1/lookup",
    "/v1/save",
    "/v1/send-odp-event",
)
GETS = ("/v1/config", "/v1/datafile")
GOOD = {
    "/v1/decide": {"userId": "ben"},
    "/v1/activate": {"userId": "ben"},
    "/v1/track": {"userId": "ben"},
    "/v1/override": {
        "userId": "ben-o",
        "experimentKey": "checkout_flow_experiment",
        "variationKey": "",
    },
    "/v1/lookup": {"userId": "ben"},
    "/v1/save": {"userId": "ben", "experimentBucketMap": {}},
    "/v1/send-odp-event": {"action": "any", "identifiers": {"email": "a@b.c"}},
}
QUERY = {
    "/v1/track": "eventKey=purchase",
    "/v1/activate": "experimentKey=checkout_flow_experiment&disableTracking=true",
}
