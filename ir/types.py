"""Element types, tensor types, and PyTorch's rules for which type a mix of types gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .dims import Dim, Size, same_shape
from .errors import DTypeError

Shape = tuple[Size, ...]


_CATEGORIES = {"bool": 0, "uint": 1, "int": 1, "float": 2}


@dataclass(frozen=True, slots=True, eq=False)
class DType:
    """An element type. There is one instance of each, so they compare by identity.

    Attributes:
        name: PyTorch's name, `"float32"`.
        short: The name in printed graphs, `"f32"`.
        kind: `"bool"`, `"uint"`, `"int"` or `"float"`.
        bits: Size of an element.
    """

    name: str
    short: str
    kind: str
    bits: int

    @property
    def is_floating_point(self) -> bool:
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        """Whether this is a signed or unsigned integer type (bool is not)."""
        return self.kind in ("int", "uint")

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return max(self.bits // 8, 1)

    @property
    def category(self) -> int:
        """PyTorch's promotion category: bool 0, integer 1, floating point 2."""
        return _CATEGORIES[self.kind]

    def __repr__(self) -> str:
        return f"vitrify.{self.name}"

    def __reduce__(self) -> str:
        # The variable's name: copies are the same instance.
        return "bool_" if self.kind == "bool" else self.name


bool_ = DType("bool", "bool", "bool", 1)
uint8 = DType("uint8", "u8", "uint", 8)
uint16 = DType("uint16", "u16", "uint", 16)
uint32 = DType("uint32", "u32", "uint", 32)
uint64 = DType("uint64", "u64", "uint", 64)
int8 = DType("int8", "i8", "int", 8)
int16 = DType("int16", "i16", "int", 16)
int32 = DType("int32", "i32", "int", 32)
int64 = DType("int64", "i64", "int", 64)
float16 = DType("float16", "f16", "float", 16)
bfloat16 = DType("bfloat16", "bf16", "float", 16)
float32 = DType("float32", "f32", "float", 32)
float64 = DType("float64", "f64", "float", 64)

DTYPES: tuple[DType, ...] = (
    bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64,
    float16, bfloat16, float32, float64,
)  # fmt: skip
BY_SHORT = {d.short: d for d in DTYPES}
BY_NAME = {d.name: d for d in DTYPES}


@dataclass(frozen=True, slots=True, eq=False)
class TensorType:
    """The dtype and shape of a tensor; sizes are ints or symbolic `Dim`s."""

    dtype: DType
    shape: Shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether every size is a plain int."""
        return not any(isinstance(size, Dim) for size in self.shape)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorType):
            return NotImplemented
        return self.dtype is other.dtype and same_shape(self.shape, other.shape)

    def __hash__(self) -> int:
        return hash((self.dtype, self.shape))

    def __str__(self) -> str:
        return f"{self.dtype.short}[{', '.join(map(str, self.shape))}]"


def promote_types(a: DType, b: DType) -> DType:
    """The smallest type that both convert to, by PyTorch's lattice.

    Raises:
        DTypeError: for uint64 with a signed type, which no integer type holds.
    """
    if a is b:
        return a
    if a.category != b.category:
        return a if a.category > b.category else b
    if a.kind == "float":
        return float32 if a.bits == b.bits else max(a, b, key=lambda d: d.bits)
    if a.kind == b.kind:
        return max(a, b, key=lambda d: d.bits)
    signed, unsigned = (a, b) if a.kind == "int" else (b, a)
    if signed.bits > unsigned.bits:
        return signed
    if unsigned.bits == 64:
        raise DTypeError(
            f"no integer type holds both {a.name} and {b.name}",
            instead=f"convert one of them first, for example with .to(vt.{signed.name})",
        )
    return BY_NAME[f"int{unsigned.bits * 2}"]


def scalar_dtype(value: bool | int | float, default: DType = float32) -> DType:
    """The type that a Python number has where nothing else says so."""
    if isinstance(value, bool):
        return bool_
    return int64 if isinstance(value, int) else default


def result_type(
    dimensioned: Iterable[DType], zero_dim: Iterable[DType] = (), scalars: Iterable[DType] = ()
) -> DType:
    """PyTorch's result type of an elementwise op.

    Tensors with dimensions decide; 0-d tensors count only where they are of a higher category,
    and Python numbers only where they are of a higher category still.

    Args:
        dimensioned: Types of the inputs with one or more dimensions.
        zero_dim: Types of the 0-d tensors.
        scalars: Types of the Python numbers (default type for floats).
    """
    result: DType | None = None
    for group in (dimensioned, zero_dim, scalars):
        joined: DType | None = None
        for dtype in group:
            joined = dtype if joined is None else promote_types(joined, dtype)
        if joined is not None and (result is None or joined.category > result.category):
            result = joined
    if result is None:
        raise DTypeError("a result type needs at least one input")
    return result
