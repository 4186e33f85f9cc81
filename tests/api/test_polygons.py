"""`geopatcher.polygons`: a map of classes as polygons, the same as traced whole."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

import geopatcher as gp
from geopatcher.features.rings import straightened
from geotiffs import write_geotiff

PLACE = Affine(10, 0, 500_000, 0, -10, 5_300_000)


def class_map(shape=(90, 70), n=4, seed=0):
    """Return patches of classes, and single cells among them."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, n, (-(-shape[0] // 9), -(-shape[1] // 9)))
    cells = np.kron(blocks, np.ones((9, 9), int))[: shape[0], : shape[1]]
    salt = rng.random(shape) < 0.05
    return np.where(salt, rng.integers(0, n, shape), cells).astype("uint8")


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "map.tif"
    write_geotiff(path, class_map()[None], nodata=0, crs="EPSG:32633", transform=PLACE)
    return path


def whole(cells, nodata):
    found = rasterio.features.shapes(cells, mask=cells != nodata, transform=PLACE)
    return sorted(
        (int(value), shapely.normalize(shapely.geometry.shape(shape)).wkt) for shape, value in found
    )


def shapes_of(frame):
    return sorted(
        (int(value), shapely.normalize(straightened(shape)).wkt)
        for value, shape in zip(frame["class"], frame.geometry, strict=True)
    )


@pytest.mark.parametrize("memory_limit", ["256MiB", 70 * 128 * 7, 1])
def test_they_are_those_of_the_raster_traced_whole(tmp_path, stored, memory_limit):
    path = gp.polygons(stored, tmp_path / "x.gpkg", memory_limit=memory_limit)
    found = geopandas.read_file(path)
    assert shapes_of(found) == whole(class_map(), 0)
    assert found.crs.to_epsg() == 32633
    assert found.geometry.is_valid.all()
    assert [*found.columns] == ["class", "geometry"]


def soft(patch):
    """Return probabilities of three classes."""
    values = np.stack([patch[0] % (k + 2) + 0.5 for k in range(3)]).astype("float32")
    return values / values.sum(axis=0)


@pytest.mark.parametrize("kind", ["zarr", "tif"])
def test_means_of_layers_and_names_of_classes(tmp_path, kind):
    source = gp.RasterField.from_array(
        class_map(n=9).astype("float32")[None], transform=PLACE, crs="EPSG:32633"
    )
    made = gp.reconstruct(
        source,
        soft,
        tmp_path / f"map.{kind}",
        aggregation="soft-vote:3",
        outputs=("class", "confidence"),
        size=32,
        chunks=16,
    )
    for result in (made, made.path):
        path = gp.polygons(result, tmp_path / "x.gpkg", memory_limit=70 * 160 * 16, overwrite=True)
        found = geopandas.read_file(path)
        assert [*found.columns] == ["class", "confidence", "geometry"]
        confidence, classes = made.layers["confidence"][:], made.array[:].squeeze()
        for value, mean, shape in zip(found["class"], found["confidence"], found.geometry, strict=True):
            cells = rasterio.features.rasterize([shape], classes.shape, transform=PLACE) == 1
            assert (classes[cells] == value).all()
            assert mean == pytest.approx(confidence[cells].mean(dtype=float), rel=1e-6)
        assert found.area.sum() == pytest.approx(classes.size * 100)


def test_in_memory_and_on_disk_it_is_the_same(tmp_path):
    source = gp.RasterField.from_array(class_map()[None], transform=PLACE, crs="EPSG:32633", nodata=0)
    made = gp.reconstruct(source, np.copy, aggregation="mode", size=32)
    frame = geopandas.read_file(gp.polygons(made, tmp_path / "x.fgb"))
    assert shapes_of(frame) == whole(class_map(), 0)


def test_classes_by_name_and_value_and_least_area(tmp_path):
    cells = class_map()
    path = write_geotiff(tmp_path / "map.tif", cells[None], crs="EPSG:32633", transform=PLACE)
    found = geopandas.read_file(gp.polygons(path, tmp_path / "x.gpkg", classes=iter([1, 3]), min_area=1_000))
    wanted = [
        one
        for one in whole(np.where(np.isin(cells, [1, 3]), cells, 0), 0)
        if shapely.from_wkt(one[1]).area >= 1_000
    ]
    assert shapes_of(found) == wanted
    with pytest.raises(ValueError, match=r"there is no class 'water': .*map\.tif names none: give values"):
        gp.polygons(path, tmp_path / "y.gpkg", classes=["water"])


