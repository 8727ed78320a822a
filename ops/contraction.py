"""Einstein's summation, by way of permutes, reshapes and batched matrix products."""

from __future__ import annotations

from typing import Any

from ..ir.dims import Size, product, same
from ..ir.errors import ArgumentError
from .linalg import matmul
from .reduce import sum
from .registry import Tensor
from .rules import broadcast_shapes, require
from .shape import expand, permute, reshape
from .slice import slice_

Labels = tuple[str, ...]


def einsum(equation: str, *operands: Any) -> Tensor:
    """Products of the operands' elements, summed over the labels that the result does not have.

    Args:
        equation: One letter for each dim of each operand, and of the result: `"bij,bjk->bik"`.
            `...` stands for dims that broadcast; a label twice in one operand for its diagonal.
            Without `->` the result has the labels that occur once, in alphabetical order.
        operands: The tensors, or one list of them.

    Raises:
        ArgumentError: where the equation is not one, or does not fit the operands.
        ShapeError: where the sizes of a label differ.
    """
    if len(operands) == 1 and isinstance(operands[0], tuple | list):
        operands = tuple(operands[0])
    inputs, output = _parsed(equation, operands)
    terms = [_single(x, labels) for x, labels in zip(operands, inputs, strict=True)]
    x, labels = terms[0]
    for k, (other, theirs) in enumerate(terms[1:], 1):
        wanted = {*output, *(label for _, names in terms[k + 1 :] for label in names)}
        x, labels = _contract(x, labels, other, theirs, wanted)
    x, labels = _summed(x, labels, set(output))
    return permute(x, [labels.index(label) for label in output])


def _parsed(equation: str, operands: tuple[Any, ...]) -> tuple[list[Labels], Labels]:
    """The labels of each operand and of the result; dims of `...` are labelled by numbers."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(operands):
        raise ArgumentError(f"{equation!r} is for {len(parts)} operands, got {len(operands)}")
    spans = [
        x.ndim - len(part.replace("...", "")) if "..." in part else 0
        for part, x in zip(parts, operands, strict=True)
    ]
    inputs = [_labels(part, n, equation) for part, n in zip(parts, spans, strict=True)]
    for x, labels in zip(operands, inputs, strict=True):
        if len(labels) != x.ndim:
            raise ArgumentError(f"{equation!r} does not fit an operand of {x.ndim} dims")
    span = max(spans)
    every = [label for labels in inputs for label in labels]
    if arrow:
        output = _labels(right, span if "..." in right else 0, equation)
    else:
        once = sorted(c for c in set(every) if c.isalpha() and every.count(c) == 1)
        output = (*_labels("...", span, equation), *once)
    if len(set(output)) != len(output) or not set(output) <= set(every):
        raise ArgumentError(f"{equation!r}: a label of the result occurs twice, or in no operand")
    return inputs, output


def _labels(part: str, span: int, equation: str) -> Labels:
    before, dots, after = part.partition("...")
    if span < 0 or not (before + after + "a").isalpha():
        raise ArgumentError(f"{equation!r} is no equation for these operands")
    ellipsis = [str(k) for k in reversed(range(span))] if dots else []
    return (*before, *ellipsis, *after)


def _single(x: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
    """The operand with each label once: repeated ones are reduced to their diagonal."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            rest = [k for k in range(x.ndim) if k not in (i, j)]
            x = permute(x, [*rest, i, j])
            n, m = x.shape[-2:]
            require(same(n, m) or n == m, f"einsum: {label!r} has the sizes {n} and {m}")
            flat = reshape(x, (*x.shape[:-2], n * n))
            # The diagonal is every (n + 1)-th element; a size that is not known has no such step.
            x = slice_(flat, -1, 0, None, n + 1)
            labels = (*(labels[k] for k in rest), label)
    return x, labels


def _summed(x: Tensor, labels: Labels, wanted: set[str]) -> tuple[Tensor, Labels]:
    dims = [k for k, label in enumerate(labels) if label not in wanted]
    return (sum(x, dims) if dims else x), tuple(c for c in labels if c in wanted)


def _contract(
    x: Tensor, mine: Labels, y: Tensor, theirs: Labels, wanted: set[str]
) -> tuple[Tensor, Labels]:
    """The product of two operands, summed over what is in both and wanted no more."""
    x, mine = _summed(x, mine, wanted | set(theirs))
    y, theirs = _summed(y, theirs, wanted | set(mine))
    both = [c for c in mine if c in theirs]
    shape = dict(zip(mine, x.shape, strict=True)) | dict(zip(theirs, y.shape, strict=True))
    for c in both:
        sizes = x.shape[mine.index(c)], y.shape[theirs.index(c)]
        (shape[c],) = broadcast_shapes(*((size,) for size in sizes))
    batch = [c for c in both if c in wanted]
    inner = [c for c in both if c not in wanted]
    rows = [c for c in mine if c not in both]
    columns = [c for c in theirs if c not in both]

    def grouped(t: Tensor, labels: Labels, groups: tuple[list[str], ...]) -> Tensor:
        order = [c for group in groups for c in group]
        t = expand(permute(t, [labels.index(c) for c in order]), [shape[c] for c in order])
        return reshape(t, [_count(shape, group) for group in groups])

    result = matmul(
        grouped(x, mine, (batch, rows, inner)), grouped(y, theirs, (batch, inner, columns))
    )
    labels = (*batch, *rows, *columns)
    return reshape(result, [shape[c] for c in labels]), labels


def _count(shape: dict[str, Size], labels: list[str]) -> Size:
    return product([shape[c] for c in labels])
