"""Symbolic capture: run a function once on symbols, and keep what it did as a graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import dims
from ..ir.builder import Builder
from ..ir.dims import Dim, Size, Symbol
from ..ir.errors import ArgumentError, CaptureError, ConstraintError, VitrifyError
from ..ir.graph import Graph, Value
from ..ir.location import traceback_location
from ..ir.op import interpreting
from ..ir.types import TensorType
from ..tensor import Tensor, as_tensor, no_grad
from .pytree import TreeSpec, flatten, unflatten
from .recorder import Recorder

Dynamic = Mapping[str, Mapping[int, str | Dim]]


@dataclass(frozen=True, slots=True)
class Captured:
    """A captured function.

    Attributes:
        graph: What it does; inputs bear the names of the arguments.
        state: The tensors that the graph's `parameter` nodes name, shared with the model.
        arguments: Names of the function's arguments, in order.
        inputs: The tree of each argument.
        output: The tree of the result.
        output_names: A name for each graph output.
    """

    graph: Graph
    state: Mapping[str, Tensor]
    arguments: tuple[str, ...]
    inputs: tuple[TreeSpec, ...]
    output: TreeSpec
    output_names: tuple[str, ...]


def capture(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    dynamic: Dynamic | None = None,
) -> Captured:
    """Run `function` on symbols shaped like the example arguments, and keep the graph.

    Args:
        function: A function of tensors, or a module.
        args: Example arguments: trees of tensors and static Python values. Only dtypes and shapes
            of the tensors are looked at.
        kwargs: Keyword arguments, likewise.
        dynamic: For arguments by name (of nested ones by dotted path), the dims whose size may
            differ from call to call, each with a name or a `vt.dim`.

    Raises:
        CaptureError: where the code cannot be captured faithfully.
        ArgumentError: where the arguments or `dynamic` do not fit the function.
    """
    if not callable(function):
        raise ArgumentError(
            f"cannot capture a {type(function).__name__}", instead="vt.trace(model, x)"
        )
    arguments = _bind(function, args, kwargs)
    tensors: list[Any] = []
    specs = tuple(flatten(value, _is_array, tensors, name) for name, value in arguments.items())
    paths = [
        path
        for name, spec in zip(arguments, specs, strict=True)
        for path, leaf in spec.leaves(name)
        if leaf.kind == "tensor"
    ]
    values = _symbolic_inputs(paths, tensors, dynamic or {})
    symbols = iter([Tensor._from_payload(v) for v in values])
    call = [unflatten(spec, symbols) for spec in specs]

    builder = Builder()
    recorder = Recorder(builder, values, *_known(function))
    try:
        deciding = dims.deciding_with(recorder.decide, observer=recorder.refused)
        with interpreting(recorder), deciding, no_grad():
            result = _call(function, dict(zip(arguments, call, strict=True)))
            if recorder.refusal is not None:  # the user's code caught it and went on
                raise recorder.refusal
            outputs: list[Tensor] = []
            output = flatten(result, lambda leaf: isinstance(leaf, Tensor), outputs)
            _check_output(output)
            graph_outputs = [recorder.unwrap(t) for t in outputs]
    except VitrifyError as error:
        at = error.at or traceback_location(error.__traceback__)
        kind = CaptureError if isinstance(error, ConstraintError) else type(error)
        raise kind(error.message, at=at, why=error.why, instead=error.instead) from None
    return Captured(
        graph=builder.graph(values, graph_outputs, name=_name(function)),
        state=recorder.state,
        arguments=tuple(arguments),
        inputs=specs,
        output=output,
        output_names=_output_names(output),
    )


# ---------------------------------------------------------------- arguments


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, Tensor | np.ndarray)


def _forward(function: Any) -> Callable[..., Any]:
    """What says which arguments there are: a module's `forward`, or the function."""
    return getattr(function, "forward", function)


def _bind(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The example arguments by name; those of `*args` are numbered."""
    signature = inspect.signature(_forward(function))
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ArgumentError(
            f"the example arguments do not fit {_name(function)}{signature}: {error}"
        ) from None
    bound.apply_defaults()
    arguments: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            arguments.update({f"{name}_{k}": item for k, item in enumerate(value)})
        elif kind is inspect.Parameter.VAR_KEYWORD:
            arguments.update(value)
        else:
            arguments[name] = value
    return arguments


def _call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call the function with the arguments that `_bind` named."""
    parameters = inspect.signature(_forward(function)).parameters
    positional: list[Any] = []
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            numbered = [key for key in arguments if key.startswith(f"{name}_")]
            positional.extend(arguments.pop(key) for key in numbered)
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            positional.append(arguments.pop(name))
    return function(*positional, **arguments)


def _symbolic_inputs(paths: list[str], tensors: list[Any], dynamic: Dynamic) -> list[Value]:
    unknown = [name for name in dynamic if name not in paths]
    if unknown:
        raise ArgumentError(
            f"dynamic names {unknown[0]!r}, which is not an input",
            instead=f"one of: {', '.join(paths) or '(there are no tensor inputs)'}",
        )
    named: dict[str, tuple[Symbol, int, str]] = {}
    values = []
    for path, example in zip(paths, tensors, strict=True):
        dtype = example.dtype if isinstance(example, Tensor) else as_tensor(example).dtype
        sizes = [int(n) for n in example.shape]
        shape: list[Size] = list(sizes)
        for dim, given in dynamic.get(path, {}).items():
            if not isinstance(dim, int) or not -len(shape) <= dim < len(shape):
                raise ArgumentError(f"dynamic: {path} has no dim {dim!r}, its shape is {shape}")
            size = dims.symbol(given) if isinstance(given, str) else given
            if not isinstance(size, Dim):
                raise ArgumentError(f"dynamic: a dim's name must be text or a vt.dim, not {given}")
            _check_example(named, size, sizes[dim], f"{path}.shape[{dim}]")
            shape[dim] = size
        values.append(Value(TensorType(dtype, tuple(shape)), path))
    return values


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


def _known(function: Any) -> tuple[dict[int, str], dict[int, str]]:
    """Names of the parameters and buffers, and of the modules, if the function is a module."""
    owner = function if hasattr(function, "named_modules") else getattr(function, "__self__", None)
    if owner is None or not hasattr(owner, "named_modules"):
        return {}, {}
    names = {id(t): name for name, t in owner.named_parameters()}
    names |= {id(t): name for name, t in owner.named_buffers()}
    return names, {id(module): path for path, module in owner.named_modules()}


def _name(function: Any) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name).strip("_") or "main"


# ---------------------------------------------------------------- results


def _check_output(output: TreeSpec) -> None:
    for path, leaf in output.leaves():
        if leaf.kind != "static" or isinstance(leaf.value, bool | int | float | str | None):
            continue
        where = f" at {path}" if path else ""
        raise CaptureError(
            f"the function returns a {type(leaf.value).__name__}{where}",
            why="a program returns tensors, in lists, tuples, dicts or dataclasses",
            instead="return vt.as_tensor(...)" if not isinstance(leaf.value, Dim) else "",
        )


def _output_names(output: TreeSpec) -> tuple[str, ...]:
    paths = [path for path, leaf in output.leaves() if leaf.kind == "tensor"]
    return tuple(
        "output" if not path else path if not path[0].isdigit() else f"output.{path}"
        for path in paths
    )
