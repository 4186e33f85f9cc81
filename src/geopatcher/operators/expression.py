"""An operator made from a line of arithmetic over bands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.operators.expression_parser import Arithmetic, read_arithmetic
from geopatcher.operators.expression_steps import compute

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array


@dataclass(frozen=True)
class Expression:
    """An operator made from arithmetic over bands; ``b1`` is the first band.

    It may hold numbers, ``+ - * / **``, comparisons, ``& | ~`` between comparisons, parentheses,
    ``where(condition, then, else)`` and the usual functions (``sqrt``, ``log``, ``minimum``, ...);
    a wrong one is told what is allowed. A comparison used as a number is 1 or 0.

    Bands are computed with as float32, or as float64 where their dtype needs it (float64, and integers
    of 32 bits and more). The result is one band of that dtype; that of a condition is uint8, 1 where it
    holds. Dividing by zero gives infinity or NaN. A number is NaN where a band in use is NaN.

    Parameters
    ----------
    text
        The arithmetic.
    given
        Which bands (1-based) the arrays hold that it will be called with, in their order; by default all,
        so that ``b4`` is the fourth.
    called
        What the band of results is called; the text by default.

    Raises
    ------
    ValueError
        The text is not such an expression; names what is wrong, where, and what is allowed.

    Examples
    --------
    >>> import numpy as np
    >>> ndvi = Expression("(b2 - b1) / (b2 + b1)")
    >>> ndvi.bands
    (1, 2)
    >>> ndvi(np.array([[[1, 2]], [[3, 2]]], dtype="uint16"))
    array([[[0.5, 0. ]]], dtype=float32)
    >>> Expression("b1 > 1.5")(np.array([[[1, 2]]], dtype="uint16"))
    array([[[0, 1]]], dtype=uint8)

    """

    text: str
    given: tuple[int, ...] | None = None
    called: str = field(default="", compare=False)
    _arithmetic: Arithmetic = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_arithmetic", read_arithmetic(self.text))
        if self.given is not None and not set(self.bands) <= set(self.given):
            raise ValueError(f"expression {self.text!r} uses bands {self.bands}, but is given {self.given}")

    @property
    def __name__(self) -> str:
        """The text: what messages call this operator."""
        return self.text

    @property
    def band_names(self) -> tuple[str]:
        """What the band of results is called."""
        return (self.called or self.text,)

    @property
    def bands(self) -> tuple[int, ...]:
        """The bands it uses, 1-based and ascending."""
        return self._arithmetic.bands

    @property
    def places(self) -> tuple[int, ...]:
        """Where those bands are in a patch, counted from 0 and ascending."""
        given = self.given
        return tuple(sorted(band - 1 if given is None else given.index(band) for band in self.bands))

    @property
    def is_condition(self) -> bool:
        """Whether it is true or false rather than a number."""
        return self._arithmetic.is_condition

    def fingerprint(self) -> str:
        """Return what decides the results: the text, which bands are given, and the version of NumPy.

        Returns
        -------
        str
            The same for expressions that give the same results.

        Examples
        --------
        >>> Expression("b1 * 2").fingerprint().partition(" with ")[0]
        'b1 * 2 of all'

        """
        given = "all" if self.given is None else ",".join(map(str, self.given))
        return f"{self.text} of {given} with numpy {np.__version__}"

    def among(self, bands: tuple[int, ...]) -> Expression:
        """Return the same expression for arrays that hold only ``bands`` (1-based), in that order.

        Parameters
        ----------
        bands
            From 1, in the order the arrays hold them.

        Returns
        -------
        Expression
            With ``given=bands``.

        Examples
        --------
        >>> import numpy as np
        >>> Expression("b4 - b3").among((3, 4))(np.array([[[1.0]], [[5.0]]]))
        array([[[4.]]])

        """
        return Expression(self.text, bands, self.called)

    def of_places(self) -> Expression:
        """Return the same expression for arrays that hold only the bands it uses, in their order.

        Returns
        -------
        Expression
            Whose ``places`` are all of them.

        Examples
        --------
        >>> Expression("b4 - b3").of_places().given
        (3, 4)

        """
        given = self.given
        return self.among(self.bands if given is None else tuple(given[place] for place in self.places))

    def __call__(self, patch: Array) -> Array:
        """Return one band: ``(1, h, w)`` of ``(bands, h, w)``; batches and ``(h, w)`` likewise.

        Raises
        ------
        ValueError
            The patch has too few bands.

        """
        pixels = np.asarray(patch)
        flat = pixels.ndim == 2
        stack = pixels[np.newaxis] if flat else pixels
        bands = {band: self._band(stack, band) for band in self.bands}
        dtype = np.uint8 if self.is_condition else np.result_type(pixels.dtype, np.float32)
        values: Array = np.empty(bands[self.bands[0]].shape, dtype)
        marked = pixels.dtype.kind == "f" and not self.is_condition
        compute(self._arithmetic.steps, bands, values, missing=marked)
        return values if flat else np.expand_dims(values, -3)

    def _band(self, stack: Array, band: int) -> Array:
        position = band - 1 if self.given is None else self.given.index(band)
        if position >= stack.shape[-3]:
            raise ValueError(
                f"expression {self.text!r} uses b{band}, but there are {stack.shape[-3]} band(s)"
            )
        picked: Array = stack[..., position, :, :]
        return picked
