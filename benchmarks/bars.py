"""Numbers in, a bar chart out, as SVG text: for plots that the benchmarks put into docs/."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

_LEFT, _WIDTH, _RIGHT = 250, 430, 100
_ROW, _BAR, _TOP = 28, 18, 52
_OURS, _OTHERS = "#2f6f4f", "#9aa5b1"


@dataclass(frozen=True)
class Bar:
    """One bar: what it is, how long, what is written behind it, and whether it is ours."""

    name: str
    value: float
    text: str
    strong: bool = False


def bars(title: str, rows: list[Bar], note: str = "") -> str:
    """Return an SVG with one horizontal bar per row, to one scale that begins at 0."""
    longest = max(row.value for row in rows)
    height = _TOP + _ROW * len(rows) + (30 if note else 10)
    width = _LEFT + _WIDTH + _RIGHT
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{escape(title)}" '
        'font-family="system-ui, sans-serif" font-size="13">'
    )
    parts = [
        head,
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(16, 28, title, 'font-size="16" font-weight="600"'),
    ]
    for index, row in enumerate(rows):
        y = _TOP + _ROW * index
        length = max(1.0, row.value / longest * _WIDTH)
        weight = 'font-weight="600"' if row.strong else ""
        color = _OURS if row.strong else _OTHERS
        middle = y + _BAR - 5
        size = f'x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR}"'
        parts += [
            _text(_LEFT - 10, middle, row.name, f'text-anchor="end" {weight}'),
            f'<rect {size} rx="2" fill="{color}"/>',
            _text(_LEFT + length + 8, middle, row.text, weight),
        ]
    if note:
        parts.append(_text(16, height - 10, note, 'font-size="11"'))
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _text(x: float, y: float, text: str, look: str) -> str:
    return f'<text x="{x:.0f}" y="{y}" {look} fill="#1b1f24">{escape(text)}</text>'
