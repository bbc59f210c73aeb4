"""The same endpoint as ours, written with optimizely-sdk 5.7.0: what it is measured against.

Goes into a task folder of its own, as ``app.py``. No event is sent (its processor does nothing),
which is in its favour, since ours delivers.
"""

import json
import logging
import os
from urllib.parse import parse_qs

from optimizely import optimizely
from optimizely.event.event_processor import BaseEventProcessor


class Nothing(BaseEventProcessor):
    def process(self, user_event):
        pass


logger = logging.getLogger("silent")
logger.addHandler(logging.NullHandler())
logger.propagate = False
folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "datafile.json")) as file:
    client = optimizely.Optimizely(file.read(), event_processor=Nothing(), logger=logger)


def attributes_of(text):
    found = {}
    for item in text.split(","):
        key, _, value = item.partition(":")
        if key:
            try:
                found[key] = json.loads(value)
            except ValueError:
                found[key] = value
    return found


def lambda_handler(event, context):
    fields = parse_qs(event["rawQueryString"], keep_blank_values=True)
    experiment = fields["e"][0]
    user = fields["u"][0]
    variation = client.activate(experiment, user, attributes_of(fields.get("a", [""])[0]))
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": json.dumps({"variation": variation, "user": user, "experiment": experiment}),
    }
