"""Define-by-run gradients: the tape that ops leave behind, and the walk back over it.

Every result of a differentiable op on tensors that require gradients points to a `GradFn`. It
holds the op, its attributes, an edge for each input and only those tensors that the op's vjp reads
(see `ir.op.Op.vjp`), each with the version it had: a later in-place write makes `backward` fail
instead of giving a wrong gradient.
"""

from __future__ import annotations

import heapq
import inspect
import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .. import ops
from ..ir.dims import same_shape
from ..ir.errors import AutogradError, ShapeError
from ..ir.op import Attrs, Op, current
from ..ir.types import TensorType
from ..ops.registry import is_tensor

if TYPE_CHECKING:
    from .tensor import Tensor

_enabled: ContextVar[bool] = ContextVar("grad_enabled", default=True)
_sequence = itertools.count()

is_grad_enabled = _enabled.get


class set_grad_enabled(ContextDecorator):
    """Context manager and decorator that turns recording for gradients on or off."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._tokens: list[Any] = []

    def __enter__(self) -> None:
        self._tokens.append(_enabled.set(self.mode))

    def __exit__(self, *exc: object) -> None:
        _enabled.reset(self._tokens.pop())


class no_grad(set_grad_enabled):
    """Nothing inside is recorded for gradients."""

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(set_grad_enabled):
    """Recording inside a `no_grad` block."""

    def __init__(self) -> None:
        super().__init__(True)


class Saved:
    """A tensor that a vjp will read, with the version it has now."""

    __slots__ = ("data", "leaf", "version", "written")

    def __init__(self, tensor: Tensor, keep_history: bool) -> None:
        # An output is kept without its history, which would point back here.
        self.leaf = tensor if keep_history else None
        self.data = tensor._data
        self.written = tensor._version
        self.version = tensor._version[0]

    def get(self, make: Callable[[Any], Tensor], op: Op) -> Tensor:
        if self.written[0] != self.version:
            raise AutogradError(
                f"a tensor that the gradient of {op.name} needs was changed by an in-place write",
                why=f"it was saved at version {self.version} and is at {self.written[0]} now",
                instead="write out of place (y = y + 1), or clone() before writing",
            )
        return self.leaf if self.leaf is not None else make(self.data)


Edge = tuple["GradFn", int]


class GradFn:
    """How the results of one op call came about."""

    __slots__ = ("attrs", "edges", "inputs", "leaves", "op", "outputs", "sequence", "types")

    def __init__(
        self, op: Op, attrs: Attrs, inputs: Sequence[Any], outputs: Sequence[Tensor]
    ) -> None:
        self.op = op
        self.attrs = attrs
        self.sequence = next(_sequence)
        self.edges: list[Edge | None] = []
        self.leaves: list[Tensor | None] = []
        for t in inputs:
            edge = t._edge() if t is not None else None
            self.edges.append(edge)
            self.leaves.append(t if edge is None and t is not None and t.requires_grad else None)
        reads_output, reads = _reads(op, len(inputs))
        self.inputs = [
            t if t is None else Saved(t, True) if read else t.type
            for t, read in zip(inputs, reads, strict=True)
        ]
        self.outputs = [Saved(t, False) if reads_output else t.type for t in outputs]
        self.types = [t.type for t in outputs]

    @property
    def name(self) -> str:
        return f"{self.op.name.title().replace('_', '')}Backward"

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def wants(self, k: int) -> bool:
        """Whether input `k` leads to something that requires a gradient."""
        return self.edges[k] is not None or self.leaves[k] is not None

    def vjp(self, gradients: list[Tensor | None]) -> list[Tensor | None]:
        """The gradients of the inputs from those of the outputs."""
        if self.op.vjp is None:
            raise AutogradError(f"{self.op.name} has no gradient")
        filled = tuple(
            ops.full(t.shape, 0, dtype=t.dtype) if g is None else g
            for g, t in zip(gradients, self.types, strict=True)
        )
        outputs = tuple(self._output(k) for k in range(len(self.outputs)))
        inputs = [s.get(_unreachable, self.op) if isinstance(s, Saved) else s for s in self.inputs]
        g, y = (filled, outputs) if self.op.many else (filled[0], outputs[0])
        results = self.op.vjp(g, y, *inputs, **self.attrs)
        return [self._finish(k, result) for k, result in enumerate(results)]

    def _output(self, k: int) -> Any:
        saved = self.outputs[k]
        if not isinstance(saved, Saved):
            return saved

        def make(data: Any) -> Tensor:
            from_data = current().wrap(data)
            from_data._grad_fn, from_data._index = self, k
            return from_data

        return saved.get(make, self.op)

    def _finish(self, k: int, result: Any) -> Tensor | None:
        """The gradient of input `k`, in that input's dtype and shape."""
        if result is None or not self.wants(k):
            return None
        gradient = result() if callable(result) and not hasattr(result, "dtype") else result
        if gradient is None:
            return None
        saved = self.inputs[k]
        wanted: TensorType = saved.leaf.type if isinstance(saved, Saved) else saved  # type: ignore
        if not same_shape(gradient.shape, wanted.shape):
            gradient = ops.sum_to(gradient, wanted.shape)
        return gradient if gradient.dtype is wanted.dtype else ops.cast(gradient, wanted.dtype)


