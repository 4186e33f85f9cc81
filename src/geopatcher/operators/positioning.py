"""Operators that are told where a patch lies, and so have random numbers of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, overload

import numpy as np
from rasterio.windows import Window

from geopatcher.core.box import Box, box_of
from geopatcher.operators.wrappers import OperatorWrapper, wants_position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from affine import Affine

    from geopatcher.core.box import PixelWindow
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array

#: Anchors may be negative, where a patch overhangs; what random numbers are made of may not.
_WRAP = 1 << 64


@dataclass(frozen=True)
class Position:
    """Where a patch lies, and the seed of its random numbers.

    Parameters
    ----------
    window
        Its rectangle on the raster, as `Patch.indices` has it: ``window.row_off``, ``col_off``,
        ``height`` and ``width`` in pixels. It may overhang the raster, as the patch may. With a margin it is
        the rectangle of all that the operator is shown.
    transform
        From pixels of the patch to coordinates of ``crs``.
    crs
        The coordinate reference system as text, ``None`` where it is not known.
    base_seed
        The seed that was given to `positioned`.

    Examples
    --------
    >>> from geopatcher.core.domain import RasterDomain
    >>> domain = RasterDomain((100, 100), crs="EPSG:32633")
    >>> here, there = (Position.of(domain, Box(row, row + 8, 0, 8)) for row in (0, 8))
    >>> here.anchor, there.anchor, there.transform.f
    ((0, 0), (8, 0), 8.0)
    >>> here.seed == here.seed, here.seed == there.seed
    (True, False)
    >>> bool((here.rng().random(3) == here.rng().random(3)).all())
    True

    """

    window: Window
    transform: Affine
    crs: str | None = None
    base_seed: int = 0

    @classmethod
    def of(cls, domain: RasterDomain, box: Box) -> Self:
        """Return the position of a patch with the rectangle ``box``.

        Parameters
        ----------
        domain
            Of the raster.
        box
            The patch, in pixels of the raster.

        Returns
        -------
        Position
            With ``base_seed`` 0.

        """
        window = Window(box.col0, box.row0, box.width, box.height)
        return cls(window, domain.cut(box).transform, domain.crs)

    @property
    def anchor(self) -> tuple[int, int]:
        """``(row, col)`` of the upper-left pixel."""
        return (int(self.window.row_off), int(self.window.col_off))

    @property
    def seed(self) -> int:
        """A number below 2**32 that follows from the anchor and ``base_seed``, for any library."""
        return int(self._sequence().generate_state(1)[0])

    def rng(self) -> np.random.Generator:
        """Return a fresh generator of random numbers that follow from the anchor and ``base_seed``.

        Returns
        -------
        numpy.random.Generator
            In the same state at every call.

        """
        return np.random.default_rng(self._sequence())

    def _sequence(self) -> np.random.SeedSequence:
        return np.random.SeedSequence([self.base_seed, *(place % _WRAP for place in self.anchor)])


def position_for(operator: object, domain: RasterDomain, window: PixelWindow | None) -> tuple[Position, ...]:
    """Return what an operator is given beside the data of one patch: its position, or nothing."""
    if window is None or not wants_position(operator):
        return ()
    return (Position.of(domain, box_of(window)),)


class Positioned(OperatorWrapper):
    """An operator that is told where a patch lies; made by `positioned`."""

    def __init__(self, operator: Callable[..., Array], seed: int = 0) -> None:
        if seed < 0:
            raise ValueError(f"seed must be 0 or more, not {seed}")
        super().__init__(operator)
        self.seed = seed

    @property
    def wants_position(self) -> bool:
        """It does."""
        return True

    def __call__(self, patch: Array, *more: object, **keywords: object) -> Array:
        """Return what the operator returns for a patch and its position, or a batch and its positions.

        The position comes last, behind what else an operator of two passes is given.
        """
        *others, where = more
        return self._operator(patch, *others, self._seeded(where), **keywords)

    def wrapper_settings(self) -> Mapping[str, object]:
        """Return the seed."""
        return {"seed": self.seed}

    def _seeded(self, where: object) -> object:
        if isinstance(where, tuple):
            return tuple(self._seeded(each) for each in where)
        if not isinstance(where, Position):
            raise TypeError(f"{self.__name__} is called with a patch and its Position, not {where!r:.80}")
        return replace(where, base_seed=self.seed)

    def _arguments(self) -> tuple[object, ...]:
        return (self._operator, self.seed)


@overload
def positioned(operator: Callable[..., Array], *, seed: int = 0) -> Positioned: ...
@overload
def positioned(*, seed: int = 0) -> Callable[[Callable[..., Array]], Positioned]: ...
def positioned(
    operator: Callable[..., Array] | None = None, *, seed: int = 0
) -> Positioned | Callable[[Callable[..., Array]], Positioned]:
    """Let an operator know where a patch lies, and give it random numbers; also a decorator.

    It is called as ``operator(patch, position)``, with ``batch_size`` above 1 as
    ``operator(batch, positions)`` with a tuple of as many. A `Position` has the ``window`` of the patch
    on the raster, its ``transform`` and ``crs``, to look something up at the place, and a ``seed`` and
    ``rng()``, to draw random numbers: they follow from the patch's place and ``seed``, and are the same
    in whatever order patches come, on any number of workers or a cluster, in batches or not, and in a
    run that goes on after an interruption. A generator that an operator holds itself gives others.

    Any callable with a true attribute ``wants_position`` is called alike, with the seed 0. Together with
    `masked` the patch is a masked array.

    Parameters
    ----------
    operator
        ``operator(patch, position) -> array``; left out where this is a decorator with a seed.
    seed
        0 or more; another seed gives other random numbers everywhere.

    Returns
    -------
    Positioned or Callable
        A callable, which pickles where ``operator`` does; or what makes one of a function.

    Raises
    ------
    ValueError
        ``seed`` is negative.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> @geopatcher.positioned(seed=7)
    ... def noisy(patch, position):
    ...     return patch + position.rng().normal(size=patch.shape)
    >>> image = np.zeros((1, 64, 64))
    >>> whole = geopatcher.reconstruct(image, noisy, size=16).array
    >>> part = geopatcher.reconstruct(image, noisy, size=16, chunks=32, region=geopatcher.Box(32, 64, 0, 64))
    >>> bool((part.array[:, 32:] == whole[:, 32:]).all())
    True

    With a position a raster on the same grid is read where the patch is:

    >>> def above(patch, position):
    ...     row, col = position.anchor
    ...     return patch + heights[row : row + patch.shape[-2], col : col + patch.shape[-1]]
    >>> heights = np.arange(64.0)[:, np.newaxis] * np.ones(64)
    >>> result = geopatcher.reconstruct(image, geopatcher.positioned(above), size=16)
    >>> bool(np.allclose(result.array, heights))
    True

    """
    if operator is None:
        return lambda function: Positioned(function, seed)
    return Positioned(operator, seed)
