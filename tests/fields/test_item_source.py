"""One item as a raster, against NumPy over whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

import geostack
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import SourceError
from geopatcher.fields.item_source import ItemSource, Meaning, Missing
from geopatcher.fields.items_mosaic import mosaic_of_items
from geopatcher.fields.late_file import LateFile
from items import asset, item

RNG = np.random.default_rng(6)
B04 = RNG.integers(0, 99, (60, 40), dtype=np.uint16)
B11 = RNG.integers(0, 99, (30, 20), dtype=np.uint16)
B01 = RNG.integers(0, 99, (10, 7), dtype=np.uint16)  # its last column hangs over
SCL = RNG.integers(0, 12, (30, 20), dtype=np.uint8)
WHOLE = Box(0, 60, 0, 40)


def grown(array, times):
    """Return an array with pixels as often as they fit, cut to that of the finest."""
    return array.repeat(times, 0).repeat(times, 1)[:60, :40]


@pytest.fixture
def made(tmp_path):
    assets = {
        "B04": asset(tmp_path, "B04", B04),
        "B11": asset(tmp_path, "B11", B11, side=20.0),
        "B01": asset(tmp_path, "B01", B01, side=60.0),
        "SCL": asset(tmp_path, "SCL", SCL, side=20.0),
    }
    return item(tmp_path, "S2A", assets)


def source_of(made, bands, **options):
    source = mosaic_of_items(geostack.from_stac(made, bands, **options)).scenes[0].source
    assert isinstance(source, ItemSource)
    return source


def read(source, box=WHOLE):
    """Return pixels as float, NaN where they are missing."""
    pixels = source.read(box)
    held = source.valid(box, pixels)
    return pixels.astype(float) if held is None else np.where(held, pixels, np.nan)


def expected(*bands, hidden=()):
    stack = np.stack(bands).astype(float)
    stack[stack == 0] = np.nan
    if hidden:
        stack[:, np.isin(grown(SCL, 2), [0, *hidden])] = np.nan
    return stack


@pytest.mark.parametrize("box", [WHOLE, Box(7, 31, 3, 22), Box(59, 60, 39, 40)])
def test_bands_of_three_sizes_in_the_smallest_pixels(made, box):
    source = source_of(made, ["B01", "B04", "B11"])
    assert source.domain.shape == (3, 60, 40)
    truth = expected(grown(B01, 6), B04, grown(B11, 2))
    np.testing.assert_array_equal(read(source, box), truth[:, *box.slices()])


def test_the_mask_hides_its_classes_and_what_it_does_not_know(made):
    source = source_of(made, ["B04", "B11"], mask=geostack.Mask("SCL", (3, 8)))
    np.testing.assert_array_equal(read(source), expected(B04, grown(B11, 2), hidden=(3, 8)))


def test_bits(made):
    source = source_of(made, "B04", mask=geostack.Mask("SCL", bits=(0, 3)))
    hidden = tuple(value for value in range(12) if value & 0b1001)
    np.testing.assert_array_equal(read(source), expected(B04, hidden=hidden))


def test_a_mask_that_covers_less_hides_the_rest(made, tmp_path):
    made["assets"]["SCL"] = asset(tmp_path, "small", np.full((10, 20), 4, np.uint8), side=20.0)
    found = read(source_of(made, "B04", mask=geostack.Mask("SCL", (3,))))
    np.testing.assert_array_equal(found[:, :20], expected(B04)[:, :20])
    assert np.isnan(found[:, 20:]).all()


def test_scales_and_offsets(made):
    for key, scale, offset in (("B04", 1e-4, -0.1), ("B11", 0.5, 0)):
        made["assets"][key]["raster:bands"][0] |= {"scale": scale, "offset": offset}
    source = source_of(made, ["B04", "B11"], scale_offset=True)
    assert source.domain.dtype == np.float32
    assert source.domain.metadata.bands == ()
    truth = (
        expected(B04, grown(B11, 2)) * np.array([1e-4, 0.5])[:, None, None]
        + np.array([-0.1, 0])[:, None, None]
    )
    np.testing.assert_array_equal(source.read(WHOLE), truth.astype("float32"))
    plain = source_of(made, ["B04", "B11"])
    assert [(band.scale, band.offset) for band in plain.domain.metadata.bands] == [(1e-4, -0.1), (0.5, 0)]
    np.testing.assert_array_equal(read(plain), expected(B04, grown(B11, 2)))


def test_some_bands(made):
    source = source_of(made, ["B04", "B11", "B01"]).select_bands([2, 0])
    assert source.domain.band_names == ("B01", "B04")
    np.testing.assert_array_equal(read(source), expected(grown(B01, 6), B04))


class TestIdentity:
    def test_is_that_of_its_files_and_of_what_is_made_of_them(self, made, tmp_path):
        mask = geostack.Mask("SCL", (3,))
        known = [
            source_of(made, ["B04"]).identity(),
            source_of(made, ["B11"]).identity(),
            source_of(made, ["B04"], mask=mask).identity(),
            source_of(made, ["B04"], mask=geostack.Mask("SCL", bits=(3,))).identity(),
        ]
        made["assets"]["B04"]["raster:bands"][0]["scale"] = 2
        known.append(source_of(made, ["B04"], scale_offset=True).identity())
        assert len({str(sorted(one.items())) for one in known}) == len(known)
        assert not any("unknown" in one for one in known)

    def test_a_file_that_has_changed_makes_another_version(self, made, tmp_path):
        source = source_of(made, ["B04", "B11"])
        before = source.version(), source.identity()
        asset(tmp_path, "B11", B11 + 1, side=20.0)
        assert source.version() != before[0]
        assert source.identity() != before[1]

    def test_all_local_files_are_named(self, made, tmp_path):
        source = source_of(made, ["B04", "B11"], mask=geostack.Mask("SCL", (3,)))
        assert {path.name for path in source.files()} == {"B04.tif", "B11.tif", "SCL.tif"}


def test_meaning_is_worked_out_in_double_precision():
    values = np.arange(2**16).astype("uint16")
    found = Meaning(1e-4, -0.1).of(values, np.dtype("float32"))
    np.testing.assert_array_equal(found, (values * 1e-4 - 0.1).astype("float32"))
    assert Meaning().of(values, np.dtype("float32")) is values


def mask_of(dtype):
    """Return a file that is said to hold numbers of a dtype."""
    domain = RasterDomain((1, 2, 4), Affine(10, 0, 0, 0, -10, 0), "EPSG:32633", None, np.dtype(dtype))
    return LateFile("item S2A, asset QA", "qa.tif", None, domain)


def test_missing_by_classes_bits_and_what_is_not_held():
    values, held = np.arange(8).reshape(1, 2, 4), np.ones((1, 2, 4), bool)
    held[0, 0, 0] = False
    found = Missing(mask_of("int64"), (5,), (1,)).of(values, held)
    assert np.flatnonzero(found).tolist() == [0, 2, 3, 5, 6, 7]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int64", "uint64"])
def test_every_bit_of_every_type(dtype):
    n_bits = np.dtype(dtype).itemsize * 8
    values = np.array([0, 1, 3, (1 << (n_bits - 1)), (1 << n_bits) - 1], f"u{n_bits // 8}")
    for bit in {0, 1, n_bits - 1}:
        found = Missing(mask_of(dtype), (), (bit,)).of(values.view(dtype), None)
        assert found.tolist() == [bool(int(value) >> bit & 1) for value in values]
    with pytest.raises(
        SourceError, match=rf"asset QA holds {dtype}, whose pixels never have the bit {n_bits}"
    ):
        Missing(mask_of(dtype), (), (0, n_bits))
    limits = np.iinfo(dtype)
    ends = np.array([limits.min, limits.max - 1, limits.max], dtype)
    assert Missing(mask_of(dtype), (int(limits.max),), ()).of(ends, None).tolist() == [False, False, True]
    for beyond in (limits.min - 1, limits.max + 1):
        with pytest.raises(SourceError, match=rf"never have the class {beyond} of the mask: take"):
            Missing(mask_of(dtype), (0, beyond), ())


def test_a_mask_of_floats_is_refused():
    with pytest.raises(SourceError, match="asset QA holds float32, and a mask holds whole numbers"):
        Missing(mask_of("float32"), (1,), ())
