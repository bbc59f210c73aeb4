"""The `bucketer` command: a table of commands, each in a module imported when it is asked for.

A command module has `register(parser)`, which adds its options and names what runs:
`parser.set_defaults(run=some_command)`; a `check=` beside it is called with the arguments and may
leave with `parser.error`. `some_command(args, terminal)` returns the exit status, or
None for 0. Its docstring is the help.
"""

from __future__ import annotations

import sys


def run() -> None:
    """Entry point of the installed command and of `python -m bucketer`."""
    from .main import main

    sys.exit(main())
