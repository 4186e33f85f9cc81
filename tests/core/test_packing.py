"""Several rasters in one array of records, against each of them sliced by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.leading import Dimension
from geopatcher.core.packing import Member, Packing, padded_records, turned_records

RNG = np.random.default_rng(3)
DTYPES = ("u1", "i2", "u4", "f4", "f8", "i8")


@st.composite
def members(draw, number):
    finer, coarser = (1, 1), (1, 1)
    if number:
        pair = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        finer, coarser = draw(st.sampled_from([(pair, (1, 1)), ((1, 1), pair)]))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    return Member(f"r{number}", draw(st.integers(1, 3)), dtype, finer, coarser, draw(st.booleans()))


@st.composite
def packings(draw):
    return Packing(tuple(draw(members(number)) for number in range(draw(st.integers(1, 3)))))


def filled(packing, shape):
    """Return records, and what each raster is and knows, on its own pixels."""
    records = np.zeros((1, *shape), packing.dtype)
    own = []
    for number, member in enumerate(packing.members):
        pixels = RNG.integers(0, 100, member.shape(shape)).astype(member.dtype)
        known = RNG.random(pixels.shape) < 0.7 if member.marked else None
        if member.dtype.kind == "f":
            pixels[RNG.random(pixels.shape) < 0.2] = np.nan
        own.append((pixels, known))
        rows, cols = member.coarser
        spread = [None if part is None else part.repeat(rows, 1).repeat(cols, 2) for part in (pixels, known)]
        packing.put(records, number, *spread)
    return records, own


@given(packings(), st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_a_window_is_that_of_each_raster(packing, corner):
    records, own = filled(packing, (18, 24))
    row, col = 6 * corner[0], 6 * corner[1]
    patch = records[:, row : row + 6, col : col + 12]
    arrays = packing.unpacked(patch, masked=True)
    for member, (pixels, known) in zip(packing.members, own, strict=True):
        (up, left), (high, wide) = member.finer, member.coarser
        part = (
            slice(None),
            slice(row * up // high, (row + 6) * up // high),
            slice(col * left // wide, (col + 12) * left // wide),
        )
        found = arrays[member.name]
        assert found.dtype == member.dtype
        assert np.array_equal(found.data, pixels[part], equal_nan=member.dtype.kind == "f")
        there = np.ones(pixels.shape, bool) if known is None else known
        assert np.array_equal(~np.ma.getmaskarray(found), (there & ~np.isnan(pixels))[part])


@given(packings(), st.booleans())
def test_what_is_known_of_all_or_of_any(packing, either):
    records, own = filled(packing, (6, 12))
    each = []
    for member, (pixels, known) in zip(packing.members, own, strict=True):
        there = ~np.isnan(pixels) if known is None else known & ~np.isnan(pixels)
        there = there.repeat(member.coarser[0], 1).repeat(member.coarser[1], 2)
        (up, left), bands = member.finer, member.bands
        each += list(there.reshape(bands, 6, up, 12, left).transpose(0, 2, 4, 1, 3).reshape(-1, 6, 12))
    wanted = np.any(each, axis=0) if either else np.all(each, axis=0)
    known = packing.known(records, either=either)
    assert np.array_equal(np.ones((6, 12), bool) if known is None else known[0], wanted)
    assert known is None or not known.all()


@given(packings())
def test_a_batch_is_its_patches(packing):
    patches = [filled(packing, (6, 6))[0] for _ in range(3)]
    stacked = packing.batch(patches)
    for number, patch in enumerate(patches):
        for name, array in packing.unpacked(patch).items():
            assert np.array_equal(stacked[name][number], array, equal_nan=array.dtype.kind == "f")


def test_what_an_operator_writes_stays_out_of_the_records():
    packing = Packing((Member("a", 1, np.dtype("u1")),))
    records, _ = filled(packing, (4, 4))
    before = records.copy()
    packing.unpacked(records)["a"][:] = 7
    assert np.array_equal(records, before)


def test_finer_pixels_are_mirrored_with_those_they_lie_in():
    packing = Packing((Member("a", 1, np.dtype("u1")), Member("fine", 1, np.dtype("u1"), finer=(2, 3))))
    records = np.zeros((1, 3, 4), packing.dtype)
    fine = np.arange(72, dtype="u1").reshape(1, 6, 12)
    packing.put(records, 1, fine, None)
    rows, cols = np.array([2, 1, 0, 1]), np.array([1, 0, 1, 2, 3, 2])
    mirrored = turned_records(
        records[:, rows[:, None], cols], np.array([1, 1, 0, 0], bool), np.array([1, 0, 0, 0, 0, 1], bool)
    )
    found = packing.unpacked(mirrored)["fine"][0]
    fine_rows = [5, 4, 3, 2, 0, 1, 2, 3]
    fine_cols = [5, 4, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 8, 7, 6]
    assert np.array_equal(found, fine[0][np.ix_(fine_rows, fine_cols)])


def test_padding_is_marked_as_missing():
    packing = Packing((Member("a", 2, np.dtype("u1"), marked=True), Member("b", 1, np.dtype("f4"))))
    records = np.zeros((1, 2, 2), packing.dtype)
    packing.put(records, 0, np.full((2, 2, 2), 5, "u1"), None)
    wide = padded_records(records, ((0, 0), (1, 0), (0, 2)), 9)
    arrays = packing.unpacked(wide, masked=True)
    assert arrays["a"][0].data.tolist() == [[9, 9, 9, 9], [5, 5, 9, 9], [5, 5, 9, 9]]
    assert arrays["a"].mask[0].tolist() == [[True] * 4, *[[False, False, True, True]] * 2]
    assert arrays["b"][0, 0, 0] == 9


def test_patches_that_cut_a_coarse_pixel_are_refused():
    packing = Packing((Member("s2", 1, np.dtype("u1")), Member("dem", 1, np.dtype("u1"), coarser=(3, 2))))
    packing.check((30, 40), (9, 8), (3, 2), (3, 4), "cover")
    with pytest.raises(ValueError, match="a pixel of dem is 3x2 of s2, .* size 8x8 is no multiple .* native"):
        packing.check((30, 40), (8, 8), (3, 2), (3, 4), "cover")
    with pytest.raises(ValueError, match="height and width 31x40"):
        packing.check((31, 40), (9, 8), (3, 2), (3, 4), "cover")
    packing.check((31, 40), (9, 8), (3, 2), (3, 4), "reflect")
    with pytest.raises(ValueError, match="step 1x1, margin 1x1"):
        packing.check((30, 40), (9, 8), None, (1, 1), "cover")


def test_leading_dimensions_are_given_as_they_are():
    leading = (Dimension("time", 3), Dimension("band", 2))
    packing = Packing((Member("dem", 1, np.dtype("f4")), Member("s2", 6, np.dtype("u1"), leading=leading)))
    records = np.zeros((1, 4, 5), packing.dtype)
    pixels = RNG.integers(0, 255, (3, 2, 4, 5), dtype="u1")
    packing.put(records, 1, pixels.reshape(6, 4, 5), None)
    assert np.array_equal(packing.unpacked(records)["s2"], pixels)
    assert packing.batch([records, records], masked=True)["s2"].shape == (2, 3, 2, 4, 5)
    assert packing.blank((4, 5))["s2"].shape == (3, 2, 4, 5)
    assert packing.leading == leading
    assert Packing(packing.members[:1]).leading == ()
