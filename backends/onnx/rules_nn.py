"""Activations, matrix products, norms and attention, kept whole."""

from __future__ import annotations

import numpy as np

from ...ir.dims import Dim, same
from ...ir.graph import Node
from ...ir.types import float64
from .registry import Declined, Simple, rule, table
from .rules_shape import expand, shape_of
from .writer import Ref, Writer

table(
    {
        "relu": Simple("Relu"),
        "sigmoid": Simple("Sigmoid"),
        "leaky_relu": Simple("LeakyRelu", attrs={"negative_slope": "alpha"}),
        "elu": Simple("Elu", attrs={"alpha": "alpha"}),
        "hardsigmoid": Simple("HardSigmoid", fixed={"alpha": 1 / 6, "beta": 0.5}),
        "matmul": Simple("MatMul"),
    }
)
table({"gelu": Simple("Gelu", attrs={"approximate": "approximate"})}, since=20)


# ---------------------------------------------------------------- activations


def _along_dim(name: str, type: str) -> None:
    @rule(name)
    def _(b: Writer, node: Node, x: Ref) -> Ref:
        if not shape_of(node):
            raise Declined(f"{type} needs a dim")
        return b.op(type, x, axis=node.attrs["dim"])


_along_dim("softmax", "Softmax")
_along_dim("log_softmax", "LogSoftmax")


@rule("softplus")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    if node.attrs["beta"] != 1 or node.attrs["threshold"] < 20:
        raise Declined("Softplus has beta = 1 and, above 20, no other values than its input")
    return b.op("Softplus", x)


@rule("logsigmoid")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return b.op("Neg", b.op("Softplus", b.op("Neg", x)))


@rule("clamp")
def _(b: Writer, node: Node, x: Ref, low: Ref | None, high: Ref | None) -> Ref:
    # Clip would take the largest finite number for a bound that is missing.
    if low is None or high is None:
        return b.op("Min", x, high) if low is None else b.op("Max", x, low)
    if any(v is not None and v.type.ndim for v in node.inputs[1:]):
        raise Declined("Clip takes 0-d bounds")
    return b.op("Clip", x, low, high)


# ---------------------------------------------------------------- products


@rule("linear")
def _(b: Writer, node: Node, x: Ref, weight: Ref, bias: Ref | None) -> Ref:
    if len(shape_of(node)) != 2 or not x.dtype.is_floating_point:
        raise Declined("Gemm takes matrices of floats")
    inputs = [x, weight] if bias is None else [x, weight, bias]
    return b.op("Gemm", *inputs, transB=1)


# ---------------------------------------------------------------- norms


def _epsilon(node: Node, x: Ref) -> float:
    """The attribute `eps`; ONNX keeps it in float32, which a float64 norm would notice."""
    eps = node.attrs["eps"]
    if x.dtype is float64 and float(np.float32(eps)) != eps:
        raise Declined("epsilon is a float32 in ONNX")
    return eps


@rule("batch_norm")
def _(
    b: Writer, node: Node, x: Ref, mean: Ref, var: Ref, weight: Ref | None, bias: Ref | None
) -> Ref:
    channels = shape_of(node, 1)[0]
    if isinstance(channels, Dim):
        raise Declined("the number of channels is symbolic")
    scale = weight or b.constant([1.0] * channels, mean.dtype)
    shift = bias or b.constant([0.0] * channels, mean.dtype)
    return b.op("BatchNormalization", x, scale, shift, mean, var, epsilon=_epsilon(node, x))


@rule("layer_norm")
def _(b: Writer, node: Node, x: Ref, weight: Ref | None, bias: Ref | None) -> Ref:
    scale = weight or b.constant([1.0], x.dtype)
    inputs = [x, scale] if bias is None else [x, scale, bias]
    axis = -len(node.attrs["normalized_shape"])
    return b.op("LayerNormalization", *inputs, axis=axis, epsilon=_epsilon(node, x))


@rule("rms_norm", since=23)
def _(b: Writer, node: Node, x: Ref, weight: Ref | None) -> Ref:
    scale = weight or b.constant([1.0], x.dtype)
    axis = -len(node.attrs["normalized_shape"])
    return b.op("RMSNormalization", x, scale, axis=axis, epsilon=_epsilon(node, x))


# ---------------------------------------------------------------- attention


@rule("scaled_dot_product_attention", since=23, until=24)  # ONNX Runtime has no later kernel
def _(b: Writer, node: Node, query: Ref, key: Ref, value: Ref, mask: Ref | None) -> Ref:
    q, k, v = (shape_of(node, n) for n in range(3))
    if not len(q) == len(k) == len(v) == 4 or not same(q[0], k[0]) or not same(k[0], v[0]):
        raise Declined("Attention takes (batch, heads, length, features)")
    if query.dtype is float64:
        raise Declined("the scale is a float32 in ONNX")
    if not node.attrs["enable_gqa"] and not (same(q[1], k[1]) and same(k[1], v[1])):
        raise Declined("Attention does not broadcast heads")
    if mask is not None:
        shape = shape_of(node, 3)
        mask = expand(b, mask, shape, (*shape[:-2], q[2], k[2]))
    causal = int(node.attrs["is_causal"]) or None
    inputs = [query, key, value] if mask is None else [query, key, value, mask]
    return b.op("Attention", *inputs, scale=node.attrs["scale"], is_causal=causal)
