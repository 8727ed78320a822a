"""Let the weights of a convolution or linear layer do the batch norm that follows.

Before:

    graph f(%x: f32[2, 8]) -> (f32[2, 4]) {
      %w = parameter "w" : f32[4, 8]
      %mean = parameter "mean" : f32[4]
      %var = parameter "var" : f32[4]
      %0 = linear(%x, %w, none) : f32[2, 4]
      %1 = batch_norm(%0, %mean, %var, none, none) {eps=1e-05} : f32[2, 4]
      return %1
    }

After:

    graph f(%x: f32[2, 8]) -> (f32[2, 4]) {
      %w = parameter "w" : f32[4, 8]
      %mean = parameter "mean" : f32[4]
      %var = parameter "var" : f32[4]
      %0 = constant 1e-05 : f32[]
      %1 = add(%var, %0) : f32[4]
      %2 = rsqrt(%1) : f32[4]
      %3 = neg(%mean) : f32[4]
      %4 = mul(%3, %2) : f32[4]
      %5 = reshape(%2) {shape=(4, 1)} : f32[4, 1]
      %6 = mul(%w, %5) : f32[4, 8]
      %7 = linear(%x, %6, %4) : f32[2, 4]
      return %7
    }

`fold_parameters` then computes the new weights. Results differ by rounding alone. It is done only
where nothing else uses the layer's result, and where the weights do not depend on the inputs.
"""

from __future__ import annotations

from typing import Any

from ..ir.graph import Graph, Value
from ..ops import REGISTRY, linear, reshape, rsqrt
from .eliminate_dead_code import is_pure
from .rewrite import Declined, decline, defined_by, rewrite, rule

_batch_norm, _conv = REGISTRY["batch_norm"], REGISTRY["conv"]


@rule(
    lambda x, w, b, stride, padding, dilation, groups, mean, var, gain, shift, eps: _batch_norm(
        _conv(x, w, b, stride, padding, dilation, groups), mean, var, gain, shift, eps
    ),
    single_use=True,
)
def fold_into_conv(
    x: Any,
    w: Any,
    b: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    mean: Any,
    var: Any,
    gain: Any,
    shift: Any,
    eps: float,
) -> Any:
    folded = _fold(w, b, mean, var, gain, shift, eps)
    if isinstance(folded, Declined):
        return folded
    return _conv(x, *folded, stride, padding, dilation, groups)


@rule(
    lambda x, w, b, mean, var, gain, shift, eps: _batch_norm(
        linear(x, w, b), mean, var, gain, shift, eps
    ),
    single_use=True,
)
def fold_into_linear(
    x: Any, w: Any, b: Any, mean: Any, var: Any, gain: Any, shift: Any, eps: float
) -> Any:
    if x.ndim != 2:
        return decline("the channels are not the features")
    folded = _fold(w, b, mean, var, gain, shift, eps)
    return folded if isinstance(folded, Declined) else linear(x, *folded)


def _fold(
    w: Any, b: Any, mean: Any, var: Any, gain: Any, shift: Any, eps: float
) -> tuple[Any, Any] | Declined:
    """The weight and the bias that do what they did and the norm, too."""
    operands = [t for t in (w, b, mean, var, gain, shift) if t is not None]
    if not all(map(_is_stored, operands)):
        return decline("the weights depend on the inputs")
    if any(t.dtype is not w.dtype for t in operands):
        return decline("the dtypes differ")
    scale = rsqrt(var + eps)
    if gain is not None:
        scale = scale * gain
    bias = (-mean if b is None else b - mean) * scale
    if shift is not None:
        bias = bias + shift
    return w * reshape(scale, (*scale.shape, *(1,) * (w.ndim - 1))), bias


def _is_stored(tensor: Any) -> bool:
    """Whether a tensor depends on parameters and constants alone."""
    todo: list[Any] = [tensor]
    seen: set[Value] = set()
    while todo:
        node = defined_by(todo.pop())
        if node is None or not is_pure(node):
            return False
        inputs = {v for v in node.inputs if v is not None} - seen
        seen |= inputs
        todo += inputs
    return True


def fold_batch_norm(graph: Graph) -> Graph:
    """The graph with each batch norm in the weights of the layer before it, where it can be."""
    return rewrite(graph, fold_into_conv, fold_into_linear)
