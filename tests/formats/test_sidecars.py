"""What lies beside a GeoTIFF of a signed address: asked for by one of its own, never lost in silence."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import rasterio

import geopatcher as gp
import geostack
from faulty import Faulty
from geopatcher.errors import SourceError
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.sidecars import is_signed_tiff
from healthy import server
from items import item

__all__ = ["server"]  # a fixture

IMAGE = np.random.default_rng(0).integers(1, 1000, (1, 128, 128)).astype("uint16")
PROFILE = {"driver": "GTiff", "count": 1, "height": 128, "width": 128, "dtype": "uint16", "crs": "EPSG:32633"}
PROFILE |= {"transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6), "tiled": True, "blockxsize": 64}
PROFILE |= {"blockysize": 64}
PAM = "<PAMDataset><PAMRasterBand band='1'>{}</PAMRasterBand></PAMDataset>"
BOX = gp.Box(0, 128, 0, 128)


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    for name in ("plain", "masked", "nodata", "counted", "broken", "page"):
        with rasterio.open(folder / f"{name}.tif", "w", **PROFILE) as dataset:
            dataset.write(IMAGE)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False),
        rasterio.open(folder / "masked.tif", "r+") as dataset,
    ):
        dataset.write_mask(IMAGE[0] > 500)
    assert (folder / "masked.tif.msk").exists()
    (folder / "nodata.tif.aux.xml").write_text(PAM.format("<NoDataValue>7</NoDataValue>"))
    (folder / "counted.tif.aux.xml").write_text(
        PAM.format("<Metadata><MDI key='STATISTICS_MEAN'>5</MDI></Metadata><Histograms/>")
    )
    (folder / "broken.tif.aux.xml").write_text("<PAMDataset>")
    (folder / "page.tif.msk").write_text("<html>Welcome</html>")
    with Faulty(folder) as server:
        yield server


def sign(url):
    return f"{url}?sig=hunter2"


def presigned(server, name):
    return RasterioSource(f"{server.url}/{name}.tif?sig=hunter2")


def signed(server, name):
    return RasterioSource(f"{server.url}/{name}.tif", sign=sign)


@pytest.mark.parametrize("opened", [presigned, signed])
class TestBeside:
    def test_a_mask_is_refused_in_words(self, server, opened):
        server.fails(need="sig=hunter2")
        with pytest.raises(
            SourceError, match=r"masked\.tif\.msk beside it says which pixels are missing"
        ) as e:
            opened(server, "masked")
        assert "hunter2" not in str(e.value)
        assert "write that into the file itself" in str(e.value)

    def test_a_nodata_value_is_refused_in_words(self, server, opened):
        with pytest.raises(SourceError, match=r"nodata\.tif\.aux\.xml beside it says NoDataValue"):
            opened(server, "nodata")

    def test_metadata_that_cannot_be_read_may_say_anything(self, server, opened):
        with pytest.raises(SourceError, match=r"broken\.tif\.aux\.xml beside it says what cannot be read"):
            opened(server, "broken")

    @pytest.mark.parametrize("name", ["plain", "counted", "page"])
    def test_what_makes_no_pixel_another_is_read(self, server, opened, name):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            source = opened(server, name)
        np.testing.assert_array_equal(source.read(BOX), IMAGE)
        assert not source.has_nodata

    def test_each_file_is_asked_for_once_and_by_its_own_address(self, server, opened):
        source = opened(server, "plain")
        for row in (0, 64):
            source.read(gp.Box(row, row + 64, 0, 128))
        beside = sorted(path for path in server.paths() if not path.startswith("/plain.tif?"))
        assert beside == [f"/plain.tif{end}?sig=hunter2" for end in (".MSK", ".aux.xml", ".msk")]

    @pytest.mark.parametrize("fault", ["503", "reset"])
    def test_a_mask_that_may_be_there_is_not_left_out(self, server, opened, fault):
        server.fails(fault, only=".msk")
        with pytest.raises(SourceError, match=r"whether .* could not be asked, .*\.msk: (HTTP 503|the conn)"):
            opened(server, "plain")
        server.fails(fault, only=".msk", count=2)
        np.testing.assert_array_equal(opened(server, "plain").read(BOX), IMAGE)

    @pytest.mark.parametrize("code", [400, 401, 403])
    def test_a_signature_for_the_raster_alone_is_told_of(self, server, opened, code):
        server.fails(code, only=".tif.")
        with pytest.warns(
            UserWarning, match=r"plain\.tif has a mask .* is not known.*give .* sign="
        ) as heard:
            source = opened(server, "plain")
        assert not any("hunter2" in str(one.message) for one in heard)
        np.testing.assert_array_equal(source.read(BOX), IMAGE)


def test_an_asset_of_an_item_is_a_signed_address_too(server):
    made = item(server.folder, "one", {"B04": {"href": f"{server.url}/masked.tif"}})
    for given, how in ((made, {"sign": sign_all}), (signed_already(made), {})):
        POOL.close()
        with pytest.raises(SourceError, match=r"item one, asset B04.*masked\.tif\.msk beside it"):
            gp.plan(geostack.from_stac(given, "B04", **how))


def sign_all(made):
    for asset in made.assets.values():
        asset.href += "?sig=hunter2"


def signed_already(made):
    return made | {"assets": {"B04": {"href": made["assets"]["B04"]["href"] + "?sig=hunter2"}}}


def test_files_of_a_mosaic_are_not_signed_by_the_address_of_the_mosaic(server):
    (server.folder / "two.vrt").write_text(
        '<VRTDataset rasterXSize="128" rasterYSize="128"><VRTRasterBand dataType="UInt16" band="1">'
        '<SimpleSource><SourceFilename relativeToVRT="1">plain.tif</SourceFilename><SourceBand>1</SourceBand>'
        '<SrcRect xOff="0" yOff="0" xSize="128" ySize="128"/><DstRect xOff="0" yOff="0" xSize="128" '
        'ySize="128"/></SimpleSource></VRTRasterBand></VRTDataset>'
    )
    server.fails(need="sig=hunter2")
    for source in (
        RasterioSource(f"{server.url}/two.vrt?sig=hunter2"),
        RasterioSource(f"{server.url}/two.vrt", sign=sign),
    ):
        with pytest.raises(SourceError, match=r"two\.vrt"):
            source.read(BOX)


def test_what_a_user_has_set_stands(server):
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        assert not presigned(server, "masked").has_nodata
    assert not [path for path in server.paths() if ".msk" in path.lower()]


def test_which_addresses_are_signed():
    assert is_signed_tiff("/vsicurl/https://host/a.TIFF?sig=1")
    assert not is_signed_tiff("s3://bucket/a.tif?sig=1")
    assert not is_signed_tiff("https://host/a?file=a.tif")


def test_an_address_of_a_bucket_may_be_signed_as_one_of_the_web(server):
    def of_the_web(path):
        return path.replace("s3://bucket", server.url) + "?sig=hunter2"

    np.testing.assert_array_equal(RasterioSource("s3://bucket/plain.tif", sign=of_the_web).read(BOX), IMAGE)
    with pytest.raises(SourceError, match=r"s3://bucket/masked\.tif\.msk beside it says"):
        RasterioSource("s3://bucket/masked.tif", sign=of_the_web)


def test_what_signs_one_file_whatever_it_is_asked_for_is_told_of(server):
    with pytest.warns(UserWarning, match="is not known"):
        RasterioSource(f"{server.url}/masked.tif", sign=lambda _: f"{server.url}/plain.tif?sig=hunter2")
