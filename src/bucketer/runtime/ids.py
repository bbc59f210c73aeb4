"""Names for requests and events."""

from __future__ import annotations

import os


def new_uuid() -> str:
    """Make a random (version 4) UUID; the `uuid` module would cost a cold start 1 ms."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
