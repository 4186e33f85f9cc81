"""A part of a raster, by pixels or on the ground: its values are those of a run over all of it."""

from __future__ import annotations

import json

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
import shapely.geometry
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import geometry_mask
from scipy.ndimage import uniform_filter

import geopatcher as gp
from geopatcher.core.box import Box

PLACE = Affine(10, 0, 5e5, 0, -10, 5e6)
IMAGE = np.random.default_rng(0).integers(1, 4000, (2, 500, 640)).astype("uint16")
#: In pixels of the image, with columns for x and rows for y.
FIELD = shapely.Polygon([(250.2, 100.7), (520, 180), (480, 400), (300, 330)])
ON_GROUND = shapely.transform(FIELD, lambda xy: xy * (10, -10) + (5e5, 5e6))


def smooth(patch):
    return uniform_filter(patch.astype("float32"), (0, 7, 7))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("area") / "scene.tif"
    known = {"driver": "GTiff", "count": 2, "height": 500, "width": 640, "dtype": "uint16", "tiled": True}
    more = {"blockxsize": 64, "blockysize": 64, "crs": "EPSG:32633", "transform": PLACE}
    with rasterio.open(place, "w", **known, **more) as dataset:
        dataset.write(IMAGE)
    return place


@pytest.fixture(scope="module")
def whole(path):
    return gp.reconstruct(path, smooth, size=64).array


def in_field(**how):
    return ~geometry_mask([ON_GROUND], (500, 640), PLACE, **how)


@settings(max_examples=40)
@given(
    st.tuples(st.integers(0, 79), st.integers(1, 80), st.integers(0, 99), st.integers(1, 100)),
    st.sampled_from(["cover", "pad", "reflect", "shrink"]),
    st.integers(0, 9),
    st.sampled_from([16, 32]),
)
def test_a_rectangle_cut_out_has_the_values_of_the_whole(corner, boundary, margin, size):
    row, height, col, width = corner
    box = Box(row, min(80, row + height), col, min(100, col + width))
    image = IMAGE[:, :80, :100]
    how = {"size": size, "boundary": boundary, "margin": margin, "chunks": 24}
    whole = gp.reconstruct(image, smooth, **how)
    part = gp.reconstruct(image, smooth, region=box, crop=True, **how)
    np.testing.assert_array_equal(part.array, whole.array[:, *box.slices()])
    assert part.domain.transform == Affine.translation(box.col0, box.row0)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_where_a_patch_lies_and_its_random_numbers_do_not_follow_from_the_cut(path, batch_size):
    def drawn(patch, where):
        many = where if isinstance(where, tuple) else (where,)
        made = [
            one.rng().random(patch.shape[-2:]) + one.transform.c + one.window.row_off + one.window.col_off
            for one in many
        ]
        return np.stack(made)[:, np.newaxis] if isinstance(where, tuple) else made[0]

    operator, box = gp.positioned(drawn), Box(100, 233, 51, 300)
    how = {"size": 64, "batch_size": batch_size}
    whole = gp.reconstruct(path, operator, **how).array
    part = gp.reconstruct(path, operator, region=box, crop=True, **how).array
    np.testing.assert_array_equal(part.reshape(133, 249), whole.reshape(500, 640)[box.slices()])


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("target", [None, "r.zarr", "r.tif"])
def test_a_polygon_has_the_values_of_the_whole_and_nothing_outside(tmp_path, path, whole, crop, target):
    place = None if target is None else tmp_path / target
    made = gp.reconstruct(path, smooth, place, size=64, region=ON_GROUND, crop=crop)
    expected = np.where(in_field(), whole, np.nan)
    if crop:
        expected = expected[:, 100:400, 250:520]
        assert made.domain.bounds == (5e5 + 2500, 5e6 - 4000, 5e5 + 5200, 5e6 - 1000)
    np.testing.assert_array_equal(made.array, expected)
    assert made.stats.skipped > 0


