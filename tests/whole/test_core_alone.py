"""The core without any extra: what works, and that the rest names its extra."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions

import numpy as np
import pytest
import rasterio
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from places import ROOT, SUPPORT

pytestmark = pytest.mark.once

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXPRESSION = ("--expr", "(b2-b1)/(b2+b1)")


def core():
    """Return the names of all distributions that come with the core."""
    found, asked = set(), [Requirement(text) for text in PROJECT["dependencies"]]
    while asked:
        one = asked.pop()
        name = canonicalize_name(one.name)
        if name not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
            found.add(name)
            asked += map(Requirement, distribution(name).requires or ())
    return found


@pytest.fixture(scope="module")
def environment():
    """What makes a Python lack all that does not come with the core."""
    held = core()
    lacking = {
        module
        for module, names in packages_distributions().items()
        if not held.intersection(map(canonicalize_name, names))
    } - {"geopatcher", "geotoolz", "geostack"}
    assert {"shapely", "scipy", "xarray", "pyogrio", "numexpr"} - lacking <= {"numexpr"}
    assert lacking.isdisjoint({"numpy", "rasterio", "zarr", "pyproj", "attrs"})
    path = os.pathsep.join([str(SUPPORT / "core_alone"), *filter(None, sys.path)])
    return {**os.environ, "LACKING": ",".join(sorted(lacking)), "PYTHONPATH": path}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a raster, an area over some of it, and an operator."""
    place = tmp_path_factory.mktemp("core")
    profile = {
        "driver": "GTiff",
        "count": 2,
        "height": 300,
        "width": 400,
        "dtype": "uint16",
        "crs": "EPSG:32633",
        "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
    }
    with rasterio.open(place / "in.tif", "w", **profile) as file:
        file.write(np.random.default_rng(0).integers(1, 9999, (2, 300, 400)).astype("uint16"))
    ring = [[500_500, 4_999_500], [502_000, 4_999_000], [501_000, 4_998_000], [500_500, 4_999_500]]
    with rasterio.open(place / "two.tif", "w", **{**profile, "count": 1, "dtype": "uint8"}) as file:
        file.write(np.ones((1, 300, 400), "uint8"))
    (place / "area.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    (place / "mine.py").write_text(
        "def classes(batch):\n    return (batch[:, 1:] > 2 * batch[:, :1]).astype('uint8')\n"
        "def boxes(patch):\n    return [[1, 1, 5, 5, 0.9, 0]]\n"
    )
    return place


def python(environment, folder, *words):
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


IMPORT_ALL = """
import importlib, pkgutil, geopatcher, geostack, geotoolz
from geopatcher._optional import MODULES
from geopatcher.errors import MissingExtraError

said = {}
for package in (geopatcher, geotoolz, geostack):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if module.name.endswith(("__main__", ".opened_buckets")) or module.name in MODULES:
            continue
        try:
            importlib.import_module(module.name)
        except MissingExtraError as error:
            said[module.name] = str(error)
for name in geopatcher.__all__:
    getattr(geopatcher, name)
import json
print(json.dumps(said))
"""


