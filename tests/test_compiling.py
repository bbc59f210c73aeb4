"""Bytes to ruleset in a process that answers meanwhile."""

import gc
import threading
from pathlib import Path

from bucketer import demo
from bucketer.core.compile import compile_datafile
from bucketer.core.parse import parse_datafile
from bucketer.runtime.compiling import compile_quietly

RAW = Path(demo.PATH).read_bytes()


def test_one_datafile_is_compiled_at_a_time_whoever_asks():
    """Eight environments that are opened at once would each take turns with the event loop."""
    steps = []
    codes = {parse_datafile.__code__: "begin", compile_datafile.__code__: "end"}

    def note(frame, event, _arg):
        what = codes.get(frame.f_code)
        if (what, event) in {("begin", "call"), ("end", "return")}:
            steps.append((what, threading.get_ident()))

    threading.setprofile(note)
    try:
        threads = [
            threading.Thread(target=lambda: [compile_quietly(RAW) for _ in range(5)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        threading.setprofile(None)

    assert len(steps) == 2 * 5 * 4
    for begun, ended in zip(steps[::2], steps[1::2], strict=True):
        assert ("begin", "end") == (begun[0], ended[0])
        assert begun[1] == ended[1]
    assert gc.isenabled()
