"""Handwritten digits: train a small network, capture it, export it, and prove that it is the same.

    vitrify demo --out out

The data are the 1,797 real images of 8 x 8 pixels that come with scikit-learn. The last fifth is
held out: the network never sees it in training.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import vitrify as vt
import vitrify.nn.functional as F
from vitrify import nn


class Net(nn.Module):
    """Two convolutions and a linear layer: 8 x 8 pixels in, ten scores out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc = nn.Linear(32 * 2 * 2, 10)

    def forward(self, x: vt.Tensor) -> vt.Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


# What `vitrify trace vitrify/examples/digits.py:Net` and the other commands start from.
example_inputs = (vt.zeros(1, 1, 8, 8),)
dynamic = {"x": {0: "batch"}}


def load_digits() -> tuple[vt.Tensor, vt.Tensor]:
    """The images, scaled to 0..1, and what they show, in a random order."""
    try:
        from sklearn import datasets
    except ImportError:
        raise missing("scikit-learn") from None
    data = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = (data.images[order] / 16).astype(np.float32)
    return vt.tensor(images[:, None]), vt.tensor(data.target[order])


def batches(images: vt.Tensor, labels: vt.Tensor, size: int) -> Iterator[tuple[vt.Tensor, ...]]:
    order = vt.randperm(len(images))
    for start in range(0, len(images), size):
        chosen = order[start : start + size]
        yield images[chosen], labels[chosen]


def train(net: Net, images: vt.Tensor, labels: vt.Tensor, epochs: int) -> Iterator[float]:
    """Train for some epochs; yields the mean loss of each batch."""
    optimizer = vt.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(epochs):
        net.train()
        losses = []
        for x, y in batches(images, labels, 64):
            loss = F.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        net.eval()
        yield float(np.mean(losses))


@vt.no_grad()
def accuracy(net: Net, images: vt.Tensor, labels: vt.Tensor) -> float:
    return (net(images).argmax(1) == labels).to(vt.float32).mean().item()


def main(out: str | Path = "out", epochs: int = 12) -> bool:
    """Run the demonstration.

    Args:
        out: Where the files go.
        epochs: How long to train.

    Returns:
        Whether every comparison passed.
    """
    from tqdm import tqdm

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    vt.manual_seed(0)
    images, labels = load_digits()
    held_out = len(images) // 5
    test, truth = images[-held_out:], labels[-held_out:]

    heading("Train eagerly")
    net = Net()
    losses = train(net, images[:-held_out], labels[:-held_out], epochs)
    # Without a terminal the bar stays away, and the lines are printed as ever.
    with tqdm(losses, total=epochs, unit="epoch", disable=None, leave=False) as bar:
        for epoch, loss in enumerate(bar, 1):
            bar.write(f"epoch {epoch:2}  loss {loss:.4f}  held out {accuracy(net, test, truth):.2%}")

    heading("Capture, with any batch size")
    program = vt.trace(net, test[:2], dynamic={"x": {0: "batch"}})
    print(program.graph)
    program.save(out / "digits.vt")

    heading("The same after the passes for ONNX")
    print(vt.export.onnx(program, out / "digits.onnx"))

    heading("Run the file in ONNX Runtime")
    scores = vt.run(out / "digits.onnx", test)
    eager, exported = net(test).argmax(1), scores.argmax(1)
    same = (eager == exported).sum().item()
    print(f"the same prediction for {same} of {held_out} held-out images")

    heading("Compare, at several batch sizes")
    reports = [
        vt.compare(net, out / "digits.onnx", inputs=(images[:batch],))
        for batch in (1, 2, 7, 300)
    ]
    report = sum(reports, start=vt.compare(net, out / "digits.onnx", inputs=(test,)))
    draw_digits(test, truth, eager, exported, out / "digits.png")
    vt.export.draw(program, out / "graph.png")
    print(report)
    print(f"accuracy on held-out images: {accuracy(net, test, truth):.2%}")
    print(f"written to {out}: digits.onnx, digits.vt, digits.png, graph.png")
    return report.passed and same == held_out


def heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")
