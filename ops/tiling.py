"""Elements repeated and rolled: short for views, copies and joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.dims import same
from ..ir.errors import ArgumentError
from .join import cat
from .registry import Tensor
from .rules import canonical_dim, canonical_ints, canonical_shape, require
from .shape import expand, reshape, unsqueeze
from .slice import slice_


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """The tensor laid out `repeats` times along each dim; new dims come in front."""
    counts = canonical_shape(repeats, "repeats")
    lead = len(counts) - input.ndim
    require(lead >= 0, f"{len(counts)} repeats for a tensor of {input.ndim} dims")
    sizes = (*[1] * lead, *input.shape)
    paired = reshape(input, [s for size in sizes for s in (1, size)])
    paired = expand(paired, [s for pair in zip(counts, sizes, strict=True) for s in pair])
    return reshape(paired, [n * size for n, size in zip(counts, sizes, strict=True)])


def tile(input: Tensor, *dims: Any) -> Tensor:
    """As `repeat`; missing counts in front are 1."""
    counts = canonical_shape(dims, "dims")
    return repeat(input, *[1] * (input.ndim - len(counts)), *counts)


def repeat_interleave(input: Tensor, repeats: int, dim: int | None = None) -> Tensor:
    """Each element `repeats` times in a row, along `dim` or of all of them, flattened."""
    if dim is None:
        return repeat_interleave(reshape(input, -1), repeats, 0)
    d = canonical_dim(dim, input.ndim)
    (count,) = canonical_shape((repeats,), "repeats")
    before, after = input.shape[: d + 1], input.shape[d + 1 :]
    spread = expand(unsqueeze(input, d + 1), (*before, count, *after))
    return reshape(spread, (*input.shape[:d], input.shape[d] * count, *after))


def roll(
    input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None
) -> Tensor:
    """The elements moved by `shifts` along `dims`; those that leave come in at the other end."""
    if dims is None:
        return reshape(roll(reshape(input, -1), shifts, 0), input.shape)
    by, along = canonical_ints((shifts,), "shifts"), canonical_ints((dims,), "dims")
    if len(by) != len(along):
        raise ArgumentError(f"roll needs a shift for each dim, got {shifts} and {dims}")
    for shift, dim in zip(by, along, strict=True):
        d = canonical_dim(dim, input.ndim)
        if not same(input.shape[d], 0):
            cut = -shift % input.shape[d]
            input = cat([slice_(input, d, cut), slice_(input, d, 0, cut)], d)
    return input