def _unreachable(data: Any) -> Any:
    raise AssertionError("inputs are saved with their history")


_reads_cache: dict[Any, tuple[bool, list[bool], bool]] = {}


def _reads(op: Op, count: int) -> tuple[bool, list[bool]]:
    """Which tensors the vjp reads: by its parameters' names (see `ir.op.Op.vjp`)."""
    if op.vjp is None:
        return False, [False] * count
    known = _reads_cache.get(op.vjp)
    if known is None:
        parameters = list(inspect.signature(op.vjp).parameters.values())
        reads = [not p.name.startswith("_") for p in parameters]
        variadic = (
            len(parameters) > 2
            and parameters[2:] != []
            and any(p.kind is p.VAR_POSITIONAL for p in parameters)
        )
        known = _reads_cache[op.vjp] = (reads[1], reads[2:], variadic)
    output, inputs, variadic = known
    if variadic:
        return output, inputs[: op.tensors - 1] + [inputs[op.tensors - 1]] * (
            count - op.tensors + 1
        )
    return output, inputs[:count]


def record(op: Op, attrs: Attrs, inputs: Sequence[Any], outputs: Sequence[Tensor]) -> None:
    """Make the outputs remember how they came about."""
    function = GradFn(op, attrs, inputs, outputs)
    for k, out in enumerate(outputs):
        if out.dtype.is_floating_point:
            out._grad_fn, out._index = function, k


def needs_grad(tensors: Iterable[Any]) -> bool:
    """Whether an op on these tensors has to be recorded."""
    return _enabled.get() and any(
        t is not None
        and (
            t._grad_fn is not None or t._requires_grad or (t._view is not None and t.requires_grad)
        )
        for t in tensors
    )


# ---------------------------------------------------------------- the walk back


def _add(a: Tensor | None, b: Tensor) -> Tensor:
    return b if a is None else ops.add(a, b)


