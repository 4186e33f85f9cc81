"""Which labels are one object, and their numbers: against dictionaries and a graph."""

from __future__ import annotations

import os
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geopatcher.accumulators.instances import Coding
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.engine.watch import StopRequested
from geopatcher.fields.array_source import ArraySource
from geopatcher.merging import joining
from geopatcher.merging.joining import Joining, Numbers

PATCH = (6, 7)


def never():
    return False


def store_of(rng, grid, n, levels=4):
    """Provisional numbers of patches that lie anyhow, as many over a cell as there is room for."""
    coding = Coding.over(grid, PATCH)
    cells = np.zeros((levels, *grid), np.int64)
    places = {
        (int(r), int(c))
        for r, c in zip(rng.integers(-3, grid[0], n), rng.integers(-3, grid[1], n), strict=True)
    }
    for row, col in sorted(places):
        labels = np.kron(rng.integers(0, 3, (3, 3)), np.ones((2, 3), int))[: PATCH[0], : PATCH[1]]
        for r, c in np.ndindex(PATCH):
            at = (row + r, col + c)
            if 0 <= at[0] < grid[0] and 0 <= at[1] < grid[1]:
                free = np.flatnonzero(cells[:, *at] == 0)
                if len(free):
                    cells[free[0], *at] = coding.number((row, col), int(labels[r, c]))
    front = rng.integers(0, levels, grid)  # any of them may count
    for at in np.ndindex(grid):
        over = cells[:, *at]
        there = over[over > 0]
        if len(there):
            first = there[front[at] % len(there)]
            cells[: len(there), *at] = [first, *sorted(set(there.tolist()) - {int(first)})]
    return coding, cells


def by_hand(coding, cells, iou):
    """Return the final numbers of the first level."""
    sizes, both = {}, {}
    for at in np.ndindex(cells.shape[1:]):
        over = [int(number) for number in cells[:, *at] if number]
        for one, other in combinations(over, 2):
            key = (min(one, other), max(one, other))
            both[key] = both.get(key, 0) + 1
            for a, b in ((one, other), (other, one)):
                seen = (a, int(coding.patch(b)))
                sizes[seen] = sizes.get(seen, 0) + 1
    names = sorted({int(number) for number in np.unique(cells) if coding.label(number)})
    place = {name: k for k, name in enumerate(names)}
    same = [
        (place[a], place[b])
        for (a, b), n in both.items()
        if a in place
        and b in place
        and n > iou * (sizes[a, int(coding.patch(b))] + sizes[b, int(coding.patch(a))] - n)
    ]
    pairs = np.array(same, int).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(names), len(names)))
    _, groups = connected_components(graph, directed=False)
    numbers, wanted = {}, np.zeros(cells.shape[1:], np.uint32)
    for at in np.ndindex(wanted.shape):
        name = int(cells[0, *at])
        if name in place:
            wanted[at] = numbers.setdefault(groups[place[name]], len(numbers) + 1)
    return wanted


@pytest.mark.parametrize("at_once", [2, 1 << 16])
@how(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    grid=st.tuples(st.integers(1, 25), st.integers(1, 25)),
    n=st.integers(0, 40),
    iou=st.sampled_from([0.0, 0.2, 0.5, 0.75]),
    chunks=st.sampled_from([(4, 5), (8, 8), (64, 64)]),
    part=st.sampled_from([(0, 0), (0, 0.6), (0.3, 0.4), (0.5, 0)]),
)
def test_joined_and_numbered(at_once, seed, grid, n, iou, chunks, part, tmp_path_factory):
    coding, cells = store_of(np.random.default_rng(seed), grid, n)
    top, left = (int(share * length) for share, length in zip(part, grid, strict=True))
    region = Box(top, grid[0], left, grid[1])  # nothing was written outside of it
    cells[:, :top] = cells[:, :, :left] = 0
    source = ArraySource(cells, RasterDomain(cells.shape, dtype=cells.dtype), label="numbers")
    folder = tmp_path_factory.mktemp("table")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "AT_ONCE", at_once)
        patch.setattr(joining, "READ_BYTES", 1)
        n_objects = Joining(coding, PATCH[0], iou, folder, never).run(source, region, chunks)
        wanted = by_hand(coding, cells, iou)
        np.testing.assert_array_equal(Numbers(coding, folder).of(cells[0]), wanted)
        assert n_objects == wanted.max()


def test_a_long_chain_is_one_object(tmp_path):
    """Thousands of patches in a row, each the same as the next only."""
    n = 3000
    coding = Coding.over((1, n + 1), (1, 2))
    numbers = np.array([coding.number((0, col), 1) for col in range(n)])
    cells = np.zeros((2, 1, n + 1), np.int64)
    cells[0, 0, :-1], cells[1, 0, 1:] = numbers, numbers
    cells[0, 0, -1] = numbers[-1]
    cells[1, 0, -1] = 0
    source = ArraySource(cells, RasterDomain(cells.shape, dtype=cells.dtype), label="numbers")
    assert Joining(coding, 1, 0.5, tmp_path, never).run(source, Box.of_shape((1, n + 1)), (1, 64)) == 1
    assert (Numbers(coding, tmp_path).of(cells[0]) == 1).all()
    if os.name == "posix":  # no holes, which a full disk could not fill
        sizes = {name: (tmp_path / name).stat() for name in ("parents", "roots")}
        assert all(size.st_blocks * 512 >= size.st_size > 0 for size in sizes.values())


def test_it_stops_between_rows(tmp_path):
    coding, cells = store_of(np.random.default_rng(0), (20, 20), 20)
    source = ArraySource(cells, RasterDomain(cells.shape, dtype=cells.dtype), label="numbers")
    asked = iter([False, False, True])
    with pytest.raises(StopRequested, match="above row 8"):
        Joining(coding, 6, 0.5, tmp_path, lambda: next(asked)).run(source, Box.of_shape((20, 20)), (4, 4))
