"""The page on soundness says what is so, and a size of 1 is as good an example as any other."""

import pytest
from op_checks import Call, Row, traced
from op_samples import ROWS
from pages import Section, measured_apart, run, sections

import vitrify as vt
from vitrify.examples.digits import Net

DYNAMIC = [
    pytest.param(row, call, id=f"{row.name}-{k}")
    for row in ROWS
    if not row.refused
    for k, call in enumerate(row.calls)
    if call.dynamic()
]

SCRIPTS = [section for section in sections("soundness.md") if len(section.blocks) == 2]


@pytest.mark.parametrize("section", SCRIPTS, ids=str)
def test_the_scripts_on_the_page_print_what_it_says(section: Section, tmp_path):
    printed = run(section.block("python"), tmp_path)
    assert measured_apart(printed) == measured_apart(section.block("text"))
    assert "WRONG" not in printed


def text(row: Row, call: Call, size: int) -> str:
    """The program of a sample, captured with an example of that size; lines of code apart."""
    tensors = [vt.tensor(array) for array in call.resized(size).arrays(row.dtypes[-1])]
    program = traced(row, call, tensors, dynamic=True)
    return "\n".join(line.split("  #")[0] for line in str(program.graph).splitlines())


@pytest.mark.parametrize(("row", "call"), DYNAMIC)
def test_an_example_of_size_one_gives_the_program_of_size_seven(row: Row, call: Call):
    assert text(row, call, 1) == text(row, call, 7)


def test_the_example_model_is_the_same_for_one_image_as_for_seven():
    net = Net().eval()
    programs = [vt.trace(net, vt.zeros(n, 1, 8, 8), dynamic={"x": {0: "batch"}}) for n in (1, 7)]
    assert str(programs[0].graph) == str(programs[1].graph)
