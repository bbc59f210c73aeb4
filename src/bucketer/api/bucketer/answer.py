"""Decision and user in, the JSON text of the answer out.

All of an answer but the user's id is known once a decision has been seen, so it is rendered
once per decision and kept: a request pays for quoting one string.
"""

from __future__ import annotations

from json import dumps
from json.encoder import encode_basestring_ascii as quote

from bucketer.api.json_text import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from bucketer.core.decision import Decision

    Key = TypeVar("Key")
    Value = TypeVar("Value")

#: More than the answers of most datafiles take; a bound all the same.
ROOM_BYTES = 16 * 1024 * 1024
#: Bytes of an entry of a dict and its parts, beyond their characters.
_AN_ENTRY = 400


class Answers:
    """Rendered answers of one ruleset. Filled as decisions are met; safe to share by threads."""

    __slots__ = ("_flags", "_heads", "_left_bytes", "_room_bytes", "_tails")

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self._room_bytes = self._left_bytes = room_bytes
        self._heads: dict[object, str] = {}
        self._tails: dict[str, str] = {}
        self._flags: dict[object, tuple[str, str]] = {}

    def experiment(self, decision: Decision, experiment_key: str, user_id: str) -> str:
        """Render the answer to `e`: variation, user, experiment."""
        base = decision.base
        head = self._heads.get(base)
        if head is None:
            head = f'{{"variation": {dumps(decision.variation_key)}, "user": '
            self._keep(self._heads, base, head, len(head))
        tail = self._tails.get(experiment_key)
        if tail is None:
            tail = f', "experiment": {quote(experiment_key)}}}'
            self._keep(self._tails, experiment_key, tail, 4 * len(experiment_key) + len(tail))
        return head + quote(user_id) + tail

    def flag(self, decision: Decision, user_id: str) -> str:
        """Render the answer to `f`: variation, user, flag, enabled, variables, rule."""
        head, tail = self._flags.get(decision.base) or self._render(decision)
        return f'{head}, "user": {quote(user_id)}{tail}'

    def flag_alone(self, decision: Decision) -> str:
        """Render the same without the user, for an answer about several flags."""
        head, tail = self._flags.get(decision.base) or self._render(decision)
        return head + tail

    def _render(self, decision: Decision) -> tuple[str, str]:
        """Render what stands before a flag's user and behind it."""
        rest = {
            "flag": decision.flag_key,
            "enabled": decision.enabled,
            "variables": dict(decision.variables),
            "rule": decision.rule_key,
        }
        pieces = f'{{"variation": {dumps(decision.variation_key)}', f", {to_json(rest)[1:]}"
        self._keep(self._flags, decision.base, pieces, len(pieces[0]) + len(pieces[1]))
        return pieces

    def _keep(self, cache: dict[Key, Value], key: Key, value: Value, cost_bytes: int) -> None:
        cost_bytes += _AN_ENTRY
        if cost_bytes > self._room_bytes:
            return
        if cost_bytes > self._left_bytes:
            for each in (self._heads, self._tails, self._flags):
                each.clear()
            self._left_bytes = self._room_bytes
        self._left_bytes -= cost_bytes
        cache[key] = value
