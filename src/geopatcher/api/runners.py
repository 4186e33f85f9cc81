"""For people with their own loop: an operator over patches, on several threads or processes.

`geopatcher.reconstruct` with ``workers=`` needs none of this: it runs whole regions elsewhere, and
reads and writes there. Here patches are read in this process, and their results come back to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

from geopatcher.api.mapped import MappedPatches
from geopatcher.api.parallel import Backend, Journal, Work
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.prepare import name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.api.patcher import SpatialPatcher
    from geopatcher.core.protocols import Array
    from geopatcher.engine.error_policy import OnError
    from geopatcher.fields.open import Arrays, Lending, Source

D = TypeVar("D")
E = TypeVar("E")


@overload
def parallel_map(
    patcher: SpatialPatcher[object],
    field: Lending[D],
    operator: Callable[[D], E],
    *,
    n_workers: int = 8,
    backend: Backend = "thread",
    show_progress: bool = False,
    journal: Journal | None = None,
    on_error: OnError = "raise",
    batch_size: int = 64,
) -> MappedPatches[E]: ...
@overload
def parallel_map(
    patcher: SpatialPatcher[object],
    field: Arrays,
    operator: Callable[[Array], E],
    *,
    n_workers: int = 8,
    backend: Backend = "thread",
    show_progress: bool = False,
    journal: Journal | None = None,
    on_error: OnError = "raise",
    batch_size: int = 64,
) -> MappedPatches[E]: ...
def parallel_map(
    patcher: SpatialPatcher[object],
    field: Source,
    operator: Callable[..., object],
    *,
    n_workers: int = 8,
    backend: Backend = "thread",
    show_progress: bool = False,
    journal: Journal | None = None,
    on_error: OnError = "raise",
    batch_size: int = 64,
) -> MappedPatches[object]:
    """Return the patches of a field with an operator's results as data, in order, made as they are asked for.

    At most ``n_workers + 2`` batches of ``batch_size`` patches are in memory, however slow the loop
    that takes them. What is returned carries its plan, so that `SpatialPatcher.merge` stitches it without
    holding the raster. It keeps no results: it can be iterated again, which computes them again.

    Parameters
    ----------
    patcher
        Cuts the field; its retries count here, too, and what fails is noted in its ``errors``.
    field
        A field, or what becomes one.
    operator
        Takes the data of one patch, ``(bands, h, w)`` or ``(h, w)``, and returns its result. Threads
        call it at the same time. To processes it travels by cloudpickle, or by its name: see
        `geopatcher.executors.NamedOperator`.
    n_workers
        Threads or processes.
    backend
        ``"thread"`` for operators that let go of the interpreter (NumPy, GDAL, most model runtimes),
        ``"process"`` for those written in Python. For a Dask cluster see `SpatialPatcher.to_delayed`.
    show_progress
        Whether to draw a bar on stderr.
    journal
        Patches it has are left out. A patch is committed when the loop asks for the next one.
    on_error
        What becomes of a patch whose operator raised: ``"raise"``, ``"skip"``, ``"mask"`` or ``"retry"``;
        see `geopatcher.ErrorPolicy`.
    batch_size
        Patches handed to a worker at once.

    Returns
    -------
    MappedPatches
        A lazy sequence of patches whose ``data`` is what the operator returned, with a ``plan``.

    Raises
    ------
    ValueError
        A number is less than 1, or the backend is unknown.
    OperatorError
        While iterating: the operator raised; names it and the patch.
    TransportError
        While iterating: the operator cannot travel to a process.
    WorkerLostError
        While iterating: a process was killed, again and again.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
    ...     SpatialHann, SpatialOverlapAdd)
    >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
    ...     SpatialOverlapAdd())
    >>> image = np.arange(600.0).reshape(20, 30)
    >>> doubled = parallel_map(patcher, image, lambda x: 2 * x, n_workers=2)
    >>> bool(np.allclose(patcher.merge(doubled, image), 2 * image))
    True

    """
    for name, value in (("n_workers", n_workers), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, not {value}")
    if backend not in ("thread", "process"):
        raise ValueError(
            f'backend={backend!r} is neither "thread" nor "process"; for Dask see SpatialPatcher.to_delayed'
        )
    policy = ErrorPolicy(on_error, patcher.max_retries, patcher.retry_on, patcher.capture_traceback)
    return MappedPatches(
        patcher,
        patcher.opened(field),
        Work(operator, name_of(operator), policy),
        backend=backend,
        n_workers=n_workers,
        batch_size=batch_size,
        show_progress=show_progress,
        journal=journal,
    )
