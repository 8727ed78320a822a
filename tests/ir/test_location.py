"""The user's line is found whatever calls lie between, and is shown as people name files."""

import sys
from pathlib import Path

from vitrify.ir.errors import VitrifyError
from vitrify.ir.location import Location, traceback_location, user_location


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _module(name: str, path: Path, **names: object) -> dict[str, object]:
    """Run a file as the module `name` and return what it defines."""
    scope: dict[str, object] = {"__name__": name, "find": user_location, **names}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    return scope


def _called_by(tmp_path: Path, name: str) -> Location | None:
    path = _write(tmp_path / "between.py", "def call():\n    return find('block')\n")
    call = _module(name, path)["call"]
    return call()  # type: ignore[operator]


def test_the_callers_line() -> None:
    here = user_location("encoder.layers.0")
    line = sys._getframe().f_lineno - 1
    assert here is not None
    assert (Path(here.file).name, here.line, here.module) == (
        "test_location.py", line, "encoder.layers.0",
    )  # fmt: skip
    assert here.source() == 'here = user_location("encoder.layers.0")'
    assert str(here) == f"{here.file}:{line} in encoder.layers.0"
    assert str(Location("a.py", 3)) == "a.py:3"


def test_the_librarys_own_frames_are_left_out(tmp_path: Path) -> None:
    for name in ("vitrify", "vitrify.nn", "vitrify.nn.linear"):
        found = _called_by(tmp_path, name)
        assert found is not None and Path(found.file).name == "test_location.py"


def test_other_packages_and_the_examples_are_the_users(tmp_path: Path) -> None:
    for name in ("model", "vitrify_extras", "vitrifyx.y", "vitrify.examples", "vitrify.examples.a"):
        found = _called_by(tmp_path, name)
        assert found is not None and (found.file, found.line) == ("between.py", 2), name


def test_files_are_shown_from_the_working_directory(tmp_path: Path, monkeypatch) -> None:
    inside = _write(tmp_path / "work" / "nets" / "cnn.py", "where = find()\n")
    outside = _write(tmp_path / "elsewhere" / "mlp.py", "\nwhere = find()  # outside\n")
    monkeypatch.chdir(tmp_path / "work")
    assert _module("cnn", inside)["where"] == Location(str(Path("nets", "cnn.py")), 1)
    found = _module("mlp", outside)["where"]
    assert found == Location("mlp.py", 2)
    assert isinstance(found, Location)
    assert found.source() == "where = find()  # outside"


def test_code_without_a_file() -> None:
    scope: dict[str, object] = {"__name__": "console", "find": user_location}
    exec(compile("where = find()", "<stdin>", "exec"), scope)
    found = scope["where"]
    assert isinstance(found, Location)
    assert (found.file, found.line, found.source()) == ("<stdin>", 1, "")


def test_the_line_of_a_traceback(tmp_path: Path) -> None:
    user = _write(tmp_path / "user.py", "def model():\n    x = 1\n    library()\n")
    library = _write(tmp_path / "lib.py", "def library():\n    raise ValueError\n")
    model = _module("user", user, library=_module("vitrify.lib", library)["library"])["model"]
    try:
        model()  # type: ignore[operator]
    except ValueError as error:
        assert traceback_location(error.__traceback__) == Location("user.py", 3)
    assert traceback_location(None) is None


def test_errors_quote_the_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "model.py", "\n    y = float(t)\n")
    at = Location("model.py", 2)
    error = VitrifyError(
        "float(t) needs a value", at=at, why="no data", instead="t.mean()\nt.sum()"
    )
    assert str(error).splitlines() == [
        "model.py:2: float(t) needs a value",
        "    y = float(t)",
        "  why: no data",
        "  instead: t.mean()",
        "           t.sum()",
    ]
