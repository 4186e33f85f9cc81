"""The cases of `benchmarks.planned`: rasters, operators and options, and one of them run in this process.

``python -m benchmarks.planned_cases FOLDER CASE`` runs a case over what `source_of` has made in ``FOLDER``.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import geopatcher
from benchmarks import catalog
from geopatcher import ZarrStorage
from geopatcher.executors import DaskExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Array = np.ndarray
SCENES = {scene.name: scene for scene in catalog.scenes()}


@dataclass(frozen=True)
class Raster:
    """A raster of noise; ``form`` is ``"tif"``, ``"strips"``, ``"array"``, ``"zarr"`` or ``"dask"``."""

    dtype: str = "float32"
    bands: int = 1
    height: int = 3000
    width: int = 3000
    nodata: float | None = None
    form: str = "tif"
    block: int = 512

    @property
    def name(self) -> str:
        """Of its file."""
        ending = "zarr" if self.form in ("zarr", "dask") else "tif"
        kind = "strips" if self.form == "strips" else "tiles"
        size = f"{self.bands}x{self.height}x{self.width}"
        return f"planned-{self.dtype}-{size}-{self.nodata}-{kind}-{self.block}.{ending}"


@dataclass(frozen=True)
class Case:
    """A run: the scene of the benchmark or a raster, an operator by its name, options, and a target."""

    title: str
    source: str | Raster = field(default_factory=Raster)
    operator: str = "scale"
    target: str | None = "x.zarr"
    options: dict[str, object] = field(default_factory=dict)


def bench(title: str, source: str = "s2", operator: str = "scale", target: str = "x.zarr", **options) -> Case:
    """Return a case that is the benchmark's own run but for what is given."""
    own = {"size": catalog.SIZE, "step": catalog.STEP, "memory_limit": catalog.MEMORY_LIMIT}
    return Case(title, source, operator, target, own | options)


def small(
    title: str, source: Raster | None = None, operator: str = "same", target: str | None = "x.zarr", **options
) -> Case:
    """Return a case over a raster of noise."""
    own = {"size": 128, "step": 64, "memory_limit": "256MiB"}
    return Case(title, source or Raster(), operator, target, own | options)


def scale(patch: Array) -> Array:
    """Return reflectances."""
    return np.multiply(patch, np.float32(catalog.SCALE), dtype=np.float32)


def same(patch: Array) -> Array:
    """Return what came."""
    return patch


def without_dark(patch: Array) -> Array:
    """Make gaps of its own."""
    values = scale(patch)
    values[patch < 1100] = np.nan
    return values


def four_doubles(patch: Array) -> Array:
    """Return four bands of float64."""
    return np.repeat(patch, 4, axis=-3).astype("float64")


def many(patch: Array) -> Array:
    """Return twelve bands."""
    return np.repeat(patch, 12, axis=-3)


def holed(patch: Array) -> Array:
    """Mask what is dark, a third of the cells."""
    return np.ma.masked_less(patch, 30)


def bright(patch: Array) -> Array:
    """Return a class: 0 or 1."""
    return (patch > 0.5).astype("uint8")


def greedy(patch: Array) -> Array:
    """Take twenty times the patch meanwhile."""
    parts = np.concatenate([patch * k for k in range(20)], axis=-3)
    return parts.mean(axis=-3, keepdims=True, dtype=patch.dtype)


def activations(patch: Array) -> Array:
    """Take 64 times the patches meanwhile, in two steps, as the layers of a network do."""
    first = np.repeat(np.asarray(patch, np.float32), 32, axis=-3)
    return np.maximum(first, 0)[..., :1, :, :] + np.float32(0)


def activations_late(patch: Array) -> Array:
    """Do the same after some work that is there for each call, so that larger batches pay."""
    start = sum(range(500_000)) % 2
    return activations(patch) + np.float32(start)


def very_greedy(patch: Array) -> Array:
    """Take 160 MiB meanwhile."""
    block = np.ones(20 << 20)
    return patch * block[0]


KEPT: list[Array] = []


def keeping(patch: Array) -> Array:
    """Keep 120 MiB from the first call on, as a model does."""
    if not KEPT:
        KEPT.append(np.ones(15 << 20))
    return patch * KEPT[0][0]


def importing(patch: Array) -> Array:
    """Load a library with the first call."""
    return importlib.import_module("scipy.ndimage").uniform_filter(patch, (1, 3, 3))


