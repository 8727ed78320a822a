"""The tensor: a NumPy or CuPy array in eager code, a graph value while a function is captured."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import ops
from ..ir.dims import Size, product
from ..ir.errors import ArgumentError, AutogradError, DTypeError
from ..ir.graph import Value
from ..ir.op import Attrs, Op, current
from ..ir.types import DType, Shape, TensorType
from ..ir import types
from ..ops.arrays import dtype_of
from . import autograd
from .device import CPU, Device, device, device_of, transfer
from .display import show


def _in_place(function: Any) -> Any:
    """The in-place form of `function`: the result is written into the first argument."""

    def write(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return current().write(self, function(self, *args, **kwargs))

    write.__name__ = f"{getattr(function, '__name__', 'op')}_"
    write.__doc__ = f"`{function.__name__}`, written into this tensor, which is returned."
    return write


def _reflected(op: Op) -> Any:
    def call(self: Tensor, other: Any) -> Tensor:
        return op(other, self)

    return call


class Tensor:
    """A multi-dimensional array of one dtype that knows how it was computed.

    Made by `vitrify.tensor` and its like, not by calling the class with data. Methods and
    operators are those of PyTorch.

    Attributes:
        grad: The gradient that `backward` has added up; None before.
    """

    __slots__ = (
        "__weakref__", "_data", "_grad_fn", "_index", "_requires_grad", "_seen", "_version",
        "_view", "grad",
    )  # fmt: skip

    # NumPy arrays leave mixed expressions to us, which then say what to do.
    __array_ufunc__ = None

    _data: Any  # numpy.ndarray, cupy.ndarray or ir.Value
    _grad_fn: autograd.GradFn | None
    _index: int  # which of the GradFn's outputs this is
    _version: list[int]  # [writes, changes of history], shared with all views of the same memory
    _view: tuple[Tensor, Op, Attrs, int] | None  # the base, how, which output
    _seen: int  # the change of history that _grad_fn is up to date with
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
        if isinstance(data, np.generic):
            data = np.asarray(data)
        self._data = data
        self._grad_fn = None
        self._index = 0
        self._requires_grad = False
        self._version = [0, 0]
        self._view = None
        self._seen = 0
        self.grad = None

    # ------------------------------------------------------------ what it is

    @property
    def dtype(self) -> DType:
        data = self._data
        return data.type.dtype if isinstance(data, Value) else dtype_of(data)

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
        return data.type if isinstance(data, Value) else TensorType(dtype_of(data), data.shape)

    @property
    def device(self) -> Device:
        return CPU if isinstance(self._data, Value) else device_of(self._data)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dim."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """The number of dims."""
        return self.ndim

    def numel(self) -> Size:
        """The number of elements."""
        return product(self.shape)

    def element_size(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

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
    def grad_fn(self) -> autograd.GradFn | None:
        """The recorded op that made this tensor."""
        edge = self._edge()
        return edge[0] if edge else None

    def _edge(self) -> autograd.Edge | None:
        """Where a gradient of this tensor goes; None for a leaf."""
        if self._view is not None and self._seen != self._version[1]:
            self._refresh()
        return None if self._grad_fn is None else (self._grad_fn, self._index)

    def _refresh(self) -> None:
        """Read the history again from the base, which a write through a view has changed."""
        assert self._view is not None
        base, op, attrs, output = self._view
        result = op.apply((base,), attrs)
        fresh: Tensor = result[output] if op.many else result
        self._grad_fn, self._index, self._seen = fresh._grad_fn, fresh._index, self._version[1]

    def _rebase(self, value: Tensor) -> None:
        """Take over the history of `value`, about to be written here; so does what this views."""
        if self._view is not None:
            self._edge()
            base, op, attrs, output = self._view
            assert op.view is not None
            extra = {"output": output} if op.many else {}
            base._rebase(op.view(base, value, **extra, **attrs))
            return
        if value._edge() is None and value.requires_grad:
            value = ops.reshape(value, value.shape)  # a leaf needs an op to lead back to it
        edge = value._edge()
        self._grad_fn, self._index = edge if edge else (None, 0)
        self._version[1] += 1

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add this tensor's gradients to `.grad` of the leaves; see `vitrify.autograd.backward`."""
        autograd.backward(self, gradient, retain_graph, create_graph)

    def detach(self) -> Tensor:
        """The same data without history; a write to either is seen by both."""
        out = Tensor._from_payload(self._data)
        out._version = self._version
        return out

    @property
    def data(self) -> Tensor:
        """The same data without history, and without version checks of writes to it."""
        return Tensor._from_payload(self._data)

    @data.setter
    def data(self, value: Tensor) -> None:
        self._data = value._data

    # ------------------------------------------------------------ to Python and other libraries

    def _values(self, what: str, instead: str = "") -> Any:
        """The array, for a use of its values outside the graph; a capture refuses that."""
        current().refuse(what, self, instead)
        return self._data

    def item(self) -> bool | int | float:
        """The only element, as a Python number."""
        data = self._values(".item()", "keep it a tensor: its value is not known during capture")
        if data.size != 1:
            raise ArgumentError(f"item() needs a single element, this has shape {self.shape}")
        return data.item() if data.dtype.kind != "V" else float(data.reshape(())[()])

    def tolist(self) -> Any:
        """The elements as nested Python lists."""
        return self._values(".tolist()").tolist()

    def numpy(self) -> np.ndarray:
        """The NumPy array, sharing memory.

        Raises:
            AutogradError: for a tensor that requires gradients; use `detach().numpy()`.
        """
        data = self._values(".numpy()", "write it with vitrify's own functions")
        if self.requires_grad:
            raise AutogradError(
                "numpy() of a tensor that requires gradients would lose them",
                instead="x.detach().numpy()",
            )
        if self.device != CPU:
            raise ArgumentError(f"numpy() of a tensor on {self.device}", instead="x.cpu().numpy()")
        return data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._values("DLPack").__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._values("DLPack").__dlpack_device__()

    @property
    def __cuda_array_interface__(self) -> Any:
        return self._values("the CUDA array interface").__cuda_array_interface__

    def __bool__(self) -> bool:
        data = self._values("bool(tensor)", "vt.where(condition, a, b)  # instead of an if")
        if data.size != 1:
            raise ArgumentError(
                f"the truth of a tensor of shape {self.shape} is ambiguous",
                instead="(x > 0).all() or (x > 0).any()",
            )
        return builtins.bool(data.item())

    def __float__(self) -> float:
        return float(self._values("float(tensor)", "keep it a tensor").item())

    def __int__(self) -> int:
        return builtins.int(self._values("int(tensor)", "keep it a tensor").item())

    def __index__(self) -> int:
        data = self._values("a tensor as a Python index", "vt.index_select, or x[tensor]")
        if data.dtype.kind not in "iu" or data.size != 1:
            raise DTypeError("only a single integer can be an index")
        return builtins.int(data.item())

    def __iter__(self) -> Iterator[Tensor]:
        return iter(ops.unbind(self))

    def __contains__(self, value: Any) -> bool:
        return builtins.bool((self == value).any())

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._edge() is not None:
            raise AutogradError("only leaves can be copied deeply", instead="x.detach().clone()")
        out = self.__class__.__new__(self.__class__)
        memo[id(self)] = out
        out._fill(self._data.copy())
        out._requires_grad = self._requires_grad
        return out

    # ------------------------------------------------------------ conversion

    def to(self, *args: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
        """This tensor in another dtype, on another device, or like another tensor."""
        for arg in args:
            if isinstance(arg, DType):
                dtype = arg
            elif isinstance(arg, Tensor):
                dtype, device = arg.dtype, arg.device
            elif isinstance(arg, str | Device):
                device = arg
            else:
                raise ArgumentError(f"to() takes a dtype, a device or a tensor, not {arg!r}")
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

    __add__ = ops.add
    __radd__ = _reflected(ops.add)
    __sub__ = ops.sub
    __rsub__ = _reflected(ops.sub)
    __mul__ = ops.mul
    __rmul__ = _reflected(ops.mul)
    __truediv__ = ops.div
    __rtruediv__ = _reflected(ops.div)
    __floordiv__ = ops.floor_divide
    __rfloordiv__ = _reflected(ops.floor_divide)
    __mod__ = ops.remainder
    __rmod__ = _reflected(ops.remainder)
    __pow__ = ops.pow
    __rpow__ = _reflected(ops.pow)
    __matmul__ = ops.matmul
    __neg__ = ops.neg
    __abs__ = ops.abs
    __invert__ = ops.bitwise_not
    __and__ = ops.bitwise_and
    __rand__ = _reflected(ops.bitwise_and)
    __or__ = ops.bitwise_or
    __ror__ = _reflected(ops.bitwise_or)
    __xor__ = ops.bitwise_xor
    __rxor__ = _reflected(ops.bitwise_xor)
    __lshift__ = ops.bitwise_left_shift
    __rshift__ = ops.bitwise_right_shift
    __eq__ = ops.eq
    __ne__ = ops.ne
    __lt__ = ops.lt
    __le__ = ops.le
    __gt__ = ops.gt
    __ge__ = ops.ge
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
    all = ops.all
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
    div = true_divide = ops.div
    dot = ops.dot
    eq = ops.eq
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
    matmul = ops.matmul
    maximum = ops.maximum
    mean = ops.mean
    minimum = ops.minimum
    mm = ops.mm
    movedim = ops.movedim
    mul = ops.mul
    narrow = ops.narrow
    ne = ops.ne
    neg = ops.neg
    nonzero = ops.nonzero
    outer = ops.outer
    permute = ops.permute
    pow = ops.pow
    prod = ops.prod
    reciprocal = ops.reciprocal
    relu = ops.relu
    remainder = ops.remainder
    reshape = ops.reshape
    round = ops.round
    rsqrt = ops.rsqrt
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
    tanh = ops.tanh
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

    def t(self) -> Tensor:
        """A matrix with its two dims swapped."""
        return ops.transpose(self, 0, 1) if self.ndim == 2 else self

    @property
    def T(self) -> Tensor:
        """The dims in reverse order."""
        return ops.permute(self, *reversed(range(self.ndim)))

    @property
    def mT(self) -> Tensor:
        """The last two dims swapped."""
        return ops.transpose(self, -2, -1)

    def new_zeros(self, *size: Any) -> Tensor:
        return ops.zeros(*size, dtype=self.dtype)

    def new_ones(self, *size: Any) -> Tensor:
        return ops.ones(*size, dtype=self.dtype)

    def new_full(self, size: Any, fill_value: Any) -> Tensor:
        return ops.full(size, fill_value, dtype=self.dtype)
