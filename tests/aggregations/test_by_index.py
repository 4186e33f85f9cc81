from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher import Patch


def test_whatever_patches_carry_by_where_they_sit():
    image = np.arange(60).reshape(6, 10)
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(4), gp.SpatialRegularStride(3), gp.SpatialBoxcar(), gp.SpatialByIndex()
    )
    found = patcher.merge((p.with_data(int(p.data.sum())) for p in patcher.split(image)), image)
    assert found == {(r, c): image[r : r + 4, c : c + 4].sum() for r in (0, 2) for c in (0, 3, 6)}
    assert list(found) == sorted(found)


def test_the_last_patch_at_an_anchor_is_kept():
    patches = [Patch(word, (0, 0), None) for word in ("first", "last")]
    assert gp.SpatialByIndex().merge(patches, np.empty((1, 1))) == {(0, 0): "last"}


def test_it_is_no_raster():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(4), gp.SpatialRegularStride(4), gp.SpatialBoxcar(), gp.SpatialByIndex()
    )
    with pytest.raises(TypeError, match="SpatialByIndex gives no value per pixel: use the patcher's merge"):
        gp.reconstruct(np.zeros((8, 8)), lambda x: x, patcher=patcher)


def test_config():
    assert gp.SpatialByIndex().get_config() == {}
