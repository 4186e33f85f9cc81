"""The verbs of this package at an `xarray.DataArray`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from geopatcher.api.axes import Axes
from geopatcher.api.options import PlanOptions, RunOptions
from geopatcher.api.patcher import SpatialPatcher
from geopatcher.api.plan import plan
from geopatcher.api.reconstruct import reconstruct

if TYPE_CHECKING:
    import os

    import xarray

    from geopatcher.accumulators.base import AnyCellAggregation
    from geopatcher.api.axes import PatcherLike, Size
    from geopatcher.api.models import Runnable
    from geopatcher.api.result import Reconstruction
    from geopatcher.api.split import PatchStream
    from geopatcher.core.protocols import Window
    from geopatcher.planning.plan import Plan


class Patches(PlanOptions, total=False):
    """Keywords of `geopatcher.plan`, those of its patches among them."""

    patcher: PatcherLike | None
    size: Size
    step: Size | None
    window: str | Window
    aggregation: str | AnyCellAggregation
    boundary: str


class Runs(RunOptions, total=False):
    """Keywords of `geopatcher.reconstruct`, those of its patches among them."""

    patcher: PatcherLike | None
    size: Size
    step: Size | None
    window: str | Window
    aggregation: str | AnyCellAggregation
    boundary: str


class DataArrayAccessor:
    """``array.geopatcher``: run an operator over a DataArray, plan that, or cut it into patches.

    ``import geopatcher.xarray`` makes it known to xarray.

    Parameters
    ----------
    array
        With dimensions ``(..., y, x)``, lazy or not.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import geopatcher.xarray
    >>> array = xarray.DataArray(np.ones((300, 400), "float32"), dims=("y", "x"))
    >>> array.geopatcher.reconstruct(lambda patch: patch + 1, size=128).to_xarray().shape
    (300, 400)

    """

    def __init__(self, array: xarray.DataArray) -> None:
        self._array = array

    def reconstruct(
        self, operator: Runnable, to: str | os.PathLike[str] | None = None, **how: Unpack[Runs]
    ) -> Reconstruction:
        """Run an operator over the array in overlapping patches, as `geopatcher.reconstruct` does.

        Parameters
        ----------
        operator
            A function of patches ``(..., h, w)``, or a model.
        to
            A zarr store or a GeoTIFF to write; in memory by default.
        **how
            Keywords of `geopatcher.reconstruct`.

        Returns
        -------
        Reconstruction
            ``.to_xarray()`` gives a DataArray with the coordinates of this one.

        Raises
        ------
        SourceError
            The array is not on a regular grid, or cannot be read.

        """
        return reconstruct(self._array, operator, to, **how)

    def plan(self, **how: Unpack[Patches]) -> Plan:
        """Say what that would do and cost, as `geopatcher.plan` does; nothing is computed.

        Parameters
        ----------
        **how
            Keywords of `geopatcher.plan`.

        Returns
        -------
        Plan
            Which patches there are, and what a run would take.

        """
        return plan(self._array, **how)

    def split(
        self,
        *,
        size: Size = 256,
        step: Size | None = None,
        window: str | Window = "hann",
        boundary: str = "cover",
    ) -> PatchStream[object]:
        """Cut the array into patches, lazily.

        Parameters
        ----------
        size, step
            Of patches in pixels, ``(rows, columns)`` or one number; ``step`` is half of ``size`` by default.
        window, boundary
            As of `geopatcher.reconstruct`.

        Returns
        -------
        PatchStream
            An iterator over `Patch`, each with a DataArray of its place as ``data``.

        """
        axes = Axes.of(size, step, window, "overlap-add", boundary)
        patcher = SpatialPatcher(axes.geometry, axes.sampler, axes.window, axes.aggregation)
        return patcher.split(self._array)
