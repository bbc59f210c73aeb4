"""Samples in, text out: Prometheus' format 0.0.4, and OpenMetrics 1.0 for whoever accepts it.

Source: prometheus.io, "Exposition formats"; OpenMetrics 1.0.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .names import BOUNDS_S, COUNTER, FAMILIES, GAUGE, HISTOGRAM, INFO, Family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .samples import Samples, Value

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_BOUNDS = (*(f"{each:g}" if each < 1 else f"{each:.1f}" for each in BOUNDS_S), "+Inf")


def wants_openmetrics(accept: str) -> bool:
    """Say whether an `Accept` header prefers OpenMetrics to plain text."""
    best = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.lower().split(","):
        kind, *parameters = (each.strip() for each in part.split(";"))
        if kind in best:
            best[kind] = max(best[kind], _quality(parameters))
    return best["application/openmetrics-text"] > 0 and (
        best["application/openmetrics-text"] >= best["text/plain"]
    )


def _quality(parameters: list[str]) -> float:
    for each in parameters:
        name, _, value = each.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


def render(samples: Samples, *, openmetrics: bool = False) -> bytes:
    """Return *samples* as text, family by family, in the order of `FAMILIES`."""
    lines: list[str] = []
    for family in FAMILIES:
        by_labels = samples.get(family.name)
        if not by_labels:
            continue
        name, kind = family.name, family.kind
        if openmetrics and kind in {COUNTER, INFO}:
            name = name.removesuffix("_total").removesuffix("_info")
        elif kind == INFO:
            kind = GAUGE
        lines.append(f"# HELP {name} {_help(family.help, openmetrics=openmetrics)}")
        lines.append(f"# TYPE {name} {kind}")
        for labels, value in sorted(by_labels.items()):
            lines += _lines(family, labels, value)
    if openmetrics:
        lines.append("# EOF")
    lines.append("")
    return "\n".join(lines).encode("utf-8", "replace")


def _lines(family: Family, labels: tuple[str, ...], value: Value) -> Iterator[str]:
    pairs = ",".join(
        f'{name}="{_escaped(each)}"' for name, each in zip(family.labels, labels, strict=True)
    )
    if family.kind != HISTOGRAM or not isinstance(value, list):
        yield (
            f"{family.name}{{{pairs}}} {_number(value)}"
            if pairs
            else (f"{family.name} {_number(value)}")
        )
        return
    *counts, total = value
    within = 0.0
    lead = f"{pairs}," if pairs else ""
    for bound, count in zip(_BOUNDS, counts, strict=True):
        within += count
        yield f'{family.name}_bucket{{{lead}le="{bound}"}} {_number(within)}'
    around = f"{{{pairs}}}" if pairs else ""
    yield f"{family.name}_count{around} {_number(within)}"
    yield f"{family.name}_sum{around} {_number(total)}"


def _number(value: Value) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _help(text: str, *, openmetrics: bool) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if openmetrics else text