def propagate(
    outputs: Sequence[Tensor],
    gradients: Sequence[Tensor],
    wanted: Sequence[Tensor] | None,
    create_graph: bool,
) -> dict[int, tuple[Tensor, Tensor]]:
    """Gradients of `outputs`, weighted by `gradients`, with respect to tensors.

    Args:
        outputs: Where to start.
        gradients: One for each output, of its shape.
        wanted: Tensors to differentiate by; None for every leaf that requires a gradient.
        create_graph: Whether the gradients are recorded too, for derivatives of higher order.

    Returns:
        By id, each tensor reached and its gradient.
    """
    found: dict[int, tuple[Tensor, Tensor]] = {}
    at_edge = {t._edge(): t for t in wanted or () if t._edge() is not None}
    leaves = None if wanted is None else {id(t) for t in wanted}
    pending: dict[GradFn, list[Tensor | None]] = {}
    queue: list[tuple[int, GradFn]] = []

    def reach(tensor: Tensor, gradient: Tensor) -> None:
        before = found.get(id(tensor))
        found[id(tensor)] = (tensor, _add(before[1] if before else None, gradient))

    def push(edge: Edge | None, leaf: Tensor | None, gradient: Tensor) -> None:
        if edge is None:
            if leaf is not None and (leaves is None or id(leaf) in leaves):
                reach(leaf, gradient)
            return
        function, k = edge
        if function not in pending:
            pending[function] = [None] * len(function.types)
            heapq.heappush(queue, (-function.sequence, function))
        pending[function][k] = _add(pending[function][k], gradient)

    with set_grad_enabled(create_graph):
        for out, gradient in zip(outputs, gradients, strict=True):
            push(out._edge(), out, gradient)
        while queue:
            _, function = heapq.heappop(queue)
            arrived = pending.pop(function)
            for k, gradient in enumerate(arrived):
                if gradient is not None and (function, k) in at_edge:
                    reach(at_edge[function, k], gradient)
            results = function.vjp(arrived)
            for edge, leaf, gradient in zip(function.edges, function.leaves, results, strict=True):
                if gradient is not None:
                    push(edge, leaf, gradient)
    return found


# ---------------------------------------------------------------- what users call


def _seed(output: Tensor, gradient: Tensor | None) -> Tensor:
    if not output.requires_grad:
        raise AutogradError(
            "this tensor does not require gradients",
            why="no input of the computation has requires_grad set, or it ran under no_grad",
        )
    if gradient is None:
        if output.numel() != 1:
            raise AutogradError(
                f"a gradient can be started only from one number, not from shape {output.shape}",
                instead="loss.sum().backward(), or give the gradient of the output",
            )
        return ops.ones_like(output)
    if not same_shape(gradient.shape, output.shape):
        raise ShapeError(f"the gradient has shape {gradient.shape}, the output has {output.shape}")
    return gradient


def backward(
    tensor: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Add the gradients of `tensor` to `.grad` of every leaf that requires them.

    Args:
        tensor: The output, usually a loss.
        gradient: Weights of the output's elements; may be left out for a single element.
        retain_graph: Accepted as in PyTorch; the tape lives as long as the tensors made on it.
        create_graph: Record the gradients too, so that they can be differentiated.

    Raises:
        AutogradError: where there is no gradient, or a saved tensor was written to.
    """
    current().refuse("backward()", tensor, "g = vt.grad(loss, parameters)  # gradients as values")
    found = propagate([tensor], [_seed(tensor, gradient)], None, create_graph)
    for leaf, g in found.values():
        leaf.grad = g if leaf.grad is None else ops.add(leaf.grad, g)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of `outputs` with respect to each of `inputs`.

    Args:
        outputs: Results to differentiate.
        inputs: Tensors to differentiate by; they need not be leaves.
        grad_outputs: Weights for each output; may be None for single elements.
        create_graph: Record the gradients too, for derivatives of higher order.
        allow_unused: Give None for an input that has no influence, instead of raising.

    Raises:
        AutogradError: where an input has no influence on the outputs.
    """
    outs = [outputs] if is_tensor(outputs) else list(outputs)
    ins = [inputs] if is_tensor(inputs) else list(inputs)
    if grad_outputs is None or is_tensor(grad_outputs):
        weights: list[Tensor | None] = [grad_outputs] * len(outs)
    else:
        weights = list(grad_outputs)
    seeds = [_seed(o, w) for o, w in zip(outs, weights, strict=True)]
    found = propagate(outs, seeds, ins, create_graph)
    results = tuple(found[id(t)][1] if id(t) in found else None for t in ins)
    if not allow_unused and any(r is None for r in results):
        k = next(k for k, r in enumerate(results) if r is None)
        raise AutogradError(
            f"input {k} has no influence on the outputs",
            instead="grad(..., allow_unused=True) gives None for it",
        )
    return results
