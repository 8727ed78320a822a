"""Vitrify: write models eagerly over NumPy or CuPy, capture them, export them, and prove it.

>>> import vitrify as vt
>>> program = vt.trace(model, x, dynamic={"x": {0: "batch"}})
>>> vt.export.onnx(program, "model.onnx")
>>> print(vt.compare(model, "model.onnx", inputs=(x,)))
"""

from . import errors, export, ir, nn, optim
from .errors import VitrifyError
from .export import Program, Report, compare, load, run, trace
from .ir.dims import symbol as dim
from .ir.types import (
    DType,
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .ir.types import bool_ as bool
from .ir.types import float16 as half
from .ir.types import float32 as float
from .ir.types import float64 as double
from .ir.types import int32 as int
from .ir.types import int64 as long
from .ir.version import VERSION as __version__
from .ops import *
from .ops.registry import is_tensor
from .tensor import (
    Device,
    Generator,
    Tensor,
    arange,
    as_tensor,
    bernoulli,
    device,
    empty,
    empty_like,
    enable_grad,
    eye,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    grad,
    is_grad_enabled,
    linspace,
    manual_seed,
    no_grad,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    set_grad_enabled,
    tensor,
    zeros,
    zeros_like,
)
