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
from vitrify.passes import optimize

EPOCHS = 10


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


def load_images() -> tuple[vt.Tensor, vt.Tensor]:
    """The images, scaled to 0..1, and what they show, in a random order."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise vt.errors.BackendError(
            "the demonstration needs scikit-learn, which is not installed",
            instead='pip install "vitrify[demo]"',
        ) from None
    data = load_digits()
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


def main(out: str | Path = "out", epochs: int = EPOCHS) -> bool:
    """Run the demonstration.

    Args:
        out: Where the files go.
        epochs: How long to train.

    Returns:
        Whether the exported file does what the network does, everywhere it was compared.
    """
    from tqdm import tqdm

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    vt.manual_seed(0)
    images, labels = load_images()
    held_out = len(images) // 5
    test, truth = images[-held_out:], labels[-held_out:]

    heading(f"Train on {len(images) - held_out} images, eagerly")
    net = Net()
    losses = train(net, images[:-held_out], labels[:-held_out], epochs)
    with tqdm(losses, total=epochs, unit="epoch", disable=None, leave=False) as bar:
        for epoch, loss in enumerate(bar, 1):
            score = accuracy(net, test, truth)
            bar.write(f"epoch {epoch:2}   loss {loss:.4f}   held-out accuracy {score:.2%}")

    heading("Capture it, for batches of any size")
    program = vt.trace(net, test[:2], dynamic=dynamic)
    print(program.graph)
    program.save(out / "digits.vt")

    heading("The same after the passes, which fold batch norm into the convolution")
    print(optimize(program.state_dict())(program.graph))

    heading("Export it, and run the file in ONNX Runtime on the held-out images")
    file = vt.export.onnx(program, out / "digits.onnx")
    with vt.no_grad():
        eager = net(test).argmax(1)
    exported = vt.run(file, test).argmax(1)
    same = int((eager == exported).sum())
    print(f"{same} of {held_out} predictions are the same")
    draw_digits(test, truth, eager, exported, out / "digits.png")
    vt.export.draw(program, out / "graph.png")

    heading("Compare eager, captured and exported at several batch sizes")
    report = vt.compare(net, file, inputs=(test,))
    report += vt.compare(net, file, inputs=(test,), dims={"batch": (1, 2, 7, 300)})
    print(report)
    print(f"\nheld-out accuracy: {accuracy(net, test, truth):.2%}")
    print("written:", *(str(path) for path in sorted(out.glob("*.*"))))
    return report.passed and same == held_out


def heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def draw_digits(
    images: vt.Tensor, truth: vt.Tensor, eager: vt.Tensor, exported: vt.Tensor, path: Path
) -> None:
    """Draw some images with both predictions; first those that were not recognised."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise vt.errors.BackendError(
            "drawing needs matplotlib, which is not installed",
            instead='pip install "vitrify[demo]"',
        ) from None
    rows, columns = 3, 8
    order = np.argsort((eager == truth).numpy(), kind="stable")
    figure = Figure(figsize=(columns * 1.3, rows * 1.7 + 0.3), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    agree = int((eager == exported).sum())
    figure.suptitle(
        f"{agree} of {len(truth)} predictions agree; red: not what was written\n", size=10
    )
    for k, axes in zip(order, figure.subplots(rows, columns).flat, strict=False):
        axes.imshow(images[int(k), 0].numpy(), cmap="gray_r", vmin=0, vmax=1)
        axes.set_axis_off()
        right = eager[int(k)].item() == truth[int(k)].item()
        shown = f"eager {eager[int(k)].item()}  ONNX {exported[int(k)].item()}"
        axes.set_title(shown, size=8, color="black" if right else "firebrick")
    figure.savefig(path)


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