def test_integers_outside_a_polygon_are_missing_by_a_mask(tmp_path, path):
    made = gp.reconstruct(path, np.copy, tmp_path / "r.tif", size=64, window="boxcar", region=ON_GROUND)
    valid = in_field()
    np.testing.assert_array_equal(np.asarray(made.valid), np.broadcast_to(valid, (2, 500, 640)))
    np.testing.assert_array_equal(made.array[:][:, valid], IMAGE[:, valid])
    with rasterio.open(tmp_path / "r.tif") as dataset:
        np.testing.assert_array_equal(dataset.dataset_mask() > 0, valid)


def test_an_operator_that_sees_the_mask_sees_that_of_the_source(path):
    def count(patch):
        return np.ma.ones_like(patch, dtype="float32") * np.ma.count_masked(patch)

    made = gp.reconstruct(path, gp.masked(count), size=64, region=ON_GROUND)
    np.testing.assert_array_equal(made.array, np.where(in_field(), 0, np.nan)[np.newaxis].repeat(2, 0))


def test_a_region_is_named_in_many_ways(tmp_path, path, whole):
    in_degrees = shapely.transform(
        ON_GROUND,
        pyproj.Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True).transform,
        interleaved=False,
    )
    plain, feature = shapely.geometry.mapping(ON_GROUND), shapely.geometry.mapping(in_degrees)
    (tmp_path / "field.geojson").write_text(json.dumps({"type": "Feature", "geometry": feature}))
    expected = np.where(in_field(), whole, np.nan)
    ways = [
        {"region": plain},
        {"region": {"type": "Feature", "properties": {}, "geometry": plain}},
        {"region": in_degrees, "region_crs": "EPSG:4326"},
        {"region": tmp_path / "field.geojson"},
        {"region": str(tmp_path / "field.geojson")},
    ]
    for way in ways:
        made = gp.reconstruct(path, smooth, size=64, **way)
        differing = np.count_nonzero(np.isnan(made.array) != np.isnan(expected))
        assert differing < 20, way  # cells on the outline: degrees are rounded
        both = ~np.isnan(made.array) & ~np.isnan(expected)
        np.testing.assert_array_equal(made.array[both], expected[both])


def test_a_table_of_geometries_is_in_its_own_crs(path, whole):
    geopandas = pytest.importorskip("geopandas", reason="a region may be a GeoDataFrame")
    table = geopandas.GeoDataFrame(geometry=[ON_GROUND], crs="EPSG:32633").to_crs("EPSG:3857")
    made = gp.reconstruct(path, smooth, size=64, region=table, crop=True)
    assert made.array.shape[0] == 2
    inside = ~np.isnan(made.array[0])
    assert abs(inside.sum() - in_field().sum()) < 0.01 * in_field().sum()


def test_bounds_are_a_rectangle_of_the_pixels_they_touch(path, whole):
    made = gp.reconstruct(
        path, smooth, size=64, region=(5e5 + 995, 5e6 - 2000, 5e5 + 2000, 5e6 - 1000), crop=True
    )
    np.testing.assert_array_equal(made.array, whole[:, 100:200, 99:200])
    change = pyproj.Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    west, south, east, north = change.transform_bounds(5e5 + 1000, 5e6 - 2000, 5e5 + 2000, 5e6 - 1000)
    made = gp.reconstruct(
        path, smooth, size=64, region=(west, south, east, north), region_crs=4326, crop=True
    )
    left, bottom, right, top = made.domain.bounds
    assert left <= 5e5 + 1000
    assert right >= 5e5 + 2000
    assert (bottom <= 5e6 - 2000, top >= 5e6 - 1000) == (True, True)
    assert right - left < 1100


def test_touched_cells_are_taken_in_on_request(path):
    made = gp.reconstruct(path, np.copy, size=64, window="boxcar", region=ON_GROUND, all_touched=True)
    valid = np.asarray(made.valid)[0]
    assert (valid | ~in_field()).all()
    more = valid & ~in_field()
    edge = ON_GROUND.boundary
    rows, cols = np.nonzero(more)
    cells = shapely.box(5e5 + cols * 10, 5e6 - rows * 10 - 10, 5e5 + cols * 10 + 10, 5e6 - rows * 10)
    assert len(rows) > 100
    assert shapely.intersects(cells, edge).all()


