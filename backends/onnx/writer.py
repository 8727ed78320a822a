"""The ONNX graph under construction: nodes, shared constants, names, casts to what has kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ...ir.location import Location
from ...ir.types import DType, int64
from ...ops.arrays import numpy_dtype
from .kernels import accumulator, carrier
from .registry import Declined

if TYPE_CHECKING:
    from .sizes import Sizes

# Names in onnx.TensorProto where they are not our names in capitals.
_PROTO_NAMES = {"float32": "FLOAT", "float64": "DOUBLE"}

# Arrays from this size on go into the data file, where there is one.
_EXTERNAL_BYTES = 1024
_ALIGNMENT = 4096  # of arrays in the data file, so that they can be mapped into memory


def proto_type(dtype: DType) -> int:
    """The number that ONNX files have for a dtype."""
    import onnx

    return getattr(onnx.TensorProto, _PROTO_NAMES.get(dtype.name, dtype.name.upper()))


def tensor_proto(array: np.ndarray, dtype: DType) -> Any:
    """An array as ONNX stores it: little endian, bool as bytes."""
    import onnx

    data = np.ascontiguousarray(array).tobytes()
    return onnx.TensorProto(data_type=proto_type(dtype), dims=array.shape, raw_data=data)


@dataclass(frozen=True, slots=True)
class Ref:
    """A value of the ONNX graph: what a rule gets and returns."""

    name: str
    dtype: DType


class DataFile:
    """Big arrays, kept out of the model until it is known whether one file can hold them all.

    Args:
        location: The name of the file beside the model that they may go to.

    Attributes:
        size: How long that file is.
    """

    def __init__(self, location: str) -> None:
        self.location = location
        self.size = 0
        self._arrays: dict[str, tuple[int, np.ndarray]] = {}

    def add(self, proto: Any, array: np.ndarray) -> None:
        """Take the array for a `TensorProto`, which then says where it lies."""
        import onnx

        offset = -(-self.size // _ALIGNMENT) * _ALIGNMENT
        self._arrays[proto.name] = (offset, array)
        self.size = offset + array.nbytes
        proto.data_location = onnx.TensorProto.EXTERNAL
        places = {"location": self.location, "offset": offset, "length": array.nbytes}
        for key, place in places.items():
            proto.external_data.add(key=key, value=str(place))

    def write(self, file: BinaryIO) -> None:
        """Write the arrays one after the other, without joining them in memory."""
        for offset, array in self._arrays.values():
            file.seek(offset)
            file.write(_memory(array))

    def write_inline(self, model: Any, file: BinaryIO) -> None:
        """Write the model with the arrays inside it, without a copy of them.

        This is protobuf's wire format by hand: a message is a row of fields, each a number, a
        length and its content, and a model's graph, its initializers and their data are nested so.
        """
        import onnx

        entries: list[tuple[bytes, memoryview]] = []
        for proto in model.graph.initializer:
            body, data = proto.SerializeToString(deterministic=True), memoryview(b"")
            if proto.name in self._arrays:
                data = _memory(self._arrays[proto.name][1])
                bare = onnx.TensorProto(name=proto.name, data_type=proto.data_type, dims=proto.dims)
                body = bare.SerializeToString(deterministic=True)
                body += _field(onnx.TensorProto.RAW_DATA_FIELD_NUMBER, len(data))
            length = len(body) + len(data)
            number = onnx.GraphProto.INITIALIZER_FIELD_NUMBER
            entries.append((_field(number, length) + body, data))
        rest = onnx.ModelProto()
        rest.CopyFrom(model)
        del rest.graph.initializer[:]
        graph = rest.graph.SerializeToString(deterministic=True)
        rest.ClearField("graph")
        length = len(graph) + sum(len(body) + len(data) for body, data in entries)
        file.write(rest.SerializeToString(deterministic=True))
        file.write(_field(onnx.ModelProto.GRAPH_FIELD_NUMBER, length) + graph)
        for body, data in entries:
            file.write(body)
            file.write(data)


def _memory(array: np.ndarray) -> memoryview:
    """The array's bytes in order; a copy only where they are not."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _field(number: int, length: int) -> bytes:
    """The start of a protobuf field with content of `length` bytes, as two varints."""
    encoded = bytearray()
    for value in (number << 3 | 2, length):
        while value >= 0x80:
            encoded.append(value & 0x7F | 0x80)
            value >>= 7
        encoded.append(value)
    return bytes(encoded)


