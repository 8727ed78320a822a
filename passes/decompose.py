"""Expand the composites that a target has no equivalent of.

Before:

    graph f(%x: f32[2]) -> (f32[2]) {
      %0 = silu(%x) : f32[2]                 # model.py:7
      return %0
    }

After, for a target with `mul` and `sigmoid`:

    graph f(%x: f32[2]) -> (f32[2]) {
      %0 = sigmoid(%x) : f32[2]              # model.py:7
      %1 = mul(%x, %0) : f32[2]              # model.py:7
      return %1
    }

What a composite expands to is expanded again where that is denied, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..ir.builder import BodyRecorder, Builder
from ..ir.errors import GraphError, UnsupportedOpError
from ..ir.graph import Graph, Node, Value
from .pipeline import Pass
from .substitute import with_inputs


def decompose(supports: Callable[[Node], bool]) -> Pass:
    """A pass that leaves only nodes for which `supports` holds.

    The pass raises:
        UnsupportedOpError: for a primitive that is denied; names the user's line.
    """

    def decompose(graph: Graph) -> Graph:
        replaced: dict[Value, Value] = {}
        nodes: list[Node] = []
        _expand(graph.nodes, supports, nodes, replaced, ())
        if not replaced:
            return graph
        outputs = tuple(replaced.get(v, v) for v in graph.outputs)
        return graph.replace(nodes=tuple(nodes), outputs=outputs)

    return decompose


def _expand(
    nodes: Iterable[Node],
    supports: Callable[[Node], bool],
    done: list[Node],
    replaced: dict[Value, Value],
    within: tuple[str, ...],
) -> None:
    """Append the nodes to `done`, those denied as what they consist of."""
    for node in nodes:
        node = with_inputs(node, replaced)
        if supports(node):
            done.append(node)
            continue
        if not node.op.is_composite:
            raise _unsupported(node, within)
        recorder = BodyRecorder(Builder(), node.location)
        results = recorder.expand(node.op, node.inputs, node.attrs)
        if [v.type for v in results] != [v.type for v in node.outputs]:
            raise GraphError(
                f"the body of {node.op.name} gives ({', '.join(str(v.type) for v in results)}), "
                f"its type rule ({', '.join(str(v.type) for v in node.outputs)})",
                at=node.location,
            )
        _expand(recorder.builder.nodes, supports, done, replaced, (*within, node.op.name))
        results = [replaced.get(v, v) for v in results]
        replaced.update(zip(node.outputs, results, strict=True))


def _unsupported(node: Node, within: tuple[str, ...]) -> UnsupportedOpError:
    types = ", ".join("none" if v is None else str(v.type) for v in node.inputs)
    return UnsupportedOpError(
        f"{node.op.name}({types}) has no equivalent in the target",
        at=node.location,
        why=f"{' and '.join(reversed(within))} needs it" if within else "",
    )
