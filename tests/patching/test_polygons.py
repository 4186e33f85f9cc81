import json

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import geometry_mask

from geopatcher import GridDomain, PointDomain, RasterDomain, SpatialPolygonIntersection, VectorDomain

RASTER = RasterDomain((40, 50), Affine(10, 0, 1000, 0, -10, 2000), "EPSG:32633")


def blob(seed, n=9):
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, n))
    radius = rng.uniform(20, 250, n)
    x, y = 1000 + rng.uniform(50, 450), 2000 - rng.uniform(50, 350)
    return shapely.Polygon(np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)).buffer(
        0.37
    )


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_the_cells_are_those_whose_centres_shapely_has_inside(seed):
    polygon = blob(seed)
    window = SpatialPolygonIntersection([polygon]).neighborhood(RASTER, 0)
    found = np.zeros(RASTER.shape, bool)
    found[window.toslices()] = window.inside
    col, row = np.meshgrid(np.arange(50), np.arange(40))
    expected = [
        polygon.covers(shapely.Point(1005 + 10 * c, 1995 - 10 * r))
        for r, c in zip(row.flat, col.flat, strict=True)
    ]
    assert (found.ravel() == np.array(expected)).all()


def test_gdal_burns_the_same_cells():
    polygon = blob(5)
    window = SpatialPolygonIntersection(polygon).neighborhood(RASTER, 0)
    found = np.zeros(RASTER.shape, bool)
    found[window.toslices()] = window.inside
    burnt = geometry_mask([polygon], RASTER.shape, RASTER.transform, invert=True)
    assert np.count_nonzero(found != burnt) <= 2  # centres on the line itself


def test_holes_are_outside():
    ring = shapely.box(1000, 1900, 1100, 2000).difference(shapely.box(1030, 1930, 1070, 1970))
    window = SpatialPolygonIntersection(ring).neighborhood(RASTER, 0)
    assert window.inside.shape == (10, 10)
    assert not window.inside[3:7, 3:7].any()
    assert window.inside.sum() == 100 - 16


def test_two_fields_side_by_side_take_each_cell_once_but_for_those_on_the_line():
    left, right = shapely.box(1000, 1600, 1203, 2000), shapely.box(1203, 1600, 1500, 2000)
    geometry = SpatialPolygonIntersection([left, right])
    count = np.zeros(RASTER.shape, int)
    for number in range(2):
        window = geometry.neighborhood(RASTER, number)
        count[window.toslices()] += window.inside
    assert (count == 1).all()


def test_a_sliver_between_centres_has_a_window_and_nothing_inside():
    window = SpatialPolygonIntersection(shapely.box(1001, 1991, 1002, 1992)).neighborhood(RASTER, 0)
    assert window.inside.shape == (1, 1)
    assert not window.inside.any()


def test_what_reaches_over_the_edge_is_cut_off_there():
    window = SpatialPolygonIntersection(shapely.box(900, 1950, 1050, 2500)).neighborhood(RASTER, 0)
    assert (window.row_off, window.col_off, window.height, window.width) == (0, 0, 5, 5)


def test_rotated_rasters():
    domain = RasterDomain((30, 30), Affine(8, 5, 0, 5, -8, 0))
    polygon = shapely.Point(150, 0).buffer(60)
    window = SpatialPolygonIntersection(polygon).neighborhood(domain, 0)
    found = np.zeros(domain.shape, bool)
    found[window.toslices()] = window.inside
    assert (found == geometry_mask([polygon], domain.shape, domain.transform, invert=True)).all()


