"""Polygons of GeoJSON and of vector files, and in another CRS."""

from __future__ import annotations

import json

import numpy as np
import pyogrio.raw
import pyproj
import pytest
import shapely
import shapely.geometry

from geopatcher.errors import SourceError
from geopatcher.formats.vectors import (
    GEOJSON_CRS,
    bounds_in_crs,
    crs_of_json,
    cut_to,
    in_crs,
    is_in_degrees,
    outline,
    outline_of_json,
    read_outline,
)

SQUARE = shapely.box(14.0, 45.0, 14.1, 45.05)
OTHER = shapely.box(14.2, 45.0, 14.3, 45.05)


def features(*shapes, **more):
    each = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(s)} for s in shapes]
    return {"type": "FeatureCollection", "features": each, **more}


def same(one, other):
    return one.symmetric_difference(other).area < 1e-12


def test_geojson_of_all_kinds_is_one_outline():
    assert same(outline_of_json(features(SQUARE, OTHER)), SQUARE.union(OTHER))
    assert same(outline_of_json(features(SQUARE)["features"][0]), SQUARE)
    assert same(outline_of_json(shapely.geometry.mapping(SQUARE)), SQUARE)
    collection = {"type": "GeometryCollection", "geometries": [shapely.geometry.mapping(SQUARE)]}
    assert same(outline_of_json(collection), SQUARE)


def test_what_crosses_itself_is_mended_and_overlap_counts_once():
    bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    assert outline([bow]).area == pytest.approx(2)
    assert outline([shapely.box(0, 0, 2, 2), shapely.box(1, 0, 3, 2)]).area == pytest.approx(6)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"type": "FeatureCollection", "features": []}, "has no area: it is made of nothing"),
        ({"type": "Point", "coordinates": [1, 2]}, "has no area: it is made of Point"),
        ({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}, "made of LineString"),
        ({"a": 1}, "no GeoJSON"),
        ({"type": "Polygon"}, "cannot be made"),
        ({"type": "Polygon", "coordinates": "x"}, "cannot be made"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, None], [1, 1]]]}, "cannot be made"),
        ({"type": "Circle", "coordinates": []}, "cannot be made"),
    ],
)
def test_what_has_no_area_is_named(said, message):
    with pytest.raises(ValueError, match=message):
        outline_of_json(said)


def test_a_geojson_file_is_in_longitudes_and_latitudes_unless_it_says_otherwise(tmp_path):
    path = tmp_path / "fields.geojson"
    path.write_text(json.dumps(features(SQUARE)))
    shape, crs = read_outline(path)
    assert same(shape, SQUARE)
    assert crs == GEOJSON_CRS
    named = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    path.write_text(json.dumps(features(SQUARE, crs=named)))
    assert pyproj.CRS.from_user_input(read_outline(path)[1]).to_epsg() == 32633


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"type": "FeatureCollection"}', "[" * 100_000])
def test_a_file_that_is_no_geojson_is_named(tmp_path, text):
    path = tmp_path / "bad.geojson"
    path.write_text(text)
    with pytest.raises(SourceError, match=r"bad\.geojson"):
        read_outline(path)


@pytest.mark.parametrize("name", ["a.gpkg", "a.fgb", "a.shp"])
def test_other_files_are_read_with_their_crs(tmp_path, name):
    path = tmp_path / name
    last = None if name != "a.fgb" else SQUARE  # which takes no row without a geometry
    wkb = shapely.to_wkb(np.array([SQUARE, OTHER, last], dtype=object))
    driver = {"gpkg": "GPKG", "fgb": "FlatGeobuf", "shp": "ESRI Shapefile"}[name[2:]]
    pyogrio.raw.write(
        path,
        wkb,
        [np.arange(3)],
        ["n"],
        geometry_type="Polygon",
        crs="EPSG:4326",
        driver=driver,
        append=False,
    )
    shape, crs = read_outline(path)
    assert same(shape, SQUARE.union(OTHER))
    assert pyproj.CRS.from_user_input(crs).to_epsg() == 4326
    (tmp_path / f"bad_{name}").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="cannot read the vector file"):
        read_outline(tmp_path / f"bad_{name}")
    with pytest.raises(SourceError, match="there is no vector file"):
        read_outline(tmp_path / f"none_{name}")


def test_a_long_edge_is_bent_in_another_crs():
    wide = shapely.box(6, 50, 24, 51)
    moved = in_crs(wide, "EPSG:4326", "EPSG:32633")
    change = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    x, y = change.transform(np.linspace(6, 24, 400), np.full(400, 50.0))
    along = shapely.points(np.column_stack([x, y]))
    assert shapely.distance(along, moved.boundary).max() < 200  # of 1200 km; a straight one is 30 km off
    assert in_crs(SQUARE, "EPSG:4326", "OGC:CRS84") is SQUARE


@pytest.mark.parametrize("bounds", [(6, 50, 24, 51), (14.0, 44.0, 14.2, 51.0), (15.0, -3.0, 15.1, 3.5)])
def test_bounds_in_another_crs_are_those_of_the_rectangle_drawn_there(bounds):
    moved = bounds_in_crs(bounds, "EPSG:4326", "EPSG:32633")
    assert moved == in_crs(shapely.box(*bounds), "EPSG:4326", "EPSG:32633").bounds
    assert bounds_in_crs(bounds, "EPSG:4326", "OGC:CRS84") == bounds


