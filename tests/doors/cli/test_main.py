"""The command as a whole: its table, its help, its exit status, its manners in a pipe."""

import argparse
import io
import json
import os
import subprocess
import sys

import pytest
from tests.fakes.terminals import Kept

from bucketer import __version__
from bucketer.doors.cli.main import COMMANDS, build_parser
from bucketer.doors.cli.terminal import BAD, GOOD, Node, Terminal

BUCKETER = (sys.executable, "-m", "bucketer")


def last_words_of(parser):
    """The parsers that no further command stands behind."""
    groups = [each.choices for each in parser._actions if each.nargs == argparse.PARSER]
    behind = [each for choices in groups for each in choices.values()]
    return [last for each in behind for last in last_words_of(each)] or [parser]


def test_every_command_of_the_table_registers_something_to_run():
    found = last_words_of(build_parser())

    assert len(found) > len(COMMANDS)
    assert [] == [each.prog for each in found if not callable(each.get_default("run"))]


def test_help_lists_every_command_with_its_purpose(capsys):
    kept = Kept("--help")

    told = " ".join(capsys.readouterr().out.split())
    assert 0 == kept.status
    assert all(f"{command.name} {command.purpose}" in told for command in COMMANDS)


@pytest.mark.parametrize("argv", [(), ("datafile",), ("events",)])
def test_a_command_that_needs_another_word_shows_its_help(argv, capsys):
    assert 2 == Kept(*argv).status

    out, err = capsys.readouterr()
    Kept(*argv, "--help")
    assert ("", capsys.readouterr().out) == (out, err)


@pytest.mark.parametrize(
    "argv", [("decide", "-e", "x", "-u", "y"), ("lint",), ("datafile", "pull"), ("settings",)]
)
def test_what_a_command_does_not_know_is_told_with_its_own_usage(argv, capsys):
    assert 2 == Kept(*argv, "--bogus").status

    words = [each for each in argv[:2] if each.isalpha()]
    assert capsys.readouterr().err.startswith(f"usage: bucketer {' '.join(words)} [-h]")


def test_the_version_is_the_package_s(capsys):
    assert 0 == Kept("--version").status
    assert f"bucketer {__version__}\n" == capsys.readouterr().out