def test_polygons_of_geopandas_come_into_the_crs_of_the_domain():
    around = shapely.box(1100, 1700, 1300, 1900)
    there = geopandas.GeoSeries([around], crs="EPSG:32633").to_crs("EPSG:4326")
    same = SpatialPolygonIntersection(around).neighborhood(RASTER, 0)
    moved = SpatialPolygonIntersection(there).neighborhood(RASTER, 0)
    assert np.array_equal(moved.inside[: same.inside.shape[0], : same.inside.shape[1]], same.inside) or (
        moved.inside.sum() == same.inside.sum()
    )
    frame = SpatialPolygonIntersection(geopandas.GeoDataFrame(geometry=there))
    assert frame.neighborhood(RASTER, 0).inside.sum() == same.inside.sum()


def test_points_and_features_are_numbered():
    polygon = shapely.box(0, 0, 10, 10)
    geometry = SpatialPolygonIntersection([polygon, shapely.box(100, 100, 101, 101)])
    points = PointDomain([(5, 5), (20, 5), (10, 10), (0, 3)])
    assert geometry.neighborhood(points, 0).tolist() == [0, 2, 3]
    assert geometry.neighborhood(points, 1).tolist() == []
    features = [
        shapely.box(9, 9, 12, 12),
        shapely.box(50, 50, 60, 60),
        shapely.LineString([(-5, 5), (15, 5)]),
    ]
    for domain in (VectorDomain(features), VectorDomain(geopandas.GeoSeries(features))):
        assert geometry.neighborhood(domain, 0).tolist() == [0, 2]
    assert geometry.extent(points) == (3,)


def test_named_grids():
    domain = GridDomain({"y": np.arange(10.0), "x": np.arange(10.0)})
    found = SpatialPolygonIntersection(shapely.box(2, 3, 5.5, 4)).find(domain, 0)
    assert found.indices == {"y": slice(3, 5), "x": slice(2, 6)}
    assert found.inside.all()


def test_extent_is_that_of_the_largest():
    geometry = SpatialPolygonIntersection(
        [shapely.box(1000, 1900, 1100, 2000), shapely.box(1000, 1990, 1300, 2000)]
    )
    assert geometry.extent(RASTER) == (10, 30)


def test_the_configuration_is_plain_and_makes_the_same_again():
    geometry = SpatialPolygonIntersection(geopandas.GeoSeries([blob(1), blob(2)], crs="EPSG:32633"))
    config = json.loads(json.dumps(geometry.get_config()))
    again = SpatialPolygonIntersection.from_config(config)
    assert again == geometry
    assert again.neighborhood(RASTER, 1).inside.tolist() == geometry.neighborhood(RASTER, 1).inside.tolist()


def test_what_are_no_polygons_is_refused():
    with pytest.raises(TypeError, match="number 1 of the polygons is a Point"):
        SpatialPolygonIntersection([shapely.box(0, 0, 1, 1), shapely.Point(0, 0)])
    with pytest.raises(ValueError, match="polygon 0 is empty"):
        SpatialPolygonIntersection([shapely.Polygon()])
    with pytest.raises(ValueError, match="there are no polygons"):
        SpatialPolygonIntersection([])
    geometry = SpatialPolygonIntersection(shapely.box(0, 0, 1, 1))
    with pytest.raises(IndexError, match="there is no polygon 1"):
        geometry.neighborhood(RASTER, 1)
    with pytest.raises(TypeError, match="is the number of the polygon"):
        geometry.neighborhood(RASTER, (0, 0))
    with pytest.raises(ValueError, match="lies outside the raster of 40x50: check its CRS"):
        geometry.neighborhood(RASTER, 0)


@pytest.mark.parametrize("order", ["east first", "shuffled"])
def test_a_named_grid_may_have_its_coordinates_in_any_order(order):
    lon = np.r_[np.arange(0.0, 180), np.arange(-180.0, 0)]
    lat = np.arange(-4.0, 5)
    if order == "shuffled":
        lon, lat = (np.random.default_rng(2).permutation(values) for values in (lon, lat))
    polygon = shapely.box(-2, -1, 2, 1)
    indices = SpatialPolygonIntersection(polygon).find(GridDomain({"lat": lat, "lon": lon}), 0)
    rows, cols = indices.indices["lat"], indices.indices["lon"]
    x, y = np.meshgrid(lon[cols], lat[rows])
    found = set(zip(x[indices.inside].tolist(), y[indices.inside].tolist(), strict=True))
    assert found == {(float(x), float(y)) for x in range(-2, 3) for y in range(-1, 2)}


