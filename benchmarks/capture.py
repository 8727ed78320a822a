"""Capture, export and archive of a model of 85 million parameters: time, and memory beyond weights.

Run: python benchmarks/capture.py
"""

import resource
import tempfile
import time
from pathlib import Path

import vitrify as vt
from vitrify import nn
from vitrify.nn import functional as F

WIDTH, LAYERS = 768, 12


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 6 * WIDTH)
        self.down = nn.Linear(6 * WIDTH, WIDTH)

    def forward(self, x):
        return x + self.down(F.gelu(self.up(self.norm(x))))


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    model = nn.Sequential(*(Block() for _ in range(LAYERS)))
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters", end=", ")
    print(f"{weights / 2**20:.0f} MiB of weights")
    x = vt.zeros(4, WIDTH)
    before = peak_mb()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        program = vt.trace(model, x, dynamic={"input": {0: "batch"}})
        times.append(time.perf_counter() - start)
    print(f"capture: first {times[0] * 1e3:.1f} ms, then {sorted(times)[2] * 1e3:.1f} ms, ", end="")
    print(f"peak memory +{peak_mb() - before:.0f} MiB, {len(program.graph.nodes)} nodes")
    shared = all(t is model.get_parameter(n) for n, t in program.state_dict().items())
    print(f"weights shared with the model: {shared}")
    with tempfile.TemporaryDirectory() as folder:
        for name, write in (
            ("archive", lambda path: program.save(path)),
            ("onnx", lambda path: vt.export.onnx(program, path)),
        ):
            start = time.perf_counter()
            path = Path(folder) / f"model.{'vt' if name == 'archive' else 'onnx'}"
            write(path)
            size = path.stat().st_size / 2**20
            print(f"{name}: {time.perf_counter() - start:.2f} s, {size:.0f} MiB")


if __name__ == "__main__":
    main()
