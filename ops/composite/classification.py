"""Losses over classes, which a target names by index or gives the probabilities of."""

from __future__ import annotations

from typing import Any

from ...ir.dims import product
from ...ir.errors import ArgumentError, AutogradError, DTypeError
from ...ir.types import TensorType, bool_, int64
from ..create import arange
from ..elementwise import cast, where
from ..index import gather, index
from ..reduce import sum as sum_
from ..registry import Tensor, composite
from ..rules import convert, require, require_float
from ..shape import reshape, squeeze, unsqueeze
from .activation import log_softmax, softmax
from .loss import check_reduction, check_shapes, reduced


def _class_dim(ndim: int) -> int:
    return 0 if ndim == 1 else 1


def _check_classes(op: str, input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Shapes and dtypes of a loss over class indices: input (N, C, ...), target (N, ...)."""
    require_float(op, TensorType(input.dtype, ()))
    require(input.ndim >= 1, f"{op} needs an input of at least one dim")
    dim = _class_dim(input.ndim)
    if target.dtype.is_floating_point or target.dtype is bool_:
        raise DTypeError(
            f"{op} needs integer class indices as target, got {target.dtype.name}",
            instead="target.long(), or probabilities of the input's shape",
        )
    check_shapes(op, (*input.shape[:dim], *input.shape[dim + 1 :]), target.shape)
    _check_weight(op, input, weight)


def _check_weight(op: str, input: Tensor, weight: Tensor | None) -> None:
    if weight is not None:
        check_shapes(f"the weight of {op}", (input.shape[_class_dim(input.ndim)],), weight.shape)


def _along_classes(vector: Tensor, ndim: int) -> Tensor:
    """A number for each class, so that it broadcasts over an input of `ndim` dims."""
    return vector if ndim <= 1 else reshape(vector, (vector.shape[0], *(1,) * (ndim - 2)))


def _chosen(
    target: Tensor, weight: Tensor | None, ignore_index: int, dtype: Any, classes: Any
) -> tuple[Tensor, Tensor]:
    """Indices to look up, and the weight of each element, 0 where it is ignored."""
    counts = target != ignore_index
    # A negative index would count from the end: one beyond the end is an error, as it should be.
    at = where(target < 0, classes, target)
    at = cast(where(counts, at, 0), int64)
    if weight is None:
        return at, cast(counts, dtype)
    return at, where(counts, index(weight, [at], (0,)), 0.0)


def _canonical_nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    check_reduction(reduction, size_average, reduce)
    _check_classes("nll_loss", input, target, weight)
    return (input, target, weight), {"ignore_index": int(ignore_index), "reduction": reduction}


@composite(canonical=_canonical_nll_loss)
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Tensor:
    """The negative of the log-probability in `input` of each element's class.

    Args:
        input: (batch, classes, ...) or (classes,): log-probabilities.
        target: (batch, ...) or (): class indices.
        weight: (classes,): how much each class counts.
        ignore_index: A target that counts nothing.
        reduction: The mean is over the weights of the targets.
    """
    dim = _class_dim(input.ndim)
    at, weights = _chosen(target, weight, ignore_index, input.dtype, input.shape[dim])
    losses = -squeeze(gather(input, dim, unsqueeze(at, dim)), dim) * weights
    if reduction == "mean":
        return sum_(losses) / sum_(weights)
    return reduced(losses, reduction)


def _canonical_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    check_reduction(reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"label_smoothing must be from 0 to 1, got {label_smoothing}")
    if target.dtype.is_floating_point:
        require_float("cross_entropy", TensorType(input.dtype, ()))
        check_shapes("cross_entropy with probabilities as target", input.shape, target.shape)
        _check_weight("cross_entropy", input, weight)
    else:
        _check_classes("cross_entropy", input, target, weight)
    return (input, target, weight), {
        "ignore_index": int(ignore_index),
        "reduction": reduction,
        "label_smoothing": float(label_smoothing),
    }


def _infer_cross_entropy(
    input: TensorType, target: TensorType, weight: TensorType | None, **attrs: Any
) -> TensorType:
    if attrs["reduction"] != "none":
        return TensorType(input.dtype, ())
    dim = _class_dim(input.ndim)
    return TensorType(input.dtype, (*input.shape[:dim], *input.shape[dim + 1 :]))


def _distribution(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, smoothing: float
) -> tuple[Tensor, Tensor | None]:
    """What the log-probabilities are weighted by, in the input's shape, and what 'mean' divides by.

    The latter is None for probabilities as target, where it is the number of elements.
    """
    dim, ndim = _class_dim(input.ndim), input.ndim
    classes = input.shape[dim]
    vector = None if weight is None else _along_classes(weight, ndim)
    if target.dtype.is_floating_point:
        q, divisor = convert(target, input.dtype), None
        if smoothing:
            q = q * (1.0 - smoothing) + smoothing / convert(classes, q.dtype)
        return (q if vector is None else q * vector), divisor
    at, weights = _chosen(target, weight, ignore_index, input.dtype, classes)
    column = _along_classes(arange(classes), ndim)
    hit = unsqueeze(at, dim) == column
    q = where(hit, unsqueeze(weights, dim), 0.0)
    if smoothing:
        rest = cast(unsqueeze(target != ignore_index, dim), input.dtype)
        rest = rest if vector is None else rest * vector
        q = q * (1.0 - smoothing) + rest * (smoothing / convert(classes, q.dtype))
    return q, sum_(weights)


def _count(input: Tensor) -> Tensor:
    """How many elements there are to classify."""
    sizes = [n for k, n in enumerate(input.shape) if k != _class_dim(input.ndim)]
    return convert(product(sizes), input.dtype)


def _vjp_cross_entropy(
    g: Tensor,
    _y: Tensor,
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Any:
    dim = _class_dim(input.ndim)
    q, divisor = _distribution(input, target, weight, ignore_index, label_smoothing)
    if reduction == "mean":
        g = g / (_count(input) if divisor is None else divisor)
    elif reduction == "none":
        g = unsqueeze(g, dim)

    def of_input() -> Tensor:
        return (softmax(input, dim) * sum_(q, dim, True) - q) * g

    def of_target() -> Tensor:
        each = log_softmax(input, dim) * (g * (label_smoothing - 1.0))
        return each if weight is None else each * _along_classes(weight, input.ndim)

    def of_weight() -> Tensor:
        raise AutogradError("cross_entropy has no gradient for its weight")

    return of_input, of_target if target.dtype.is_floating_point else None, of_weight


@composite(canonical=_canonical_cross_entropy, infer=_infer_cross_entropy, vjp=_vjp_cross_entropy)
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    """The cross entropy between the softmax of `input` over the classes and `target`.

    Args:
        input: (batch, classes, ...) or (classes,), not normalized.
        target: Class indices (batch, ...) or (), or probabilities in the input's shape.
        weight: (classes,): how much each class counts.
        ignore_index: A class index that counts nothing.
        reduction: The mean is over the weights of the class indices, or over all elements.
        label_smoothing: How much of the target is spread evenly over all classes.

    Raises:
        ShapeError, DTypeError, ArgumentError: where these do not fit together.
    """
    logs = log_softmax(input, _class_dim(input.ndim))
    if not target.dtype.is_floating_point and not label_smoothing:
        return nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    q, divisor = _distribution(input, target, weight, ignore_index, label_smoothing)
    losses = -sum_(where(q == 0.0, 0.0, q * logs), _class_dim(input.ndim))
    if reduction == "mean":
        return sum_(losses) / (_count(input) if divisor is None else divisor)
    return reduced(losses, reduction)