def test_neighbours_share_their_simplified_borders(tmp_path, stored):
    write_geotiff(stored, class_map()[None], crs="EPSG:32633", transform=PLACE)
    frame = geopandas.read_file(
        gp.polygons(stored, tmp_path / "x.gpkg", simplify=25, memory_limit=70 * 128 * 9)
    )
    shapes = frame.geometry.to_numpy()
    assert shapely.coverage_is_valid(shapes)
    assert shapely.get_num_coordinates(shapes).sum() < sum(
        shapely.get_num_coordinates(shapely.from_wkt(wkt)) for _, wkt in whole(class_map(), 255)
    )
    assert shapely.union_all(shapes).area == pytest.approx(70 * 90 * 100, rel=0.02)


def test_cells_that_meet_at_corners(tmp_path):
    path = write_geotiff(
        tmp_path / "map.tif", np.eye(6, dtype="uint8")[None], nodata=0, crs="EPSG:32633", transform=PLACE
    )
    four = geopandas.read_file(gp.polygons(path, tmp_path / "4.gpkg", memory_limit=1))
    eight = geopandas.read_file(gp.polygons(path, tmp_path / "8.gpkg", memory_limit=1, connectivity=8))
    assert (len(four), len(eight)) == (6, 1)
    assert {*four.geom_type} == {"Polygon"}
    assert {*eight.geom_type} == {"MultiPolygon"}
    assert eight.area.sum() == 600


def test_what_is_no_map_of_classes_is_refused(tmp_path, stored):
    many = write_geotiff(tmp_path / "many.tif", np.zeros((3, 8, 8), "uint8"))
    with pytest.raises(gp.SourceError, match="has 3 bands; a map of classes has one"):
        gp.polygons(many, tmp_path / "x.gpkg")
    parts = write_geotiff(tmp_path / "parts.tif", np.full((1, 8, 8), 0.25, "float32"))
    with pytest.raises(gp.SourceError, match=r"parts\.tif holds 0\.25 in rows 0:8.*make them with outputs"):
        gp.polygons(parts, tmp_path / "x.gpkg")
    huge = write_geotiff(tmp_path / "huge.tif", np.full((1, 8, 8), 2**60, "int64"))
    with pytest.raises(gp.SourceError, match=r"holds 1152921504606846976 in rows 0:8.*from 2\*\*53 on"):
        gp.polygons(huge, tmp_path / "x.gpkg")
    lowest = write_geotiff(tmp_path / "lowest.tif", np.full((1, 8, 8), -(2**63), "int64"))
    with pytest.raises(gp.SourceError, match=r"holds -9223372036854775808 in rows 0:8"):
        gp.polygons(lowest, tmp_path / "x.gpkg")
    with pytest.raises(ValueError, match="no layer 'confidenc' to take means of"):
        gp.polygons(stored, tmp_path / "x.gpkg", properties=["confidenc"])
    with pytest.raises(gp.SourceError, match="there is no raster .*nothing.tif"):
        gp.polygons(tmp_path / "nothing.tif", tmp_path / "x.gpkg")
    with pytest.raises(ValueError, match="connectivity is 4 or 8, not 6"):
        gp.polygons(stored, tmp_path / "x.gpkg", connectivity=6)
    assert not (tmp_path / "x.gpkg").exists()


def test_numbers_that_floats_take_for_others_are_refused(tmp_path):
    near = write_geotiff(tmp_path / "near.tif", np.array([[[2**53, 2**53 + 1]]]))
    with pytest.raises(gp.SourceError, match=r"near\.tif holds 9007199254740992 in rows 0:1"):
        gp.polygons(near, tmp_path / "x.gpkg")
    wave = write_geotiff(tmp_path / "wave.tif", np.array([[[3 + 4j, 5]]], "complex64"))
    with pytest.raises(gp.SourceError, match=r"wave\.tif holds complex64 numbers, and polygons"):
        gp.polygons(wave, tmp_path / "x.gpkg")


def test_what_has_no_place_has_no_polygons(tmp_path):
    """One that control points tie to the ground has the identity for a transform."""
    path = tmp_path / "tied.tif"
    ends = [(0, 0, 10, 10), (0, 3, 20, 10), (2, 0, 10, 0)]
    with rasterio.open(path, "w", driver="GTiff", height=2, width=3, count=1, dtype="uint8") as dataset:
        dataset.gcps = [GroundControlPoint(*one) for one in ends], CRS.from_epsg(4326)
        dataset.write(np.ones((1, 2, 3), "uint8"))
    with pytest.raises(gp.SourceError, match=r"tied\.tif has no transform, so polygons have no place"):
        gp.polygons(path, tmp_path / "x.gpkg")