OPERATORS: dict[str, Callable[[Array], Array]] = {
    call.__name__: call
    for call in (
        scale,
        same,
        without_dark,
        four_doubles,
        many,
        bright,
        holed,
        greedy,
        activations,
        activations_late,
        very_greedy,
        keeping,
        importing,
    )
}

LAYERS = ("weight", "count", "spread")
CASES = [
    bench("as in the benchmark"),
    bench("blosc-zstd-1", storage=ZarrStorage("blosc-zstd-1")),
    bench("GeoTIFF", target="x.tif"),
    bench("128 MiB", memory_limit="128MiB"),
    bench("96 MiB", memory_limit="96MiB"),
    bench("512 at 384", size=512, step=384),
    bench("1024 at 768", size=1024, step=768),
    bench("128 at 64", size=128, step=64),
    bench("256 at 64", step=64),
    bench("chunks of 256", chunks=256),
    bench("chunks of 1024", chunks=1024),
    bench("maximum", aggregation="max"),
    bench("variance", aggregation="variance"),
    bench("with layers", layers=LAYERS),
    bench("batches of 8", batch_size=8),
    bench("four bands", "s2-bands4"),
    bench("70 % nodata", "s2-nodata70"),
    bench("gaps of the operator", operator="without_dark"),
    bench("4 times the scene", "s2-x4"),
    bench("400 000 wide", "wide"),
    bench("two workers", workers=2),
    small("uint8, array", Raster("uint8"), target=None),
    small("uint16 nodata, array", Raster("uint16", nodata=0), target=None),
    small("float64, array", Raster("float64"), target=None),
    small("uint8 of gaps, array", Raster("uint8", nodata=0), "holed", target=None),
    small("8 bands of uint8, gaps, array", Raster("uint8", bands=8), "holed", target=None),
    small("uint16 of gaps, GeoTIFF", Raster("uint16", bands=4), "holed", target="x.tif"),
    small("uint16 of gaps", Raster("uint16", bands=4), "holed"),
    small("two workers, uint8 of gaps, array", Raster("uint8"), "holed", target=None, workers=2),
    small("array with layers", Raster(), target=None, chunks=128, layers=LAYERS),
    small("array in memory", Raster(form="array"), target=None),
    small("array to zarr", Raster(form="array")),
    small("zarr source", Raster(form="zarr")),
    small("zarr source in chunks of 1500", Raster(form="zarr", block=1500)),
    small("one strip", Raster(form="strips", block=3000)),
    small("tiles of 2048", Raster(block=2048)),
    small("mapped file", Raster(form="mapped")),
    small("Dask source in chunks of 1500", Raster(form="dask", block=1500)),
    small("Dask source", Raster(form="dask")),
    small("source in strips", Raster(form="strips", block=1)),
    small("median", aggregation="median", size=64, step=32),
    small("mode", Raster("uint8"), aggregation="mode"),
    small("votes", Raster("float32"), "bright", aggregation="hard-vote:2"),
    small("soft votes", Raster("float32", bands=3), aggregation="soft-vote:3"),
    small("variance, float64", Raster("float64"), aggregation="variance"),
    small("min, int16 nodata", Raster("int16", nodata=-1), aggregation="min"),
    small("maximum in batches of 16", aggregation="max", batch_size=16),
    small("four of float64, GeoTIFF", operator="four_doubles", target="x.tif", aggregation="mean"),
    small("four of float64, array", operator="four_doubles", target=None),
    small("twelve bands", operator="many", target="x.tif"),
    small("twelve bands from twelve", Raster("uint16", bands=12), target="x.tif"),
    small("GeoTIFF with layers", target="x.tif", layers=LAYERS),
    small("GeoTIFF of 128 MiB", target="x.tif", memory_limit="128MiB"),
    small("classes, GeoTIFF", operator="bright", target="x.tif", aggregation="hard-vote:2"),
    small("20 times the patch", operator="greedy"),
    small("20 times the patch of 512", operator="greedy", size=512, step=256),
    small("20 times batches of 8", operator="greedy", size=256, step=128, batch_size=8),
    *(
        small(title, Raster(height=1200, width=1200), operator, size=256, step=128, batch_size=batch_size)
        for title, operator, batch_size in (
            ("activations in batches of 4", "activations", 4),
            ("activations in batches that are found", "activations_late", "auto"),
        )
    ),
    small("160 MiB in each call", operator="very_greedy"),
    small("120 MiB kept", operator="keeping"),
    small("120 MiB kept, GeoTIFF", operator="keeping", target="x.tif"),
    small("a library at the first call", operator="importing"),
    small("shards", storage=ZarrStorage(shards=1024), chunks=256),
    small("overview levels", storage=ZarrStorage(multiscales=True)),
    small("overview levels in shards", storage=ZarrStorage(multiscales=True, shards=1024), chunks=256),
    small("300 x 200", Raster(height=300, width=200)),
    small("300 x 200, GeoTIFF", Raster(height=300, width=200), target="x.tif"),
    small("1000 x 1000, array", Raster(height=1000, width=1000), target=None),
    small("100 000 wide", Raster("uint8", height=600, width=100_000)),
    small("100 000 wide, array", Raster("uint8", height=600, width=100_000), target=None),
    small("100 000 high", Raster("uint8", height=100_000, width=600)),
    small("warped", Raster("uint16", bands=3), dst_crs="EPSG:32632", resampling="bilinear"),
    small("1 GiB allowed", Raster(bands=3), "same", memory_limit="1GiB"),
    small("two workers, zarr", workers=2),
    small("two workers, GeoTIFF", target="x.tif", workers=2),
    small("two workers, array", target=None, workers=2),
    small("two workers, array from array", Raster(form="array"), target=None, workers=2),
    small("two workers, 120 MiB kept", operator="keeping", workers=2),
    small("two workers, 160 MiB in each call", operator="very_greedy", workers=2),
    small("Dask", workers="dask"),
]
BY_TITLE = {case.title: case for case in CASES}


