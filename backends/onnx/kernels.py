"""Which element types ONNX Runtime's CPU kernels take, where a schema allows more or all.

The table was filled by running each op in each type and opset (ONNX Runtime 1.32). An op that it
does not name takes every type that Vitrify has: what moves data, and what has its own rule.
"""

from __future__ import annotations

from ...ir.types import (
    BY_SHORT,
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)

_FLOAT = "f16 f32 f64"
_WHOLE = "u8 u16 u32 u64 i8 i16 i32 i64"
_NUMBER = f"{_WHOLE} {_FLOAT}"
_SOME = "u8 u32 u64 i8 i32 i64 f16 f32 f64"
_REDUCE = "i32 i64 f16 f32 f64"
_EXTREME = "u8 i8 i32 i64 f16 f32 f64"

_TYPES: dict[str, str] = {
    "Abs": _NUMBER,
    "Add": _NUMBER,
    "And": "bool",
    "ArgMax": _EXTREME,
    "ArgMin": _EXTREME,
    "Atan": "f16 f32",
    "Attention": "f16 f32 f64",
    "AveragePool": "f16 f32",
    "BatchNormalization": _FLOAT,
    "BitShift": "u8 u16 u32 u64",
    "BitwiseAnd": _WHOLE,
    "BitwiseNot": _WHOLE,
    "BitwiseOr": _WHOLE,
    "BitwiseXor": _WHOLE,
    "Ceil": _FLOAT,
    "Clip": _SOME,
    "Conv": "f16 f32",
    "ConvTranspose": "f16 f32",
    "Cos": _FLOAT,
    "CumSum": _REDUCE,
    "Div": _NUMBER,
    "Elu": "f16 f32",
    "Equal": f"bool {_NUMBER}",
    "Erf": "f16 f32",
    "Exp": _FLOAT,
    "Expand": f"bool {_NUMBER}",
    "Floor": _FLOAT,
    "Gelu": "f16 f32",
    "Gemm": _FLOAT,
    "Greater": _NUMBER,
    "GreaterOrEqual": _NUMBER,
    "HardSigmoid": "f16 f32",
    "InstanceNormalization": "f16 f32",
    "IsInf": "f32 f64",  # float16 only from opset 20
    "IsNaN": _FLOAT,
    "LayerNormalization": _FLOAT,
    "LeakyRelu": "f16 f32",
    "Less": _NUMBER,
    "LessOrEqual": _NUMBER,
    "Log": _FLOAT,
    "LogSoftmax": _FLOAT,
    "MatMul": "u32 u64 i32 i64 f16 f32 f64",
    "Max": _SOME,
    "MaxPool": "u8 i8 f16 f32 f64",
    "Min": _SOME,
    "Mod": _NUMBER,
    "Mul": _NUMBER,
    "Neg": "i8 i16 i32 i64 f16 f32 f64",
    "Not": "bool",
    "Or": "bool",
    "Pad": f"bool {_SOME}",
    "Pow": "i32 i64 f16 f32 f64",
    "RMSNormalization": _FLOAT,
    "Reciprocal": _FLOAT,
    "ReduceLogSumExp": _FLOAT,
    "ReduceMax": _EXTREME,
    "ReduceMean": _FLOAT,
    "ReduceMin": _EXTREME,
    "ReduceProd": _REDUCE,
    "ReduceSum": _REDUCE,
    "Relu": "i8 i32 f16 f32 f64",
    "Round": _FLOAT,
    "ScatterElements": f"bool {_WHOLE} f32 f64",  # float16 not with a reduction
    "ScatterND": f"bool {_WHOLE} f32 f64",
    "Sigmoid": _FLOAT,
    "Sign": _NUMBER,
    "Sin": _FLOAT,
    "Softmax": _FLOAT,
    "Softplus": "f16 f32",
    "Sqrt": _FLOAT,
    "Sub": _NUMBER,
    "Tanh": _FLOAT,
    "Trilu": "bool i32 i64 f16 f32 f64",
    "Where": "u8 u32 i8 i32 i64 f16 f32 f64",
    "Xor": "bool",
}

KERNELS: dict[str, frozenset[DType]] = {
    op: frozenset(BY_SHORT[short] for short in types.split()) for op, types in _TYPES.items()
}

# Wider types that hold every value of a type, the cheapest first.
_WIDER: dict[DType, tuple[DType, ...]] = {
    bool_: (uint8, int32),
    uint8: (int32, int64),
    uint16: (int32, int64),
    uint32: (int64,),
    int8: (int32, int64),
    int16: (int32, int64),
    int32: (int64,),
    float16: (float32,),
    bfloat16: (float32,),
    # The same bits as int64: right where the result does not depend on the order of numbers.
    uint64: (int64,),
}
_ORDERED = {"ArgMax", "ArgMin", "ReduceMax", "ReduceMin"}


def carrier(op: str, dtype: DType) -> DType | None:
    """The type to run an ONNX op in for inputs of `dtype`: itself where there is a kernel.

    Returns:
        A type with a kernel that holds every value of `dtype`, or None where there is none.
    """
    kernels = KERNELS.get(op)
    if kernels is None or dtype in kernels:
        return dtype
    if dtype is uint64 and op in _ORDERED:
        return None
    return next((wider for wider in _WIDER.get(dtype, ()) if wider in kernels), None)


def accumulator(dtype: DType) -> DType:
    """The type in which several ops in a row compute, so that they round once: 32 bits at least."""
    return float32 if dtype in (float16, bfloat16) else dtype
