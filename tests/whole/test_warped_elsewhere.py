"""Rasters on a server that are warped: each byte is fetched once, within the memory limit."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
import rasterio
import rasterio.shutil

import geopatcher as gp
from faulty import Faulty
from healthy import server
from warps import warped_whole

__all__ = ["server"]  # a fixture

pytestmark = pytest.mark.timeout(180)

SIDE = 1300
ZONES = {"east": ("EPSG:32633", 399_960), "west": ("EPSG:32632", 830_000)}


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """A server of two COGs of two zones, one beside the other, with overviews; one more has a mask."""
    folder = tmp_path_factory.mktemp("served")
    random = np.random.default_rng(0)
    for name, (crs, left) in ZONES.items():
        cells = random.integers(1, 4000, (3, SIDE, SIDE)).astype("uint16")
        cells[:, 300:400, 500:900] = 0
        known = {"driver": "GTiff", "count": 3, "height": SIDE, "width": SIDE, "dtype": "uint16"}
        place = {"crs": crs, "transform": rasterio.Affine(10, 0, left, 0, -10, 5_400_000)}
        for end, nodata in (("", 0), ("_masked", None)):
            with (
                ExitStack() as stack,
                stack.enter_context(rasterio.MemoryFile()) as memory,
            ):
                stack.enter_context(rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True))
                with memory.open(**known, **place, nodata=nodata) as dataset:
                    dataset.write(cells)
                    if end:
                        dataset.write_mask(cells[0] > 500)
                path = folder / f"{name}{end}.tif"
                rasterio.shutil.copy(memory.name, path, driver="COG", compress="deflate", blocksize=256)
    with Faulty(folder) as server:
        yield server


def fetched(server, name):
    """Return how many bytes of a file were asked for, as a part of those that are distinct."""
    spans = server.spans(f"/{name}")
    seen = np.zeros(max(last for _, last in spans) + 1, bool)
    for first, last in spans:
        seen[first : last + 1] = True
    return sum(last + 1 - first for first, last in spans) / np.count_nonzero(seen)


def run(source, operator=np.copy, **how):
    return gp.reconstruct(source, operator, size=128, step=96, chunks=128, **how)


def same_as(made, wanted, held, grid):
    """Check a result, whose cells hold data where they should, and are those."""
    valid = np.ones(held.shape, bool) if made.valid is None else np.asarray(made.valid)
    np.testing.assert_array_equal(np.broadcast_to(valid, held.shape), held)
    np.testing.assert_array_equal(np.asarray(made.array)[held], wanted[held])
    assert made.array.shape[-2:] == grid.grid_shape


GRIDS = {
    "zone": {"dst_crs": "EPSG:32632", "resampling": "bilinear"},
    "degrees": {"dst_crs": "EPSG:4326", "resampling": "cubic"},
    "nearest": {"dst_crs": "EPSG:32632", "resampling": "nearest"},
    "coarser": {"dst_crs": "EPSG:32632", "resolution": 45, "resampling": "average"},
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [*((kind, "east.tif") for kind in GRIDS), ("zone", "east_masked.tif"), ("coarser", "east_masked.tif")],
)
def test_each_byte_comes_once_and_pixels_are_those_of_a_whole_warp(server, kind, name):
    source = gp.ReprojectingRasterField(f"{server.url}/{name}", **GRIDS[kind])
    made = run(source)
    assert fetched(server, name) <= 1.2
    wanted = warped_whole(server.folder / name, source.domain, GRIDS[kind]["resampling"])
    same_as(made, *wanted, source.domain)
    assert made.plan.blocks_bytes > 0


@pytest.mark.parametrize("kind", ["mosaic", "turned", "dict", "stack", "bands"])
def test_so_it_is_of_several_scenes_and_of_a_turned_map(server, kind):
    east, west = (f"{server.url}/{name}.tif" for name in ZONES)
    turned = gp.RasterDomain(
        (900, 900),
        rasterio.Affine(10, 0, 403_000, 0, -10, 5_397_000) @ rasterio.Affine.rotation(25),
        ZONES["east"][0],
    )
    sources = {
        "mosaic": lambda: gp.Mosaic([east, west], resampling="bilinear"),
        "turned": lambda: gp.Mosaic([east], turned, resampling="bilinear"),
        "dict": lambda: {"east": east, "west": west},
        "stack": lambda: gp.Stack([east, west], grid=gp.RasterField(east).domain),
        "bands": lambda: gp.BandStack([east, west]),
    }
    made = run(sources[kind](), (lambda patch: patch["west"]) if kind == "dict" else np.copy)
    assert np.asarray(made.array).any()
    names = ["east.tif"] if kind == "turned" else ["east.tif", "west.tif"]
    assert all(fetched(server, name) <= 1.2 for name in names)


@pytest.mark.parametrize("limit", ["80MiB", "1GiB"])
def test_where_the_memory_limit_has_no_room_bytes_come_again_and_pixels_are_the_same(server, limit):
    name = "east.tif"
    source = gp.ReprojectingRasterField(f"{server.url}/{name}", "EPSG:32632")
    made = run(source, memory_limit=limit)
    assert made.plan.working_bytes <= made.plan.memory_limit
    again = run(gp.ReprojectingRasterField(str(server.folder / name), "EPSG:32632"))
    np.testing.assert_array_equal(made.array, again.array)
    assert fetched(server, name) <= (1.2 if limit == "1GiB" else 3)
