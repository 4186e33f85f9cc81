"""What an aggregation is, and the pieces it is fed with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

import numpy as np

from geopatcher.core.config import Configured
from geopatcher.core.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from geopatcher.accumulators.finished import Beside, Finished
    from geopatcher.accumulators.labels import Misfit
    from geopatcher.accumulators.pieces import Piece, Tile
    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import Array, HasShape

S = TypeVar("S")


class SpatialAggregation(Configured, ABC):
    """Base of all aggregations: from patches to one result, by `merge`, which a subclass defines.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Brightest(geopatcher.SpatialAggregation):
    ...     def merge(self, patches, domain):
    ...         return max(patches, key=lambda patch: patch.data.mean()).anchor
    >>> patcher = geopatcher.SpatialPatcher(geopatcher.SpatialRectangular(10),
    ...     geopatcher.SpatialRegularStride(10), geopatcher.SpatialBoxcar(), Brightest())
    >>> image = np.zeros((40, 40))
    >>> image[25, 12] = 1
    >>> patcher.merge(patcher.split(image), image)
    (20, 10)

    """

    #: Whether merging needs a bounded amount of memory per cell, whatever the number of patches.
    streaming_safe: ClassVar[bool] = True
    #: What to use instead when it does not.
    substitute: ClassVar[str] = ""
    #: Whether it asks pieces for their shares.
    takes_shares: ClassVar[bool] = False
    #: Kinds of dtype that patches may have: booleans and real numbers.
    kinds: ClassVar[str] = "biuf"

    @abstractmethod
    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> object:
        """Bring patches, any iterable of them in any order, together into a result over ``domain``.

        Parameters
        ----------
        patches
            Any iterable of `geopatcher.Patch`.
        domain
            Anything with a ``shape`` that ends in height and width.

        Returns
        -------
        object
            An array, a dict, a number: what the aggregation makes.

        """

    @property
    def beside(self) -> Mapping[str, Beside]:
        """Further arrays that follow from the same state, by name."""
        return {}

    def out_bands(self, n_bands: int) -> int:
        """Bands of the result for patches of ``n_bands``.

        Parameters
        ----------
        n_bands
            Bands of the patches.

        Returns
        -------
        int
            As many, where the class says nothing else.

        """
        return n_bands

    def check_dtype(self, dtype: np.dtype) -> None:
        """Refuse a dtype of the result that is known beforehand to be too small, by a `ValueError`.

        Parameters
        ----------
        dtype
            What the caller asked the result to be.

        """
        _ = dtype

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Bytes of state per cell, all bands, for the memory plan.

        ``dtype`` is the floating dtype sums are kept in, ``depth`` the most patches over one cell.

        Parameters
        ----------
        n_bands
            Bands of the patches.
        dtype
            The floating dtype sums are kept in.
        depth
            The most patches over one cell.

        Returns
        -------
        int
            Bytes.

        """
        _ = n_bands, dtype, depth
        return 0

    def wide_bytes(self, n_bands: int) -> int:
        """Bytes of state per cell that 64-bit integers take on top.

        Parameters
        ----------
        n_bands
            Bands of the patches.

        Returns
        -------
        int
            Bytes.

        """
        _ = n_bands
        return 0

    def gap_bytes(self, n_bands: int, depth: int) -> float:
        """Bytes of state per cell that a tile takes on top once it has cells without data.

        Those of every tile, if ``depth`` is beyond `DEEPEST` or not known: shares are not kept then.

        Parameters
        ----------
        n_bands
            Bands of the patches.
        depth
            The most patches over one cell.

        Returns
        -------
        float
            Bytes.

        """
        _ = n_bands, depth
        return 0


