"""Programs, the files they are written to and read from, and the proof that they agree."""

from .comparison import Report, compare
from .explanation import explain
from .onnx_file import onnx
from .picture import draw
from .program import Program, load, trace
from .session import run

__all__ = ["Program", "Report", "compare", "draw", "explain", "load", "onnx", "run", "trace"]
