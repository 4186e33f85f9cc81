"""Options that commands share, in groups; a command's keywords are those of the public verbs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, TypedDict, TypeVar

import click

import geopatcher
from geopatcher.accumulators.layers import LAYERS
from geopatcher.cli.numbers import to_float
from geopatcher.cli.words import PLACE, OneOf, begun_by, checked
from geopatcher.core.axis import BOUNDARIES
from geopatcher.engine.error_policy import ON_ERROR
from geopatcher.patching.windows import WINDOWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.api.area import Region
    from geopatcher.core.protocols import Resume
    from geopatcher.core.scaling import ScaleTo
    from geopatcher.core.styles import Style
    from geopatcher.engine.batching import BatchSize
    from geopatcher.engine.error_policy import OnError
    from geopatcher.engine.output import Nodata
    from geopatcher.targets.storage import CogStorage, ZarrStorage

F = TypeVar("F", bound=Callable[..., object])

#: As `geopatcher.aggregations.names` has them, for the shell to complete.
AGGREGATIONS = (
    *("overlap-add", "sum", "mean", "max", "min", "variance", "weighted-sum", "inv-var-weighted-mean"),
    *("median", "mode", "hard-vote:", "soft-vote:", "instances"),
)
#: What zarr and GeoTIFF both hold.
DTYPES = (
    *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float32", "float64"),
)


#: Compression of a .zarr where none is asked for.
USUAL_CODEC = "zstd"
#: As `geopatcher.targets.multiscales` has them, which takes longer to import than help may take to appear.
OVERVIEWS = ("average", "mode", "nearest")


def read_size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | tuple[int, int] | None:
    """Read a number of pixels such as ``256``, or a size such as ``256x512`` (height, width)."""
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]+)(?:x([0-9]+))?", value.strip().lower())
    if match is None:
        raise click.BadParameter(
            f"{value!r} is neither pixels such as 256 nor a size such as 256x512", ctx, param
        )
    rows, cols = int(match[1]), int(match[2] or match[1])
    return rows if rows == cols else (rows, cols)


def read_bands(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int | str, ...] | None:
    """Read bands counted from 1, such as ``4,3,2``, or by name, such as ``red,nir``."""
    if value is None:
        return None
    bands = [band.strip() for band in value.split(",")]
    if not all(re.fullmatch(r"[1-9][0-9]*|[^\s0-9+-].*", band) for band in bands):
        raise click.BadParameter(
            f"{value!r} are not bands: give numbers from 1, such as 4,3,2, or names", ctx, param
        )
    return tuple(int(band) if band.isdecimal() else band for band in bands)


def read_names(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    """Read names such as ``weight,spread``."""
    _ = ctx, param
    return tuple(name.strip() for name in value.split(",") if name.strip())


def read_layers(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    """Read names of layers such as ``weight,spread``."""
    known = OneOf(LAYERS)
    return tuple(known.convert(name, param, ctx) for name in read_names(ctx, param, value))


def read_number(ctx: click.Context, param: click.Parameter, value: str | None) -> int | float | None:
    """Read ``-9999``, ``0.5`` or ``nan``; whole numbers stay integers."""
    if value is None:
        return None
    try:
        return int(value) if re.fullmatch(r"\s*[+-]?[0-9]+\s*", value) else to_float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number that a float holds", ctx, param) from None


def read_nodata(ctx: click.Context, param: click.Parameter, value: str | None) -> Nodata:
    """Read a number, or ``inherit``."""
    return "inherit" if value == "inherit" else read_number(ctx, param, value)


def read_batch_size(ctx: click.Context, param: click.Parameter, value: str) -> BatchSize:
    """Read how many patches, or ``auto``."""
    if value.strip().lower() == "auto":
        return "auto"
    if not re.fullmatch(r"0*[1-9][0-9]*", value.strip()):
        raise click.BadParameter(f"{value!r} is neither auto nor a number of patches, from 1", ctx, param)
    return int(value)


class PatchKeywords(TypedDict):
    """What decides the plan; shared by ``run`` and ``plan``."""

    size: int | tuple[int, int]
    step: int | tuple[int, int] | None
    margin: int | None
    output_scale: str | None
    window: str
    aggregation: str
    boundary: str
    batch_size: BatchSize
    memory_limit: str
    dtype: str | None
    scale_to: ScaleTo | None
    chunks: int | tuple[int, int]
    region: Region | None
    region_crs: str | None
    crop: bool
    all_touched: bool
    allow_gaps: bool


class ResultKeywords(TypedDict):
    """How a result is written; for ``run``."""

    overwrite: bool
    resume: Resume
    outputs: tuple[str, ...] | None
    output_dims: tuple[str, ...] | None
    layers: tuple[str, ...]
    on_error: OnError
    max_retries: int
    timeout: float | None
    log_json: str | None
    style: Style | None


class RunKeywords(PatchKeywords, ResultKeywords):
    """What ``run`` passes on to `geopatcher.reconstruct`."""


SELECTION = (
    click.option("--bands", callback=read_bands, metavar="B,B", help="Bands to read, by number or name."),
    click.option("--expr", metavar="TEXT", help='Arithmetic, such as "(b4-b3)/(b4+b3)"; b1 is band 1.'),
)

PATCHES = (
    click.option(
        "--size",
        callback=read_size,
        metavar="PIXELS",
        default="256",
        show_default=True,
        help="Patch, in pixels.",
    ),
    click.option(
        "--step",
        callback=read_size,
        metavar="PIXELS",
        help="From patch to patch.  [default: half of the size]",
    ),
    click.option(
        "--margin",
        type=click.IntRange(min=0),
        metavar="PIXELS",
        help="Read around each patch, for the operator to see.  [default: the operator's, else 0]",
    ),
    click.option(
        "--output-scale",
        callback=checked("geopatcher.planning.reading:scale_from"),
        metavar="NUMBER",
        help="How much finer the result is, such as 2 or 1/4.  [default: the operator's, else 1]",
    ),
    click.option("--window", type=OneOf(sorted(WINDOWS)), default="hann", show_default=True, help="Taper."),
    click.option(
        "--aggregation",
        shell_complete=begun_by(AGGREGATIONS),
        callback=checked("geopatcher.aggregations.names:aggregation_from_name"),
        metavar="NAME",
        default="overlap-add",
        show_default=True,
        help="How overlapping results become one.",
    ),
    click.option(
        "--boundary",
        type=OneOf(BOUNDARIES),
        default="cover",
        show_default=True,
        help="What becomes of the last patch of a row or column.",
    ),
    click.option("--allow-gaps", is_flag=True, help="Leave nodata where no patch reaches."),
    click.option(
        "--batch-size",
        callback=read_batch_size,
        metavar="N",
        default="1",
        show_default=True,
        help="Patches the operator gets at once, (n, bands, h, w), or auto.",
    ),
    click.option(
        "--memory-limit",
        callback=checked("geopatcher.planning.memory:parse_bytes"),
        metavar="SIZE",
        default="1GiB",
        show_default=True,
        help="Memory to stay within, such as 512MiB.",
    ),
    click.option("--dtype", type=OneOf(DTYPES), help="Of the result.  [default: the operator's]"),
    click.option(
        "--chunks",
        callback=read_size,
        metavar="PIXELS",
        default="512",
        show_default=True,
        help="Blocks of the result, in pixels.",
    ),
)

STORAGE = (
    click.option(
        "--codec",
        callback=checked("geopatcher.targets.codecs:check_codec"),
        metavar="NAME",
        default=USUAL_CODEC,
        show_default=True,
        help="Compression of a .zarr.",
    ),
    click.option("--checksum", is_flag=True, help="Of a .zarr: a checksum in each chunk."),
    click.option("--shards", callback=read_size, metavar="PIXELS", help="Of a .zarr: chunks in one file."),
    click.option("--multiscales", is_flag=True, help="Add overviews to a .zarr; a .tif has them always."),
    click.option(
        "--overview",
        type=OneOf(OVERVIEWS),
        help="How four cells become one in them.  [default: mode for labels, else average]",
    ),
)

RESULT = (
    click.option(
        "--nodata",
        callback=read_nodata,
        metavar="NUMBER|inherit",
        help="What cells without data hold; inherit: what they do in the source.",
    ),
    *STORAGE,
    click.option("--overwrite", is_flag=True, help="Replace a target that exists."),
    click.option(
        "--resume/--no-resume",
        default=True,
        show_default=True,
        help="Go on where an earlier run of the same stopped.",
    ),
    click.option(
        "--outputs",
        callback=lambda _, __, value: tuple(read_names(_, __, value)) or None,
        default="",
        metavar="NAME,NAME",
        help="Of classes: class, probability, confidence, entropy, gap; raw, spread, parts of a model.",
    ),
    click.option(
        "--output-dims",
        callback=lambda _, __, value: tuple(read_names(_, __, value)) or None,
        default="",
        metavar="NAME,NAME",
        help="Leading dimensions of what the operator returns, such as time,class.",
    ),
    click.option(
        "--layers",
        shell_complete=begun_by(LAYERS),
        callback=read_layers,
        default="",
        metavar="NAME,NAME",
        help="Written beside the result: weight, count, spread.",
    ),
    click.option(
        "--on-error",
        type=OneOf(ON_ERROR),
        default="raise",
        show_default=True,
        help="What becomes of a patch whose read or operator fails.",
    ),
    click.option(
        "--max-retries",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Further tries after an error of reading or of the network.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Longest time of one call of the operator.  [default: no limit]",
    ),
    click.option("--log-json", type=PLACE, metavar="FILE", help="Write a line of JSON for each strip."),
)


FUNCTION = "A function from (bands, h, w) to (bands, h, w), or FILE.py:FUNCTION."


def storage_of(
    target: str,
    *,
    codec: str,
    checksum: bool,
    shards: int | tuple[int, int] | None,
    multiscales: bool,
    overview: str | None,
) -> ZarrStorage | CogStorage:
    """Return what the flags of `STORAGE` come to for a target.

    Raises
    ------
    click.UsageError
        The target is of another kind, or a flag is of no use to a GeoTIFF.

    """
    # Of an address; in the name of a file a question mark is a letter.
    name = target.partition("?")[0] if "://" in target else target
    ending = PurePath(name).suffix.lower()
    if ending == ".zarr":
        return geopatcher.ZarrStorage(codec, shards, multiscales, overview, checksum)
    if ending not in (".tif", ".tiff"):
        raise click.UsageError(f"TARGET {target!r} must end in .zarr or .tif")
    for flag, given in (
        ("--codec", codec != USUAL_CODEC),
        ("--shards", shards is not None),
        ("--checksum", checksum),
    ):
        if given:
            raise click.UsageError(f"{flag} is for a .zarr target, not {target}: leave it out")
    return geopatcher.CogStorage(overview=overview)


def options(*groups: Sequence[Callable[[F], F]]) -> Callable[[F], F]:
    """Return a decorator that adds groups of options, in their order.

    >>> @click.command()
    ... @options(RESULT)
    ... def command(**keywords): ...
    >>> [option.name for option in command.params][:7]
    ['nodata', 'codec', 'checksum', 'shards', 'multiscales', 'overview', 'overwrite']
    """

    def decorate(function: F) -> F:
        for group in reversed(groups):
            for option in reversed(group):
                function = option(function)
        return function

    return decorate