class CellAggregation(SpatialAggregation, Generic[S]):
    """An aggregation with one value per cell and band of the output grid."""

    #: Whether the result is ``(h, w)`` whatever the bands of the patches.
    flat: ClassVar[bool] = False
    #: Whether the result is of the kind the patches are: a mean or one of them, no sum, variance or class.
    keeps_quantity: ClassVar[bool] = False
    #: Whether the result is names of things, of which averages mean nothing.
    gives_labels: ClassVar[bool] = False
    #: Whether updating sees to what is infinite or overflows; NumPy is told not to warn of it otherwise.
    watches_overflow: ClassVar[bool] = False

    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> object:
        """Refuse: states are made of patches elsewhere; `geopatcher.aggregations` has what merges by itself.

        Raises
        ------
        NotImplementedError
            Always.

        """
        _ = patches, domain
        raise NotImplementedError(f"{type(self).__name__} has no merge of its own")

    @abstractmethod
    def zero(self, tile: Tile) -> S:
        """Return the state of a tile no patch has touched.

        Parameters
        ----------
        tile
            Shape, dtype and what the tiles of one run share.

        Returns
        -------
        object
            The state.

        """

    @abstractmethod
    def update(self, state: S, piece: Piece) -> S:
        """Add one piece, in place where possible, and return the state.

        Parameters
        ----------
        state
            What `zero` or this method returned; it may be written into.
        piece
            Part of a patch that falls into the tile.

        Returns
        -------
        object
            The state.

        """

    @abstractmethod
    def merge_states(self, first: S, second: S) -> S:
        """Return the state of both: what updating with the pieces of both, in turn, would give.

        Parameters
        ----------
        first, second
            States of the same tile; ``first`` may be used up.

        Returns
        -------
        object
            The state of both.

        """

    @abstractmethod
    def finalise(self, state: S) -> Finished:
        """Return the values of a tile. The state is used up.

        Parameters
        ----------
        state
            The state of a tile.

        Returns
        -------
        Finished
            Values ``(bands, h, w)``, and which cells have one.

        """

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands, where they are not the source's."""
        return ()

    @property
    def metadata(self) -> Metadata:
        """What is said of the result's cells, beyond what the source says."""
        return Metadata()

    def finalise_all(self, state: S) -> tuple[Finished, Mapping[str, Finished]]:
        """Return the values of a tile, and those of the arrays `beside`. The state is used up.

        Parameters
        ----------
        state
            The state of a tile.

        Returns
        -------
        tuple
            The values of the result, and the others by name.

        """
        return self.finalise(state), {}

    def misfit(self, finished: Finished, dtype: np.dtype) -> Misfit | None:
        """Return a value of a tile that must not be saturated, but would be in ``dtype``.

        Of averages and sums any may be. What is chosen among the patches' values may not: it could be a
        label, and the limit of ``dtype`` another one.

        Parameters
        ----------
        finished
            Values of a tile.
        dtype
            Of the result.

        Returns
        -------
        Misfit or None
            The value and its cell.

        """
        _ = finished, dtype
        return None

    def weights_for(self, data: Array, weights: Array | None) -> Array | None:
        """Return the weights of a whole patch, ``(h, w)``, given its data and those of its window.

        Parameters
        ----------
        data
            The patch, ``(h, w)`` or ``(bands, h, w)``.
        weights
            Those of the window, ``(h, w)``, ``None`` for ones.

        Returns
        -------
        numpy.ndarray or None
            ``(h, w)``, ``None`` for ones.

        """
        _ = data
        return weights

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Dtype of the result for patches of ``dtype``, where the caller names none.

        Parameters
        ----------
        dtype
            Of the patches.

        Returns
        -------
        numpy.dtype
            Of the result.

        """
        return dtype

    def memory_dtype(self, dtype: np.dtype) -> np.dtype:
        """Dtype of a merge in memory for patches of ``dtype``: one that has NaN for cells without data.

        Parameters
        ----------
        dtype
            Of the patches.

        Returns
        -------
        numpy.dtype
            float64, where the class says nothing else.

        """
        _ = dtype
        return np.dtype("float64")

    def nodata_for(self, dtype: np.dtype) -> float | int | None:
        """Return what cells without data hold in a result of ``dtype``; ``None`` is what the source has.

        Parameters
        ----------
        dtype
            Of the result.

        Returns
        -------
        float, int or None
            The value.

        """
        _ = dtype
        return None

    @abstractmethod
    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Bytes of state per cell, all bands, for the memory plan.

        ``dtype`` is the floating dtype sums are kept in, ``depth`` the most patches over one cell.
        """


#: A cell aggregation whose kind of state does not matter to the caller, who only hands it back.
AnyCellAggregation: TypeAlias = CellAggregation[Any]
