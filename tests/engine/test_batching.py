"""How many patches a call is given: what is tried, what pays, what fits, and what memory says."""

from __future__ import annotations

import subprocess
import sys
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.engine.batching import CALLS, Batching, Device, Trend, is_out_of_memory

MANY = 1 << 40


class OutOfMemoryError(RuntimeError):
    """As torch has one."""


def searched(cost, most=64, room=MANY, bytes_of=lambda n: 0):
    """Return a search that is over, and the sizes it tried."""
    batching = Batching.of("auto")
    batching.bound(most, room)
    tried = []
    for _ in range(40):
        n = batching.size
        tried.append(n)
        for _ in range(CALLS):
            batching.saw(n, bytes_of(n))
            batching.took(n, cost(n))
    return batching, sorted(set(tried))


def test_a_number_that_was_asked_for_is_kept_to():
    batching = Batching.of(7)
    batching.bound(1, 0)
    for _ in range(20):
        batching.took(7, 1.0)
    assert (batching.size, batching.batched, batching.auto) == (7, True, False)
    assert not Batching.of(1).batched
    assert Batching.of("auto").batched, "with one patch in it, too"


@pytest.mark.parametrize(
    ("call_s", "patch_s", "found"),
    [(0.0, 1.0, 1), (1.0, 0.0, 64), (0.02, 0.02, 16), (0.02, 0.001, 64)],
)
def test_a_batch_grows_while_that_pays(call_s, patch_s, found):
    batching, _ = searched(lambda n: call_s + patch_s * n)
    assert batching.size == found


def test_a_size_that_looks_slow_once_does_not_end_the_search():
    slow = {2: 3.0}  # something else ran meanwhile
    batching, tried = searched(lambda n: slow.get(n, 1.0 + 0.01 * n))
    assert batching.size == 64
    assert tried == [1, 2, 4, 8, 16, 32, 64]


def test_the_first_call_of_a_size_only_warms_up():
    batching = Batching.of("auto")
    batching.bound(2, MANY)
    for seconds in (100.0, 1.0, 1.0, 1.0, 1.5, 1.5, 1.0):
        batching.took(batching.size, seconds)
    assert batching.size == 2


@given(patch=st.integers(0, 1 << 30), fixed=st.integers(0, 1 << 30), room=st.integers(0, 1 << 34))
def test_a_batch_that_would_not_fit_is_not_tried(patch, fixed, room):
    def taken(n):
        return fixed + patch * n

    _, tried = searched(lambda n: 1.0, room=room, bytes_of=taken)
    # The first step knows one call only, in which nothing tells what grows: it takes it that all does.
    assert all(taken(n) <= room for n in tried[1:])
    fits = [n for n in (2, 4, 8, 16, 32, 64) if taken(n) <= room]
    assert len(tried) - 1 >= min(len(fits), 2) or 2 * taken(1) > room


def test_most_is_kept_to_even_when_it_shrinks():
    batching, _ = searched(lambda n: 1.0, most=16)
    assert batching.size == 16
    batching.bound(4, MANY)
    assert batching.size == 4


def test_after_memory_was_short_no_more_is_tried():
    batching = Batching.of("auto")
    batching.bound(64, MANY)
    for _ in range(3 * CALLS):
        batching.took(batching.size, 1.0)
    assert batching.size == 8
    assert batching.halve(8) == 4
    for _ in range(20):
        batching.took(4, 1.0)
    assert batching.size == 4
    assert (batching.halve(3), batching.halve(1)) == (1, 1)


def test_what_grows_is_told_from_what_does_not():
    trend = Trend()
    assert trend.at(8) == 0
    trend.note(1, 30)
    assert trend.at(2) == 60
    trend.note(2, 50)
    trend.note(2, 40)  # the most that was seen
    assert trend.at(4) == 90
    trend.note(4, 10)  # an arena that was there already
    assert trend.at(8) == 10


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
        (OSError("not enough memory"), False),
    ],
)
def test_which_errors_are_of_memory(error, is_one):
    assert is_out_of_memory(error) is is_one


def test_numpy_s_own_error_is_one():
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 60, "uint8")
    assert is_out_of_memory(caught.value)


def test_that_of_onnxruntime_is_one(tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    code = f"""
import resource, numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper
from geopatcher.engine.batching import is_out_of_memory
x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "n"])
nodes = [
    helper.make_node("Unsqueeze", ["x", "last"], ["column"]),
    helper.make_node("Unsqueeze", ["x", "first"], ["row"]),
    helper.make_node("Mul", ["column", "row"], ["y"]),
]
axes = [onnx.numpy_helper.from_array(np.array([axis]), name) for name, axis in (("first", 0), ("last", 1))]
model = helper.make_model(
    helper.make_graph(nodes, "outer", [x], [y], axes), opset_imports=[helper.make_opsetid("", 13)]
)
model.ir_version = 8
onnx.save(model, {str(tmp_path / "outer.onnx")!r})
session = onnxruntime.InferenceSession({str(tmp_path / "outer.onnx")!r}, providers=["CPUExecutionProvider"])
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
try:
    session.run(None, {{"x": np.ones(100_000, "float32")}})
except Exception as error:
    print(is_out_of_memory(error), type(error), error)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("True"), ended


def fake_torch(monkeypatch, *, started=True, peak=0, free=0, reserved=0):
    cuda = types.SimpleNamespace(
        is_initialized=lambda: started,
        mem_get_info=lambda: (free, 2 * free),
        max_memory_allocated=lambda: peak,
        memory_reserved=lambda: reserved,
    )
    torch = types.ModuleType("torch")
    torch.cuda = cuda
    monkeypatch.setitem(sys.modules, "torch", torch)


def test_memory_of_a_gpu_is_asked_for_only_where_torch_uses_one(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert Device.used() is None
    fake_torch(monkeypatch, started=False)
    assert Device.used() is None
    fake_torch(monkeypatch, peak=3, free=10, reserved=5)
    assert Device.used() == (3, 15)


def test_a_batch_grows_within_the_memory_of_the_gpu(monkeypatch):
    batching = Batching.of("auto")
    batching.bound(64, MANY)
    for _ in range(20):
        n = batching.size
        fake_torch(monkeypatch, peak=100 * n, free=1000 - 100 * n, reserved=100 * n)
        batching.saw(n, 0)
        batching.took(n, 1.0)
    assert batching.size == 8, "8 take 800, and 16 would take 1600 of 1000"
