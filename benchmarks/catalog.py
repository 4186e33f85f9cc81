"""What is run on what: the scenes, the methods, the targets. Standard library only.

The parent process imports nothing heavier than this: a child's peak memory, as the kernel reports it, is
never below that of the process that started it, so the parent has to stay small.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / "benchmarks" / "scratch"
RESULTS = ROOT / "benchmarks" / "results"

SCALE = 1e-4  # the operator: uint16 digital numbers to float32 reflectance
CLASSES = 10  # of the works that make probabilities or labels
SIZE, STEP = 256, 128  # patch and step, in pixels
CHUNK = 512  # of every zarr, and the tile of every GeoTIFF
MEMORY_LIMIT = "256MiB"  # given to geopatcher in every run
LARGEST_ERROR = 1e-5  # against input * SCALE, anywhere; a result beyond it is a failed result

DISK, MEMORY = "to disk", "in memory"


@dataclass(frozen=True)
class Scene:
    """A raster to run on: uint16, tiled 512, deflate."""

    name: str
    width: int
    height: int
    title: str
    methods: tuple[str, ...]
    bands: int = 1
    valid: float = 1.0  # the part of the pixels that is not nodata
    most_repeats: int = 1000
    dates: int = 1  # rasters of one grid, in a folder; of more than one their median is what is right
    in_parts: bool = False  # whether each tile is a raster of its own, too, in a folder beside

    @property
    def megapixels(self) -> float:
        """Pixels of all bands, in millions."""
        return self.width * self.height * self.bands * self.dates / 1e6

    def path(self, folder: Path) -> Path:
        """Return where the scene is kept: the recipe's version and the size are in the name."""
        return folder / f"{self.name}-{self.width}x{self.height}-v1{'' if self.dates > 1 else '.tif'}"

    def float_path(self, folder: Path) -> Path:
        """Return where the float32 twin (already scaled) is kept: the source of the plain COG copy."""
        return folder / f"{self.name}-{self.width}x{self.height}-v1-float32.tif"


@dataclass(frozen=True)
class Method:
    """A way from a scene to a result: ``run(scene, out, **options)`` of a module of `benchmarks.methods`."""

    name: str
    module: str
    kind: str  # DISK or MEMORY
    title: str
    baseline: str  # the method its ratio is taken against
    suffix: str = ".npy"
    options: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()  # distributions of a peer; empty for what needs no peer
    needs_float_twin: bool = False
    most_repeats: int = 1000
    group: str = ""  # a name for several, that ``--only`` takes in their place

    @property
    def work(self) -> str:
        """What is made of the pixels: a name in `benchmarks.works`."""
        return self.options.get("work", "scale")

    @property
    def peer(self) -> bool:
        """Whether it measures somebody else's library."""
        return bool(self.packages)


