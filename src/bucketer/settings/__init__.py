"""Environment in, `Settings` out: one table, from which everything about settings is derived.

A row is all there is to a setting: its default, what is allowed, what it is for. A new setting is a
row in the module of its area and an annotation in `Settings`. `bucketer settings` and
docs/settings.md print the table, and tests hold the three together.

This package takes the environment as an argument; only wiring and the doors read the real one.
"""

from .reading import Settings, read_settings, unlisted
from .setting import (
    DEFAULT,
    LOCATION,
    PLAIN,
    SECRET,
    UNLISTED,
    Setting,
    host_only,
    refusal,
    shown,
)
from .table import BY_NAME, TABLE
from .values import location

__all__ = [
    "BY_NAME",
    "DEFAULT",
    "LOCATION",
    "PLAIN",
    "SECRET",
    "TABLE",
    "UNLISTED",
    "Setting",
    "Settings",
    "host_only",
    "location",
    "read_settings",
    "refusal",
    "shown",
    "unlisted",
]
