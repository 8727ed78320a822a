"""The archive `name.vt`: a zip of the graph as text, the weights, and a manifest.

    manifest.json        format, version, producer, arguments, trees, names
    graph.txt            the graph in the grammar of `ir/printer.py`
    weights.safetensors  the state by name

Entries are stored uncompressed with a fixed date, so equal programs give equal bytes and a hostile
file cannot unpack into more than its size. Nothing in it is executed.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..ir.errors import ExportError, FormatError
from ..ir.parser import parse_graph
from ..ir.types import BY_NAME
from ..ir.version import VERSION
from ..ops import REGISTRY
from ..ops.arrays import numpy_dtype
from ..tensor import Tensor
from ..tracer import Captured, TreeSpec
from .atomic import atomic_write

FORMAT = "vitrify-program"
FORMAT_VERSION = 1
_MANIFEST, _GRAPH, _WEIGHTS = "manifest.json", "graph.txt", "weights.safetensors"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_archive(path: str | Path, captured: Captured) -> Path:
    """Write a program as an archive, atomically.

    Raises:
        ExportError: where a static argument or result cannot be kept in a file.
    """
    graph, state = captured.graph, captured.state
    manifest = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "producer": f"vitrify {VERSION}",
        "name": graph.name,
        "arguments": list(captured.arguments),
        "inputs": [_json(spec) for spec in captured.inputs],
        "output": _json(captured.output),
        "output_names": list(captured.output_names),
        "input_types": {value.name: str(value.type) for value in graph.inputs},
    }
    used = {n.attrs["name"] for n in graph.walk() if n.op.name == "parameter"}
    entries = {
        _MANIFEST: json.dumps(manifest, indent=1).encode(),
        _GRAPH: str(graph).encode(),
        _WEIGHTS: _pack({name: t for name, t in state.items() if name in used}),
    }
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return Path(path)


def _json(spec: TreeSpec) -> dict[str, Any]:
    try:
        return spec.to_json()
    except ValueError as error:
        raise ExportError(f"the program cannot be saved: {error}") from None


def _pack(state: Mapping[str, Tensor]) -> bytes:
    from safetensors.numpy import save

    arrays = {name: state[name].detach().cpu().contiguous().numpy() for name in sorted(state)}
    return save(arrays)


def read_archive(path: str | Path) -> Captured:
    """Read an archive.

    Raises:
        FormatError: where the file is missing, damaged, hostile, or from a newer version.
    """
    entries = _entries(Path(path))
    manifest = _manifest(entries[_MANIFEST])
    try:
        text = entries[_GRAPH].decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: {_GRAPH} is not text: {error}") from None
    graph = parse_graph(text, REGISTRY)
    state = _unpack(entries[_WEIGHTS])
    for node in graph.walk():
        if node.op.name == "parameter":
            name, wanted = node.attrs["name"], node.attrs["type"]
            if name not in state:
                raise FormatError(f"the weights of {name!r} are missing")
            if state[name].type != wanted:
                raise FormatError(f"{name!r} is {state[name].type}, the graph takes {wanted}")
    captured = Captured(
        graph,
        state,
        tuple(_strings(manifest, "arguments")),
        tuple(TreeSpec.from_json(spec) for spec in _list(manifest, "inputs")),
        TreeSpec.from_json(manifest.get("output")),
        tuple(_strings(manifest, "output_names")),
    )
    _check(captured)
    return captured


def _entries(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if sorted(info.filename for info in infos) != sorted((_MANIFEST, _GRAPH, _WEIGHTS)):
                raise FormatError(f"{path} is a zip file, but not a vitrify program")
            if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise FormatError(f"{path} has compressed entries, which no program has")
            return {info.filename: archive.read(info) for info in infos}
    except FileNotFoundError:
        raise FormatError(f"there is no file {path}") from None
    except FormatError:
        raise
    except Exception as error:  # zipfile raises many kinds on damaged files
        raise FormatError(
            f"{path} is not a vitrify program, or is damaged: {error}",
            instead=f"program.save({str(path)!r})  # write it again, or copy it again",
        ) from None


def _manifest(data: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{_MANIFEST} is damaged: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise FormatError(f"{_MANIFEST} does not describe a vitrify program")
    if manifest.get("version") != FORMAT_VERSION:
        raise FormatError(
            f"the program has format version {manifest.get('version')}, this is {FORMAT_VERSION}",
            instead="a newer vitrify",
        )
    return manifest


def _list(manifest: Mapping[str, Any], key: str) -> list[Any]:
    value = manifest.get(key)
    if not isinstance(value, list):
        raise FormatError(f"{_MANIFEST}: {key} must be a list")
    return value


def _strings(manifest: Mapping[str, Any], key: str) -> list[str]:
    value = _list(manifest, key)
    if not all(isinstance(item, str) for item in value):
        raise FormatError(f"{_MANIFEST}: {key} must hold text")
    return value


def _unpack(data: bytes) -> dict[str, Tensor]:
    import safetensors

    by_code = {_SAFETENSORS_CODES.get(name, name): name for name in BY_NAME}
    try:
        found = safetensors.deserialize(data)
        state: dict[str, Tensor] = {}
        for name, entry in sorted(found):
            dtype = numpy_dtype(BY_NAME[by_code[entry["dtype"]]])
            array = np.frombuffer(bytearray(entry["data"]), dtype).reshape(entry["shape"])
            state[name] = Tensor._from_payload(array)
        return state
    except Exception as error:  # SafetensorError, KeyError of a dtype, ValueError of a shape
        raise FormatError(f"{_WEIGHTS} is damaged: {error}") from None


_SAFETENSORS_CODES = {
    "bool": "BOOL", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64",
    "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64",
    "float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64",
}  # fmt: skip


def _check(captured: Captured) -> None:
    """The manifest must describe the graph it comes with."""
    if len(captured.arguments) != len(captured.inputs):
        raise FormatError(f"{_MANIFEST}: as many arguments as input trees are needed")
    paths = [
        path
        for name, spec in zip(captured.arguments, captured.inputs, strict=True)
        for path in spec.tensor_paths(name)
    ]
    # The text leaves out a name that the grammar cannot hold, as a dict key makes them.
    names = [value.name for value in captured.graph.inputs]
    if len(paths) != len(names) or any(n not in ("", p) for n, p in zip(names, paths, strict=True)):
        raise FormatError(f"{_MANIFEST}: the inputs are not those of the graph")
    for value, path in zip(captured.graph.inputs, paths, strict=True):
        value.name = path
    count = len(captured.output.tensor_paths())
    if not count == len(captured.output_names) == len(captured.graph.outputs):
        raise FormatError(f"{_MANIFEST}: the outputs are not those of the graph")
