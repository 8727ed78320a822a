"""The tape: what each op call on tensors that require gradients leaves behind.

The results of a recorded op point to a `GradFn`. It holds the op, its attributes, an edge for each
input and only those tensors that the op's vjp reads (see `ir.op.Op.vjp`), each with the version it
had: where a later in-place write has changed one, the vjp that reads it fails instead of giving a
wrong gradient.

Edges lead from results to inputs and never back, so a graph is freed with the last tensor made on
it. For that, saved tensors are aliases: an in-place write gives the tensor itself a new history,
which may well lead through the op that saved it.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import ops
from ..ir.builder import result_types
from ..ir.dims import same_shape
from ..ir.errors import AutogradError
from ..ir.op import Attrs, Op
from ..ir.types import DType, Shape, TensorType
from ..ops.registry import is_tensor
from .device import creating_on
from .grad_mode import is_grad_enabled

if TYPE_CHECKING:
    from .tensor import Tensor

Edge = tuple["GradFn", int]
Saved = tuple["Tensor", int]  # and the version it was saved at

_sequence = itertools.count()


class Stale:
    """In place of the array of a saved tensor that was written to: any use of values raises."""

    __array_ufunc__ = None

    def __init__(self, data: Any, error: AutogradError) -> None:
        self.dtype, self.shape, self.ndim, self.size = data.dtype, data.shape, data.ndim, data.size
        self.error = error

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise self.error

    def __getitem__(self, key: Any) -> Any:
        raise self.error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self.error


class GradFn:
    """How the results of one op call came about.

    Attributes:
        edges: For each input, the `GradFn` that made it and which of its results it is.
        leaves: For each input, itself if it is a leaf that requires gradients.
        saved: For each input that the vjp reads, an alias of it and its version.
        types: The dtype and shape of each input.
        saved_outputs: As `saved`, for the results; None if the vjp reads none.
        output_types: As `types`, for the results.
        sequence: Higher than that of every `GradFn` that an edge leads to.
    """

    __slots__ = (
        "attrs", "edges", "leaves", "op", "output_types", "saved", "saved_outputs", "sequence",
        "types",
    )  # fmt: skip

    def __init__(self, op: Op, attrs: Attrs, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.op = op
        self.attrs = attrs
        self.edges: list[Edge | None] = []
        self.leaves: list[Tensor | None] = []
        self.saved: list[Saved | None] = []
        self.types: list[tuple[DType, Shape] | None] = []
        reads_output, reads = _reads(op, len(inputs))
        for t, read in zip(inputs, reads, strict=True):
            edge = leaf = saved = kind = None
            if t is not None:
                edge = t._edge()
                if edge is None and t._requires_grad:
                    leaf = t
                if read:
                    saved = (t if leaf is t else _alias(t, edge), t._version[0])
                kind = (t.dtype, t.shape)
            self.edges.append(edge)
            self.leaves.append(leaf)
            self.saved.append(saved)
            self.types.append(kind)
        self.output_types = [(t.dtype, t.shape) for t in outputs]
        self.saved_outputs = (
            [(_alias(t, None), t._version[0]) for t in outputs] if reads_output else None
        )
        # Counted last: asking for an edge may have made a new GradFn.
        self.sequence = next(_sequence)

    @property
    def name(self) -> str:
        """As PyTorch calls most of them: `ExpBackward0`."""
        return f"{self.op.name.title().replace('_', '')}Backward0"

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def vjp(self, gradients: list[Tensor | None], wanted: list[bool]) -> list[Tensor | None]:
        """The gradients of the inputs from those of the outputs.

        Args:
            gradients: One for each output; None where nothing was computed from it.
            wanted: For each input, whether its gradient is.
        """
        op = self.op
        if op.vjp is None:
            raise AutogradError(f"{op.name} has no gradient")
        arrived = next(g for g in gradients if g is not None)
        with creating_on(arrived._data):
            filled = tuple(
                ops.full(shape, 0, dtype=dtype) if g is None else g
                for g, (dtype, shape) in zip(gradients, self.output_types, strict=True)
            )
            outputs = tuple(self._output(k) for k in range(len(filled)))
            inputs = [self._input(k) for k in range(len(self.types))]
            g, y = (filled, outputs) if op.many else (filled[0], outputs[0])
            results = op.vjp(g, y, *inputs, **self.attrs)
            return [
                self._finish(k, result) if wanted[k] else None for k, result in enumerate(results)
            ]

    def _input(self, k: int) -> Any:
        saved, kind = self.saved[k], self.types[k]
        if saved is not None:
            return self._unchanged(saved)
        return None if kind is None else TensorType(*kind)

    def _output(self, k: int) -> Any:
        if self.saved_outputs is None:
            return TensorType(*self.output_types[k])
        return _alias(self._unchanged(self.saved_outputs[k]), (self, k))

    def _unchanged(self, saved: Saved) -> Tensor:
        """The saved tensor; one without values where it was written to since."""
        tensor, version = saved
        if tensor._version[0] == version:
            return tensor
        error = AutogradError(
            f"a tensor that the gradient of {self.op.name} needs was changed by an in-place write",
            why=f"it was saved at version {version} and is at {tensor._version[0]} now",
            instead="write out of place (y = y + 1), or clone() before writing",
        )
        stale = _alias(tensor, None)
        stale._data = Stale(tensor._data, error)
        return stale

    def _finish(self, k: int, result: Any) -> Tensor | None:
        """The gradient of input `k`, in that input's dtype and shape."""
        gradient = result if result is None or is_tensor(result) else result()
        kind = self.types[k]
        if gradient is None or kind is None:
            return None
        dtype, shape = kind
        if not same_shape(gradient.shape, shape):
            gradient = ops.sum_to(gradient, shape)
        return gradient if gradient.dtype is dtype else ops.cast(gradient, dtype)


