"""Shares of patches, held against one plane of weights over the whole grid, added up in double precision."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from geopatcher.accumulators import mean_steps as shares_module
from geopatcher.accumulators.mean_steps import (
    MAX_BEFORE,
    MAX_KEPT,
    MAX_KEPT_BYTES,
    MIN_KEPT,
    PATIENCE,
    History,
    kept_arrays,
    shares_in,
)
from geopatcher.accumulators.pieces import Taper
from geopatcher.core.box import Box

#: Cells of the planes around the grid, for patches that stick out.
MARGIN = 16
SIDE = 80
slow = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def taper_of(weights, dtype="float32"):
    return Taper.of(np.asarray(weights), np.shape(weights), np.dtype(dtype))


def random_taper(shape, seed, dtype="float32", zeros=0.2):
    rng = np.random.default_rng([*shape, seed])
    return taper_of(rng.random(shape) * (rng.random(shape) >= zeros), dtype)


@dataclass
class Plane:
    """The oracle: sums of weights of one layer, cell by cell."""

    side: int = SIDE
    sums: np.ndarray = field(init=False)

    def __post_init__(self):
        self.sums = np.zeros((self.side + 2 * MARGIN, self.side + 2 * MARGIN))

    def enter(self, box, taper):
        view = self.sums[box.row0 + MARGIN : box.row1 + MARGIN, box.col0 + MARGIN : box.col1 + MARGIN]
        view += taper.values
        added = taper.values.astype(float)
        shares = np.divide(added, view, out=np.zeros(view.shape), where=view != 0)
        return shares.astype(taper.values.dtype)


def same_bits(first, second):
    return (first.dtype, first.shape, first.tobytes()) == (second.dtype, second.shape, second.tobytes())


def run(patches, n_layers, wanted=None, side=SIDE):
    """Enter patches ``(box, tapers)``; check what comes back, and return it."""
    wanted = [True] * n_layers if wanted is None else wanted
    history, planes = History(wanted), [Plane(side) for _ in range(n_layers)]
    given_back = []
    for box, tapers in patches:
        shares = history.enter(box, tapers)
        assert len(shares) == n_layers
        for share, plane, taper, asked in zip(shares, planes, tapers, wanted, strict=True):
            right = plane.enter(box, taper)
            assert share is None or (asked and same_bits(share, right))
        given_back.append(shares)
    return given_back


def starts(length, size, step):
    """First cells along an axis; the last patch is moved back inside."""
    found = list(range(0, max(1, length - size + 1), step))
    return found if found[-1] + size >= length else [*found, length - size]


def cut_starts(length, size, step):
    """The same, but the last patches end with the grid."""
    return list(range(0, length, step))


def lattice(shape, size, step, *, cut=False):
    """Boxes in rows from the top; ``cut`` ends them with the grid instead of moving them back."""
    lines = [
        (cut_starts if cut else starts)(length, side, pace)
        for length, side, pace in zip(shape, size, step, strict=True)
    ]
    for row, col in itertools.product(*lines):
        rows, cols = (row, row + size[0]), (col, col + size[1])
        if cut:
            rows, cols = (row, min(rows[1], shape[0])), (col, min(cols[1], shape[1]))
        yield Box(*rows, *cols)


side_of_grid, side_of_patch = st.integers(1, 40), st.integers(1, 12)
pairs = lambda each: st.tuples(each, each)  # noqa: E731 - a strategy of a strategy


@slow
@given(
    shape=pairs(side_of_grid),
    size=pairs(side_of_patch),
    step=pairs(side_of_patch),
    cut=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    n_layers=st.integers(1, 3),
    n_tapers=st.integers(1, 3),
    missing=st.sampled_from([0.0, 0.1, 0.6]),
    random=st.randoms(use_true_random=False),
)
def test_shares_are_those_of_sums_over_the_whole_grid(
    shape, size, step, cut, dtype, n_layers, n_tapers, missing, random
):
    size = tuple(min(pair) for pair in zip(size, shape, strict=True)) if not cut else size
    step = tuple(min(pair) for pair in zip(step, size, strict=True))
    tapers = {}

    def taper(box):
        key = (box.shape, random.randrange(n_tapers))
        if key not in tapers:
            tapers[key] = random_taper(*key, dtype)
        return tapers[key]

    boxes = [box for box in lattice(shape, size, step, cut=cut) if random.random() >= missing]
    wanted = [random.random() < 0.8 for _ in range(n_layers)]
    run([(box, [taper(box) for _ in range(n_layers)]) for box in boxes], n_layers, wanted)


@slow
@given(
    places=st.lists(
        st.tuples(st.integers(-8, 40), st.integers(-8, 40), st.integers(1, 9), st.integers(1, 9)),
        max_size=90,
    ),
    n_tapers=st.integers(1, 2),
)
def test_patches_at_any_place_and_of_any_size_are_given_none_or_the_right_shares(places, n_tapers):
    tapers = {}
    patches = []
    for number, (row, col, height, width) in enumerate(sorted(places, key=lambda place: place[0])):
        key = ((height, width), number % n_tapers)
        taper = tapers.setdefault(key, random_taper(*key))
        patches.append((Box(row, row + height, col, col + width), [taper]))
    run(patches, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize(
    ("shape", "size", "step"),
    [
        ((64, 64), (16, 16), (8, 8)),
        ((61, 77), (16, 12), (8, 6)),
        ((50, 70), (9, 9), (9, 9)),
        ((33, 80), (10, 10), (5, 4)),
        ((5, 80), (8, 16), (8, 5)),
        ((80, 3), (16, 16), (4, 4)),
    ],
)
def test_every_patch_of_a_lattice_has_shares(shape, size, step, cut, dtype):
    size = size if cut else tuple(min(pair) for pair in zip(size, shape, strict=True))
    tapers = {}
    boxes = list(lattice(shape, size, step, cut=cut))
    patches = [(box, [tapers.setdefault(box.shape, random_taper(box.shape, 0, dtype))]) for box in boxes]
    assert all(share is not None for (share,) in run(patches, 1))


def test_on_a_lattice_they_are_the_same_few_arrays():
    taper = random_taper((16, 16), 0)
    boxes = list(lattice((80, 80), (16, 16), (8, 8)))
    assert len(boxes) == 81
    shares = [share for (share,) in run([(box, [taper]) for box in boxes], 1)]
    # Left and the rest of the first row; left, middle and right of all others.
    assert len({id(share) for share in shares}) == 5


def test_layers_with_the_same_tapers_share_their_arrays_and_others_do_not():
    first, second = random_taper((8, 8), 0), random_taper((8, 8), 1)
    boxes = lattice((32, 32), (8, 8), (4, 4))
    for one, other, same in run([(box, [first, second, first]) for box in boxes], 3):
        assert one is same
        assert one is not other


def test_nothing_is_given_that_is_not_wanted():
    taper = random_taper((8, 8), 0)
    patches = [(box, [taper, taper]) for box in lattice((32, 32), (8, 8), (4, 4))]
    for first, second in run(patches, 2, [False, True]):
        assert first is None
        assert second is not None
    assert all(list(shares) == [None, None] for shares in run(patches, 2, [False, False]))


def test_patches_of_one_row_may_come_in_any_order():
    taper = random_taper((8, 8), 0)
    boxes = [Box(row, row + 8, col, col + 8) for row in (0, 4) for col in (24, 0, 4, 4, 20, 12)]
    assert all(share is not None for (share,) in run([(box, [taper]) for box in boxes], 1))


def test_weights_of_many_magnitudes_are_added_in_the_order_of_the_patches():
    sizes = [1e30, 1.0, 1e-30, 3.0, 1e16, 0.1, 7.0, 1e-3]
    tapers = [taper_of(np.full((2, 2), size), "float64") for size in sizes]
    boxes = [Box(row, row + 2, col, col + 2) for row in (0, 1) for col in (0, 1, 1, 0)]
    shares = run(list(zip(boxes, [[taper] for taper in tapers], strict=True)), 1)
    assert all(share is not None for (share,) in shares)


@slow
@given(
    region=st.tuples(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30), st.integers(1, 30)),
    step=pairs(st.integers(2, 10)),
    n_tapers=st.integers(1, 3),
    cut=st.booleans(),
)
@example(region=(20, 1, 20, 1), step=(2, 3), n_tapers=3, cut=False)
def test_shares_in_a_region_have_the_same_bits_without_the_patches_outside(region, step, n_tapers, cut):
    region = Box(region[0], region[0] + region[1], region[2], region[2] + region[3])
    tapers = {}
    patches = []
    for number, box in enumerate(lattice((60, 60), (10, 10), step, cut=cut)):
        key = (box.shape, number % n_tapers)
        patches.append((box, [tapers.setdefault(key, random_taper(*key))]))
    touching = [patch for patch in patches if not patch[0].intersect(region).empty]
    whole = dict(zip([box for box, _ in patches], run(patches, 1), strict=True))
    for (box, _), (share,) in zip(touching, run(touching, 1), strict=True):
        (other,) = whole[box]
        if share is not None and other is not None:
            inside = box.intersect(region)
            crop = (
                slice(inside.row0 - box.row0, inside.row1 - box.row0),
                slice(inside.col0 - box.col0, inside.col1 - box.col0),
            )
            assert same_bits(share[crop].copy(), other[crop].copy())


def test_patches_that_do_not_touch_leave_no_trace():
    taper, other = random_taper((8, 8), 0), random_taper((8, 8), 1)
    near = [Box(0, 8, 0, 8), Box(0, 8, 4, 12), Box(6, 14, 2, 10)]
    far = [Box(0, 8, 12, 20), Box(0, 8, 40, 48), Box(6, 14, 10, 18)]
    alone = run([(box, [taper]) for box in near], 1)
    mixed = run(
        [(box, [taper if box in near else other]) for box in (near[0], *far[:2], near[1], far[2], near[2])], 1
    )
    for (share,), (same,) in zip(alone, [mixed[0], mixed[3], mixed[5]], strict=True):
        assert same_bits(share, same)


def test_cells_without_weight_have_no_share():
    taper = taper_of([[0.0, 1.0], [2.0, 0.0]])
    later = taper_of([[0.0, 0.0], [2.0, 3.0]])
    history, box = History([True]), Box(3, 5, 3, 5)
    np.testing.assert_array_equal(history.enter(box, [taper])[0], [[0, 1], [1, 0]])
    np.testing.assert_array_equal(history.enter(box, [later])[0], [[0, 0], [0.5, 1]])
    np.testing.assert_array_equal(history.enter(box, [taper])[0], np.float32([[0, 0.5], [1 / 3, 0]]))


def test_a_cell_under_very_many_patches_is_left_to_others_and_the_next_one_is_not():
    taper = random_taper((3, 3), 0)
    pile = [(Box(0, 3, 0, 3), [taper])] * (MAX_BEFORE + 3)
    beside = [(Box(0, 3, 3, 6), [taper]), (Box(1, 4, 5, 8), [taper]), (Box(2, 5, 1, 4), [taper])]
    history, plane = History([True]), Plane()
    given_back = []
    for number, (box, tapers) in enumerate(pile + beside):
        (share,), right = history.enter(box, tapers), plane.enter(box, taper)
        assert share is None or same_bits(share, right), number
        given_back.append(share is not None)
        if number == 0:
            history._found = 10**9  # it is not to give up on patterns that never repeat
    n_piled = len(pile)
    assert given_back[: MAX_BEFORE + 1] == [True] * (MAX_BEFORE + 1)
    assert given_back[MAX_BEFORE + 1 : n_piled] == [False] * (n_piled - MAX_BEFORE - 1)
    assert given_back[n_piled:] == [True, True, False]


def test_patches_in_no_order_that_repeats_are_left_to_others_for_good():
    rng = np.random.default_rng(0)
    taper = random_taper((9, 9), 0)
    places = sorted((int(row), int(col)) for row, col in rng.integers(0, 70, (400, 2)))
    boxes = [Box(row, row + 9, col, col + 9) for row, col in places]
    found = [share is not None for (share,) in run([(box, [taper]) for box in boxes], 1)]
    assert found[:PATIENCE] == [True] * PATIENCE
    assert not any(found[4 * PATIENCE :])
    first_missing = found.index(False)
    assert not any(found[first_missing:])


def test_rows_that_have_passed_are_forgotten():
    taper = random_taper((4, 4), 0)
    history = History([True])
    for row in range(0, 4000, 2):
        for col in range(0, 16, 2):
            history.enter(Box(row, row + 4, col, col + 4), [taper])
    assert len(history._rows) <= 3


@pytest.mark.parametrize("most", [MIN_KEPT, 5, MAX_KEPT])
def test_no_more_arrays_are_kept_than_stated(monkeypatch, most):
    tapers = [random_taper((6, 6), seed) for seed in range(7)]
    monkeypatch.setattr(shares_module, "MAX_KEPT_BYTES", most * tapers[0].values.nbytes)
    history, plane = History([True]), Plane()
    held = []
    for number, box in enumerate(lattice((60, 60), (6, 6), (6, 3))):
        taper = tapers[number % 7]
        (share,), right = history.enter(box, [taper]), plane.enter(box, taper)
        assert share is None or same_bits(share, right)
        held.append(len(history._kept))
        assert sum(array.nbytes for array in history._kept.values()) <= most * taper.values.nbytes
    assert max(held) == most


@pytest.mark.parametrize(
    ("patch_bytes", "kept"),
    [
        (1, MAX_KEPT),
        (MAX_KEPT_BYTES // MAX_KEPT, MAX_KEPT),
        (MAX_KEPT_BYTES // MAX_KEPT + 1, MAX_KEPT - 1),
        (MAX_KEPT_BYTES // MIN_KEPT, MIN_KEPT),
        (MAX_KEPT_BYTES // MIN_KEPT + 1, MIN_KEPT),
        (100 * MAX_KEPT_BYTES, MIN_KEPT),
    ],
)
def test_the_bytes_of_a_patch_decide_how_many_arrays_are_kept(patch_bytes, kept):
    assert kept_arrays(patch_bytes) == kept
    assert kept * patch_bytes <= max(MAX_KEPT_BYTES, MIN_KEPT * patch_bytes)


def test_tapers_that_are_gone_are_not_taken_for_new_ones():
    history, plane = History([True]), Plane(4 * PATIENCE)
    places = set()
    for number in range(PATIENCE - 1):
        box = Box(3 * number, 3 * number + 4, 0, 4)
        taper = random_taper((4, 4), number, zeros=0.5)
        places.add(id(taper))
        (share,), right = history.enter(box, [taper]), plane.enter(box, taper)
        assert same_bits(share, right)
        del taper, share
    assert len(places) < PATIENCE - 1, "no address was used twice: the test tests nothing"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_weight_over_a_sum_is_in_the_dtype_of_the_weight(dtype):
    added = np.array([1, 0, 0, 3], dtype)
    with np.errstate(all="raise"):
        shares = shares_in(added, np.array([3.0, 2.0, 0.0, 3.0]))
    assert shares.dtype == dtype
    np.testing.assert_array_equal(shares, np.array([1 / 3, 0, 0, 1], dtype))


def test_weights_of_a_plane_may_be_over_sums_of_several_bands():
    weights = np.array([[[2.0, 4.0]], [[0.0, 1.0]]])
    shares = shares_in(np.array([[1.0, 1.0]]), weights)
    np.testing.assert_array_equal(shares, [[[0.5, 0.25]], [[0.0, 1.0]]])


def test_shares_of_a_small_taper_are_made_once_for_all_runs(monkeypatch):
    """The second history finds those of the first; nobody can write into them."""
    made, taper = [], random_taper((6, 5), 3)

    class Counted(shares_module.Recent):
        def get(self, pattern, make):
            return super().get(pattern, lambda *parts: made.append(parts) or make(*parts))

    monkeypatch.setattr(shares_module, "RECENT", Counted())
    for _ in range(2):
        history = History([True])
        first = [history.enter(Box(0, 6, col, col + 5), (taper,))[0] for col in (0, 2, 4)]
    assert len(made) == 3
    plane = Plane()
    for col, share in zip((0, 2, 4), first, strict=True):
        assert same_bits(share, plane.enter(Box(0, 6, col, col + 5), taper))
    with pytest.raises(ValueError, match="read-only"):
        first[0][0, 0] = 1


def test_only_so_many_shares_are_kept_for_runs_to_come(monkeypatch):
    recent = shares_module.Recent()
    monkeypatch.setattr(shares_module, "MAX_RECENT", 2)
    made = []

    def make(taper, around):
        made.append(taper)
        return np.zeros((3, 3))

    tapers = [random_taper((3, 3), seed) for seed in range(3)]
    for taper in (*tapers, tapers[2], tapers[1], tapers[0]):
        recent.get((taper, ()), make)
    assert made == [*tapers, tapers[0]]
    monkeypatch.setattr(shares_module, "RECENT_BYTES", 8)
    large = random_taper((3, 3), 9)
    assert all(recent.get((large, ()), make).shape == (3, 3) for _ in range(2))
    assert made[-2:] == [large, large]
