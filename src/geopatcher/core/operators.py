"""The door for operators: what is called with the pixels of a patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from fractions import Fraction
    from typing import Self

    from geopatcher.core.arrays import Array
    from geopatcher.core.leading import Leading


class Operator(Protocol):
    """What turns the pixels of a patch into its result: any callable.

    Threads: in each process it is called from one thread at a time, not always the same one, and while
    others read and write. Processes: to run in others it must pickle, or come from a module they can
    import; each has its own copy, so what it keeps from call to call is not shared. The same pixels must
    give the same result, in whatever process and order: regions may overlap, and a patch may be
    computed again.
    """

    def __call__(self, patch: Array, /) -> Array:
        """Return ``(h, w)`` or ``(bands, h, w)``, as high and wide as the patch, for ``(bands, h, w)``.

        Of a source of more leading dimensions it is given all, and it may return any; see `NamesDims`.
        In batches ``(n, bands, h, w)``, both. What it is given is its own to write into. One that is
        `MaskAware` may be given a `numpy.ma.MaskedArray`, one that is `PositionAware` a second argument:
        where the patch lies.
        """
        ...


#: An `Operator`, or one that is called with the position, too.
ArrayOperator: TypeAlias = "Callable[..., Array]"


@runtime_checkable
class MaskAware(Protocol):
    """An operator that says whether it wants masked arrays; `geopatcher.masked` makes one."""

    @property
    def wants_mask(self) -> bool:
        """Whether it is given `numpy.ma.MaskedArray`, and decides which cells of its result count."""
        ...


@runtime_checkable
class PositionAware(Protocol):
    """An operator that says whether it wants to know where patches lie; `geopatcher.positioned` makes one."""

    @property
    def wants_position(self) -> bool:
        """Whether it is called as ``operator(patch, position)``."""
        ...


@runtime_checkable
class Named(Protocol):
    """A function or class."""

    @property
    def __name__(self) -> str:
        """Its name."""
        ...


@runtime_checkable
class Fresh(Protocol):
    """An operator that says whether each of its results is memory of its own, which stays as it is."""

    @property
    def gives_fresh(self) -> bool:
        """Whether no call writes into what an earlier one gave, so that it need not be copied to be kept."""
        ...


@runtime_checkable
class SeesBands(Protocol):
    """An operator that may see all leading dimensions of a patch as one axis of bands, as a model does."""

    @property
    def sees_bands(self) -> bool:
        """Whether it does: the last dimension runs fastest."""
        ...


@runtime_checkable
class UsesBands(Protocol):
    """An operator that says which bands of a patch it uses: others are not read, nor say what is missing."""

    @property
    def places(self) -> tuple[int, ...]:
        """Those bands, counted from 0 and ascending."""
        ...

    def of_places(self) -> Self:
        """Return it for patches that hold those bands alone, in that order."""
        ...

    def __call__(self, patch: Array, /) -> Array:
        """Return the result of a patch."""
        ...


@runtime_checkable
class Margined(Protocol):
    """An operator that says how far around a cell it looks, such as a network by its receptive field."""

    @property
    def margin(self) -> int:
        """Pixels that are read on each side of a patch, for the operator alone to see."""
        ...


@runtime_checkable
class Rescaling(Protocol):
    """An operator that says how many pixels of its result a pixel it is given is, along each axis."""

    @property
    def output_scale(self) -> float | Fraction | str:
        """A whole number, or a fraction such as 0.25 or ``"1/3"``."""
        ...


@runtime_checkable
class NamesDims(Protocol):
    """An operator that says which leading dimensions its results have."""

    @property
    def output_dims(self) -> Sequence[str] | Mapping[str, Sequence[object] | None] | None:
        """Their names, or names with labels; ``None`` leaves it to what they look like."""
        ...


@runtime_checkable
class NamesBands(Protocol):
    """An operator that says what the bands of its results are called."""

    @property
    def band_names(self) -> Sequence[str]:
        """A name for each band."""
        ...


@runtime_checkable
class OverDims(Protocol):
    """An operator that has to know which leading dimensions patches have."""

    def over(self, dims: Sequence[str]) -> Self:
        """Return it for patches of dimensions with these names, in order.

        A `ValueError` says that it is none for them, and names them.
        """
        ...

    def __call__(self, patch: Array, /) -> Array:
        """Return the result of a patch."""
        ...


@runtime_checkable
class OverLabels(OverDims, Protocol):
    """An operator that has to know the labels of leading dimensions, too."""

    def along(self, leading: Leading) -> Self:
        """Return it for patches of these dimensions; it knows their names.

        A `ValueError` says that it is none for them, and why.
        """
        ...


class NamedClass(Protocol):
    """A class: its value in a map, its name, and its color as six hexadecimal digits, if it has one."""

    @property
    def value(self) -> int:
        """From 0."""
        ...

    @property
    def name(self) -> str:
        """Such as ``"open water"``."""
        ...

    @property
    def color_hint(self) -> str | None:
        """Such as ``"0000FF"``; ``None`` leaves the choice."""
        ...


@runtime_checkable
class Classifying(Protocol):
    """An operator that gives the probability of each class, one band each, in the order of ``classes``."""

    @property
    def classes(self) -> Sequence[NamedClass]:
        """The classes; none for an operator that gives something else."""
        ...


#: What an operator is shown of a patch: an array, or those of several rasters by name.
Shown: TypeAlias = "Array | Mapping[str, Array]"

#: What an operator returns by itself, among the results that `Several` can give.
RESULT = ""
#: The same before its activation, where it has one.
RAW = "raw"


@runtime_checkable
class Several(Protocol):
    """An operator that may give several results of one call: the bands of one behind those of another."""

    @property
    def gives_several(self) -> bool:
        """Whether it can."""
        ...

    def giving(self, wanted: Sequence[str]) -> Self:
        """Return it with these results: `RESULT`, `RAW`, or the name of a part of what it returns."""
        ...

    def places(self, patch: Shown) -> Sequence[tuple[int, int]]:
        """Return where the bands of each lie, ``[first, stop)``, as a call with a patch shows.

        A `ValueError` says that there is no such part, and names those there are.
        """
        ...

    def __call__(self, patch: Array, /) -> Array:
        """Return them, of ``(bands, h, w)`` or ``(n, bands, h, w)``."""
        ...
