"""Inputs from the command line: random ones of a type, arrays from files, Python values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..ir import dims
from ..ir.errors import ArgumentError, FormatError
from ..ir.types import BY_SHORT, DType, TensorType
from ..ops.arrays import numpy_dtype
from ..tensor import Tensor, as_tensor

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

_NAMED = re.compile(r"([A-Za-z_][\w.]*)=(.*)", re.DOTALL)
_TYPE = re.compile(r"(\w+)\[([\d\s,]*)\]")
_FORMS = "x=f32[2,3,8,8] (random), x=@data.npy, @data.npz, or x=1.5"


def parse_inputs(texts: Iterable[str], seed: int) -> Arguments:
    """The arguments that `--input` options stand for.

    Args:
        texts: `f32[2, 3]` for random numbers, `@file.npy` or `@file.npz` for arrays, JSON for a
            Python value; each with `name=` before it, or in the order of the parameters.
        seed: Of the random numbers. Integers are 0 or 1, which are good indices into anything.

    Raises:
        ArgumentError: for anything else.
        FormatError: for a file that holds no arrays.
    """
    random = np.random.default_rng(seed)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for text in texts:
        match = _NAMED.fullmatch(text)
        name, value = match.groups() if match else ("", text)
        if not name and value.startswith("@") and value.endswith(".npz"):
            kwargs.update({key: as_tensor(a) for key, a in _arrays(value[1:]).items()})
        elif name:
            kwargs[name] = _value(value, name, random)
        else:
            args.append(_value(value, name, random))
    return tuple(args), kwargs


def _value(text: str, name: str, random: np.random.Generator) -> Any:
    if text.startswith("@"):
        return _from_file(text[1:], name)
    if match := _TYPE.fullmatch(text):
        if match[1] not in BY_SHORT:
            known = ", ".join(BY_SHORT)
            raise ArgumentError(f"no dtype is called {match[1]!r}", instead=f"one of: {known}")
        shape = tuple(int(size) for size in match[2].split(",") if size.strip())
        return random_tensor(BY_SHORT[match[1]], shape, random)
    try:
        value = json.loads(text)
    except ValueError:
        raise ArgumentError(f"cannot read the input {text!r}", instead=_FORMS) from None
    if isinstance(value, list | dict):
        raise ArgumentError(f"an input must be a plain value, not {text}", instead=_FORMS)
    return value


def _from_file(path: str, name: str) -> Tensor:
    arrays = _arrays(path)
    if len(arrays) > 1 and name not in arrays:
        raise ArgumentError(
            f"{path} holds several arrays: {', '.join(arrays)}", instead=f"--input @{path}"
        )
    return as_tensor(arrays[name] if name in arrays else next(iter(arrays.values())))


def _arrays(path: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name; that of an .npy without one."""
    try:
        loaded = np.load(Path(path), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            arrays = {key: loaded[key] for key in loaded.files}
    except FileNotFoundError:
        raise FormatError(f"there is no file {path}") from None
    except Exception as error:  # NumPy raises many kinds on damaged files
        raise FormatError(f"{path} holds no arrays that can be read: {error}") from None
    if not arrays:
        raise FormatError(f"{path} holds no arrays")
    return arrays


def random_tensor(dtype: DType, shape: tuple[int, ...], random: np.random.Generator) -> Tensor:
    """Normally distributed floats; 0 and 1 for the other dtypes."""
    if dtype.is_floating_point:
        array = random.standard_normal(shape)
    else:
        array = random.integers(0, 2, shape)
    return as_tensor(np.asarray(array).astype(numpy_dtype(dtype)))


def random_inputs(types: Mapping[str, TensorType], seed: int, size: int = 2) -> dict[str, Tensor]:
    """Random inputs by name; dynamic sizes are `size` where their limits allow it."""
    random = np.random.default_rng(seed)
    sizes: dict[str, int] = {}
    for symbol in (s for t in types.values() for d in t.shape for s in dims.symbols(d)):
        least = size if symbol.min is None else max(size, symbol.min)
        sizes[symbol.name] = least if symbol.max is None else min(least, symbol.max)
    return {
        name: random_tensor(t.dtype, tuple(dims.evaluate(d, sizes) for d in t.shape), random)
        for name, t in types.items()
    }


def parse_dynamic(texts: Iterable[str]) -> dict[str, dict[int, str]]:
    """The argument `dynamic` of `vt.trace` from texts such as `x.0=batch`."""
    dynamic: dict[str, dict[int, str]] = {}
    for text in texts:
        match = re.fullmatch(r"(\w[\w.]*)\.(-?\d+)=([^\W\d]\w*)", text)
        if match is None:
            raise ArgumentError(
                f"cannot read the dynamic dim {text!r}", instead="--dynamic x.0=batch"
            )
        dynamic.setdefault(match[1], {})[int(match[2])] = match[3]
    return dynamic
