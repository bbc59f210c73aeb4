"""Sources as the package for Lambda holds them: without words, every line where it was.

They are there for tracebacks, and for what a bundle doesn't hold (docs/decisions/0122). Comments
and docstrings are a third of them, and nobody reads them there.
"""

from __future__ import annotations

import ast
import io
import tokenize


def without_words(source: str) -> str:
    """Return *source* without comments and docstrings; its code keeps its lines and columns."""
    lines = source.splitlines()
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            words = node.body[0]
            last = words.end_lineno or words.lineno
            # An empty text stands for it: a body of nothing else has to be one.
            lines[words.lineno - 1] = f'{" " * words.col_offset}""'
            lines[words.lineno : last] = [""] * (last - words.lineno)
    text = "".join(f"{line}\n" for line in lines)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "".join(f"{line}\n" for line in lines)
