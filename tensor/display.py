"""How a tensor prints: as in PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.graph import Value
from ..ir.types import bool_, float32, int64

if TYPE_CHECKING:
    from .tensor import Tensor

_LINE_WIDTH = 80
_THRESHOLD = 1000  # elements from which the middle is left out
_EDGE_ITEMS = 3


def show(tensor: Tensor) -> str:
    """The text of a tensor: its values, and whatever is not the default about it."""
    if isinstance(tensor._data, Value):
        return f"<symbolic tensor {tensor.type}>"
    array = tensor._data if tensor.device.type == "cpu" else tensor._data.get()
    notes = []
    if tensor.device.type != "cpu":
        notes.append(f"device='{tensor.device}'")
    if array.size == 0 and array.ndim != 1:
        notes.append(f"size={tensor.shape}")
    if tensor.dtype not in (float32, int64, bool_) or array.size == 0:
        notes.append(f"dtype={tensor.dtype}")
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn=<{tensor.grad_fn.name}>")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return f"tensor({', '.join([_numbers(array), *notes])})"


def _numbers(array: Any) -> str:
    if array.size == 0:
        return "[]"
    options: dict[str, Any] = {}
    if array.dtype.kind not in "iub":
        array = array.astype(np.float64)
        options = _float_format(array)
    text = np.array2string(
        array,
        separator=", ",
        prefix="tensor(",
        max_line_width=_LINE_WIDTH,
        threshold=_THRESHOLD,
        edgeitems=_EDGE_ITEMS,
        **options,
    )
    return text


def _float_format(array: np.ndarray) -> dict[str, Any]:
    """Four decimals; scientific for a wide range; a bare point where all are whole."""
    finite = np.abs(array[np.isfinite(array)])
    finite = finite[finite > 0]
    if not finite.size:
        return {"precision": 0, "floatmode": "fixed"}
    whole = bool(np.all(finite == np.floor(finite)))
    largest, smallest = finite.max(), finite.min()
    wide = largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4
    if (wide and not whole) or largest > 1e8:
        return {"formatter": {"float_kind": lambda x: f"{x:.4e}"}}
    return {"precision": 0 if whole else 4, "floatmode": "fixed"}
