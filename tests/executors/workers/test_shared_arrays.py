"""Sources in memory, on their way to other processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import rasterio
from affine import Affine

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import TransportError
from geopatcher.executors.workers import shared_arrays as sharing
from geopatcher.executors.workers.pickling import pack, unpack
from geopatcher.fields.open import as_field

IMAGE = np.random.default_rng(2).integers(0, 4000, (2, 300, 200)).astype("uint16")
WHOLE = Box(0, 300, 0, 200)


@dataclass(frozen=True)
class Only:
    """The part of a job that matters here."""

    source: object


def read(source, box=WHOLE):
    return source.read(box)


@pytest.fixture
def small_is_large(monkeypatch):
    monkeypatch.setattr(sharing, "SHARED_BYTES", 1000)


def test_a_large_array_is_mapped_and_its_file_goes(small_is_large):
    source = gp.RasterField.from_array(IMAGE, transform=Affine(10, 0, 5, 0, -10, 9), nodata=7).source
    with sharing.shared(Only(source)) as job:
        there = unpack(pack(job)).source
        assert len(pack(job)) < 4000, "the cells do not travel"
        path = there.array.path
        assert path.exists()
        assert (read(there) == IMAGE).all()
        assert there.domain == source.domain
        assert there.name == source.name
        assert there.identity() == source.identity()
        assert (there.valid(WHOLE, read(there)) == (IMAGE != 7)).all()
    assert not path.exists()
    assert not path.parent.exists()


def test_a_small_array_travels_whole():
    source = as_field(IMAGE).source
    with sharing.shared(Only(source)) as job:
        assert job.source is source
        assert (read(unpack(pack(job)).source) == IMAGE).all()


def test_a_geotensor_keeps_its_georeference_on_the_way():
    geotensor = pytest.importorskip("georeader.geotensor")
    tensor = geotensor.GeoTensor(IMAGE, Affine(10, 0, 5, 0, -10, 9), "EPSG:32633", fill_value_default=3)
    source = as_field(tensor).source
    with sharing.shared(Only(source)) as job:
        there = unpack(pack(job)).source
    assert there.domain == source.domain
    assert (read(there) == read(source)).all()
    assert (there.valid(WHOLE, read(there)) == source.valid(WHOLE, read(source))).all()
    assert there.name == source.name


def test_a_full_disk_is_told(small_is_large, monkeypatch):
    def full(*args, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    ways_out = "set TMPDIR to a folder with 0.0 GB free, or give the path"
    with pytest.raises(TransportError, match=rf"ndarray uint16 .* No space left on device; {ways_out}"):
        sharing.shared(Only(as_field(IMAGE).source)).__enter__()


def test_files_have_a_width_and_arrays_have_none(tmp_path):
    assert sharing.block_width(as_field(IMAGE).source) == 1
    for name, layout, width in (("strips", {}, 200), ("tiles", {"tiled": True, "blockxsize": 64}, 64)):
        path = tmp_path / f"{name}.tif"
        profile = {"driver": "GTiff", "count": 2, "height": 300, "width": 200, "dtype": "uint16"}
        if layout:
            profile |= layout | {"blockysize": 64}
        with rasterio.open(path, "w", transform=Affine(10, 0, 5, 0, -10, 9), **profile) as out:
            out.write(IMAGE)
        source = as_field(path).source
        assert sharing.block_width(source) == width
        assert sharing.array_in_memory(source) is None
        assert (read(unpack(pack(source))) == IMAGE).all(), "a file is opened where it arrives"