@pytest.mark.parametrize(
    ("polygon", "message"),
    [
        ("POLYGON((0 0", "'POLYGON.*is no geometry in WKT"),
        ("a field", "'a field' is no geometry in WKT"),
        (shapely.Polygon([(0, 0), (np.nan, 1), (1, 1)]), "polygon 0 has vertices that are nowhere"),
        (shapely.Polygon([(0, 0), (np.inf, 1), (1, 1)]), "polygon 0 has vertices that are nowhere"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_polygons_that_are_nowhere_are_refused(polygon, message):
    with pytest.raises(ValueError, match=message):
        SpatialPolygonIntersection(polygon)


GLOBES = [RasterDomain((180, 360), Affine(1, 0, left, 0, -1, 90), "EPSG:4326") for left in (-180, 0, 180)]


@pytest.mark.parametrize("globe", GLOBES, ids=["from -180", "from 0", "from 180"])
@pytest.mark.parametrize("left", [-100, 260, 620])
def test_longitudes_of_polygons_may_be_counted_otherwise(globe, left):
    polygon = SpatialPolygonIntersection(shapely.box(left, 0, left + 10, 5))
    found = polygon.find(globe, 0).indices
    first = int(-100 - globe.transform.c) % 360
    assert (found.row_off, found.height, found.col_off, found.width) == (85, 5, first, 10)
    assert found.inside.all()
    assert polygon.extent(globe) == (5, 10)


def test_a_polygon_of_another_crs_is_found_on_a_globe_from_0():
    utm = "POLYGON((400000 4000000, 600000 4000000, 600000 4300000, 400000 4300000, 400000 4000000))"
    found = SpatialPolygonIntersection(utm, crs="EPSG:32617").find(GLOBES[1], 0)  # around 81 degrees west
    rows, cols = np.nonzero(found.inside)
    lon = GLOBES[1].transform.c + found.indices.col_off + cols + 0.5
    assert sorted(set(lon.tolist())) == [278.5, 279.5]
    assert sorted(set((90 - found.indices.row_off - rows - 0.5).tolist())) == [36.5, 37.5, 38.5]


@pytest.mark.parametrize("globe", [0, 2])
@pytest.mark.parametrize(
    ("polygon", "crs"),
    [
        (shapely.box(170, 0, 190, 5), None),
        (shapely.box(-190, 0, -170, 5), "EPSG:4326"),
        (shapely.box(700_000, 4e6, 999_000, 4.2e6), "EPSG:32660"),
    ],
)
def test_a_polygon_across_the_ends_of_a_globe_is_refused_and_its_parts_are_not(polygon, crs, globe):
    with pytest.raises(ValueError, match="polygon 0 lies across the line .* into the parts of a Multi"):
        SpatialPolygonIntersection(polygon, crs).find(GLOBES[globe], 0)
    parts = shapely.MultiPolygon([shapely.box(170, 0, 180, 5), shapely.box(-180, 0, -170, 5)])
    if globe == 0:
        found = SpatialPolygonIntersection(parts).find(GLOBES[0], 0)
        assert found.inside.sum() == 100


def test_a_polygon_across_180_degrees_lies_on_a_globe_from_0():
    box = shapely.box(700_000, 4e6, 900_000, 4.3e6)  # 179.3 to 181.6 degrees, in the north
    found = SpatialPolygonIntersection(box, crs="EPSG:32660").find(GLOBES[1], 0)
    _, cols = np.nonzero(found.inside)
    assert sorted(set((found.indices.col_off + cols + 0.5).tolist())) == [179.5, 180.5, 181.5]
