"""Padding with a constant."""

from __future__ import annotations

from typing import Any

from ..ir.dims import Size
from ..ir.errors import ArgumentError
from ..ir.types import TensorType
from .composite.arithmetic import clamp
from .create import arange
from .index import index
from .registry import Tensor, primitive
from .rules import is_size, require
from .slice import slice_

Widths = tuple[tuple[Size, Size], ...]


def _infer_pad(x: TensorType, widths: Widths, value: float) -> TensorType:
    sizes = tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
    return TensorType(x.dtype, sizes)


def _eager_pad(xp: Any, x: Any, widths: Widths, value: float) -> Any:
    shape = tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
    out = xp.full(shape, value, x.dtype)
    out[tuple(slice(a, a + n) for n, (a, _) in zip(x.shape, widths, strict=True))] = x
    return out


def _vjp_pad(g: Tensor, _y: Tensor, _x: Tensor, widths: Widths, value: float) -> Any:
    for dim, (size, (before, _)) in enumerate(zip(_x.shape, widths, strict=True)):
        g = slice_(g, dim, before, before + size)
    return (g,)


@primitive(infer=_infer_pad, eager=_eager_pad, vjp=_vjp_pad)
def constant_pad(input: Tensor, widths: Any, value: bool | int | float = 0) -> Any:
    """The input with `value` around it: `widths` holds (before, after) for each dim."""
    pairs = tuple((a, b) for a, b in widths)
    require(len(pairs) == input.ndim, f"{len(pairs)} widths for a tensor of {input.ndim} dims")
    return (input,), {"widths": pairs, "value": value}


def pad(
    input: Tensor, pad: Any, mode: str = "constant", value: bool | int | float | None = None
) -> Tensor:
    """The input with elements added around it (or cut off where a width is negative).

    Args:
        input: Any tensor.
        pad: (before, after) of the last dim, then of the one before it, and so on, in one list.
        mode: 'constant'; 'reflect', which repeats the elements next to the border backwards;
            'replicate', which repeats those at the border; or 'circular'.
        value: What 'constant' adds, 0 by default.

    Raises:
        ArgumentError: for another mode, or widths that do not come in pairs.
        ShapeError: where a border is wider than the input has elements to repeat.
    """
    widths = tuple(pad)
    if len(widths) % 2 or len(widths) > 2 * input.ndim or not all(map(is_size, widths)):
        raise ArgumentError(f"pad must be pairs of ints for the last dims, got {pad!r}")
    pairs = [(0, 0)] * (input.ndim - len(widths) // 2)
    pairs += list(zip(widths[-2::-2], widths[-1::-2], strict=True))
    for dim, (before, after) in enumerate(pairs):
        size, cut = input.shape[dim], [0 if n >= 0 else -n for n in (before, after)]
        if any(cut):
            input = slice_(input, dim, cut[0], size - cut[1])
    pairs = [tuple(n if n >= 0 else 0 for n in pair) for pair in pairs]
    if mode == "constant":
        return constant_pad(input, pairs, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise ArgumentError(f"mode must be constant, reflect, replicate or circular, not {mode!r}")
    for dim, (before, after) in enumerate(pairs):
        if before or after:
            input = _repeat(input, dim, before, after, mode)
    return input


def _repeat(input: Tensor, dim: int, before: Size, after: Size, mode: str) -> Tensor:
    size = input.shape[dim]
    if mode != "replicate":
        most = size - 1 if mode == "reflect" else size
        require(
            before <= most and after <= most,
            f"{mode} padding by ({before}, {after}) needs more than the {size} elements there",
        )
    at = arange(size + before + after) - before
    if mode == "replicate":
        at = clamp(at, 0, size - 1)
    elif mode == "circular":
        at = at % size
    else:
        at = (size - 1) - ((size - 1) - at.abs()).abs()
    return index(input, [at], (dim,))
