"""Every error that Vitrify raises on purpose; see `ir/errors.py`."""

from .ir.errors import (
    ArgumentError,
    AutogradError,
    BackendError,
    CaptureError,
    CaptureWarning,
    ConstraintError,
    DTypeError,
    ExportError,
    FormatError,
    GraphError,
    ShapeError,
    StateError,
    UnsupportedOpError,
    VitrifyError,
)

__all__ = [
    "ArgumentError",
    "AutogradError",
    "BackendError",
    "CaptureError",
    "CaptureWarning",
    "ConstraintError",
    "DTypeError",
    "ExportError",
    "FormatError",
    "GraphError",
    "ShapeError",
    "StateError",
    "UnsupportedOpError",
    "VitrifyError",
]
