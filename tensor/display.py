"""How a tensor prints: as in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.graph import Value
from ..ir.location import called_by_user
from ..ir.op import current
from ..ir.types import bool_, float32, int64

if TYPE_CHECKING:
    from .tensor import Tensor

_LINE_WIDTH = 80
_THRESHOLD = 1000  # elements above which the middle of each dim is left out
_EDGE_ITEMS = 3
_PREFIX = "tensor("


def show(tensor: Tensor) -> str:
    """The text of a tensor: its values, and whatever is not the default about it."""
    if isinstance(tensor._data, Value):
        if called_by_user(through=1):
            refuse_text(tensor)
        return f"<symbolic tensor {tensor.type}>"
    array = tensor._data if tensor.device.type == "cpu" else tensor._data.get()
    notes = []
    if tensor.device.type != "cpu":
        notes.append(f"device='{tensor.device}'")
    if array.size == 0 and array.ndim != 1:
        notes.append(f"size={tensor.shape}")
    if tensor.dtype not in ((float32, int64, bool_) if array.size else (float32,)):
        notes.append(f"dtype={tensor.dtype}")
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn={tensor.grad_fn}")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return _joined(_PREFIX + _numbers(array), notes)


def refuse_text(tensor: Any) -> None:
    """Called where the user's code gets the text of a tensor: a capture refuses it."""
    if isinstance(tensor._data, Value):
        instead = "keep text out of the captured function, or print what the program returns"
        current().refuse("print or str of a tensor", None, instead)


def _joined(text: str, notes: list[str]) -> str:
    """The notes after the text, on a new line where they would pass the line's end."""
    used = len(text) - text.rfind("\n") + 1
    for note in notes:
        if used + len(note) + 2 > _LINE_WIDTH:
            text += ",\n" + " " * len(_PREFIX) + note
            used = len(_PREFIX) + len(note)
        else:
            text += ", " + note
            used += len(note) + 2
    return text + ")"


def _numbers(array: np.ndarray) -> str:
    if array.size == 0:
        return "[]"
    if array.dtype.kind not in "iub":
        array = array.astype(np.float64)
    short = array.size > _THRESHOLD
    shown = array
    if short:
        for axis, size in enumerate(array.shape):
            if size > 2 * _EDGE_ITEMS:
                shown = shown.take([*range(_EDGE_ITEMS), *range(-_EDGE_ITEMS, 0)], axis)
    one, width = _format(shown)
    return _nested(array, len(_PREFIX), short, lambda x: one(x).rjust(width), width)


def _format(shown: np.ndarray) -> tuple[Callable[[Any], str], int]:
    """How each number prints, and how wide the widest is."""
    if shown.dtype.kind in "iub":
        return str, max(len(str(x)) for x in shown.reshape(-1).tolist())
    finite = shown[np.isfinite(shown) & (shown != 0)]
    if not finite.size:
        return _whole, 1
    largest, smallest = np.abs(finite).max(), np.abs(finite).min()
    # Divided the other way round, so that it cannot overflow.
    if smallest / largest < 1e-3 or largest > 1e8 or smallest < 1e-4:
        one: Callable[[Any], str] = "{:.4e}".format
    elif (finite == np.ceil(finite)).all():
        one = _whole
    else:
        one = "{:.4f}".format
    return one, max(len(one(x)) for x in finite.tolist())


def _whole(x: float) -> str:
    """A float without decimals; the point says that it is a float."""
    return f"{x:.0f}." if math.isfinite(x) else f"{x:.0f}"


def _nested(
    array: np.ndarray, indent: int, short: bool, one: Callable[[Any], str], width: int
) -> str:
    if array.ndim == 0:
        return one(array.item())
    gap = " " * (indent + 1)
    cut = short and len(array) > 2 * _EDGE_ITEMS
    if array.ndim == 1:
        texts = [one(x) for x in array[:_EDGE_ITEMS].tolist()] + [" ..."] if cut else []
        texts += [one(x) for x in (array[-_EDGE_ITEMS:] if cut else array).tolist()]
        each = max(1, (_LINE_WIDTH - indent) // (width + 2))
        lines = (", ".join(texts[k : k + each]) for k in range(0, len(texts), each))
        return f"[{(',' + chr(10) + gap).join(lines)}]"

    def rows() -> Iterator[str]:
        for k in range(len(array)):
            if cut and k == _EDGE_ITEMS:
                yield "..."
            if not cut or not _EDGE_ITEMS <= k < len(array) - _EDGE_ITEMS:
                yield _nested(array[k], indent + 1, short, one, width)

    return f"[{(',' + chr(10) * (array.ndim - 1) + gap).join(rows())}]"