@pytest.mark.parametrize("scale", [2, "1/4"])
@pytest.mark.parametrize("crop", [False, True])
def test_with_an_output_scale_the_area_is_that_of_the_result(scale, crop):
    def rescale(patch):
        if scale == 2:
            return patch.repeat(2, -1).repeat(2, -2).astype("float32")
        shape = (patch.shape[0], patch.shape[1] // 4, 4, patch.shape[2] // 4, 4)
        return patch.reshape(shape).mean((2, 4)).astype("float32")

    image, field = IMAGE[:, :480], shapely.box(100, 60, 300, 201)
    how = {"size": 64, "output_scale": scale}
    whole = gp.reconstruct(image, rescale, **how).array
    made = gp.reconstruct(image, rescale, region=field, crop=crop, **how)
    factor = 2 if scale == 2 else 0.25
    inside = ~geometry_mask(
        [shapely.transform(field, lambda xy: xy * factor)], whole.shape[1:], Affine.identity()
    )
    expected = np.where(inside, whole, np.nan)
    if crop:
        rows, cols = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        expected = expected[:, rows[0] :, cols[0] :][:, : made.array.shape[1], : made.array.shape[2]]
    np.testing.assert_allclose(made.array, expected, rtol=1e-6)


def test_workers_give_the_same(tmp_path, path, whole):
    made = gp.reconstruct(path, smooth, tmp_path / "r.zarr", size=64, region=ON_GROUND, crop=True, workers=2)
    np.testing.assert_array_equal(made.array, np.where(in_field(), whole, np.nan)[:, 100:400, 250:520])


@pytest.mark.parametrize("crop", [False, True])
def test_blocks_far_from_a_polygon_are_neither_read_nor_written(tmp_path, crop):
    class Field:
        """A field that says what was read of it."""

        domain = gp.RasterDomain((1, 512, 2048), dtype=np.dtype("uint8"))
        seen = np.zeros((512, 2048), bool)

        def select(self, window):
            rows, cols = window.toslices()
            self.seen[rows, cols] = True
            return np.ones((1, window.height, window.width), "uint8")

        def with_data(self, array):
            return array

        def fingerprint(self):
            return "ones"

    field = Field()
    two = shapely.union_all([shapely.box(100, 100, 140, 140), shapely.box(1900, 300, 1950, 350)])
    how = {"size": 32, "region": two, "crop": crop, "chunks": 64, "margin": 8}
    gp.reconstruct(field, np.copy, **how)
    seen = field.seen.copy()
    made = gp.reconstruct(field, np.copy, tmp_path / "r.zarr", **how)  # looks at some rows to know the field
    inside = ~geometry_mask([two], (512, 2048), Affine.identity())
    np.testing.assert_array_equal(np.asarray(made.valid).any(0).sum(), inside.sum())
    # A patch and its margin around each square, in pieces of 256 columns and units of 256 rows.
    assert seen.mean() < 0.6
    assert not seen[:, 600:1500].any()
    files = [each for each in (tmp_path / "r.zarr").rglob("*") if each.is_file()]
    assert len(files) < 40  # of 256 blocks of the raster and as many of its mask


def test_another_area_is_another_run(tmp_path, path):
    how = {"size": 64, "target": tmp_path / "r.zarr"}
    gp.reconstruct(path, smooth, region=ON_GROUND, **how)
    gp.reconstruct(path, smooth, region=ON_GROUND, **how)
    for other in ({"region": ON_GROUND.buffer(15)}, {"region": ON_GROUND, "all_touched": True}, {}):
        with pytest.raises(gp.TargetError):
            gp.reconstruct(path, smooth, **other, **how)


def test_the_plan_says_what_a_region_takes(path):
    all_of_it, part = (gp.plan(path, size=64, **how) for how in ({}, {"region": ON_GROUND, "crop": True}))
    assert part.shape == (300, 270)
    assert part.n_patches < all_of_it.n_patches / 2


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        (
            {"region": shapely.box(0, 0, 1, 1)},
            ValueError,
            "lies outside .*scene.tif.* give that, such as region_crs",
        ),
        ({"region": (0, 0, 1, 1)}, ValueError, "lie outside the raster"),
        ({"region": (1, 1, 0, 0)}, ValueError, "are empty"),
        ({"region": (1, 1, 0, 0), "region_crs": 4326}, ValueError, "are empty"),
        ({"region": shapely.Point(5e5, 5e6)}, ValueError, "has no area"),
        ({"region": Box(600, 700, 0, 10), "crop": True}, ValueError, "holds no pixel"),
        ({"region": Box(0, 10, 0, 10), "region_crs": 4326}, ValueError, "is a Box of pixels"),
        ({"region": Box(0, 10, 0, 10), "all_touched": True}, ValueError, "for a polygon"),
        ({"region": 7}, TypeError, "a region is a Box"),
        ({"region": ("a", "b", "c", "d")}, (TypeError, ValueError), "four numbers"),
        ({"region": "nowhere.geojson"}, gp.SourceError, "nowhere.geojson"),
        ({"crop": True}, ValueError, "crop says something of a region"),
        ({"region_crs": 4326}, ValueError, "region_crs says something of a region"),
        ({"region": ON_GROUND, "region_crs": "EPSG:1"}, ValueError, "none that pyproj knows"),
    ],
)
def test_what_is_no_region_of_this_raster_is_named(path, how, error, message):
    with pytest.raises(error, match=message):
        gp.reconstruct(path, np.copy, size=64, **how)


