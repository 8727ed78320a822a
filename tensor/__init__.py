"""Eager tensors: NumPy or CuPy arrays with PyTorch's interface and define-by-run gradients."""

from .autograd import (
    backward,
    enable_grad,
    grad,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from .device import CPU, Device, device
from .eager import eager
from .factory import (
    Generator,
    as_tensor,
    bernoulli,
    empty,
    from_dlpack,
    from_numpy,
    full,
    manual_seed,
    ones,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    tensor,
    zeros,
)
from .tensor import Tensor

__all__ = [name for name in dir() if not name.startswith("_")]
