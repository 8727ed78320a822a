"""First values of parameters; every function writes into the tensor that it is given.

Random values come from the default generator, so `vitrify.manual_seed` makes them repeatable.
"""

from __future__ import annotations

import math
from typing import Any

from ..ir.errors import ArgumentError
from ..ops import eye
from ..tensor import Tensor, no_grad, rand, randn

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """How much to scale weights before a nonlinearity, so that variance is kept.

    Args:
        nonlinearity: Its name, as `"relu"`.
        param: The negative slope of `"leaky_relu"`, by default 0.01.

    Raises:
        ArgumentError: for an unknown name.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ArgumentError(
            f"no gain is known for {nonlinearity!r}",
            instead=f"one of {', '.join([*_GAINS, 'leaky_relu'])}",
        )
    return _GAINS[nonlinearity]


def calculate_fan(tensor: Tensor) -> tuple[int, int]:
    """How many inputs and outputs each element of a weight's result has: (fan_in, fan_out).

    Raises:
        ArgumentError: for a tensor of fewer than 2 dims.
    """
    if tensor.ndim < 2:
        raise ArgumentError(f"fan needs a tensor of at least 2 dims, got shape {tensor.shape}")
    out, inner, *kernel = (int(size) for size in tensor.shape)
    return inner * math.prod(kernel), out * math.prod(kernel)


def _write(tensor: Tensor, value: Any) -> Tensor:
    with no_grad():
        return tensor.copy_(value) if isinstance(value, Tensor) else tensor.fill_(value)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Uniform between `a` and `b`."""
    drawn = rand(*tensor.shape, dtype=tensor.dtype, device=tensor.device)
    return _write(tensor, drawn * (b - a) + a)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Normal, of the given mean and standard deviation."""
    drawn = randn(*tensor.shape, dtype=tensor.dtype, device=tensor.device)
    return _write(tensor, drawn * std + mean)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element `val`."""
    return _write(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Every element 0."""
    return _write(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Every element 1."""
    return _write(tensor, 1)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix.

    Raises:
        ArgumentError: for a tensor that is no matrix.
    """
    if tensor.ndim != 2:
        raise ArgumentError(f"eye_ needs a matrix, got shape {tensor.shape}")
    return _write(tensor, eye(*tensor.shape, dtype=tensor.dtype).to(device=tensor.device))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Uniform, with variance 2 / (fan_in + fan_out) for gain 1 (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6.0 / sum(calculate_fan(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Normal, with variance 2 / (fan_in + fan_out) for gain 1 (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(calculate_fan(tensor))))


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan = calculate_fan(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Uniform, with a variance that a rectifier keeps (He et al., 2015).

    Args:
        tensor: The weight to write to.
        a: The rectifier's negative slope.
        mode: `"fan_in"` keeps variance forward, `"fan_out"` backward.
        nonlinearity: Name for `calculate_gain`.
    """
    if 0 in tensor.shape:
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Normal, with a variance that a rectifier keeps; arguments as for `kaiming_uniform_`."""
    if 0 in tensor.shape:
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def default_(weight: Tensor, bias: Tensor | None) -> None:
    """What linear and convolution layers start from: uniform within 1 / sqrt(fan_in)."""
    kaiming_uniform_(weight, a=math.sqrt(5))
    fan_in = calculate_fan(weight)[0]
    if bias is not None and fan_in:
        bound = 1 / math.sqrt(fan_in)
        uniform_(bias, -bound, bound)
