"""YAML in, values out, as Agent reads it: `yes` and `on` are texts, and no name stands twice.

Source: Optimizely Agent 4.4.0 as it starts; gopkg.in/yaml.v3, decode.go and resolve.go.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_BOOL = f"{_TAG}bool"
#: What else YAML 1.1 takes for true or false is a text to Agent, so `enableOverrides: on` is off.
_BOOLEAN = re.compile("(?:true|True|TRUE|false|False|FALSE)$")
_OTHERS = {_BOOL, f"{_TAG}timestamp"}


class NoYaml(Exception):
    """It can't be read.

    Attributes:
        line: where, counted from 1; 0 where nothing tells.
        why: a clause.
    """

    def __init__(self, line: int, why: str) -> None:
        super().__init__(line, why)
        self.line, self.why = line, why


def parse(raw: bytes) -> object:
    """Return the one document of *raw*.

    Raises:
        NoYaml: it is none.
    """
    try:
        loader = yaml.SafeLoader(raw)
        loader.yaml_implicit_resolvers = _resolvers()
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_twins(node)
        found: object = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NoYaml(mark.line + 1 if mark is not None else 0, str(error.problem)) from None
    except yaml.reader.ReaderError as error:
        raise NoYaml(0, f"its {error.position + 1}. character: {error.reason}") from None
    except RecursionError:
        raise NoYaml(0, "it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise NoYaml(0, str(error)[:100]) from None
    return found


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return what a plain text is taken for, by its first character."""
    found = {
        first: [each for each in resolvers if each[0] not in _OTHERS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for first in "tTfF":
        found.setdefault(first, []).append((_BOOL, _BOOLEAN))
    return found


def _refuse_twins(root: Any) -> None:
    """Refuse tables in which a name stands twice.

    Raises:
        NoYaml: one does.
    """
    left, seen = [root], set()
    while left:
        node = left.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            left += node.value
        elif isinstance(node, yaml.MappingNode):
            left += [value for _, value in node.value]
            _refuse_twins_of(node)


def _refuse_twins_of(node: Any) -> None:
    lines: dict[str, int] = {}
    for name, _ in node.value:
        if not isinstance(name, yaml.ScalarNode) or name.tag == f"{_TAG}merge":
            continue
        line = name.start_mark.line + 1
        if name.value in lines:
            raise NoYaml(line, f"`{name.value[:100]}` stands in line {lines[name.value]} already")
        lines[name.value] = line
