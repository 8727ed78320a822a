"""The program: a captured function with its state, to call, look at, save and export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ..backends.base import Executable
from ..backends.reference import reference
from ..ir import dims
from ..ir.constraints import Binding
from ..ir.dims import Dim
from ..ir.errors import ArgumentError, CaptureError, ConstraintError, DTypeError
from ..ir.graph import Graph
from ..ir.types import TensorType, scalar_dtype
from ..tensor import Tensor, as_tensor
from ..tensor.factory import tensor as new_tensor
from ..tracer import Captured, Dynamic, TreeSpec, capture, flatten, is_array, unflatten
from .archive import read_archive, write_archive


class Program:
    """A captured function. Calling it is like calling the function it came from.

    Made by `trace` and `load`.

    Attributes:
        captured: The graph with the names and trees that tie it to the function.
    """

    def __init__(self, captured: Captured) -> None:
        self.captured = captured

    @property
    def graph(self) -> Graph:
        """What the program does."""
        return self.captured.graph

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def output_names(self) -> tuple[str, ...]:
        """A name for each tensor of the result."""
        return self.captured.output_names

    @property
    def input_types(self) -> dict[str, TensorType]:
        """The dtype and shape of each tensor input, by its (dotted) name."""
        return {value.name: value.type for value in self.graph.inputs}

    @property
    def output_types(self) -> dict[str, TensorType]:
        """The dtype and shape of each tensor of the result, by name."""
        types = (value.type for value in self.graph.outputs)
        return dict(zip(self.output_names, types, strict=True))

    @property
    def constraints(self) -> tuple[str, ...]:
        """What the sizes of the inputs must fulfil, as text: limits of symbols, `batch >= 1`, then
        what the code made of them, `batch != 4  (model.py:12 in conv)`.
        """
        sizes = [size for t in self.input_types.values() for size in t.shape]
        found = {symbol: None for size in sizes for symbol in dims.symbols(size)}
        low = [f"{s.name} >= {s.min}" for s in found if s.min is not None]
        high = [f"{s.name} <= {s.max}" for s in found if s.max is not None]
        recorded = [
            f"{c}  ({c.location})" if c.location else str(c) for c in self.graph.constraints
        ]
        return (*low, *high, *recorded)

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters, buffers and large constants by name.

        They share memory with the model that was captured: a later change of its weights is a
        change of the program's, until it is saved or exported.
        """
        return dict(self.captured.state)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run on the reference backend.

        Raises:
            ArgumentError, DTypeError, ConstraintError: where an argument does not fit what was
                captured; nothing has run then.
        """
        results = self._executable(self.flatten_arguments(args, kwargs))
        return unflatten(self.captured.output, iter(results))

    @cached_property
    def _executable(self) -> Executable:
        return reference.compile(self.graph, self.captured.state)

    def flatten_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
        """The graph's inputs from a call's arguments, checked against what was captured."""
        given = self._by_name(args, kwargs)
        tensors: list[Tensor] = []
        for name, spec in zip(self.captured.arguments, self.captured.inputs, strict=True):
            if name in given:
                leaves: list[Any] = []
                actual = flatten(given[name], is_array, leaves, name)
                numbers = _numbers(name, actual, self.input_types)
                _check_tree(name, spec, actual, numbers)
                found = dict(zip(actual.tensor_paths(name), leaves, strict=True)) | numbers
                # The keys of a dict may come in any order.
                tensors.extend(as_tensor(found[path]) for path in spec.tensor_paths(name))
            elif any(leaf.kind == "tensor" for _, leaf in spec.leaves()):
                raise ArgumentError(f"the argument {name} is missing", instead=self._usage())
        check_inputs(self.graph, tensors)
        return tensors

    def _by_name(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        names = self.captured.arguments
        if len(args) > len(names):
            raise ArgumentError(
                f"{len(args)} arguments given, {self.name} takes {len(names)}",
                instead=self._usage(),
            )
        given = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                raise ArgumentError(f"no argument is named {name!r}", instead=self._usage())
            if name in given:
                raise ArgumentError(f"the argument {name} is given twice", instead=self._usage())
            given[name] = value
        return given

    def _usage(self) -> str:
        return f"{self.name}({', '.join(self.captured.arguments)})"

    def save(self, path: str | Path) -> Path:
        """Write the program to one file, which `vitrify.load` reads without the model's code."""
        return write_archive(path, self.captured)

    def __repr__(self) -> str:
        takes = ", ".join(f"{name}: {t}" for name, t in self.input_types.items())
        gives = ", ".join(f"{name}: {t}" for name, t in self.output_types.items())
        return f"<program {self.name}({takes}) -> ({gives}), {len(self.graph.nodes)} nodes>"


