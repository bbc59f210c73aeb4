"""Webhooks as Optimizely sends them, genuine or not."""

from __future__ import annotations

import hashlib
import hmac
import json

SECRET = "shared-with-optimizely"
PROJECT = "11"  # that of `tests.fakes.datafiles`


def body_of(
    revision,
    url="https://cdn.optimizely.com/datafiles/SDK-KEY.json",
    project=PROJECT,
    sent_at=1_700_000_000,
):
    """The body of a webhook about *revision*, with another environment's entry before it."""
    other = url.replace(url.rpartition("/")[2], "OTHER.json")
    return json.dumps(
        {
            "project_id": int(project),
            "timestamp": sent_at,
            "event": "project.datafile_updated",
            "data": [
                {"revision": 999, "origin_url": other, "cdn_url": other, "environment": "Other"},
                {
                    "revision": int(revision),
                    "origin_url": url,
                    "cdn_url": url,
                    "environment": "Production",
                },
            ],
        }
    ).encode()


def signature_of(body, secret=SECRET):
    return "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


def signed(body, secret=SECRET):
    """Headers of a genuine webhook, names in lower case."""
    return {"x-hub-signature": signature_of(body, secret), "content-type": "application/json"}
