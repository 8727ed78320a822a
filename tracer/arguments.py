"""The example arguments of a capture: what they are called, and what stands for them.

`dynamic` says what may differ from call to call. Everything else about the arguments is fixed.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..ir import dims
from ..ir.dims import Dim, Size, Symbol
from ..ir.errors import ArgumentError
from ..ir.graph import Value
from ..ir.types import TensorType
from ..tensor import Tensor, as_tensor
from .pytree import TreeSpec, flatten, unflatten

Dims = Mapping[int, str | Dim]
Dynamic = Mapping[str, Dims | Literal["auto", True]] | Literal["auto"]

# The names of the positional arguments, and those of the others by keyword.
Layout = tuple[tuple[str, ...], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Example:
    """The arguments that a function is captured with.

    Attributes:
        layout: How the function takes them.
        arguments: Their names, in order.
        specs: The tree of each.
        values: The graph's input for each tensor in them.
        sizes: The size that each symbol has here.
        automatic: The symbols that nobody named: the code may turn out to need one size.
    """

    layout: Layout
    arguments: tuple[str, ...]
    specs: tuple[TreeSpec, ...]
    values: tuple[Value, ...]
    sizes: Mapping[str, int]
    automatic: frozenset[str]

    def call(self, function: Callable[..., Any]) -> Any:
        """The function's result for tensors that stand for the values."""
        symbolic = iter([Tensor._from_payload(v) for v in self.values])
        pairs = zip(self.arguments, self.specs, strict=True)
        trees = {name: unflatten(spec, symbolic) for name, spec in pairs}
        positional, keywords = self.layout
        return function(
            *[trees[name] for name in positional],
            **{keyword: trees[name] for keyword, name in keywords.items()},
        )


def read_example(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    dynamic: Dynamic | None,
    settled: Mapping[str, Size],
) -> Example:
    """Name the arguments, and put symbols in place of what is dynamic.

    Args:
        function: What is captured.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        dynamic: As for `capture`.
        settled: Automatic symbols that turned out to be a number, or another symbol.

    Raises:
        ArgumentError: where these do not fit together.
    """
    arguments, layout = _bind(function, args, kwargs)
    wanted: Mapping[str, Any] = {} if dynamic is None or dynamic == "auto" else dynamic
    numbers = {path for path, what in wanted.items() if what is True}
    arguments = {name: _with_tensors(value, name, numbers) for name, value in arguments.items()}
    tensors: list[Any] = []
    specs = tuple(flatten(value, is_array, tensors, name) for name, value in arguments.items())
    paths = [
        path
        for name, spec in zip(arguments, specs, strict=True)
        for path in spec.tensor_paths(name)
    ]
    if repeated := [path for path in paths if paths.count(path) > 1]:
        raise ArgumentError(f"two inputs are named {repeated[0]!r}", instead="other dict keys")
    if unknown := [name for name in wanted if name not in paths]:
        raise ArgumentError(
            f"dynamic names {unknown[0]!r}, which is not an input",
            instead=f"one of: {', '.join(paths) or '(there are no tensor inputs)'}",
        )
    known: dict[str, tuple[Symbol, int, str]] = {}
    automatic: set[str] = set()
    values = []
    for path, tensor in zip(paths, tensors, strict=True):
        given = "auto" if dynamic == "auto" else wanted.get(path, {})
        example = as_tensor(tensor)
        sizes = [int(n) for n in example.shape]
        shape: list[Size] = list(sizes)
        if given == "auto":
            for dim, name in enumerate(_automatic_names(path, len(sizes))):
                automatic.add(name)
                shape[dim] = settled.get(name, dims.symbol(name))
        elif given is not True:
            for dim, size in _given_sizes(path, sizes, given):
                shape[dim] = size
        for dim, size in enumerate(shape):
            if isinstance(size, Dim):
                _check_example(known, size, sizes[dim], f"{path}.shape[{dim}]")
        values.append(Value(TensorType(example.dtype, tuple(shape)), path))
    return Example(
        layout,
        tuple(arguments),
        specs,
        tuple(values),
        {name: size for name, (_, size, _) in known.items()},
        frozenset(automatic),
    )


def is_array(leaf: Any) -> bool:
    """Whether a leaf of a tree counts as a tensor; as an argument it becomes an input."""
    return isinstance(leaf, Tensor | np.ndarray)


