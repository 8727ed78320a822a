"""The rules of the IR, checked after every pass: a graph that breaks one is a `GraphError`.

1. A value is defined once, by an input or a node, before it is used.
2. An attribute is a number, string, None, dtype, size, tensor type, tuple of these, or a region.
3. A node's output types are those that its op derives from its inputs and attributes.
4. A symbol has the same limits wherever its name occurs.
5. Constraints are over symbols of the input types.
6. The same holds in every region, which sees no values from outside and has no constraints.

Constraints count where a rule derives types: comparisons of sizes have the answers they imply.
"""

from __future__ import annotations

from typing import Any, NoReturn

from .builder import result_types
from .constraints import assuming
from .dims import Dim, symbols
from .errors import GraphError
from .graph import Graph, Node, Value
from .op import Op
from .printer import Printout, graph_symbols
from .types import DType, TensorType

_AROUND = 5  # lines shown on each side of a fault
_WIDEST = 160


def verify(graph: Graph, context: str = "") -> None:
    """Check every rule of the IR.

    Args:
        graph: The graph.
        context: What just happened to it, to open the message with.

    Raises:
        GraphError: A rule is broken; the message shows where in the printed graph.
    """
    _Verifier(graph, context).check()


def excerpt(graph: Graph, place: Node | Graph) -> str:
    """About ten lines of the printed graph, with `>` before the place.

    Args:
        graph: What to print; it may be broken.
        place: A node of the graph or of a region in it; or such a graph, for its `return`.
    """
    printout = Printout(graph)
    at = printout.marks.get(place, 0)
    start = max(min(at - _AROUND, len(printout.lines) - 2 * _AROUND - 1), 0)
    shown = []
    for k, line in enumerate(printout.lines[start : start + 2 * _AROUND + 1], start):
        line = line if len(line) <= _WIDEST else line[: _WIDEST - 3] + "..."
        shown.append(("> " if k == at else "  ") + line)
    return "\n".join(shown)


def is_sound_type(item: object) -> bool:
    """Whether this is a tensor type that a tensor can have, as far as one can know."""
    return (
        type(item) is TensorType
        and type(item.dtype) is DType
        and type(item.shape) is tuple
        and all(
            isinstance(size, Dim) or (type(size) is int and 0 <= size < 2**63)
            for size in item.shape
        )
    )


def _is_literal(item: object) -> bool:
    if isinstance(item, tuple):
        return all(map(_is_literal, item))
    return item is None or isinstance(item, bool | int | float | str | DType | TensorType | Dim)


class _Verifier:
    def __init__(self, root: Graph, context: str) -> None:
        self.root = root
        self.context = context

    def fail(self, fault: str, place: Node | Graph, why: str = "") -> NoReturn:
        opening = f"{self.context}: {fault}" if self.context else fault
        raise GraphError(f"{opening}\n{excerpt(self.root, place)}", why=why)

    def check(self) -> None:
        self.check_constraints()
        with assuming(self.root.constraints):
            self.check_graph(self.root)
        limits: dict[str, Any] = {}
        for symbol in graph_symbols(self.root):
            if limits.setdefault(symbol.name, symbol) != symbol:
                self.fail(f"the symbol {symbol} has two different pairs of limits", self.root)

    def check_constraints(self) -> None:
        sizes = (size for value in self.root.inputs for size in value.type.shape)
        known = {symbol for size in sizes for symbol in symbols(size)}
        for constraint in self.root.constraints:
            condition = constraint.condition
            for symbol in (*symbols(condition.lhs), *symbols(condition.rhs)):
                if symbol not in known:
                    fault = f"constraint {constraint}: no input's type has the symbol {symbol}"
                    self.fail(fault, self.root)

    def check_graph(self, graph: Graph) -> None:
        defined: set[Value] = set()
        for value in graph.inputs:
            if value in defined:
                self.fail(f"input {value.name!r} of graph {graph.name} occurs twice", graph)
            if not is_sound_type(value.type):
                self.fail(f"input {value.name!r} has no tensor type: {value.type}", graph)
            defined.add(value)
        later = {value for node in graph.nodes for value in node.outputs}
        for node in graph.nodes:
            self.check_inputs(node, defined, later)
            self.check_attrs(node)
            self.check_types(node)
            for value in node.outputs:
                if value in defined:
                    self.fail(f"{node.op.name} defines a value that is defined already", node)
                defined.add(value)
        for k, value in enumerate(graph.outputs):
            if value not in defined:
                self.fail(f"output {k} of graph {graph.name} is not defined in it", graph)

    def check_inputs(self, node: Node, defined: set[Value], later: set[Value]) -> None:
        for k, value in enumerate(node.inputs):
            if value is not None and value not in defined:
                fault = "is used before it is defined" if value in later else "is never defined"
                self.fail(f"input {k} of {node.op.name} {fault}", node)

    def check_attrs(self, node: Node) -> None:
        for name, attr in node.attrs.items():
            if not name.isidentifier():
                self.fail(f"{node.op.name} has an attribute with the name {name!r}", node)
            if isinstance(attr, Graph):
                if attr.constraints:
                    self.fail(f"{name} of {node.op.name} is a region with constraints", node)
                self.check_graph(attr)
            elif not _is_literal(attr):
                kind = type(attr).__name__
                self.fail(f"{name} of {node.op.name} is a {kind}, which no graph may hold", node)

    def check_types(self, node: Node) -> None:
        if not isinstance(node.op, Op):
            self.fail(f"{node.op!r} is not an op", node)
        try:
            types = result_types(
                node.op, [None if v is None else v.type for v in node.inputs], node.attrs
            )
        except Exception as error:  # rules are free to fail in any way on what breaks them
            reason = str(error) or type(error).__name__
            self.fail(f"{node.op.name} cannot be applied like this", node, why=reason)
        has = [v.type for v in node.outputs]
        if list(types) != has or not all(map(is_sound_type, has)):
            fault = f"has results of ({_shown(has)}), its rule says ({_shown(types)})"
            self.fail(f"{node.op.name} {fault}", node)


def _shown(types: Any) -> str:
    return ", ".join(map(str, types))
