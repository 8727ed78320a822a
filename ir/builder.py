"""The only maker of nodes: it runs the op's type rule, so an ill-typed graph cannot be built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .constraints import Constraint
from .errors import CaptureError, GraphError
from .graph import Graph, Node, Value
from .location import Location
from .op import Attrs, Op, default, interpreting
from .types import TensorType


class Builder:
    """Appends nodes to a growing list; `graph` closes it."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def add(
        self,
        op: Op,
        inputs: Sequence[Value | None],
        attrs: Attrs,
        location: Location | None = None,
        names: Sequence[str] = (),
    ) -> tuple[Value, ...]:
        """Append `op` applied to `inputs` and return the values it defines.

        Raises:
            ShapeError, DTypeError, ArgumentError: from the op's type rule.
            GraphError: where there are more or fewer names than results.
        """
        types = result_types(op, [v.type if v is not None else None for v in inputs], attrs)
        names = tuple(names) or ("",) * len(types)
        if len(names) != len(types):
            raise GraphError(f"{op.name} has {len(types)} results, not {len(names)}")
        outputs = tuple(Value(t, n) for t, n in zip(types, names, strict=True))
        self.nodes.append(Node(op, tuple(inputs), dict(attrs), outputs, location))
        return outputs

    def append(self, node: Node, inputs: Sequence[Value | None]) -> tuple[Value, ...]:
        """Append a copy of `node` over other inputs; `node` itself where nothing changed."""
        if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            self.nodes.append(node)
            return node.outputs
        names = [v.name for v in node.outputs]
        return self.add(node.op, inputs, node.attrs, node.location, names)

    def graph(
        self,
        inputs: Iterable[Value],
        outputs: Iterable[Value],
        name: str = "main",
        constraints: Iterable[Constraint] = (),
    ) -> Graph:
        """The finished graph."""
        return Graph(
            tuple(inputs),
            tuple(self.nodes),
            tuple(outputs),
            name=name,
            constraints=tuple(constraints),
        )


def result_types(
    op: Op, types: Sequence[TensorType | None], attrs: Attrs
) -> tuple[TensorType, ...]:
    """The types of an op's results: by its rule, or by running a composite's body on types."""
    if op.infer is not None:
        result = op.infer(*types, **attrs)
    else:
        scratch = BodyRecorder(Builder())
        values = [None if t is None else Value(t) for t in types]
        result = tuple(v.type for v in scratch.expand(op, values, attrs))
    return result if isinstance(result, tuple) else (result,)


class BodyRecorder:
    """Interpreter that records op calls on symbolic tensors into a builder.

    Passes expand composites and write replacements with it; the tracer's recorder extends it.

    Args:
        builder: Where nodes go.
        location: What new nodes get as their location.
    """

    computes = False

    def __init__(self, builder: Builder, location: Location | None = None) -> None:
        self.builder = builder
        self.location = location
        self._wrap: Callable[[Value], Any] = default().wrap
        self._unwrap: Callable[[Any], Value] = default().unwrap

    def bind(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.apply(op, *op.canonical(*args, **kwargs))

    def apply(self, op: Op, tensors: Sequence[Any], attrs: Attrs) -> Any:
        inputs = [None if t is None else self.unwrap(t) for t in tensors]
        outputs = self.builder.add(op, inputs, attrs, self.location)
        return self._result(op, outputs)

    def _result(self, op: Op, outputs: tuple[Value, ...]) -> Any:
        if len(outputs) == 1 and not op.many:
            return self.wrap(outputs[0])
        return tuple(self.wrap(v) for v in outputs)

    def wrap(self, value: Value) -> Any:
        return self._wrap(value)

    def unwrap(self, tensor: Any) -> Value:
        return self._unwrap(tensor)

    def write(self, target: Any, value: Any) -> Any:
        raise GraphError("an op's body may not write in place")

    def scope(self, module: Any) -> AbstractContextManager[Any]:
        return nullcontext()

    def values(self, what: str, tensor: Any, instead: str) -> Any:
        self.refuse(what, tensor, instead)

    def refuse(self, what: str, tensor: Any | None, instead: str) -> None:
        raise CaptureError(f"{what} needs the values of a tensor", instead=instead)

    def expand(self, op: Op, inputs: Sequence[Value | None], attrs: Attrs) -> tuple[Value, ...]:
        """Run a composite's body on graph values; nodes go to the builder."""
        assert op.body is not None
        with interpreting(self):
            tensors = [None if v is None else self.wrap(v) for v in inputs]
            result = op.body(*op.arrange(tensors), **attrs)
            results = result if isinstance(result, tuple | list) else (result,)
            return tuple(self.unwrap(r) for r in results)
