"""The reference backend: node by node, with eager's own kernels. It judges all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..ir import dims
from ..ir.dims import Dim
from ..ir.errors import BackendError, ConstraintError
from ..ir.graph import Graph, Node, Value
from ..ir.op import Op
from ..ir.types import TensorType
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
        last_uses = _last_uses(graph)

        def run(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
            sizes = bind_sizes(graph, inputs)
            values: dict[Value, Tensor] = dict(zip(graph.inputs, inputs, strict=True))
            with no_grad():
                for node, dead in zip(graph.nodes, last_uses, strict=True):
                    values.update(zip(node.outputs, _run(node, values, state, sizes), strict=True))
                    for value in dead:
                        del values[value]
            return tuple(values[v] for v in graph.outputs)

        return run


def bind_sizes(graph: Graph, inputs: Sequence[Tensor]) -> dict[str, int]:
    """The value of each symbolic size, from the shapes of the actual inputs.

    Raises:
        ConstraintError: where sizes contradict each other.
    """
    sizes: dict[str, int] = {}
    for value, tensor in zip(graph.inputs, inputs, strict=True):
        for k, (size, actual) in enumerate(zip(value.type.shape, tensor.shape, strict=True)):
            if not isinstance(size, Dim):
                continue
            found = dims.solve(size, actual)  # type: ignore[arg-type]
            if found is None:
                raise ConstraintError(f"{value.name}.shape[{k}] is {actual}, expected {size}")
            for name, n in found.items():
                if sizes.setdefault(name, n) != n:
                    raise ConstraintError(
                        f"{value.name}.shape[{k}] makes {name} = {n}, but it is {sizes[name]} "
                        "by an earlier input"
                    )
    return sizes


def static(attr: Any, sizes: Mapping[str, int]) -> Any:
    """The attribute with its symbolic sizes replaced by numbers."""
    if isinstance(attr, Dim):
        return dims.evaluate(attr, sizes)
    if isinstance(attr, tuple):
        return tuple(static(item, sizes) for item in attr)
    if isinstance(attr, TensorType):
        return TensorType(attr.dtype, static(attr.shape, sizes))
    return attr


def _run(
    node: Node,
    values: Mapping[Value, Tensor],
    state: Mapping[str, Tensor],
    sizes: Mapping[str, int],
) -> tuple[Tensor, ...]:
    if node.op.name == "parameter":
        return (state[node.attrs["name"]],)
    inputs = [None if v is None else values[v] for v in node.inputs]
    attrs = {name: static(attr, sizes) for name, attr in node.attrs.items()}
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
