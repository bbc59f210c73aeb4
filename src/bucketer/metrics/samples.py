"""Values by name and labels, of one worker or of all. Plain data: they travel as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .names import BY_NAME, KEPT, LEAST, MOST

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    #: Of a histogram: how many were within each bound, but not within the one before; how many
    #: were beyond the last; the sum of them all.
    Value: TypeAlias = "float | list[float]"
    #: Name → values of the labels → value.
    Samples: TypeAlias = dict[str, dict[tuple[str, ...], Value]]


def together(several: Iterable[Samples]) -> Samples:
    """Return what *several* workers make together: each value as its family says."""
    made: Samples = {}
    for samples in several:
        for name, by_labels in samples.items():
            family = BY_NAME.get(name)
            if family is None:  # of another version, in the middle of an update
                continue
            into = made.setdefault(name, {})
            for labels, value in by_labels.items():
                before = into.get(labels)
                into[labels] = value if before is None else _joined(family.several, before, value)
    return made


def kept(samples: Samples) -> Samples:
    """Return the counters and histograms: what outlives the worker that counted."""
    return {name: each for name, each in samples.items() if name in KEPT}


def of_environments(samples: Samples, names: frozenset[str]) -> Samples:
    """Return *samples* without those of environments that aren't among *names*."""
    return {
        name: {
            labels: value
            for labels, value in by_labels.items()
            if BY_NAME[name].labels[:1] != ("environment",) or labels[0] in names
        }
        for name, by_labels in samples.items()
    }


def _joined(how: str, one: Value, other: Value) -> Value:
    if isinstance(one, list) and isinstance(other, list):
        return [a + b for a, b in zip(one, other, strict=True)]
    if isinstance(one, list) or isinstance(other, list):
        raise TypeError("a histogram and a number have one name")
    if how == LEAST:
        return min(one, other)
    return max(one, other) if how == MOST else one + other


def to_data(samples: Samples) -> list[list[object]]:
    """Return *samples* as JSON has them."""
    return [
        [name, list(labels), value]
        for name, by_labels in samples.items()
        for labels, value in by_labels.items()
    ]


def from_data(data: list[list[object]]) -> Samples:
    """Read what `to_data` made.

    Raises:
        ValueError, TypeError: it is something else.
    """
    samples: Samples = {}
    for name, labels, value in data:
        if not isinstance(name, str) or not isinstance(labels, list):
            raise TypeError("no sample")
        if not isinstance(value, int | float | list):
            raise TypeError("no value")
        samples.setdefault(name, {})[tuple(map(str, labels))] = value
    return samples