METHODS: tuple[Method, ...] = (
    Method(
        "copy-zarr",
        "plain_copy",
        DISK,
        "plain copy, zarr default codec",
        "copy-zarr",
        ".zarr",
        {"codec": "zstd"},
    ),
    Method(
        "geopatcher-zarr",
        "patcher",
        DISK,
        "**geopatcher**, zarr default codec",
        "copy-zarr",
        ".zarr",
        {"codec": "zstd"},
    ),
    Method(
        "copy-blosc",
        "plain_copy",
        DISK,
        "plain copy, zarr blosc-zstd-1",
        "copy-blosc",
        ".zarr",
        {"codec": "blosc-zstd-1"},
    ),
    Method(
        "geopatcher-blosc",
        "patcher",
        DISK,
        "**geopatcher**, zarr blosc-zstd-1",
        "copy-blosc",
        ".zarr",
        {"codec": "blosc-zstd-1"},
    ),
    Method(
        "copy-cog", "cog_copy", DISK, "rasterio.shutil.copy, COG", "copy-cog", ".tif", needs_float_twin=True
    ),
    Method("geopatcher-cog", "patcher", DISK, "**geopatcher**, COG", "copy-cog", ".tif"),
    Method(
        "monai-zarr",
        "monai_zarr",
        DISK,
        "MONAI PatchInferer + ZarrAvgMerger (no window)",
        "copy-zarr",
        ".zarr",
        packages=("monai", "torch"),
        most_repeats=1,  # it takes minutes, and no target asks for it
    ),
    Method("copy-memory", "memory_copy", MEMORY, "plain copy into an array", "copy-memory"),
    Method("numpy-loop", "numpy_loop", MEMORY, "NumPy overlap-add loop (the floor)", "copy-memory"),
    Method("geopatcher-memory", "patcher", MEMORY, "**geopatcher**, array", "copy-memory"),
    Method(
        "toolbelt",
        "toolbelt_tiles",
        MEMORY,
        "pytorch-toolbelt TileMerger",
        "copy-memory",
        packages=("pytorch-toolbelt", "torch"),
    ),
    Method("tiler", "tiler_merger", MEMORY, "tiler", "copy-memory", packages=("tiler",)),
    Method(
        "monai",
        "monai_window",
        MEMORY,
        "MONAI sliding_window_inference",
        "copy-memory",
        packages=("monai", "torch"),
    ),
    Method(
        "torchio",
        "torchio_grid",
        MEMORY,
        "TorchIO GridAggregator (its own Hann)",
        "copy-memory",
        packages=("torchio", "torch"),
    ),
    Method(
        "classes-loop",
        "numpy_loop",
        MEMORY,
        "NumPy overlap-add loop, 10 classes",
        "classes-loop",
        options={"work": "probabilities"},
        group="classes",
    ),
    Method(
        "classes-memory",
        "patcher",
        MEMORY,
        "**geopatcher**, 10 classes, array",
        "classes-loop",
        options={"work": "probabilities"},
        group="classes",
    ),
    Method(
        "classes-scores",
        "patcher",
        MEMORY,
        "**geopatcher**, 10 classes to class and confidence, arrays",
        "classes-loop",
        options={"work": "scores", "aggregation": f"soft-vote:{CLASSES}"},
        group="classes",
    ),
    Method(
        "classes-copy",
        "plain_copy",
        DISK,
        "plain copy of 10 classes, zarr default codec",
        "classes-copy",
        ".zarr",
        {"codec": "zstd", "work": "probabilities"},
        group="classes",
    ),
    Method(
        "classes-zarr",
        "patcher",
        DISK,
        "**geopatcher**, 10 classes, zarr default codec",
        "classes-copy",
        ".zarr",
        {"codec": "zstd", "work": "probabilities"},
        group="classes",
    ),
    Method(
        "chosen-mean",
        "patcher",
        MEMORY,
        "**geopatcher**, overlap-add",
        "chosen-mean",
        group="chosen",
    ),
    Method(
        "chosen-max",
        "patcher",
        MEMORY,
        "**geopatcher**, max",
        "chosen-mean",
        options={"aggregation": "max"},
        group="chosen",
    ),
    Method(
        "chosen-median",
        "patcher",
        MEMORY,
        "**geopatcher**, median",
        "chosen-mean",
        options={"aggregation": "median"},
        group="chosen",
    ),
    Method(
        "chosen-mode",
        "patcher",
        MEMORY,
        "**geopatcher**, mode of labels",
        "chosen-mean",
        options={"work": "labels", "aggregation": "mode"},
        group="chosen",
    ),
    Method(
        "chosen-hard-vote",
        "patcher",
        MEMORY,
        "**geopatcher**, hard vote of labels",
        "chosen-mean",
        options={"work": "labels", "aggregation": f"hard-vote:{CLASSES}"},
        group="chosen",
    ),
    Method(
        "index-loop",
        "plain_copy",
        DISK,
        "strip loop of an index of 4 bands, zarr default codec",
        "index-loop",
        ".zarr",
        {"codec": "zstd", "work": "index"},
        group="index",
    ),
    Method(
        "index-zarr",
        "index_run",
        DISK,
        "**geopatcher**, the same index without overlap",
        "index-loop",
        ".zarr",
        {"work": "index"},
        group="index",
    ),
    *(
        Method(
            f"small-{where}-{what}",
            "small_rasters",
            MEMORY if where == "memory" else DISK,
            f"**geopatcher**, {told}, {kept}",
            f"small-{where}-mosaic",
            ".npy" if where == "memory" else "",
            {"which": what, "ending": ending},
            group="small",
        )
        for where, kept, ending in (
            ("memory", "arrays", ""),
            ("zarr", "zarr", ".zarr"),
            ("cog", "COG", ".tif"),
        )
        for what, told in (("mosaic", "one mosaic"), ("each", "200 rasters of 512 x 512"))
    ),
    Method(
        "merge-planned",
        "merging",
        MEMORY,
        "**geopatcher**, `merge` of 5041 patches with a plan",
        "merge-planned",
        options={"order": "planned"},
        group="merge",
    ),
    Method(
        "merge-shuffled",
        "merging",
        MEMORY,
        "**geopatcher**, `merge` of the same shuffled, without",
        "merge-planned",
        options={"order": "shuffled"},
        group="merge",
    ),
    Method(
        "series-dask",
        "dask_series",
        MEMORY,
        "dask with xarray and rioxarray, median over time",
        "series-dask",
        options={"work": "median"},
        packages=("dask", "xarray", "rioxarray"),
        group="series",
    ),
    Method(
        "series-mosaic",
        "series",
        MEMORY,
        '**geopatcher**, `Mosaic(order="median")`',
        "series-dask",
        options={"work": "median"},
        group="series",
    ),
)

