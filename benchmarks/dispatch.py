"""What one op call costs beyond its arithmetic, on 8 float32 elements: `python dispatch.py`.

Microseconds per call, the best of several runs. NumPy stands beside, and PyTorch if installed.
"""

import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

import vitrify as vt

try:
    import torch
except ImportError:
    torch = None

SIZE = 8
RUNS, CALLS = 7, 10_000


def microseconds(function: Callable[[], Any]) -> float:
    """The time of one call, in the best of `RUNS` runs."""
    return min(timeit.repeat(function, number=CALLS, repeat=RUNS)) / CALLS * 1e6


def cases(make: Callable[[np.ndarray, bool], Any]) -> dict[str, Callable[[], Any]]:
    """The calls to time, on tensors that `make` gives for (array, requires_grad)."""
    data = np.linspace(0.1, 1, SIZE, dtype=np.float32)
    a, b = make(data, False), make(data, False)
    w = make(data, True)

    def chain() -> Any:
        return ((a * b + a) * 0.5).sum()

    def step() -> None:
        (w * b).sum().backward()

    return {
        "a + b": lambda: a + b,
        "a + 1.0": lambda: a + 1.0,
        "a.reshape(2, 4)": lambda: a.reshape(2, 4),
        "a[1:]": lambda: a[1:],
        "a += b": lambda: a.__iadd__(b),
        "((a * b + a) * 0.5).sum()": chain,
        "w + b, recorded": lambda: w + b,
        "w * b, recorded": lambda: w * b,
        "(w * b).sum().backward()": step,
    }


def main() -> None:
    """Time every case and print the table."""
    libraries = {
        "vitrify": cases(lambda x, grad: vt.tensor(x, requires_grad=grad)),
        "numpy": cases(lambda x, grad: x.copy()),
    }
    if torch is not None:
        torch.set_num_threads(1)
        libraries["torch"] = cases(lambda x, grad: torch.tensor(x, requires_grad=grad))
    print(f"{'microseconds':28}" + "".join(f"{name:>10}" for name in libraries))
    for case in libraries["vitrify"]:
        times = [
            None if name == "numpy" and ("w" in case) else microseconds(calls[case])
            for name, calls in libraries.items()
        ]
        print(f"{case:28}" + "".join(f"{'-' if t is None else f'{t:.2f}':>10}" for t in times))


if __name__ == "__main__":
    main()
