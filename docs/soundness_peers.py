"""Print what Vitrify, PyTorch and JAX make of two models that ask what no capture can know.

Those that are not installed are skipped:

    python docs/soundness_peers.py
"""

from __future__ import annotations

import importlib
import logging
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

TRACED = (1, 2, 3)
CALLED = (1, 2, 3)
Run = Callable[[np.ndarray], Any]


def branch(x: Any) -> Any:
    """Case 1: another result for a batch of one."""
    if x.shape[0] == 1:
        x = x + 1
    return x * 2


def constant(x: Any) -> Any:
    """Case 2: a random number, and a clock."""
    return x * np.random.rand() + time.time() % 10


def verdict(run: Run, n: int) -> str:
    """Whether the exported `branch` is right for `n` rows."""
    x = np.ones((n, 2), np.float32)
    try:
        result = np.asarray(run(x))
    except Exception as error:
        return f"refused ({type(error).__name__})"
    wanted = branch(x)
    if np.array_equal(result, wanted):
        return "right"
    return f"WRONG by {abs(result - wanted).max():.1f}"


def show(export: Callable[[Any, tuple[int, ...], bool], Run]) -> None:
    """Print both cases.

    Args:
        export: Gives the exported form of a function for an example of a shape, whose first dim is
            dynamic if the last argument is true.
    """
    for traced in TRACED:
        try:
            run = export(branch, (traced, 2), True)
        except Exception as error:
            print(f"  branch, traced at {traced}: refused ({type(error).__name__})")
            continue
        called = ", ".join(f"at {n} {verdict(run, n)}" for n in CALLED)
        print(f"  branch, traced at {traced}: {called}")
    try:
        run = export(constant, (2,), False)
    except Exception as error:
        print(f"  random and clock: refused ({type(error).__name__})")
        return
    first, second = (np.asarray(run(np.ones(2, np.float32))) for _ in range(2))
    print("  random and clock:", "baked in" if np.array_equal(first, second) else "computed anew")


def with_vitrify() -> None:
    """`vt.trace`."""
    import vitrify as vt

    def export(function: Any, shape: tuple[int, ...], dynamic: bool) -> Run:
        names: Any = {"x": {0: "batch"}} if dynamic else None
        program = vt.trace(function, vt.ones(*shape), dynamic=names)
        return lambda x: program(vt.tensor(x)).numpy()

    show(export)


def with_torch() -> None:
    """`torch.onnx.export`, run by ONNX's reference evaluator."""
    import torch
    from onnx.reference import ReferenceEvaluator

    logging.disable()
    warnings.simplefilter("ignore")

    def export(function: Any, shape: tuple[int, ...], dynamic: bool) -> Run:
        class Model(torch.nn.Module):
            def forward(self, x: Any) -> Any:
                return function(x)

        sizes = {"x": {0: torch.export.Dim("batch")}} if dynamic else None
        made = torch.onnx.export(
            Model(), (torch.ones(*shape),), dynamic_shapes=sizes, dynamo=True, verbose=False
        )
        evaluator = ReferenceEvaluator(made.model_proto)
        fixed = made.model_proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value

        def run(x: np.ndarray) -> Any:
            if fixed not in (0, len(x)):  # a runtime would refuse it, the evaluator does not
                raise ValueError(f"the file is for {fixed} rows")
            return evaluator.run(None, {"x": x})[0]

        return run

    show(export)


def with_jax() -> None:
    """`jax.export`."""
    import jax
    from jax import export as jax_export

    def export(function: Any, shape: tuple[int, ...], dynamic: bool) -> Run:
        sizes = jax_export.symbolic_shape("batch, 2") if dynamic else shape
        example = jax.ShapeDtypeStruct(sizes, np.float32)
        return jax_export.export(jax.jit(function))(example).call

    show(export)


if __name__ == "__main__":
    for name, cases in {"vitrify": with_vitrify, "torch": with_torch, "jax": with_jax}.items():
        try:
            version = importlib.import_module(name).__version__
        except ImportError:
            print(f"{name}: not installed")
            continue
        print(f"{name} {version}")
        cases()
