"""Reference functions that NumPy and SciPy do not have in one expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special


def amax(x: Any, axis: Any, keepdims: bool) -> Any:
    return np.max(x, axis=axis, keepdims=keepdims)


def amin(x: Any, axis: Any, keepdims: bool) -> Any:
    return np.min(x, axis=axis, keepdims=keepdims)


def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    return np.clip(x, min, max)


def softmax(x: Any, dim: int) -> Any:
    return special.softmax(x, axis=dim) if x.ndim else np.ones(())


def log_softmax(x: Any, dim: int) -> Any:
    return special.log_softmax(x, axis=dim) if x.ndim else np.zeros(())


def extreme(
    reduce: Callable[..., Any], search: Callable[..., Any], between: Callable[..., Any]
) -> Callable[..., Any]:
    """`max` and `min` as PyTorch has them: of all, along a dim with indices, or of two."""

    def reference(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if dim is None:
            return reduce(x)
        if not isinstance(dim, int):
            return between(x, dim)
        return reduce(x, dim, keepdims=keepdim), search(x, dim, keepdims=keepdim)

    return reference


def sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    x = x.sum(tuple(range(x.ndim - len(shape))))
    return x.sum(tuple(d for d, n in enumerate(shape) if n == 1), keepdims=True)


def layout(write: Callable[..., Any]) -> Callable[..., Any]:
    """A function that writes into its first argument as one that returns a new array."""

    def reference(x: Any, *args: Any, **kwargs: Any) -> Any:
        out = x.copy()
        write(out, *args, **kwargs)
        return out

    return reference


def split(x: Any, sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    if isinstance(sizes, int):
        sizes = [min(sizes, x.shape[dim] - k) for k in range(0, max(x.shape[dim], 1), sizes)]
    return tuple(np.split(x, np.cumsum(sizes)[:-1], dim))


def cat(arrays: Any, dim: int = 0) -> Any:
    return np.concatenate([a for a in arrays if a.shape != (0,)], dim)


def triangle(function: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Any, diagonal: int = 0) -> Any:
        return function(x, diagonal)

    return reference


def index_put(x: Any, values: Any, indices: Any, dims: Any, accumulate: bool = False) -> Any:
    key = tuple(indices[dims.index(d)] if d in dims else slice(None) for d in range(x.ndim))
    out = x.copy()
    if accumulate:
        np.add.at(out, key, values)
    else:
        out[key] = values
    return out


def gather(x: Any, dim: int, index: Any) -> Any:
    part = tuple(slice(None) if d == dim % x.ndim else slice(n) for d, n in enumerate(index.shape))
    return np.take_along_axis(x[part], index, dim)


def scatter(x: Any, dim: int, index: Any, src: Any, add: bool = False) -> Any:
    out = x.copy()
    src = np.broadcast_to(src, index.shape) if np.ndim(src) == 0 else src
    for at in np.ndindex(index.shape):
        to = list(at)
        to[dim] = index[at]
        out[tuple(to)] = (out[tuple(to)] if add else 0) + src[at]
    return out


# ---------------------------------------------------------------- windows


def _tuple(value: Any, n: int) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value)


def _window_positions(counts: tuple[int, ...], kernel: tuple[int, ...]) -> Any:
    return ((at, k) for at in np.ndindex(counts) for k in np.ndindex(kernel))


def conv(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Cross-correlation, element by element of the kernel and the output."""
    n = w.ndim - 2
    stride, dilation, padding = _tuple(stride, n), _tuple(dilation, n), _tuple(padding, n)
    pairs = [p if isinstance(p, tuple) else (p, p) for p in padding]
    x = np.pad(x, [(0, 0), (0, 0), *pairs])
    counts = tuple(
        (x.shape[2 + d] - dilation[d] * (w.shape[2 + d] - 1) - 1) // stride[d] + 1 for d in range(n)
    )
    out = np.zeros((x.shape[0], w.shape[0], *counts))
    outs, ins = w.shape[0] // groups, w.shape[1]
    for at, k in _window_positions(counts, w.shape[2:]):
        source = tuple(a * s + i * d for a, s, i, d in zip(at, stride, k, dilation, strict=True))
        for g in range(groups):
            part = x[(slice(None), slice(g * ins, (g + 1) * ins), *source)]
            kernel = w[(slice(g * outs, (g + 1) * outs), slice(None), *k)]
            out[(slice(None), slice(g * outs, (g + 1) * outs), *at)] += part @ kernel.T
    return out if b is None else out + b.reshape(-1, *[1] * n)


