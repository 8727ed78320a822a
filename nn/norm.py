"""Normalisation layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.errors import ArgumentError, ShapeError
from ..ir.types import DType, float32, int64
from ..tensor import Tensor, ones, zeros
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class _Norm(Module):
    """A module whose result may be scaled by a weight and shifted by a bias."""

    def _register_affine(
        self, shape: int | Sequence[int], weight: bool, bias: bool, new: dict[str, Any]
    ) -> None:
        """Add a weight of ones and a bias of zeros, or keep their names free."""
        self.register_parameter("weight", Parameter(ones(shape, **new)) if weight else None)
        self.register_parameter("bias", Parameter(zeros(shape, **new)) if bias else None)

    def reset_parameters(self) -> None:
        """Start anew."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _BatchNorm(_Norm):
    """Batch normalisation over every dim but the second."""

    dims: tuple[int, ...]  # how many dims the input may have

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        new: dict[str, Any] = {"dtype": dtype or float32, "device": device}
        self._register_affine(num_features, affine, affine and bias, new)
        track = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, **new) if track else None)
        self.register_buffer("running_var", ones(num_features, **new) if track else None)
        count = zeros((), dtype=int64, device=device) if track else None
        self.register_buffer("num_batches_tracked", count)

    def reset_running_stats(self) -> None:
        """Forget all batches."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Start anew."""
        self.reset_running_stats()
        super().reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in self.dims:
            allowed = " or ".join(map(str, self.dims))
            raise ShapeError(
                f"{type(self).__name__} needs an input of {allowed} dims, got {input.shape}"
            )
        momentum = 0.0 if self.momentum is None else self.momentum
        tracking = self.training and self.track_running_stats
        if tracking and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        # In training without tracking, the running statistics are neither read nor written.
        keep = tracking or not self.training
        return F.batch_norm(
            input,
            self.running_mean if keep else None,
            self.running_var if keep else None,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (batch, features) or (batch, features, length).

    Args:
        num_features: Size of the second dim.
        eps: Added to the variance.
        momentum: How much a batch counts in the running statistics; None for a plain average.
        affine: Whether the result is scaled (and shifted) by parameters.
        track_running_stats: Whether running statistics are kept and used in evaluation.
        device: Where the state is to live.
        dtype: Its dtype, by default float32.
        bias: Whether the result is shifted.
    """

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (batch, features, height, width); arguments as for `BatchNorm1d`."""

    dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (batch, features, depth, height, width), as `BatchNorm1d`."""

    dims = (5,)


class LayerNorm(_Norm):
    """Normalises the last dims to mean 0 and variance 1.

    Args:
        normalized_shape: Their sizes.
        eps: Added to the variance.
        elementwise_affine: Whether the result is scaled (and shifted) by parameters.
        bias: Whether it is shifted.
        device: Where the parameters are to live.
        dtype: Their dtype, by default float32.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        new: dict[str, Any] = {"dtype": dtype or float32, "device": device}
        affine = elementwise_affine
        self._register_affine(self.normalized_shape, affine, affine and bias, new)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divides the last dims by their root mean square.

    Args:
        normalized_shape: Their sizes.
        eps: Added to the mean square; None for the dtype's machine epsilon.
        elementwise_affine: Whether the result is scaled by a parameter.
        device: Where the parameter is to live.
        dtype: Its dtype, by default float32.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        scale = ones(self.normalized_shape, dtype=dtype or float32, device=device)
        self.register_parameter("weight", Parameter(scale) if elementwise_affine else None)

    def reset_parameters(self) -> None:
        """Start anew."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(_Norm):
    """Normalises groups of channels of each sample to mean 0 and variance 1.

    Args:
        num_groups: Into how many groups the channels are split.
        num_channels: Size of the second dim.
        eps: Added to the variance.
        affine: Whether each channel is scaled (and shifted) by parameters.
        device: Where the parameters are to live.
        dtype: Their dtype, by default float32.
        bias: Whether each channel is shifted.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ArgumentError(f"{num_channels} channels do not split into {num_groups} groups")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        new: dict[str, Any] = {"dtype": dtype or float32, "device": device}
        self._register_affine(num_channels, affine, affine and bias, new)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


def _shape(sizes: int | Sequence[int]) -> tuple[int, ...]:
    return (sizes,) if isinstance(sizes, int) else tuple(sizes)
