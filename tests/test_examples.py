"""The examples run as shown, in short."""

import re

import numpy as np
import pytest

import vitrify as vt
from vitrify.examples import digits


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    """The output of a demonstration with little training, and its folder."""
    from click.testing import CliRunner

    from vitrify.cli import main

    out = tmp_path_factory.mktemp("out")
    result = CliRunner().invoke(main, ["demo", "--out", str(out), "--epochs", "2"])
    assert result.exit_code == 0, result.output
    return result.stdout, out


def test_the_demonstration_trains_exports_and_compares(demonstration):
    text, _ = demonstration
    assert "359 of 359 predictions are the same" in text
    assert "10 comparisons, all passed" in text
    for batch in (1, 2, 7, 300, 359):
        assert f"f32[{batch}, 10]" in text
    (score,) = re.findall(r"^held-out accuracy: (.*)%$", text, re.MULTILINE)
    assert float(score) > 85  # ten epochs reach 97, two do not


def test_the_demonstration_shows_the_graph_before_and_after_the_passes(demonstration):
    before, after = demonstration[0].split("The same after the passes")
    assert "batch_norm" in before
    assert "digits.py" in before and " in conv1" in before
    assert "= batch_norm(" not in after


def test_the_files_of_the_demonstration_are_good(demonstration):
    _, out = demonstration
    for name in ("digits.png", "graph.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    images, labels = digits.load_images()
    by_onnx = vt.run(out / "digits.onnx", images)
    by_program = vt.load(out / "digits.vt")(images)
    np.testing.assert_allclose(by_onnx.numpy(), by_program.numpy(), rtol=1e-4, atol=1e-4)
    assert (by_onnx.argmax(1) == labels).numpy().mean() > 0.85


def test_a_failed_demonstration_says_so(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from vitrify.cli import main

    monkeypatch.setattr(digits, "main", lambda out, epochs: False)
    assert CliRunner().invoke(main, ["demo", "--out", str(tmp_path)]).exit_code == 1


def test_the_images_are_the_real_ones():
    images, labels = digits.load_images()
    assert images.type == vt.zeros(1797, 1, 8, 8).type
    assert images.numpy().min() >= 0 and images.numpy().max() == 1
    assert sorted(set(labels.tolist())) == list(range(10))
