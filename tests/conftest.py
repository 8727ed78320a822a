"""What holds for all tests.

Those marked `gpu` are skipped, with the reason, where no CUDA device can be used. Property tests
look for new examples on every run, but where `CI` is set they repeat the same ones.
"""

import functools
import os

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("repeatable")


@functools.cache
def why_no_gpu() -> str | None:
    """Say why the tests of the GPU cannot run here; None if they can."""
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except ImportError as error:
        return f"CuPy cannot be imported: {error}"
    except Exception as error:
        return f"no CUDA device: {error}"
    return None if count else "no CUDA device"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and (reason := why_no_gpu()):
        pytest.skip(reason)
