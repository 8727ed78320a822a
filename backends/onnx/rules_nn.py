"""Activations, matrix products, convolutions, pools, norms and attention, kept whole."""

from __future__ import annotations

from ...ir.dims import Dim, product, same
from ...ir.graph import Node
from ...ir.types import float64, int64
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
    if not same(node.attrs["beta"], 1) or node.attrs["threshold"] < 20:
        raise Declined("Softplus has beta = 1 and, above 20, no other values than its input")
    return b.op("Softplus", x)


@rule("logsigmoid")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return b.op("Neg", b.op("Softplus", b.op("Neg", x)))


@rule("clamp")
def _(b: Writer, node: Node, x: Ref, low: Ref | None, high: Ref | None) -> Ref:
    if any(v is not None and v.type.ndim for v in node.inputs[1:]):
        raise Declined("Clip takes 0-d bounds")
    return b.op("Clip", x, low, *([] if high is None else [high]))


# ---------------------------------------------------------------- products


@rule("linear")
def _(b: Writer, node: Node, x: Ref, weight: Ref, bias: Ref | None) -> Ref:
    if len(shape_of(node)) != 2 or not x.dtype.is_floating_point:
        raise Declined("Gemm takes matrices of floats")
    inputs = [x, weight] if bias is None else [x, weight, bias]
    return b.op("Gemm", *inputs, transB=1)


# ---------------------------------------------------------------- convolutions


def _pads(pairs: tuple[tuple[int, int], ...]) -> list[int] | None:
    """All paddings before, then all after; None where there is none."""
    pads = [a for a, _ in pairs] + [z for _, z in pairs]
    return pads if any(pads) else None


def _unless_ones(values: tuple[int, ...]) -> list[int] | None:
    return list(values) if any(v != 1 for v in values) else None


@rule("conv")
def _(b: Writer, node: Node, x: Ref, weight: Ref, bias: Ref | None) -> Ref:
    attrs = node.attrs
    return b.op(
        "Conv",
        *([x, weight] if bias is None else [x, weight, bias]),
        kernel_shape=list(shape_of(node, 1)[2:]),
        strides=_unless_ones(attrs["stride"]),
        pads=_pads(attrs["padding"]),
        dilations=_unless_ones(attrs["dilation"]),
        group=attrs["groups"] if attrs["groups"] != 1 else None,
    )


@rule("conv_transpose")
def _(b: Writer, node: Node, x: Ref, weight: Ref, bias: Ref | None) -> Ref:
    attrs = node.attrs
    extra = attrs["output_padding"]
    if any(isinstance(size, Dim) for size in extra):
        raise Declined("the output's size depends on a symbolic size")
    return b.op(
        "ConvTranspose",
        *([x, weight] if bias is None else [x, weight, bias]),
        kernel_shape=list(shape_of(node, 1)[2:]),
        strides=_unless_ones(attrs["stride"]),
        pads=_pads(attrs["padding"]),
        output_padding=list(extra) if any(extra) else None,
        dilations=_unless_ones(attrs["dilation"]),
        group=attrs["groups"] if attrs["groups"] != 1 else None,
    )


# ---------------------------------------------------------------- pools


def _pool_attrs(node: Node) -> dict[str, list[int] | None]:
    """Windows, with what ceil_mode lets them reach over the end as padding after it."""
    attrs, sizes = node.attrs, shape_of(node)[2:]
    dilation = attrs.get("dilation", (1,) * len(sizes))
    pairs = [(p, p) for p in attrs["padding"]]
    if attrs["ceil_mode"]:
        counts = node.output.type.shape[2:]
        if any(isinstance(n, Dim) for n in (*sizes, *counts)):
            raise Declined("ceil_mode", "use ceil_mode=False")
        axes = zip(sizes, counts, attrs["kernel_size"], attrs["stride"], dilation, strict=True)
        pairs = [
            (p, max(p, (c - 1) * s + d * (k - 1) + 1 - n - p))
            for p, (n, c, k, s, d) in zip(attrs["padding"], axes, strict=True)
        ]
    return {
        "kernel_shape": list(attrs["kernel_size"]),
        "strides": _unless_ones(attrs["stride"]),
        "pads": _pads(tuple(pairs)),
        "dilations": _unless_ones(dilation),
    }


