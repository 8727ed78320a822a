"""Eager tensors: NumPy or CuPy arrays with PyTorch's interface and define-by-run gradients."""

from .autograd import backward, grad
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
from .grad_mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .tensor import Tensor

__all__ = [
    "as_tensor",
    "backward",
    "bernoulli",
    "CPU",
    "Device",
    "device",
    "eager",
    "empty",
    "enable_grad",
    "from_dlpack",
    "from_numpy",
    "full",
    "Generator",
    "grad",
    "is_grad_enabled",
    "manual_seed",
    "no_grad",
    "ones",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "set_grad_enabled",
    "Tensor",
    "tensor",
    "zeros",
]
