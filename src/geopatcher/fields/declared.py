"""What domains and readers of other people's say of their pixels, so that none need be read to learn it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher.errors import SourceError

if TYPE_CHECKING:
    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, PixelSource

#: Stands for a dtype that is not known yet: no pixel that is a real number takes more bytes, so a plan made
#: with it is never too small.
WIDEST = np.dtype(np.float64)


@runtime_checkable
class HasDtype(Protocol):
    """Something that says what its pixels are: an array, a reader, a domain."""

    @property
    def dtype(self) -> object:
        """What `numpy.dtype` understands, such as ``"uint16"``."""
        ...


@runtime_checkable
class HasNodata(Protocol):
    """Something that says which pixels are missing."""

    @property
    def nodata(self) -> object:
        """The value of missing pixels, ``None`` for none; of all bands, or the same for each."""
        ...


@runtime_checkable
class HasBandNames(Protocol):
    """Something that names its bands."""

    @property
    def band_names(self) -> object:
        """A text for each band."""
        ...


@runtime_checkable
class HasUnits(Protocol):
    """Something that says what its values are measured in."""

    @property
    def units(self) -> object:
        """A text for each band."""
        ...


@runtime_checkable
class Outlined(Protocol):
    """A source that may have to read a pixel to know its ``domain``; a plan is made without."""

    @property
    def outline(self) -> RasterDomain:
        """The domain as far as it is known without reading; its dtype may be `WIDEST`, for any."""
        ...


@runtime_checkable
class Working(Protocol):
    """A source of which a read takes memory beside the pixels that it returns."""

    @property
    def working_bytes(self) -> int:
        """How many bytes at its peak, at most."""
        ...


def outline_of(source: PixelSource) -> RasterDomain:
    """Return the domain of a source as far as it is known without reading a pixel."""
    return source.outline if isinstance(source, Outlined) else source.domain


def working_bytes(source: object) -> int:
    """Return how many bytes a read of a source takes beside the pixels that it returns.

    >>> working_bytes("what says nothing of it")
    0
    """
    return source.working_bytes if isinstance(source, Working) else 0


def with_blocks(source: PixelSource) -> PixelSource:
    """Return a source whose ``block_shape`` can be counted with.

    Raises
    ------
    SourceError
        It is not two whole numbers above 0; says whose it is.

    """
    shape = source.block_shape
    if (
        not isinstance(shape, tuple | list)
        or len(shape) != 2
        or not all(isinstance(side, int | np.integer) and side > 0 for side in shape)
    ):
        raise SourceError(
            f"block_shape of {source.name} ({type(source).__name__}) is {shape!r}, and has to be (height, "
            f"width) of what is decoded at once, 1 or more each: give (1, {outline_of(source).width}) where "
            f"it does not matter"
        )
    return source


def declared_dtype(thing: object) -> np.dtype | None:
    """Return the dtype something says its pixels have, ``None`` when it does not.

    >>> declared_dtype(np.zeros(3, ">i2")), declared_dtype("a text")
    (dtype('int16'), None)
    """
    if not isinstance(thing, HasDtype) or thing.dtype is None:
        return None
    try:
        dtype = np.dtype(thing.dtype)  # type: ignore[call-overload]
    except TypeError:  # that of another library
        return None
    return dtype.newbyteorder("=") if dtype.kind in "biufc" else None


def declared_nodata(thing: object) -> float | int | None:
    """Return the value something says its missing pixels have, ``None`` when it says of none.

    Raises
    ------
    TypeError
        It is no number.
    ValueError
        It is not the same in all bands.

    """
    if not isinstance(thing, HasNodata):
        return None
    given, kind = thing.nodata, type(thing).__name__
    values = given if isinstance(given, tuple | list | np.ndarray) else (given,)
    each = {_number(value, kind) for value in values}
    if len(each) > 1:
        raise ValueError(
            f"nodata of a {kind} is {given}, not the same in all bands, and a field has one value for all: "
            f"mask the others, or make a field of each band"
        )
    return each.pop() if each else None


def declared_texts(texts: object, n_bands: int) -> tuple[str, ...]:
    """Return a text for each band, where that is what was given; nothing otherwise.

    >>> declared_texts(["red", "nir"], 2), declared_texts("m", 2), declared_texts((None,), 1)
    (('red', 'nir'), (), ())
    """
    if not isinstance(texts, tuple | list) or len(texts) != n_bands:
        return ()
    return tuple(texts) if all(isinstance(text, str) for text in texts) else ()


def as_declared(pixels: Array, dtype: np.dtype, name: str, box: Box) -> Array:
    """Return pixels in the dtype they were said to have. Floats are rounded; integers must stay the same.

    Raises
    ------
    SourceError
        A pixel would become another value; says which.

    """
    if pixels.dtype == dtype or dtype.kind in "fc" or np.can_cast(pixels.dtype, dtype):
        return pixels
    with np.errstate(invalid="ignore"):
        converted = pixels.astype(dtype)
    wrong = np.ma.getdata(converted) != np.ma.getdata(pixels)
    if np.ma.isMaskedArray(pixels):
        wrong &= ~np.ma.getmaskarray(pixels)
    if wrong.any():
        raise SourceError(
            f"{name} gave {pixels.dtype} pixels for {box}, and its domain says {dtype}, which cannot hold "
            f"{np.ma.getdata(pixels)[wrong][0]}: let the domain's dtype be {pixels.dtype.name!r}"
        )
    return converted


def _number(value: object, kind: str) -> float | int | None:
    """Return a nodata value as Python's own number; all NaN are one object, so that they are equal."""
    if value is None:
        return None
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return math.nan if np.isnan(value) else float(value)
    raise TypeError(f"nodata of a {kind} is {value!r}: give a number, or None where no pixel is missing")
