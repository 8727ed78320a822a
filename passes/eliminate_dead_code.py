"""Drop the nodes that no output needs.

Before:

    graph f(%x: f32[2]) -> (f32[2]) {
      %0 = exp(%x) : f32[2]
      %1 = neg(%x) : f32[2]
      return %1
    }

After:

    graph f(%x: f32[2]) -> (f32[2]) {
      %0 = neg(%x) : f32[2]
      return %0
    }

Impure nodes stay, with all that they need; so do the graph's inputs.
"""

from __future__ import annotations

from ..ir.graph import Graph, Node, Value


def is_pure(node: Node) -> bool:
    """Whether a node, with all that happens in its regions, may be merged, moved or dropped."""
    return node.op.pure and all(
        is_pure(inner)
        for attr in node.attrs.values()
        if isinstance(attr, Graph)
        for inner in attr.nodes
    )


def eliminate_dead_code(graph: Graph) -> Graph:
    """The graph without the pure nodes whose results nothing uses."""
    live: set[Value | None] = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if not is_pure(node) or not live.isdisjoint(node.outputs):
            live.update(node.inputs)
            kept.append(node)
    if len(kept) == len(graph.nodes):
        return graph
    return graph.replace(nodes=tuple(reversed(kept)))
