"""The patches of a patcher as Dask tasks, as functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dask.bag import Bag
    from dask.delayed import Delayed

    from geopatcher.api.patcher import SpatialPatcher
    from geopatcher.core.protocols import Array
    from geopatcher.fields.open import Source


def to_delayed(
    patcher: SpatialPatcher[object],
    field: Source,
    operator: Callable[[Array], Array] | None = None,
    *,
    batch_size: int | None = None,
) -> list[Delayed]:
    """Return Dask tasks that give the patches of a field, as `SpatialPatcher.to_delayed` does.

    Parameters
    ----------
    patcher
        Cuts the field.
    field
        The field.
    operator
        Takes the data of one patch, ``(bands, h, w)`` or ``(h, w)``, and returns its result.
    batch_size
        Most patches of a task, which then gives a list of them; by default it gives a patch.

    Returns
    -------
    list of dask.delayed.Delayed
        Each a `geopatcher.Patch`, or a list of them, in the order of `split`.

    Raises
    ------
    MissingExtraError
        Dask is not installed.

    """
    return patcher.to_delayed(field, operator, batch_size=batch_size)


def to_dask_bag(patcher: SpatialPatcher[object], field: Source) -> Bag:
    """Return the patches of a field as a Dask bag, as `SpatialPatcher.to_dask_bag` does.

    Parameters
    ----------
    patcher
        Cuts the field.
    field
        The field.

    Returns
    -------
    dask.bag.Bag
        Of `geopatcher.Patch`.

    Raises
    ------
    MissingExtraError
        Dask is not installed.

    """
    return patcher.to_dask_bag(field)