def trace(
    function: Callable[..., Any],
    *args: Any,
    dynamic: Dynamic | None = None,
    strict: bool = True,
    **kwargs: Any,
) -> Program:
    """Capture a function or module as a program, without computing anything.

    The code runs twice on symbols instead of data, and must do the same both times.

    Args:
        function: A function of tensors, or a module.
        *args: Example arguments: tensors, arrays, trees of them, and static Python values.
        dynamic: What may differ from call to call, by argument name: dims with a name or a range,
            `{"x": {0: "batch", 1: vt.dim("seq", max=512)}}`; `{"x": "auto"}` or just `"auto"` for
            every dim that the code does not need to be of one size; `{"scale": True}` for a Python
            number.
        strict: Whether what would be baked in as a constant (random numbers, a clock, a counter)
            is refused; otherwise a `CaptureWarning` says so.
        **kwargs: Example keyword arguments.

    Raises:
        CaptureError: where the code cannot be captured faithfully; says which lines and why.
        ArgumentError: where the arguments or `dynamic` do not fit the function.

    Example:
        >>> program = vt.trace(model, x, dynamic={"x": {0: "batch"}})
    """
    return Program(capture(function, args, kwargs, dynamic, strict))


def load(path: str | Path) -> Program:
    """Read a program that `Program.save` wrote; the code that made it is not needed.

    Raises:
        FormatError: where the file is missing, damaged, hostile, or from a newer version.
    """
    return Program(read_archive(path))


# ---------------------------------------------------------------- checks at the door


def _numbers(name: str, actual: TreeSpec, types: Mapping[str, TensorType]) -> dict[str, Tensor]:
    """The Python numbers that were given for 0-d inputs, as tensors of the input's dtype."""
    numbers: dict[str, Tensor] = {}
    for path, leaf in actual.leaves(name):
        wanted = types.get(path)
        if wanted is None or wanted.ndim or not isinstance(leaf.value, bool | int | float):
            continue
        if wanted.dtype.category < scalar_dtype(leaf.value).category:
            raise DTypeError(f"{path} is {leaf.value!r}, the program takes {wanted.dtype.name}")
        numbers[path] = new_tensor(leaf.value, dtype=wanted.dtype)
    return numbers


def _check_tree(name: str, spec: TreeSpec, actual: TreeSpec, numbers: Mapping[str, Tensor]) -> None:
    expected = dict(spec.leaves(name))
    given = dict(actual.leaves(name))
    if missing := [path for path in expected if path not in given]:
        raise ArgumentError(f"{missing[0]} is missing from the arguments")
    if extra := [path for path in given if path not in expected]:
        raise ArgumentError(f"{extra[0]} was not there when the program was captured")
    for path, leaf in expected.items():
        if path in numbers:
            continue
        if leaf.kind != given[path].kind:
            what = {"tensor": "a tensor", "static": "a Python value"}
            raise ArgumentError(
                f"{path} must be {what[leaf.kind]}, as when the program was captured"
            )
        same = type(leaf.value) is type(given[path].value) and leaf.value == given[path].value
        if leaf.kind == "static" and not same:
            raise ConstraintError(
                f"{path} is {given[path].value!r}, the program was captured for {leaf.value!r}",
                why="Python values are fixed at capture",
                instead="capture another program for this value, or make it a tensor",
            )


def check_inputs(graph: Graph, tensors: list[Tensor]) -> None:
    """Raise one clear error where a dtype or a size is not what the graph takes."""
    binding = Binding()
    for value, tensor in zip(graph.inputs, tensors, strict=True):
        name, wanted = value.name, value.type
        if tensor.dtype is not wanted.dtype:
            raise DTypeError(
                f"{name} is {tensor.dtype.name}, the program takes {wanted.dtype.name}",
                instead=f"{name}.to(vt.{wanted.dtype.name})",
            )
        if tensor.ndim != wanted.ndim:
            raise ConstraintError(f"{name} has shape {tensor.shape}, the program takes {wanted}")
        for k, (size, actual) in enumerate(zip(wanted.shape, tensor.shape, strict=True)):
            at = f"{name}.shape[{k}]"
            if isinstance(actual, Dim):
                raise CaptureError(
                    f"a captured program is called where {at} is the symbolic size {actual}",
                    why="it runs on sizes that are known",
                    instead="call the function or module that it was captured from",
                )
            if isinstance(size, Dim):
                binding.bind(at, size, actual)
            elif size != actual:
                raise ConstraintError(
                    f"{at} is {actual}, the program was captured for {size}",
                    instead=f"capture it with a dynamic dim there: "
                    f'dynamic={{{name.split(".")[0]!r}: {{{k}: "n"}}}}',
                )
    binding.check(graph.constraints)
