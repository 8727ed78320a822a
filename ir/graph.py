"""The program as data: values, nodes and graphs in SSA form.

All three are immutable and compare by identity. A graph's nodes are in topological order. Sizes,
dtypes, numbers, strings, tuples of these and whole graphs (regions) may be attributes; arrays may
not: weights are `parameter` nodes, which name data that the owner of the graph keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .constraints import Constraint
from .location import Location
from .types import TensorType

if TYPE_CHECKING:
    from .op import Op


class Value:
    """What a node or an input produces. `name` is a hint that printing makes unique."""

    __slots__ = ("name", "type")

    def __init__(self, type: TensorType, name: str = "") -> None:
        self.type = type
        self.name = name

    def __repr__(self) -> str:
        return f"<value {self.name or hex(id(self))}: {self.type}>"


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One application of an op.

    Attributes:
        op: What is applied.
        inputs: Its tensors; None where an optional one is missing.
        attrs: Its canonical attributes.
        outputs: The values it defines.
        location: The user's line it comes from.
    """

    op: Op
    inputs: tuple[Value | None, ...]
    attrs: Mapping[str, Any]
    outputs: tuple[Value, ...]
    location: Location | None = None

    @property
    def output(self) -> Value:
        """The only output of a node that has one."""
        (value,) = self.outputs
        return value

    def __repr__(self) -> str:
        return f"<node {self.op.name} at {self.location}>"


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A function of tensors: inputs, nodes in topological order, outputs.

    Attributes:
        inputs: What it takes.
        nodes: What it computes, in topological order.
        outputs: What it returns.
        name: Its name.
        constraints: What the sizes of the inputs must fulfil beyond the limits of their symbols;
            the types of the nodes may rest on it. Only an outermost graph has any.
    """

    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]
    name: str = field(default="main", kw_only=True)
    constraints: tuple[Constraint, ...] = field(default=(), kw_only=True)

    def replace(self, **changes: Any) -> Graph:
        """A copy with the given fields changed."""
        return replace(self, **changes)

    def definitions(self) -> dict[Value, Node]:
        """The node that defines each value."""
        return {value: node for node in self.nodes for value in node.outputs}

    def uses(self) -> dict[Value, int]:
        """How often each value is used, as a node's input or a graph output."""
        count: dict[Value, int] = {}
        for node in self.nodes:
            for value in node.inputs:
                if value is not None:
                    count[value] = count.get(value, 0) + 1
        for value in self.outputs:
            count[value] = count.get(value, 0) + 1
        return count

    def walk(self) -> Iterator[Node]:
        """Every node, those of nested regions after the node that holds them."""
        for node in self.nodes:
            yield node
            for attr in node.attrs.values():
                if isinstance(attr, Graph):
                    yield from attr.walk()

    def __repr__(self) -> str:
        return f"<graph {self.name}: {len(self.nodes)} nodes>"
