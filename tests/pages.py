"""The code on a page of the documentation, and what it does when it runs."""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
_BLOCK = re.compile(r"```(\w+)(?: (\w+))?\n(.*?)```", re.DOTALL)
_MEASURED = re.compile(r"\d+\.\d{5,}(?:e-\d+)?")  # random numbers and clocks


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        title: Its heading.
        blocks: Its blocks of code: language, tag and text.
    """

    title: str
    blocks: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        return self.title

    def block(self, language: str, tag: str = "") -> str:
        """The text of its only block of that language and tag."""
        (text,) = (text for *kind, text in self.blocks if kind == [language, tag])
        return text


def sections(page: str) -> list[Section]:
    """The sections of a page that have code."""
    _, *parts = re.split(r"^## ", (DOCS / page).read_text(), flags=re.MULTILINE)
    found = [Section(part.splitlines()[0], tuple(_BLOCK.findall(part))) for part in parts]
    return [section for section in found if section.blocks]


def run(code: str, folder: Path) -> str:
    """What the code prints as `model.py` in a folder, and the error that ends it, as one text."""
    (folder / "model.py").write_text(code)
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        try:
            runpy.run_path(os.fspath(folder / "model.py"), run_name="__main__")
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
    return printed.getvalue()


def measured_apart(text: str) -> str:
    """The text without the digits of numbers that differ from run to run."""
    return _MEASURED.sub("0.5", text)
