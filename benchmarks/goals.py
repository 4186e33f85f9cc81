"""The ratios the project holds itself to. Standard library only: see `benchmarks.catalog`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A ratio the project holds itself to: ``numerator`` over ``denominator``, each ``(scene, method)``."""

    title: str
    most: float
    numerator: tuple[str, str]
    denominator: tuple[str, str] | None  # None: the absolute number is the target
    measure: str = "seconds"


TARGETS: tuple[Target, ...] = (
    Target(
        "zarr, default codec: geopatcher / plain copy", 1.10, ("s2", "geopatcher-zarr"), ("s2", "copy-zarr")
    ),
    Target(
        "zarr, blosc-zstd-1: geopatcher / plain copy", 1.25, ("s2", "geopatcher-blosc"), ("s2", "copy-blosc")
    ),
    Target("COG: geopatcher / rasterio.shutil.copy", 1.5, ("s2", "geopatcher-cog"), ("s2", "copy-cog")),
    Target(
        "in memory: geopatcher / fastest peer, whole process",
        0.5,
        ("s2", "geopatcher-memory"),
        ("s2", "*peer"),
    ),
    Target(
        "in memory: geopatcher / fastest peer, without start-up and imports",
        0.5,
        ("s2", "geopatcher-memory"),
        ("s2", "*peer"),
        "inner_seconds",
    ),
    Target("4 bands / 1 band", 4.4, ("s2-bands4", "geopatcher-zarr"), ("s2", "geopatcher-zarr")),
    Target("70 % nodata / full scene", 0.45, ("s2-nodata70", "geopatcher-zarr"), ("s2", "geopatcher-zarr")),
    Target(
        "70 % nodata / full scene, without start-up and imports",
        0.45,
        ("s2-nodata70", "geopatcher-zarr"),
        ("s2", "geopatcher-zarr"),
        "inner_seconds",
    ),
    Target(
        "an index of 4 bands: geopatcher / strip loop", 0.65, ("index", "index-zarr"), ("index", "index-loop")
    ),
    *(
        Target(
            f"200 small rasters / one mosaic, {where}",
            1.5,
            ("small", f"small-{where}-each"),
            ("small", f"small-{where}-mosaic"),
        )
        for where in ("memory", "zarr", "cog")
    ),
    Target("merge: shuffled / planned", 2.0, ("merge", "merge-shuffled"), ("merge", "merge-planned")),
    Target(
        "median over time: geopatcher / dask and xarray",
        0.5,
        ("series", "series-mosaic"),
        ("series", "series-dask"),
    ),
    Target("peak RSS, MiB", 384.0, ("s2", "geopatcher-zarr"), None, "peak_mib"),
    Target(
        "peak RSS, 4 times the scene / the scene",
        1.05,
        ("s2-x4", "geopatcher-zarr"),
        ("s2", "geopatcher-zarr"),
        "peak_mib",
    ),
    Target(
        "peak RSS, 16 times the scene / the scene",
        1.05,
        ("s2-x16", "geopatcher-zarr"),
        ("s2", "geopatcher-zarr"),
        "peak_mib",
    ),
    Target("peak RSS, 400 000 pixels wide, MiB", 384.0, ("wide", "geopatcher-zarr"), None, "peak_mib"),
)