def test_every_module_is_imported_or_names_its_extra(environment, folder):
    done = python(environment, folder, "-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert all("pip install 'geopatcher[" in message for message in said.values())
    assert {name.rpartition(".")[2] for name in said} == {"dask", "dask_crew", "dask_worker", "xarray"}


FIVE_LINES = """
import geopatcher
ndvi = geopatcher.Expression("(b2 - b1) / (b2 + b1)")
result = geopatcher.reconstruct("in.tif", ndvi, "five.zarr", size=64, step=32, memory_limit="512MiB")
print(result)
box = geopatcher.Box(0, 100, 50, 150)
assert geopatcher.reconstruct("in.tif", ndvi, region=box, crop=True).array.shape == (1, 100, 100)
bounds = (15.0, 45.135, 15.02, 45.15)
assert geopatcher.reconstruct("in.tif", ndvi, region=bounds, region_crs="EPSG:4326").array.shape[-1] == 400
assert geopatcher.PointDomain([[0, 0], [4, 4]], crs="EPSG:32633").shape == (2,)
assert geopatcher.fields.RasterField("in.tif").domain.shape == (2, 300, 400)
track = geopatcher.SpatialAlongTrack([(5e5 + 500, 5e6 - 500), (5e5 + 2000, 5e6 - 900)], 300, "EPSG:32633")
assert len(track.points()) == 7
number = lambda patch: (patch[0] > 5000).astype("int32")
numbered = geopatcher.reconstruct("in.tif", number, aggregation="instances:0")
assert numbered.array[:].max() > 0
"""


def test_the_five_lines_and_rectangles_on_the_ground(environment, folder):
    done = python(environment, folder, "-c", FIVE_LINES)
    assert done.returncode == 0, done.stderr


COMMANDS = (
    ("demo", "--pixels", "256"),
    ("run", "in.tif", "ndvi.tif", *EXPRESSION),
    ("run", "in.tif", "two.zarr", "--operator", "mine:classes", "--aggregation", "mode", "--batch-size", "8"),
    ("plan", "in.tif", "--size", "64"),
    ("info", "ndvi.tif"),
    ("verify", "ndvi.tif"),
    ("report", "ndvi.tif"),
    ("export", "two.zarr", "copy.tif"),
    ("tune", "in.tif", *EXPRESSION),
    ("run", "in.tif", "bounds.tif", *EXPRESSION, "--bounds", "500500,4998000,502000,4999500", "--crop"),
    ("run", "in.tif", "like.tif", *EXPRESSION, "--like", "bounds.tif"),
    ("run", "in.tif", "in.tif", "mean.tif", "--expr", "b1", "--to-crs", "EPSG:32632", "--resolution", "20"),
)


def test_the_shell_lines_run_in_this_order(environment, folder):
    for words in COMMANDS:
        done = python(environment, folder, "-m", "geopatcher", *words)
        assert done.returncode == 0, (words, done.stderr)


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("run", "in.tif", "x.tif", *EXPRESSION, "--aoi", "area.geojson"), "vector"),
        (("polygons", "two.tif", "x.gpkg"), "vector"),
        (("detect", "in.tif", "x.gpkg", "--detector", "mine:boxes"), "vector"),
        (("run", "s3://nowhere/in.zarr", "x.tif", *EXPRESSION), "cloud"),
        (("find", "some-collection", "--bbox", "1,1,2,2", "--datetime", "2024-06"), "stac"),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else given,
)
def test_a_command_that_needs_an_extra_names_it(environment, folder, words, extra):
    done = python(environment, folder, "-m", "geopatcher", *words)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert f"pip install 'geopatcher[{extra}]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(folder.glob("x.*")) == []


NAMED = """
import geopatcher
from geopatcher.errors import MissingExtraError
{before}
try:
    {statement}
except MissingExtraError as error:
    assert "pip install 'geopatcher[{extra}]'" in str(error), error
else:
    raise SystemExit("nothing was missing")
"""
MADE = "made = geopatcher.reconstruct('in.tif', lambda patch: patch[:1], size=128)"
RING = '{"type": "Polygon", "coordinates": [[[5e5, 5e6], [502e3, 5e6], [501e3, 4998e3], [5e5, 5e6]]]}'


@pytest.mark.parametrize(
    ("statement", "extra"),
    [
        (f"geopatcher.reconstruct('in.tif', abs, region={RING})", "vector"),
        ("geopatcher.SpatialPolygonIntersection('POLYGON ((0 0, 1 0, 1 1, 0 0))')", "vector"),
        ("geopatcher.VectorDomain([None])", "vector"),
        ("geopatcher.VectorDomain.from_config({'geometry': []})", "vector"),
        ("geopatcher.detect('in.tif', lambda patch: [], 'x.gpkg')", "vector"),
        ("geopatcher.polygons(made, 'x.gpkg')", "vector"),
        ("geopatcher.fields.GeoPandasField(None)", "features"),
        ("geopatcher.fields.XvecField(None)", "features"),
        ("made.plot()", "viz"),
        ("made.to_xarray()", "xarray"),
        ("geopatcher.executors.DaskExecutor", "dask"),
        ("import geopatcher.xarray", "xarray"),
        ("geopatcher.reconstruct('in.tif', geopatcher.Model('network.onnx'), 'x.tif')", "onnx"),
    ],
)
def test_a_name_that_needs_an_extra_names_it(environment, folder, statement, extra):
    (folder / "network.onnx").write_bytes(b"")
    program = NAMED.format(before=MADE if "made" in statement else "", statement=statement, extra=extra)
    done = python(environment, folder, "-c", program)
    assert done.returncode == 0, done.stderr