def test_a_raster_without_a_crs_takes_its_own_coordinates_only():
    made = gp.reconstruct(IMAGE, smooth, size=64, region=FIELD, crop=True)
    assert made.array.shape == (2, 300, 270)
    with pytest.raises(ValueError, match="the raster has no CRS"):
        gp.reconstruct(IMAGE, smooth, size=64, region=FIELD, region_crs=4326)


def test_bounds_over_the_antimeridian(tmp_path):
    pixels = np.arange(90 * 180, dtype="uint16").reshape(1, 90, 180)
    island = gp.RasterField.from_array(
        pixels, transform=Affine(1000, 0, 7e5, 0, -1000, 1e6), crs="EPSG:32660"
    )
    given, crossing = {"region_crs": "EPSG:4326", "crop": True}, (179, 8.5, -179, 8.9)
    made = gp.reconstruct(island, np.copy, size=32, region=crossing, **given)
    shape = shapely.box(179, 8.5, 181, 8.9)
    wanted = gp.reconstruct(island, np.copy, size=32, region=shape, **given)
    assert made.domain.bounds == wanted.domain.bounds
    assert made.array.shape == (1, 47, 161)
    degrees = Affine(2, 0, 0, 0, -2, 90)
    around = gp.RasterField.from_array(pixels, transform=degrees, crs="EPSG:4326")  # from 0 to 360
    made = gp.reconstruct(around, np.copy, size=32, region=(170, -10, -170, 10), crop=True)
    assert made.domain.bounds == (170, -10, 190, 10)
    ends = gp.RasterField.from_array(pixels, transform=Affine(2, 0, -180, 0, -2, 90), crs="EPSG:4326")
    with pytest.raises(ValueError, match="goes on at the other end of the raster"):
        gp.reconstruct(ends, np.copy, size=32, region=(170, -10, -170, 10), crop=True)
    with pytest.raises(ValueError, match="are empty: give left"):  # the wrong way round
        gp.reconstruct(ends, np.copy, size=32, region=(12, -10, 10, 10), crop=True)


