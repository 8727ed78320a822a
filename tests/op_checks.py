"""What the table of op samples is made of, and how a sample is drawn, run and compared."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import vitrify as vt
from vitrify.ir.graph import Value
from vitrify.ir.op import Op, current, interpreting
from vitrify.ops.arrays import numpy_dtype

FLOAT = (vt.float16, vt.bfloat16, vt.float32, vt.float64)
INT = (vt.uint8, vt.int8, vt.int32, vt.int64)
BOOL = (vt.bool,)
NUMERIC = FLOAT + INT
ANY = NUMERIC + BOOL

TOLERANCE = {vt.float16: 4e-3, vt.bfloat16: 3e-2, vt.float32: 1e-5, vt.float64: 1e-11}


@dataclass(frozen=True)
class T:
    """A tensor argument: its shape, and where its elements come from.

    Attributes:
        shape: The shape.
        low, high: The range of the random elements.
        dtype: Its dtype where it is not the one that the test asks for (indices, masks).
        values: The elements, where they are not random; `shape` then follows from them.
        grad: Whether gradients of it are checked.
    """

    shape: tuple[int, ...] = ()
    low: float = -3.0
    high: float = 3.0
    dtype: vt.DType | None = None
    values: Any = None
    grad: bool = True

    def draw(self, dtype: vt.DType, random: np.random.Generator) -> np.ndarray:
        """An array of `dtype`, or of the tensor's own."""
        dtype = self.dtype or dtype
        kind = dtype.kind
        if self.values is not None:
            array = np.asarray(self.values)
        elif kind == "bool":
            array = random.random(self.shape) < 0.5
        elif kind == "float":
            array = random.uniform(self.low, self.high, self.shape)
        else:
            low = max(int(np.ceil(self.low)), 0) if kind == "uint" else int(np.ceil(self.low))
            array = random.integers(low, int(np.floor(self.high)) + 1, self.shape)
        return np.asarray(array).astype(numpy_dtype(dtype))


def const(*values: Any, **options: Any) -> T:
    """A tensor of one dim with the given elements; its gradient is not checked."""
    return T(values=values, grad=False, **options)


def ids(*values: Any) -> T:
    """A tensor of integer indices, as the nested lists say."""
    return T(values=values[0] if len(values) == 1 else values, dtype=vt.int64, grad=False)


def mask(*shape: int) -> T:
    """A random tensor of bools."""
    return T(shape, dtype=vt.bool, grad=False)


class Call:
    """One call: `T`s stand for tensors, alone or in a list, everything else for itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs

    def tensors(self) -> Iterator[T]:
        for arg in (*self.args, *self.kwargs.values()):
            yield from (a for a in (arg if isinstance(arg, list) else [arg]) if isinstance(a, T))

    def arrays(self, dtype: vt.DType) -> list[np.ndarray]:
        """The arrays of its tensors, always the same ones."""
        random = np.random.default_rng(zlib.crc32(repr(self).encode()))
        return [t.draw(dtype, random) for t in self.tensors()]

    def apply(self, function: Callable[..., Any], tensors: Sequence[Any]) -> Any:
        """`function` called with `tensors` in the places of the `T`s."""
        rest = iter(tensors)

        def fill(arg: Any) -> Any:
            if isinstance(arg, list) and any(isinstance(a, T) for a in arg):
                return [fill(a) for a in arg]
            return next(rest) if isinstance(arg, T) else arg

        args = [fill(a) for a in self.args]
        return function(*args, **{k: fill(a) for k, a in self.kwargs.items()})

    def dynamic(self) -> list[int]:
        """Which of its tensors may have a dim 0 of any size, the same for all of them."""
        drawn = [
            (k, t.shape[0]) for k, t in enumerate(self.tensors()) if t.shape and t.values is None
        ]
        return [k for k, size in drawn if size == drawn[0][1] > 1]

    def resized(self, size: int) -> Call:
        """The call with another size of the dynamic dim 0."""
        dynamic = self.dynamic()
        changed = [
            replace(t, shape=(size, *t.shape[1:])) if k in dynamic else t
            for k, t in enumerate(self.tensors())
        ]
        return self.apply(Call, changed)

    def __repr__(self) -> str:
        parts = [*map(repr, self.args), *(f"{k}={v!r}" for k, v in self.kwargs.items())]
        return f"({', '.join(parts)})"


class Fixed(Call):
    """A call that depends on the size of its tensors' dim 0, which therefore may not change."""

    def dynamic(self) -> list[int]:
        return []


