"""A terminal that keeps what is written on it."""

import io
import json

from bucketer.doors.cli.main import main
from bucketer.doors.cli.terminal import Terminal


class Kept:
    """What one run of the command left: `status`, `out`, `err`.

    Lines are whole unless the test gives `COLUMNS`.
    """

    def __init__(self, *argv, **environ):
        out, err = io.StringIO(), io.StringIO()
        self.status = main(argv, Terminal(out, err, {"COLUMNS": "10000", **environ}))
        self.out, self.err = out.getvalue(), err.getvalue()

    @property
    def lines(self):
        return self.out.splitlines()

    @property
    def json(self):
        return json.loads(self.out)
