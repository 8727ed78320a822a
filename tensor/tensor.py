"""The tensor: a NumPy or CuPy array in eager code, a graph value while a function is captured."""

from __future__ import annotations

import builtins
import copy
import numbers
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from ..ir import types
from ..ir.dims import Dim, Size, product
from ..ir.errors import ArgumentError, AutogradError, DTypeError
from ..ir.graph import Value
from ..ir.op import Attrs, Op, current
from ..ir.types import DType, Shape, TensorType
from ..ops.arrays import dtype_of
from ..ops.registry import is_tensor
from .autograd import backward
from .conversion import Conversions
from .device import CPU, Device, creating_on, destination, device, device_of, transfer
from .display import show
from .tape import Edge, GradFn, keep_saved, refresh


def _in_place(function: Any) -> Any:
    """The in-place form of `function`: the result is written into the first argument."""

    def write(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        value = function(self, *args, **kwargs)
        if value._grad_fn is not None:
            keep_saved(value._grad_fn, self)
        return current().write(self, value)

    write.__name__ = f"{getattr(function, '__name__', 'op')}_"
    write.__doc__ = f"`{function.__name__}`, written into this tensor, which is returned."
    return write


def _operator(op: Op) -> Any:
    # A function, not the op itself: Python finds and calls it faster.
    def call(self: Tensor, other: Any) -> Tensor:
        return current().bind(op, (self, other), {})

    return call


def _reflected(op: Op) -> Any:
    def call(self: Tensor, other: Any) -> Tensor:
        return current().bind(op, (other, self), {})

    return call


def _equality(op: Op) -> Any:
    def call(self: Tensor, other: Any) -> Any:
        if (
            is_tensor(other)
            or hasattr(other, "__array__")
            or isinstance(other, Dim | numbers.Number)
        ):
            return current().bind(op, (self, other), {})
        return NotImplemented  # x == None and x == "text" are False, as between other objects

    return call


class Tensor(Conversions):
    """A multi-dimensional array of one dtype that knows how it was computed.

    Made by `vitrify.tensor` and its like, not by calling the class with data. Methods and
    operators are those of PyTorch.

    Attributes:
        grad: The gradient that `backward` has added up; None before.
    """

    __slots__ = (
        "__dict__", "__weakref__", "_data", "_dtype", "_grad_fn", "_index", "_requires_grad",
        "_seen", "_version", "_view", "grad",
    )  # fmt: skip

    # NumPy arrays leave mixed expressions to us, which then say what to do.
    __array_ufunc__ = None

    _data: Any  # numpy.ndarray, cupy.ndarray or ir.Value
    _dtype: DType
    _grad_fn: GradFn | None
    _index: builtins.int  # which of the GradFn's outputs this is
    _requires_grad: builtins.bool
    _version: list[builtins.int]  # [writes, changes of history], shared with all views
    _view: tuple[Tensor, Op, Attrs, builtins.int] | None  # base, how, which output
    _seen: builtins.int  # the change of history that _grad_fn is up to date with
    grad: Tensor | None

    def __init__(self, data: Tensor, requires_grad: bool = False) -> None:
        if not isinstance(data, Tensor):
            raise ArgumentError("Tensor() takes a tensor", instead="vt.tensor(data)")
        self._fill(data._data)
        self._requires_grad = requires_grad

    @classmethod
    def _from_payload(cls, data: Any) -> Tensor:
        """A tensor around an array or a graph value."""
        self = cls.__new__(cls)
        self._fill(data)
        return self

    def _fill(self, data: Any) -> None:
        if type(data) is not np.ndarray:
            if isinstance(data, np.generic):
                data = np.asarray(data)
            self._dtype = data.type.dtype if isinstance(data, Value) else dtype_of(data)
        else:
            self._dtype = dtype_of(data)
        self._data = data
        self._grad_fn = self._view = self.grad = None
        self._index = self._seen = 0
        self._requires_grad = False
        self._version = [0, 0]

    def _alias(self) -> Tensor:
        """The same data and version without history; a write to either is seen by both."""
        out = Tensor._from_payload(self._data)
        out._version = self._version
        return out

    # ------------------------------------------------------------ what it is

    dtype: DType = property(operator.attrgetter("_dtype"), doc="The type of the elements.")  # type: ignore[assignment]

    @property
    def shape(self) -> Shape:
        data = self._data
        return data.type.shape if isinstance(data, Value) else data.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def type(self) -> TensorType:
        """dtype and shape together."""
        data = self._data
        return data.type if isinstance(data, Value) else TensorType(self._dtype, data.shape)

    @property
    def device(self) -> Device:
        return CPU if isinstance(self._data, Value) else device_of(self._data)

    def size(self, dim: builtins.int | None = None) -> Any:
        """The shape, or the size of one dim."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> builtins.int:
        """The number of dims."""
        return self.ndim

    ndimension = dim

    def numel(self) -> Size:
        """The number of elements."""
        return product(self.shape)

    nelement = numel

    @property
    def itemsize(self) -> builtins.int:
        """Bytes per element."""
        return self._dtype.itemsize

    @property
    def nbytes(self) -> Size:
        """Bytes of all elements."""
        return self.numel() * self._dtype.itemsize

    def element_size(self) -> builtins.int:
        """Bytes per element."""
        return self._dtype.itemsize

    @property
    def is_cuda(self) -> builtins.bool:
        """Whether the data lives on a GPU."""
        return self.device.type == "cuda"

    def stride(self, dim: builtins.int | None = None) -> Any:
        """How many elements apart neighbours lie in memory, along each dim or one."""
        steps = tuple(step // self.itemsize for step in self._values(".stride()").strides)
        return steps if dim is None else steps[dim]

    def data_ptr(self) -> builtins.int:
        """The address of the first element."""
        data = self._values(".data_ptr()")
        return data.data.ptr if self.is_cuda else data.__array_interface__["data"][0]

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in order."""
        return isinstance(self._data, Value) or self._data.flags.c_contiguous

    def __len__(self) -> int:
        if not self.ndim:
            raise DTypeError("a 0-d tensor has no length")
        return self.shape[0]  # type: ignore[return-value]

    def __repr__(self) -> str:
        return show(self)

    __hash__ = object.__hash__

    # ------------------------------------------------------------ gradients

    @property
    def requires_grad(self) -> bool:
        """Whether gradients of what is computed from this tensor lead back to it."""
        return self._requires_grad or self._edge() is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Start or stop asking for gradients of a leaf; returns the tensor."""
        if not requires_grad and self._edge() is not None:
            raise AutogradError(
                "only a leaf can stop requiring gradients", instead="y = x.detach()"
            )
        if requires_grad and not self.dtype.is_floating_point:
            raise DTypeError(f"only floating point tensors have gradients, not {self.dtype.name}")
        self._requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made this tensor."""
        return self._edge() is None

    @property
    def grad_fn(self) -> GradFn | None:
        """The recorded op that made this tensor."""
        edge = self._edge()
        return edge[0] if edge else None

    def _edge(self) -> Edge | None:
        """Where a gradient of this tensor goes; None for a leaf."""
        if (
            self._view is not None
            and self._seen != self._version[1]
            and not isinstance(self._data, Value)
        ):
            refresh(self)
        return None if self._grad_fn is None else (self._grad_fn, self._index)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Add this tensor's gradients to `.grad` of the leaves.

        Args:
            gradient: Weights of the elements; may be left out for a single element.
            retain_graph: Accepted as in PyTorch; the tape lives as long as the tensors on it.
            create_graph: Record the gradients too, so that they can be differentiated.
            inputs: Add only to `.grad` of these tensors; they need not be leaves.

        Raises:
            AutogradError: where there is no gradient, or a tensor it needs was written to.
        """
        backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same data without history; a write to either is seen by both."""
        return self._alias() if current().computes else self  # a capture keeps no history

    @property
    def data(self) -> Tensor:
        """The same data without history, and without version checks of writes to it."""
        return Tensor._from_payload(self._data) if current().computes else self

    @data.setter
    def data(self, value: Tensor) -> None:
        current().refuse("an assignment to .data", self, "x = value, or x.copy_(value)")
        self._data, self._dtype = value._data, value._dtype

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._edge() is not None:
            raise AutogradError("only leaves can be copied deeply", instead="x.detach().clone()")
        if isinstance(self._data, Value):
            memo[id(self)] = ops.clone(self)
            return memo[id(self)]
        out = self.__class__.__new__(self.__class__)
        memo[id(self)] = out
        out._fill(self._data.copy())
        out._requires_grad = self._requires_grad
        out.grad = copy.deepcopy(self.grad, memo)
        return out

    # ------------------------------------------------------------ conversion

    def to(self, *args: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
        """This tensor in another dtype, on another device, or like another tensor."""
        dtype, device = destination(args, dtype, device)
        out = self if device is None else self._moved(device)
        return out if dtype is None or dtype is out.dtype else ops.cast(out, dtype)

    def _moved(self, target: str | Device) -> Tensor:
        where = device(target)
        # A program is free of devices: it runs where its inputs are.
        if not current().computes or self.device == where:
            return self
        return transfer(self, where)

    def cpu(self) -> Tensor:
        return self._moved("cpu")

    def cuda(self) -> Tensor:
        return self._moved("cuda")

    def clone(self) -> Tensor:
        """A copy that gradients flow through."""
        return ops.clone(self)

    def contiguous(self) -> Tensor:
        """This tensor with its elements in order in memory."""
        if not current().computes:
            return ops.reshape(self, self.shape)  # may share memory or not, as contiguous() may
        return self if self.is_contiguous() else ops.clone(self)

    def type_as(self, other: Tensor) -> Tensor:
        return self.to(other.dtype)

    def float(self) -> Tensor:
        return self.to(types.float32)

    def double(self) -> Tensor:
        return self.to(types.float64)

    def half(self) -> Tensor:
        return self.to(types.float16)

    def bfloat16(self) -> Tensor:
        return self.to(types.bfloat16)

    def int(self) -> Tensor:
        return self.to(types.int32)

    def long(self) -> Tensor:
        return self.to(types.int64)

    def bool(self) -> Tensor:
        return self.to(types.bool_)

    # ------------------------------------------------------------ operators

    __add__ = _operator(ops.add)
    __radd__ = _reflected(ops.add)
    __sub__ = _operator(ops.sub)
    __rsub__ = _reflected(ops.sub)
    __mul__ = _operator(ops.mul)
    __rmul__ = _reflected(ops.mul)
    __truediv__ = _operator(ops.true_divide)
    __rtruediv__ = _reflected(ops.true_divide)
    __floordiv__ = _operator(ops.floor_divide)
    __rfloordiv__ = _reflected(ops.floor_divide)
    __mod__ = _operator(ops.remainder)
    __rmod__ = _reflected(ops.remainder)
    __pow__ = _operator(ops.pow)
    __rpow__ = _reflected(ops.pow)
    __matmul__ = ops.matmul

    def __rmatmul__(self, other: Any) -> Tensor:
        return ops.matmul(other, self)

    __neg__ = ops.neg
    __abs__ = ops.abs
    __invert__ = ops.bitwise_not
    __and__ = _operator(ops.bitwise_and)
    __rand__ = _reflected(ops.bitwise_and)
    __or__ = _operator(ops.bitwise_or)
    __ror__ = _reflected(ops.bitwise_or)
    __xor__ = _operator(ops.bitwise_xor)
    __rxor__ = _reflected(ops.bitwise_xor)
    __lshift__ = _operator(ops.bitwise_left_shift)
    __rshift__ = _operator(ops.bitwise_right_shift)
    __eq__ = _equality(ops.eq)
    __ne__ = _equality(ops.ne)
    __lt__ = _operator(ops.lt)
    __le__ = _operator(ops.le)
    __gt__ = _operator(ops.gt)
    __ge__ = _operator(ops.ge)
    __getitem__ = ops.getitem
    __setitem__ = ops.setitem
    __iadd__ = add_ = _in_place(ops.add)
    __isub__ = sub_ = _in_place(ops.sub)
    __imul__ = mul_ = _in_place(ops.mul)
    __itruediv__ = div_ = _in_place(ops.div)
    __ifloordiv__ = floor_divide_ = _in_place(ops.floor_divide)
    __imod__ = remainder_ = _in_place(ops.remainder)
    __ipow__ = pow_ = _in_place(ops.pow)
    __iand__ = _in_place(ops.bitwise_and)
    __ior__ = _in_place(ops.bitwise_or)
    __ixor__ = _in_place(ops.bitwise_xor)

    # ------------------------------------------------------------ methods

    abs = ops.abs
    add = ops.add
    addmm = ops.addmm
    all = ops.all
    allclose = ops.allclose
    amax = ops.amax
    amin = ops.amin
    any = ops.any
    argmax = ops.argmax
    argmin = ops.argmin
    bmm = ops.bmm
    ceil = ops.ceil
    chunk = ops.chunk
    clamp = clip = ops.clamp
    cos = ops.cos
    count_nonzero = ops.count_nonzero
    cumsum = ops.cumsum
    div = ops.div
    true_divide = ops.true_divide
    dot = ops.dot
    eq = ops.eq
    equal = ops.equal
    erf = ops.erf
    exp = ops.exp
    expand = ops.expand
    expm1 = ops.expm1
    flatten = ops.flatten
    flip = ops.flip
    floor = ops.floor
    fmod = ops.fmod
    gather = ops.gather
    ge = ops.ge
    gt = ops.gt
    index_select = ops.index_select
    isfinite = ops.isfinite
    isinf = ops.isinf
    isnan = ops.isnan
    le = ops.le
    lerp = ops.lerp
    log = ops.log
    log10 = ops.log10
    log1p = ops.log1p
    log2 = ops.log2
    log_softmax = ops.log_softmax
    logical_and = ops.logical_and
    logical_not = ops.logical_not
    logical_or = ops.logical_or
    logical_xor = ops.logical_xor
    logsumexp = ops.logsumexp
    lt = ops.lt
    masked_fill = ops.masked_fill
    masked_select = ops.masked_select
    matmul = ops.matmul
    max = ops.max
    maximum = ops.maximum
    mean = ops.mean
    min = ops.min
    minimum = ops.minimum
    mm = ops.mm
    movedim = ops.movedim
    mul = ops.mul
    narrow = ops.narrow
    ne = ops.ne
    neg = ops.neg
    nonzero = ops.nonzero
    norm = ops.norm
    outer = ops.outer
    permute = ops.permute
    pow = ops.pow
    prod = ops.prod
    reciprocal = ops.reciprocal
    relu = ops.relu
    remainder = ops.remainder
    repeat = ops.repeat
    repeat_interleave = ops.repeat_interleave
    reshape = ops.reshape
    roll = ops.roll
    round = ops.round
    rsqrt = ops.rsqrt
    scatter = ops.scatter
    scatter_add = ops.scatter_add
    select = ops.select
    sigmoid = ops.sigmoid
    sign = ops.sign
    sin = ops.sin
    softmax = ops.softmax
    split = ops.split
    sqrt = ops.sqrt
    square = ops.square
    squeeze = ops.squeeze
    std = ops.std
    sub = ops.sub
    sum = ops.sum
    t = ops.t
    take_along_dim = ops.take_along_dim
    tan = ops.tan
    tanh = ops.tanh
    tile = ops.tile
    transpose = ops.transpose
    tril = ops.tril
    triu = ops.triu
    trunc = ops.trunc
    unbind = ops.unbind
    unflatten = ops.unflatten
    unsqueeze = ops.unsqueeze
    var = ops.var
    where = ops.where

    abs_ = _in_place(ops.abs)
    clamp_ = _in_place(ops.clamp)
    exp_ = _in_place(ops.exp)
    masked_fill_ = _in_place(ops.masked_fill)
    neg_ = _in_place(ops.neg)
    relu_ = _in_place(ops.relu)
    sqrt_ = _in_place(ops.sqrt)

    def copy_(self, source: Tensor) -> Tensor:
        """Write `source`, broadcast and converted, into this tensor."""
        return current().write(self, source)

    def fill_(self, value: Any) -> Tensor:
        """Write `value` into every element."""
        with creating_on(self._data):
            return current().write(self, ops.full_like(self, value))

    def zero_(self) -> Tensor:
        """Write 0 into every element."""
        return self.fill_(0)

    def view(self, *shape: Any) -> Tensor:
        """The same memory in another shape.

        Raises:
            ArgumentError: where that needs a copy; `reshape` makes one.
        """
        out = ops.reshape(self, *shape)
        if not isinstance(out._data, Value) and out._view is None and out.numel():
            raise ArgumentError(
                f"a tensor with these strides has no view of shape {out.shape}",
                instead="x.reshape(...) or x.contiguous().view(...)",
            )
        return out

    def expand_as(self, other: Tensor) -> Tensor:
        return ops.expand(self, other.shape)

    def view_as(self, other: Tensor) -> Tensor:
        return self.view(other.shape)

    @property
    def T(self) -> Tensor:
        """The dims in reverse order."""
        return ops.permute(self, *reversed(range(self.ndim)))

    @property
    def mT(self) -> Tensor:
        """The last two dims swapped."""
        return ops.transpose(self, -2, -1)

    def new_zeros(self, *size: Any) -> Tensor:
        """Zeros of the given shape, of this dtype and on this device."""
        with creating_on(self._data):
            return ops.zeros(*size, dtype=self.dtype)

    def new_ones(self, *size: Any) -> Tensor:
        """Ones of the given shape, of this dtype and on this device."""
        with creating_on(self._data):
            return ops.ones(*size, dtype=self.dtype)

    def new_full(self, size: Any, fill_value: Any) -> Tensor:
        """A tensor of `fill_value`, of this dtype and on this device."""
        with creating_on(self._data):
            return ops.full(size, fill_value, dtype=self.dtype)
