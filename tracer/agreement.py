"""Whether two captures of one function recorded the same program.

Capture runs the user's code twice. What depends on anything but the inputs (a random number, a
clock, a counter, a global that the code changes) differs between the two, and would be baked into
the program as the value it happened to have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import zip_longest

import numpy as np

from ..ir.errors import CaptureError
from ..ir.graph import Graph
from ..ir.location import Location
from ..ir.printer import Printout
from ..tensor import Tensor

_SHOWN = 60  # characters of a line that an error quotes


def disagreements(
    first: tuple[Graph, Mapping[str, Tensor]], second: tuple[Graph, Mapping[str, Tensor]]
) -> list[CaptureError]:
    """What differs between two captures, each a graph and its state.

    Constants can differ one by one; after another difference the rest says nothing new.
    """
    (graph, state), (other, other_state) = first, second
    here, there = Printout(graph), Printout(other)
    found: list[CaptureError] = []
    texts = ([_unaligned(line) for line in printout.lines] for printout in (here, there))
    for k, lines in enumerate(zip_longest(*texts, fillvalue="nothing")):
        if lines[0] == lines[1]:
            continue
        found.append(_disagreement(_location(here, k) or _location(there, k), *map(_shown, lines)))
        if not all("= constant " in line for line in lines):
            return found
    for node in graph.nodes:
        if node.op.name == "parameter":
            name = node.attrs["name"]
            if not _same(state[name], other_state[name]):
                text = f"a constant {node.attrs['type']}"
                found.append(_disagreement(node.location, text, f"{text} with other elements"))
    return found


def _disagreement(at: Location | None, first: str, second: str) -> CaptureError:
    return CaptureError(
        "this is not the same each time the code runs",
        at=at,
        why=f"captured twice, it was `{first}` and then `{second}`; a random number, a clock, "
        "a counter or a global would be baked in",
        instead="pass it in as an argument (or compute it once, outside of the captured function)",
    )


def _location(printout: Printout, line: int) -> Location | None:
    """The user's line of the node that a printed line belongs to, or of the one after it."""
    later = [
        (at, place.location)
        for place, at in printout.marks.items()
        if not isinstance(place, Graph) and at >= line and place.location is not None
    ]
    return min(later, key=lambda pair: pair[0])[1] if later else None


def _unaligned(line: str) -> str:
    """The line without the spaces that put its location under that of the others."""
    return re.sub(r" +# ", "  # ", line)


def _shown(line: str) -> str:
    text = line.split("  #")[0].split(" = ")[-1].strip()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _same(a: Tensor, b: Tensor) -> bool:
    if a is b or a._data is b._data:
        return True
    x, y = (t.detach().cpu().numpy() for t in (a, b))
    return x.dtype == y.dtype and x.shape == y.shape and np.array_equal(_bits(x), _bits(y))


def _bits(array: np.ndarray) -> np.ndarray:
    """The bytes, so that NaN equals itself and -0.0 is not 0.0."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