def test_the_raster_is_not_written_over(tmp_path):
    """A GeoPackage can be both: a raster, and the file of its polygons."""
    path = tmp_path / "map.gpkg"
    write_geotiff(path, class_map().astype("uint16")[None], driver="GPKG", crs="EPSG:32633", transform=PLACE)
    before = path.read_bytes()
    with pytest.raises(gp.TargetError, match=r"map\.gpkg would be written over.*choose another target"):
        gp.polygons(path, path, overwrite=True)
    with pytest.raises(gp.TargetError, match=r"map\.gpkg would be written over.*choose another target"):
        gp.reconstruct(path, np.copy, path, aggregation="mode", size=32, overwrite=True)
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_what_is_neither_a_result_nor_a_path_is_refused(tmp_path, stored):
    with pytest.raises(TypeError, match=r"not of a ndarray: give geopatcher\.reconstruct"):
        gp.polygons(class_map(), tmp_path / "x.gpkg")
    for wrong in ("water", 1):
        with pytest.raises(TypeError, match=rf"classes={wrong!r} is no list of values or names"):
            gp.polygons(stored, tmp_path / "x.gpkg", classes=wrong)
    (tmp_path / "folder.gpkg").mkdir()
    with pytest.raises(gp.TargetError, match=r"folder\.gpkg is a folder, where a file is to be"):
        gp.polygons(stored, tmp_path / "folder.gpkg", overwrite=True)


def test_classes_that_are_called_alike_are_all_drawn(tmp_path):
    source = gp.RasterField.from_array(class_map()[None], transform=PLACE, crs="EPSG:32633")
    style = gp.Style(classes={0: "land", 1: "water", 2: "wood", 3: "water"})
    made = gp.reconstruct(source, np.copy, tmp_path / "map.tif", aggregation="mode", size=32, style=style)
    found = geopandas.read_file(gp.polygons(made, tmp_path / "x.gpkg", classes=["water"]))
    assert {*zip(found["class"], found["name"], strict=True)} == {(1, "water"), (3, "water")}
    assert found.area.sum() == 100 * np.isin(class_map(), [1, 3]).sum()


def test_simplified_borders_do_not_depend_on_strips(tmp_path, stored):
    drawn = []
    for number, memory_limit in enumerate((1, 70 * 128 * 9, "256MiB")):
        out = tmp_path / f"{number}.gpkg"
        gp.polygons(stored, out, simplify=25, memory_limit=memory_limit)
        drawn.append(geopandas.read_file(out))
    for other in drawn[1:]:
        assert drawn[0]["class"].tolist() == other["class"].tolist()
        assert drawn[0].geometry.to_wkb().tolist() == other.geometry.to_wkb().tolist()


def test_an_area_as_large_as_the_least_is_drawn(tmp_path):
    """0.7 times 0.7 is a little less than 0.49 in floats."""
    path = write_geotiff(tmp_path / "x.tif", np.ones((1, 10, 10), "uint8"), transform=Affine.scale(0.7, -0.7))
    found = geopandas.read_file(gp.polygons(path, tmp_path / "x.gpkg", min_area=49))
    assert len(found) == 1


def test_rows_are_counted(tmp_path, stored):
    heard = []
    gp.polygons(stored, tmp_path / "x.gpkg", progress=heard.append, memory_limit=70 * 128 * 10)
    assert sum(heard) == 90
    assert len(heard) > 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"min_area": -1}, "min_area=-1 is no number from 0"),
        ({"min_area": np.nan}, "min_area=nan is no number from 0"),
        ({"min_area": "5"}, "min_area='5' is no number from 0"),
        ({"simplify": -2}, "simplify=-2 is no number from 0"),
        ({"classes": [1.5]}, r"classes are whole numbers below 2\*\*53, and 1.5 is none"),
        ({"classes": [1, np.nan]}, r"classes are whole numbers below 2\*\*53, and nan is none"),
        ({"classes": [-np.inf]}, r"classes are whole numbers below 2\*\*53, and -inf is none"),
        ({"classes": [10**20]}, r"classes are whole numbers below 2\*\*53, and 10{20} is none"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(tmp_path, wrong, said):
    made = gp.reconstruct(np.ones((4, 4), "uint8"), np.copy, size=4)
    with pytest.raises(ValueError, match=said):
        gp.polygons(made, tmp_path / "x.gpkg", **wrong)
