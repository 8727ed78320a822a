"""From a graph to an ONNX model.

    graph net(%x: f32[batch, 784]) -> (f32[batch, 10]) {
      %w = parameter "fc.weight" : f32[10, 784]
      %b = parameter "fc.bias" : f32[10]
      %0 = linear(%x, %w, %b) : f32[batch, 10]           # model.py:7 in fc
      return %0
    }

becomes

    net (float[batch, 784] x) => (float[batch, 10] output)
      <float[10, 784] fc.weight, float[10] fc.bias> {
      [fc/Gemm] output = Gemm <transB = 1> (x, fc.weight, fc.bias)
    }

Every node is written by the rule of its op (`rules_*.py`). A composite without one is expanded into
what it consists of; a primitive without one is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...ir.builder import BodyRecorder, Builder
from ...ir.constraints import assuming
from ...ir.dims import Dim, symbols
from ...ir.errors import ArgumentError, ExportError, UnsupportedOpError, VitrifyError
from ...ir.graph import Graph, Node, Value
from ...ir.types import TensorType
from ...tensor import Tensor
from . import (
    rules_conv,
    rules_elementwise,
    rules_index,
    rules_nn,
    rules_reduce,
    rules_shape,
)
from .registry import OPSETS, RULES, Declined, Simple
from .sizes import Sizes
from .writer import DataFile, Ref, Writer, proto_type

# Importing them fills the table of rules.
FAMILIES = (rules_elementwise, rules_reduce, rules_shape, rules_index, rules_conv, rules_nn)

# Node metadata came with this version of the file format.
_IR_VERSION = 10


def to_model(
    graph: Graph,
    state: Mapping[str, Tensor],
    output_names: Sequence[str],
    *,
    input_names: Sequence[str] | None = None,
    opset: int = 23,
    producer_version: str = "",
    data: DataFile | None = None,
) -> Any:
    """An `onnx.ModelProto` that computes what the graph does.

    Args:
        graph: The graph.
        state: The tensors that its `parameter` nodes name; initializers of the same names.
        output_names: A name for each output.
        input_names: A name for each input; by default the graph's own.
        opset: The version of ONNX's operators to write.
        producer_version: Our version, for the file's header.
        data: Takes the big arrays; without it, they go into the model.

    Raises:
        ArgumentError: for an opset that is not supported, or names that do not fit.
        UnsupportedOpError: for an op that this opset, or ONNX Runtime, cannot express.
        ExportError: for a size that cannot be computed from the inputs' shapes.
    """
    import onnx

    if opset not in OPSETS:
        raise ArgumentError(
            f"opset {opset} is not supported", instead=f"{OPSETS[0]} to {OPSETS[-1]}"
        )
    names = [value.name for value in graph.inputs] if input_names is None else list(input_names)
    _check_names("input", names, len(graph.inputs))
    _check_names("output", output_names, len(graph.outputs))
    emitter = _Emitter(graph, state, names, output_names, opset, data)
    with assuming(graph.constraints):  # the bodies of composites may compare sizes again
        emitter.run()
    model = onnx.helper.make_model(
        emitter.graph_proto(),
        producer_name="vitrify",
        producer_version=producer_version,
        opset_imports=[onnx.helper.make_opsetid("", opset)],
    )
    model.ir_version = max(
        _IR_VERSION, onnx.helper.find_min_ir_version_for(model.opset_import, ignore_unknown=True)
    )
    if limits := _limits(graph):
        model.metadata_props.add(key="vitrify.sizes", value=json.dumps(limits))
    if graph.constraints:
        recorded = [[str(c), str(c.location or "")] for c in graph.constraints]
        model.metadata_props.add(key="vitrify.constraints", value=json.dumps(recorded))
    return model


def _check_names(what: str, names: Sequence[str], count: int) -> None:
    if len(names) != count:
        raise ArgumentError(f"{len(names)} {what} names for {count} {what}s: {', '.join(names)}")
    for name in names:
        if not isinstance(name, str) or not name:
            raise ArgumentError(f"an {what} name must be text, got {name!r}")
        if names.count(name) > 1:
            raise ArgumentError(f"two {what}s are named {name!r}")


def _limits(graph: Graph) -> dict[str, list[int | None]]:
    """The range of each symbolic size, for whoever checks inputs of the file."""
    sizes = [size for value in graph.inputs for size in value.type.shape]
    found = {symbol.name: symbol for size in sizes for symbol in symbols(size)}
    return {name: [found[name].min, found[name].max] for name in sorted(found)}


class _Emitter:
    """One run of `to_model`."""

    def __init__(
        self,
        graph: Graph,
        state: Mapping[str, Tensor],
        input_names: Sequence[str],
        output_names: Sequence[str],
        opset: int,
        data: DataFile | None,
    ) -> None:
        self._graph = graph
        self._state = state
        self._output_names = list(output_names)
        self._writer = Writer(opset, data)
        self._inputs = [
            Ref(self._writer.name(name), value.type.dtype)
            for name, value in zip(input_names, graph.inputs, strict=True)
        ]
        self._refs: dict[Value, Ref] = dict(zip(graph.inputs, self._inputs, strict=True))
        # Inputs and outputs get their names before any node or weight may take them.
        for name in dict.fromkeys(output_names):
            if name in input_names:
                raise ArgumentError(
                    f"an input and an output are both named {name!r}",
                    instead=f'output_names=["{name}_out"]',
                )
            self._writer.name(name)
        self._writer.sizes = Sizes(self._writer, list(zip(graph.inputs, self._inputs, strict=True)))

    def run(self) -> None:
        """Write every node, then name the results."""
        for node in self._graph.nodes:
            self._emit(node, ())
        self._name_outputs()
        self._drop_unused()

    # ------------------------------------------------------------ nodes

    def _emit(self, node: Node, within: tuple[str, ...]) -> None:
        if not within:
            self._writer.at(node.location, node.op.name)
        try:
            results = self._lower(node)
        except Declined as declined:
            if node.op.body is None:
                raise self._refusal(node, within, declined) from None
            self._expand(node, within)
            return
        except VitrifyError as error:
            if error.at is None and node.location is not None:
                kind = type(error)
                raise kind(
                    error.message, at=node.location, why=error.why, instead=error.instead
                ) from None
            raise
        refs = results if isinstance(results, tuple) else (results,)
        self._refs.update(zip(node.outputs, refs, strict=True))

    def _lower(self, node: Node) -> Ref | tuple[Ref, ...]:
        writer, attrs = self._writer, node.attrs
        if node.op.name == "parameter":
            return self._parameter(node)
        if node.op.name == "constant":
            value, dtype = attrs["value"], attrs["type"].dtype
            if isinstance(value, Dim):
                return writer.cast(writer.sizes.scalar(value), dtype)
            return writer.constant(np.array(value).reshape(attrs["type"].shape), dtype)
        rule = RULES.get(node.op.name)
        if rule is None:
            raise Declined("there is no ONNX rule for it")
        if not rule.since <= writer.opset <= rule.until:
            span = f"opset {rule.since} on" if writer.opset < rule.since else f"up to {rule.until}"
            raise Declined(f"it can be expressed {span}")
        inputs = [None if value is None else self._refs[value] for value in node.inputs]
        lower = rule.lower
        if not isinstance(lower, Simple):
            return lower(writer, node, *inputs)
        dtype = node.output.type.dtype
        given = inputs[lower.typed]
        assert given is not None
        named = {theirs: attrs[ours] for ours, theirs in lower.attrs.items()}
        out = None if given.dtype is dtype else dtype
        return writer.op(lower.type, *inputs, out=out, typed=lower.typed, **named, **lower.fixed)

    def _parameter(self, node: Node) -> Ref:
        name = node.attrs["name"]
        if name not in self._state:
            raise ExportError(f"there is no data for the parameter {name!r}")
        tensor = self._state[name].detach().cpu()
        return self._writer.parameter(name, tensor.numpy(), tensor.dtype)

    def _expand(self, node: Node, within: tuple[str, ...]) -> None:
        recorder = BodyRecorder(Builder(), node.location)
        results = recorder.expand(node.op, node.inputs, node.attrs)
        for inner in recorder.builder.nodes:
            self._emit(inner, (*within, node.op.name))
        self._refs.update(
            (value, self._refs[result]) for value, result in zip(node.outputs, results, strict=True)
        )

    def _refusal(
        self, node: Node, within: tuple[str, ...], declined: Declined
    ) -> UnsupportedOpError:
        types = ", ".join("none" if v is None else str(v.type) for v in node.inputs)
        part = f", part of {within[0]}," if within else ""
        return UnsupportedOpError(
            f"{node.op.name}({types}){part} cannot be written in ONNX opset {self._writer.opset}",
            at=node.location,
            why=declined.why,
            instead=declined.instead,
        )

    # ------------------------------------------------------------ the end

    def _name_outputs(self) -> None:
        """Give the results their names: where nodes define them, by renaming."""
        defined = {name for node in self._writer.nodes for name in node.output}
        renamed: dict[str, str] = {}
        for value, name in zip(self._graph.outputs, self._output_names, strict=True):
            ref = self._refs[value]
            if ref.name in defined and ref.name not in renamed:
                renamed[ref.name] = name
                continue
            # An input, a constant, or one value returned twice.
            self._writer.at(None, "output")
            (result,) = self._writer.node("Identity", [ref], 1, {})
            renamed[result] = name
        for node in self._writer.nodes:
            for names in (node.input, node.output):
                for k, name in enumerate(names):
                    if name in renamed:
                        names[k] = renamed[name]
        for value, ref in self._refs.items():
            if ref.name in renamed:
                self._refs[value] = Ref(renamed[ref.name], ref.dtype)

    def _drop_unused(self) -> None:
        """Without what no result needs: sizes, and the beginnings of rules that gave up."""
        needed = set(self._output_names)
        kept = []
        for node in reversed(self._writer.nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        self._writer.nodes = kept[::-1]
        self._writer.tensors = {k: t for k, t in self._writer.tensors.items() if k in needed}

    def graph_proto(self) -> Any:
        """The finished graph."""
        import onnx

        graph, refs = self._graph, self._refs
        inputs = [
            _value_info(ref.name, value.type)
            for ref, value in zip(self._inputs, graph.inputs, strict=True)
        ]
        outputs = [
            _value_info(name, value.type)
            for name, value in zip(self._output_names, graph.outputs, strict=True)
        ]
        inner = {refs[value].name: value.type for node in graph.nodes for value in node.outputs}
        known = {name for node in self._writer.nodes for name in node.output}
        known -= set(self._output_names)
        return onnx.helper.make_graph(
            self._writer.nodes,
            graph.name,
            inputs,
            outputs,
            initializer=list(self._writer.tensors.values()),
            value_info=[_value_info(name, t) for name, t in inner.items() if name in known],
        )


def _value_info(name: str, type: TensorType) -> Any:
    """A named type; symbolic sizes appear as their text."""
    import onnx

    shape = [str(size) if isinstance(size, Dim) else size for size in type.shape]
    return onnx.helper.make_tensor_value_info(name, proto_type(type.dtype), shape)
