"""The reference backend: node by node, with eager's own kernels. It judges all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..ir import dims
from ..ir.constraints import Binding
from ..ir.dims import Dim
from ..ir.errors import BackendError
from ..ir.graph import Graph, Node, Value
from ..ir.op import Attrs, Op
from ..ir.types import TensorType
from ..passes.fold_constants import is_static
from ..passes.pipeline import Pipeline, pipeline
from ..tensor import Tensor, no_grad
from .base import Backend, Executable


class Reference:
    """Runs a graph exactly as captured, without any pass."""

    name = "reference"

    def supports(self, op: Op) -> bool:
        return True

    def pipeline(self) -> Pipeline:
        return pipeline()

    def compile(self, graph: Graph, state: Mapping[str, Tensor]) -> Executable:
        missing = [
            node.attrs["name"]
            for node in graph.nodes
            if node.op.name == "parameter" and node.attrs["name"] not in state
        ]
        if missing:
            raise BackendError(f"no data for the parameters {', '.join(missing)}")
        fixed = [all(map(is_static, node.attrs.values())) for node in graph.nodes]
        steps = list(zip(graph.nodes, fixed, _last_uses(graph), strict=True))

        def run(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
            sizes = bind_sizes(graph, inputs)
            values: dict[Value, Tensor] = dict(zip(graph.inputs, inputs, strict=True))
            with no_grad():
                for node, is_fixed, dead in steps:
                    attrs = node.attrs if is_fixed else _static_attrs(node, sizes)
                    values.update(zip(node.outputs, _run(node, attrs, values, state), strict=True))
                    for value in dead:
                        del values[value]
            return tuple(values[v] for v in graph.outputs)

        return run


def bind_sizes(graph: Graph, inputs: Sequence[Tensor]) -> Mapping[str, int]:
    """The value of each symbolic size, from the shapes of the actual inputs.

    Raises:
        ConstraintError: where sizes contradict each other, or their limits.
    """
    binding = Binding()
    for value, tensor in zip(graph.inputs, inputs, strict=True):
        for k, (size, actual) in enumerate(zip(value.type.shape, tensor.shape, strict=True)):
            if isinstance(size, Dim) and isinstance(actual, int):
                binding.bind(f"{value.name}.shape[{k}]", size, actual)
    return binding.sizes


def static(attr: Any, sizes: Mapping[str, int]) -> Any:
    """The attribute with its symbolic sizes replaced by numbers."""
    if isinstance(attr, Dim):
        return dims.evaluate(attr, sizes)
    if isinstance(attr, tuple):
        return tuple(static(item, sizes) for item in attr)
    if isinstance(attr, TensorType):
        return TensorType(attr.dtype, static(attr.shape, sizes))
    return attr


def _static_attrs(node: Node, sizes: Mapping[str, int]) -> Attrs:
    return {name: static(attr, sizes) for name, attr in node.attrs.items()}


def _run(
    node: Node, attrs: Attrs, values: Mapping[Value, Tensor], state: Mapping[str, Tensor]
) -> tuple[Tensor, ...]:
    if node.op.name == "parameter":
        return (state[attrs["name"]],)
    inputs = [None if v is None else values[v] for v in node.inputs]
    result = node.op.apply(inputs, attrs)
    return result if node.op.many else (result,)


def _last_uses(graph: Graph) -> list[list[Value]]:
    """For each node, the values that nothing after it needs."""
    seen = set(graph.outputs) | set(graph.inputs)
    dead: list[list[Value]] = []
    for node in reversed(graph.nodes):
        used = [v for v in (*node.inputs, *node.outputs) if v is not None]
        last = list(dict.fromkeys(v for v in used if v not in seen))
        seen.update(last)
        dead.append(last)
    return dead[::-1]


reference: Backend = Reference()
