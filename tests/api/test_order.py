"""What an error says doesn't depend on the order of a set, so not on the process that says it."""

from __future__ import annotations

import os
import subprocess
import sys

ASK = """
from bucketer.api.http import Request
from bucketer.settings import read_settings
from bucketer.wiring import build

runtime = build(read_settings({"BUCKETER_EVENTS": "off"}))
for method, target, body in (
    ("GET", "/bucketer?zz=1&yy=2", b""),
    ("GET", "/bucketer?e=a&experiment=b&f=c&flag=d&u=1&userId=2", b""),
    ("POST", "/bucketer?e=1&u=2&a=x:1&debug=1", b'{"e":"z","u":"3","a":{},"debug":0,"track":1,"f":"y"}'),
    ("POST", "/bucketer", b'{"e":1,"u":[],"a":3,"debug":"q","track":"w"}'),
    ("POST", "/bucketer", b'{"e":"a","experiment":"b","u":"1","userId":"2","a":{},"attributes":{"x":1}}'),
    ("POST", "/bucketer", b'{"e":"a","usr":"b","usre":"c","uid":"2","zz":1}'),
    ("POST", "/track", b'{"ev":"a","event":"b","u":"1","user":"2","tags":{},"t":3,"s":4}'),
    ("GET", "/track?event=x&ev=1&u=3&user=4", b""),
    ("PUT", "/bucketer", b""),
    ("GET", "/nothing", b""),
):
    path, _, query = target.partition("?")
    answer = runtime.serve(Request(method, path, query, {}, body, "192.0.2.1", "an-id"))
    assert answer.status >= 400, target
    print(answer.headers, answer.body.decode())
"""


def test_errors_say_the_same_in_every_process():
    said = {
        subprocess.run(
            [sys.executable, "-c", ASK],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3", "4")
    }

    assert 1 == len(said)
    assert 10 == len(said.pop().splitlines())
