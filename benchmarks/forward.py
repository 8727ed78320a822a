"""The demo's forward pass at batch 256: eager against NumPy by hand, ONNX Runtime beside.

Run: python benchmarks/forward.py
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import vitrify as vt
from vitrify.examples.digits import Net

BATCH, ROUNDS = 256, 30


def by_hand(state):
    """The same network in plain NumPy, as one would write it for speed."""
    weights = {name: tensor.detach().numpy() for name, tensor in state.items()}

    def conv(x, name):
        w, b = weights[f"{name}.weight"], weights[f"{name}.bias"]
        n, c, h, width = x.shape
        padded = np.zeros((n, c, h + 2, width + 2), x.dtype)
        padded[:, :, 1:-1, 1:-1] = x
        windows = sliding_window_view(padded, (3, 3), axis=(2, 3))
        columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * width, c * 9)
        out = columns @ w.reshape(len(w), -1).T + b
        return out.reshape(n, h, width, len(w)).transpose(0, 3, 1, 2)

    def pool(x):
        n, c, h, w = x.shape
        return x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))

    def norm(x):
        scale = weights["norm.weight"] / np.sqrt(weights["norm.running_var"] + 1e-5)
        shift = weights["norm.bias"] - weights["norm.running_mean"] * scale
        return x * scale[:, None, None] + shift[:, None, None]

    def forward(x):
        x = pool(np.maximum(norm(conv(x, "conv1")), 0))
        x = pool(np.maximum(conv(x, "conv2"), 0))
        return x.reshape(len(x), -1) @ weights["fc.weight"].T + weights["fc.bias"]

    return forward


def main():
    vt.manual_seed(0)
    net = Net().eval()
    x = vt.randn(BATCH, 1, 8, 8)
    array = x.numpy()
    hand = by_hand(net.state_dict())
    folder = tempfile.mkdtemp()
    path = vt.export.onnx(
        vt.trace(net, x, dynamic={"x": {0: "batch"}}), Path(folder) / "digits.onnx"
    )

    def eager():
        with vt.no_grad():
            return net(x).numpy()

    contenders = {
        "NumPy by hand": lambda: hand(array),
        "vitrify eager": eager,
        "vitrify eager, recording gradients": lambda: net(x).detach().numpy(),
        "ONNX Runtime": lambda: vt.run(path, x).numpy(),
    }
    expected = hand(array.astype(np.float64))
    for name, run in contenders.items():
        np.testing.assert_allclose(run(), expected, rtol=1e-3, atol=1e-4, err_msg=name)
    times = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    first = statistics.median(times["NumPy by hand"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:36} {median * 1e3:7.2f} ms  {median / first:5.2f} of NumPy by hand")


if __name__ == "__main__":
    main()