@pytest.mark.parametrize(
    ("crs", "other", "message"),
    [
        ("EPSG:4326", None, "the raster has no CRS"),
        ("EPSG:99999999", "EPSG:32633", "none that pyproj knows"),
        ("nonsense", "EPSG:32633", "none that pyproj knows.*give one that it does, such as"),
    ],
)
def test_a_crs_that_is_none_is_named(crs, other, message):
    with pytest.raises(ValueError, match=message):
        in_crs(SQUARE, crs, other)
    with pytest.raises(ValueError, match=message):
        bounds_in_crs(SQUARE.bounds, crs, other)


def test_what_cannot_be_drawn_is_named():
    with pytest.raises(ValueError, match=r"cannot be drawn|not finite"):
        in_crs(shapely.box(-1e9, -1e9, 1e9, 1e9), "EPSG:32633", "EPSG:3857")
    with pytest.raises(ValueError, match=r"the region, .* in WGS 84 / UTM zone 33N, cannot be drawn in"):
        bounds_in_crs((-1e9, -1e9, 1e9, 1e9), "EPSG:32633", "EPSG:3857")


def test_which_coordinates_are_degrees():
    known = [
        is_in_degrees(crs) for crs in ("EPSG:4326", 4269, "OGC:CRS84", "EPSG:32633", None, "no such CRS")
    ]
    assert known == [True, True, True, False, False, False]


@pytest.mark.parametrize("other", ["EPSG:4326", "EPSG:3857", "EPSG:3832"])
@pytest.mark.parametrize("placed", [bounds_in_crs, lambda bounds, *crs: in_crs(shapely.box(*bounds), *crs)])
def test_what_another_crs_tears_apart_is_refused(other, placed):
    """Its corners are drawn at both ends of the world, and between them lies all of it."""
    torn = {"EPSG:3832": ("EPSG:32626", (1e5, 5e6, 4.5e5, 5.6e6))}  # which ends 30 degrees west
    crs, bounds = torn.get(other, ("EPSG:32660", (6e5, 5.0e6, 1.0e6, 5.6e6)))
    with pytest.raises(ValueError, match=r"UTM zone .* goes over the antimeridian or around a pole"):
        placed(bounds, crs, other)
    west, south, _, north = bounds
    here = placed((west - 4e5, south, west - 3e5, north), crs, other)
    left, _, right, _ = here if isinstance(here, tuple) else here.bounds
    assert right - left < (3e5 if other != "EPSG:4326" else 3)


def test_around_a_pole():
    pole = (-3e5, -3e5, 3e5, 3e5)
    with pytest.raises(ValueError, match="goes over the antimeridian or around a pole, where WGS 84 ends"):
        bounds_in_crs(pole, "EPSG:3413", "EPSG:4326")
    with pytest.raises(ValueError, match="goes over the antimeridian or around a pole"):
        in_crs(shapely.Point(0, 0).buffer(3e5), "EPSG:3413", "EPSG:4326")
    assert bounds_in_crs((-180, 88, 180, 90), "EPSG:4326", "EPSG:3413")[0] == pytest.approx(
        -217_700, rel=1e-2
    )


@pytest.mark.parametrize("other", ["EPSG:4258", "EPSG:4269", "OGC:CRS84"])
def test_all_of_the_world_is_no_torn_outline(other):
    world = (-180, -90, 180, 90)
    assert bounds_in_crs(world, "EPSG:4326", other) == pytest.approx(world)
    assert in_crs(shapely.box(*world), "EPSG:4326", other).bounds == pytest.approx(world)
    assert bounds_in_crs((-180, -80, 180, 80), other, "EPSG:3857")[2] == pytest.approx(20_037_508.34)


def test_of_several_layers_the_one_with_polygons_is_read_and_two_are_refused(tmp_path):
    """GDAL takes the first one, whatever the others hold."""
    geopandas = pytest.importorskip("geopandas")
    path = tmp_path / "a.gpkg"
    geopandas.GeoDataFrame(geometry=[shapely.Point(1, 1)], crs=32633).to_file(path, layer="trees")
    geopandas.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 2)], crs=32633).to_file(path, layer="fields")
    shape, crs = read_outline(path)
    assert (shape.area, pyproj.CRS(crs).to_epsg()) == (2, 32633)
    geopandas.GeoDataFrame(geometry=[shapely.box(5, 0, 6, 2)], crs=32633).to_file(path, layer="lakes")
    with pytest.raises(SourceError, match=r"a.gpkg has 2 layers that may hold polygons, fields, lakes"):
        read_outline(path)


def test_a_crs_in_geojson():
    assert crs_of_json({"crs": {"type": "name", "properties": {"name": "EPSG:3857"}}}) == "EPSG:3857"
    assert crs_of_json({"crs": None}) is crs_of_json({}) is None
    with pytest.raises(ValueError, match="its crs 7 has no name"):
        crs_of_json({"crs": 7})


def test_what_is_cut_to_bounds():
    shape = shapely.box(0, 0, 9, 9)
    assert cut_to(shape, (-1, -1, 10, 10)) is shape
    assert cut_to(shape, (1, 1, 3, 20)).bounds == (1, 1, 3, 9)
    assert cut_to(shape, (9, 0, 12, 9)) is shape  # which says later that it lies outside
