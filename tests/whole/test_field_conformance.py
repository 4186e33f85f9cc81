"""What every field does: say what it covers, give parts of itself, hold other data, pickle, and be shown."""

import pickle

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import xarray
import xvec  # noqa: F401 - registers the accessor
from rasterio.windows import Window

import geopatcher
from geopatcher import Domain, Field, GeoPandasField, XvecField, fields
from geopatcher.core.protocols import HasShape
from range_cogs import write_cog

BANDS, HEIGHT, WIDTH = 2, 70, 90
PLACE = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)


def values():
    return np.random.default_rng(0).random((BANDS, HEIGHT, WIDTH)).astype("float32")


def labelled():
    coords = {"y": 4_999_995 - 10.0 * np.arange(HEIGHT), "x": 500_005 + 10.0 * np.arange(WIDTH)}
    array = xarray.DataArray(values(), coords, ("band", "y", "x"))
    return array.assign_attrs(crs="EPSG:32633")


def on_disk(folder):
    return write_cog(folder / "a.tif", values())


def dask_array():
    import dask.array

    return dask.array.from_array(values(), chunks=(BANDS, 40, 40))


RASTERS = {
    "RasterField of a path": lambda folder: fields.RasterField(on_disk(folder)),
    "RasterField of an array": lambda folder: fields.RasterField.from_array(
        values(), transform=PLACE, crs="EPSG:32633"
    ),
    "ReprojectingRasterField": lambda folder: fields.ReprojectingRasterField(on_disk(folder), "EPSG:32633"),
    "XarrayField": lambda folder: fields.XarrayField(labelled()),
    "RioXarrayField": lambda folder: fields.RioXarrayField(labelled()),
    "DaskField": lambda folder: fields.DaskField(dask_array(), transform=PLACE, crs="EPSG:32633"),
    "ObstoreCogField": lambda folder: fields.ObstoreCogField.from_url(on_disk(folder)),
}
POINTS = shapely.points(np.random.default_rng(1).uniform(0, 9, (12, 2)))


def cube():
    array = xarray.DataArray(np.arange(12.0), {"place": POINTS}, ("place",))
    return array.xvec.set_geom_indexes("place", crs=3035)


def table():
    return geopandas.GeoDataFrame({"v": np.arange(12.0)}, geometry=POINTS, crs="EPSG:3035")


PLACES = {
    "GeoPandasField": lambda: GeoPandasField(table()),
    "GeoPandasField of points": lambda: GeoPandasField(table(), as_points=True),
    "XvecField": lambda: XvecField(cube()),
}


@pytest.fixture(params=RASTERS)
def field(request, tmp_path):
    return RASTERS[request.param](tmp_path)


@pytest.fixture(params=PLACES)
def numbered(request):
    return PLACES[request.param]()


def test_a_raster_says_what_it_covers(field):
    assert isinstance(field, Field)
    assert isinstance(field.domain, Domain)
    assert field.domain.shape == (BANDS, HEIGHT, WIDTH)
    assert field.domain.bounds == (500_000, 4_999_300, 500_900, 5_000_000)
    assert "32633" in str(rasterio.crs.CRS.from_user_input(field.domain.crs))


def test_a_window_inside_is_the_pixels(field):
    assert np.array_equal(field.select(Window(3, 50, 40, 20)), values()[:, 50:70, 3:43])


def test_a_window_over_the_edge_is_filled(field):
    expected = np.full((BANDS, 20, 30), np.nan, "float32")
    expected[:, 5:, :10] = values()[:, :15, 80:]
    assert np.array_equal(np.asarray(field.select(Window(80, -5, 30, 20))), expected, equal_nan=True)
    outside = np.asarray(field.select(Window(200, 200, 3, 4)))
    assert outside.shape == (BANDS, 4, 3)
    assert np.isnan(outside).all()


def test_other_data_on_the_same_grid(field):
    other = field.with_data(np.zeros((HEIGHT, WIDTH), "uint8"))
    assert other.domain.shape == (HEIGHT, WIDTH)
    assert other.domain.bounds == field.domain.bounds
    assert not np.asarray(other.select(Window(0, 0, 9, 9))).any()
    with pytest.raises(ValueError, match="does not lie on the grid"):
        field.with_data(np.zeros((HEIGHT, WIDTH + 1)))


def test_a_raster_pickles_and_gives_the_same(field):
    other = pickle.loads(pickle.dumps(field))  # noqa: S301
    window = Window(10, 20, 30, 40)
    assert np.array_equal(np.asarray(other.select(window)), np.asarray(field.select(window)))
    assert other.domain.bounds == field.domain.bounds


def test_a_raster_is_shown_by_name(field):
    assert "Field(" in repr(field)
    assert str(HEIGHT) in repr(field)


def test_numbered_places_say_what_they_cover(numbered):
    assert isinstance(numbered.domain, Domain)
    assert isinstance(numbered.domain, HasShape)
    assert numbered.domain.shape == (12,)
    xy = shapely.get_coordinates(POINTS)
    assert numbered.domain.bounds == (*xy.min(axis=0), *xy.max(axis=0))
    assert "3035" in str(numbered.domain.crs)


def test_numbered_places_give_parts_and_hold_other_data(numbered):
    def of(part):
        return np.asarray(part["v"] if isinstance(part, geopandas.GeoDataFrame) else part)

    assert of(numbered.select([3, 1])).tolist() == [3, 1]
    assert of(numbered.select(slice(10, 99))).tolist() == [10, 11]
    assert len(of(numbered.select(shapely.box(-1, -1, 10, 10)))) == 12
    with pytest.raises(IndexError):
        numbered.select([12])
    other = numbered.with_data(np.full(12, 5))
    assert other.domain.bounds == numbered.domain.bounds


def test_numbered_places_pickle_and_are_shown(numbered):
    other = pickle.loads(pickle.dumps(numbered))  # noqa: S301
    assert other.domain.bounds == numbered.domain.bounds
    assert repr(numbered).startswith(type(numbered).__name__ + "(")


def test_the_fields_are_exported():
    for name in fields.__all__:
        assert getattr(fields, name) is not None
    for name in (
        "GeoPandasField",
        "XvecField",
        "ObstoreCogField",
        "PointDomain",
        "GridDomain",
        "VectorDomain",
        "Domain",
    ):
        assert name in dir(geopatcher)
