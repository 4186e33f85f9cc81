from __future__ import annotations

import numpy as np
import pytest
import rasterio
import zarr

import geopatcher as gp
from geopatcher.errors import MemoryLimitError


@pytest.mark.parametrize(
    ("name", "storage", "complaint"),
    [
        (
            None,
            gp.ZarrStorage(multiscales=True),
            r"storage=ZarrStorage\(...\) is for a .zarr target, not memory: leave it out",
        ),
        (None, gp.CogStorage(), r"storage=CogStorage\(...\) is for a .tif or .tiff target, not memory"),
        (
            "x.tif",
            gp.ZarrStorage(multiscales=True),
            r"storage=ZarrStorage\(...\) is for a .zarr target, not .*x.tif: give a CogStorage",
        ),
        ("x.zarr", gp.CogStorage(), r"is for a .tif or .tiff target, not .*x.zarr: give a ZarrStorage"),
        ("x.zarr", gp.ZarrStorage(shards=700), "do not hold whole chunks"),
    ],
)
def test_storage_a_target_has_no_use_for_is_refused(tmp_path, name, storage, complaint):
    for call in (
        lambda image, target: gp.reconstruct(image, lambda x: x, target, size=4, storage=storage),
        lambda image, target: gp.plan(image, target=target, size=4, storage=storage),
    ):
        with pytest.raises(ValueError, match=complaint):
            call(np.ones((9, 9)), name and tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.png", "x", "x.zarr.zip", "zarr"])
def test_a_target_ends_in_zarr_or_tif(tmp_path, name):
    with pytest.raises(
        ValueError, match=rf"target '.*{name}' must end in \.zarr or \.tif \(or be None for memory\)"
    ):
        gp.reconstruct(np.ones((9, 9)), np.copy, tmp_path / name, size=4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "kind"), [(None, np.ndarray), ("x.zarr", zarr.Array)])
def test_the_ending_says_what_a_result_is(tmp_path, name, kind):
    result = gp.reconstruct(np.ones((9, 9)), np.copy, name and tmp_path / name, size=4)
    assert isinstance(result.array, kind)
    assert result.path == (name and tmp_path / name)


@pytest.mark.parametrize("name", ["x.tif", "x.TIFF"])
def test_capitals_make_no_difference_to_a_geotiff(tmp_path, name):
    gp.reconstruct(np.ones((9, 9)), np.copy, tmp_path / name, size=4)
    with rasterio.open(tmp_path / name) as dataset:
        assert dataset.driver == "GTiff"


def test_more_than_the_machine_has_is_refused_in_memory():
    class Endless:
        domain = gp.RasterDomain((10**7, 10**7), dtype=np.dtype("uint8"))

        def select(self, window):
            return np.zeros((window.height, window.width), "uint8")

        def with_data(self, array):
            return self

    with pytest.raises(MemoryLimitError, match="give a target on disk"):
        gp.reconstruct(Endless(), np.copy, size=64, step=64)