def test_help_imports_no_command_and_no_heavy_library():
    code = (
        "import sys\nfrom bucketer.doors.cli.main import main\nmain(['--help'])\n"
        "print(sorted(m for m in sys.modules if m.partition('.')[0] in "
        "{'rich', 'uvicorn', 'boto3', 'optimizely', 'orjson'} or m.startswith('bucketer.core.c')))"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert "[]" == answer.stdout.splitlines()[-1]


def test_the_command_runs_as_a_module_and_says_its_status():
    answer = subprocess.run(
        [*BUCKETER, "decide", "-e", "none", "-u", "ada"], capture_output=True, check=False
    )

    assert 1 == answer.returncode
    assert answer.stderr.startswith(b"bucketer: unknown_experiment: ")


def test_a_reader_that_leaves_early_is_no_accident():
    reader, writer = os.pipe()
    os.close(reader)

    with os.fdopen(writer, "wb") as gone:
        answer = subprocess.run(
            [*BUCKETER, "settings"], stdout=gone, stderr=subprocess.PIPE, check=False
        )

    assert (1, b"") == (answer.returncode, answer.stderr)


# ---------------------------------------------------------------------------- the terminal

TREE = Node("root", GOOD, (Node("good", GOOD, (Node("deep", BAD),)), Node("ünï", BAD)))


def terminal(encoding="utf-8", **environ):
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    return raw, Terminal(out, out, environ)


def test_a_tree_into_a_pipe_is_plain_and_indented():
    raw, plain = terminal()

    plain.tree(TREE)

    assert "✓ root\n  ✓ good\n    ✗ deep\n  ✗ ünï\n" == raw.getvalue().decode()


def test_a_tree_for_a_stream_that_knows_ascii_only_is_written_in_ascii():
    raw, plain = terminal("ascii")

    plain.tree(TREE)

    assert b"+ root\n  + good\n    - deep\n  - \\xfcn\\xef\n" == raw.getvalue()


def test_a_tree_for_a_person_is_drawn_and_coloured():
    raw, coloured = terminal(FORCE_COLOR="1")

    coloured.tree(TREE)

    drawn = raw.getvalue().decode()
    assert "\x1b[31m✗ deep" in drawn
    assert "└── " in drawn


def test_no_color_wins_over_force_color():
    raw, plain = terminal(FORCE_COLOR="1", NO_COLOR="1")

    plain.line("text", GOOD)

    assert b"text\n" == raw.getvalue()


@pytest.mark.parametrize("value", ["0", "false", "No", "off", ""])
def test_force_color_may_say_no(value):
    raw, plain = terminal(FORCE_COLOR=value)

    plain.line("text", GOOD)

    assert b"text\n" == raw.getvalue()


@pytest.mark.parametrize("value", ["1", "true", "3"])
def test_force_color_says_yes_with_any_other_word(value):
    raw, coloured = terminal(FORCE_COLOR=value)

    coloured.line("text", GOOD)

    assert b"\x1b[32mtext" in raw.getvalue()


def test_json_has_null_where_there_is_no_number_for_it():
    raw, plain = terminal()

    plain.json({"value": [float("nan"), float("inf"), 1.5]})

    assert b'{"value": [null, null, 1.5]}\n' == raw.getvalue()


def test_columns_line_up_in_plain_text():
    raw, plain = terminal()

    plain.table(("name", "what"), [("a", "first"), ("longer", "second")])

    assert "name    what\na       first\nlonger  second\n" == raw.getvalue().decode()


@pytest.mark.parametrize("total", [0, 1, 7, 1_000])
def test_progress_in_a_pipe_is_ten_lines_at_most(total):
    raw, plain = terminal()

    with plain.progress(total, "deciding") as advance:
        for _ in range(total):
            advance(1)

    lines = raw.getvalue().decode().splitlines()
    assert min(total, 10) == len(lines)
    assert [] == lines or f"deciding: {total:,} of {total:,}" == lines[-1]


def test_progress_for_a_person_is_a_bar():
    raw, coloured = terminal(FORCE_COLOR="1")

    with coloured.progress(10, "deciding") as advance:
        advance(10)

    assert "10/10" in raw.getvalue().decode()


# ------------------------------------------------------------------- how it reads in a terminal

ALL = [
    *((command.name,) for command in COMMANDS),
    *(("datafile", each) for each in ("pull", "status", "diff")),
    *(("events", each) for each in ("status", "list", "retry", "export")),
]


@pytest.mark.parametrize("command", [(), *ALL], ids=" ".join)
def test_the_help_fits_80_columns(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    assert 0 == Kept(*command, "--help").status
    assert [] == [line for line in capsys.readouterr().out.splitlines() if len(line) > 80]


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}])
@pytest.mark.parametrize(
    "command",
    [
        ("lint",),
        ("list",),
        ("list", "flags"),
        ("settings",),
        ("datafile", "status"),
        ("decide", "-f", "search", "-u", "ada", "-a", "teir:gold", "--explain"),
        ("decide", "-e", "search", "-u", "ada"),
        ("datafile", "diff", "demonstration", "demonstration"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("columns", [60, 80])
def test_what_is_printed_fits_the_terminal_and_its_locale(command, columns, locale):
    kept = Kept(*command, COLUMNS=str(columns), **locale)

    lines = [*kept.lines, *kept.err.splitlines()]
    assert [] == [line for line in lines if len(line) > columns and len(line.split()) > 1]
    assert not locale or all(line.isascii() for line in lines)


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}])
@pytest.mark.parametrize("columns", [40, 80])
def test_so_do_long_words_of_a_datafile_in_any_script(tmp_path, demonstration, columns, locale):
    """What the locale has no signs for is written longer than it is."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(demonstration))
    city = {"type": "custom_attribute", "name": "ort", "match": "exact", "value": "Z\u00fcrich"}
    audience = demonstration["typedAudiences"][0]
    audience["name"] = "Pl\u00e4tin \u2013 " + "sehr gro\u00dfe und sch\u00f6ne " * 9
    audience["conditions"] = ["or", city, *({**city, "value": each * 150} for each in "x\u00fc")]
    new.write_text(json.dumps(demonstration))
    asked = ("-e", "checkout_flow_experiment", "-u", "ada", "-a", "ort:x", "--explain")
    shown = [
        Kept(*command, COLUMNS=str(columns), **locale)
        for command in (
            ("decide", "-d", str(new), *asked),
            ("datafile", "diff", str(old), str(new)),
            ("lint", str(new)),
            ("decide", "-d", str(new), "-e", "\u00fc" * 90, "-u", "ada"),
        )
    ]

    lines = [line for kept in shown for line in [*kept.lines, *kept.err.splitlines()]]
    assert [] == [line for line in lines if len(line) > columns and "/" not in line]
    assert not locale or all(line.isascii() for line in lines)
    in_diff = "".join(shown[1].out.split())
    assert ("Z\u00fcrich" in in_diff) is (not locale)
    assert "\\u00fc" not in in_diff


@pytest.mark.parametrize(
    ("environ", "ascii_only"),
    [
        ({"LC_ALL": "C"}, True),
        ({"LC_ALL": "POSIX"}, True),
        ({"LANG": "C"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LC_ALL": "C", "PYTHONIOENCODING": "utf-8"}, False),
        ({"LC_ALL": "C", "PYTHONUTF8": "1"}, False),
        ({"LANG": "C", "LC_ALL": "de_DE.UTF-8"}, False),
        ({"LC_ALL": "C.UTF-8"}, False),
        ({}, False),
    ],
)
def test_the_locale_says_whether_signs_are_written_in_ascii(environ, ascii_only):
    raw, plain = terminal(**environ, FORCE_COLOR="1")

    plain.tree(Node("1\u20132 \u2192 ü", GOOD))

    written = raw.getvalue().decode()
    assert ascii_only is written.isascii()
    assert not ascii_only or "+ 1-2 -> \\xfc\n" == written


def test_a_table_that_does_not_fit_is_a_list_of_its_rows():
    raw, plain = terminal(COLUMNS="40")

    plain.table(("source", "where"), [("file", "/a"), ("x" * 30, "three words " * 9)])

    first, second = raw.getvalue().decode().split("\n\n")
    assert "source  file\nwhere   /a" == first
    assert all(len(line) <= 40 for line in second.splitlines())


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (("lsit",), "'list'"),
        (("Lint",), "'lint'"),
        (("dicide", "-e", "x"), "'decide'"),
        (("events", "retyr"), "'retry'"),
        (("datafile", "dif", "a", "b"), "'diff'"),
        (("decide", "-e", "x", "-u", "y", "--expalin"), "'--explain'"),
        (("serve", "--prot=80"), "'--port'"),
        (("list", "flag"), "'flags'"),
        (("build", "--arch", "arm"), "'arm64'"),
    ],
)
def test_a_slip_is_told_with_what_was_meant(argv, meant, capsys):
    assert 2 == Kept(*argv).status

    assert f"Did you mean {meant}?" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize(
    "argv",
    [
        ("lint",),
        ("verify",),
        ("serve", "-d"),
        ("decide", "-e", "x", "-u", "y", "-d"),
        ("list", "-d"),
        ("datafile", "pull"),
        ("datafile", "pull", "--into"),
        ("datafile", "status", "--server"),
        ("datafile", "diff", "a.json"),
        ("events", "status", "--state-dir"),
        ("build", "-o"),
        ("deploy", "--bucket"),
    ],
    ids=" ".join,
)
def test_an_empty_argument_is_refused(argv, empty, capsys):
    assert 2 == Kept(*argv, empty).status

    assert "found an empty text" in capsys.readouterr().err
