"""The keywords of `reconstruct` and `plan` that a patcher passes on: all but those it stands for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import DTypeLike

    from geopatcher.api.area import Region
    from geopatcher.api.axes import Scale, Size
    from geopatcher.api.models import Runnable
    from geopatcher.core.leading import OutputDims
    from geopatcher.core.protocols import Resume
    from geopatcher.core.scaling import ScaleTo
    from geopatcher.core.styles import Style
    from geopatcher.engine.batching import BatchSize
    from geopatcher.engine.error_policy import OnError
    from geopatcher.engine.hooks import AnyHook
    from geopatcher.engine.output import Nodata
    from geopatcher.engine.progress import Advance
    from geopatcher.fields.grids import CrsLike
    from geopatcher.formats.signing import Sign
    from geopatcher.runs.executor import Executor
    from geopatcher.targets.storage import CogStorage, ZarrStorage


class SourceOptions(TypedDict, total=False):
    """How a source is read; see `geopatcher.reconstruct` for what each says."""

    dst_crs: CrsLike | None
    resolution: float | tuple[float, float] | None
    resampling: str | Mapping[str, str] | None
    native: str | Iterable[str]
    bands: Sequence[int | str] | None
    variable: str | None
    scale_offset: bool
    credentials: str | None
    sign: Sign | str | None


class SharedOptions(SourceOptions, total=False):
    """What decides a plan beside the patches; see `geopatcher.reconstruct` for what each says."""

    margin: Size | None
    output_scale: Scale | None
    batch_size: BatchSize
    executor: Executor | None
    workers: int | None
    memory_limit: int | str
    dtype: DTypeLike | None
    scale_to: ScaleTo | None
    nodata: Nodata
    chunks: Size
    storage: ZarrStorage | CogStorage | None
    region: Region | None
    region_crs: object
    crop: bool
    all_touched: bool
    outputs: str | Iterable[str] | None
    layers: Iterable[str]
    allow_gaps: bool


class PlanOptions(SharedOptions, total=False):
    """What `geopatcher.plan` takes beside the patches."""

    operator: Runnable | None
    target: str | os.PathLike[str] | None
    out_bands: int | None


class RunOptions(SharedOptions, total=False):
    """What `geopatcher.reconstruct` takes beside the patches."""

    tta: str | None
    device: str | None
    precision: str | None
    output_dims: OutputDims | None
    style: Style | None
    on_error: OnError
    max_retries: int
    retry_on: tuple[type[Exception], ...]
    timeout: float | None
    hooks: Iterable[AnyHook] | AnyHook | None
    log_json: str | os.PathLike[str] | None
    progress: bool | Advance | None
    resume: Resume
    overwrite: bool
    skip_empty: bool | None


def check_known(given: Iterable[str], known: Iterable[str], call: str) -> None:
    """Refuse keywords that a call does not take, those of its patches included: a patcher has its own.

    Raises
    ------
    TypeError
        Names the keyword, and those there are.

    Examples
    --------
    >>> check_known(["size"], ["chunks", "dtype"], "SpatialPatcher.plan")
    Traceback (most recent call last):
        ...
    TypeError: SpatialPatcher.plan() got an unexpected keyword argument 'size': it takes chunks, dtype

    """
    unknown = sorted({*given} - {*known})
    if unknown:
        raise TypeError(
            f"{call}() got an unexpected keyword argument {unknown[0]!r}: it takes {', '.join(sorted(known))}"
        )
