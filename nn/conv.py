"""Convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.errors import ArgumentError, ShapeError
from ..ir.types import DType, float32
from ..tensor import Tensor, empty
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter

Sizes = int | Sequence[int]


def spread(value: Sizes, ndim: int, name: str) -> tuple[int, ...]:
    """One number for each of `ndim` dims.

    Raises:
        ArgumentError: where `value` has another number of them.
    """
    sizes = (value,) * ndim if isinstance(value, int) else tuple(value)
    if len(sizes) != ndim:
        raise ArgumentError(f"{name} must be an int or {ndim} of them, got {value!r}")
    return sizes


class _Conv(Module):
    """What all convolutions share: options, parameters and their text."""

    ndim: int
    function: Callable[..., Tensor]
    transposed = False

    def _setup(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Sizes | str,
        dilation: Sizes,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: DType | None,
    ) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        if isinstance(padding, str) and padding not in ("valid", "same"):
            raise ArgumentError(f"padding must be sizes, 'valid' or 'same', got {padding!r}")
        modes = ("zeros",) if self.transposed else ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            raise ArgumentError(
                f"padding_mode must be {' or '.join(map(repr, modes))}, got {padding_mode!r}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = spread(kernel_size, self.ndim, "kernel_size")
        self.stride = spread(stride, self.ndim, "stride")
        self.padding = (
            padding if isinstance(padding, str) else spread(padding, self.ndim, "padding")
        )
        self.dilation = spread(dilation, self.ndim, "dilation")
        self.groups = groups
        self.padding_mode = padding_mode
        if self.padding == "same" and any(s != 1 for s in self.stride):
            raise ArgumentError("padding='same' needs stride 1")
        first, second = (
            (in_channels, out_channels // groups)
            if self.transposed
            else (out_channels, in_channels // groups)
        )
        dtype = dtype or float32
        self.weight = Parameter(empty(first, second, *self.kernel_size, dtype=dtype, device=device))
        self.register_parameter(
            "bias", Parameter(empty(out_channels, dtype=dtype, device=device)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.default_(self.weight, self.bias)

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}"]
        parts += [f"kernel_size={self.kernel_size}", f"stride={self.stride}"]
        none = (0,) * self.ndim
        if self.padding != none:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self.ndim:
            parts.append(f"dilation={self.dilation}")
        if getattr(self, "output_padding", none) != none:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Forward(_Conv):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self._setup(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def _margins(self) -> list[int]:
        """The padding as `F.pad` takes it: pairs, last dim first."""
        margins: list[int] = []
        for k in reversed(range(self.ndim)):
            if self.padding == "same":  # an odd one goes to the end
                both = self.dilation[k] * (self.kernel_size[k] - 1)
                margins += [both // 2, both - both // 2]
            else:
                each = 0 if isinstance(self.padding, str) else self.padding[k]
                margins += [each, each]
        return margins

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._margins(), mode=self.padding_mode), 0
        return self.function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv1d(_Forward):
    """Convolution (cross-correlation) of (batch, in_channels, length), or of one sample.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Size of the window.
        stride: Step of the window.
        padding: How much is added at both ends; `"same"` keeps the size, `"valid"` adds none.
        dilation: Distance between the window's elements.
        groups: Into how many independent parts the channels are split.
        bias: Whether something is added to each output channel.
        padding_mode: `"zeros"`, `"reflect"`, `"replicate"` or `"circular"`.
        device: Where the parameters are to live.
        dtype: Their dtype, by default float32.
    """

    ndim = 1
    function = staticmethod(F.conv1d)


class Conv2d(_Forward):
    """Convolution of (batch, in_channels, height, width); arguments as for `Conv1d`."""

    ndim = 2
    function = staticmethod(F.conv2d)


class Conv3d(_Forward):
    """Convolution of (batch, in_channels, depth, height, width); arguments as for `Conv1d`."""

    ndim = 3
    function = staticmethod(F.conv3d)


class _Transposed(_Conv):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        if isinstance(padding, str):
            raise ArgumentError("a transposed convolution's padding must be sizes")
        self.output_padding = spread(output_padding, self.ndim, "output_padding")
        self._setup(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def _output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """What to add at the end of each dim, so that the output has the size asked for."""
        if output_size is None:
            return self.output_padding
        spatial = input.shape[-self.ndim :]
        wanted = tuple(output_size)[-self.ndim :]
        assert not isinstance(self.padding, str)
        extra = []
        for k in range(self.ndim):
            least = (spatial[k] - 1) * self.stride[k] - 2 * self.padding[k]
            least += self.dilation[k] * (self.kernel_size[k] - 1) + 1
            added = wanted[k] - least
            if not 0 <= added < max(self.stride[k], self.dilation[k]):
                raise ShapeError(f"output_size {wanted} cannot be made from {spatial}")
            extra.append(added)
        return tuple(extra)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self.function(
            input, self.weight, self.bias, self.stride, self.padding,
            self._output_padding(input, output_size), self.groups, self.dilation,
        )  # fmt: skip


class ConvTranspose1d(_Transposed):
    """The transpose of a `Conv1d` as a linear map, often used to make signals larger.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Size of the window.
        stride: Step of the window over the output.
        padding: How much is cut off at both ends of the output.
        output_padding: How much is added at the end of the output.
        groups: Into how many independent parts the channels are split.
        bias: Whether something is added to each output channel.
        dilation: Distance between the window's elements.
        padding_mode: Only `"zeros"`.
        device: Where the parameters are to live.
        dtype: Their dtype, by default float32.
    """

    ndim = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_Transposed):
    """The transpose of a `Conv2d`; arguments as for `ConvTranspose1d`."""

    ndim = 2
    function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_Transposed):
    """The transpose of a `Conv3d`; arguments as for `ConvTranspose1d`."""

    ndim = 3
    function = staticmethod(F.conv_transpose3d)