@dataclass(frozen=True)
class Row:
    """An op, calls of it, and what they should give.

    Attributes:
        name: The op's name in the registry, or the public function's where that is short for
            several ops.
        reference: The same function over float64 (or int64, or bool) arrays; None where the
            op's kernel is NumPy's own function of the name `numpy`.
        calls: Samples.
        dtypes: What it is defined for.
        grad: Whether it has a gradient. First and second order are checked.
        function: The public function, where it has another name.
        atol: Added to the absolute tolerance, in units of the dtype's tolerance.
        refused: Why a capture refuses it; empty where it does not.
        onnx: Why ONNX cannot express it; empty where it can.
    """

    name: str
    reference: Callable[..., Any]
    calls: tuple[Call, ...]
    dtypes: tuple[vt.DType, ...] = NUMERIC
    grad: bool = True
    function: Callable[..., Any] | None = None
    atol: float = 1.0
    refused: str = ""
    onnx: str = ""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (self.function or getattr(vt.ops, self.name))(*args, **kwargs)

    def __repr__(self) -> str:
        return self.name


def results(value: Any) -> list[Any]:
    """The tensors or arrays of a result, whether one or several."""
    return list(value) if isinstance(value, tuple | list) else [value]


def wide(array: np.ndarray) -> np.ndarray:
    """The array in the type that references compute in."""
    if array.dtype.kind == "b":
        return array
    return array.astype(np.int64 if array.dtype.kind in "iu" else np.float64)