BY_NAME = {method.name: method for method in METHODS}
ALL = tuple(BY_NAME)
ONE_BAND = tuple(method.name for method in METHODS if not method.group)
GROUPS = {
    group: tuple(method.name for method in METHODS if method.group == group)
    for group in dict.fromkeys(method.group for method in METHODS if method.group)
}
PAIR = ("copy-zarr", "geopatcher-zarr")

FULL = (10980, 10980)  # a Sentinel-2 tile at 10 m


def scenes(width: int = FULL[0], height: int = FULL[1]) -> tuple[Scene, ...]:
    """Return the scenes, derived from the size of the first."""
    full = (width, height) == FULL
    wide, tall = (400_000, 2048) if full else (8 * width, max(SIZE, height // 2))
    square = (4096, 4096) if full else (width, height)
    steps = 71 if full else 8
    merged = (SIZE + STEP * (steps - 1),) * 2
    return (
        Scene("s2", width, height, "one band", ONE_BAND),
        Scene("s2-nodata70", width, height, "70 % nodata", PAIR, valid=0.3),
        Scene("s2-bands4", width, height, "four bands", PAIR, bands=4),
        Scene("classes", *square, "10 classes of one band", GROUPS["classes"]),
        Scene("chosen", *square, "one value of several", GROUPS["chosen"]),
        Scene("index", width, height, "an index of four bands", GROUPS["index"], bands=4),
        Scene(
            "small",
            *((10_240, 5120) if full else (1024, 1024)),
            "many small rasters",
            GROUPS["small"],
            in_parts=True,
        ),
        Scene("merge", *merged, "patches merged", GROUPS["merge"]),
        Scene(
            "series",
            *((2048, 2048) if full else (500, 400)),
            "24 dates of four bands",
            GROUPS["series"],
            bands=4,
            dates=24,
        ),
        Scene("s2-x4", 2 * width, 2 * height, "four times as large", PAIR, most_repeats=3),
        Scene("wide", wide, tall, "very wide", PAIR, most_repeats=3),
        Scene("s2-x16", 4 * width, 4 * height, "sixteen times as large", PAIR, most_repeats=1),
    )


def pick_scenes(known: tuple[Scene, ...], names: Iterable[str]) -> tuple[Scene, ...]:
    """Return the named scenes in the catalogue's order; all of them for no names."""
    wanted = set(names)
    unknown = wanted - {scene.name for scene in known}
    if unknown:
        raise SystemExit(f"no scene {sorted(unknown)}: choose from {[scene.name for scene in known]}")
    return tuple(scene for scene in known if not wanted or scene.name in wanted)


def pick_methods(scene: Scene, names: Iterable[str]) -> tuple[Method, ...]:
    """Return the named methods that run on ``scene``, alone or as a group; all of its own for no names."""
    wanted = {method for name in names for method in GROUPS.get(name, (name,))}
    unknown = wanted - set(ALL)
    if unknown:
        raise SystemExit(f"no method {sorted(unknown)}: choose from {[*ALL, *GROUPS]}")
    return tuple(BY_NAME[name] for name in scene.methods if not wanted or name in wanted)
