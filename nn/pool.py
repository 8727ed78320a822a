"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..tensor import Tensor
from . import functional as F
from .module import Module

Sizes = int | Sequence[int]


class _MaxPool(Module):
    function: Callable[..., Any]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        return self.function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window of (batch, channels, length).

    Args:
        kernel_size: Size of the window.
        stride: Step of the window, by default its size.
        padding: How far windows reach over both ends; nothing there is ever the largest.
        dilation: Distance between the window's elements.
        return_indices: Whether the places of the largest elements are returned too.
        ceil_mode: Whether a last window may reach over the end.
    """

    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest of each window of (batch, channels, height, width), as `MaxPool1d`."""

    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest of each window of (batch, channels, depth, height, width), as `MaxPool1d`."""

    function = staticmethod(F.max_pool3d)


class _AvgPool(Module):
    function: Callable[..., Any]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return self.function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """The mean of each window of (batch, channels, length).

    Args:
        kernel_size: Size of the window.
        stride: Step of the window, by default its size.
        padding: How many zeros are added at both ends.
        ceil_mode: Whether a last window may reach over the end.
        count_include_pad: Whether the added zeros count in the mean.
    """

    function = staticmethod(F.avg_pool1d)


class AvgPool2d(_AvgPool):
    """The mean of each window of (batch, channels, height, width), as `AvgPool1d`."""

    function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window of (batch, channels, depth, height, width), as `AvgPool1d`."""

    function = staticmethod(F.avg_pool3d)


class _AdaptivePool(Module):
    function: Callable[..., Any]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """The means of as many windows as make an output of size `output_size`."""

    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptivePool):
    """The means of windows that make an output of size `output_size`: a number, or (height, width).

    None stands for the input's own size.
    """

    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveMaxPool1d(_AdaptivePool):
    """The largest elements of as many windows as make an output of size `output_size`."""

    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptivePool):
    """The largest elements of windows that make an output of size `output_size`."""

    function = staticmethod(F.adaptive_max_pool2d)