def numpy_of(tensor: vt.Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def assert_close(actual: np.ndarray, expected: Any, scale: float = 1.0, what: str = "") -> None:
    """`actual` is `expected` within what its dtype allows; integers and bools exactly."""
    expected = np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, not {expected.shape}"
    if actual.dtype.kind in "iub":
        np.testing.assert_array_equal(actual, expected.astype(actual.dtype), what)
        return
    tolerance = TOLERANCE[vt.as_tensor(actual).dtype]
    with np.errstate(over="ignore"):
        expected = expected.astype(actual.dtype).astype(np.float64)  # overflow as in the dtype
    np.testing.assert_allclose(
        actual.astype(np.float64), expected, rtol=tolerance, atol=tolerance * scale, err_msg=what
    )


# ---------------------------------------------------------------- every op call of a sample


@dataclass(frozen=True)
class Bound:
    """One op call: its canonical inputs and attributes, and what it gave."""

    op: Op
    inputs: tuple[Any, ...]
    attrs: dict[str, Any]
    outputs: list[vt.Tensor]


def canonical_call(
    op: Op, inputs: Sequence[Any], attrs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call in canonical form: by name, as PyTorch may have others between."""
    kinds = ("Tensor", "Tensor | None", "Sequence[Tensor]")
    names = [p.name for p in op.__signature__.parameters.values() if p.annotation in kinds]
    return (), dict(zip(names, op.arrange(inputs), strict=True)) | attrs


class Spy:
    """The eager interpreter, with a record of the op calls that reach it."""

    computes = True

    def __init__(self) -> None:
        self.eager = current()
        self.calls: list[Bound] = []

    def bind(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        inputs, attrs = op.canonical(*args, **kwargs)
        result = self.eager.bind(op, *canonical_call(op, inputs, attrs))
        self.calls.append(Bound(op, inputs, attrs, results(result)))
        return result

    def wrap(self, value: Value) -> Any:
        return self.eager.wrap(value)

    def unwrap(self, tensor: Any) -> Value:
        return self.eager.unwrap(tensor)

    def write(self, target: Any, value: Any) -> Any:
        return self.eager.write(target, value)

    def scope(self, module: Any) -> Any:
        return nullcontext()

    def refuse(self, what: str, tensor: Any, instead: str) -> None:
        self.eager.refuse(what, tensor, instead)


def op_calls(row: Row, call: Call, dtype: vt.DType) -> list[Bound]:
    """The op calls, those of composites' bodies too, that a sample leads to."""
    tensors = [vt.tensor(a) for a in call.arrays(dtype)]
    with interpreting(Spy()) as spy:
        call.apply(row, tensors)
    return spy.calls


# ---------------------------------------------------------------- gradients


class Weighted:
    """A sample as a function of float64 arrays that gives one number.

    The number is the sum of all floating point results, each element times a random weight, so that
    its gradient says something about all of them.
    """

    def __init__(self, row: Row, call: Call) -> None:
        self.row = row
        self.call = call
        self.arrays = call.arrays(vt.float64)
        self.wanted = [
            k for k, t in enumerate(call.tensors()) if t.grad and self.arrays[k].dtype == np.float64
        ]

    def tensors(self, arrays: Sequence[np.ndarray]) -> list[vt.Tensor]:
        return [vt.tensor(a, requires_grad=k in self.wanted) for k, a in enumerate(arrays)]

    def value(self, tensors: Sequence[vt.Tensor]) -> vt.Tensor:
        outputs = results(self.call.apply(self.row, tensors))
        return _weighted_sum([y for y in outputs if y.dtype.is_floating_point])

    def gradients(self, tensors: Sequence[vt.Tensor]) -> list[vt.Tensor | None]:
        wanted = [tensors[k] for k in self.wanted]
        total = self.value(tensors)
        if not total.requires_grad:
            return [None] * len(wanted)
        return list(vt.grad(total, wanted, create_graph=True, allow_unused=True))

    def slope(self, tensors: Sequence[vt.Tensor]) -> vt.Tensor:
        """The gradients' own weighted sum: what is differentiated for the second order."""
        return _weighted_sum([g for g in self.gradients(tensors) if g is not None])


def _weighted_sum(tensors: Sequence[vt.Tensor]) -> vt.Tensor:
    random = np.random.default_rng(7)
    total = vt.tensor(0.0, dtype=vt.float64)
    for t in tensors:
        total = total + (t * vt.tensor(random.uniform(0.5, 1.5, t.shape))).sum()
    return total


def assert_gradient(
    weighted: Weighted, function: Callable[[Sequence[vt.Tensor]], vt.Tensor], order: str
) -> None:
    """The gradient of `function` against central differences, along random directions."""
    random = np.random.default_rng(11)
    tensors = weighted.tensors(weighted.arrays)
    total = function(tensors)
    wanted = [tensors[k] for k in weighted.wanted]
    gradients: Sequence[vt.Tensor | None] = [None] * len(wanted)
    if total.requires_grad:
        gradients = vt.grad(total, wanted, allow_unused=True)
    for k, gradient in zip(weighted.wanted, gradients, strict=True):
        for _ in range(2):
            array = weighted.arrays[k]
            direction = random.uniform(-1.0, 1.0, array.shape)

            def moved(step: float, k: int = k, direction: Any = direction) -> float:
                arrays = list(weighted.arrays)
                arrays[k] = arrays[k] + step * direction
                return function(weighted.tensors(arrays)).item()

            step = 1e-6
            numeric = (moved(step) - moved(-step)) / (2 * step)
            analytic = 0.0 if gradient is None else float((numpy_of(gradient) * direction).sum())
            what = f"{order} gradient of {weighted.row} {weighted.call} by tensor {k}"
            np.testing.assert_allclose(analytic, numeric, rtol=2e-5, atol=2e-6, err_msg=what)


# ---------------------------------------------------------------- capture


def traced(
    row: Row, call: Call, tensors: Sequence[vt.Tensor], *, dynamic: bool = False
) -> vt.export.Program:
    """The sample as a program of its tensors; their dim 0 is `n` if `dynamic`."""

    def sample(*x: Any) -> Any:
        return call.apply(row, x)

    names = {f"x_{k}": {0: "n"} for k in call.dynamic()} if dynamic else {}
    return vt.trace(sample, *tensors, dynamic=names)


def assert_same(actual: Any, expected: Any, what: str) -> None:
    """The same dtypes, shapes and bits, but for the sign of NaN."""
    for y, wanted in zip(results(actual), results(expected), strict=True):
        assert y.type == wanted.type, what
        np.testing.assert_array_equal(numpy_of(y), numpy_of(wanted), what)
