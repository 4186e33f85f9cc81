"""Tapers over time: how much each step of a patch counts. All are positive: no step is lost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.config import Configured
from geopatcher.patching.windows import SpatialTukey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.temporal.geometry import TemporalGeometry

#: Least weight of a step: one that only one patch has keeps its value.
FLOOR = 1e-4


class TemporalWindow(Configured, ABC):
    """Weights of the steps of a patch. One of your own is a dataclass with `weights`.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Newest(geopatcher.TemporalWindow):
    ...     def weights(self, geometry, length):
    ...         return 2.0 ** -np.arange(length)[::-1]
    >>> Newest().weights(None, 3)
    array([0.25, 0.5 , 1.  ])

    """

    @abstractmethod
    def weights(self, geometry: TemporalGeometry | None, length: int) -> NDArray[np.float64]:
        """Return the weights of ``length`` steps, oldest first.

        Parameters
        ----------
        geometry
            What cut the patch; of ours no window asks.
        length
            Steps of the patch, which may be fewer than the geometry's at the ends of a series.

        Returns
        -------
        numpy.ndarray
            ``(length,)`` float64, all positive.

        """


def _ages(length: int) -> NDArray[np.float64]:
    """Return how many steps each is older than the newest."""
    return np.arange(length - 1, -1, -1, dtype=np.float64)


@dataclass(frozen=True)
class TemporalCausalBoxcar(TemporalWindow):
    """Every step counts the same.

    >>> TemporalCausalBoxcar().weights(None, 3)
    array([1., 1., 1.])
    """

    def weights(self, geometry: TemporalGeometry | None, length: int) -> NDArray[np.float64]:
        """Return ones."""
        _ = geometry
        return np.ones(length)


@dataclass(frozen=True)
class TemporalExponentialDecay(TemporalWindow):
    """Older steps count less: ``exp(-age / tau)``, the newest 1.

    Parameters
    ----------
    tau
        The age in steps at which a step counts ``1 / e``.

    Raises
    ------
    ValueError
        ``tau`` is not positive and finite.

    Examples
    --------
    >>> TemporalExponentialDecay(tau=2.0).weights(None, 3).round(3)
    array([0.368, 0.607, 1.   ])

    """

    tau: float

    def __post_init__(self) -> None:
        if not 0.0 < self.tau < np.inf:
            raise ValueError(f"tau is a time in steps, positive and finite, not {self.tau!r}")

    def weights(self, geometry: TemporalGeometry | None, length: int) -> NDArray[np.float64]:
        """Return ``exp(-age / tau)``; never less than the smallest normal number."""
        _ = geometry
        with np.errstate(over="ignore", under="ignore"):  # a tiny tau
            decay = np.exp(-_ages(length) / self.tau)
        return np.maximum(decay, np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class TemporalTaperedTukey(TemporalWindow):
    """Flat in the middle, raised cosine at the ends, as `geopatcher.SpatialTukey` along one axis.

    Sampled at half steps, so that the first and the last count, too.

    Parameters
    ----------
    alpha
        The share that is tapered, both ends together, 0 to 1; 0.5 by default.

    Raises
    ------
    ValueError
        ``alpha`` is not in [0, 1].

    Examples
    --------
    >>> TemporalTaperedTukey(alpha=1.0).weights(None, 4).round(3)
    array([0.146, 0.854, 0.854, 0.146])

    """

    alpha: float = 0.5

    def __post_init__(self) -> None:
        SpatialTukey(self.alpha)  # which checks it

    def weights(self, geometry: TemporalGeometry | None, length: int) -> NDArray[np.float64]:
        """Return the weights along the axis."""
        _ = geometry
        return SpatialTukey(self.alpha).profile(length)


@dataclass(frozen=True)
class TemporalPeriodic(TemporalWindow):
    """Steps of the newest one's phase count most: ``½ (1 + cos(2π age / period))``, at least 0.0001.

    Parameters
    ----------
    period
        Steps of a period.

    Raises
    ------
    ValueError
        ``period`` is not positive and finite.

    Examples
    --------
    >>> TemporalPeriodic(4).weights(None, 5).round(3)
    array([1. , 0.5, 0. , 0.5, 1. ])

    """

    period: float

    def __post_init__(self) -> None:
        if not 0.0 < self.period < np.inf:
            raise ValueError(f"period is a number of steps, positive and finite, not {self.period!r}")

    def weights(self, geometry: TemporalGeometry | None, length: int) -> NDArray[np.float64]:
        """Return the weights; those of the opposite phase are 0.0001."""
        _ = geometry
        phase = np.remainder(_ages(length), self.period) / self.period
        return np.maximum(0.5 * (1.0 + np.cos(2.0 * np.pi * phase)), FLOOR)
