"""Models that take several arrays: each of the raster of the same name, with bands and scaling of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.errors import OperatorError
from geopatcher.operators.models.checking import check_size, expected_outputs
from geopatcher.operators.models.inputs import Inputs, positions_of
from geopatcher.operators.models.outputs import bands_first
from geopatcher.operators.models.protocol import RunsSeveral
from geopatcher.operators.models.record import CHANNELS_FIRST, CHANNELS_LAST
from geopatcher.operators.models.running import by_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from geopatcher.core.packing import Member
    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.giving import Giving
    from geopatcher.operators.models.inputs import Missing
    from geopatcher.operators.models.protocol import Described, Runtime
    from geopatcher.operators.models.record import ModelInput, ModelRecord
    from geopatcher.operators.models.scaling import Batch

    #: Bands (from 0) that each input is given of its raster, ``None`` for all.
    Places: TypeAlias = Mapping[str, tuple[int, ...] | None]


def require_one(inputs: Sequence[ModelInput]) -> None:
    """Refuse a model of several inputs for one raster.

    Raises
    ------
    ValueError
        Names them.

    """
    if inputs:
        names = ", ".join(one.name for one in inputs)
        raise ValueError(f"the model takes several rasters, {names}: give them by name, in a dict")


def places_among(
    record: ModelRecord, known: Described, members: Sequence[Member], size: tuple[int, int], whose: str
) -> dict[str, tuple[int, ...] | None]:
    """Return which bands of each raster a model is given, for patches of ``size`` pixels of the first.

    Raises
    ------
    ValueError
        Names, bands, sizes or classes do not match; names those of the model and those there are.

    """
    try:
        places = _places(record.inputs, members, size)
        check_size(size, record, per_pixel=False)
        expected_outputs(record, known)
    except ValueError as error:
        raise ValueError(f"{whose}: {error}") from error
    return places


def _places(
    inputs: Sequence[ModelInput], members: Sequence[Member], size: tuple[int, int]
) -> dict[str, tuple[int, ...] | None]:
    names, given = [one.name for one in inputs], {member.name: member for member in members}
    if not inputs:
        raise ValueError(
            f"the model takes one raster, and is given {', '.join(given)}: give it by itself, or stack their "
            f"bands with BandStack; of a model that takes several say which by inputs="
        )
    if {*names} != {*given}:
        raise ValueError(
            f"the model takes the inputs {', '.join(names)}, and the rasters are {', '.join(given)}: give "
            f"one of each name, and no other"
        )
    places = {}
    for one in inputs:
        member = given[one.name]
        try:
            wanted = len(one.bands) if one.bands is not None else one.n_bands
            places[one.name] = positions_of(one.bands, wanted, member.bands, member.band_names)
        except ValueError as error:
            raise ValueError(f"input {one.name}: {error}") from error
        shape = member.shape(size)[1:]
        if one.size not in (None, shape):
            raise ValueError(
                f"input {one.name} takes {one.size[0]}x{one.size[1]} pixels only, and a patch has "
                f"{shape[0]}x{shape[1]} of it with its margin: choose another size (--size)"
            )
    return places


@dataclass(frozen=True)
class Feed:
    """Patches of several rasters as a model is given them, and where pixels of any are missing.

    ``size`` is that of a patch in pixels of the first; ``alone`` says that it was one, without an axis for
    several.
    """

    batches: Mapping[str, Batch]
    missing: Missing
    size: tuple[int, int]
    alone: bool

    @property
    def n(self) -> int:
        """How many patches."""
        return len(next(iter(self.batches.values())))


def fed(patch: Mapping[str, Array], record: ModelRecord, places: Places | None) -> Feed:
    """Return what a model is given of patches ``(bands, h, w)`` or ``(n, bands, h, w)`` of several rasters.

    Pixels are missing on the grid of the first raster, ``(n, h, w)``, where one of any lies over them.

    Raises
    ------
    ValueError
        Names or bands do not match.

    """
    names = [one.name for one in record.inputs]
    if {*names} != {*patch}:
        raise ValueError(
            f"the model takes {', '.join(names) or 'one array'}, and is given {', '.join(patch)}"
        )
    first = next(iter(patch.values()))
    size = (first.shape[-2], first.shape[-1])
    check_size(size, record, per_pixel=False)
    batches: dict[str, Batch] = {}
    missing: Missing = None
    for one in record.inputs:
        pixels = np.asanyarray(patch[one.name])
        stack = pixels if pixels.ndim == 4 else pixels[np.newaxis]
        n_bands = len(one.bands) if one.bands is not None else one.n_bands
        own = positions_of(one.bands, n_bands, stack.shape[1], ()) if places is None else places[one.name]
        batches[one.name], gaps = Inputs(own, one.steps, record.nodata)(stack)
        if gaps is not None:
            over = _over(gaps, size)
            missing = over if missing is None else missing | over
    return Feed(batches, missing, size, alone=first.ndim != 4)


def _over(gaps: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixels of a patch of ``size`` gaps on finer or coarser ones lie over.

    >>> _over(np.array([[[True, False, False, False]] * 2]), (1, 2))
    array([[[ True, False]]])
    >>> _over(np.array([[[True, False]]]), (2, 4)).sum()
    np.int64(4)
    """
    n, height, width = gaps.shape
    rows, cols = size
    if height < rows or width < cols:
        spread: NDArray[np.bool_] = gaps.repeat(rows // height, axis=1).repeat(cols // width, axis=2)
        return spread
    if (height, width) == (rows, cols):
        return gaps
    blocks = gaps.reshape(n, rows, height // rows, cols, width // cols)
    any_of: NDArray[np.bool_] = np.logical_or.reduce(blocks, axis=(2, 4))
    return any_of


def run_several(runtime: Runtime, feed: Feed, record: ModelRecord, name: str, giving: Giving) -> list[Array]:
    """Return the parts of what a model makes of patches of several rasters that are ``giving`` its results.

    Each is ``(n, bands, h, w)``, in the order of the results. A model of a fixed batch is given the last
    patch again, to fill up.

    Raises
    ------
    OperatorError
        The library that runs the model gives it one array only, or a part is no such array.

    """
    if not isinstance(runtime, RunsSeveral):
        raise OperatorError(
            f"{name} is run by {runtime.described.runtime}, which gives it one array: stack them"
        )
    at_once, n = record.batch or feed.n, feed.n
    runs = []
    for start in range(0, n, at_once):
        taken = np.minimum(np.arange(start, start + at_once), n - 1)
        given = {one.name: _ordered(feed.batches[one.name][taken], one) for one in record.inputs}
        made = by_name(runtime.run_several(given))
        runs.append({part: values[: n - start] for part, values in made.items()})
    parts = {part: np.concatenate([run[part] for run in runs]) for part in runs[0]}
    order = record.result_order or order_of(record.inputs)
    return [bands_first(parts[part], n, order, name) for part in giving.sources(tuple(parts), name)]


def order_of(inputs: Sequence[ModelInput]) -> tuple[str, ...]:
    """Return what the axes of a result most likely are: bands last where they are in all inputs."""
    return CHANNELS_LAST if all(one.dim_order == CHANNELS_LAST for one in inputs) else CHANNELS_FIRST


def _ordered(batch: Batch, one: ModelInput) -> Batch:
    return np.ascontiguousarray(batch.transpose(0, 2, 3, 1)) if one.dim_order == CHANNELS_LAST else batch
