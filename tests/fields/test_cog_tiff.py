import asyncio

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.cog_access import CogAccess
from geopatcher.fields.cog_tiff import load_tiff
from range_cogs import noise, write_cog


def opened(path):
    return asyncio.run(load_tiff(CogAccess.of(str(path), None, None, None, 60.0)))


def test_a_file_and_its_images(tmp_path):
    tiff = opened(write_cog(tmp_path / "a.tif", noise(), nodata=3, overviews=(2,)))
    assert (tiff.count, tiff.dtype, tiff.nodata) == (2, np.uint8, 3)
    assert isinstance(tiff.nodata, int)
    assert [tiff.image(n).shape for n in (0, 1)] == [(150, 200), (75, 100)]
    assert tiff.image(0).tile == (64, 64)
    assert not tiff.image(0).masked


def test_a_nodata_value_that_may_have_been_rounded_is_refused(tmp_path):
    path = write_cog(tmp_path / "a.tif", noise().astype("int64"), nodata=-(2**60))
    with pytest.raises(
        SourceError, match=r"a.tif has a nodata value near -1152921504606846976, .*RasterField"
    ):
        _ = opened(path).nodata


def test_masks_are_no_rasters(tmp_path):
    tiff = opened(
        write_cog(
            tmp_path / "a.tif", noise(), mask=np.full((150, 200), 255, "uint8"), photometric="minisblack"
        )
    )
    assert tiff.image(0).masked
    with pytest.raises(SourceError, match="image 1 of file://.* is a mask"):
        tiff.image(1)


def test_a_file_of_which_nothing_is_stored(tmp_path):
    every = [(row, col) for row in range(3) for col in range(4)]
    tiff = opened(write_cog(tmp_path / "a.tif", noise(), nodata=3, empty=every))
    pixels, mask = asyncio.run(tiff.image(0).pixels(Box(10, 80, 10, 90)))
    assert (pixels == 3).all()
    assert mask is None
