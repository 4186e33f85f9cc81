import geopandas
import numpy as np
import pytest
import shapely

from geopatcher import GeoPandasField, PointDomain, VectorDomain, _optional


def parcels():
    shapes = [shapely.box(0, 0, 2, 2), shapely.box(5, 5, 6, 9), shapely.box(1, 1, 3, 3)]
    return geopandas.GeoDataFrame({"crop": ["a", "b", "c"]}, geometry=shapes, crs="EPSG:3035")


def test_rows_are_selected():
    field = GeoPandasField(parcels())
    assert isinstance(field.domain, VectorDomain)
    assert field.domain.crs == "EPSG:3035"
    assert field.select([2, 0])["crop"].tolist() == ["c", "a"]
    assert field.select(shapely.Point(1.5, 1.5))["crop"].tolist() == ["a", "c"]
    assert isinstance(field.select(slice(None)), geopandas.GeoDataFrame)


def test_features_as_points_are_their_centroids():
    field = GeoPandasField(parcels(), as_points=True)
    assert isinstance(field.domain, PointDomain)
    assert field.domain.coords.tolist() == [[1, 1], [5.5, 7], [2, 2]]
    assert field.domain.crs == "EPSG:3035"
    assert "3 points" in repr(field)


def test_a_series_is_a_table_of_one_column():
    assert GeoPandasField(parcels().geometry).select([1]).geometry.iloc[0] == parcels().geometry.iloc[1]


def test_other_values():
    field = GeoPandasField(parcels(), as_points=True)
    assert field.with_data(np.array([1, 2, 3])).gdf["value"].tolist() == [1, 2, 3]
    two = field.with_data(np.arange(6).reshape(2, 3))
    assert two.gdf["b2"].tolist() == [3, 4, 5]
    assert two.gdf.crs == parcels().crs
    assert two.as_points
    assert field.with_data(parcels()[["geometry"]]).gdf.columns.tolist() == ["geometry"]
    for wrong in (np.zeros(4), np.zeros((2, 2, 3)), parcels().iloc[:2]):
        with pytest.raises(ValueError, match="each of the 3 features"):
            field.with_data(wrong)


def test_what_is_no_table_is_refused():
    with pytest.raises(TypeError, match="made of a GeoDataFrame, not list"):
        GeoPandasField([1])


def test_a_library_that_is_missing_is_named(monkeypatch):
    def missing(module):
        raise ImportError(module)

    monkeypatch.setattr(_optional, "import_quickly", missing)
    with pytest.raises(ImportError, match=r"pip install 'geopatcher\[features\]'"):
        GeoPandasField(parcels())
