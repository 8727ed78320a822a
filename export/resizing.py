"""Example inputs of other sizes, for what is dynamic: `dims="batch=1,2,7"` of `vitrify.compare`."""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import dims as sizes_of
from ..ir.dims import Dim, Size
from ..ir.dims_text import parse_size
from ..ir.errors import ArgumentError
from ..tensor import Tensor, as_tensor
from ..tracer import flatten, unflatten
from .program import Program
from .session import Session

Dims = str | Mapping[str, int | Sequence[int]]

MOST = 64  # combinations, each of which runs every candidate
_FORM = 'dims="batch=1,2,7 seq=16,32", or {"batch": [1, 2, 7]}'
_NAMED = re.compile(r"\s*([^\W\d]\w*)\s*=\s*(\d+(?:\s*,\s*\d+)*)(?:\s*[,;]|\s|$)\s*")


def parse_dims(given: Dims) -> dict[str, tuple[int, ...]]:
    """The sizes that each name is to have, without repetitions.

    Raises:
        ArgumentError: for what cannot be read, and for too many combinations.
    """
    found: dict[str, tuple[int, ...]] = {}
    for name, values in _pairs(given):
        if name in found:
            raise ArgumentError(f"dims gives {name} twice", instead=_FORM)
        found[name] = tuple(dict.fromkeys(values))
        if not values or min(values) < 0:
            raise ArgumentError(f"dims: {name} needs sizes of 0 or more", instead=_FORM)
    if not found:
        raise ArgumentError("dims names no dim", instead=_FORM)
    if (count := math.prod(map(len, found.values()))) > MOST:
        raise ArgumentError(f"dims makes {count} combinations, more than {MOST}")
    return found


def _pairs(given: Dims) -> Iterator[tuple[str, list[int]]]:
    if isinstance(given, str):
        end = 0
        while end < len(given):
            match = _NAMED.match(given, end)
            if match is None:
                raise ArgumentError(f"cannot read the sizes {given[end:]!r}", instead=_FORM)
            yield match[1], [int(size) for size in match[2].split(",")]
            end = match.end()
        return
    if not isinstance(given, Mapping):
        raise ArgumentError(f"dims cannot be a {type(given).__name__}", instead=_FORM)
    for name, values in given.items():
        try:
            items = values if isinstance(values, Sequence) else [values]
            yield name, [operator.index(size) for size in items]
        except TypeError:
            raise ArgumentError(f"dims: {name} is given {values!r}", instead=_FORM) from None


# ---------------------------------------------------------------- who knows which dim is which


@dataclass(frozen=True, slots=True)
class Layout:
    """What a program or file says of the sizes of its inputs.

    Attributes:
        arguments: Names for positional arguments.
        shapes: The sizes of each tensor input by its dotted name; None for an unknown one.
    """

    arguments: tuple[str, ...]
    shapes: Mapping[str, tuple[Size | None, ...]]

    @classmethod
    def of_program(cls, program: Program) -> Layout:
        shapes = {name: type.shape for name, type in program.input_types.items()}
        return cls(program.captured.arguments, shapes)

    @classmethod
    def of_session(cls, session: Session) -> Layout:
        """The same of an ONNX file, by whomever it was made."""
        texts = [str(size) for port in session.inputs for size in port.shape]
        words = {word for text in texts for word in re.findall(r"[^\W\d]\w*", text)}
        symbols = {word: sizes_of.symbol(word) for word in words}

        def size(given: int | str | None) -> Size | None:
            try:
                return parse_size(given, symbols) if isinstance(given, str) else given
            except ValueError:
                return None

        arguments = dict.fromkeys(port.name.split(".")[0] for port in session.inputs)
        shapes = {port.name: tuple(map(size, port.shape)) for port in session.inputs}
        return cls(tuple(arguments), shapes)

    def names(self) -> set[str]:
        """The names that sizes go by."""
        sizes = [size for shape in self.shapes.values() for size in shape if size is not None]
        return {symbol.name for size in sizes for symbol in sizes_of.symbols(size)}


@dataclass(frozen=True, slots=True)
class Sized:
    """The arguments for one combination of sizes.

    Attributes:
        label: The sizes as text: `batch=7, seq=16`.
        args: The positional arguments.
        kwargs: The keyword arguments.
    """

    label: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resizing:
    """Arguments of every combination of sizes, made from an example.

    Attributes:
        dynamic: The symbolic dims of each tensor argument, as `vitrify.trace` takes them.
        all: One for each combination.
    """

    dynamic: dict[str, dict[int, Dim]]
    all: tuple[Sized, ...]


