"""Rasters that are no files, on a map: each cell says where it is, and pyproj where it belongs."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.fields import warped_scene
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.kept_blocks import ROOM
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.scenes import scene_on
from geopatcher.fields.warped_scene import WarpedScene
from geotiffs import write_geotiff
from warps import warped_whole

ZONE33, ZONE34, DEGREES = "EPSG:32633", "EPSG:32634", "EPSG:4326"
RANDOM = np.random.default_rng(4)
PLACE = Affine(30, 0, 500_000, 0, -30, 4_500_000)


def onto(crs, source, scale=1.0):
    """Return the grid that GDAL proposes, coarser by ``scale``."""
    proposed = gp.ReprojectingRasterField(source, crs).domain
    height, width = (int(side / scale) for side in proposed.grid_shape)
    return RasterDomain((height, width), proposed.transform @ Affine.scale(scale), proposed.crs)


def exact_places(grid):
    """Return the row and column of the raster at `PLACE` on which each pixel of a map has its centre."""
    rows, cols = np.mgrid[: grid.height, : grid.width] + 0.5
    there = Transformer.from_crs(grid.crs, ZONE33, always_xy=True)
    x, y = there.transform(*(grid.transform @ (cols, rows)))
    return np.stack([(PLACE.f - y) / 30 - 0.5, (x - PLACE.c) / 30 - 0.5])


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic", "lanczos", "average"])
@pytest.mark.parametrize(
    ("kind", "nodata"), [("float32", None), ("float64", -1), ("int16", -1), ("uint16", None)]
)
@pytest.mark.parametrize(("crs", "scale"), [(ZONE34, 1.0), (DEGREES, 1.0), (ZONE34, 2.7), (DEGREES, 0.4)])
def test_pixels_are_where_they_belong(method, kind, nodata, crs, scale):
    unit = 1 if kind.startswith("float") else 100  # of whole numbers hundredths of a pixel
    numbers = np.stack(np.mgrid[:150, :170]).astype(kind) * unit  # each cell says where it is
    array = ArraySource(numbers, RasterDomain(numbers.shape, PLACE, ZONE33, nodata, numbers.dtype))
    grid, tile = onto(crs, array, scale), (64, 80)
    scene = scene_on(array, grid, method)
    assert isinstance(scene, WarpedScene)
    whole = Box.of_shape(grid.grid_shape)
    found, there = pickle.loads(pickle.dumps(scene)).read(whole, tile)  # noqa: S301 - our own bytes
    known = ~np.isnan(found) if there is None else there
    wanted = exact_places(grid)
    inside = ((wanted > 8) & (wanted < np.array([141, 161])[:, None, None])).all(axis=0)
    outside = ((wanted < -8) | (wanted > np.array([158, 178])[:, None, None])).any(axis=0)
    assert inside.mean() > 0.5
    assert known[:, inside].all()
    assert not known[:, outside].any()
    # Half a pixel for the nearest; a mean is of whole pixels. Wide kernels of GDAL are a little askew.
    within = {"nearest": 0.51, "average": 0.51}.get(method, 0.1)
    assert np.abs(found / unit - wanted)[:, inside].max() < within
    part, _ = scene.read(Box(9, 51, 3, 48), tile)
    np.testing.assert_array_equal(part, found[:, 9:51, 3:48])
    one, _ = scene.select_bands([1]).read(whole, tile)
    np.testing.assert_array_equal(one, found[[1]])


#: ``(dtype, nodata, how pixels are missing)``
KINDS = [
    ("float32", np.nan, "each"),
    ("float64", -9999.0, "each"),
    ("uint8", 0, "each"),
    ("int16", -1, "each"),
    ("uint16", 0, "same"),
    ("uint16", None, "mask"),
    ("float32", None, "mask"),
    ("uint8", None, "none"),
]


def turned(side):
    """Return pixels of the CRS of the raster itself that lie askew in it."""
    return RasterDomain(
        (int(150 / side), int(600 / side)),
        PLACE @ Affine.translation(5.3, 20.7) @ Affine.rotation(5) @ Affine.scale(side),
        ZONE33,
    )


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join(map(str, kind)))
def holed(request, tmp_path):
    """Return a file of three bands with holes, and the same in memory."""
    dtype, nodata, kind = request.param
    cells = RANDOM.integers(1, 200, (3, 210, 640)).astype(dtype)
    holes = RANDOM.random(cells.shape) < 0.1
    holes[:, 90:120] = holes[1] = False
    if kind != "each":
        holes[:] = holes[0]
    if kind in ("each", "same"):
        cells[holes] = nodata
    path = write_geotiff(tmp_path / "a.tif", cells, crs=ZONE33, transform=PLACE, nodata=nodata)
    mask = None
    if kind == "mask":
        mask = ~holes[0]
        with rasterio.open(path, "r+") as dataset:
            dataset.write_mask(mask)
    domain = RasterDomain(cells.shape, PLACE, ZONE33, nodata, cells.dtype)
    return path, ArraySource(cells, domain, mask=mask)


def held_and_cells(scene, grid, tile):
    found, there = scene.read(Box.of_shape(grid.grid_shape), tile)
    return (~np.isnan(found) if there is None else there), found


@pytest.mark.parametrize(
    ("method", "crs"),
    [
        ("nearest", ZONE34),
        ("bilinear", ZONE33),
        ("bilinear", DEGREES),
        ("cubic", ZONE34),
        ("cubic_spline", ZONE33),
        ("lanczos", DEGREES),
        ("average", ZONE34),
    ],
)
def test_each_band_is_what_it_is_alone(holed, method, crs):
    """A band of several lacks the pixels, and has the values, that rasterio gives it alone."""
    path, array = holed
    grid = turned(1.0) if crs == ZONE33 else onto(crs, path)
    wanted, known = warped_whole(path, grid, method)
    slack = 1e-5 if array.domain.dtype.kind == "f" else 0
    for source in (RasterioSource(str(path)), array):
        scene = scene_on(source, grid, method)
        held, found = held_and_cells(scene, grid, (64, 512))
        np.testing.assert_array_equal(held, known)
        np.testing.assert_allclose(found[held].astype(float), wanted[held], rtol=slack, atol=slack)
        for band in range(3):
            held_alone, alone = held_and_cells(scene.select_bands([band]), grid, (64, 512))
            np.testing.assert_array_equal(held_alone[0], held[band])
            np.testing.assert_array_equal(alone[0][held[band]], found[band][held[band]])


@pytest.mark.parametrize(
    ("method", "side"), [("bilinear", 0.7), ("cubic", 1.0), ("cubic", 2.5), ("average", 2.5)]
)
def test_a_window_is_a_part_of_the_whole_whatever_tiles_it_is_made_of(holed, method, side):
    path, _ = holed
    grid = turned(side)
    wanted, known = warped_whole(path, grid, method, (1 / side, 1 / side))
    scene = scene_on(RasterioSource(str(path)), grid, method)
    for box, tile in (
        (Box(0, 9, 0, 30), (64, 512)),
        (Box(13, 40, 31, 200), (8, 512)),
        (Box(5, 6, 7, 8), (1, 512)),
    ):
        found, there = scene.read(box, tile)
        held = ~np.isnan(found) if there is None else there
        part = (slice(None), *box.slices())
        np.testing.assert_array_equal(held, known[part])
        # Floats of other tiles are those of other multiplications.
        within = 1e-4 if found.dtype.kind == "f" else 0
        np.testing.assert_allclose(found[held].astype(float), wanted[part][held], rtol=0, atol=within)


def bits(scene, box, tile):
    found, there = scene.read(box, tile)
    return found.tobytes(), None if there is None else there.tobytes()


@pytest.mark.parametrize(
    ("method", "room"),
    [("nearest", 8 << 20), ("bilinear", 8 << 20), ("cubic", 200_000), ("average", 8 << 20)],
)
def test_what_is_warped_from_kept_blocks_is_the_same_bit_for_bit(holed, method, room):
    path, array = holed
    part = RasterioSource(str(path), window=Box(7, 200, 13, 600))
    for source in (part, Lazily(array.array, array.domain, mask=array.mask)):
        for grid in (turned(1.0), onto(DEGREES, path, 2.3)):
            scene = scene_on(source, grid, method)
            whole = Box.of_shape(grid.grid_shape)
            wanted = [bits(scene, box, (64, 128)) for box in whole.tiles((64, 256))]
            with ROOM.granted(room):
                found = [bits(scene, box, (64, 128)) for box in whole.tiles((64, 256))]
                assert ROOM.n_bytes <= room
                assert ROOM.n_bytes > 0 or room < 8 << 20
            assert found == wanted


class Lazily(ArraySource):
    """An array of which each read takes some time, by blocks."""

    gives_views = False
    block_shape = (40, 100)


@pytest.mark.parametrize("crs", [ZONE34, DEGREES])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_no_block_is_read_twice_where_there_is_room(crs, scale):
    class Watched(Lazily):
        def read(self, box):
            seen[box.slices()] += 1
            return super().read(box)

    cells = RANDOM.random((2, 700, 900))
    array = Watched(cells, RasterDomain(cells.shape, PLACE, ZONE33, None, cells.dtype))
    seen = np.zeros(cells.shape[1:], int)
    grid = onto(crs, array, scale)
    scene = scene_on(array, grid, "bilinear")
    (below,) = scene.blocks_below((64, 128))
    with ROOM.granted(below.n_bytes(64, grid.width)):
        for strip in Box.of_shape(grid.grid_shape).tiles((64, grid.width)):
            scene.read(strip, (64, 128))
    assert seen.max() == 1
    assert seen.mean() > 0.95


def test_blocks_below_a_map_are_those_of_files_and_none_of_arrays(holed):
    path, array = holed
    grid = onto(ZONE34, path)
    (below,) = scene_on(RasterioSource(str(path)), grid, "nearest").blocks_below((64, 128))
    assert below.rows[0] == pytest.approx(1, abs=0.1)
    assert below.cols[1] == pytest.approx(1, abs=0.1)
    assert 0.01 < below.rows[1] < 0.2
    domain = array.domain
    masks = RasterioSource(str(path)).has_nodata and domain.nodata is None and domain.dtype.kind != "f"
    assert below.cell_bytes == 3 * (domain.dtype.itemsize + masks)
    whole = scene_on(array, grid, "nearest").blocks_below((64, 128))
    assert bool(whole) is not array.gives_views  # floats whose nodata value becomes NaN are worked out


def test_a_value_off_nodata_does_not_become_missing():
    """What the kernel of cubic makes of a valley is below 0, which is cut to the value of missing pixels."""
    cells = np.full((2, 60, 60), 200, "uint8")
    cells[:, 20:40, 20:40] = 1
    cells[0, 5, 5] = cells[1, 50, 50] = 0
    array = ArraySource(cells, RasterDomain(cells.shape, PLACE, ZONE33, 0, cells.dtype))
    grid = RasterDomain((50, 50), PLACE @ Affine.translation(3.4, 3.4), ZONE33)
    found, there = scene_on(array, grid, "cubic").read(Box(0, 50, 0, 50), (64, 64))
    assert np.count_nonzero(~there[0]) == np.count_nonzero(~there[1]) == 1
    assert (found[there] > 0).all()
    assert (found[there] == 1).any()


def test_bands_with_nodata_of_their_own_are_warped(tmp_path):
    write_geotiff(tmp_path / "a.tif", np.full((1, 20, 30), 7, "uint16"), crs=ZONE33, transform=PLACE)
    with rasterio.open(tmp_path / "a.tif", "r+") as dataset:
        dataset.write(np.repeat(np.arange(1, 21, dtype="uint16"), 30).reshape(20, 30), 1)
    band = (
        "<VRTRasterBand dataType='UInt16' band='{}'><NoDataValue>{}</NoDataValue><SimpleSource>"
        "<SourceFilename relativeToVRT='1'>a.tif</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand>"
    )
    (tmp_path / "two.vrt").write_text(
        f"<VRTDataset rasterXSize='30' rasterYSize='20'><SRS>{ZONE33}</SRS>"
        f"<GeoTransform>500000,30,0,4500000,0,-30</GeoTransform>"
        f"{band.format(1, 3)}{band.format(2, 14)}</VRTDataset>"
    )
    grid = RasterDomain((20, 29), PLACE @ Affine.translation(0.4, 0), ZONE33)
    found, there = scene_on(RasterioSource(str(tmp_path / "two.vrt")), grid, "bilinear").read(
        Box(0, 20, 0, 29), (64, 64)
    )
    assert np.flatnonzero(~there[0].all(axis=1)).tolist() == [2]
    assert np.flatnonzero(~there[1].all(axis=1)).tolist() == [13]
    rows = np.broadcast_to(np.arange(1, 21)[:, None], (20, 29))
    np.testing.assert_array_equal(found[there], np.stack([rows, rows])[there])


def test_a_tile_over_much_of_a_raster_is_warped_in_parts(monkeypatch):
    seen = []

    class Watched(ArraySource):
        def read(self, box):
            seen.append(box)
            return super().read(box)

    cells = RANDOM.integers(0, 99, (2, 400, 800)).astype("uint8")
    array = Watched(cells, RasterDomain(cells.shape, PLACE, ZONE33, None, cells.dtype))
    scene = scene_on(array, turned(4.0), "average")
    whole = Box.of_shape(scene.onto.grid_shape)
    wanted, held = scene.read(whole, (512, 512))
    assert len(seen) == 1
    seen.clear()
    monkeypatch.setattr(warped_scene, "MOST", 40_000)
    found, there = scene.read(whole, (512, 512))
    assert len(seen) > 4
    assert max(box.n_pixels for box in seen) <= 20_000
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(there, held)


def test_each_band_is_missing_where_its_own_mask_says():
    cells = np.full((2, 60, 60), 7, "uint8")
    mask = np.ones(cells.shape, bool)
    mask[0, :30] = mask[1, :, :30] = False
    field = gp.ReprojectingRasterField(
        gp.RasterField(
            ArraySource(cells, RasterDomain(cells.shape, PLACE, ZONE33, None, cells.dtype), mask=mask)
        ),
        None,
        60,
        "nearest",
    )
    box = Box.of_shape(field.domain.grid_shape)
    valid = field.source.valid(box, field.source.read(box))
    assert not valid[0, :15].any()
    assert valid[0, 15:].all()
    assert not valid[1, :, :15].any()
    assert valid[1, :, 15:].all()


def test_floats_are_missing_by_a_value():
    cells = np.full((1, 60, 60), 7.0, "float32")
    cells[0, :20] = -9999
    field = gp.ReprojectingRasterField(
        gp.RasterField.from_array(cells, transform=PLACE, crs=ZONE33, nodata=-9999), None, 60, "bilinear"
    )
    found = field.source.read(Box.of_shape(field.domain.grid_shape))
    assert np.isnan(found[0, :10]).all()
    assert set(np.unique(found[0, 10:])) == {7.0}


def test_no_more_is_read_than_lies_under_a_tile():
    class Watched(ArraySource):
        def read(self, box):
            seen.append(box)
            return super().read(box)

    seen = []
    cells = RANDOM.random((1, 2000, 2000))
    array = Watched(cells, RasterDomain(cells.shape, PLACE, ZONE33, None, cells.dtype))
    grid = onto(ZONE34, array)
    scene_on(array, grid, "bilinear").read(Box(600, 900, 700, 1100), (256, 256))
    assert seen
    assert all(box.n_pixels < 2 * 256 * 256 for box in seen)


def test_beyond_the_raster_nothing_is_read():
    class Unread(ArraySource):
        def read(self, box):
            raise AssertionError(box)

    for dtype, nodata in (("float32", None), ("uint8", None), ("uint8", 255)):
        cells = np.ones((2, 50, 50), dtype)
        array = Unread(cells, RasterDomain(cells.shape, PLACE, ZONE33, nodata, cells.dtype))
        # The corner of the map lies 500 pixels away.
        grid = RasterDomain((800, 800), PLACE @ Affine.translation(-500.5, -500.5), ZONE33)
        found, there = scene_on(array, grid, "nearest").read(Box(0, 100, 0, 100), (64, 64))
        assert np.isnan(found).all() if dtype == "float32" else not there.any()


def test_a_part_of_a_file_is_warped_alone(tmp_path):
    cells = np.full((1, 60, 80), 5, "uint8")
    path = str(write_geotiff(tmp_path / "a.tif", cells, crs=ZONE33, transform=PLACE))
    part = RasterioSource(path, window=Box(0, 60, 20, 40))
    grid = RasterDomain((30, 40), PLACE @ Affine.scale(2), ZONE33)
    found, there = scene_on(part, grid, "nearest").read(Box(0, 30, 10, 20), (16, 16))
    assert (there & (found == 5)).all()
    field = gp.ReprojectingRasterField(gp.RasterField(part), DEGREES, resampling="nearest")
    assert field.domain.width < gp.ReprojectingRasterField(path, DEGREES).domain.width / 2


def test_a_map_over_a_pole_and_the_date_line():
    cells = np.arange(60 * 360, dtype="float32").reshape(1, 60, 360)
    place = Affine(1, 0, -180, 0, -1, 90)
    grid = RasterDomain((90, 110), Affine(100_000, 0, -5_500_000, 0, -100_000, 4_500_000), "EPSG:3995")
    array = ArraySource(cells, RasterDomain(cells.shape, place, DEGREES, None, cells.dtype))
    found, _ = scene_on(array, grid, "nearest").read(Box.of_shape(grid.grid_shape), (64, 64))
    rows, cols = np.mgrid[:90, :110] + 0.5
    to_degrees = Transformer.from_crs("EPSG:3995", DEGREES, always_xy=True)
    lon, lat = to_degrees.transform(*(grid.transform @ (cols, rows)))
    row, col = np.floor(90 - lat).astype(int), np.floor(lon + 180).astype(int) % 360
    assert (row < 60).all()
    assert np.mean(found[0] != cells[0, row, col]) < 1e-2  # those on the edge between two


def test_readers_and_labelled_arrays_are_warped(tmp_path):
    geotensor = pytest.importorskip("georeader.geotensor")
    readers = pytest.importorskip("georeader.rasterio_reader")
    xr = pytest.importorskip("xarray")
    pytest.importorskip("rioxarray")
    cells = np.stack(np.mgrid[:64, :64]).astype("float32")
    path = write_geotiff(tmp_path / "a.tif", cells, crs=ZONE33, transform=PLACE)
    tensor, reader = geotensor.GeoTensor(cells, PLACE, ZONE33), readers.RasterioReader(str(path))
    y, x = PLACE.f - 30 * (np.arange(64) + 0.5), PLACE.c + 30 * (np.arange(64) + 0.5)
    labelled = xr.DataArray(cells, dims=("band", "y", "x"), coords={"y": y, "x": x}).rio.write_crs(ZONE33)
    for given in (tensor, reader, gp.RasterField(tensor), gp.RasterField(reader), labelled):
        field = gp.ReprojectingRasterField(reader=given, dst_crs=ZONE34)
        found, wanted = field.source.read(Box.of_shape(field.domain.grid_shape)), exact_places(field.domain)
        inside = ((wanted > 3) & (wanted < 60)).all(axis=0)
        assert inside.any()
        assert np.abs(found - wanted)[:, inside].max() < 0.125