class Writer:
    """Appends ONNX nodes; what rules write with.

    Args:
        opset: The opset version to write for.
        data: Takes big arrays; without it, they go into the model.

    Attributes:
        nodes: The nodes so far, in order.
        tensors: The initializers so far, by name.
        sizes: Computes symbolic sizes.
    """

    sizes: Sizes

    def __init__(self, opset: int, data: DataFile | None = None) -> None:
        self.opset = opset
        self.data = data
        self.nodes: list[Any] = []
        self.tensors: dict[str, Any] = {}
        self._names: set[str] = set()
        self._constants: dict[tuple[Any, ...], Ref] = {}
        self._scope = ""
        self._metadata: dict[str, str] = {}

    # ------------------------------------------------------------ names

    def name(self, wanted: str) -> str:
        """`wanted`, with a number behind it if it is taken."""
        name, count = wanted, 0
        while name in self._names:
            count += 1
            name = f"{wanted}_{count}"
        self._names.add(name)
        return name

    def at(self, location: Location | None, op: str) -> None:
        """Say which op of which line of user code the next nodes come from."""
        self._scope = f"{location.module}/" if location is not None and location.module else ""
        self._metadata = {"vitrify.op": op}
        if location is not None:
            self._metadata["vitrify.source"] = f"{location.file}:{location.line}"
            if location.module:
                self._metadata["vitrify.module"] = location.module

    # ------------------------------------------------------------ nodes

    def op(
        self,
        type: str,
        *inputs: Ref | None,
        out: DType | None = None,
        typed: int = 0,
        **attrs: Any,
    ) -> Ref:
        """Append a node and return its result.

        Where ONNX Runtime has no kernel for the dtype, the inputs are cast to a wider one that has,
        and the result back.

        Args:
            type: The ONNX op.
            inputs: Its inputs; None for one left out.
            out: The result's dtype where it is fixed; by default that of the inputs.
            typed: Which input has the dtype that counts.
            attrs: ONNX attributes; those that are None are left out.

        Raises:
            Declined: where no kernel takes the dtype or a wider one.
        """
        given = inputs[typed]
        assert given is not None
        dtype = given.dtype
        run_in = self._carrier(type, dtype)
        if run_in is not dtype:
            inputs = tuple(
                self.cast(x, run_in) if k >= typed and x is not None and x.dtype is dtype else x
                for k, x in enumerate(inputs)
            )
        (name,) = self.node(type, inputs, 1, attrs)
        return Ref(name, out) if out is not None else self.cast(Ref(name, run_in), dtype)

    def node(
        self, type: str, inputs: Sequence[Ref | None], outputs: int, attrs: dict[str, Any]
    ) -> tuple[str, ...]:
        """Append a node as it is; returns the names of its results."""
        import onnx

        name = self.name(self._scope + type)
        results = (name, *(self.name(f"{name}.{k}") for k in range(1, outputs)))
        node = onnx.helper.make_node(
            type,
            ["" if x is None else x.name for x in inputs],
            list(results),
            name=name,
            **{key: value for key, value in attrs.items() if value is not None},
        )
        for key, text in self._metadata.items():
            node.metadata_props.add(key=key, value=text)
        self.nodes.append(node)
        return results

    def _carrier(self, type: str, dtype: DType) -> DType:
        run_in = carrier(type, dtype)
        if run_in is None:
            raise Declined(
                f"ONNX Runtime has no {dtype.name} kernel for {type}",
                "export in float32: model.float() before the capture"
                if dtype.is_floating_point
                else "convert to another dtype first, for example with .int()",
            )
        return run_in

    def cast(self, x: Ref, dtype: DType) -> Ref:
        """`x` as `dtype`; itself where it is that already."""
        if x.dtype is dtype:
            return x
        (name,) = self.node("Cast", [x], 1, {"to": proto_type(dtype)})
        return Ref(name, dtype)

    def widen(self, x: Ref) -> Ref:
        """`x` in the type in which several ops compute: 16-bit floats as float32."""
        return self.cast(x, accumulator(x.dtype))

    # ------------------------------------------------------------ data

    def constant(self, value: Any, dtype: DType) -> Ref:
        """A number or small array; equal ones are shared."""
        with np.errstate(all="ignore"):
            array = np.asarray(value).astype(numpy_dtype(dtype))
        key = (dtype, array.shape, array.tobytes())
        if key not in self._constants:
            name = self.name("constant")
            self._constants[key] = Ref(name, dtype)
            self._tensor(name, array, dtype)
        return self._constants[key]

    def like(self, value: Any, x: Ref) -> Ref:
        """A number of the dtype of `x`."""
        return self.constant(value, x.dtype)

    def ints(self, values: Sequence[int]) -> Ref:
        """A vector of int64, as ONNX wants for axes and shapes."""
        return self.constant(np.array(values, dtype=np.int64), int64)

    def parameter(self, name: str, array: np.ndarray, dtype: DType) -> Ref:
        """A named initializer."""
        taken = self.name(name)
        self._tensor(taken, array, dtype)
        return Ref(taken, dtype)

    def _tensor(self, name: str, array: np.ndarray, dtype: DType) -> None:
        import onnx

        if self.data is None or array.nbytes < _EXTERNAL_BYTES:
            proto = tensor_proto(array, dtype)
            proto.name = name
        else:
            proto = onnx.TensorProto(name=name, data_type=proto_type(dtype), dims=array.shape)
            self.data.add(proto, array)
        self.tensors[name] = proto
