"""What is asked of a dataset as soon as it is open: nothing that a file must have."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from geopatcher.formats.first_look import FEW_BLOCKS, look_first


class Asked:
    """Passes on to a dataset, and notes which tags it was asked for."""

    def __init__(self, dataset):
        self.dataset, self.tags = dataset, []

    def __getattr__(self, name):
        return getattr(self.dataset, name)

    def get_tag_item(self, name, domain, bidx):
        self.tags.append((name, bidx))
        return self.dataset.get_tag_item(name, domain, bidx=bidx)


@pytest.mark.parametrize(("side", "ends"), [(100, [("BLOCK_OFFSET_6_6", 2)]), (16 * 46, [])])
def test_the_places_of_the_first_block_and_of_few_the_last_are_asked_for(tmp_path, side, ends):
    profile = {"driver": "GTiff", "count": 2, "height": side, "width": side, "dtype": "uint8", "tiled": True}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, blockxsize=16, blockysize=16) as dataset:
        dataset.write(np.ones((2, side, side), "uint8"))
    assert (2 * (side // 16) ** 2 > FEW_BLOCKS) == (not ends)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        asked = Asked(dataset)
        look_first(asked)
        assert asked.tags == [("BLOCK_OFFSET_0_0", 1), *ends]
        for name, bidx in asked.tags:
            assert int(dataset.get_tag_item(name, "TIFF", bidx=bidx)) > 0


def test_what_is_no_geotiff_has_no_such_list(tmp_path):
    with rasterio.open(
        tmp_path / "a.png", "w", driver="PNG", count=1, height=8, width=8, dtype="uint8"
    ) as out:
        out.write(np.ones((1, 8, 8), "uint8"))
    with rasterio.open(tmp_path / "a.png") as dataset:
        asked = Asked(dataset)
        look_first(asked)
        assert asked.tags == []
