"""What GDAL is let ask for beside a raster on a server."""

from __future__ import annotations

import pytest
import rasterio

from geopatcher.formats.urls import ONLY_SUCH, beside_url, besides


@pytest.mark.parametrize(
    "path",
    [
        "https://h/a/B04.TIF",
        "http://h:80/a.tiff",
        "s3://bucket/key.tif",
        "gs://b/k.tif",
        "/vsicurl/https://h/a.tif",
        "/vsiaz/c/k.tif",
    ],
)
def test_a_geotiff_may_have_a_mask_and_metadata_beside_it(path):
    assert beside_url(path)[ONLY_SUCH].endswith(",.aux.xml,.msk")


@pytest.mark.parametrize(
    "path",
    [
        "a.tif",
        "https://h/a.tif?sig=1",
        "https://h/a.vrt",
        "https://h/asset",
        "/vsicurl?url=https://h/a.tif",
        "/vsizip//vsicurl/https://h/a.zip/a.tif",
        "/vsimem/a.tif",
    ],
)
def test_of_others_gdal_asks_as_it_does(path):
    assert beside_url(path) == {}


def test_what_a_user_has_set_stands():
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        assert beside_url("https://h/a.tif") == {}


def test_a_bucket_is_asked_for_what_lies_beside_where_the_environment_lets_us_in(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_NO_SIGN_REQUEST"):
        monkeypatch.delenv(name, raising=False)
    assert besides("s3://bucket/in/a.tif") == {}
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    asked = {ending: f"s3://bucket/in/a.tif{ending}" for ending in (".aux.xml", ".msk", ".MSK")}
    assert besides("s3://bucket/in/a.tif") == besides("/vsis3/bucket/in/a.tif") == asked
    assert besides("gs://bucket/a.tif") == besides("/vsis3/bucket/a.vrt") == {}
