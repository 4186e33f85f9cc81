"""Contributions in any order: kept, spilled beyond a limit, and given back row by row."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.engine.contributions import Contribution
from geopatcher.merging.collect import MAX_TAPERS, Collection


def contribution(row, col, seed, *, valid=False, weights=None, flat=False):
    random = np.random.default_rng(seed)
    data = random.random((2, 3, 4)).astype("float32")
    known = random.random(data.shape) < 0.5 if valid else None
    return Contribution(Box(row, row + 3, col, col + 4), data, known, weights, flat)


def assert_same(got, wanted):
    assert (got.box, got.flat) == (wanted.box, wanted.flat)
    for one, other in ((got.data, wanted.data), (got.valid, wanted.valid), (got.weights, wanted.weights)):
        if other is None:
            assert one is None
        else:
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


places = st.lists(
    st.tuples(st.integers(-5, 30), st.integers(-5, 30), st.booleans(), st.booleans(), st.integers(0, 40)),
    max_size=50,
)


@given(places, st.sampled_from([0, 100, 1000, 10**6]))
def test_they_come_back_row_by_row_whatever_was_spilled(tmp_path_factory, places, max_bytes):
    scratch = tmp_path_factory.getbasetemp() / "scratch"
    scratch.mkdir(exist_ok=True)
    tapers = [np.random.default_rng(seed).random((3, 4)) for seed in range(41)]
    items = [
        contribution(row, col, seed, valid=valid, weights=tapers[taper] if taper else None, flat=flat)
        for seed, (row, col, valid, flat, taper) in enumerate(places)
    ]
    wanted = sorted(items, key=lambda item: (item.box.row0, item.box.col0))  # stable: equals keep their order
    with Collection.of(iter(items), max_bytes, scratch) as collection:
        for _ in range(2):
            for got, item in zip(collection, wanted, strict=True):
                assert_same(got, item)
        np.testing.assert_array_equal(
            collection.boxes,
            np.array([(b.row0, b.row1, b.col0, b.col1) for b in (w.box for w in wanted)]).reshape(-1, 4),
        )
        region = Box(4, 12, 3, 15)
        near = [item for item in wanted if item.box.intersect(region).n_pixels]
        for got, item in zip(collection.touching(region), near, strict=True):
            assert_same(got, item)
        held = sum(item.data.nbytes for item in items)
        if max_bytes == 0:
            assert collection.spilled_bytes >= held
        if max_bytes == 10**6:
            assert collection.spilled_bytes == 0
        assert list(scratch.iterdir()) == []  # the file has no name


def test_no_more_is_held_than_allowed(tmp_path):
    items = [contribution(row, 0, row) for row in range(50)]
    with Collection.of(items, 10 * 96, tmp_path) as collection:
        assert collection.spilled_bytes == 40 * 96
        assert os.fstat(collection._file).st_size == 40 * 96
        assert os.fstat(collection._file).st_dev == tmp_path.stat().st_dev


def test_one_taper_is_kept_once(tmp_path):
    taper = np.ones((3, 4))
    items = [contribution(row, 0, row, weights=taper) for row in range(50)]
    with Collection.of(items, 0, tmp_path) as collection:
        assert collection.spilled_bytes == 50 * 96
        assert {id(item.weights) for item in collection} == {id(taper)}


def test_many_tapers_are_spilled_too(tmp_path):
    items = [contribution(r, 0, r, weights=np.full((3, 4), float(r))) for r in range(MAX_TAPERS + 20)]
    with Collection.of(items, 0, tmp_path) as collection:
        for got, item in zip(collection, items, strict=True):
            assert_same(got, item)
        assert collection.spilled_bytes == len(items) * 96 + 20 * 96


def test_a_giver_may_go_on_writing_into_what_it_gave(tmp_path):
    data = np.zeros((1, 3, 4))

    def give():
        for row in range(5):
            data[:] = row
            yield Contribution(Box(row, row + 3, 0, 4), data, None)

    for max_bytes in (0, 10**6):
        with Collection.of(give(), max_bytes, tmp_path) as collection:
            assert [item.data[0, 0, 0] for item in collection] == [0, 1, 2, 3, 4]
    with Collection.of(
        [Contribution(Box(0, 3, 0, 4), data, None)], 10**6, tmp_path, copy=False
    ) as collection:
        assert next(iter(collection)).data is data


def test_nothing_is_left_open_when_the_stream_fails(tmp_path):
    def give():
        yield contribution(0, 0, 0)
        raise KeyError("broken")

    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir())) if descriptors.is_dir() else 0
    with pytest.raises(KeyError):
        Collection.of(give(), 0, tmp_path)
    if before:
        assert len(list(descriptors.iterdir())) == before
    assert list(tmp_path.iterdir()) == []


def test_a_torn_scratch_file_is_an_error(tmp_path):
    with Collection.of([contribution(0, 0, 0)], 0, tmp_path) as collection:
        os.ftruncate(collection._file, 5)
        with pytest.raises(OSError, match=r"scratch file in .* ends early: wanted 96 bytes, got 5"):
            list(collection)


def test_a_closed_collection_gives_nothing(tmp_path):
    collection = Collection.of([contribution(0, 0, 0)], 0, tmp_path)
    stream = iter(collection)
    collection.close()
    collection.close()
    assert list(stream) == []
    assert list(tmp_path.iterdir()) == []
