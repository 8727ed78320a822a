"""Nested Python containers, taken apart into tensors and put together again.

A tree is a tensor, or a list, tuple, named tuple, dict or dataclass of trees; anything else is a
static leaf (a number, a string, None). A `TreeSpec` is what is left of a tree when its tensors are
taken out; it goes into archives as JSON.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ir.dims import Dim
from ..ir.errors import ArgumentError, CaptureError, FormatError
from ..ir.types import DType, TensorType
from ..tensor import Device


@dataclass(frozen=True, slots=True)
class TreeSpec:
    """The shape of a tree.

    Attributes:
        kind: `"tensor"`, `"static"`, `"list"`, `"tuple"` or `"dict"`.
        keys: For a dict, named tuple or dataclass, the names of its children.
        children: What it holds.
        value: The value of a static leaf.
        make: What builds the container from its children; a plain list, tuple or dict without it.
    """

    kind: str
    keys: tuple[str, ...] = ()
    children: tuple[TreeSpec, ...] = ()
    value: Any = None
    make: Callable[..., Any] | None = field(default=None, compare=False)

    def leaves(self, prefix: str = "") -> Iterator[tuple[str, TreeSpec]]:
        """The leaves with their dotted paths below `prefix`, in order."""
        if self.kind in ("tensor", "static"):
            yield prefix, self
            return
        names = self.keys or tuple(map(str, range(len(self.children))))
        for name, child in zip(names, self.children, strict=True):
            yield from child.leaves(f"{prefix}.{name}" if prefix else name)

    def tensor_paths(self, prefix: str = "") -> list[str]:
        """The dotted paths of the tensors below `prefix`, in order."""
        return [path for path, leaf in self.leaves(prefix) if leaf.kind == "tensor"]

    def to_json(self) -> dict[str, Any]:
        """The spec as JSON data."""
        data: dict[str, Any] = {"kind": self.kind}
        if self.kind == "static":
            if not isinstance(self.value, bool | int | float | str | None):
                raise ArgumentError(f"a {type(self.value).__name__} cannot be kept in a file")
            data["value"] = self.value
        if self.keys:
            data["keys"] = list(self.keys)
        if self.kind in ("list", "tuple", "dict"):
            data["children"] = [child.to_json() for child in self.children]
        return data

    @classmethod
    def from_json(cls, data: Any, depth: int = 0) -> TreeSpec:
        """The spec that `to_json` wrote; named tuples and dataclasses come back as plain ones.

        Raises:
            FormatError: for anything else.
        """
        if not isinstance(data, dict) or depth > 50:
            raise FormatError("a tree spec must be an object, nested at most 50 deep")
        kind, keys = data.get("kind"), data.get("keys", [])
        children = data.get("children", [])
        well_formed = (
            kind in ("tensor", "static", "list", "tuple", "dict")
            and isinstance(keys, list)
            and all(isinstance(key, str) for key in keys)
            and isinstance(children, list)
            and (not keys or len(keys) == len(children))
            and isinstance(data.get("value"), bool | int | float | str | None)
            and (kind != "dict" or len(keys) == len(children))
        )
        if not well_formed:
            raise FormatError(f"not a tree spec: {str(data)[:80]}")
        below = tuple(cls.from_json(child, depth + 1) for child in children)
        return cls(str(kind), tuple(keys), below, data.get("value"))


TENSOR = TreeSpec("tensor")


def flatten(
    tree: Any, is_tensor: Callable[[Any], bool], into: list[Any], path: str = ""
) -> TreeSpec:
    """Append the tensors of `tree` to `into` and return the spec of the rest.

    Raises:
        CaptureError: for a dict whose keys are not strings or numbers.
    """
    if is_tensor(tree):
        into.append(tree)
        return TENSOR

    def below(items: Sequence[Any], names: Sequence[str]) -> tuple[TreeSpec, ...]:
        return tuple(
            flatten(item, is_tensor, into, f"{path}.{name}" if path else name)
            for name, item in zip(names, items, strict=True)
        )

    fields = getattr(tree, "_fields", None)
    if isinstance(tree, tuple) and fields is not None:
        names = tuple(fields)
        return TreeSpec("tuple", names, below(tree, names), make=type(tree))
    if isinstance(tree, list | tuple):
        kind = "list" if isinstance(tree, list) else "tuple"
        return TreeSpec(kind, (), below(tree, [str(k) for k in range(len(tree))]))
    if isinstance(tree, dict):
        if not all(isinstance(key, str) for key in tree):
            raise CaptureError(
                f"{path or 'the result'} is a dict with keys that are not strings",
                instead="use string keys: they become the names of inputs and outputs",
            )
        names = tuple(tree)
        return TreeSpec("dict", names, below(list(tree.values()), names))
    values = isinstance(tree, type | Dim | DType | TensorType | Device)
    if dataclasses.is_dataclass(tree) and not values:
        names = tuple(f.name for f in dataclasses.fields(tree))
        parts = below([getattr(tree, name) for name in names], names)
        return TreeSpec("dict", names, parts, make=functools.partial(_with_fields, type(tree)))
    return TreeSpec("static", value=tree)


def _with_fields(cls: type, **fields: Any) -> Any:
    """An instance of a dataclass as it was taken apart: its `__init__` has run already."""
    made = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def unflatten(spec: TreeSpec, tensors: Iterator[Any]) -> Any:
    """The tree of `spec` with its tensors taken from `tensors`."""
    if spec.kind == "tensor":
        return next(tensors)
    if spec.kind == "static":
        return spec.value
    items = [unflatten(child, tensors) for child in spec.children]
    if spec.kind == "list":
        return items
    if spec.kind == "tuple":
        return tuple(items) if spec.make is None else spec.make(*items)
    pairs = dict(zip(spec.keys, items, strict=True))
    return pairs if spec.make is None else spec.make(**pairs)
