"""Gradients: the walk back over the tape, and what users call."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import ops
from ..ir.dims import same_shape
from ..ir.errors import AutogradError, ShapeError
from ..ir.op import current
from ..ops.registry import is_tensor
from .device import creating_on
from .grad_mode import enable_grad, no_grad
from .tape import Edge, GradFn

if TYPE_CHECKING:
    from .tensor import Tensor


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
    path = None if wanted is None else _Path(outputs, wanted)
    pending: dict[GradFn, list[Tensor | None]] = {}
    queue: list[tuple[int, GradFn]] = []

    def arrive(edge: Edge | None, leaf: Tensor | None, gradient: Tensor) -> None:
        if edge is not None:
            function, k = edge
            if function not in pending:
                pending[function] = [None] * len(function.output_types)
                heapq.heappush(queue, (-function.sequence, function))
            arrived = pending[function]
            arrived[k] = _sum(arrived[k], gradient)
        elif leaf is not None and (path is None or id(leaf) in path.leaves):
            _, before = found.get(id(leaf), (leaf, None))
            found[id(leaf)] = (leaf, _sum(before, gradient))

    with enable_grad() if create_graph else no_grad():
        for out, gradient in zip(outputs, gradients, strict=True):
            arrive(out._edge(), out, gradient)
        while queue:
            _, function = heapq.heappop(queue)
            arrived = pending.pop(function)
            if path is None:
                leads = [
                    edge is not None or leaf is not None
                    for edge, leaf in zip(function.edges, function.leaves, strict=True)
                ]
            else:
                for k, gradient in enumerate(arrived):
                    for tensor in path.tensors.get((function, k), ()):
                        if gradient is not None:
                            found[id(tensor)] = (tensor, gradient)
                leads = path.leads(function)
                if not any(leads):
                    continue
            results = function.vjp(arrived, leads)
            for edge, leaf, gradient in zip(function.edges, function.leaves, results, strict=True):
                if gradient is not None:
                    arrive(edge, leaf, gradient)
    return found


def _sum(a: Tensor | None, b: Tensor) -> Tensor:
    return b if a is None else ops.add(a, b)


class _Path:
    """Which part of the tape lies between outputs and the tensors to differentiate by.

    Attributes:
        tensors: The wanted tensors that are results of ops, by edge.
        leaves: The ids of those that are leaves.
    """

    def __init__(self, outputs: Sequence[Tensor], wanted: Sequence[Tensor]) -> None:
        self.tensors: dict[Edge, list[Tensor]] = {}
        self.leaves: set[int] = set()
        for t in wanted:
            edge = t._edge()
            if edge is None:
                self.leaves.add(id(t))
            else:
                self.tensors.setdefault(edge, []).append(t)
        self._useful: set[GradFn] = set()
        for function in sorted(_reachable(outputs), key=lambda f: f.sequence):
            if any(self.leads(function)):
                self._useful.add(function)

    def leads(self, function: GradFn) -> list[bool]:
        """For each input, whether it is, or was computed from, a wanted tensor."""
        return [
            (edge is not None and (edge in self.tensors or edge[0] in self._useful))
            or (leaf is not None and id(leaf) in self.leaves)
            for edge, leaf in zip(function.edges, function.leaves, strict=True)
        ]


def _reachable(outputs: Sequence[Tensor]) -> set[GradFn]:
    todo = [edge[0] for out in outputs if (edge := out._edge()) is not None]
    seen = set(todo)
    while todo:
        for edge in todo.pop().edges:
            if edge is not None and edge[0] not in seen:
                seen.add(edge[0])
                todo.append(edge[0])
    return seen


# ---------------------------------------------------------------- what users call


def _seed(output: Tensor, gradient: Tensor | None) -> Tensor:
    """The gradient to start from at `output`."""
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
        with creating_on(output._data):
            return ops.ones_like(output)
    if not same_shape(gradient.shape, output.shape):
        raise ShapeError(f"the gradient has shape {gradient.shape}, the output has {output.shape}")
    return gradient.to(output.dtype)


def backward(
    tensor: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of `tensor` to `.grad` of every leaf that requires them.

    Args:
        tensor: The output, usually a loss.
        gradient: Weights of the output's elements; may be left out for a single element.
        retain_graph: Accepted as in PyTorch; the tape lives as long as the tensors made on it.
        create_graph: Record the gradients too, so that they can be differentiated.
        inputs: Add only to `.grad` of these tensors; they need not be leaves.

    Raises:
        AutogradError: where there is no gradient, or a saved tensor was written to.
        ShapeError: where `gradient` is not of the output's shape.
    """
    current().refuse(
        "backward()", tensor, "capture the forward pass; compute gradients outside, eagerly"
    )
    wanted = None if inputs is None else _listed(inputs)
    found = propagate([tensor], [_seed(tensor, gradient)], wanted, create_graph)
    used = set() if gradient is None else {id(_owner(gradient))}
    with enable_grad() if create_graph else no_grad():
        for leaf, g in found.values():
            if leaf.grad is None:
                leaf.grad = _owned(g, used)
            elif create_graph:
                leaf.grad = ops.add(leaf.grad, g)
            else:
                leaf.grad += g


def _owner(tensor: Tensor) -> object:
    base = tensor._data.base
    return tensor._data if base is None else base


def _owned(gradient: Tensor, used: set[int]) -> Tensor:
    """The gradient in memory of its own, so that a write to one `.grad` changes no other."""
    data, owner = gradient._data, _owner(gradient)
    whole = owner is data or getattr(owner, "size", None) == data.size
    if whole and data.flags.c_contiguous and id(owner) not in used:
        used.add(id(owner))
        return gradient
    return ops.clone(gradient)


def _listed(tensors: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [tensors] if is_tensor(tensors) else list(tensors)  # type: ignore[list-item]


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of `outputs` with respect to each of `inputs`.

    Args:
        outputs: Results to differentiate.
        inputs: Tensors to differentiate by; they need not be leaves.
        grad_outputs: Weights for each output; may be None for single elements.
        retain_graph: Accepted as in PyTorch; the tape lives as long as the tensors made on it.
        create_graph: Record the gradients too, for derivatives of higher order.
        allow_unused: Give None for an input that has no influence, instead of raising.

    Raises:
        AutogradError: where an input requires no gradients or has no influence on the outputs.
        ShapeError: where a weight is not of its output's shape.
    """
    outs, ins = _listed(outputs), _listed(inputs)
    weights = [None] * len(outs) if grad_outputs is None else _listed(grad_outputs)  # type: ignore[arg-type]
    if len(weights) != len(outs):
        raise AutogradError(f"{len(weights)} grad_outputs were given for {len(outs)} outputs")
    for k, t in enumerate(ins):
        if not t.requires_grad:
            raise AutogradError(
                f"input {k} does not require gradients",
                instead="x.requires_grad_()  # before computing with it",
            )
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
