"""What a target gives back."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.core.gaps import MISSING, VALID, Gaps
from geopatcher.targets.disk import CogTarget, ZarrTarget
from geopatcher.targets.open import MemoryTarget
from geopatcher.targets.product import Product

BYTES = np.dtype("uint8")
BOX = Box(0, 16, 0, 16)


def target_of(kind, folder):
    made = {
        "memory": MemoryTarget(),
        "zarr": ZarrTarget(folder / "x.zarr"),
        "tif": CogTarget(folder / "x.tif"),
    }
    return made[kind]


def product_of(target, spec, **arrays):
    target.check()
    target.create(spec).write([(BOX, arrays)])
    return target.complete()


@pytest.mark.parametrize("kind", ["memory", "zarr", "tif"])
def test_its_arrays_are_those_of_the_result_and_the_layers(kind, tmp_path):
    data = np.arange(256, dtype=BYTES).reshape(1, 16, 16)
    count = np.full((1, 16, 16), 3, BYTES)
    spec = ResultSpec(RasterDomain((16, 16), dtype=BYTES), (16, 16), 0, {"count": LayerSpec(BYTES, 0)})
    product = product_of(target_of(kind, tmp_path), spec, data=data, count=count)
    assert list(product.arrays) == ["data", "count"]
    assert not product.spec.masked
    for name, wanted in (("data", data), ("count", count)):
        array = product.arrays[name]
        assert (tuple(array.shape), array.dtype) == ((16, 16), BYTES)
        np.testing.assert_array_equal(array[2:5, 3], wanted[0, 2:5, 3])
        np.testing.assert_array_equal(np.asarray(array), wanted[0])


@pytest.mark.parametrize(("met", "masked"), [(False, False), (True, True)])
def test_it_is_settled_whether_a_value_or_a_mask_says_what_is_missing(met, masked):
    data = np.ones((1, 16, 16), BYTES)
    said = np.ones((1, 16, 16), np.uint8)
    said[0, :2], data[0, :2] = MISSING, 0
    if met:
        data[0, 5], said[0, 5] = 0, 2  # a cell that holds data has the nodata value
    spec = ResultSpec(RasterDomain((16, 16), nodata=0, dtype=BYTES), (16, 16), 0, masked=True)
    product = product_of(MemoryTarget(), spec, data=data, **{VALID: said})
    assert product.spec.masked == masked
    assert (product.spec.domain.nodata is None) == masked
    assert (VALID in product.arrays) == masked
    assert product.gaps.missing == 32


def test_nothing_is_known_of_cells_that_were_not_looked_at():
    assert Product(ResultSpec(RasterDomain((2, 2)), (2, 2), 0), {}).gaps == Gaps(0, 0)
