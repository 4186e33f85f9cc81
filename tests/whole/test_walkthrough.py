"""From a field in memory to a GeoTIFF on disk and back: the whole way, as a person would go it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import rasterio
import zarr
from rasterio.transform import from_origin

import geopatcher as gp
from geopatcher import (
    Patch,
    RasterField,
    SpatialBoxcar,
    SpatialHann,
    SpatialMedian,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
)
from geotoolz import Lambda, Sequential
from geotoolz.patch_ops import ApplyToChips, GridSampler, SplitApplyStitch, Stitch

GeoTensor = pytest.importorskip("georeader.geotensor").GeoTensor
RasterioReader = pytest.importorskip("georeader.rasterio_reader").RasterioReader
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # georeader multiplies affines by points
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]
SIZE = 192


class Grid:
    """The least a domain can be."""

    def __init__(self, *shape):
        self.shape = shape


def field_of(values):
    return RasterField(GeoTensor(values, transform=rasterio.Affine.identity(), crs="EPSG:3035"))


def patcher_of(size, step, window=None):
    return SpatialPatcher(
        geometry=SpatialRectangular(size=(size, size)),
        sampler=SpatialRegularStride(step=step),
        window=window or SpatialBoxcar(),
        aggregation=SpatialOverlapAdd(),
    )


@pytest.fixture
def waves():
    rows, cols = np.mgrid[:SIZE, :SIZE] / SIZE
    return (np.cos(9 * rows) * np.sin(5 * cols) + rows).astype(np.float32)


@pytest.fixture
def path(tmp_path, waves):
    place = tmp_path / "waves.tif"
    profile = {"driver": "GTiff", "height": SIZE, "width": SIZE, "count": 1, "dtype": "float32"}
    tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    transform = from_origin(4e6, 3e6, 25, 25)
    with rasterio.open(place, "w", crs="EPSG:3035", transform=transform, **profile, **tiles) as dataset:
        dataset.write(waves, 1)
    return place


def cube(chip):
    """Read a lazy chip of one band, and return it to the third power, two-dimensional."""
    pixels = chip.values[0].astype(np.float64)
    return pixels**3


# A field in memory


def test_ones_cut_into_patches_add_up_to_ones():
    ones = np.ones((48, 48), dtype=np.float32)
    field = field_of(ones)
    patches = list(patcher_of(12, 12).split(field))
    assert len(patches) == 16
    assert patches[0].data.shape == (12, 12)
    stitched = SpatialOverlapAdd().merge(patches, field.reader)
    assert stitched.shape == (48, 48)
    assert stitched.sum() == 48 * 48


def test_on_disk_the_result_is_a_zarr_array_in_the_folder_named(tmp_path):
    values = np.random.default_rng(0).random((48, 48)).astype(np.float32)
    field = field_of(values)
    patches = list(patcher_of(12, 12).split(field))
    in_memory = SpatialOverlapAdd().merge(patches, field.reader)
    on_disk = SpatialOverlapAdd(streaming=True, target_path=tmp_path, chunks=(12, 12)).merge(
        patches, field.reader
    )
    assert isinstance(on_disk, zarr.Array)
    assert (on_disk.shape, on_disk.dtype, on_disk.chunks) == ((48, 48), np.float32, (12, 12))
    np.testing.assert_array_equal(on_disk[:], values)
    np.testing.assert_allclose(on_disk[:], in_memory)
    again = zarr.open_group(tmp_path, mode="r")["data"]
    np.testing.assert_array_equal(again[:], values)


def test_with_float64_on_disk_the_two_are_the_same_bits(tmp_path):
    values = np.random.default_rng(0).random((48, 48))
    patches = list(patcher_of(12, 5, SpatialHann()).split(field_of(values)))
    in_memory = SpatialOverlapAdd().merge(patches, values)
    on_disk = SpatialOverlapAdd(streaming=True, target_path=tmp_path, dtype="float64").merge(patches, values)
    assert in_memory.dtype == on_disk.dtype == np.float64
    np.testing.assert_array_equal(on_disk[:], in_memory)


# A patcher within a patcher


def halve(patch):
    return Patch(np.asarray(patch.data) / 2, patch.anchor, patch.indices, patch.weights)


def test_super_tiles_one_by_one_by_hand(waves):
    outer, inner = patcher_of(64, 64), patcher_of(16, 16)
    result = np.zeros_like(waves)
    anchors = []
    for super_tile in outer.split(field_of(waves)):
        tile = field_of(np.asarray(super_tile.data))
        done = SpatialOverlapAdd().merge([halve(patch) for patch in inner.split(tile)], tile.reader)
        (row, col), (height, width) = super_tile.anchor, done.shape
        result[row : row + height, col : col + width] = done
        anchors.append(super_tile.anchor)
    assert anchors == [(row, col) for row in (0, 64, 128) for col in (0, 64, 128)]
    np.testing.assert_array_equal(result, waves / 2)


def test_super_tiles_one_by_one_into_a_store(tmp_path, waves):
    """The recipe for a field that fits no memory: only a super-tile is ever held."""
    outer, inner = patcher_of(64, 64), patcher_of(16, 8, SpatialHann())
    to_disk = SpatialOverlapAdd(streaming=True, target_path=tmp_path / "half.zarr", chunks=(64, 64))
    pipeline = Sequential(
        [
            GridSampler(outer),
            ApplyToChips(SplitApplyStitch(inner, Lambda(lambda chip: np.asarray(chip) / 2))),
            Stitch(to_disk, domain=Grid(SIZE, SIZE)),
        ]
    )
    stored = pipeline(field_of(waves))
    assert isinstance(stored, zarr.Array)
    assert stored.chunks == (64, 64)
    np.testing.assert_allclose(stored[:], waves / 2, rtol=1e-6)
    chunks = [path for path in (tmp_path / "half.zarr" / "data" / "c").rglob("*") if path.is_file()]
    assert len(chunks) == 9


def test_super_tiles_that_overlap_leave_no_seam(tmp_path, waves):
    outer, inner = patcher_of(80, 56, SpatialHann()), patcher_of(16, 8, SpatialHann())
    per_tile = SplitApplyStitch(inner, Lambda(lambda chip: np.asarray(chip) - chip.mean() + 1))
    target = tmp_path / "x.zarr"
    result = gp.reconstruct(waves, per_tile, target, patcher=outer, chunks=64)
    assert np.isfinite(result.array[:]).all()
    rows = np.abs(np.diff(result.array[:], axis=0))
    edges = [56 - 1, 80 - 1, 112 - 1]
    assert rows[edges].mean() < 2 * rows.mean()


# What cannot stream says so


def test_a_median_in_memory_warns_and_names_what_streams():
    patches = list(patcher_of(12, 6).split(np.ones((24, 24))))
    with pytest.warns(
        RuntimeWarning, match="SpatialMedian has streaming_safe = False .*Median->ApproxQuantile"
    ):
        result = SpatialMedian().merge(patches, Grid(24, 24))
    assert (result == 1).all()
    assert SpatialOverlapAdd.streaming_safe
    assert not SpatialMedian.streaming_safe
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SpatialOverlapAdd().merge(patches, Grid(24, 24))
    gp.set_strict(True)
    try:
        with pytest.raises(gp.UnsafeStreamingError, match="streaming_safe"):
            SpatialMedian().merge(patches, Grid(24, 24))
    finally:
        gp.set_strict(None)


# A raster on disk


def test_a_reader_stays_lazy_until_its_values_are_asked_for(path, waves, monkeypatch):
    reader = RasterioReader(str(path))
    assert (reader.shape, reader.dtype) == ((1, SIZE, SIZE), "float32")
    field = RasterField(reader)
    opened = []
    real = rasterio.open
    monkeypatch.setattr(
        rasterio, "open", lambda *args, **options: (opened.append(args), real(*args, **options))[1]
    )
    first = next(iter(patcher_of(64, 64).split(field)))
    assert first.anchor == (0, 0)
    assert str(first.indices) == "Window(col_off=0, row_off=0, width=64, height=64)"
    assert type(first.data) is RasterioReader
    assert first.data.shape == (1, 64, 64)
    headers = len(opened)  # the reader looks at the file's header
    np.testing.assert_array_equal(first.data.values, waves[np.newaxis, :64, :64])
    assert len(opened) > headers


@pytest.mark.parametrize(("step", "window"), [(64, SpatialBoxcar()), (32, SpatialHann())])
def test_the_same_pipeline_in_memory_and_on_disk(path, waves, tmp_path, step, window):
    field = RasterField(RasterioReader(str(path)))
    patcher = patcher_of(64, step, window)
    model = Lambda(cube, name="cube")
    truth = waves.astype(np.float64) ** 3
    domain = Grid(SIZE, SIZE)

    def pipeline(aggregation):
        return Sequential([GridSampler(patcher), ApplyToChips(model), Stitch(aggregation, domain=domain)])

    in_memory = pipeline(SpatialOverlapAdd())(field)
    assert (in_memory.shape, in_memory.dtype) == ((SIZE, SIZE), np.float64)
    np.testing.assert_allclose(in_memory, truth, rtol=1e-12)  # at the borders too

    streaming = SpatialOverlapAdd(streaming=True, target_path=tmp_path / "stream", chunks=(64, 64))
    (tmp_path / "stream").mkdir()
    patches = [raw.with_data(model(raw.data)) for raw in patcher.split(field)]
    assert len(patches) == (9 if step == 64 else 25)
    assert (patches[0].data.shape, patches[0].data.dtype) == ((64, 64), np.float64)
    on_disk = streaming.merge(patches, domain)
    assert (on_disk.shape, on_disk.dtype) == ((SIZE, SIZE), np.float32)
    np.testing.assert_allclose(np.asarray(on_disk[:]), truth, atol=1e-6)
    lazily = SpatialOverlapAdd(streaming=True, target_path=tmp_path / "lazy", chunks=(64, 64))
    np.testing.assert_array_equal(pipeline(lazily)(field)[:], on_disk[:])


def test_the_short_way_gives_the_same(path, waves, tmp_path):
    result = gp.reconstruct(path, lambda pixels: pixels[0] ** 3, tmp_path / "cubes.tif", size=64)
    np.testing.assert_allclose(np.asarray(result.array[...]), waves**3, rtol=1e-5, atol=1e-6)
    with rasterio.open(tmp_path / "cubes.tif") as written, rasterio.open(path) as source:
        assert written.transform == source.transform
        assert written.crs == source.crs
        assert written.shape == (SIZE, SIZE)
