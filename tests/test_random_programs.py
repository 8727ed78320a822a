"""Random programs: captured equals eager at sizes never traced, or the capture is refused.

A program is a list of steps on a growing list of tensors; each step names an operation and which
of the tensors so far it takes. Steps that eager itself refuses are dropped.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

import vitrify as vt
from vitrify.errors import ConstraintError, VitrifyError
from vitrify.ir.parser import parse_graph
from vitrify.ops import REGISTRY

STEPS = {
    "add": lambda x, y, k: x + y,
    "sub": lambda x, y, k: x - 0.5 * y,
    "mul": lambda x, y, k: x * y,
    "div": lambda x, y, k: x / (y.abs() + 1),
    "maximum": lambda x, y, k: vt.maximum(x, y),
    "tanh": lambda x, y, k: x.tanh(),
    "relu": lambda x, y, k: x.relu(),
    "softmax": lambda x, y, k: x.softmax(k % max(x.ndim, 1)),
    "sum": lambda x, y, k: x.sum(k % x.ndim, keepdim=bool(k % 2)),
    "mean": lambda x, y, k: x.mean(k % x.ndim),
    "amax": lambda x, y, k: x.amax(),
    "cumsum": lambda x, y, k: x.cumsum(k % x.ndim) * 0.1,
    "where": lambda x, y, k: vt.where(x > y, x, y),
    "scalar": lambda x, y, k: x * (k - 1.5) + 2,
    "matmul": lambda x, y, k: x @ y * 0.1,
    "transpose": lambda x, y, k: x.transpose(0, -1),
    "unsqueeze": lambda x, y, k: x.unsqueeze(k % (x.ndim + 1)),
    "squeeze": lambda x, y, k: x.squeeze(k % max(x.ndim, 1)),
    "flatten": lambda x, y, k: x.flatten(k % x.ndim),
    "rows": lambda x, y, k: x.reshape(x.shape[0], -1),
    "halves": lambda x, y, k: x.reshape(-1, 2),
    "slice": lambda x, y, k: x[..., : k + 1],
    "step": lambda x, y, k: x[..., k % 2 :: 2],
    "last": lambda x, y, k: x[-1],
    "select": lambda x, y, k: x.select(k % x.ndim, 0),
    "flip": lambda x, y, k: x.flip(k % x.ndim),
    "cat": lambda x, y, k: vt.cat([x, y], k % x.ndim),
    "stack": lambda x, y, k: vt.stack([x, x * 2]),
    "expand": lambda x, y, k: x.unsqueeze(0).expand(k + 1, *x.shape),
    "size": lambda x, y, k: x * x.shape[0],
    "ones": lambda x, y, k: vt.ones(*x.shape) + x.numel(),
    "arange": lambda x, y, k: vt.arange(x.shape[0]) + x.sum(),
    "write": lambda x, y, k: _written(x, k),
    "branch": lambda x, y, k: x if x.shape[0] > k else x * 2,
}


def _written(x, k):
    y = x * 1
    y[0] = k
    y[..., 0] += 1
    return y


step = st.tuples(
    st.sampled_from(sorted(STEPS)), st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)
)


def build(steps):
    def program(x, w):
        tensors = [x, w]
        for name, a, b, k in steps:
            result = STEPS[name](tensors[a % len(tensors)], tensors[b % len(tensors)], k)
            tensors.append(result)
        return tensors[-1], tensors[len(tensors) // 2]

    return program


def runnable(steps):
    """The steps that eager takes at the traced size, in order."""
    kept = []
    for candidate in steps:
        try:
            with vt.no_grad():
                out = build([*kept, candidate])(vt.ones(3, 4), vt.ones(4))
        except (VitrifyError, IndexError, ZeroDivisionError):
            continue
        if out[0].ndim <= 4 and out[0].numel() < 5000:
            kept.append(candidate)
    return kept


def check(steps, run_of):
    """Captured at 3 rows, compared with eager at 1, 2, 3 and 5 rows."""
    steps = runnable(steps)
    program = build(steps)
    w = vt.tensor(np.linspace(-1, 1, 4, dtype=np.float32))
    try:
        captured = vt.trace(program, vt.ones(3, 4), w, dynamic={"x": {0: "batch"}})
    except VitrifyError as refusal:
        event(f"refused: {refusal.message[:60]}")
        return
    event(f"captured {min(len(steps), 4)} steps or more")
    note(str(captured.graph))
    run = run_of(captured)
    for rows in (1, 2, 3, 5):
        x = vt.tensor(np.random.default_rng(rows).standard_normal((rows, 4)).astype(np.float32))
        try:
            expected = program(x, w)
        except (VitrifyError, IndexError, ZeroDivisionError):
            continue  # eager has no result that the captured program could contradict
        try:
            results = run(x, w)
        except ConstraintError as refusal:
            event(f"refused at the door: {refusal.message[:60]}")
            continue
        for got, want in zip(results, expected, strict=True):
            assert got.shape == want.shape
            assert got.dtype is want.dtype
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=2e-4, atol=2e-4)


SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(SETTINGS, max_examples=500)
@given(st.lists(step, min_size=1, max_size=12))
def test_captured_equals_eager_or_is_refused(steps):
    check(steps, lambda captured: captured)


@settings(SETTINGS, max_examples=100)
@given(st.lists(step, min_size=1, max_size=12))
def test_the_text_form_round_trips(steps):
    try:
        captured = vt.trace(
            build(runnable(steps)), vt.ones(3, 4), vt.ones(4), dynamic={"x": {0: "batch"}}
        )
    except VitrifyError:
        return
    text = str(captured.graph)
    assert str(parse_graph(text, REGISTRY)) == text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("random")


@settings(SETTINGS, max_examples=60)
@given(steps=st.lists(step, min_size=1, max_size=10))
def test_onnx_runtime_equals_eager_or_the_export_is_refused(folder: Path, steps):
    def in_onnx_runtime(captured):
        path = vt.export.onnx(captured, folder / "p.onnx")
        return lambda *inputs: tuple(vt.run(path, *inputs).values())

    check(steps, in_onnx_runtime)
