"""The inputs of the cases in fixtures/torch_functional.json."""

from __future__ import annotations

import numpy as np


def _wave(shape: tuple[int, ...], phase: float) -> np.ndarray:
    return np.sin(np.arange(np.prod(shape)) * 1.7 + phase).reshape(shape) * 1.5


def inputs() -> dict[str, np.ndarray]:
    """By name: x and y of one shape, p with probabilities in it, class indices, weights."""
    x = _wave((2, 3, 4), 0.3)
    p = np.exp(_wave((2, 3, 4), 2.0))
    return {
        "x": x,
        "y": _wave((2, 3, 4), 1.0),
        "p": p / p.sum(1, keepdims=True),
        "zeros": np.zeros((2, 3, 4)),
        "classes": np.array([[0, 1, 2, 1], [2, 2, 0, 1]]),
        "weight": np.array([0.5, 1.0, 2.0]),
        "positive": np.array([0.5, 1.0, 2.0, 3.0]),
        "positive3": np.array([0.5, 1.5, 2.0]),
        "weight4": _wave((1, 1, 3, 3), 0.7),
    }
