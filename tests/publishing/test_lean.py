"""Sources without words: the same code, on the same lines."""

import ast
from pathlib import Path

import pytest

import bucketer
from bucketer.publishing.lean import without_words

SOURCES = sorted(Path(bucketer.__file__).parent.rglob("*.py"))


def code_of(text):
    """The tree without docstrings, and where each part of it begins."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            node.body.pop(0)
        if hasattr(node, "end_lineno"):  # of what ends with its docstring
            node.end_lineno = node.end_col_offset = 0
    return ast.dump(tree, include_attributes=True)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_each_module_is_the_same_code_in_the_same_places(path):
    source = path.read_text("utf-8")

    assert code_of(source) == code_of(without_words(source))


def test_words_go_and_what_looks_like_them_stays():
    source = (
        '"""Doc."""\n# a comment\nx = "# no comment"  # one\n\n\ndef f():\n    """More\n\n    of it."""\n'
        '\n\ny = """\n# part of a text\n"""\n'
    )

    lean = without_words(source)

    assert lean.splitlines() == [
        '""',
        "",
        'x = "# no comment"',
        "",
        "",
        "def f():",
        '    ""',
        "",
        "",
        "",
        "",
        'y = """',
        "# part of a text",
        '"""',
    ]
