"""Tapers: how much each cell of a patch counts where patches overlap.

All of them are sampled at the centres of cells, half a cell inside the patch, and are positive at
every cell: a pixel that only the corner of one patch covers keeps its value. (The symmetric windows
of NumPy and SciPy are zero at their ends, which turns the border of a raster into 0/0.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import numpy as np

from geopatcher.core.config import Configured, name_of_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from geopatcher.core.protocols import RectGeometry

#: Tapers up to this many cells (512 x 512: 2 MiB) are kept for the next call; larger ones are made anew.
CACHED_CELLS = 1 << 18
#: Smallest value of one axis of a Gaussian. Corners weigh its square: still a normal float32 number
#: after it is multiplied by data as small as 1e-29.
GAUSSIAN_FLOOR = 1e-4


@runtime_checkable
class HasSize(Protocol):
    """A geometry whose patches are of one size, or that was told that of one of them."""

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)``; ``(1, n)`` of ``n`` points or features."""
        ...


class SpatialWindow(Configured, ABC):
    """Weights of the cells of a patch. One of your own is a dataclass with `weights`.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Diamond(geopatcher.SpatialWindow):
    ...     def weights(self, geometry):
    ...         rows, cols = (np.minimum(np.arange(n), np.arange(n)[::-1]) + 1.0 for n in geometry.size)
    ...         return np.minimum(rows[:, None], cols)
    >>> Diamond().weights(geopatcher.SpatialRectangular(3))
    array([[1., 1., 1.],
           [1., 2., 1.],
           [1., 1., 1.]])
    >>> image = np.arange(600.0).reshape(20, 30)
    >>> bool(np.allclose(geopatcher.reconstruct(image, np.copy, size=8, window=Diamond()).array, image))
    True

    """

    @abstractmethod
    def weights(self, geometry: RectGeometry) -> NDArray[np.float64]:
        """Return the weights of a patch of ``geometry.size``: ``(height, width)``, none negative.

        The array is read-only, so that it can be shared.

        Parameters
        ----------
        geometry
            Says the size of a patch.

        Returns
        -------
        numpy.ndarray
            ``(height, width)`` float64, read-only.

        """


class SeparableWindow(SpatialWindow):
    """A window that is the outer product of two profiles, one for rows and one for columns."""

    @abstractmethod
    def profile(self, n: int) -> NDArray[np.float64]:
        """Return the ``n`` weights along an axis of ``n`` pixels.

        Parameters
        ----------
        n
            Pixels along the axis.

        Returns
        -------
        numpy.ndarray
            ``(n,)`` float64, none negative.

        """

    def weights(self, geometry: RectGeometry) -> NDArray[np.float64]:
        """Return the outer product of the profiles of ``geometry.size``, ``(height, width)``.

        >>> from geopatcher.patching.geometry import SpatialRectangular
        >>> SpatialHann().weights(SpatialRectangular((2, 4))).round(3)
        array([[0.073, 0.427, 0.427, 0.073],
               [0.073, 0.427, 0.427, 0.073]])
        """
        height, width = geometry.size
        make = _kept_outer if height * width <= CACHED_CELLS else _outer
        return make(self, height, width)