def _with_tensors(tree: Any, name: str, numbers: set[str]) -> Any:
    """The tree with the numbers at these paths as 0-d tensors."""
    if not any(path == name or path.startswith(f"{name}.") for path in numbers):
        return tree
    leaves: list[Any] = []
    spec = flatten(tree, lambda leaf: is_array(leaf) or _is_number(leaf), leaves, name)
    paths = spec.tensor_paths(name)
    pairs = zip(paths, leaves, strict=True)
    changed = [as_tensor(leaf) if path in numbers else leaf for path, leaf in pairs]
    return unflatten(spec, iter(changed))


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, bool | int | float)


def _automatic_names(path: str, ndim: int) -> Iterator[str]:
    stem = "".join(c if c.isalnum() else "_" for c in path)
    return (f"{stem}_{dim}" for dim in range(ndim))


def _given_sizes(path: str, sizes: list[int], given: Any) -> Iterator[tuple[int, Dim]]:
    """The dims that are dynamic, each with its size."""
    if not isinstance(given, Mapping):
        raise ArgumentError(
            f"dynamic: {path} is given {given!r}",
            instead=f'dynamic={{{path!r}: {{0: "batch"}}}}, or "auto"; True for a number',
        )
    for dim, name in given.items():
        if not isinstance(dim, int) or not -len(sizes) <= dim < len(sizes):
            raise ArgumentError(f"dynamic: {path} has no dim {dim!r}, its shape is {sizes}")
        size = dims.symbol(name) if isinstance(name, str) else name
        if not isinstance(size, Dim):
            raise ArgumentError(f"dynamic: a dim's name must be text or a vt.dim, not {name}")
        yield dim, size


def _check_example(
    named: dict[str, tuple[Symbol, int, str]], size: Dim, example: int, at: str
) -> None:
    """The same name must mean the same size, with the same limits, in every example."""
    env = dims.solve(size, example)
    if env is None:
        raise ArgumentError(f"dynamic: {at} is {example}, which {size} cannot be")
    for symbol in dims.symbols(size):
        value = env[symbol.name]
        before = named.setdefault(symbol.name, (symbol, value, at))
        if before[0] != symbol:
            raise ArgumentError(f"dynamic: {symbol.name} has two different ranges")
        if before[1] != value:
            raise ArgumentError(
                f"dynamic: {symbol.name} is {before[1]} in {before[2]} and {value} in {at}"
            )
        low, high = symbol.min, symbol.max
        if (low is not None and value < low) or (high is not None and value > high):
            raise ArgumentError(f"dynamic: {at} is {example}, outside the range of {symbol.name}")


def _forward(function: Any) -> Callable[..., Any]:
    """What says which arguments there are: a module's `forward`, or the function."""
    return getattr(function, "forward", function)


def _bind(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], Layout]:
    """The example arguments by name, and how they are passed; those of `*args` are numbered."""
    signature = inspect.signature(_forward(function))
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ArgumentError(
            f"the example arguments do not fit {name_of(function)}{signature}: {error}"
        ) from None
    # A default that is a tensor stays the function's own, others are arguments like those given.
    missing = [p for name, p in signature.parameters.items() if name not in bound.arguments]
    own = [p.name for p in missing if _has_tensor(p.default)]
    bound.apply_defaults()
    for name in own:
        del bound.arguments[name]
    arguments: dict[str, Any] = {}
    positional: list[str] = []
    keywords: dict[str, str] = {}
    taken = {*signature.parameters, *bound.kwargs}
    # What comes after a default that is left to the function goes by keyword.
    whole = itertools.takewhile(lambda name: name in bound.arguments, signature.parameters)
    leading = set(whole)

    def unused(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    for name, value in bound.arguments.items():
        parameter = signature.parameters[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            for k, item in enumerate(value):
                positional.append(unused(f"{name}_{k}"))
                arguments[positional[-1]] = item
        elif parameter.kind is parameter.VAR_KEYWORD:
            for keyword, item in value.items():
                # It may have the name of a positional-only parameter.
                key = unused(keyword) if keyword in signature.parameters else keyword
                keywords[keyword], arguments[key] = key, item
        elif parameter.kind is parameter.KEYWORD_ONLY or name not in leading:
            keywords[name], arguments[name] = name, value
        else:
            positional.append(name)
            arguments[name] = value
    return arguments, (tuple(positional), keywords)


def _has_tensor(default: Any) -> bool:
    arrays: list[Any] = []
    flatten(default, is_array, arrays)
    return bool(arrays)


def name_of(function: Any) -> str:
    """A name for the graph of a function."""
    name = getattr(function, "__name__", type(function).__name__)
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name).strip("_") or "main"
