"""Normalization: to a mean of 0 and a variance of 1 over some dims, then scaled and shifted."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.dims import Size, product, same
from ...ir.errors import ArgumentError, ShapeError
from ...ir.op import current
from ...ir.types import Shape, TensorType
from ..arrays import quiet, wide
from ..elementwise import rsqrt
from ..reduce import mean, var
from ..reduce import sum as sum_
from ..registry import Tensor, composite
from ..rules import canonical_shape, convert, require, require_float, shown
from ..shape import reshape


def _float_input(op: str, input: Any) -> None:
    require_float(op, TensorType(input.dtype, ()))


def _check_vectors(op: str, channels: Size, *vectors: Any) -> None:
    for v in vectors:
        if v is not None:
            fits = v.ndim == 1 and (same(v.shape[0], channels) or bool(v.shape[0] == channels))
            require(fits, f"{op}: {shown(v.shape)} does not fit {channels} channels")


# ---------------------------------------------------------------- batch norm


def _canonical_batch_norm(
    input: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Any:
    _float_input("batch_norm", input)
    require(input.ndim >= 2, f"batch_norm needs (batch, channels, ...), got {shown(input.shape)}")
    _check_vectors("batch_norm", input.shape[1], mean, var, weight, bias)
    return (input, mean, var, weight, bias), {"eps": float(eps)}


def _per_channel(v: Tensor, ndim: int) -> Tensor:
    """A vector of one number for each channel, so that it broadcasts."""
    return reshape(v, (v.shape[0], *(1,) * (ndim - 2)))


def _eager_batch_norm(
    xp: Any, x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: float
) -> Any:
    mean, scale = wide(mean), 1 / xp.sqrt(wide(var) + var.dtype.type(eps))
    if weight is not None:
        scale = scale * wide(weight)
    shift = -mean * scale if bias is None else wide(bias) - mean * scale
    ones = (1,) * (x.ndim - 2)
    out = wide(x) * scale.reshape(-1, *ones)
    out += shift.reshape(-1, *ones)
    return out.astype(x.dtype, copy=False)


def _vjp_batch_norm(
    g: Tensor,
    _y: Tensor,
    x: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None,
    _bias: Tensor | None,
    eps: float,
) -> Any:
    dims, n = (0, *range(2, x.ndim)), x.ndim
    deviation = rsqrt(var + eps)
    scale = deviation if weight is None else deviation * weight

    def correlation() -> Tensor:
        return sum_(g * (x - _per_channel(mean, n)), dims)

    return (
        lambda: g * _per_channel(scale, n),
        lambda: -scale * sum_(g, dims),
        lambda: -0.5 * scale * deviation * deviation * correlation(),
        None if weight is None else lambda: deviation * correlation(),
        None if _bias is None else lambda: sum_(g, dims),
    )


@composite(
    canonical=_canonical_batch_norm,
    infer=lambda x, *stats, eps: x,
    eager=quiet(_eager_batch_norm),
    vjp=_vjp_batch_norm,
    name="batch_norm",
)
def normalize_by(
    input: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """Each channel less its `mean`, over the root of its `var` + eps, scaled and shifted."""
    n = input.ndim
    scale = rsqrt(var + eps)
    if weight is not None:
        scale = scale * weight
    out = (input - _per_channel(mean, n)) * _per_channel(scale, n)
    return out if bias is None else out + _per_channel(bias, n)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel normalized, by its running statistics or, in training, by those of the batch.

    Args:
        input: (batch, channels, ...), floating point.
        running_mean: (channels,); in training it is moved towards the batch's by `momentum`.
        running_var: (channels,), in the same way, by the variance with Bessel's correction.
        weight: (channels,), what the result is multiplied by.
        bias: (channels,), what is added then.
        training: Whether to use the statistics of the batch.
        momentum: Weight of the batch in the new running statistics.
        eps: Added to the variance.

    Raises:
        ArgumentError: without running statistics outside of training.
        ShapeError: in training, where there is only one element for each channel.
    """
    if not training:
        if running_mean is None or running_var is None:
            raise ArgumentError("batch_norm needs running statistics unless training=True")
        return normalize_by(input, running_mean, running_var, weight, bias, eps)
    dims = (0, *range(2, input.ndim))
    count = product(input.shape[d] for d in dims)
    if not count > 1:
        raise ShapeError(
            f"batch_norm in training needs more than one element for each channel, "
            f"got an input of {shown(input.shape)}"
        )
    centre = mean(input, dims)
    spread = var(input, dims, correction=0)
    if running_mean is not None:
        new = centre.detach()
        current().write(running_mean, running_mean * (1.0 - momentum) + new * momentum)
    if running_var is not None:
        new = spread.detach()
        unbiased = new * (convert(count, new.dtype) / convert(count - 1, new.dtype))
        current().write(running_var, running_var * (1.0 - momentum) + unbiased * momentum)
    return normalize_by(input, centre, spread, weight, bias, eps)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample normalized by its own statistics, or by the running ones.

    Args:
        input: (batch, channels, ...), floating point.
        running_mean: (channels,); with `use_input_stats` it is moved towards the samples' mean.
        running_var: (channels,), in the same way.
        weight: (channels,), what the result is multiplied by.
        bias: (channels,), what is added then.
        use_input_stats: Whether to use the statistics of the samples.
        momentum: Weight of the samples in the new running statistics.
        eps: Added to the variance.
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    dims = tuple(range(2, input.ndim))
    if not product(input.shape[2:]) > 1:
        raise ShapeError(f"instance_norm needs more than one element, got {shown(input.shape)}")
    if running_mean is not None:
        new = mean(input.detach(), (0, *dims))
        current().write(running_mean, running_mean * (1.0 - momentum) + new * momentum)
    if running_var is not None:
        new = mean(var(input.detach(), dims), 0)
        current().write(running_var, running_var * (1.0 - momentum) + new * momentum)
    return group_norm(input, input.shape[1], weight, bias, eps)


