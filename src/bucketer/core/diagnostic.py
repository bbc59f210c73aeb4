"""What the compiler says of a part of the datafile that is broken, or odd."""

from __future__ import annotations


class Diagnostic:
    """One thing the compiler gave up on.

    Attributes:
        pointer: where in the datafile, as a JSON pointer.
        severity: `error` when something no longer decides, `warning` when it is only odd.
        expected: what belongs there.
        found: what stands there: a JSON type or a key, never an attribute's value.
        consequence: what it means for decisions.
    """

    __slots__ = ("consequence", "expected", "found", "pointer", "severity")

    def __init__(
        self, pointer: str, severity: str, expected: str, found: str, consequence: str
    ) -> None:
        self.pointer = pointer
        self.severity = severity
        self.expected = expected
        self.found = found
        self.consequence = consequence

    def __str__(self) -> str:
        return (
            f"{self.severity}: {self.pointer}: expected {self.expected}, "
            f"found {self.found}; {self.consequence}"
        )

    def to_json(self) -> dict[str, str]:
        """The same as an object, for `--json`."""
        return {
            name: getattr(self, name)
            for name in ("pointer", "severity", "expected", "found", "consequence")
        }