class RadialWindow(SeparableWindow):
    """A window that weighs by distance, too: where patches are no rectangles."""

    @abstractmethod
    def falloff(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return weights for distances from the centre.

        Parameters
        ----------
        distance
            0 at the centre, 1 at the border.

        Returns
        -------
        numpy.ndarray
            Of the same shape, none negative.

        """


def _outer(window: SeparableWindow, height: int, width: int) -> NDArray[np.float64]:
    weights = np.outer(window.profile(height), window.profile(width))
    weights.setflags(write=False)
    return weights


_kept_outer = lru_cache(maxsize=8)(_outer)


def _to_border(n: int) -> NDArray[np.float64]:
    """Distance of each of ``n`` cell centres to the nearer end, in cells: 0.5, 1.5, … 1.5, 0.5.

    Counted from both ends alike, so that every profile is symmetric to the last bit.
    """
    index = np.arange(n)
    return np.minimum(index, n - 1 - index) + 0.5


@dataclass(frozen=True)
class SpatialBoxcar(RadialWindow):
    """Every cell counts the same: overlapping patches are averaged.

    >>> SpatialBoxcar().profile(3)
    array([1., 1., 1.])
    """

    def profile(self, n: int) -> NDArray[np.float64]:
        """Return ``n`` ones."""
        return np.ones(n)

    def falloff(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ones."""
        return np.ones(distance.shape)


@dataclass(frozen=True)
class SpatialHann(RadialWindow):
    """Raised cosine, ``sin²(π (i + ½) / n)``: positive everywhere, sums to one at half overlap.

    The Hann window of Harris (1978), "On the use of windows for harmonic analysis with the discrete
    Fourier transform", Proc. IEEE 66(1), sampled at half cells. That of `numpy.hanning` is 0 at its ends,
    so pixels at the edge of a raster have no weight at all; where that is wanted, take
    ``SpatialCustom(lambda geometry: np.outer(*map(np.hanning, geometry.size)))``.

    >>> SpatialHann().profile(4).round(4)
    array([0.1464, 0.8536, 0.8536, 0.1464])
    """

    def profile(self, n: int) -> NDArray[np.float64]:
        """Return the ``n`` weights along an axis."""
        return _raised_cosine(_to_border(n) / n)

    def falloff(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``cos²(π distance / 2)``."""
        return _raised_cosine((1.0 - distance) / 2.0)


@dataclass(frozen=True)
class SpatialTukey(RadialWindow):
    """Flat in the middle, raised cosine at the ends.

    ``alpha`` is the share of each axis that is tapered, both ends together: 0 is `SpatialBoxcar`,
    1 is `SpatialHann`. The Tukey window of Harris (1978), sampled at half cells.

    Parameters
    ----------
    alpha
        The share of each axis that is tapered, 0 to 1; 0.5 by default.

    Raises
    ------
    ValueError
        ``alpha`` is not in [0, 1].

    Examples
    --------
    >>> SpatialTukey(alpha=0.5).profile(8).round(4)
    array([0.1464, 0.8536, 1.    , 1.    , 1.    , 1.    , 0.8536, 0.1464])

    """

    alpha: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.alpha <= 1.0:
            raise ValueError(
                f"alpha is the tapered share of a Tukey window, 0 (boxcar) to 1 (Hann), not {self.alpha!r}"
            )

    def profile(self, n: int) -> NDArray[np.float64]:
        """Return the ``n`` weights along an axis."""
        return self._inside(_to_border(n) / n)

    def falloff(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return 1 near the centre, and a raised cosine in the outer ``alpha`` of the way to the border."""
        return self._inside((1.0 - distance) / 2.0)

    def _inside(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights at a share of the patch from its border, 0.5 in the middle."""
        if self.alpha == 0.0:
            return np.ones(share.shape)
        with np.errstate(over="ignore"):  # a tiny alpha: infinitely far inside, so 1
            return _raised_cosine(np.minimum(share / self.alpha, 0.5))


@dataclass(frozen=True)
class SpatialGaussian(RadialWindow):
    """Bell curve ``exp(-½ (x / sigma)²)``, ``x`` from -1 to 1 across the patch.

    ``sigma`` is a fraction of the half-width: with 0.5 the border of the patch lies two standard
    deviations out. No axis goes below 0.0001, so that a narrow bell does not vanish (as a float32
    number) at the corners.

    Parameters
    ----------
    sigma
        Standard deviation as a fraction of half a patch; 0.5 by default.

    Raises
    ------
    ValueError
        ``sigma`` is not a positive, finite number.

    Examples
    --------
    >>> SpatialGaussian(sigma=0.5).profile(4).round(4)
    array([0.3247, 0.8825, 0.8825, 0.3247])

    """

    sigma: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 < self.sigma < np.inf:
            raise ValueError(
                f"sigma is the width of a Gaussian window as a fraction of half a patch: "
                f"positive and finite (0.5 is usual), not {self.sigma!r}"
            )

    def profile(self, n: int) -> NDArray[np.float64]:
        """Return the ``n`` weights along an axis."""
        return self.falloff(1.0 - _to_border(n) / (n / 2))

    def falloff(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``exp(-½ (distance / sigma)²)``, at least 0.0001."""
        with np.errstate(over="ignore"):  # a tiny sigma: infinitely many of them away, so the floor
            bell = np.exp(-0.5 * np.square(distance / self.sigma))
        return np.maximum(bell, GAUSSIAN_FLOOR)


@dataclass(frozen=True)
class SpatialCustom(SpatialWindow):
    """Weights from a function of the geometry.

    ``fn(geometry)`` returns an array ``(height, width)`` for a geometry of that ``size``: finite, not
    negative, not all zero. Where patches differ in size, the geometry is told that of the patch; of points
    and features ``size`` is ``(1, n)``, and ``(n,)`` weights will do. With an output scale ``size`` is in
    pixels of the result. It is called each time weights are asked for. A cell with weight zero contributes
    nothing: a pixel that no other patch covers is then nodata in the result.

    Parameters
    ----------
    fn
        ``fn(geometry)`` returns the weights, ``(height, width)`` as ``geometry.size`` says.

    Raises
    ------
    TypeError
        ``fn`` cannot be called.

    Examples
    --------
    >>> from geopatcher.patching.geometry import SpatialRectangular
    >>> def kaiser(geometry):
    ...     height, width = geometry.size
    ...     return np.outer(np.kaiser(height, 5.0), np.kaiser(width, 5.0))
    >>> SpatialCustom(kaiser).weights(SpatialRectangular((1, 3))).round(3)
    array([[0.037, 1.   , 0.037]])

    """

    forbid_in_yaml: ClassVar[bool] = True
    function_parameter: ClassVar[str] = "fn"

    fn: Callable[[RectGeometry], ArrayLike]

    def __post_init__(self) -> None:
        if not callable(self.fn):
            raise TypeError(f"SpatialCustom takes a function of the geometry, not {type(self.fn).__name__}")

    def weights(self, geometry: RectGeometry) -> NDArray[np.float64]:
        """Return what the function gives for the geometry, checked, as float64.

        Raises
        ------
        ValueError
            The result has another shape, is not numeric, not finite, negative, or all zero.

        """
        given = np.asarray(self.fn(geometry))
        size = geometry.size if isinstance(geometry, HasSize) else given.shape
        what = f"the window function {name_of_function(self.fn)}, called with a geometry of {size},"
        if given.shape not in (size, _of_a_row(size)):
            raise ValueError(
                f"{what} returned shape {given.shape}: it must return one weight for each cell, "
                f"{size}; for a 1-D window take np.outer of one for rows and one for columns"
            )
        if given.dtype.kind not in "biuf":
            raise ValueError(f"{what} returned {given.dtype} values: weights are real numbers")
        # A copy: the function may keep and change its own array.
        weights = given.astype(np.float64).reshape(size)
        if not np.isfinite(weights).all():
            bad = weights.size - np.count_nonzero(np.isfinite(weights))
            raise ValueError(f"{what} returned {bad} weights that are not finite, of {weights.size}")
        if weights.min() < 0.0:
            raise ValueError(
                f"{what} returned a negative weight, {weights.min()}: clip it, for example with np.maximum"
            )
        if not weights.any():
            raise ValueError(f"{what} returned only zeros: no patch would count anywhere")
        weights.setflags(write=False)
        return weights


#: Windows that need no argument, by the name the command line knows them by.
WINDOWS: dict[str, type[SpatialBoxcar | SpatialHann | SpatialTukey | SpatialGaussian]] = {
    "average": SpatialBoxcar,
    "boxcar": SpatialBoxcar,
    "gaussian": SpatialGaussian,
    "hann": SpatialHann,
    "tukey": SpatialTukey,
}


def window_from_name(name: str) -> SpatialWindow:
    """Return a window with its usual parameters.

    Raises
    ------
    ValueError
        There is no such window; the message lists those there are.

    Examples
    --------
    >>> window_from_name("tukey")
    SpatialTukey(alpha=0.5)

    """
    if name not in WINDOWS:
        raise ValueError(
            f"there is no window {name!r}: choose one of {', '.join(WINDOWS)}, or pass a SpatialWindow "
            f"(SpatialCustom takes a function)"
        )
    return WINDOWS[name]()


def _of_a_row(size: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of what has no rows: ``(n,)`` for ``(1, n)``."""
    return size[1:] if size[:-1] == (1,) else size


def _raised_cosine(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """``sin²(π phase)``: 0 at phase 0, 1 at phase ½."""
    squared: NDArray[np.float64] = np.square(np.sin(np.pi * phase))
    return squared
