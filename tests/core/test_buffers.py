"""Memory that goes back, or to the next, and is never in two hands."""

from __future__ import annotations

import copy
import gc
import pickle
import sys

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.core import buffers
from geopatcher.core.buffers import LARGE_BYTES, empty, recycling, sparse_zeros, zeros
from shelves import U8, N, ends, kept, on_linux


def place(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("shape", [(3,), (2, 5, 7), (1, 2048, 1024), (0, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_they_are_zeros_and_can_be_written(shape, dtype):
    array = zeros(shape, np.dtype(dtype))
    assert array.shape == shape
    assert array.dtype == dtype
    assert not array.any()
    array += 1
    assert (array == 1).all()
    assert array.flags.c_contiguous


@pytest.mark.parametrize("make", [zeros, empty, sparse_zeros])
@pytest.mark.parametrize("again", [False, True], ids=["new", "used"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", ">i4", "float16", "float32", "complex128"])
@pytest.mark.parametrize("n_bytes", [N - 32, N, N + 32])
def test_they_are_arrays_like_any_other(make, again, dtype, n_bytes):
    dtype = np.dtype(dtype)
    shape = (2, 1, n_bytes // dtype.itemsize // 2)
    with recycling():
        if again:
            make(shape, dtype)[...] = 1
        array = make(shape, dtype)
        assert type(array) is np.ndarray
        assert (array.shape, array.dtype) == (shape, dtype)
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.flags.aligned
        assert array.nbytes == n_bytes
        if make in (zeros, sparse_zeros):
            assert array.tobytes() == bytes(n_bytes)
        array[...] = 1
        assert (array == 1).all()
        del array


@on_linux
def test_those_written_once_take_memory_as_they_are_written():
    process = psutil.Process()
    held = process.memory_info().rss
    array = sparse_zeros((64 * LARGE_BYTES,), np.dtype("uint8"))
    array[: LARGE_BYTES // 4] = 1
    assert process.memory_info().rss - held < 2 * LARGE_BYTES
    array[...] = 1
    assert process.memory_info().rss - held > 60 * LARGE_BYTES


@pytest.mark.parametrize("make", [zeros, sparse_zeros])
def test_large_ones_go_back_to_the_system_at_once(make):
    process = psutil.Process()
    array = make((64 * LARGE_BYTES,), np.dtype("uint8"))
    array += 1
    held = process.memory_info().rss
    del array
    assert held - process.memory_info().rss > 60 * LARGE_BYTES


@on_linux
def test_used_memory_is_used_again_and_zero_again():
    with recycling():
        array = zeros((N,), U8)
        array.fill(7)
        before = place(array)
        del array
        assert kept() == {N: 1}
        other = zeros((2, N // 16), np.dtype("float64"))  # of another shape and dtype, but as many bytes
        assert place(other) == before
        assert not other.any()
        assert not kept()
        other.fill(np.nan)
        del other
        assert place(empty((N,), U8)) == before


@on_linux
def test_a_second_array_never_has_the_memory_of_a_first_that_is_in_use():
    with recycling():
        first, second = zeros((N,), U8), zeros((N,), U8)
        assert not np.shares_memory(first, second)
        del first
        third = zeros((N,), U8)
        fourth = empty((N,), U8)
        second.fill(2)
        fourth.fill(4)
        assert not third.any()
        assert (second == 2).all()


VIEWS = {
    "cut": lambda array: array[5:-5],
    "strided": lambda array: array[::3],
    "one cell": lambda array: array[-1:],
    "backwards": lambda array: array[::-1],
    "transposed": lambda array: array.reshape(2, -1).T,
    "flat": lambda array: array.reshape(2, -1).ravel(),
    "of another dtype": lambda array: array.view("uint64"),
    "broadcast": lambda array: np.broadcast_to(array, (2, N)),
    "in a buffer": lambda array: np.asarray(memoryview(array)),
    "from a buffer": lambda array: np.frombuffer(array, "uint8"),
    "by its interface": lambda array: np.asarray(type("Holder", (), {"__array__": lambda _, **kw: array})()),
    "by DLPack": np.from_dlpack,
    "iterated": lambda array: next(iter(array.reshape(2, -1))),
    "of a view of a view": lambda array: array[3:].reshape(1, -1)[0][4:].view("int8")[::2],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_a_view_keeps_the_memory_from_others(view):
    with recycling():
        array = zeros((N,), U8)
        array.fill(7)
        seen = view(array)
        wanted = seen.copy()
        del array
        assert not kept()
        others = [empty((N,), U8) for _ in range(2)]
        for other in others:
            other.fill(1)
        np.testing.assert_array_equal(seen, wanted)
        del other, others, seen
        gc.collect()
        assert kept().get(N, 0) == (3 if sys.platform == "linux" else 0)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from("zeoxvc"), st.integers(0, 2), st.integers(0, 100)), min_size=1, max_size=60
    )
)
def test_whatever_is_made_and_dropped_no_two_arrays_share_a_cell(turns):
    sizes = [N, N + 8, N // 2]
    live, tag = [], 0
    with recycling():
        for turn, size, which in turns:
            if turn in "ze":
                array = (zeros if turn == "z" else empty)((sizes[size],), U8)
                if turn == "z":
                    assert not ends(array).any()
                tag = (tag + 1) % 256
                array.fill(tag)
                live.append((array, tag))
            elif live and turn in "ox":
                live.pop(which % len(live))
            elif live:
                array, mark = live[which % len(live)]
                live[which % len(live)] = (array[:] if turn == "v" else array.copy(), mark)
            array = None
            for array, mark in live:
                assert (ends(array) == mark).all()
            array = None
    for array, mark in live:
        assert (array == mark).all()
    del array, live
    assert not kept()


def test_nothing_is_kept_outside():
    array = zeros((N,), U8)
    del array
    assert not kept()
    with recycling():
        array = zeros((N,), U8)
    del array
    assert not kept()
    with recycling():
        zeros((N,), U8)
    assert not kept()


@on_linux
def test_what_was_kept_goes_back_to_the_system_at_the_end():
    process = psutil.Process()
    large = max(64 << 20, N)
    with recycling():
        zeros((large,), U8).fill(1)
        held = process.memory_info().rss
        assert kept() == {large: 1}
    assert held - process.memory_info().rss > large * 0.9


@on_linux
def test_asking_for_another_size_clears_the_shelf():
    process = psutil.Process()
    large = max(64 << 20, N)
    with recycling():
        zeros((large,), U8).fill(1)
        held = process.memory_info().rss
        other = zeros((N,), U8)
        assert not kept()
        assert held - process.memory_info().rss > large * 0.9
        del other
        assert kept() == {N: 1}


@on_linux
def test_small_arrays_leave_the_shelf_as_it_is():
    with recycling():
        zeros((N,), U8).fill(1)
        small = zeros((N - 1,), U8)
        assert not small.any()
        del small
        assert kept() == {N: 1}


@on_linux
def test_of_a_few_sizes_no_more_is_kept_than_was_in_use_at_one_time():
    sizes = [N + 8 * number for number in range(6)]
    with recycling():
        for number in range(60):
            first, second = (empty((sizes[(number * step) % 6],), U8) for step in (1, 5))
            del first, second
            assert len(kept()) <= buffers.MAX_SIZES
            assert max(kept().values()) <= 2


@on_linux
def test_an_inner_context_does_not_end_the_outer_one():
    with recycling():
        with recycling():
            zeros((N,), U8).fill(1)
            assert kept() == {N: 1}
        assert kept() == {N: 1}
        zeros((N,), U8).fill(1)
        assert kept() == {N: 1}
    assert not kept()


def test_an_error_ends_the_context():
    def fail():
        with recycling():
            zeros((N,), U8).fill(1)
            raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        fail()
    assert not kept()
    zeros((N,), U8).fill(1)
    assert not kept()


def test_an_array_outlives_its_context_and_others():
    with recycling():
        array = zeros((N,), U8)
        array.fill(3)
    with recycling():
        other = zeros((N,), U8)
        other.fill(4)
    array[::2] += 1
    assert (array[::2] == 4).all()
    assert (array[1::2] == 3).all()
    with recycling():
        del array, other
        assert not zeros((N,), U8).any()
    assert not kept()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_they_pickle_as_any_array(protocol):
    with recycling():
        array = zeros((2, N // 2), U8)
        array[1, ::7] = 9
        wanted = array.tobytes()
        again = pickle.loads(pickle.dumps(array, protocol))  # noqa: S301 - our own
        del array
        zeros((N,), U8).fill(5)
    assert again.shape == (2, N // 2)
    assert again.flags.writeable
    assert again.tobytes() == wanted


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, np.copy, np.array, np.ascontiguousarray])
def test_copies_are_their_own(copied):
    with recycling():
        array = zeros((N,), U8)
        array.fill(6)
        own = copied(array)
        assert np.shares_memory(own, array) == (copied is np.ascontiguousarray)
        del array
        zeros((N,), U8).fill(5)
        assert (own == 6).all()


@pytest.mark.skipif(buffers._TRIM is None, reason="only glibc can be asked to give memory back")
def test_trimming_gives_back_what_the_allocator_keeps():
    """Every other block is kept, so that nothing could be given back without being asked."""
    blocks = [np.ones(100_000, np.uint8) for _ in range(1000)]
    del blocks[::2]
    kept = psutil.Process().memory_info().rss
    buffers.trim()
    assert psutil.Process().memory_info().rss < kept - 25_000_000
    assert all(block.all() for block in blocks)
