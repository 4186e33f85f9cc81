"""What a run loads and opens: nothing that it has no use for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import zarr

import geopatcher

#: What only web servers, awaited fields, other coordinates and other formats need.
OF_OTHERS = ("asyncio", "http.client", "pyproj", "scipy", "shapely", "urllib.request", "xarray", "zarr")
RUN = """
import json, sys
sys.modules["boto3"] = None  # rasterio loads it where it is installed, with much that is looked for here
import lazy_loader, numpy as np, rasterio
others = set(sys.modules)
import geopatcher

source, target = sys.argv[1:]
given = np.ones((1, 96, 96), "float32") if source == "array" else source
geopatcher.reconstruct(given, np.negative, target or None, size=32, chunks=48, progress=False)
print(json.dumps(sorted(set(sys.modules) - others)))
"""


def loaded(source, target):
    """Return the modules that a run has loaded beside what it cannot do without, in a process of its own."""
    command = [sys.executable, "-c", RUN, str(source), str(target)]
    made = subprocess.run(command, capture_output=True, check=True, text=True)
    return set(json.loads(made.stdout))


@pytest.fixture
def raster(tmp_path):
    path = tmp_path / "in.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=96,
        width=96,
        dtype="float32",
        crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
    ) as file:
        file.write(np.ones((1, 96, 96), "float32"))
    return path


@pytest.mark.parametrize("source", ["array", "file"])
def test_a_run_in_memory_loads_nothing_of_other_sources_and_targets(raster, source):
    found = loaded(raster if source == "file" else source, "")
    assert "geopatcher.engine.run" in found
    assert found.isdisjoint((*OF_OTHERS, "importlib.metadata"))


def test_a_geotiff_is_written_without_zarr(raster, tmp_path):
    assert loaded(raster, tmp_path / "out.tif").isdisjoint(OF_OTHERS)


def test_faces_of_packages_give_what_they_name():
    ask = "import geopatcher.fields as f; print([getattr(f, n).__name__ for n in f.__all__] == f.__all__)"
    made = subprocess.run([sys.executable, "-c", ask], capture_output=True, check=True, text=True)
    assert made.stdout == "True\n"


def test_a_store_is_opened_in_memory_to_be_told_its_statistics_and_by_array_once_it_is_complete(
    raster, tmp_path, monkeypatch
):
    opened = []

    def watched(opening):
        def open_one(where, **options):
            opened.append(
                (Path(where).name if isinstance(where, Path) else type(where).__name__, options.get("path"))
            )
            return opening(where, **options)

        return open_one

    monkeypatch.setattr(zarr, "open_group", watched(zarr.open_group))
    monkeypatch.setattr(zarr, "open_array", watched(zarr.open_array))
    made = geopatcher.reconstruct(raster, np.negative, tmp_path / "x.zarr", size=32, chunks=48)
    assert (made.array[...] == -1).all()
    assert opened == [("MemoryStore", None), ("x.zarr", "data")]
