"""Compute once what is computed twice.

Before:

    graph f(%x: f32[2]) -> (f32[2]) {
      %0 = exp(%x) : f32[2]
      %1 = exp(%x) : f32[2]
      %2 = mul(%0, %1) : f32[2]
      return %2
    }

After:

    graph f(%x: f32[2]) -> (f32[2]) {
      %0 = exp(%x) : f32[2]
      %1 = mul(%0, %0) : f32[2]
      return %1
    }

Two nodes are one if they apply the same pure op to the same values with the same attributes, where
`exact_key` says what is the same: 0.0 and -0.0 are not.
"""

from __future__ import annotations

from collections.abc import Hashable

from ..ir.graph import Graph, Node, Value
from .eliminate_dead_code import is_pure
from .exact import exact_key
from .substitute import with_inputs


def eliminate_common_subexpressions(graph: Graph) -> Graph:
    """The graph with only the first of each set of equal nodes."""
    first: dict[Hashable, Node] = {}
    replaced: dict[Value, Value] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        node = with_inputs(node, replaced)
        known = first.setdefault(_key(node), node) if is_pure(node) else node
        if known is node:
            nodes.append(node)
        else:
            replaced.update(zip(node.outputs, known.outputs, strict=True))
    if not replaced:
        return graph
    outputs = tuple(replaced.get(v, v) for v in graph.outputs)
    return graph.replace(nodes=tuple(nodes), outputs=outputs)


def _key(node: Node) -> Hashable:
    attrs = ((name, exact_key(attr)) for name, attr in sorted(node.attrs.items()))
    return node.op, node.inputs, *attrs
