"""Pictures are drawn of any graph, with everything in its place."""

from itertools import pairwise

import pytest

import vitrify as vt
from vitrify.export import picture


def residual(x, blocks=3):
    for _ in range(blocks):
        a, b = x.chunk(2, -1)
        x = x + vt.cat([a.exp() * b, b.tanh()], -1)
    return {"y": x, "s": x.sum(-1)}


def placed(program):
    """The boxes of a picture, in columns, as `draw` places them."""
    layers = picture._layers(picture._boxes(program.graph, program.output_names))
    picture._order(layers)
    columns = picture._columns(layers)
    for column in columns:
        picture._place_across(column)
    return columns, picture._place_columns(columns)


@pytest.mark.parametrize("blocks", [1, 2, 12])
def test_boxes_stand_inside_and_do_not_overlap(blocks):
    columns, (width, height) = placed(vt.trace(residual, vt.zeros(2, 4), blocks))
    for column in columns:
        for above, below in pairwise(column):
            foot = max(box.y + box.height for box in above)
            assert foot < min(box.y for box in below)
        for layer in column:
            for box in layer:
                assert box.x - box.width / 2 >= 0 and box.x + box.width / 2 <= width
                assert box.y >= 0 and box.y + box.height <= height
            for left, right in pairwise(layer):
                assert left.x + left.width / 2 < right.x - right.width / 2
    assert (len(columns) > 1) == (blocks == 12)


def test_edges_lead_from_each_layer_to_the_next_and_reach_every_use():
    program = vt.trace(residual, vt.zeros(2, 4))
    columns, _ = placed(program)
    layers = [layer for column in columns for layer in column]
    for layer, below in pairwise(layers):
        for box in layer:
            assert set(box.below) <= set(below)
            assert all(box in end.above for end in box.below)
    drawn = sum(len(box.above) for layer in layers for box in layer if box.lines)
    made = {value for node in program.graph.nodes for value in node.outputs}
    wanted = sum(
        len({id(v) if v not in made else id(program.graph.definitions()[v]) for v in node.inputs})
        for node in program.graph.nodes
    )
    assert drawn == wanted + len(program.graph.outputs)


def test_weights_are_lines_of_what_uses_them():
    from vitrify import nn

    program = vt.trace(nn.Linear(3, 4), vt.zeros(2, 3))
    boxes = picture._boxes(program.graph, program.output_names)
    assert [box.lines[0] for box in boxes] == ["input", "linear", "output"]
    assert boxes[1].lines[1:] == ["f32[2, 4]", "weight f32[4, 3]", "bias f32[4]"]


@pytest.mark.parametrize("name", ["graph.png", "graph.svg", "graph.pdf"])
def test_the_ending_is_the_format(tmp_path, name):
    path = vt.export.draw(vt.trace(residual, vt.zeros(2, 4)), tmp_path / name)
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert path.read_bytes().startswith(starts[name[-3:]])


def test_graphs_without_inputs_or_ops(tmp_path):
    vt.export.draw(vt.trace(lambda: vt.zeros(2)).graph, tmp_path / "a.png")
    vt.export.draw(vt.trace(lambda x: x, vt.zeros(2)).graph, tmp_path / "b.png")
    vt.export.draw(vt.trace(lambda x: (), vt.zeros(2)).graph, tmp_path / "c.png")


def test_a_picture_that_cannot_be_written(tmp_path):
    program = vt.trace(residual, vt.zeros(2, 4))
    for path in (tmp_path / "no" / "graph.png", tmp_path / "graph.nope"):
        with pytest.raises(vt.errors.ExportError, match="cannot write"):
            vt.export.draw(program, path)


def test_without_matplotlib_the_extra_is_named(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(vt.errors.BackendError, match=r'pip install "vitrify\[demo\]"'):
        vt.export.draw(vt.trace(residual, vt.zeros(2, 4)), tmp_path / "graph.png")
