"""How ONNX rules are declared, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...ir.op import Op

OPSETS = range(17, 27)


class Declined(Exception):
    """A rule cannot express this node: a composite is expanded, a primitive refused.

    Args:
        why: What is missing.
        instead: What the user can do about it.
    """

    def __init__(self, why: str, instead: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.instead = instead


@dataclass(frozen=True, slots=True)
class Simple:
    """An op that is one ONNX op.

    Attributes:
        type: The ONNX op.
        attrs: Our attributes and what ONNX calls them.
        fixed: ONNX attributes that always have the same value.
        typed: Which input's dtype decides whether there is a kernel.
    """

    type: str
    attrs: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)
    typed: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """What ONNX makes of an op, and in which opsets.

    Attributes:
        lower: `(writer, node, *inputs) -> ref or tuple of refs`, or the `Simple` row.
        since: The first opset that it works in.
        until: The last one.
    """

    lower: Callable[..., Any] | Simple
    since: int = OPSETS[0]
    until: int = OPSETS[-1]


RULES: dict[str, Rule] = {}


def rule(*names: str, since: int = OPSETS[0], until: int = OPSETS[-1]) -> Callable[[Any], Any]:
    """Declare the rule for the ops of these names; decorates `(writer, node, *inputs) -> refs`."""

    def declare(lower: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            _add(name, Rule(lower, since, until))
        return lower

    return declare


def table(rows: dict[str, Simple], since: int = OPSETS[0]) -> None:
    """Declare ops that are one ONNX op each."""
    for name, row in rows.items():
        _add(name, Rule(row, since))


def _add(name: str, new: Rule) -> None:
    if name in RULES:
        raise ValueError(f"there is a rule for {name} already")
    RULES[name] = new


def supports(op: Op, opset: int = 23) -> bool:
    """Whether the op has a rule in this opset; a composite without one is expanded."""
    found = RULES.get(op.name)
    return op.name in LEAVES or (found is not None and found.since <= opset <= found.until)


# Nodes without inputs become initializers: the writer knows them itself.
LEAVES = ("constant", "parameter")
