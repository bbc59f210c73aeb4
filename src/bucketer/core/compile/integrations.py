"""ODP's account and the segments that audiences ask about."""

from __future__ import annotations

from bucketer.core.integration import Integration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .draft import Draft


def read_integrations(draft: Draft) -> None:
    """Take over what the datafile says of ODP: the first of its integrations by that key counts.

    Without a host or a key there is none. What is no integration at all, `read_settings` tells.

    Source: optimizely-sdk 5.7.0, project_config.py:ProjectConfig.__init__, entities.py:Audience.
    """
    given = draft.datafile.get("integrations")
    found = next(
        (
            each
            for each in (given if isinstance(given, list) else ())
            if isinstance(each, dict) and each.get("key") == "odp"
        ),
        None,
    )
    if found is None:
        return
    host, key = found.get("host"), found.get("publicKey")
    if not (isinstance(host, str) and host and isinstance(key, str) and key):
        return
    segments: dict[str, None] = {}
    for audience in draft.ruleset.audiences.values():
        for condition in audience.conditions:
            value = condition.get("value")
            if condition.get("match") == "qualified" and isinstance(value, str) and value:
                segments[value] = None
    draft.ruleset.odp = Integration(host, key, tuple(segments))
