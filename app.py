"""The Lambda function: what stands in the root of the zip and in the `Handler` setting.

Everything that takes time happens here, at import, which is Lambda's init phase: it has more
processor than an invocation, and a provisioned or snapshotted environment pays it in advance.
"""

import gc
import os

gc.disable()  # an import makes thousands of objects and no garbage; looking for some takes 1 ms

from bucketer import wiring
from bucketer.doors.aws_lambda import make_handler, run_hooks_after_restore
from bucketer.doors.lambda_extension import start
from bucketer.settings import read_settings

settings = read_settings(os.environ)
runtime = wiring.build(settings, place=wiring.LAMBDA)
run_hooks_after_restore(runtime)
lambda_handler = make_handler(runtime, answered=start(runtime, os.environ, settings.events_flush))

gc.freeze()  # all of this stays: later collections needn't walk it
gc.enable()
