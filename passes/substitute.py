"""Nodes over other inputs: what every pass that replaces values does to the users of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..ir.graph import Node, Value


def with_inputs(node: Node, replaced: Mapping[Value, Value]) -> Node:
    """The node with inputs that were replaced by values of the same type; itself if none was.

    The results are the very same values: their types depend on nothing that changed.
    """
    inputs = tuple(v if v is None else replaced.get(v, v) for v in node.inputs)
    if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
        return node
    return replace(node, inputs=inputs)
