"""When two attributes are the same: to the type, the sign and the last bit."""

from __future__ import annotations

import struct
from collections.abc import Hashable
from typing import Any

from ..ir.dims import Dim, same
from ..ir.types import TensorType


class _SameSize:
    """A symbolic size that is compared by `same`, which asks nobody; `==` may raise."""

    __slots__ = ("dim",)

    def __init__(self, dim: Dim) -> None:
        self.dim = dim

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SameSize) and same(self.dim, other.dim)

    def __hash__(self) -> int:
        return hash(self.dim)


def exact_key(attr: Any) -> Hashable:
    """What equals the key of another attribute just where the two are the same.

    1, 1.0 and True differ, as do 0.0 and -0.0; a NaN is the same as itself. Regions are the same
    where they are one object.
    """
    match attr:
        case float():
            return float, struct.pack("<d", attr)
        case Dim():
            return _SameSize(attr)
        case TensorType():
            return TensorType, attr.dtype, exact_key(attr.shape)
        case tuple():
            return tuple, *map(exact_key, attr)
    return type(attr), attr
