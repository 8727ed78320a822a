"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..ir.errors import ExportError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes its place at `path` when the block ends without error.

    Raises:
        ExportError: where the folder does not exist or cannot be written to, or `path` is one.
    """
    target = Path(path)
    if target.is_dir():
        raise ExportError(f"cannot write {target}: it is a folder")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise ExportError(f"cannot write {target}: {error.strerror or error}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _umask() -> int:
    """The process's umask: a temporary file is private, the finished one need not be."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