def _alias(tensor: Tensor, edge: Edge | None) -> Tensor:
    """Another tensor of the same data, with the given history."""
    out = tensor._alias()
    if edge is not None:
        out._grad_fn, out._index = edge
    return out


_known_reads: dict[tuple[Any, int], tuple[bool, list[bool]]] = {}


def _reads(op: Op, count: int) -> tuple[bool, list[bool]]:
    """Which tensors the vjp reads: by its parameters' names (see `ir.op.Op.vjp`)."""
    known = _known_reads.get((op.vjp, count))
    if known is None:
        known = _known_reads[op.vjp, count] = _read_parameters(op, count)
    return known


def _read_parameters(op: Op, count: int) -> tuple[bool, list[bool]]:
    if op.vjp is None:
        return False, [False] * count
    tensors: list[bool] = []
    for p in inspect.signature(op.vjp).parameters.values():
        read = not p.name.startswith("_")
        if p.kind is p.VAR_POSITIONAL:
            tensors.extend([read] * (count + 2 - len(tensors)))
        else:
            tensors.append(read)
    return tensors[1], tensors[2 : 2 + count]


def needs_grad(tensors: Sequence[Any]) -> bool:
    """Whether an op on these tensors has to be recorded."""
    for t in tensors:
        if t is not None and (
            t._grad_fn is not None or t._requires_grad or (t._view is not None and t.requires_grad)
        ):
            return is_grad_enabled()
    return False


def record(op: Op, attrs: Attrs, inputs: Sequence[Any], outputs: Sequence[Tensor]) -> None:
    """Make the outputs remember how they came about."""
    function = None
    for k, out in enumerate(outputs):
        if out.dtype.is_floating_point:
            if function is None:
                function = GradFn(op, attrs, inputs, outputs)
            out._grad_fn, out._index = function, k


# ---------------------------------------------------------------- writes and views


def _canonical_write(input: Any, value: Any) -> Any:
    return (input, value), {}


# What the history of a tensor shows where it was overwritten. Never called: see `rebase`.
_write = Op(
    "copy",
    canonical=_canonical_write,
    signature=inspect.signature(_canonical_write),
    vjp=lambda g, _y, _x, _value: (lambda: ops.zeros_like(g), g),
    doc="`value`, in the place of `input`.",
)


def keep_saved(function: GradFn, target: Tensor) -> None:
    """Copy what `function` has saved of `target`, which its own result is about to overwrite."""
    for k, saved in enumerate(function.saved):
        if saved is not None and saved[0]._version is target._version:
            copy = saved[0]._alias()
            copy._fill(copy._data.copy())
            copy._grad_fn, copy._index = saved[0]._grad_fn, saved[0]._index
            function.saved[k] = (copy, 0)


def rebase(target: Tensor, value: Tensor) -> None:
    """Let `target` take over the history of `value`, about to be written to it.

    If `target` is a view, its base gets a new history, and all views of it with the base.
    """
    history: Edge | None = None
    while target._view is not None:
        base, op, attrs, output = target._view
        assert op.view is not None
        which = {"output": output} if op.many else {}
        value = op.view(base, value, **which, **attrs)
        target, history = base, value._edge()
    if history is None:
        # A node of its own: the user may hold `value` too, and it may be a leaf. What was here
        # before gets zeros for a gradient, unless `value` was computed from it.
        before = None if value.requires_grad else target
        history = (GradFn(_write, {}, (before, value), (target,)), 0)
    target._grad_fn, target._index = history
    target._version[1] += 1


def refresh(view: Tensor) -> None:
    """Give a view the history of its base again, which a write has changed."""
    stale: list[Tensor] = []
    tensor = view
    while tensor._view is not None and tensor._seen != tensor._version[1]:
        stale.append(tensor)
        tensor = tensor._view[0]
    for tensor in reversed(stale):
        assert tensor._view is not None
        base, op, attrs, output = tensor._view
        if base.requires_grad:
            results = result_types(op, [base.type], attrs)
            tensor._grad_fn, tensor._index = GradFn(op, attrs, (base,), results), output
        tensor._seen = tensor._version[1]
