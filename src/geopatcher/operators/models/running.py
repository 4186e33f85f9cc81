"""A batch of patches through a model: in its order of axes, and as many at once as it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.operators.models.outputs import bands_first
from geopatcher.operators.models.record import CHANNELS_LAST

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.giving import Giving
    from geopatcher.operators.models.protocol import Runtime
    from geopatcher.operators.models.record import ModelRecord
    from geopatcher.operators.models.scaling import Batch


def run_parts(runtime: Runtime, batch: Batch, record: ModelRecord, name: str, giving: Giving) -> list[Array]:
    """Return the parts of what a model makes of ``(n, bands, h, w)`` that are ``giving`` its results.

    Each is ``(n, bands, h, w)``, in the order of the results.

    Raises
    ------
    ValueError
        There is no such part; names those there are.
    OperatorError
        One is no such array; says what it is.

    """
    n, n_bands, height, width = batch.shape
    per_pixel = runtime.described.per_pixel
    if per_pixel:
        made = _in_batches(runtime, _last(batch).reshape(-1, n_bands), runtime.described.batch)
        made = {part: values.reshape(n, height, width, -1) for part, values in made.items()}
        order: tuple[str, ...] | None = CHANNELS_LAST
    else:
        made = run_whole(runtime, batch, record)
        order = record.result_order or record.dim_order
    return [bands_first(made[part], n, order, name) for part in giving.sources(tuple(made), name)]


def run_whole(runtime: Runtime, batch: Batch, record: ModelRecord) -> dict[str, Array]:
    """Return all that a model makes of ``(n, bands, h, w)``, by name and as it is, of whole patches."""
    given = _last(batch) if record.dim_order == CHANNELS_LAST else batch
    return _in_batches(runtime, given, record.batch)


def _last(batch: Batch) -> Batch:
    """Return a batch with its bands last."""
    return np.ascontiguousarray(batch.transpose(0, 2, 3, 1))


def _in_batches(runtime: Runtime, batch: Batch, at_once: int | None) -> dict[str, Array]:
    """Run a batch of any length; a model of a fixed one is given the last patch again, to fill up."""
    if at_once is None or at_once == len(batch):
        return by_name(runtime.run(batch))
    runs = []
    for start in range(0, len(batch), at_once):
        some = batch[start : start + at_once]
        filled = np.concatenate([some, *[some[-1:]] * (at_once - len(some))])
        runs.append({part: made[: len(some)] for part, made in by_name(runtime.run(filled)).items()})
    return {part: np.concatenate([run[part] for run in runs]) for part in runs[0]}


def by_name(made: Array | Mapping[str, Array]) -> dict[str, Array]:
    """Return what a model returned as parts by their names."""
    parts = made if isinstance(made, Mapping) else {"0": made}
    return {part: np.asarray(values) for part, values in parts.items()}
