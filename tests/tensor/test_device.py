"""Devices. The CuPy paths run on a stand-in for CuPy that keeps its arrays in NumPy's memory."""

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import vitrify as vt
from vitrify.errors import ArgumentError, BackendError

devices = sys.modules["vitrify.tensor.device"]  # the function `device` hides it as an attribute


def test_names() -> None:
    assert vt.device("cpu") == vt.Device("cpu") and str(vt.device("cpu")) == "cpu"
    assert vt.device("cuda") == vt.device("cuda:0") == vt.device("cuda", 0)
    assert repr(vt.device("cuda:1")) == "device('cuda:1')"
    assert vt.device(vt.device("cuda:1")).index == 1
    assert vt.ones(1).device == vt.device("cpu")
    for name in ("gpu", "cuda:x", "cuda:-1", ""):
        with pytest.raises(ArgumentError, match="no such device"):
            vt.device(name)


@pytest.mark.parametrize(
    "use",
    [
        lambda: vt.ones(2).to("cuda"),
        lambda: vt.ones(2).cuda(),
        lambda: vt.zeros(2, device="cuda"),
        lambda: vt.tensor([1], device=vt.device("cuda")),
    ],
)
def test_cuda_without_cupy_says_what_to_install(use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(devices, "_cupy", None)
    with pytest.raises(BackendError, match=r'pip install "vitrify\[cuda\]"'):
        use()


def test_cuda_without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> int:
        raise RuntimeError("cudaErrorNoDevice")

    module = types.ModuleType("cupy")
    module.cuda = types.SimpleNamespace(  # type: ignore[attr-defined]
        runtime=types.SimpleNamespace(getDeviceCount=failing)
    )
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(devices, "_cupy", None)
    with pytest.raises(BackendError, match="no usable GPU: cudaErrorNoDevice"):
        vt.ones(1).cuda()


# ---------------------------------------------------------------- on a stand-in for CuPy


class GpuArray(np.ndarray):
    """Looks like a CuPy array where we touch one; NumPy's functions keep the class."""

    @property
    def device(self) -> Any:
        return types.SimpleNamespace(id=0)

    def get(self) -> np.ndarray:
        return np.array(self)


class StandIn(types.ModuleType):
    """The functions of NumPy, made to return GPU arrays."""

    ndarray = GpuArray
    cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=lambda: 1))

    @staticmethod
    def asnumpy(array: Any) -> np.ndarray:
        return np.array(array)

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if not callable(function) or isinstance(function, type):
            return function

        def call(*args: Any, **kwargs: Any) -> Any:
            assert all(isinstance(a, GpuArray) for a in args if isinstance(a, np.ndarray))
            result = function(*args, **kwargs)
            return _on_gpu(result) if isinstance(result, np.ndarray | np.generic) else result

        def asarray(array: Any) -> GpuArray:
            return array if isinstance(array, GpuArray) else _on_gpu(np.array(array))

        return asarray if name == "asarray" else call


def _on_gpu(array: Any) -> GpuArray:
    return np.asarray(array).view(GpuArray)


@contextmanager
def _using(index: int) -> Iterator[None]:
    yield


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    module = StandIn("cupy")
    module.cuda.Device = _using
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(devices, "_cupy", None)


@pytest.mark.usefixtures("gpu")
def test_moving() -> None:
    x = vt.ones(2, 3)
    y = x.to("cuda")
    assert y.is_cuda and y.device == vt.device("cuda:0") and y.to("cuda") is y
    assert not x.is_cuda and y.cpu().device == vt.device("cpu")
    assert "device='cuda:0'" in repr(y)
    assert y.to("cpu", vt.float64).dtype is vt.float64
    with pytest.raises(ArgumentError, match=r"x\.cpu\(\)\.numpy"):
        y.numpy()


@pytest.mark.usefixtures("gpu")
def test_results_stay_on_the_device() -> None:
    x = vt.arange(6, dtype=vt.float32, device="cuda").reshape(2, 3)
    for out in (x + x, x + 1.0, 2 - x, x.sum(), x.softmax(-1), x[1], x.T, vt.zeros_like(x)):
        assert out.is_cuda
    assert (x + vt.tensor(2.0)).is_cuda  # 0-d tensors follow
    x += 1
    x[0] = 5.0
    x.fill_(3)
    assert x.is_cuda and x.cpu().tolist() == [[3, 3, 3], [3, 3, 3]]
    assert vt.rand(2, device="cuda").is_cuda and x.new_zeros(2).is_cuda
    with pytest.raises(BackendError, match="different devices"):
        x + vt.ones(3)


@pytest.mark.usefixtures("gpu")
def test_gradients_cross_devices() -> None:
    w = vt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = w.cuda()
    y = (y * y)[1:].tanh().clamp(0, 1)
    loss = y.sum()
    loss.backward()
    expected = 2 * np.arange(1, 4) * (1 - np.tanh(np.arange(1.0, 4) ** 2) ** 2) * [0, 1, 1]
    assert not w.grad.is_cuda
    np.testing.assert_allclose(w.grad.numpy(), expected, rtol=1e-4, atol=1e-6)
    part = w.cuda().split([1, 2])[0]
    (g,) = vt.grad(part.sum(), w)
    assert g.tolist() == [1, 0, 0]


@pytest.mark.gpu
def test_on_a_real_gpu() -> None:
    x = vt.randn(4, 5, device="cuda", requires_grad=True)
    (x @ x.T).softmax(-1).sum().backward()
    assert x.grad.is_cuda
    assert vt.from_dlpack(x.detach()._data).is_cuda