# ---------------------------------------------------------------- layer norm


def _canonical_layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Any:
    _float_input("layer_norm", input)
    return _canonical_last_dims("layer_norm", input, normalized_shape, weight, bias, eps)


def _canonical_last_dims(
    op: str, input: Tensor, shape: Any, weight: Any, bias: Any, eps: float
) -> Any:
    sizes = canonical_shape((shape,) if not isinstance(shape, tuple | list) else (tuple(shape),))
    fits = 0 < len(sizes) <= input.ndim and _fit(input.shape[-len(sizes) :], sizes)
    require(fits, f"{op}: the last dims of {shown(input.shape)} are not {shown(sizes)}")
    for v in (weight, bias):
        if v is not None and not _fit(v.shape, sizes):
            raise ShapeError(f"{op}: {shown(v.shape)} does not fit {shown(sizes)}")
    return (input, weight, bias), {"normalized_shape": sizes, "eps": eps}


def _fit(a: Shape, b: Shape) -> bool:
    return len(a) == len(b) and all(same(m, n) or m == n for m, n in zip(a, b, strict=True))


def _last(shape: Shape) -> tuple[int, ...]:
    return tuple(range(-len(shape), 0))


def _eager_layer_norm(
    xp: Any, x: Any, weight: Any, bias: Any, normalized_shape: Shape, eps: float
) -> Any:
    rows = wide(x).reshape(-1, product(normalized_shape))
    out = rows - xp.mean(rows, axis=1, keepdims=True)
    squares = xp.einsum("ij,ij->i", out, out)[:, None]  # one pass, no array of squares
    out *= 1 / xp.sqrt(squares / rows.shape[1] + out.dtype.type(eps))
    out = out.reshape(x.shape)
    if weight is not None:
        out *= weight
    if bias is not None:
        out += bias
    return out.astype(x.dtype, copy=False)


