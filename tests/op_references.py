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


EXTRA: tuple[Any, ...] = ()
