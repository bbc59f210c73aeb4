"""What a command may do to the screen: lines, JSON, trees, tables, progress.

The extra `[cli]` (rich) draws where a person is looking. Into pipes and files, or without the
extra, the same content goes out as plain text, so a script never meets an escape sequence.
"""

from __future__ import annotations

import os
import re
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
#: What is written in place of a character that the terminal doesn't know.
_PLAIN: Final = str.maketrans(
    {
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{RIGHTWARDS ARROW}": "->",
        "\N{HORIZONTAL ELLIPSIS}": "...",
    }
)
#: What could move the cursor, ring, or turn the reading direction: a key of a datafile may hold it.
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
#: So wide is what nobody knows the width of, and no less than that can hold a line.
_WIDTH, _NARROWEST = 80, 20
_C_LOCALES: Final = ("C", "POSIX")
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
        """Write one line of the answer, however long; the tone shows in colour only."""
        console = self._console(self.out)
        if console is None or tone == NOTE:
            self.out.write(self._fit(text, self.out) + "\n")
        else:
            shown = self._fit(text, self.out)
            console.print(shown, style=_STYLES[tone], markup=False, highlight=False, soft_wrap=True)

    @property
    def width(self) -> int:
        """So many characters a line holds: `COLUMNS`, or what the terminal says, or 80."""
        asked = self.environ.get("COLUMNS", "")
        if asked.isdecimal() and int(asked):
            return max(int(asked), _NARROWEST)
        try:
            return max(os.get_terminal_size(self.out.fileno()).columns, _NARROWEST)
        except (OSError, ValueError):  # no terminal, or nothing that has a number
            return _WIDTH

    def text(self, text: str, tone: str = NOTE, *, indent: int = 0, below: int = 2) -> None:
        """Write a text in lines that fit; those after the first stand *below* farther in.

        A word with a slash that is longer than a line stays whole: pointers and paths are there
        to be copied.
        """
        shown = self._fit(text, self.out)  # which may make it longer
        for line in self._wrapped(shown, " " * indent, " " * (indent + below)):
            self.line(line, tone)

    def _wrapped(self, text: str, first: str, rest: str) -> list[str]:
        import textwrap

        whole = textwrap.wrap(
            text,
            self.width,
            initial_indent=first,
            subsequent_indent=rest,
            break_on_hyphens=False,
            break_long_words=False,
        )
        lines: list[str] = []
        for line in whole:
            left = line
            while len(left) > self.width and "/" not in left and len(rest) < self.width:
                lines.append(left[: self.width])
                left = rest + left[self.width :]
            lines.append(left)
        return lines or [first.rstrip()]

    def json(self, value: object) -> None:
        """Write one JSON document on one line; what JSON has no number for becomes null."""
        from bucketer.api.json_text import to_json

        self.out.write(to_json(value) + "\n")

    def say(self, text: str) -> None:
        """Tell the person something that is no part of the answer; in a log it is one line."""
        is_looked_at = self.err.isatty() or self.environ.get("COLUMNS")
        shown = self._fit(text, self.err)
        for line in self._wrapped(shown, "", "  ") if is_looked_at else [shown]:
            self.err.write(line + "\n")
        self.err.flush()

    def fail(self, code: str, message: str) -> None:
        """Say what went wrong; *message* may have several lines."""
        for line in message.splitlines() or [""]:
            self.say(f"bucketer: {code}: {line}")

    def tree(self, root: Node) -> None:
        """Write a tree: drawn and coloured for a person, indented for everyone else."""
        console = self._console(self.out)
        if console is None:
            self._write_indented(root, 0)
        else:
            console.print(self._drawn(root))

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write rows in columns; the last column may be long."""
        console = self._console(self.out)
        if console is None:
            self._write_columns(heads, rows)
            return
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold", pad_edge=False)
        for head in heads:
            table.add_column(Text(head), overflow="fold")
        for row in rows:
            table.add_row(*(Text(self._fit(cell, self.out)) for cell in row))
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
        if unwanted or self._wants_ascii or not (forced or stream.isatty()):
            return None
        try:
            from rich.console import Console
        except ImportError:  # without the extra [cli]: plain text
            return None
        return Console(file=stream, force_terminal=True, emoji=False, _environ=self.environ)

    def _drawn(self, node: Node, parent: Tree | None = None) -> Tree:
        from rich.text import Text
        from rich.tree import Tree

        text = Text(_MARKS[node.tone] + self._fit(node.text, self.out), style=_STYLES[node.tone])
        branch = Tree(text, guide_style="dim") if parent is None else parent.add(text)
        for child in node.children:
            self._drawn(child, branch)
        return branch

    def _write_indented(self, node: Node, depth: int) -> None:
        in_ascii = self._wants_ascii or not _encodes("✓✗", self.out)
        mark = (_ASCII_MARKS if in_ascii else _MARKS)[node.tone]
        indent = "  " * depth
        text = mark + self._fit(node.text, self.out)
        for line in self._wrapped(text, indent, indent + " " * (len(mark) + 2)):
            self.out.write(line + "\n")
        for child in node.children:
            self._write_indented(child, depth + 1)

    def _write_columns(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write columns where they fit, the last one on several lines; else each row as a list."""
        import textwrap

        shown = [[self._fit(cell, self.out) for cell in row] for row in (heads, *rows)]
        widths = [max(len(row[column]) for row in shown) for column in range(len(heads))]
        left = self.width - sum(widths[:-1]) - 2 * (len(widths) - 1)
        if left < min(_NARROWEST, widths[-1]):
            self._write_blocks(heads, shown[1:])
            return
        for row in shown:
            last = textwrap.wrap(row[-1], left, break_on_hyphens=False) or [""]
            cells = [*(cell.ljust(width) for cell, width in zip(row, widths[:-1], strict=False))]
            self.out.write("  ".join([*cells, last[0]]).rstrip() + "\n")
            for more in last[1:]:
                self.out.write(" " * (self.width - left) + more + "\n")

    def _write_blocks(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        wide = max(map(len, heads)) + 2
        for number, row in enumerate(rows):
            if number:
                self.line()
            for head, cell in zip(heads, row, strict=True):
                self.text(head.ljust(wide) + cell, below=wide)

    @property
    def _wants_ascii(self) -> bool:
        """Whether the locale is `C`, which Python itself takes for UTF-8.

        Source: Python 3.11, PEP 538 and 540; an encoding that was asked for by name counts.
        """
        if self.environ.get("PYTHONIOENCODING") or self.environ.get("PYTHONUTF8"):
            return False
        names = [self.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG")]
        if names[1] == "C.UTF-8" and names[2] in _C_LOCALES:
            names[1] = None  # Python has put it there
        chosen = next((each for each in names if each), None)
        return chosen in _C_LOCALES

    def _fit(self, text: str, stream: TextIO) -> str:
        """*text* as *stream* can show it: what has no place there is escaped."""
        if text.isascii() and text.isprintable():
            return text
        text = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
        if text.isascii() or (not self._wants_ascii and _encodes(text, stream)):
            return text
        encoding = "ascii" if self._wants_ascii else stream.encoding or "utf-8"
        return text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)


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
