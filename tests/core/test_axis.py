from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from geopatcher.core.axis import BOUNDARIES, Axis, lattice_axes, pixel_pair
from geopatcher.errors import IncompleteScanConfiguration

settings.register_profile("untimed", deadline=None)  # the machine may be busy with other things
settings.load_profile("untimed")

OVERHANGING = ("pad", "reflect", "shrink")
axes = st.tuples(st.integers(0, 60), st.integers(1, 25), st.integers(1, 25), st.sampled_from(BOUNDARIES))


def enumerate_anchors(length: int, size: int, step: int, boundary: str) -> list[int]:
    """Every start that lies on the axis, walked one by one."""
    starts = list(range(0, length, step))
    whole = [start for start in starts if start + size <= length]
    ends_at_last = bool(whole) and whole[-1] + size == length
    if boundary in ("drop", "raise") or ends_at_last or not starts:
        return whole
    if boundary in OVERHANGING:
        return whole + starts[len(whole) : len(whole) + 1]
    return [*whole, length - size] if whole else [0]


def make(length: int, size: int, step: int, boundary: str) -> Axis:
    if boundary == "raise":
        assume(length >= size and (length - size) % step == 0)
    return Axis(length, size, step, boundary)


def over_pixels(anchors: list[int], length: int, size: int) -> list[int]:
    return [sum(start <= pixel < start + size for start in anchors) for pixel in range(length)]


@given(axes)
@example((10, 2, 7, "pad"))  # the next start, 14, lies behind the last pixel
@example((1, 25, 1, "cover"))
def test_count_and_anchor_are_those_of_an_enumeration(case):
    axis = make(*case)
    assert [axis.anchor(i) for i in range(axis.count)] == enumerate_anchors(*case)


@given(axes)
@example((10, 2, 7, "pad"))
@example((9, 4, 3, "cover"))  # the last patch moves in over two others
def test_depth_and_uncovered_are_those_of_counting_patches_over_each_pixel(case):
    axis = make(*case)
    counts = over_pixels(enumerate_anchors(*case), axis.length, axis.size)
    assert axis.depth == max(counts, default=0)
    assert axis.uncovered == counts.count(0)


@given(axes, st.integers(-5, 65), st.integers(-5, 65))
def test_touching_is_exactly_the_patches_that_share_a_pixel(case, lo, hi):
    axis = make(*case)
    pixels = set(range(max(lo, 0), min(hi, axis.length)))
    expected = [
        index
        for index, start in enumerate(enumerate_anchors(*case))
        if pixels & set(range(start, start + axis.size))
    ]
    assert list(axis.touching(lo, hi)) == expected


@given(axes)
def test_cover_leaves_nothing_uncovered_unless_the_step_leaves_gaps(case):
    length, size, step, _ = case
    axis = Axis(length, size, min(step, size), "cover")
    assert axis.uncovered == 0


@given(axes)
def test_raise_refuses_exactly_what_does_not_fit(case):
    length, size, step, _ = case
    fits = any(start + size == length for start in range(0, length, step))
    if fits:
        assert Axis(length, size, step, "raise").uncovered == Axis(length, size, step, "drop").uncovered
    else:
        with pytest.raises(IncompleteScanConfiguration, match=f"{size} with step {step} do not end"):
            Axis(length, size, step, "raise")


@pytest.mark.parametrize("boundary", [name for name in BOUNDARIES if name != "raise"])
def test_no_answer_depends_on_enumerating_a_long_axis(boundary):
    axis = Axis(10**18 + 3, size=10_000, step=1, boundary=boundary)
    assert axis.count == 10**18 + 3 - 10_000 + 1
    assert axis.depth == 10_000
    assert axis.uncovered == 0
    assert axis.touching(10**17, 10**17 + 5) == range(10**17 - 9_999, 10**17 + 5)
    assert len(axis.touching(10**17, 10**18 - 10**5)) == 10**18 - 10**5 - 10**17 + 9_999
    gaps = Axis(10**18, size=3, step=10, boundary=boundary)
    assert (gaps.count, gaps.depth) == (10**17 + (boundary == "cover"), 1)
    assert gaps.uncovered == 7 * 10**17 - (3 if boundary == "cover" else 0)


@pytest.mark.parametrize(
    ("case", "wrong"),
    [
        ((-1, 1, 1), "length=-1"),
        ((5, 0, 1), "size=0"),
        ((5, 1, 0), "step=0"),
    ],
)
def test_impossible_numbers_are_named(case, wrong):
    with pytest.raises(ValueError, match=wrong):
        Axis(*case)


def test_unknown_boundary_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'wrap' is none of cover, drop, pad, reflect, shrink, raise"):
        Axis(5, 1, 1, "wrap")


@given(
    st.one_of(st.integers(1, 10**6), st.tuples(st.integers(1, 10**6), st.integers(1, 10**6))),
    st.sampled_from([None, np.int64, np.uint16, list, np.array]),
)
def test_pixel_pair_takes_one_number_or_two_of_any_integer_type(value, wrap):
    expected = value if isinstance(value, tuple) else (value, value)
    assume(wrap is not np.uint16 or max(expected) < 2**16)
    takes_pairs = wrap in (list, np.array)
    given_value = wrap(value) if wrap is not None and takes_pairs == isinstance(value, tuple) else value
    pair = pixel_pair(given_value, "size")
    assert pair == expected
    assert [type(number) for number in pair] == [int, int]


@pytest.mark.parametrize("value", [0, -3, (4, 0), 8.0, (8, 2.5), (1, 2, 3), (), "8", None, True, [[8, 8]]])
def test_pixel_pair_refuses_what_is_no_size(value):
    with pytest.raises(ValueError, match=r"^step is a whole number of pixels, at least 1, or a pair"):
        pixel_pair(value, "step")


def test_lattice_axes_take_the_last_two_dimensions():
    rows, cols = lattice_axes((np.int64(7), 3, np.int64(20), 30), (8, 9), (4, 5), "drop")
    assert (rows, cols) == (Axis(20, 8, 4, "drop"), Axis(30, 9, 5, "drop"))
    assert type(rows.length) is int
