"""The Lambda function: what stands in the root of the zip and in the `Handler` setting.

Everything that takes time happens here, at import, which is Lambda's init phase: it has more
processor than an invocation, and a provisioned or snapshotted environment pays it in advance.
"""

import gc
import os

gc.disable()  # an import makes thousands of objects and no garbage; looking for some takes 1 ms

from bucketer import wiring
from bucketer.api.client_address import TrustedProxies
from bucketer.doors.aws_lambda import make_handler, run_after_restore
from bucketer.doors.lambda_extension import ask_to_register, start
from bucketer.settings import read_settings

settings = read_settings(os.environ)
# Each extension costs callers a little, so there is none where it will never have any work.
works_later = wiring.works_after_responses(settings) or settings.traces != "off"
extension = ask_to_register(os.environ) if works_later else None
runtime = wiring.build(settings, mode=wiring.LAMBDA)
meter = None
if settings.metrics == "emf":
    from bucketer.metrics.emf import Meter

    meter = Meter(runtime, os.environ)
tells = ([meter.tell] if meter else []) + ([runtime.traces.flush] if runtime.traces else [])
answered = start(runtime, extension, settings.events_flush, tells) if works_later else None
# A copy of a snapshot may be days old: it asks for a fresh datafile, and for its invocations.
run_after_restore(runtime.expire, *([extension.ask_again] if extension else []))
proxies = TrustedProxies(settings.trusted_proxies, settings.address_header)
lambda_handler = make_handler(runtime, None if meter else answered, proxies)
if meter:
    lambda_handler = meter.metered(lambda_handler, answered)

gc.freeze()  # all of this stays: later collections needn't walk it
gc.enable()
