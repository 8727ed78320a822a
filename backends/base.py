"""What a backend is: which ops it takes, which passes it wants, and how it makes a graph run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ..ir.graph import Graph
from ..ir.op import Op
from ..passes.pipeline import Pipeline
from ..tensor import Tensor

# Takes the graph's inputs in order and gives its outputs in order.
Executable = Callable[[Sequence[Tensor]], tuple[Tensor, ...]]


class Backend(Protocol):
    """A target that graphs run on."""

    name: str

    def supports(self, op: Op) -> bool:
        """Whether the backend takes the op as it is; others are decomposed first."""
        ...

    def pipeline(self) -> Pipeline:
        """The passes that bring a captured graph into the form that `compile` takes."""
        ...

    def compile(self, graph: Graph, state: Mapping[str, Tensor]) -> Executable:
        """Something that runs the graph.

        Args:
            graph: The result of `pipeline`.
            state: The tensors that `parameter` nodes name.
        """
        ...