def resize(
    given: Dims, layouts: Sequence[Layout], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Resizing:
    """Make inputs of other sizes from an example.

    What grows is tiled, and varied so that rows differ: floats shrink towards zero (where all of an
    input are the same, they grow by less than 1), integers and bools stay between the least and the
    largest of the example. What shrinks is cut. The same call gives the same values.

    Args:
        given: The sizes for each name.
        layouts: Who may know which dims have these names; the first that knows all is asked.
        args: The example's positional arguments.
        kwargs: Its keyword arguments.

    Raises:
        ArgumentError: where nobody knows a name, or the example does not fit.
    """
    wanted = parse_dims(given)
    layout = _knowing(wanted, layouts)
    known = [name for name in layout.arguments[: len(args)] if name not in kwargs]
    names = [*known, *map(str, range(len(known), len(args)))]
    trees = {**dict(zip(names, args, strict=True)), **kwargs}
    leaves: list[Any] = []
    specs = {
        name: flatten(tree, lambda leaf: isinstance(leaf, Tensor), leaves, name)
        for name, tree in trees.items()
    }
    paths = [path for name, spec in specs.items() for path in spec.tensor_paths(name)]
    shapes = _matched(paths, layout)
    example = _example_sizes(paths, leaves, shapes)
    combinations = []
    for values in itertools.product(*wanted.values()):
        sizes = dict(zip(wanted, values, strict=True))
        tensors = iter(
            _resized(tensor, path, _shape(path, tensor, shape, sizes, example), seed)
            for seed, (path, tensor, shape) in enumerate(zip(paths, leaves, shapes, strict=True))
        )
        made = [unflatten(spec, tensors) for spec in specs.values()]
        label = ", ".join(f"{name}={size}" for name, size in sizes.items())
        rest = dict(zip(kwargs, made[len(args) :], strict=True))
        combinations.append(Sized(label, tuple(made[: len(args)]), rest))
    dynamic = {
        path: {k: size for k, size in enumerate(shape) if isinstance(size, Dim)}
        for path, shape in zip(paths, shapes, strict=True)
    }
    return Resizing({path: found for path, found in dynamic.items() if found}, tuple(combinations))


def _knowing(wanted: Mapping[str, Any], layouts: Sequence[Layout]) -> Layout:
    known = sorted(set().union(*(layout.names() for layout in layouts)))
    if not known:
        raise ArgumentError(
            "dims needs a candidate whose dims have names, and there is none",
            instead='vt.compare(model, vt.trace(model, x, dynamic={"x": {0: "batch"}}), ...)',
        )
    for layout in layouts:
        if layout.names() >= wanted.keys():
            return layout
    unknown = [name for name in wanted if name not in known]
    if not unknown:
        raise ArgumentError(f"no candidate has dims of all the names {', '.join(wanted)}")
    raise ArgumentError(f"no dim is called {unknown[0]!r}", instead=f"one of: {', '.join(known)}")


def _matched(paths: Sequence[str], layout: Layout) -> list[tuple[Size | None, ...]]:
    """What the layout says of each tensor: by name, or by order where names differ."""
    if set(paths) <= layout.shapes.keys():
        return [layout.shapes[path] for path in paths]
    if len(paths) == len(layout.shapes):
        return [*layout.shapes.values()]
    raise ArgumentError(
        f"cannot tell the dims of {', '.join(paths) or 'no tensors'}",
        why=f"the candidate takes {', '.join(layout.shapes)}",
    )


def _example_sizes(
    paths: Sequence[str], tensors: Sequence[Tensor], shapes: Sequence[Sequence[Size | None]]
) -> dict[str, int]:
    """What the example says of the symbols."""
    found: dict[str, int] = {}
    for path, tensor, shape in zip(paths, tensors, shapes, strict=True):
        if tensor.ndim != len(shape):
            raise ArgumentError(f"{path} has {tensor.ndim} dims, the candidate takes {len(shape)}")
        for size, actual in zip(shape, tensor.shape, strict=True):
            if isinstance(size, Dim):
                found |= sizes_of.solve(size, int(actual)) or {}
    return found


def _shape(
    path: str,
    tensor: Tensor,
    shape: Sequence[Size | None],
    sizes: Mapping[str, int],
    example: Mapping[str, int],
) -> tuple[int, ...]:
    """The shape of a tensor for these sizes; the example's, in what they do not touch."""
    result = [int(size) for size in tensor.shape]
    for k, size in enumerate(shape):
        if size is None or not any(symbol.name in sizes for symbol in sizes_of.symbols(size)):
            continue
        at = f"{path}.shape[{k}]"
        try:
            result[k] = sizes_of.evaluate(size, {**example, **sizes})
        except KeyError as error:
            raise ArgumentError(f"{at} is {size}, and {error.args[0]} is not known") from None
        except ZeroDivisionError:
            raise ArgumentError(f"{at} is {size}, which divides by zero here") from None
        if result[k] < 0:
            raise ArgumentError(f"{at} is {size}, which is {result[k]} here")
        if result[k] and not tensor.shape[k]:
            raise ArgumentError(f"{at} is 0 in the example: there is nothing to make more from")
    return tuple(result)


# ---------------------------------------------------------------- values


def _resized(tensor: Tensor, path: str, shape: tuple[int, ...], seed: int) -> Tensor:
    if shape == tuple(tensor.shape):
        return tensor
    array = _with_shape(tensor.detach().cpu().numpy(), shape, np.random.default_rng(seed))
    return as_tensor(array, device=tensor.device)


def _with_shape(
    array: np.ndarray, shape: tuple[int, ...], random: np.random.Generator
) -> np.ndarray:
    """The array tiled and cut to the shape, with other values where it was tiled."""
    tiled, repeats = array, np.zeros(shape, bool)
    for axis, size in enumerate(shape):
        if size != (old := array.shape[axis]):
            places = np.arange(size)
            tiled = np.take(tiled, places % max(old, 1), axis)
            repeats |= (places >= old).reshape([-1 if k == axis else 1 for k in range(array.ndim)])
    if not repeats.any():
        return tiled
    if array.dtype.kind in "iub":
        wide = array.astype(np.uint8) if array.dtype.kind == "b" else array
        low, high = int(wide.min()), int(wide.max())
        others = random.integers(low, high, shape, dtype=wide.dtype, endpoint=True)
    else:
        others = tiled.astype(np.float64) * random.uniform(0.5, 1.0, shape)
        if (array == array.flat[0]).all():  # a placeholder, such as zeros
            others += random.random(shape)
    return np.where(repeats, others.astype(array.dtype), tiled)
