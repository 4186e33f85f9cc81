"""An operator over patches on threads and processes: in order, bounded, and as one by one."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

import far
import geopatcher as gp
from geopatcher.api.journal import PatchJournal
from geopatcher.api.runners import parallel_map
from geopatcher.errors import OperatorError, TransportError, WorkerLostError

IMAGE = np.random.default_rng(8).random((2, 90, 70), dtype="float32")


def patcher_of(size=16, step=8, **policy):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(size),
        gp.SpatialRegularStride(step),
        gp.SpatialHann(),
        gp.SpatialOverlapAdd(),
        **policy,
    )


def one_by_one(patcher, operator, image=IMAGE):
    return [(patch.anchor, operator(patch.data).tobytes()) for patch in patcher.split(image)]


def listed(patches):
    return [(patch.anchor, np.asarray(patch.data).tobytes()) for patch in patches]


@how(max_examples=25)
@given(
    n_workers=st.integers(1, 5),
    batch_size=st.integers(1, 90),
    size=st.integers(3, 40),
    step=st.integers(1, 30),
)
def test_threads_give_the_same_in_the_same_order(n_workers, batch_size, size, step):
    patcher = patcher_of(size, min(step, size))
    got = parallel_map(patcher, IMAGE, far.bend, n_workers=n_workers, batch_size=batch_size)
    assert len(got) == patcher.n_anchors(IMAGE)
    assert listed(got) == one_by_one(patcher, far.bend)


def test_processes_give_the_same_in_the_same_order():
    factor = np.float32(3)
    patcher = patcher_of()
    got = parallel_map(
        patcher, IMAGE, lambda x: far.bend(x) * factor, n_workers=2, batch_size=7, backend="process"
    )
    assert listed(got) == one_by_one(patcher, lambda x: far.bend(x) * factor)


def test_the_stream_is_stitched_with_its_plan():
    patcher = patcher_of()
    stream = parallel_map(patcher, IMAGE, far.bend, n_workers=2, batch_size=4)
    stitched = patcher.merge(stream, IMAGE)
    wanted = patcher.merge((p.with_data(far.bend(p.data)) for p in patcher.split(IMAGE)), IMAGE)
    assert stitched.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(("n_workers", "batch_size"), [(1, 1), (2, 5), (4, 3)])
def test_a_slow_loop_holds_the_others_back(n_workers, batch_size):
    begun = []

    def operator(pixels):
        begun.append(1)
        return pixels

    stream = parallel_map(patcher_of(), IMAGE, operator, n_workers=n_workers, batch_size=batch_size)
    patches = iter(stream)
    for taken in range(1, 20):
        next(patches)
        assert len(begun) <= taken + (n_workers + 2) * batch_size
    patches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("geopatcher-map")]


def test_nothing_is_read_before_it_is_asked_for():
    reads = []

    class Field:
        domain = gp.RasterDomain(
            IMAGE.shape, gp.RasterField.from_array(IMAGE).domain.transform, None, None, IMAGE.dtype
        )

        def select(self, window):
            reads.append(window)
            return IMAGE[:, window.row_off : window.row_off + window.height][
                :, :, window.col_off : window.col_off + window.width
            ]

        def with_data(self, array):
            raise NotImplementedError

    stream = parallel_map(patcher_of(), Field(), far.bend)
    assert not reads
    patches = iter(stream)
    next(patches)
    assert reads
    patches.close()


def test_the_first_error_is_raised_and_names_operator_and_patch():
    def fail(pixels):
        raise ArithmeticError("no")

    for backend in ("thread", "process"):
        stream = parallel_map(patcher_of(), IMAGE, fail, n_workers=2, backend=backend)
        with pytest.raises(
            OperatorError, match=r"fail failed on the patch at \(\d+, \d+\): ArithmeticError: no"
        ):
            next(iter(stream))


@pytest.mark.parametrize("backend", ["thread", "process"])
def test_failed_patches_are_left_out_or_masked(backend):
    patcher = patcher_of()
    anchors = list(patcher.anchors(IMAGE))
    bad = {patch.anchor for patch in patcher.split(IMAGE) if patch.data.min() < 0.0005}
    assert 0 < len(bad) < len(anchors)
    skipped = parallel_map(
        patcher, IMAGE, far.fails_on_a_minimum, n_workers=2, on_error="skip", backend=backend
    )
    assert [patch.anchor for patch in skipped] == [anchor for anchor in anchors if anchor not in bad]
    assert {error.anchor for error in patcher.errors} == bad
    assert all("too low" in error.message for error in patcher.errors)
    masked = parallel_map(
        patcher, IMAGE, far.fails_on_a_minimum, n_workers=2, on_error="mask", backend=backend
    )
    for patch in masked:
        assert patch.data.shape == (2, 16, 16)
        assert np.ma.getmaskarray(patch.data).all() == (patch.anchor in bad)


def test_retries_are_those_of_the_patcher():
    tries = []

    def sometimes(pixels):
        tries.append(1)
        if len(tries) % 2:
            raise OSError("busy")
        return pixels

    patcher = patcher_of(90, 90, max_retries=1)
    assert len(list(parallel_map(patcher, IMAGE[:, :90, :], sometimes, n_workers=1, on_error="retry"))) == 1
    assert len(tries) == 2


def test_a_journal_leaves_out_what_is_done_and_hears_of_the_rest(tmp_path):
    patcher = patcher_of()
    anchors = list(patcher.anchors(IMAGE))
    with PatchJournal(tmp_path / "journal") as journal:
        stream = iter(parallel_map(patcher, IMAGE, far.bend, journal=journal, n_workers=2, batch_size=3))
        taken = [next(stream).anchor for _ in range(5)]
        stream.close()
        assert taken == anchors[:5]
        assert [anchor for anchor in anchors if journal.has(anchor)] == anchors[:4], (
            "the fifth was taken, but the loop may have died over it"
        )
    with PatchJournal(tmp_path / "journal") as journal:
        rest = parallel_map(patcher, IMAGE, far.fails_on_a_minimum, journal=journal, on_error="skip")
        done = [patch.anchor for patch in rest]
        failed = {error.anchor for error in patcher.errors}
        assert done == [anchor for anchor in anchors[4:] if anchor not in failed]
        assert list(journal.pending(anchors)) == [anchor for anchor in anchors if anchor in failed]


def test_a_process_that_dies_is_replaced_and_not_for_ever(tmp_path):
    patcher = patcher_of()
    operator = far.Dies(tmp_path, [IMAGE[0, 40, 40]])
    got = parallel_map(patcher, IMAGE, operator, n_workers=2, backend="process", batch_size=5)
    assert listed(got) == one_by_one(patcher, far.bend)

    class Always(far.Dies):
        def first(self, number):
            return True

    with pytest.raises(WorkerLostError, match=r"4 processes ended over the same batch, .* patch at \(0, 0\)"):
        list(parallel_map(patcher, IMAGE, Always(tmp_path, [IMAGE[0, 0, 0]]), n_workers=1, backend="process"))


def test_what_cannot_be_done_is_told():
    patcher = patcher_of()
    with pytest.raises(ValueError, match="n_workers must be 1 or more, not 0"):
        parallel_map(patcher, IMAGE, far.bend, n_workers=0)
    with pytest.raises(ValueError, match="batch_size must be 1 or more, not -1"):
        parallel_map(patcher, IMAGE, far.bend, batch_size=-1)
    with pytest.raises(ValueError, match=r"is neither .* for Dask see SpatialPatcher\.to_delayed"):
        parallel_map(patcher, IMAGE, far.bend, backend="dask")
    lock = threading.Lock()
    with pytest.raises(TransportError, match="the operator .*<lambda> cannot travel"):
        list(parallel_map(patcher, IMAGE, lambda x: (lock, x)[1], backend="process"))
    with pytest.raises(OperatorError, match="<lambda> returned None for the patch at"):
        list(parallel_map(patcher, IMAGE, lambda x: None))


@pytest.mark.parametrize("wanted", [True, False])
def test_progress_is_drawn_when_asked_for(monkeypatch, wanted):
    told = []

    @contextmanager
    def reporting(progress, total):
        told.append((progress, total))
        yield told.append

    monkeypatch.setattr("geopatcher.api.parallel.reporting", reporting)
    patcher = patcher_of()
    list(parallel_map(patcher, IMAGE, far.bend, show_progress=wanted))
    assert told[0] == (wanted, patcher.n_anchors(IMAGE))
    assert sum(told[1:]) == patcher.n_anchors(IMAGE)
