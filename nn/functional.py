"""What layers compute, as functions with PyTorch's names and signatures; used as `F`."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..ir.errors import ArgumentError, ShapeError
from ..ir.op import current
from ..ir.types import DType, int64
from ..ops import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    batch_norm,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    cosine_similarity,
    cross_entropy,
    gelu,
    group_norm,
    huber_loss,
    instance_norm,
    kl_div,
    l1_loss,
    layer_norm,
    linear,
    logsigmoid,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    mse_loss,
    nll_loss,
    normalize,
    pad,
    rms_norm,
    scaled_dot_product_attention,
    sigmoid,
    smooth_l1_loss,
    softplus,
    tanh,
)
from ..tensor import Tensor, bernoulli

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "elu",
    "embedding",
    "gelu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "huber_loss",
    "instance_norm",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mish",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "relu6",
    "rms_norm",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]

# ---------------------------------------------------------------- activations


def _placed(input: Tensor, out: Tensor, inplace: bool) -> Tensor:
    return current().write(input, out) if inplace else out


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0)"""
    return _placed(input, ops.relu(input), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(input, 0), 6)"""
    return _placed(input, ops.relu6(input), inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """The input where positive, else `negative_slope` times it."""
    return _placed(input, ops.leaky_relu(input, negative_slope), inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """The input where positive, else alpha * (exp(input) - 1)."""
    return _placed(input, ops.elu(input, alpha), inplace)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """input * sigmoid(input)"""
    return _placed(input, ops.silu(input), inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * tanh(softplus(input))"""
    return _placed(input, ops.mish(input), inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """The input moved into the range from `min_val` to `max_val`."""
    return _placed(input, ops.hardtanh(input, min_val, max_val), inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(input + 3, 0), 6) / 6"""
    return _placed(input, ops.hardsigmoid(input), inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * hardsigmoid(input)"""
    return _placed(input, ops.hardswish(input), inplace)


def _chosen_dim(dim: int | None) -> int:
    if dim is None:
        raise ArgumentError("softmax needs the dim that adds up to 1", instead="dim=-1")
    return dim


def softmax(input: Tensor, dim: int | None = None, dtype: DType | None = None) -> Tensor:
    """exp(input) along `dim`, scaled to add up to 1."""
    return ops.softmax(input, _chosen_dim(dim), dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, dtype: DType | None = None) -> Tensor:
    """log(softmax(input)) along `dim`, without overflow."""
    return ops.log_softmax(input, _chosen_dim(dim), dtype=dtype)


# ---------------------------------------------------------------- dropout


def _dropped(input: Tensor, shape: Any, p: float, training: bool, inplace: bool) -> Tensor:
    """The input with random elements of `shape` set to 0 and the others scaled up to make up."""
    if not 0.0 <= p <= 1.0:
        raise ArgumentError(f"the probability p must be from 0 to 1, got {p}")
    if not training or p == 0.0:
        return input
    keep = ops.full(shape, 1.0 - p, dtype=input.dtype)
    mask = bernoulli(keep)
    out = input * (mask * (1.0 / (1.0 - p)) if p < 1.0 else mask)
    return _placed(input, out, inplace)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, each element set to 0 with probability `p`, the others divided by 1 - p.

    Raises:
        CaptureError: in training while a function is captured; call `.eval()` first.
    """
    return _dropped(input, input.shape, p, training, inplace)


def _channel_dropout(input: Tensor, spatial: int, p: float, training: bool, inplace: bool) -> Any:
    if input.ndim not in (spatial + 1, spatial + 2):
        raise ShapeError(f"expected {spatial + 1} or {spatial + 2} dims, got {input.ndim}")
    shape = (*input.shape[:-spatial], *(1,) * spatial)
    return _dropped(input, shape, p, training, inplace)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of (batch, channels, length)."""
    return _channel_dropout(input, 1, p, training, inplace)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of (batch, channels, height, width)."""
    return _channel_dropout(input, 2, p, training, inplace)


# ---------------------------------------------------------------- look-up


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """The rows of `weight` that the integers in `input` name.

    Args:
        input: Integers of any shape.
        weight: (rows, features).
        padding_idx: A row that gets no gradient.
    """
    if padding_idx is not None:
        row = padding_idx % weight.shape[0]
        fixed = ops.unsqueeze(ops.arange(weight.shape[0]) == row, 1)
        weight = ops.where(fixed, weight.detach(), weight)
    return ops.embedding(input, weight)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """For each integer a row of int64 with a 1 in that place.

    Args:
        tensor: Integers, not negative.
        num_classes: Length of the rows; -1 takes the largest integer + 1, which a capture refuses.
    """
    if num_classes == -1:
        current().refuse("one_hot without num_classes", tensor, "F.one_hot(x, num_classes)")
        num_classes = int(ops.amax(tensor).item()) + 1 if tensor.numel() else 0
    return ops.cast(ops.unsqueeze(tensor, -1) == ops.arange(num_classes), int64)