@pytest.mark.parametrize(
    ("west", "bounds"),
    [(0, (-10, -19, 10, -10)), (-180, (170, -19, 190, -10)), (-180, (-191, -19, -170, -10))],
)
@pytest.mark.parametrize("made", [tuple, lambda bounds: shapely.box(*bounds)])
@pytest.mark.parametrize("crs", ["EPSG:4326", None])
def test_what_goes_on_at_the_other_end_of_the_raster_is_not_lost(west, bounds, made, crs):
    around = gp.RasterField.from_array(
        np.ones((90, 180), "uint8"), transform=Affine(2, 0, west, 0, -2, 90), crs=crs
    )
    with pytest.raises(ValueError, match=r"goes on at the other end of the raster.* give a polygon for each"):
        gp.reconstruct(around, np.copy, size=32, region=made(bounds))
    for whole in ((west - 1, -19, west + 361, -10), (west - 0.1, -19, west + 20, -10)):  # nothing is lost
        result = gp.reconstruct(around, np.copy, size=32, region=made(whole), crop=True)
        assert result.domain.bounds[0] == west
    part = around.source.domain.cut(Box(0, 90, 0, 90))  # of half of the world no other end is known
    half = gp.RasterField.from_array(np.ones((90, 90), "uint8"), transform=part.transform, crs="EPSG:4326")
    result = gp.reconstruct(half, np.copy, size=32, region=made((west - 9, 0, west + 9, 9)), crop=True)
    assert result.domain.bounds[0] == west


def test_geojson_in_memory_is_in_the_crs_that_it_names(path, whole):
    geopandas = pytest.importorskip("geopandas")
    moved = geopandas.GeoSeries([ON_GROUND], crs=32633).to_crs(3857)
    given = {"type": "FeatureCollection", "features": moved.__geo_interface__["features"]}
    given["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    made = gp.reconstruct(path, smooth, size=64, region=given)
    wanted = gp.reconstruct(path, smooth, size=64, region=moved)
    np.testing.assert_array_equal(made.array, wanted.array)
    plain = gp.reconstruct(path, smooth, size=64, region=ON_GROUND.__geo_interface__)
    assert np.isfinite(plain.array).any()


@pytest.mark.parametrize(
    ("crs", "place"),
    [
        ("EPSG:32610", Affine(5000, 0, 2e5, 0, -5000, 5.5e6)),
        ("EPSG:32660", Affine(5000, 0, 2e5, 0, -5000, 5.5e6)),
        ("EPSG:3035", Affine(20_000, 0, 3.5e6, 0, -20_000, 4e6)),
        ("EPSG:3413", Affine(20_000, 0, -1e6, 0, -20_000, 1e6)),
    ],
)
@pytest.mark.parametrize(
    "region", [(-179, -80, 179, 84), (-180, 0, 180, 90), (-180, -60, 5, 80), (-123, -60, 178, 48.5)]
)
def test_of_a_region_as_large_as_the_world_what_is_near_counts(crs, place, region):
    """Far from a raster its CRS has no place for a corner, or that of another: polygons lay elsewhere."""
    field = gp.RasterField.from_array(np.ones((1, 100, 100), "uint8"), transform=place, crs=crs)
    rows, cols = np.mgrid[:100, :100] + 0.5
    back = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    lon, lat = back.transform(place.a * cols + place.c, place.e * rows + place.f)
    west, south, east, north = region
    wanted = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    try:
        made = gp.reconstruct(field, np.copy, size=32, region=shapely.box(*region), region_crs=4326)
    except ValueError as error:
        assert "goes over the antimeridian" in str(error) or not wanted.any()  # noqa: PT017 - or it is right
        return
    inside = np.abs(np.abs(lon) - 180) > 1e-6  # those on the antimeridian are on both sides of it
    assert (made.valid[0] != wanted)[inside].sum() <= 4  # centres that lie on an edge
    if wanted.any():  # the rectangle around what is drawn of bounds, which may be bent, holds all of it
        part = gp.reconstruct(field, np.copy, size=32, region=region, region_crs=4326, crop=True)
        left, bottom, right, top = part.domain.bounds
        x, y = place.a * cols[wanted] + place.c, place.e * rows[wanted] + place.f
        assert (left < x.min(), x.max() < right, bottom < y.min(), y.max() < top) == (True,) * 4
