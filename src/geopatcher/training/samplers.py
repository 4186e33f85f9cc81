"""Samplers that draw patches to train on: by the classes of a raster of labels, or by a density."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from dataclasses import field as attribute
from operator import index
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from geopatcher.core.config import plain
from geopatcher.fields.plain_field import raster_domain
from geopatcher.patching.samplers.base import (
    SpatialSampler,
    as_pairs,
    fixed_seed,
    free_positions,
    n_places,
    on_places,
)
from geopatcher.training.classes import ClassCounts
from geopatcher.training.strips import (
    one_band_on,
    path_in_config,
    same_raster,
    told_raster,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from geopatcher.core.protocols import HasShape, PixelSource, RectGeometry
    from geopatcher.fields.open import Source


@dataclass(frozen=True, init=False, eq=False)
class DrawnSampler(SpatialSampler):
    """Draws pixels of a raster, which come to lie in the middle of patches.

    They are drawn once for a grid, and kept: also when the sampler is pickled.
    """

    raster: Source
    n_samples: int | Mapping[int, int]
    seed: int
    _drawn: dict[tuple[object, ...], NDArray[np.int64]] = attribute(repr=False)

    #: The parameter that is the raster.
    raster_parameter = ""

    def _keep(self, raster: Source, n_samples: int | Mapping[int, int], seed: SupportsIndex | None) -> None:
        object.__setattr__(self, "raster", raster)
        object.__setattr__(self, "n_samples", n_samples)
        object.__setattr__(self, "seed", fixed_seed(seed))
        object.__setattr__(self, "_drawn", {})

    @abstractmethod
    def _pixels_of(self, source: PixelSource) -> NDArray[np.int64]:
        """Draw rows and columns ``(n, 2)`` of a raster."""

    def get_config(self) -> dict[str, object]:
        """Return the parameters by name, all JSON values; the raster by its path.

        Returns
        -------
        dict
            What `from_config` takes.

        Raises
        ------
        TypeError
            The raster is no path.

        """
        path = path_in_config(self.raster, self.raster_parameter)
        return {self.raster_parameter: path, **self._settings()}

    def _settings(self) -> dict[str, object]:
        return {"n_samples": plain(self.n_samples), "seed": self.seed}

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, DrawnSampler):
            return NotImplemented
        return same_raster(self.raster, other.raster) and self._settings() == other._settings()

    def __hash__(self) -> int:
        return hash((type(self), self.seed))

    def anchors(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        """Return an iterator over the anchors; the raster is read when this is first asked for a grid.

        Parameters
        ----------
        domain
            Of the raster that patches are cut from. The labels or the density are taken on its pixels.
        geometry
            Says the size of patches.

        Returns
        -------
        iterator of tuple of int
            In the order they were drawn; nothing when not even one patch has a place.

        Raises
        ------
        SourceError
            The raster cannot be read, or lies nowhere on the domain.
        ValueError
            It has several bands, or nothing to draw from.
        TypeError
            Places are numbered: no raster has them.

        """
        if n_places(domain, geometry) is not None:
            raise TypeError(
                f"{type(self).__name__} draws pixels, and points, features and polygons are numbered: take "
                f"SpatialRandom or SpatialExplicit"
            )
        return on_places(domain, geometry, self._in_the_middle)

    def _in_the_middle(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        free = np.array(free_positions(domain, geometry), dtype=np.int64)
        if free.min() < 1:
            return iter(())
        half = np.array(geometry.size, dtype=np.int64) // 2
        return as_pairs(np.clip(self.centres(domain) - half, 0, free - 1))

    def centres(self, domain: HasShape) -> NDArray[np.int64]:
        """Return the pixels that were drawn.

        Parameters
        ----------
        domain
            Of the raster that patches are cut from.

        Returns
        -------
        numpy.ndarray
            Rows and columns, ``(n, 2)`` int64.

        Raises
        ------
        SourceError
            The raster cannot be read, or lies nowhere on the domain.
        ValueError
            It has several bands, or nothing to draw from.

        """
        grid = raster_domain(domain)
        key = (grid.grid_shape, tuple(grid.transform), grid.crs)
        if key not in self._drawn:
            source = one_band_on(self.raster, domain, self.raster_parameter)
            self._drawn[key] = self._pixels_of(source)
        return self._drawn[key]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class ByClass(DrawnSampler):
    """Draws pixels class by class: so many of each, each pixel of a class equally likely, independently."""

    ignore: tuple[int, ...]

    raster_parameter = "labels"

    @property
    def labels(self) -> Source:
        """The raster of labels."""
        return self.raster

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(labels={told_raster(self.raster)}, n_samples={self.n_samples}, "
            f"seed={self.seed}, ignore={self.ignore})"
        )

    @abstractmethod
    def _shares(self, totals: Mapping[int, int], random: np.random.Generator) -> Mapping[int, int]:
        """Return how many pixels of each class are drawn."""

    def _settings(self) -> dict[str, object]:
        return {**super()._settings(), "ignore": list(self.ignore)}

    def _pixels_of(self, source: PixelSource) -> NDArray[np.int64]:
        counts = ClassCounts.of(source, self.ignore)
        if not counts.totals:
            raise ValueError(f"no pixel of {source.name} has a class to draw: all are missing or ignored")
        random = np.random.default_rng(self.seed)
        shares = self._shares(counts.totals, random)
        ranks = {
            label: random.integers(0, counts.totals[label], size=share)
            for label, share in shares.items()
            if share
        }
        found = [np.empty((0, 2), dtype=np.int64), *counts.pixels(ranks).values()]
        return random.permutation(np.concatenate(found), axis=0)


class SpatialBalanced(ByClass):
    """Patches around pixels of a raster of labels, as many of each class: for classes that are rare.

    Of every class that the labels have, ``n_samples / classes`` pixels are drawn, one more of some where that
    is no whole number. Each pixel of a class is equally likely, independently: it can come twice. It lies in
    the middle of its patch, or beside it where the patch would reach over the edge of the raster. Pixels of
    other classes are in the patch, too: what is balanced is the middle.

    Labels are read in two passes, piece by piece, so they may be too big for memory. The same seed gives the
    same anchors in every call and process.

    Parameters
    ----------
    labels
        A raster of one band of whole numbers: a path, an array, anything that is split. It lies on the pixels
        of the raster that patches are cut from, or is a file that is warped onto them, by the nearest pixel.
        Pixels without data have no class.
    n_samples
        How many patches, 0 or more.
    seed
        A whole number, or ``None`` to draw one when the sampler is made.
    ignore
        Classes of which none is drawn, such as ``[255]``.

    Raises
    ------
    ValueError
        ``n_samples`` or the seed is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import RasterDomain, SpatialBalanced, SpatialRectangular
    >>> labels = np.zeros((100, 100), "uint8")
    >>> labels[40:44, 70:74] = 1  # 16 pixels of 10,000
    >>> sampler = SpatialBalanced(labels, 4, seed=0)
    >>> list(sampler.anchors(RasterDomain((100, 100)), SpatialRectangular(10)))
    [(36, 65), (58, 70), (36, 65), (46, 14)]

    """

    def __init__(
        self,
        labels: Source,
        n_samples: SupportsIndex,
        seed: SupportsIndex | None = None,
        ignore: Iterable[int] = (),
    ) -> None:
        self._keep(labels, sample_number(n_samples), seed)
        object.__setattr__(self, "ignore", tuple(map(index, ignore)))

    def _shares(self, totals: Mapping[int, int], random: np.random.Generator) -> Mapping[int, int]:
        each, more = divmod(index(self.n_samples), len(totals))  # type: ignore[arg-type]
        luckier = set(random.permutation(list(totals))[:more].tolist())
        return {label: each + (label in luckier) for label in totals}


class SpatialStratified(ByClass):
    """Patches around pixels of a raster of labels, a fixed number of each class.

    With one number for all, classes have shares as large as those of their pixels, rounded so that they make
    up the number (the largest remainders are rounded up): a sample of the raster in which no class is there
    by chance. Otherwise as `SpatialBalanced`.

    Parameters
    ----------
    labels
        As for `SpatialBalanced`.
    n_samples
        How many patches, or ``{class: how many}``; classes that are not named have none.
    seed
        A whole number, or ``None`` to draw one when the sampler is made.
    ignore
        Classes of which none is drawn, such as ``[255]``.

    Raises
    ------
    ValueError
        A number or the seed is negative; when anchors are asked for, a class is not in the labels.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import RasterDomain, SpatialRectangular, SpatialStratified
    >>> labels = np.repeat([0, 1, 2], [50, 30, 20])[:, None] * np.ones((1, 40), "uint8")
    >>> sampler = SpatialStratified(labels, 10, seed=0)
    >>> np.bincount(labels[tuple(sampler.centres(RasterDomain((100, 40))).T)]).tolist()
    [5, 3, 2]
    >>> len(list(SpatialStratified(labels, {1: 7, 2: 2}).anchors(RasterDomain((100, 40)),
    ...     SpatialRectangular(8))))
    9

    """

    def __init__(
        self,
        labels: Source,
        n_samples: SupportsIndex | Mapping[int, int],
        seed: SupportsIndex | None = None,
        ignore: Iterable[int] = (),
    ) -> None:
        if isinstance(n_samples, SupportsIndex):
            self._keep(labels, sample_number(n_samples), seed)
        else:  # names of JSON's objects are text
            self._keep(labels, {int(label): sample_number(share) for label, share in n_samples.items()}, seed)
        object.__setattr__(self, "ignore", tuple(map(index, ignore)))

    def _shares(self, totals: Mapping[int, int], random: np.random.Generator) -> Mapping[int, int]:
        _ = random
        if not isinstance(self.n_samples, int):
            missing = [label for label, share in self.n_samples.items() if share and label not in totals]
            if missing:
                raise ValueError(
                    f"n_samples names class {missing[0]}, and the labels have {', '.join(map(str, totals))}"
                )
            return dict(sorted(self.n_samples.items()))
        shares = apportioned(self.n_samples, np.array(list(totals.values()), dtype=np.float64))
        return dict(zip(totals, shares.tolist(), strict=True))


def apportioned(total: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Share a whole number by weights: quotas are rounded down, and the largest remainders up.

    >>> apportioned(10, np.array([0.55, 0.3, 0.15])).tolist()
    [6, 3, 1]
    """
    quotas = total * weights / weights.sum()
    shares: NDArray[np.int64] = np.floor(quotas).astype(np.int64)
    order = np.argsort(shares - quotas, kind="stable")
    shares[order[: total - int(shares.sum())]] += 1
    return shares


def sample_number(n_samples: SupportsIndex) -> int:
    """Return a number of patches.

    Raises
    ------
    ValueError
        It is negative.

    """
    if index(n_samples) < 0:
        raise ValueError(f"n_samples is the number of patches, 0 or more, not {n_samples!r}")
    return index(n_samples)
