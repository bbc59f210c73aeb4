"""The SDK with section 6 applied to its conditions: what raises there is UNKNOWN.

Only asked after the SDK itself has raised, to know what the rest of the decision comes to. The
module's function is exchanged for the time of one call and put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from optimizely.helpers import condition_tree_evaluator

_evaluate = condition_tree_evaluator.evaluate
#: What conditions raise: empty lists, leaves that are no conditions, words in version numbers.
RAISED = (IndexError, TypeError, ValueError)


@contextmanager
def raising_is_unknown() -> Iterator[None]:
    """Within this block a node of a condition tree that raises answers None."""

    def evaluate(conditions: Any, leaf_evaluator: Callable[[Any], bool | None]) -> bool | None:
        try:
            return _evaluate(conditions, leaf_evaluator)
        except RAISED:
            return None

    condition_tree_evaluator.evaluate = evaluate
    try:
        yield
    finally:
        condition_tree_evaluator.evaluate = _evaluate