@rule("max_pool")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    if x.dtype.is_integer and 8 < x.dtype.bits <= 32:
        return b.cast(b.op("MaxPool", b.cast(x, float64), **_pool_attrs(node)), x.dtype)
    return b.op("MaxPool", x, **_pool_attrs(node))


@rule("max_pool_indices")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    """ONNX counts the indices through all dims, we within each plane of spatial dims."""
    if not x.dtype.is_floating_point:
        raise Declined("MaxPool gives no indices for integers")
    _, indices = b.node("MaxPool", [b.widen(x)], 2, dict(_pool_attrs(node)))
    plane = b.sizes.one(product(shape_of(node)[2:]))
    return b.op("Mod", Ref(indices, int64), plane)


@rule("avg_pool")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    if node.attrs["ceil_mode"]:
        raise Declined("what ceil_mode adds must not count as padding")
    include = node.attrs["count_include_pad"] and any(node.attrs["padding"])
    attrs = _pool_attrs(node)
    return b.op("AveragePool", x, **attrs, count_include_pad=1 if include else None)


# ---------------------------------------------------------------- norms


@rule("batch_norm")
def _(
    b: Writer, node: Node, x: Ref, mean: Ref, var: Ref, weight: Ref | None, bias: Ref | None
) -> Ref:
    channels = shape_of(node, 1)[0]
    if isinstance(channels, Dim):
        raise Declined("the number of channels is symbolic")
    scale = weight or b.constant([1.0] * channels, mean.dtype)
    shift = bias or b.constant([0.0] * channels, mean.dtype)
    return b.op("BatchNormalization", x, scale, shift, mean, var, epsilon=node.attrs["eps"])


@rule("layer_norm")
def _(b: Writer, node: Node, x: Ref, weight: Ref | None, bias: Ref | None) -> Ref:
    scale = weight or b.constant([1.0], x.dtype)
    inputs = [x, scale] if bias is None else [x, scale, bias]
    axis = -len(node.attrs["normalized_shape"])
    return b.op("LayerNormalization", *inputs, axis=axis, epsilon=node.attrs["eps"])


@rule("rms_norm", since=23)
def _(b: Writer, node: Node, x: Ref, weight: Ref | None) -> Ref:
    scale = weight or b.constant([1.0], x.dtype)
    axis = -len(node.attrs["normalized_shape"])
    return b.op("RMSNormalization", x, scale, axis=axis, epsilon=node.attrs["eps"])


# ---------------------------------------------------------------- attention


@rule("scaled_dot_product_attention", since=23, until=24)  # ONNX Runtime has no later kernel
def _(b: Writer, node: Node, query: Ref, key: Ref, value: Ref, mask: Ref | None) -> Ref:
    q, k, v = (shape_of(node, n) for n in range(3))
    if not len(q) == len(k) == len(v) == 4 or not same(q[0], k[0]) or not same(k[0], v[0]):
        raise Declined("Attention takes (batch, heads, length, features)")
    if not node.attrs["enable_gqa"] and not (same(q[1], k[1]) and same(k[1], v[1])):
        raise Declined("Attention does not broadcast heads")
    if mask is not None:
        shape = shape_of(node, 3)
        if len(shape) < 2:
            raise Declined("the mask of Attention has two dims or more")
        mask = expand(b, mask, shape, (*shape[:-2], q[2], k[2]))
    causal = int(node.attrs["is_causal"]) or None
    inputs = [query, key, value] if mask is None else [query, key, value, mask]
    return b.op("Attention", *inputs, scale=node.attrs["scale"], is_causal=causal)
