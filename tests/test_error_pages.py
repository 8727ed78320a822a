"""Each error on the page of errors: its code fails with just that message, the mended code runs."""

import re

import pytest
from pages import Section, measured_apart, run, sections

SECTIONS = sections("errors.md")


def test_there_are_at_least_twenty():
    assert len(SECTIONS) >= 20


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_the_failing_code_fails_with_the_message_shown(section: Section, tmp_path):
    message = section.block("text")
    assert measured_apart(run(section.block("python", "fails"), tmp_path)) == measured_apart(
        message
    )


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_the_mended_code_runs(section: Section, tmp_path):
    assert run(section.block("python", "works"), tmp_path) == ""


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_the_message_is_short_and_complete(section: Section):
    problems = re.split(r"^\d+\. ", section.block("text"), flags=re.MULTILINE)
    for problem in problems[1:] or problems:
        assert len(problem.splitlines()) <= 8
        assert "  instead: " in problem or section.title in WITHOUT_A_MEND
        if problem.startswith("CaptureError: "):
            assert re.match(r"CaptureError: model\.py:\d+", problem)


# What to do about these depends on what the sizes, should have been.
WITHOUT_A_MEND = {
    "Two sizes of one name",
    "A call with sizes that contradict each other",
    "A call with a size outside of its range",
}