def source_of(case: Case, folder: Path) -> object:
    """Return the source of a case; files are made where they are not there."""
    if isinstance(case.source, str):
        return SCENES[case.source].path(folder)
    raster = case.source
    path = folder / raster.name
    if not path.exists():
        make(raster, path)
    if raster.form in ("array", "mapped"):
        return np.load(path.with_suffix(".npy"), mmap_mode="r" if raster.form == "mapped" else None)
    if raster.form == "dask":
        return importlib.import_module("dask.array").from_zarr(str(path / "data"))
    return path


def make(raster: Raster, path: Path) -> None:
    """Write a raster of noise."""
    rng = np.random.default_rng(0)
    shape, dtype = (raster.bands, raster.height, raster.width), np.dtype(raster.dtype)
    if dtype.kind == "f":
        cells = rng.random(shape, dtype=dtype.type)
    else:
        cells = rng.integers(0, 100, shape, dtype=dtype)
    if raster.form in ("zarr", "dask"):
        zarr = importlib.import_module("zarr")
        chunks = (1, raster.block, raster.block)
        zarr.open_group(path, mode="w").create_array("data", data=cells, chunks=chunks)
        return
    np.save(path.with_suffix(".npy"), cells)
    tiles = (
        {"blockysize": raster.block, "compress": "deflate"}
        if raster.form == "strips"
        else {"tiled": True, "blockxsize": raster.block, "blockysize": raster.block}
    )
    rasterio = importlib.import_module("rasterio")
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=raster.bands,
        height=raster.height,
        width=raster.width,
        dtype=dtype,
        nodata=raster.nodata,
        crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
        **tiles,
    ) as file:
        file.write(cells)


def of_status(name: str) -> int:
    """Return a size the kernel tells of this process, in bytes."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(rf"{name}:\s+(\d+) kB", text)[0]) * 1024


@contextmanager
def executing(options: dict[str, object], folder: str) -> Iterator[dict[str, object]]:
    """Give the options with a Dask cluster of two workers in place of ``workers="dask"``."""
    if options.get("workers") != "dask":
        yield options
        return
    distributed = importlib.import_module("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=folder, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield {**options, "workers": None, "executor": DaskExecutor(client)}


def run(case: Case, folder: Path) -> dict[str, object]:
    """Run a case here; return what was planned before and after the first batch, and what was taken."""
    source = source_of(case, folder)
    with (
        tempfile.TemporaryDirectory(dir=folder) as scratch,
        executing(dict(case.options), scratch) as options,
    ):
        target = None if case.target is None else Path(scratch) / case.target
        before = geopatcher.plan(source, target=target, **options)
        made = geopatcher.reconstruct(source, OPERATORS[case.operator], target, progress=False, **options)
        taken = of_status("VmHWM")
    return {
        "before": before.memory_bytes,
        "planned": made.plan.memory_bytes,
        "taken": taken,
        "stats": made.stats.peak_bytes,
        "regions": made.plan.n_regions,
        "parts": {part.name: part.n_bytes for part in made.plan.footprint.parts()},
    }


if __name__ == "__main__":
    print(json.dumps(run(BY_TITLE[sys.argv[2]], Path(sys.argv[1]))))