def _vjp_layer_norm(
    g: Tensor,
    _y: Tensor,
    x: Tensor,
    weight: Tensor | None,
    _bias: Tensor | None,
    normalized_shape: Shape,
    eps: float,
) -> Any:
    dims = _last(normalized_shape)
    centred = x - mean(x, dims, True)
    deviation = rsqrt(mean(centred * centred, dims, True) + eps)
    normal = centred * deviation

    def of_input() -> Tensor:
        h = g if weight is None else g * weight
        return deviation * (h - mean(h, dims, True) - normal * mean(h * normal, dims, True))

    return of_input, None if weight is None else lambda: g * normal, g


@composite(
    canonical=_canonical_layer_norm,
    infer=lambda x, weight, bias, normalized_shape, eps: x,
    eager=quiet(_eager_layer_norm),
    vjp=_vjp_layer_norm,
)
def layer_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    normalized_shape: Shape,
    eps: float,
) -> Tensor:
    """Normalized over the last dims, whose sizes are `normalized_shape`; scaled and shifted."""
    dims = _last(normalized_shape)
    centred = input - mean(input, dims, True)
    out = centred * rsqrt(mean(centred * centred, dims, True) + eps)
    if weight is not None:
        out = out * weight
    return out if bias is None else out + bias


# ---------------------------------------------------------------- root mean square norm


def _canonical_rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Any:
    _float_input("rms_norm", input)
    if eps is None:
        eps = 2.0**-7 if input.dtype.name == "bfloat16" else float(np.finfo(input.dtype.name).eps)
    (x, w, _), attrs = _canonical_last_dims("rms_norm", input, normalized_shape, weight, None, eps)
    return (x, w), attrs


def _eager_rms_norm(xp: Any, x: Any, weight: Any, normalized_shape: Shape, eps: float) -> Any:
    rows = wide(x).reshape(-1, product(normalized_shape))
    squares = xp.einsum("ij,ij->i", rows, rows)[:, None]
    out = rows * (1 / xp.sqrt(squares / rows.shape[1] + rows.dtype.type(eps)))
    out = out.reshape(x.shape)
    if weight is not None:
        out *= weight
    return out.astype(x.dtype, copy=False)


@composite(
    canonical=_canonical_rms_norm,
    infer=lambda x, weight, normalized_shape, eps: x,
    eager=quiet(_eager_rms_norm),
)
def rms_norm(input: Tensor, weight: Tensor | None, normalized_shape: Shape, eps: float) -> Tensor:
    """Over the root of the mean square over the last dims, of sizes `normalized_shape`; scaled."""
    out = input * rsqrt(mean(input * input, _last(normalized_shape), True) + eps)
    return out if weight is None else out * weight


# ---------------------------------------------------------------- group norm


def _canonical_group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Any:
    _float_input("group_norm", input)
    require(input.ndim >= 2, f"group_norm needs (batch, channels, ...), got {shown(input.shape)}")
    channels = input.shape[1]
    require(bool(channels % num_groups == 0), f"{channels} channels do not split into {num_groups}")
    _check_vectors("group_norm", channels, weight, bias)
    return (input, weight, bias), {"num_groups": num_groups, "eps": float(eps)}


@composite(canonical=_canonical_group_norm, infer=lambda x, weight, bias, num_groups, eps: x)
def group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, num_groups: int, eps: float
) -> Tensor:
    """Normalized over each of `num_groups` groups of channels; channels scaled and shifted."""
    n = input.ndim
    each = product(input.shape[1:]) // num_groups
    rows = reshape(input, (input.shape[0], num_groups, each))
    out = reshape(layer_norm(rows, (each,), None, None, eps), input.shape)
    if weight is not None:
        out = out * _per_channel(weight, n)
    return out if bias is None else out + _per_channel(bias, n)
