"""Where Agent and Bucketer differ on purpose: each reason, and which differences it explains.

docs/agent.md says the same for people.
"""

from __future__ import annotations

EXPLAINED = {}
