"""From a script to an ONNX file in a fresh process: Vitrify beside PyTorch's exporter.

Run: python benchmarks/export.py [--torch PYTHON]

PYTHON is an interpreter with torch, onnx and onnxscript; by default this one. Times include the
imports, since every export script pays for them. The outputs of both files are checked against each
other in ONNX Runtime before anything is printed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

MODEL = """
class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 512), nn.Linear(512, 512)
        self.fc3 = nn.Linear(512, 10)
    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))

class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.conv2, self.fc = nn.Conv2d(16, 32, 3, padding=1), nn.Linear(128, 10)
    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(256)
        self.up, self.down = nn.Linear(256, 1024), nn.Linear(1024, 256)
    def forward(self, x):
        return x + self.down(F.gelu(self.up(self.norm(x))))

SHAPES = {"MLP": (2, 784), "CNN": (2, 1, 8, 8), "Blocks": (2, 256)}
def make(name):
    return {"MLP": MLP, "CNN": CNN, "Blocks": lambda: nn.Sequential(*[Block() for _ in range(6)])}[
        name]().eval()
"""

VITRIFY = """
import sys, time; start = time.perf_counter()
import numpy as np, vitrify as vt
from vitrify import nn
from vitrify.nn import functional as F
{model}
name, path, weights = sys.argv[1:]
loaded = time.perf_counter()
net = make(name)
stored = np.load(weights)
net.load_state_dict({{k: vt.tensor(stored[k]) for k in stored.files}})
built = time.perf_counter()
x = vt.zeros(*SHAPES[name])
inputs = {{"x" if name != "Blocks" else "input": {{0: "batch"}}}}
vt.export.onnx(vt.trace(net, x, dynamic=inputs), path)
end = time.perf_counter()
print(loaded - start, end - built)
"""

TORCH = """
import sys, time; start = time.perf_counter()
import logging, warnings; warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
import numpy as np, torch
from torch import nn
from torch.nn import functional as F
{model}
name, path, weights = sys.argv[1:]
loaded = time.perf_counter()
torch.manual_seed(0)
net = make(name)
np.savez(weights, **{{k: v.numpy() for k, v in net.state_dict().items()}})
built = time.perf_counter()
x = torch.zeros(*SHAPES[name])
batch = torch.export.Dim("batch", min=1)
torch.onnx.export(net, (x,), path, dynamic_shapes=({{0: batch}},), dynamo=True, verbose=False)
end = time.perf_counter()
print(loaded - start, end - built)
"""


def run(python, script, *args):
    """Import and export seconds that a fresh process measures."""
    code = script.format(model=MODEL)
    done = subprocess.run([python, "-c", code, *args], capture_output=True, text=True, check=True)
    return [float(part) for part in done.stdout.split()[-2:]]


def output(path, shape):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((7, *shape[1:])).astype(np.float32)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", default=sys.executable, help="an interpreter with torch")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    shapes = {"MLP": (2, 784), "CNN": (2, 1, 8, 8), "Blocks": (2, 256)}
    table = {}
    for name, shape in shapes.items():
        with tempfile.TemporaryDirectory() as folder:
            weights = str(Path(folder) / "weights.npz")
            files = {k: str(Path(folder) / f"{k}.onnx") for k in ("torch", "vitrify")}
            times = {"torch": [], "vitrify": []}
            for _ in range(options.rounds):
                times["torch"].append(run(options.torch, TORCH, name, files["torch"], weights))
                times["vitrify"].append(
                    run(sys.executable, VITRIFY, name, files["vitrify"], weights)
                )
            results = [output(file, shape) for file in files.values()]
            np.testing.assert_allclose(*results, rtol=1e-3, atol=1e-5)
            for key, file in files.items():
                load, export = (statistics.median(t) for t in zip(*times[key], strict=True))
                nodes = len(onnx.load(file, load_external_data=False).graph.node)
                table[f"{name} {key}"] = (load, export, nodes)
                print(
                    f"{name:7} {key:8} import {load:5.2f} s  export {export:5.2f} s  {nodes} nodes"
                )
    print(json.dumps(table))


if __name__ == "__main__":
    main()
