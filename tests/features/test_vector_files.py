"""Vector files as other programs read them."""

from __future__ import annotations

import errno
import os
import tempfile

import geopandas
import numpy as np
import pyarrow.parquet
import pyproj
import pytest
import shapely

from geopatcher.errors import TargetError, TargetExistsError, UnsupportedTargetError
from geopatcher.features.vector_files import (
    DRIVERS,
    Features,
    driver_of,
    require_named_crs,
    require_place,
    write_features,
)

KINDS = {"class": np.dtype("int64"), "name": np.dtype(object), "confidence": np.dtype("float64")}
BOXES = shapely.box([0, 2, 4], [0, 0, 0], [1, 3, 5], [1, 1, 1])


def batches():
    yield Features(
        BOXES[:2],
        {
            "class": np.array([1, 2]),
            "name": np.array(["a", "é"], object),
            "confidence": np.array([0.5, np.nan]),
        },
    )
    yield Features(
        BOXES[2:],
        {"class": np.array([3]), "name": np.array([None], object), "confidence": np.array([1.0])},
    )


def write(path, made=None, **more):
    write_features(
        path, batches() if made is None else made, KINDS, geometry="Polygon", crs="EPSG:32633", **more
    )


def read(path):
    return geopandas.read_parquet(path) if path.suffix == ".parquet" else geopandas.read_file(path)


@pytest.mark.parametrize("ending", DRIVERS)
def test_others_read_what_was_written(tmp_path, ending):
    path = tmp_path / f"fields{ending}"
    write(path)
    found = read(path).sort_values("class")
    assert found.crs.to_epsg() == 32633
    assert found["class"].tolist() == [1, 2, 3]
    assert found["name"].tolist()[:2] == ["a", "é"]
    assert np.array_equal(found["confidence"], [0.5, np.nan, 1.0], equal_nan=True)
    assert all(one.equals(other) for one, other in zip(found.geometry, BOXES, strict=True))
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("ending", DRIVERS)
def test_without_features_it_is_empty(tmp_path, ending):
    path = tmp_path / f"none{ending}"
    write(path, iter(()))
    assert len(read(path)) == 0


def test_the_metadata_of_geoparquet_are_those_of_its_specification(tmp_path):
    write(tmp_path / "x.parquet")
    said = pyarrow.parquet.read_metadata(tmp_path / "x.parquet").metadata[b"geo"]
    assert b'"version": "1.1.0"' in said
    assert b'"encoding": "WKB"' in said
    assert b'"code": 32633' in said


@pytest.mark.parametrize("ending", DRIVERS)
def test_what_fails_as_features_are_made_is_told_as_it_is_and_leaves_nothing(tmp_path, ending):
    def failing():
        yield from batches()
        raise RuntimeError("the raster cannot be read any more")

    with pytest.raises(RuntimeError, match="cannot be read any more"):
        write(tmp_path / f"x{ending}", failing())
    assert [*tmp_path.iterdir()] == []


def test_a_file_that_is_there_stays(tmp_path):
    path = tmp_path / "x.gpkg"
    path.write_text("mine")
    with pytest.raises(TargetExistsError, match=r"x\.gpkg exists: pass overwrite=True"):
        write(path)
    assert path.read_text() == "mine"
    write(path, overwrite=True)
    assert len(read(path)) == 3


def test_what_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"x\.shp is no vector file to write: end it in \.gpkg, \.fgb"):
        driver_of("x.shp")
    with pytest.raises(UnsupportedTargetError, match=r"not on this machine, .* write to x\.gpkg, and"):
        driver_of("s3://bucket/x.gpkg")
    with pytest.raises(TargetError, match="there is no folder .*nowhere for x.gpkg"):
        write(tmp_path / "nowhere" / "x.gpkg")


def test_a_disk_that_refuses_is_told_with_the_file(tmp_path, monkeypatch):
    def full(*given, **more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(pyarrow.parquet.ParquetWriter, "write_batch", full)
        with pytest.raises(TargetError, match=r"cannot write x\.parquet: .*No space left"):
            write(tmp_path / "x.parquet")
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkdtemp", full)
        with pytest.raises(TargetError, match=r"cannot write .*x\.gpkg: .*No space left"):
            write(tmp_path / "x.gpkg")
    assert not list(tmp_path.iterdir())


NAMELESS = "+proj=laea +lat_0=45 +lon_0=10 +ellps=WGS84 +units=m"


@pytest.mark.parametrize("ending", DRIVERS)
@pytest.mark.parametrize("crs", [NAMELESS, "ESRI:54009", "OGC:CRS84", "EPSG:4326", "EPSG:32631+5773"])
def test_no_format_takes_one_crs_for_another(tmp_path, ending, crs):
    """GeoJSON names a CRS by its code; without a name it is in longitudes and latitudes."""
    path = tmp_path / f"fields{ending}"
    if ending == ".geojson" and crs == NAMELESS:
        with pytest.raises(UnsupportedTargetError, match=r"has none, so that .* end it in \.gpkg, \.fgb"):
            require_named_crs(path, crs)
        with pytest.raises(UnsupportedTargetError, match=r"fields\.geojson: GeoJSON names"):
            write_features(path, batches(), KINDS, geometry="Polygon", crs=crs)
        assert not [*tmp_path.iterdir()]
        return
    write_features(path, batches(), KINDS, geometry="Polygon", crs=crs)
    found = pyproj.CRS.from_user_input(read(path).crs)
    assert found.equals(pyproj.CRS.from_user_input(crs), ignore_axis_order=True)


def test_a_place_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "here.fgb").touch()
    assert require_place(tmp_path / "here.fgb", overwrite=True) == "FlatGeobuf"
    with pytest.raises(TargetExistsError, match=r"here\.fgb exists"):
        require_place(tmp_path / "here.fgb", overwrite=False)
    with pytest.raises(TargetError, match=r"there is no folder .*none"):
        require_place(tmp_path / "none" / "x.fgb", overwrite=False)
    (tmp_path / "folder.fgb").mkdir()
    with pytest.raises(TargetError, match="is a folder"):
        require_place(tmp_path / "folder.fgb", overwrite=True)
