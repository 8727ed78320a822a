"""`pytest tests/passes --update-goldens` writes what the passes give into the golden files."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write the results into the golden files"
    )
