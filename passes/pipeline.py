"""Passes in order, each checked: `Pass = Graph -> Graph`.

A pass returns the graph it was given, the same object, where it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..ir.constraints import assuming
from ..ir.errors import GraphError
from ..ir.graph import Graph
from ..ir.verify import verify

Pass = Callable[[Graph], Graph]
Observer = Callable[[str, Graph, Graph], None]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A flat list of named passes.

    Attributes:
        steps: The names and passes, in the order they run.
    """

    steps: tuple[tuple[str, Pass], ...]

    def __call__(self, graph: Graph, observe: Observer | None = None) -> Graph:
        """Run every pass under the graph's constraints, verifying the graph after each that
        changed it.

        Args:
            graph: What to start from.
            observe: Called after each pass with its name, the graph before and the graph after.

        Raises:
            GraphError: where a pass left a broken graph; names the pass and those before it, and
                shows the fault in the printed graph.
        """
        done: list[str] = []
        for name, run in self.steps:
            before = graph
            context = f"in pass {name}" + (f" (after {', '.join(done)})" if done else "")
            try:
                with assuming(before.constraints):
                    graph = run(before)
            except GraphError as error:
                raise GraphError(f"{context}: {error.message}", at=error.at) from error
            except Exception as error:
                error.add_note(context)
                raise
            if graph is not before:
                verify(graph, context)
            if observe is not None:
                observe(name, before, graph)
            done.append(name)
        return graph


def pipeline(*steps: Pass) -> Pipeline:
    """A pipeline of passes under their own names."""
    return Pipeline(tuple((step.__name__, step) for step in steps))


def until_stable(*steps: Pass, limit: int = 10) -> Pass:
    """The steps in turn, each checked, until none of them changes anything or `limit` times."""
    each = pipeline(*steps)

    def run(graph: Graph) -> Graph:
        for _ in range(limit):
            before = graph
            graph = each(graph)
            if graph is before:
                break
        return graph

    run.__name__ = "_and_".join(name for name, _ in each.steps)
    return run
