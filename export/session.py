"""Running ONNX files in ONNX Runtime, with clear errors at the door."""

from __future__ import annotations

import ctypes
import json
import os
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..ir import dims
from ..ir.constraints import Binding, Constraint
from ..ir.dims import RELATIONS, Condition, Dim
from ..ir.dims_text import parse_size
from ..ir.errors import ArgumentError, ConstraintError, DTypeError, FormatError
from ..ir.location import Location
from ..ir.types import BY_NAME, DType, bfloat16
from ..ops.arrays import dtype_of, numpy_dtype
from ..tensor import Tensor, as_tensor
from ..tracer import flatten

_TYPE_NAMES = {"float": "float32", "double": "float64"}  # where ONNX Runtime's are not ours
_CACHED_SESSIONS = 4
_CONDITION = re.compile(r"([^=!<>]+) ([=!<>]=|[<>]) ([^=!<>]+)")
_PLACE = re.compile(r"(.+?):(\d{1,9})(?: in (.+))?")


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model.

    Attributes:
        name: Its name.
        dtype: The element type.
        shape: Sizes; text for a dynamic one, None for one without a name.
    """

    name: str
    dtype: DType
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype.short}[{sizes}]"


class Session:
    """An ONNX file, loaded into ONNX Runtime on the CPU.

    Args:
        path: The file.

    Attributes:
        path: The file.
        inputs: What the model takes.
        outputs: What it gives.

    Raises:
        FormatError: where there is no such file, or ONNX Runtime cannot load it.
    """

    def __init__(self, path: str | Path) -> None:
        import onnxruntime

        self.path = Path(path)
        if not self.path.is_file():
            raise FormatError(f"there is no file {self.path}")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors come as exceptions
        try:
            self._session = onnxruntime.InferenceSession(
                os.fspath(self.path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises a kind for each of its codes
            raise FormatError(
                f"{self.path} cannot be loaded by ONNX Runtime: {_reason(error)}"
            ) from None
        self.inputs = tuple(map(self._port, self._session.get_inputs()))
        self.outputs = tuple(map(self._port, self._session.get_outputs()))
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._arguments = _json_object(metadata.get("vitrify.arguments"))
        named = _symbols(_json_object(metadata.get("vitrify.sizes")))
        self._sizes = _sizes(named, self.inputs)
        try:
            self._constraints = _constraints(metadata.get("vitrify.constraints"), named)
        except (TypeError, ValueError, RecursionError) as error:
            raise FormatError(f"{self.path}: its constraints cannot be read: {error}") from None

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Run the model; see `run`, but the results are always a dict."""
        feeds = self._feeds(args, kwargs)
        if any(port.dtype is bfloat16 for port in (*self.inputs, *self.outputs)):
            arrays = self._run_with_bfloat16(feeds)
        else:
            arrays = self._guarded(lambda: self._session.run(None, feeds))
        return {
            port.name: as_tensor(array) for port, array in zip(self.outputs, arrays, strict=True)
        }

    def __repr__(self) -> str:
        takes, gives = (", ".join(map(str, ports)) for ports in (self.inputs, self.outputs))
        return f"<session {self.path.name}({takes}) -> ({gives})>"

    # ------------------------------------------------------------ running

    def _guarded(self, run: Any) -> Any:
        try:
            return run()
        except Exception as error:
            raise ArgumentError(
                f"{self.path.name} failed on these inputs: {_reason(error)}"
            ) from None

    def _run_with_bfloat16(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """ONNX Runtime gives and takes bfloat16, which NumPy lacks, only as bare memory."""
        import onnx
        import onnxruntime

        def value(array: np.ndarray) -> Any:
            make = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type
            if dtype_of(array) is bfloat16:
                return make(array.view(np.uint16), onnx.TensorProto.BFLOAT16)
            return onnxruntime.OrtValue.ortvalue_from_numpy(array)

        given = {name: value(array) for name, array in feeds.items()}
        results = self._guarded(lambda: self._session.run_with_ort_values(None, given))
        arrays = []
        for port, result in zip(self.outputs, results, strict=True):
            if port.dtype is not bfloat16:
                arrays.append(result.numpy())
                continue
            data = ctypes.string_at(result.data_ptr(), result.tensor_size_in_bytes())
            flat = np.frombuffer(bytearray(data), numpy_dtype(bfloat16))
            arrays.append(flat.reshape(result.shape()))
        return arrays

    def _port(self, info: Any) -> Port:
        name = str(info.type).removeprefix("tensor(").removesuffix(")")
        dtype = BY_NAME.get(_TYPE_NAMES.get(name, name))
        if dtype is None:
            raise FormatError(f"{self.path}: {info.name} is a {info.type}, which no tensor holds")
        shape = tuple(size if isinstance(size, int | str) else None for size in info.shape)
        return Port(info.name, dtype, shape)

    # ------------------------------------------------------------ arguments

    def _feeds(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        ports = {port.name: port for port in self.inputs}
        given: dict[str, Any] = {}
        for argument, tree in self._by_name(args, kwargs).items():
            leaves: list[Any] = []
            spec = flatten(tree, _is_array, leaves, argument)
            tensors = iter(leaves)
            for path, leaf in spec.leaves(argument):
                value = next(tensors) if leaf.kind == "tensor" else leaf.value
                if path in ports:
                    given[path] = value
                elif leaf.kind == "tensor" or not self._is_fixed(argument, path, value):
                    raise ArgumentError(f"no input is named {path!r}", instead=self._usage())
        if missing := [name for name in ports if name not in given]:
            raise ArgumentError(f"the input {missing[0]} is missing", instead=self._usage())
        feeds = {name: _array(port, given[name]) for name, port in ports.items()}
        self._check_sizes(feeds)
        return feeds

    def _by_name(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        names = list(self._arguments) or [port.name for port in self.inputs]
        if len(args) == len(self.inputs) and all(map(_is_array, args)):
            names = [port.name for port in self.inputs]  # of nested arguments, the tensors
        if len(args) > len(names):
            raise ArgumentError(
                f"{len(args)} inputs given, the model takes {len(names)}", instead=self._usage()
            )
        given = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name in given:
                raise ArgumentError(f"the input {name} is given twice", instead=self._usage())
            given[name] = value
        return given

    def _is_fixed(self, argument: str, path: str, value: Any) -> bool:
        """Whether a Python value is one that was fixed when the model was captured."""
        fixed = self._arguments.get(argument)
        if not isinstance(fixed, dict) or path not in fixed:
            return False
        if type(value) is not type(fixed[path]) or value != fixed[path]:
            raise ConstraintError(
                f"{path} is {value!r}, the model was captured for {fixed[path]!r}",
                why="Python values are fixed at capture",
            )
        return True

    def _usage(self) -> str:
        return f"{self.path.name}({', '.join(map(str, self.inputs))})"

    def _check_sizes(self, feeds: Mapping[str, np.ndarray]) -> None:
        """Fixed sizes as they must be, sizes of one name all the same, and what was recorded."""
        binding = Binding()
        for port in self.inputs:
            array = feeds[port.name]
            if array.ndim != len(port.shape):
                raise ConstraintError(
                    f"{port.name} has shape {array.shape}, the model takes {port}"
                )
            for k, (size, actual) in enumerate(zip(port.shape, array.shape, strict=True)):
                at = f"{port.name}.shape[{k}]"
                if isinstance(size, int):
                    if size != actual:
                        raise ConstraintError(f"{at} is {actual}, the model takes {size}: {port}")
                elif size is not None and (dim := self._sizes.get(size)) is not None:
                    binding.bind(at, dim, actual)
                elif size is not None:
                    binding.bind_name(at, size, actual, f"{at} = {actual}")
        binding.check(self._constraints)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, Tensor | np.ndarray | np.generic)


def _array(port: Port, value: Any) -> np.ndarray:
    """The value as the array that the input takes; numbers are converted, arrays are not."""
    if isinstance(value, Tensor):
        array = value.detach().cpu().numpy()
    elif isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
    elif isinstance(value, bool | int | float):
        array = np.asarray(value)
        category = {"b": 0, "i": 1, "f": 2}.get(array.dtype.kind, 2)
        if category > port.dtype.category:
            raise DTypeError(f"{port.name} is {value!r}, the model takes {port}")
        return array.astype(numpy_dtype(port.dtype))
    else:
        raise ArgumentError(f"{port.name} is a {type(value).__name__}, the model takes {port}")
    if array.dtype != numpy_dtype(port.dtype):
        raise DTypeError(
            f"{port.name} is {array.dtype.name}, the model takes {port.dtype.name}",
            instead=f"{port.name}.to(vt.{port.dtype.name})",
        )
    return np.ascontiguousarray(array) if array.ndim else array


def _reason(error: Exception) -> str:
    """ONNX Runtime's message in one line, without its code."""
    text = str(error).strip().splitlines()[0]
    return text.split(" : ", 3)[-1] if text.startswith("[ONNXRuntimeError]") else text


def _json_object(text: str | None) -> dict[str, Any]:
    """What Vitrify noted in the file; nothing where another program wrote it, or badly."""
    try:
        data = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _symbols(limits: Mapping[str, Any]) -> dict[str, Dim]:
    """The symbols of the dynamic sizes."""
    try:
        return {name: dims.symbol(name, low, high) for name, (low, high) in limits.items()}
    except (TypeError, ValueError):
        return {}  # not by us, or changed since


def _sizes(named: Mapping[str, Dim], ports: Sequence[Port]) -> dict[str, Dim]:
    """The dynamic sizes that Vitrify wrote, read back from their text."""
    found: dict[str, Dim] = {}
    try:
        for size in (size for port in ports for size in port.shape):
            if isinstance(size, str) and isinstance(parsed := parse_size(size, named), Dim):
                found[size] = parsed
    except (TypeError, ValueError):
        return {}  # not by us, or changed since
    return found


def _constraints(text: str | None, named: Mapping[str, Dim]) -> tuple[Constraint, ...]:
    """The recorded constraints, read back.

    Raises:
        TypeError, ValueError, RecursionError: where they are damaged.
    """
    found: list[Constraint] = []
    for condition, place in json.loads(text or "[]"):
        match = _CONDITION.fullmatch(condition)
        if match is None:
            raise ValueError(f"{condition!r} is no condition")
        lhs, rhs = (parse_size(side, named) for side in match.group(1, 3))
        at = _PLACE.fullmatch(place)
        location = Location(at[1], int(at[2]), at[3] or "") if at else None
        found.append(Constraint(Condition(lhs, RELATIONS[match[2]], rhs), location))
    return tuple(found)


_sessions: OrderedDict[tuple[Any, ...], Session] = OrderedDict()


def _session(path: str | Path) -> Session:
    """The session of a file, kept until the file changes or others push it out."""
    try:
        status = os.stat(path)
    except OSError:
        return Session(path)  # says that there is no such file
    key = (os.path.realpath(path), status.st_mtime_ns, status.st_size)
    session = _sessions.pop(key, None) or Session(path)
    _sessions[key] = session
    while len(_sessions) > _CACHED_SESSIONS:
        _sessions.popitem(last=False)
    return session


def run(model: str | Path, *args: Any, **kwargs: Any) -> Tensor | dict[str, Tensor]:
    """Run an ONNX file in ONNX Runtime on the CPU.

    The session is kept, so that a second call of an unchanged file is fast.

    Args:
        model: The path of the file.
        *args: Inputs by position: tensors, arrays, numbers, or trees of them, whose tensors are the
            inputs with the dotted names of their places (`cache.0.k`).
        **kwargs: Inputs by name, likewise.

    Returns:
        The result, or a dict of the results by name if there are several.

    Raises:
        FormatError: where the file is missing, damaged, or not an ONNX model.
        ArgumentError: for a missing or unknown input.
        DTypeError: for an input of another dtype.
        ConstraintError: for an input of a shape that the model does not take.

    Example:
        >>> logits = vt.run("model.onnx", x)
    """
    results: Mapping[str, Tensor] = _session(model)(*args, **kwargs)
    if len(results) == 1:
        (result,) = results.values()
        return result
    return dict(results)
