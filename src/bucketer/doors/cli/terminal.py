"""What a command may do to the screen: lines, JSON, trees, tables, progress.

The extra `[cli]` (rich) draws where a person is looking. Into pipes and files, or without the
extra, the same content goes out as plain text, so a script never meets an escape sequence.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import Console
    from rich.tree import Tree

#: How a line is meant; each has a colour, and a mark that says the same without one.
GOOD, BAD, OPEN, NOTE, TITLE = "good", "bad", "open", "note", "title"
_STYLES: Final = {GOOD: "green", BAD: "red", OPEN: "yellow", NOTE: "dim", TITLE: "bold"}
_MARKS: Final = {GOOD: "✓ ", BAD: "✗ ", OPEN: "? ", NOTE: "", TITLE: ""}
_ASCII_MARKS: Final = {GOOD: "+ ", BAD: "- ", OPEN: "? ", NOTE: "", TITLE: ""}
#: What turns colours off as the value of `FORCE_COLOR`, which others take for "no" as well.
_NO: Final = frozenset({"0", "false", "no", "off"})


class Node(NamedTuple):
    """A line of a tree, and the lines below it."""

    text: str
    tone: str = NOTE
    children: tuple[Node, ...] = ()


class Terminal:
    """Where a command writes, and the environment it believes.

    Attributes:
        out: for the answer.
        err: for trouble and progress.
        environ: read for settings, `NO_COLOR` and `FORCE_COLOR`.
    """

    def __init__(self, out: TextIO, err: TextIO, environ: Mapping[str, str]) -> None:
        self.out, self.err, self.environ = out, err, environ

    def line(self, text: str = "", tone: str = NOTE) -> None:
        """Write one line of the answer; the tone shows in colour only."""
        console = self._console(self.out)
        if console is None or tone == NOTE:
            self.out.write(_fit(text, self.out) + "\n")
        else:
            console.print(text, style=_STYLES[tone], markup=False, highlight=False, soft_wrap=True)

    def json(self, value: object) -> None:
        """Write one JSON document on one line; what JSON has no number for becomes null."""
        from bucketer.api.answer import to_json

        self.out.write(to_json(value) + "\n")

    def say(self, text: str) -> None:
        """Tell the person something that is no part of the answer."""
        self.err.write(_fit(text, self.err) + "\n")
        self.err.flush()

    def fail(self, code: str, message: str) -> None:
        """Say what went wrong; *message* may have several lines."""
        for line in message.splitlines() or [""]:
            self.say(f"bucketer: {code}: {line}")

    def tree(self, root: Node) -> None:
        """Write a tree: drawn and coloured for a person, indented for everyone else."""
        console = self._console(self.out)
        if console is None:
            _write_indented(root, 0, self.out)
        else:
            console.print(_drawn(root))

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write rows in columns; the last column may be long."""
        console = self._console(self.out)
        if console is None:
            _write_columns([heads, *rows], self.out)
            return
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold", pad_edge=False)
        for head in heads:
            table.add_column(Text(head), overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)

    @contextmanager
    def progress(self, total: int, label: str) -> Iterator[Callable[[int], None]]:
        """Show how far a long work has come; call what is yielded with each number of steps done.

        A bar on a terminal; ten lines at most elsewhere.
        """
        console = self._console(self.err)
        if console is None:
            yield _progress_lines(total, label, self.say)
            return
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(label, total=total)
            yield lambda steps: bar.advance(task, steps)

    def _console(self, stream: TextIO) -> Console | None:
        """A rich console where a person is looking and rich is there, else None."""
        forced = self.environ.get("FORCE_COLOR", "").lower()
        unwanted = self.environ.get("NO_COLOR") or forced in _NO
        if unwanted or not (forced or stream.isatty()):
            return None
        try:
            from rich.console import Console
        except ImportError:  # without the extra [cli]: plain text
            return None
        return Console(file=stream, force_terminal=True, emoji=False, _environ=self.environ)


def _drawn(node: Node, parent: Tree | None = None) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    text = Text(_MARKS[node.tone] + node.text, style=_STYLES[node.tone])
    branch = Tree(text, guide_style="dim") if parent is None else parent.add(text)
    for child in node.children:
        _drawn(child, branch)
    return branch


def _write_indented(node: Node, depth: int, out: TextIO) -> None:
    marks = _MARKS if _encodes("✓✗", out) else _ASCII_MARKS
    out.write("  " * depth + marks[node.tone] + _fit(node.text, out) + "\n")
    for child in node.children:
        _write_indented(child, depth + 1, out)


def _write_columns(rows: Sequence[Sequence[str]], out: TextIO) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        out.write(_fit("  ".join(cells).rstrip(), out) + "\n")


def _progress_lines(total: int, label: str, say: Callable[[str], None]) -> Callable[[int], None]:
    done = tenths = 0

    def advance(steps: int) -> None:
        nonlocal done, tenths
        done += steps
        if total and done * 10 // total > tenths:
            tenths = done * 10 // total
            say(f"{label}: {done:,} of {total:,}")

    return advance


def _encodes(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _fit(text: str, stream: TextIO) -> str:
    """*text* as *stream* can write it: what has no place in its encoding is escaped."""
    if text.isascii() or _encodes(text, stream):
        return text
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
