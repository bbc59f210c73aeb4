"""The pure core: datafile → ruleset → decision → event.

Values in, values out. Nothing in here reads a clock, a log, a socket, randomness or the
environment.
"""
