"""Compute while compiling what does not depend on the inputs.

`fold_constants` computes what constants alone decide, if it is small:

    graph f(%x: f32[2]) -> (f32[2]) {
      %0 = constant 2.0 : f32[]
      %1 = sqrt(%0) : f32[]
      %2 = mul(%x, %1) : f32[2]
      return %2
    }

After:

    graph f(%x: f32[2]) -> (f32[2]) {
      %0 = constant 1.4142135381698608 : f32[]
      %1 = mul(%x, %0) : f32[2]
      return %1
    }

`fold_parameters(state)` computes what parameters decide, and adds the results to `state`:

    graph f(%x: f32[2, 64]) -> (f32[2, 64]) {
      %w = parameter "w" : f32[64, 64]
      %0 = permute(%w) {dims=(1, 0)} : f32[64, 64]
      %1 = matmul(%x, %0) : f32[2, 64]
      return %1
    }

After:

    graph f(%x: f32[2, 64]) -> (f32[2, 64]) {
      %w.folded = parameter "w.folded" : f32[64, 64]
      %0 = matmul(%x, %w.folded) : f32[2, 64]
      return %0
    }

Both use eager's own kernels, so the results are those of the reference backend to the last bit. A
node whose kernel fails is left alone: the failure belongs to the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from ..ir.builder import Builder
from ..ir.dims import Dim, product
from ..ir.errors import GraphError
from ..ir.graph import Graph, Node, Value
from ..ir.op import interpreting
from ..ir.types import TensorType
from ..ops import REGISTRY
from ..tensor import Tensor, eager, no_grad
from .eliminate_dead_code import eliminate_dead_code, is_pure
from .pipeline import Pass
from .substitute import with_inputs

_CONSTANT_ELEMENTS = 16  # as many as a capture writes into the graph
_SLACK_BYTES = 1024  # by which a folded parameter may be larger than what it replaces

_constant, _parameter = REGISTRY["constant"], REGISTRY["parameter"]


# ---------------------------------------------------------------- computing nodes


def is_static(attr: Any) -> bool:
    """Whether an attribute is known now: no symbolic size, and no region, which may hold one."""
    if isinstance(attr, TensorType):
        return attr.is_static
    if isinstance(attr, tuple):
        return all(map(is_static, attr))
    return not isinstance(attr, Dim | Graph)


def _is_computable(node: Node) -> bool:
    return (
        is_pure(node)
        and all(map(is_static, node.attrs.values()))
        and all(value.type.is_static for value in node.outputs)
    )


def _compute(node: Node, inputs: Iterable[Tensor | None]) -> tuple[Tensor, ...] | None:
    """The node's results by eager's kernels; None where they fail."""
    try:
        with interpreting(eager), no_grad():
            result = eager.apply(node.op, list(inputs), node.attrs)
    except Exception:
        return None
    results = result if node.op.many else (result,)
    if [t.type for t in results] != [v.type for v in node.outputs]:
        raise GraphError(f"the kernel of {node.op.name} breaks its type rule", at=node.location)
    return results


def _elements(type: TensorType) -> int:
    size = product(type.shape)
    assert isinstance(size, int)
    return size


def _bytes(type: TensorType) -> int:
    return _elements(type) * type.dtype.itemsize


# ---------------------------------------------------------------- constants


def fold_constants(graph: Graph) -> Graph:
    """The graph with small results of constants alone as constants."""
    known: dict[Value, Tensor] = {}
    builder = Builder()
    replaced: dict[Value, Value] = {}
    for original in graph.nodes:
        node = with_inputs(original, replaced)
        results = _small_results(node, known)
        if results is None:
            builder.nodes.append(node)
            continue
        values = node.outputs
        if node.op is _constant:
            builder.nodes.append(node)
        else:
            values = tuple(_add_constant(builder, tensor, node) for tensor in results)
            replaced.update(zip(node.outputs, values, strict=True))
        known.update(zip(values, results, strict=True))
    if not replaced:
        return graph
    outputs = tuple(replaced.get(v, v) for v in graph.outputs)
    return eliminate_dead_code(graph.replace(nodes=tuple(builder.nodes), outputs=outputs))


def _small_results(node: Node, known: Mapping[Value, Tensor]) -> tuple[Tensor, ...] | None:
    """What a node gives, if it depends on known values alone and is small."""
    if node.op is _parameter or not all(v is None or v in known for v in node.inputs):
        return None
    if not _is_computable(node):
        return None
    if any(_elements(value.type) > _CONSTANT_ELEMENTS for value in node.outputs):
        return None
    return _compute(node, [None if v is None else known[v] for v in node.inputs])


def _add_constant(builder: Builder, tensor: Tensor, node: Node) -> Value:
    flat = tensor._data.reshape(-1)
    numbers = list(map(float, flat)) if tensor.dtype.is_floating_point else flat.tolist()
    value = tuple(numbers) if tensor.ndim else numbers[0]
    return builder.add(_constant, (), {"value": value, "type": tensor.type}, node.location)[0]


# ---------------------------------------------------------------- parameters


def fold_parameters(state: MutableMapping[str, Tensor]) -> Pass:
    """A pass that computes what depends on parameters alone.

    A result takes the place of the parameters that nothing else uses; one that is larger than
    these stays in the graph. So tied, expanded and untouched weights are not copied. What was
    folded no longer follows when a parameter changes.

    Args:
        state: The tensors that `parameter` nodes name. Results are added, as `conv.weight.folded`.
    """

    def fold_parameters(graph: Graph) -> Graph:
        return _Folding(graph, state).run()

    return fold_parameters


class _Folding:
    """One run over a graph: which values are known, who uses them, what was computed."""

    def __init__(self, graph: Graph, state: MutableMapping[str, Tensor]) -> None:
        self.graph = graph
        self.state = state
        self.known: dict[Value, Node] = {}  # defined by nodes that depend on no input
        self.users: dict[Value, list[Node | None]] = {}  # None stands for the graph's return
        self.computed: dict[Value, Tensor] = {}
        self.position = {node: k for k, node in enumerate(graph.nodes)}
        for node in graph.nodes:
            if self._is_known(node):
                self.known.update((value, node) for value in node.outputs)
            for value in node.inputs:
                if value is not None:
                    self.users.setdefault(value, []).append(node)
        for value in graph.outputs:
            self.users.setdefault(value, []).append(None)

    def _is_known(self, node: Node) -> bool:
        if node.op is _parameter:
            return node.attrs["name"] in self.state
        return _is_computable(node) and all(v is None or v in self.known for v in node.inputs)

    def run(self) -> Graph:
        folded = dict(reversed(list(self._choose())))  # in the order of the graph
        if not folded:
            return self.graph
        builder = Builder()
        replaced: dict[Value, Value] = {}
        for node in self.graph.nodes:
            builder.nodes.append(with_inputs(node, replaced))
            for value in node.outputs:
                if value in folded:
                    name, tensor = self._name(folded[value]), self.computed[value]
                    attrs = {"name": name, "type": tensor.type}
                    (replaced[value],) = builder.add(_parameter, (), attrs, node.location, [name])
                    self.state[name] = tensor
        outputs = tuple(replaced.get(v, v) for v in self.graph.outputs)
        return eliminate_dead_code(self.graph.replace(nodes=tuple(builder.nodes), outputs=outputs))

    def _choose(self) -> Iterator[tuple[Value, str]]:
        """The values to fold, last first, each with the parameter that it is named after."""
        wanted: set[Value | None] = set(self.graph.outputs)
        for node in reversed(self.graph.nodes):
            needed = [v for v in node.outputs if v in wanted]
            if not all(v in self.known for v in node.outputs):
                wanted.update(node.inputs)
            elif node.inputs:
                for value in needed:
                    base = self._profit(value)
                    if base is not None and self._evaluate(value):
                        yield value, base
                    else:
                        wanted.update(node.inputs)

    def _profit(self, value: Value) -> str | None:
        """The largest parameter that folding `value` makes superfluous; None if that costs."""
        origin = self._origin(value)
        gone: set[Node | None] = set()
        for node in reversed(origin):
            uses = [u for v in node.outputs if v is not value for u in self.users.get(v, ())]
            if gone.issuperset(uses):
                gone.add(node)
        parameters = [node for node in origin if node.op is _parameter]
        freed = [node for node in parameters if node in gone]
        budget = sum(_bytes(node.output.type) for node in freed) + _SLACK_BYTES
        if not parameters or _bytes(value.type) > budget:
            return None
        largest = max(freed or parameters, key=lambda node: _bytes(node.output.type))
        return largest.attrs["name"]

    def _origin(self, value: Value) -> list[Node]:
        """The nodes that `value` comes from, in the order of the graph."""
        found: set[Node] = set()
        todo = [self.known[value]]
        while todo:
            node = todo.pop()
            if node not in found:
                found.add(node)
                todo += [self.known[v] for v in node.inputs if v is not None]
        return sorted(found, key=self.position.__getitem__)

    def _evaluate(self, value: Value) -> bool:
        """Compute `value` and what it needs; False where a kernel fails."""
        for node in self._origin(value):
            if self.computed.keys() >= set(node.outputs):
                continue
            if node.op is _parameter:
                self.computed[node.output] = self.state[node.attrs["name"]]
                continue
            inputs = [None if v is None else self.computed[v] for v in node.inputs]
            results = _compute(node, inputs)
            if results is None:
                return False
            self.computed.update(zip(node.outputs, results, strict=True))
        return True

    def _name(self, base: str) -> str:
        name, count = f"{base}.folded", 0
        while name in self.state:
            count += 1
            name = f"{base}.folded.{count}"
        return name
