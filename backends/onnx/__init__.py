"""ONNX: rules by operator family, and the model they make."""

from .emit import to_model
from .registry import OPSETS, supports
from .writer import DataFile

__all__ = ["OPSETS", "DataFile", "supports", "to_model"]
