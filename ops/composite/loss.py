"""Losses and similarities. `reduction` is 'mean', 'sum' or 'none' (one number for each element)."""

from __future__ import annotations

from typing import Any

from ...ir.dims import product, same
from ...ir.errors import ArgumentError, AutogradError, DTypeError
from ...ir.types import TensorType, bool_, int64
from ..create import arange
from ..elementwise import abs, cast, clamp, exp, log, log1p, sqrt, where
from ..index import gather, index
from ..reduce import amax, mean
from ..reduce import sum as sum_
from ..registry import Tensor, composite
from ..rules import (
    broadcast_shapes,
    canonical_dim,
    canonical_dims,
    convert,
    promote,
    require,
    require_float,
)
from ..shape import expand, reshape, shown, squeeze, unsqueeze
from .activation import log_softmax, logsigmoid, softmax


def _check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _reduce(x: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return x
    return mean(x) if reduction == "mean" else sum_(x)


# ---------------------------------------------------------------- classification


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
    _same_shapes(op, (*input.shape[:dim], *input.shape[dim + 1 :]), target.shape)
    _check_weight(op, input, weight)


def _check_weight(op: str, input: Tensor, weight: Tensor | None) -> None:
    if weight is not None:
        _same_shapes(f"the weight of {op}", (input.shape[_class_dim(input.ndim)],), weight.shape)


def _same_shapes(op: str, wanted: Any, given: Any) -> None:
    fits = len(wanted) == len(given) and all(
        same(a, b) or a == b for a, b in zip(wanted, given, strict=True)
    )
    require(fits, f"{op}: expected the shape {shown(wanted)}, got {shown(given)}")


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
    _refuse_old(size_average, reduce)
    _check_reduction(reduction)
    _check_classes("nll_loss", input, target, weight)
    return (input, target, weight), {"ignore_index": int(ignore_index), "reduction": reduction}


def _refuse_old(size_average: Any, reduce: Any) -> None:
    if size_average is not None or reduce is not None:
        raise ArgumentError(
            "size_average and reduce are not supported", instead="reduction='mean' or 'sum'"
        )


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
    return _reduce(losses, reduction)


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
    _refuse_old(size_average, reduce)
    _check_reduction(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"label_smoothing must be from 0 to 1, got {label_smoothing}")
    if target.dtype.is_floating_point:
        require_float("cross_entropy", TensorType(input.dtype, ()))
        _same_shapes("cross_entropy with probabilities as target", input.shape, target.shape)
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
    return _reduce(losses, reduction)


# ---------------------------------------------------------------- regression


def _canonical_pair(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    _refuse_old(size_average, reduce)
    _check_reduction(reduction)
    return tuple(promote(input, target)), {"reduction": reduction}


@composite(canonical=_canonical_pair)
def mse_loss(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    """(input - target) squared."""
    difference = input - target
    return _reduce(difference * difference, reduction)


@composite(canonical=_canonical_pair)
def l1_loss(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    """|input - target|"""
    return _reduce(abs(input - target), reduction)


def _canonical_smooth_l1(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    if beta < 0:
        raise ArgumentError(f"beta must not be negative, got {beta}")
    tensors, attrs = _canonical_pair(input, target, size_average, reduce, reduction)
    return tensors, attrs | {"beta": float(beta)}


@composite(canonical=_canonical_smooth_l1)
def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str, beta: float) -> Tensor:
    """The distance less beta / 2; its square over 2 beta where it is below `beta`."""
    distance = abs(input - target)
    if beta == 0.0:
        return _reduce(distance, reduction)
    near = distance * distance * (0.5 / beta)
    return _reduce(where(distance < beta, near, distance - 0.5 * beta), reduction)


def _canonical_huber(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Any:
    if delta <= 0:
        raise ArgumentError(f"delta must be positive, got {delta}")
    _check_reduction(reduction)
    attrs = {"reduction": reduction, "delta": float(delta)}
    return (*promote(input, target), weight), attrs


@composite(canonical=_canonical_huber)
def huber_loss(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, delta: float
) -> Tensor:
    """Half the squared distance; where that is `delta` or more, delta * (distance - delta / 2)."""
    distance = abs(input - target)
    near, far = 0.5 * distance * distance, delta * (distance - 0.5 * delta)
    losses = where(distance < delta, near, far)
    return _reduce(losses if weight is None else losses * weight, reduction)


# ---------------------------------------------------------------- probabilities


def _canonical_bce(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    _refuse_old(size_average, reduce)
    _check_reduction(reduction)
    require_float("binary_cross_entropy", *(TensorType(t.dtype, ()) for t in (input, target)))
    _same_shapes("binary_cross_entropy", input.shape, target.shape)
    return (input, target, weight), {"reduction": reduction}


def _binary_losses(input: Tensor, target: Tensor) -> Tensor:
    yes, no = clamp(log(input), min=-100.0), clamp(log1p(-input), min=-100.0)
    return (target - 1.0) * no - target * yes


def _vjp_bce(
    g: Tensor, _y: Tensor, input: Tensor, target: Tensor, weight: Tensor | None, reduction: str
) -> Any:
    """Finite at 0 and 1 too, where the logarithms' own gradients are not."""
    if reduction == "mean":
        g = g / convert(product(input.shape), input.dtype)
    weighted = g if weight is None else g * weight
    return (
        lambda: weighted * (input - target) / clamp(input * (1.0 - input), min=1e-12),
        lambda: weighted * (_binary_losses(input, 1.0) - _binary_losses(input, 0.0)),
        None if weight is None else lambda: g * _binary_losses(input, target),
    )


@composite(canonical=_canonical_bce, vjp=_vjp_bce)
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str
) -> Tensor:
    """-(target * log(input) + (1 - target) * log(1 - input)), with logarithms of at least -100."""
    losses = _binary_losses(input, target)
    return _reduce(losses if weight is None else losses * weight, reduction)


def _canonical_bce_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Any:
    tensors, attrs = _canonical_bce(input, target, weight, size_average, reduce, reduction)
    return (*tensors, pos_weight), attrs


@composite(canonical=_canonical_bce_with_logits)
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    pos_weight: Tensor | None,
    reduction: str,
) -> Tensor:
    """`binary_cross_entropy` of the sigmoid of `input`, without overflow.

    `pos_weight` is how much targets of 1 count.
    """
    yes = logsigmoid(input)
    if pos_weight is not None:
        yes = yes * (1.0 + (pos_weight - 1.0) * target)
    losses = (1.0 - target) * input - yes
    return _reduce(losses if weight is None else losses * weight, reduction)


def _canonical_kl_div(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    _refuse_old(size_average, reduce)
    if reduction != "batchmean":
        _check_reduction(reduction)
    attrs = {"reduction": reduction, "log_target": bool(log_target)}
    return tuple(promote(input, target)), attrs


@composite(canonical=_canonical_kl_div)
def kl_div(input: Tensor, target: Tensor, reduction: str, log_target: bool) -> Tensor:
    """target * (log(target) - input), where `input` holds logarithms; 0 where the target is 0.

    'batchmean' is the sum over the size of the first dim.
    """
    if log_target:
        losses = exp(target) * (target - input)
    else:
        zero = target == 0.0
        entropy = where(zero, 0.0, target * log(where(zero, 1.0, target)))
        losses = entropy - target * input
    if reduction == "batchmean":
        return sum_(losses) / convert(input.shape[0], losses.dtype)
    return _reduce(losses, reduction)


# ---------------------------------------------------------------- directions


def _root(x: Tensor, exponent: float) -> Tensor:
    """x ** exponent, whose gradient at 0 is 0 and not infinite."""
    zero = x == 0.0
    filled = where(zero, 1.0, x)
    return where(zero, 0.0, sqrt(filled) if exponent == 0.5 else filled**exponent)


def _canonical_cosine(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Any:
    a, b = promote(x1, x2, to_float=True)
    return (a, b), {"dim": canonical_dim(dim, max(a.ndim, b.ndim)), "eps": float(eps)}


@composite(canonical=_canonical_cosine)
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int, eps: float) -> Tensor:
    """The cosine of the angle between vectors along `dim`; norms count as at least `eps`."""
    shape = broadcast_shapes(x1.shape, x2.shape)
    x1, x2 = expand(x1, shape), expand(x2, shape)
    norms = [clamp(_root(sum_(x * x, dim, True), 0.5), min=eps) for x in (x1, x2)]
    return sum_((x1 / norms[0]) * (x2 / norms[1]), dim)


def _canonical_normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12
) -> Any:
    require_float("normalize", TensorType(input.dtype, ()))
    dims = canonical_dims(dim, input.ndim)
    return (input,), {"p": float(p), "dim": dims, "eps": float(eps)}


@composite(canonical=_canonical_normalize)
def normalize(input: Tensor, p: float, dim: tuple[int, ...], eps: float) -> Tensor:
    """Divided by the p-norm over `dim`, which counts as at least `eps`."""
    size = abs(input)
    if p == 2.0:
        norm = _root(sum_(input * input, dim, True), 0.5)
    elif p == float("inf"):
        norm = amax(size, dim, True)
    elif p == 1.0:
        norm = sum_(size, dim, True)
    else:
        norm = _root(sum_(size**p, dim, True), 1.0 / p)
    return input / clamp(norm, min=eps)
