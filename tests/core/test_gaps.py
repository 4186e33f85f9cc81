"""A value that holds data is never declared missing, and a missing cell is never a value."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
import rasterio
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.core.gaps import Gaps, codes, gaps_of, together
from missing import HELD, IMAGE, OPERATORS, TARGETS, check, held_by_readers, place, tiff


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", list(OPERATORS))
def test_no_value_of_an_operator_is_taken_for_missing(tmp_path, target, name):
    operator = OPERATORS[name]
    source = tiff(tmp_path / "s.tif", IMAGE, nodata=0)
    result = gp.reconstruct(source, operator, place(tmp_path, target), size=32, aggregation="mode", chunks=64)
    check(result, operator(IMAGE), HELD)
    assert result.domain.nodata is None


@pytest.mark.parametrize("target", TARGETS)
def test_the_other_end_of_bytes_whose_nodata_is_there(tmp_path, target):
    image = np.random.default_rng(1).integers(0, 256, (1, 90, 70)).astype("uint8")
    source = tiff(tmp_path / "s.tif", image, nodata=0)
    result = gp.reconstruct(source, lambda x: 255 - x, place(tmp_path, target), size=32, chunks=32)
    check(result, 255 - image, image > 0)
    met = int((image == 255).sum())
    assert any(f"{met:,} cells that hold data have the nodata value 0" in note for note in result.stats.notes)


@pytest.mark.parametrize("target", TARGETS)
def test_the_sources_own_quantity_keeps_its_nodata_value(tmp_path, target):
    source = tiff(tmp_path / "s.tif", IMAGE, nodata=0)
    result = gp.reconstruct(source, lambda x: x, place(tmp_path, target), size=32, chunks=64)
    check(result, IMAGE, HELD)
    assert (result.domain.nodata, result.mask, result.stats.notes) == (0, None, [])
    if target == "x.zarr":
        assert "valid" not in zarr.open_group(result.path, mode="r")
        assert {path.name for path in tmp_path.iterdir()} == {"s.tif", "x.zarr", "x.zarr.ledger.jsonl"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_result_without_gaps_says_nothing_of_any(tmp_path, target):
    source = tiff(tmp_path / "s.tif", IMAGE)  # no nodata: 0 is a value
    result = gp.reconstruct(source, lambda x: x > 7, place(tmp_path, target), size=32, chunks=64)
    check(result, IMAGE > 7, np.True_)
    assert (result.domain.nodata, result.mask) == (None, None)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["masked", "NaN"])
def test_what_an_operator_leaves_out_of_integers_is_missing_and_not_0(tmp_path, target, kind):
    source = tiff(tmp_path / "s.tif", IMAGE)
    gone = IMAGE[0] % 5 == 0

    def operator(x):
        if kind == "masked":
            return np.ma.masked_where(x % 5 == 0, x // 2)
        return np.where(x % 5 == 0, np.nan, x // 2)

    dtype = None if kind == "masked" else "uint16"
    options = {"size": 32, "chunks": 64, "dtype": dtype}
    result = gp.reconstruct(source, operator, place(tmp_path, target), **options)
    check(result, IMAGE // 2, ~gone)
    assert (np.asarray(result.array[...])[0][gone] != 0).all()


def test_an_operator_that_masks_in_a_later_patch_only_is_heard(tmp_path):
    image = np.ones((1, 64, 64), "uint8")
    image[0, 60, 60] = 9
    for target in TARGETS:
        result = gp.reconstruct(
            image,
            lambda x: np.ma.masked_where(x == 9, x * 0) if (x == 9).any() else x * 0,
            place(tmp_path, target),
            size=16,
            chunks=32,
        )
        check(result, 0, image != 9)


@pytest.mark.parametrize("target", TARGETS)
def test_white_under_a_mask_band_stays_white(tmp_path, target):
    image = np.full((3, 70, 80), 255, "uint8")
    mask = np.full((70, 80), 255, "uint8")
    mask[:9] = 0
    source = tiff(tmp_path / "s.tif", image, mask)
    result = gp.reconstruct(source, lambda x: x, place(tmp_path, target), size=32, chunks=32)
    check(result, image, mask > 0)


@pytest.mark.parametrize("target", [None, "x.zarr"])
def test_opaque_stays_opaque(tmp_path, target):
    image = np.random.default_rng(0).integers(0, 256, (4, 70, 80)).astype("uint8")
    image[3] = np.where(image[3] > 100, 255, 0)
    source = tiff(tmp_path / "s.tif", image, photometric="RGB", alpha="YES")
    result = gp.reconstruct(source, lambda x: x, place(tmp_path, target), size=32, chunks=32)
    held = np.stack([image[3] > 0] * 3 + [np.ones((70, 80), bool)])  # alpha itself is never missing
    np.testing.assert_array_equal(result.valid[...], held)
    np.testing.assert_array_equal(np.asarray(result.array[...])[held], image[held])


def bands_apart(folder, last):
    """Return a mosaic whose bands have nodata values of their own, its cells, and where they hold data."""
    image = np.random.default_rng(0).integers(0, 4, (2, 70, 80)).astype("uint8")
    image[1, -1, -1] = last
    band = (
        '<VRTRasterBand dataType="Byte" band="{0}"><NoDataValue>{1}</NoDataValue><SimpleSource>'
        '<SourceFilename relativeToVRT="1">s.tif</SourceFilename><SourceBand>{0}</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
    )
    tiff(folder / "s.tif", image)
    head = '<VRTDataset rasterXSize="80" rasterYSize="70">'
    (folder / "s.vrt").write_text(head + band.format(1, 0) + band.format(2, 3) + "</VRTDataset>")
    return folder / "s.vrt", image, np.stack([image[0] != 0, image[1] != 3])


@pytest.mark.parametrize("target", TARGETS)
def test_bands_that_differ_in_nodata_are_missing_each_by_its_own(tmp_path, target):
    """A GeoTIFF has one mask for all bands: a value that no cell with data has says it of each."""
    source, image, held = bands_apart(tmp_path, last=1)
    result = gp.reconstruct(source, lambda x: x, place(tmp_path, target), size=32, chunks=32)
    np.testing.assert_array_equal(result.valid[...], held)
    np.testing.assert_array_equal(np.asarray(result.array[...])[held], image[held])
    if target == "x.tif":
        np.testing.assert_array_equal(held_by_readers(result.path), held)
        assert (result.domain.nodata, result.mask) == (255, None)
        assert not (tmp_path / "x.valid.tif").exists()
        again = gp.reconstruct(result.path, lambda x: x, size=32)
        np.testing.assert_array_equal(again.valid[...], held)
        opened = gp.reconstruct(source, lambda x: x, result.path, size=32, chunks=32)
        assert opened.domain.nodata == 255
        np.testing.assert_array_equal(opened.valid[...], held)


@pytest.mark.parametrize("target", TARGETS)
def test_where_cells_with_data_have_that_value_too_a_file_beside_says_it(tmp_path, target):
    source, image, held = bands_apart(tmp_path, last=255)
    result = gp.reconstruct(source, lambda x: x, place(tmp_path, target), size=32, chunks=32)
    np.testing.assert_array_equal(result.valid[...], held)
    np.testing.assert_array_equal(np.asarray(result.array[...])[held], image[held])
    assert not [note for note in result.stats.notes if "nodata value None" in note]
    if target == "x.tif":
        np.testing.assert_array_equal(held_by_readers(result.path), np.stack([held.any(axis=0)] * 2))
        with rasterio.open(tmp_path / "x.valid.tif") as dataset:
            np.testing.assert_array_equal(dataset.read() > 0, held)
        assert any("missing in some bands only" in note for note in result.stats.notes)


@pytest.mark.parametrize("target", TARGETS)
def test_a_value_the_caller_names_is_kept_where_nothing_has_it(tmp_path, target):
    source = tiff(tmp_path / "s.tif", IMAGE, nodata=0)
    options = {"size": 32, "aggregation": "mode", "chunks": 64, "nodata": 7}
    result = gp.reconstruct(source, lambda x: x > 2500, place(tmp_path, target), **options)
    check(result, IMAGE > 2500, HELD)
    assert (result.domain.nodata, result.mask) == (7, None)


@pytest.mark.parametrize("target", TARGETS)
def test_a_value_the_caller_names_that_results_have_is_told_and_gives_way(tmp_path, target):
    source = tiff(tmp_path / "s.tif", IMAGE, nodata=0)
    met = int((IMAGE[0][HELD] > 2500).sum())
    with pytest.warns(RuntimeWarning, match=f"{met:,} cells that hold data have the nodata value 1"):
        result = gp.reconstruct(
            source,
            lambda x: x > 2500,
            place(tmp_path, target),
            size=32,
            aggregation="mode",
            chunks=64,
            nodata=1,
        )
    check(result, IMAGE > 2500, HELD)
    assert result.domain.nodata is None


@pytest.mark.parametrize("target", TARGETS)
def test_floats_have_nan_whatever_the_source_has(tmp_path, target):
    image = IMAGE.astype("float32")
    image[IMAGE == 0] = -9999
    source = tiff(tmp_path / "s.tif", image, nodata=-9999)
    result = gp.reconstruct(
        source, lambda x: np.where(x > 2500, np.float32(-9999), x), place(tmp_path, target), size=32, step=32
    )
    check(result, np.where(image > 2500, np.float32(-9999), image), HELD)
    assert np.isnan(result.domain.nodata)


def test_the_sources_value_may_be_asked_for(tmp_path):
    source = tiff(tmp_path / "s.tif", IMAGE, nodata=0)
    result = gp.reconstruct(source, lambda x: x + np.int32(1), size=32, nodata="inherit")
    assert result.domain.nodata == 0
    with pytest.raises(ValueError, match="asks for the nodata value of the source, which has no single one"):
        gp.reconstruct(tiff(tmp_path / "t.tif", IMAGE), lambda x: x, size=32, nodata="inherit")
    with pytest.raises(ValueError, match="nodata=-9999.0 does not fit a result of uint8"):
        gp.reconstruct(
            tiff(tmp_path / "u.tif", IMAGE.astype("float32"), nodata=-9999),
            lambda x: x.astype("uint8"),
            size=32,
            nodata="inherit",
        )


@pytest.mark.parametrize("target", TARGETS)
def test_votes_have_a_value_above_the_last_class(tmp_path, target):
    source = tiff(tmp_path / "s.tif", IMAGE % 4, nodata=0)
    vote = gp.SpatialHardVote(4)
    result = gp.reconstruct(source, np.copy, place(tmp_path, target), size=32, aggregation=vote)
    check(result, IMAGE % 4, IMAGE % 4 != 0)
    assert (result.domain.nodata, result.mask) == (255, None)


@pytest.mark.parametrize("target", ["x.zarr", "x.tif"])
@pytest.mark.parametrize("workers", [1, 2])
def test_levels_know_what_is_missing(tmp_path, target, workers):
    image = np.random.default_rng(0).integers(0, 3, (1, 700, 600)).astype("uint8")
    image[:, 300:500, 100:400] = 0
    source = tiff(tmp_path / "s.tif", image, nodata=0)
    result = gp.reconstruct(
        source,
        _is_two,
        tmp_path / target,
        size=64,
        chunks=128,
        aggregation="mode",
        workers=workers,
        storage=gp.CogStorage(blocksize=128) if target == "x.tif" else gp.ZarrStorage(multiscales=True),
    )
    held = image[0] > 0
    check(result, image == 2, held)
    for level in (1, 2):
        held = np.pad(held, ((0, held.shape[0] % 2), (0, held.shape[1] % 2)))
        held = held[::2, ::2] | held[::2, 1::2] | held[1::2, ::2] | held[1::2, 1::2]
        if target == "x.tif":
            with rasterio.open(result.path, overview_level=level - 1) as dataset:
                np.testing.assert_array_equal(dataset.read_masks(1) > 0, held)
        else:
            group = zarr.open_group(result.path, mode="r")
            np.testing.assert_array_equal(group[f"{level}/valid"][0] > 0, held)
    thin = result.quicklook()
    assert np.isnan(thin).any()
    assert (thin[~np.isnan(thin)] == 0).any()  # class 0 is drawn


def _is_two(patch):
    return (patch == 2).astype("uint8")


def test_the_mask_of_an_array_travels_to_workers():
    image = np.ma.masked_less(np.random.default_rng(0).integers(0, 200, (1, 1200, 1300)).astype("uint8"), 50)
    one = gp.reconstruct(image, _is_two, size=256, chunks=512)
    two = gp.reconstruct(image, _is_two, size=256, chunks=512, workers=2)
    np.testing.assert_array_equal(one.valid[...], ~image.mask)
    np.testing.assert_array_equal(two.valid[...], ~image.mask)
    np.testing.assert_array_equal(one.array, two.array)


@settings(max_examples=40)
@given(
    data=st.data(),
    bands=st.integers(1, 3),
    dtype=st.sampled_from(["uint8", "int8", "uint16", "int16", "int32", "uint64"]),
    nodata=st.sampled_from([None, 0, 1, 100, "inherit"]),
)
def test_whatever_is_missing_is_and_nothing_else_anywhere(tmp_path_factory, data, bands, dtype, nodata):
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    own = data.draw(st.sampled_from([None, 0, 1, 100]))
    image = rng.choice([0, 1, 2, 100], (bands, 37, 53)).astype(dtype)
    folder = tmp_path_factory.mktemp("gaps")
    source = tiff(folder / "s.tif", image, nodata=own)
    keep = data.draw(st.booleans())
    name = data.draw(st.sampled_from(TARGETS))
    there = np.ones(image.shape, bool) if own is None else image != own
    if nodata == "inherit" and own is None:
        nodata = None

    def operator(patch):
        if keep:
            return np.ma.masked_where(patch == 2, patch[::-1])
        return np.ma.masked_where((patch == 2).any(axis=0, keepdims=True), patch.max(axis=0, keepdims=True))

    made = image[::-1] if keep else image.max(axis=0, keepdims=True)
    held = there & (image != 2) if keep else (there.all(axis=0) & ~(image == 2).any(axis=0))[np.newaxis]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = gp.reconstruct(
            source,
            operator,
            place(folder, name),
            size=16,
            step=16,
            chunks=16,
            window="boxcar",
            boundary="shrink",
            nodata=nodata,
        )
    cells = np.asarray(result.array[...])
    np.testing.assert_array_equal(result.valid[...], held)
    np.testing.assert_array_equal(cells[held], made[held])
    if result.domain.nodata is not None:
        assert (cells[held] != result.domain.nodata).all()
    shutil.rmtree(folder)


def test_codes_count_as_they_say():
    cells = np.array([[[5, 0, 7]], [[0, 0, 7]]], "uint8")
    known = np.array([[[True, False, True]], [[True, False, False]]])
    said = codes(cells, known, 0)
    assert said.tolist() == [[[1, 0, 1]], [[2, 0, 0]]]
    assert gaps_of(said) == Gaps(missing=3, met=1, uneven=1)
    assert together(gaps_of(said), Gaps(1, 1, 1)) == Gaps(4, 2, 2)
    assert codes(cells, None, float("nan")).tolist() == np.ones(cells.shape).tolist()