def conv_transpose(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Each input element times the kernel, added up where it lands."""
    n = w.ndim - 2
    stride, padding, dilation = _tuple(stride, n), _tuple(padding, n), _tuple(dilation, n)
    more = _tuple(output_padding, n)
    full = tuple(
        (x.shape[2 + d] - 1) * stride[d] + dilation[d] * (w.shape[2 + d] - 1) + 1 + more[d]
        for d in range(n)
    )
    ins, outs = w.shape[0] // groups, w.shape[1]
    out = np.zeros((x.shape[0], outs * groups, *full))
    for at, k in _window_positions(x.shape[2:], w.shape[2:]):
        to = tuple(a * s + i * d for a, s, i, d in zip(at, stride, k, dilation, strict=True))
        for g in range(groups):
            part = x[(slice(None), slice(g * ins, (g + 1) * ins), *at)]
            kernel = w[(slice(g * ins, (g + 1) * ins), slice(None), *k)]
            out[(slice(None), slice(g * outs, (g + 1) * outs), *to)] += part @ kernel
    cut = tuple(slice(p, size - p) for p, size in zip(padding, full, strict=True))
    out = out[(slice(None), slice(None), *cut)]
    return out if b is None else out + b.reshape(-1, *[1] * n)


def conv_weight_grad(
    x: Any, g: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """By definition: the derivative of the sum of g * conv(x, w) by each element of w."""
    shape = (g.shape[1], x.shape[1] // groups, *kernel)
    out = np.zeros(shape)
    for at in np.ndindex(shape):
        w = np.zeros(shape)
        w[at] = 1
        out[at] = (g * conv(x, w, None, stride, padding, dilation, groups)).sum()
    return out


def pool(x: Any, kernel: Any, reduce: Callable[..., Any], stride: Any, padding: Any) -> Any:
    """`reduce` over each window; what lies outside is NaN."""
    n = x.ndim - 2
    kernel, stride, padding = _tuple(kernel, n), _tuple(stride or kernel, n), _tuple(padding, n)
    x = np.pad(
        x.astype(float), [(0, 0), (0, 0), *((p, p) for p in padding)], constant_values=np.nan
    )
    counts = tuple((x.shape[2 + d] - kernel[d]) // stride[d] + 1 for d in range(n))
    out = np.zeros((*x.shape[:2], *counts))
    for at in np.ndindex(counts):
        window = tuple(slice(a * s, a * s + k) for a, s, k in zip(at, stride, kernel, strict=True))
        out[(..., *at)] = reduce(x[(slice(None), slice(None), *window)], tuple(range(2, 2 + n)))
    return out


def max_pool(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    return pool(x, kernel_size, np.nanmax, stride, padding)


def avg_pool(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, count_include_pad: bool = True
) -> Any:
    def mean(window: Any, axis: Any) -> Any:
        return (
            np.mean(np.nan_to_num(window), axis) if count_include_pad else np.nanmean(window, axis)
        )

    return pool(x, kernel_size, mean, stride, padding)


def max_pool_indices(x: Any, kernel_size: Any, stride: Any = None) -> Any:
    place = np.broadcast_to(np.arange(x[0, 0].size).reshape(x.shape[2:]), x.shape)
    best = max_pool(x, kernel_size, stride)
    n = x.ndim - 2
    kernel, stride = _tuple(kernel_size, n), _tuple(stride or kernel_size, n)
    out = np.zeros(best.shape, np.int64)
    for at in np.ndindex(best.shape):
        window = (
            *at[:2],
            *(slice(a * s, a * s + k) for a, s, k in zip(at[2:], stride, kernel, strict=True)),
        )
        out[at] = place[window].reshape(-1)[np.argmax(x[window])]
    return out


# ---------------------------------------------------------------- norms, losses, attention


def normalized(x: Any, axes: tuple[int, ...], eps: float) -> Any:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def affine(y: Any, weight: Any, bias: Any, shape: tuple[int, ...]) -> Any:
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def layer_norm(x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    axes = tuple(range(-len(shape), 0))
    return affine(normalized(x, axes, eps), weight, bias, tuple(shape))


def rms_norm(x: Any, shape: Any, weight: Any = None, eps: float = 1e-5) -> Any:
    mean = (x * x).mean(tuple(range(-len(shape), 0)), keepdims=True)
    return affine(x / np.sqrt(mean + eps), weight, None, tuple(shape))


def group_norm(x: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    parts = x.reshape(x.shape[0], groups, -1)
    y = normalized(parts, (2,), eps).reshape(x.shape)
    return affine(y, weight, bias, (-1, *[1] * (x.ndim - 2)))


def instance_norm(x: Any, weight: Any = None, bias: Any = None) -> Any:
    return group_norm(x, x.shape[1], weight, bias)


def reduced(losses: Any, reduction: str) -> Any:
    return {"none": losses, "mean": np.mean(losses), "sum": np.sum(losses)}[reduction]


def nll_loss(
    logs: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    weight = np.ones(logs.shape[1]) if weight is None else weight
    kept = target != ignore_index
    at = np.where(kept, target, 0)
    w = np.where(kept, weight[at], 0.0)
    losses = -w * np.take_along_axis(logs, np.expand_dims(at, 1), 1).squeeze(1)
    return losses.sum() / w.sum() if reduction == "mean" else reduced(losses, reduction)


def cross_entropy(
    x: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    logs = special.log_softmax(x, axis=1)
    if target.dtype.kind == "f":
        target = target * (1 - label_smoothing) + label_smoothing / x.shape[1]
        losses = -(target * logs).sum(1)
        return losses.sum() / x.shape[0] if reduction == "mean" else reduced(losses, reduction)
    hard = nll_loss(logs, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return hard
    soft = nll_loss(
        np.repeat(logs.mean(1, keepdims=True), x.shape[1], 1), target, None, ignore_index, reduction
    )
    return (1 - label_smoothing) * hard + label_smoothing * soft


def attention(
    q: Any, k: Any, v: Any, mask: Any = None, dropout: float = 0.0, is_causal: bool = False
) -> Any:
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    if is_causal:
        mask = np.tri(q.shape[-2], k.shape[-2], dtype=bool)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    return special.softmax(scores, axis=-1) @ v
