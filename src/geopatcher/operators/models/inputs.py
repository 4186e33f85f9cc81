"""What a network is given of patches: its bands, scaled, without gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from geopatcher.core.band_names import bands_called
from geopatcher.operators.models.scaling import apply_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.scaling import Batch, Step

#: Where pixels are missing, ``(n, h, w)``; ``None`` for nowhere.
Missing: TypeAlias = "NDArray[np.bool_] | None"


def positions_of(
    bands: tuple[int, ...] | tuple[str, ...] | None,
    wanted: int | None,
    n_bands: int,
    names: Sequence[str],
) -> tuple[int, ...] | None:
    """Return which of ``n_bands`` bands (from 0) a model is given, ``None`` for all of them as they are.

    ``bands`` are what the model takes, ``wanted`` how many, where that is known, ``names`` those of the
    source, if it has any: without them as many bands as are wanted are taken in their order. ``"B04"`` is
    the band called so, or else one that is called ``"B04 red"``.

    Raises
    ------
    ValueError
        Bands are missing, or too many; names them and those there are.

    Examples
    --------
    >>> positions_of(("B08", "B04"), 2, 3, ("B02", "B04", "B08"))
    (2, 1)
    >>> positions_of(("B11",), 1, 2, ("B02", "B04"))
    Traceback (most recent call last):
    ValueError: the model takes the band B11, which is not there: the source has B02, B04

    """
    numbers = [band for band in bands or () if isinstance(band, int)]
    named = [band for band in bands or () if isinstance(band, str)]
    if numbers:
        beyond = [number for number in numbers if number > n_bands]
        if beyond:
            which = ", ".join(map(str, beyond))
            raise ValueError(f"the model takes band {which}, and there are {n_bands} band(s)")
        return tuple(number - 1 for number in numbers)
    if named and any(names):
        return tuple(_position(name, tuple(names), named) for name in named)
    if wanted is not None and n_bands != wanted:
        which = f" ({', '.join(named)})" if named else ""
        raise ValueError(
            f"the model takes {wanted} band(s){which}, and is given {n_bands} without names: choose them by "
            f"number with bands="
        )
    return None


def _position(name: str, names: tuple[str, ...], wanted: Sequence[str]) -> int:
    missing = [one for one in wanted if not bands_called(one, names)]
    if missing:
        these = f"the band {missing[0]}, which is" if len(missing) == 1 else f"the bands {missing}, which are"
        raise ValueError(f"the model takes {these} not there: the source has {', '.join(names)}")
    found = bands_called(name, names)
    if len(found) > 1:
        raise ValueError(f"{len(found)} bands of the source are called {name}: choose by number")
    return found[0]


@dataclass(frozen=True)
class Inputs:
    """How patches become what a network is given; ``nodata`` is what it is given in gaps, before scaling."""

    positions: tuple[int, ...] | None
    steps: tuple[Step, ...]
    nodata: float | None = None

    def __call__(self, stack: Array) -> tuple[Batch, Missing]:
        """Return ``(n, bands, h, w)`` in float32, and where a pixel is missing in any band.

        Examples
        --------
        >>> batch, missing = Inputs((1,), ())(np.array([[[[5.0]], [[np.nan]]]]))
        >>> batch.tolist(), missing.tolist()
        ([[[[0.0]]]], [[[True]]])

        """
        chosen = stack if self.positions is None else stack[:, list(self.positions)]
        batch: Batch = np.array(np.ma.getdata(chosen), dtype=np.float32, order="C")
        gaps = _gaps(chosen, batch)
        missing: Missing = None if gaps is None else np.logical_or.reduce(gaps, axis=1)
        if missing is None or not missing.any():
            apply_steps(batch, self.steps)
            return batch, None
        if self.nodata is not None:
            np.copyto(batch, np.float32(self.nodata), where=missing[:, np.newaxis])
        apply_steps(batch, self.steps)
        if self.nodata is None:
            np.copyto(batch, np.float32(0), where=missing[:, np.newaxis])
        return batch, missing


def _gaps(chosen: Array, batch: Batch) -> NDArray[np.bool_] | None:
    """Return where cells are masked or NaN, ``(n, bands, h, w)``; ``None`` for nowhere."""
    gaps: NDArray[np.bool_] | None = None
    if chosen.dtype.kind == "f" and np.isnan(batch.max(initial=-np.inf)):
        gaps = np.isnan(batch)
    if isinstance(chosen, np.ma.MaskedArray) and np.ma.is_masked(chosen):
        masked = np.ma.getmaskarray(chosen)
        gaps = masked if gaps is None else gaps | masked
    return gaps
