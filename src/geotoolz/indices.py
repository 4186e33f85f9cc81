"""Spectral indices: fractions of sums and differences of bands.

They return one band, of float32 or float64, and NaN where the denominator is 0.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

import numpy as np

from geotoolz.bands import AXIS, band_number, bands_of, widened, with_mask_of
from geotoolz.operators import Json, Operator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.core.protocols import Array


class SpectralIndex(Operator["Array", "Array"]):
    """A fraction of bands; subclasses say what stands above and below the line.

    Integers are widened to float32 first; floats keep their precision. The result is NaN where a band is
    NaN or the denominator is 0, and masked where one of its bands is.

    Parameters
    ----------
    **bands
        Numbers of the bands, from 1.

    Raises
    ------
    TypeError
        A number is not whole.
    ValueError
        A number is below 1. When it is called: the patch has fewer bands.

    Examples
    --------
    >>> import numpy as np
    >>> class SimpleRatio(SpectralIndex):
    ...     def terms(self, bands):
    ...         return bands["nir"], bands["red"]
    >>> SimpleRatio(nir=2, red=1)(np.array([[[2, 0]], [[5, 1]]], dtype="uint8"))
    array([[[2.5, nan]]], dtype=float32)

    """

    def __init__(self, **bands: int) -> None:
        who = type(self).__name__
        self.bands: Final = {role: band_number(given, f"{role} of {who}") for role, given in bands.items()}

    @abstractmethod
    def terms(self, bands: Mapping[str, Array]) -> tuple[Array, Array]:
        """Return what stands above and what stands below the line.

        Parameters
        ----------
        bands
            Floats ``(1, h, w)`` or ``(n, 1, h, w)``, by what they are called here.

        Returns
        -------
        tuple of numpy.ndarray
            Numerator and denominator, shaped like a band.

        """

    def __call__(self, patch: Array, /) -> Array:
        """Return the index, ``(1, h, w)`` or ``(n, 1, h, w)``."""
        taken = bands_of(patch, tuple(self.bands.values()), self.name)
        pixels = np.ma.getdata(widened(taken))
        parts = np.split(pixels, len(self.bands), axis=AXIS)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            upper, lower = self.terms(dict(zip(self.bands, parts, strict=True)))
            # Something divided by 0 is no more an index than 0 / 0 is.
            index = np.where(lower == 0, pixels.dtype.type(np.nan), upper / lower)
        return with_mask_of(index, *np.split(taken, len(self.bands), axis=AXIS))

    def get_config(self) -> dict[str, Json]:
        """Return the name, and the numbers of the bands."""
        return {**super().get_config(), "bands": dict(self.bands)}


class NormalizedDifference(SpectralIndex):
    """``(first - second) / (first + second)`` of two bands.

    Parameters
    ----------
    first, second
        Numbers of the bands, from 1.

    Examples
    --------
    >>> import numpy as np
    >>> patch = np.array([[[1, 3, 0]], [[3, 1, 0]]], dtype="uint16")
    >>> NormalizedDifference(first=1, second=2)(patch)
    array([[[-0.5,  0.5,  nan]]], dtype=float32)

    """

    def __init__(self, *, first: int, second: int) -> None:
        super().__init__(first=first, second=second)

    def terms(self, bands: Mapping[str, Array]) -> tuple[Array, Array]:
        """Return the difference and the sum of the first band and the second."""
        first, second = bands.values()
        return first - second, first + second


class NDVI(NormalizedDifference):
    """Vegetation: ``(nir - red) / (nir + red)``.

    Tucker 1979, https://doi.org/10.1016/0034-4257(79)90013-0.

    Parameters
    ----------
    nir, red
        Numbers of the bands, from 1: near infrared and red.

    Examples
    --------
    >>> import numpy as np
    >>> red, nir = np.array([[100, 3000]], dtype="uint16"), np.array([[300, 1000]], dtype="uint16")
    >>> NDVI(nir=2, red=1)(np.stack([red, nir]))
    array([[[ 0.5, -0.5]]], dtype=float32)

    """

    def __init__(self, *, nir: int, red: int) -> None:
        SpectralIndex.__init__(self, nir=nir, red=red)


class NDWI(NormalizedDifference):
    """Open water: ``(green - nir) / (green + nir)``.

    McFeeters 1996, https://doi.org/10.1080/01431169608948714. (Gao's index of the same name, for the water
    in leaves, is `NormalizedDifference` of near and shortwave infrared.)

    Parameters
    ----------
    green, nir
        Numbers of the bands, from 1: green and near infrared.

    Examples
    --------
    >>> import numpy as np
    >>> NDWI(green=1, nir=2)(np.array([[[0.3]], [[0.1]]])).round(6)
    array([[[0.5]]])

    """

    def __init__(self, *, green: int, nir: int) -> None:
        SpectralIndex.__init__(self, green=green, nir=nir)


class NDSI(NormalizedDifference):
    """Snow: ``(green - swir1) / (green + swir1)``.

    Hall, Riggs & Salomonson 1995, https://doi.org/10.1016/0034-4257(95)00137-P.

    Parameters
    ----------
    green, swir1
        Numbers of the bands, from 1: green, and shortwave infrared near 1.6 µm.

    Examples
    --------
    >>> import numpy as np
    >>> NDSI(green=1, swir1=2)(np.array([[[0.75]], [[0.25]]]))
    array([[[0.5]]])

    """

    def __init__(self, *, green: int, swir1: int) -> None:
        SpectralIndex.__init__(self, green=green, swir1=swir1)


class NBR(NormalizedDifference):
    """Burned areas: ``(nir - swir2) / (nir + swir2)``.

    López García & Caselles 1991, https://doi.org/10.1080/10106049109354290.

    Parameters
    ----------
    nir, swir2
        Numbers of the bands, from 1: near infrared, and shortwave infrared near 2.2 µm.

    Examples
    --------
    >>> import numpy as np
    >>> NBR(nir=1, swir2=2)(np.array([[[0.25]], [[0.75]]]))
    array([[[-0.5]]])

    """

    def __init__(self, *, nir: int, swir2: int) -> None:
        SpectralIndex.__init__(self, nir=nir, swir2=swir2)


class NDBI(NormalizedDifference):
    """Built-up areas: ``(swir1 - nir) / (swir1 + nir)``.

    Zha, Gao & Ni 2003, https://doi.org/10.1080/01431160304987.

    Parameters
    ----------
    swir1, nir
        Numbers of the bands, from 1: shortwave infrared near 1.6 µm, and near infrared.

    Examples
    --------
    >>> import numpy as np
    >>> NDBI(swir1=1, nir=2)(np.array([[[0.75]], [[0.25]]]))
    array([[[0.5]]])

    """

    def __init__(self, *, swir1: int, nir: int) -> None:
        SpectralIndex.__init__(self, swir1=swir1, nir=nir)


class EVI(SpectralIndex):
    """Enhanced vegetation index: ``2.5 (nir - red) / (nir + 6 red - 7.5 blue + 1)``.

    Of reflectances from 0 to 1: put a `Scale` before it where they are stored as integers. Huete et al.
    2002, https://doi.org/10.1016/S0034-4257(02)00096-2.

    Parameters
    ----------
    nir, red, blue
        Numbers of the bands, from 1.

    Examples
    --------
    >>> import numpy as np
    >>> from geotoolz import Scale
    >>> patch = np.array([[[1000]], [[2000]], [[5000]]], dtype="uint16")  # blue, red, near infrared
    >>> (Scale(1e-4) | EVI(nir=3, red=2, blue=1))(patch).round(4)
    array([[[0.3846]]], dtype=float32)

    """

    def __init__(self, *, nir: int, red: int, blue: int) -> None:
        super().__init__(nir=nir, red=red, blue=blue)

    def terms(self, bands: Mapping[str, Array]) -> tuple[Array, Array]:
        """Return what stands above and below the line."""
        nir, red, blue = bands["nir"], bands["red"], bands["blue"]
        return 2.5 * (nir - red), nir + 6 * red - 7.5 * blue + 1


class SAVI(SpectralIndex):
    """Soil-adjusted vegetation index: ``(1 + soil) (nir - red) / (nir + red + soil)``.

    Of reflectances from 0 to 1: put a `Scale` before it where they are stored as integers. Huete 1988,
    https://doi.org/10.1016/0034-4257(88)90106-X.

    Parameters
    ----------
    nir, red
        Numbers of the bands, from 1.
    soil
        The adjustment, L in the paper: 0 gives NDVI, 1 is for very sparse vegetation.

    Examples
    --------
    >>> import numpy as np
    >>> SAVI(nir=2, red=1)(np.array([[[0.25]], [[0.75]]]))
    array([[[0.5]]])

    """

    def __init__(self, *, nir: int, red: int, soil: float = 0.5) -> None:
        super().__init__(nir=nir, red=red)
        self.soil: Final = float(soil)

    def terms(self, bands: Mapping[str, Array]) -> tuple[Array, Array]:
        """Return what stands above and below the line."""
        nir, red = bands["nir"], bands["red"]
        return (1 + self.soil) * (nir - red), nir + red + self.soil

    def get_config(self) -> dict[str, Json]:
        """Return the name, the numbers of the bands, and the adjustment."""
        return {**super().get_config(), "soil": self.soil}
