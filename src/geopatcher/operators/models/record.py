"""The record of a model: what must be told of its bands, scaling, classes and sizes to run it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from geopatcher.core.config import Configured
from geopatcher.core.styles import checked_class
from geopatcher.operators.models.scaling import LARGEST, Step, steps_from_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    from geopatcher.operators.models.scaling import PerBand

ACTIVATIONS = (None, "softmax", "sigmoid")
#: Axes of the input of a network, and of a model that sees single pixels.
CHANNELS_FIRST = ("batch", "channel", "height", "width")
CHANNELS_LAST = ("batch", "height", "width", "channel")
PIXELS = ("batch", "channel")
#: Axes of a result of one band, without an axis for it.
PLANES = ("batch", "height", "width")


@dataclass(frozen=True)
class ModelClass(Configured):
    """A class of a model.

    Parameters
    ----------
    value
        What it is in a map: 0 or more.
    name
        Its name.
    color_hint
        Its colour, as six hexadecimal digits such as ``"FF8800"``; ``None`` for any.

    Raises
    ------
    ValueError
        One of them is nothing of the kind.

    Examples
    --------
    >>> ModelClass(6, "water", "0000FF")
    ModelClass(value=6, name='water', color_hint='0000FF')

    """

    value: int
    name: str
    color_hint: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < 0:
            raise ValueError(f"class {self.name!r} has the value {self.value!r}: it must be 0, 1, 2, ...")
        checked_class(self.value, self.name)
        if self.color_hint is not None and not re.fullmatch(r"[0-9A-Fa-f]{6}", str(self.color_hint)):
            raise ValueError(
                f"class {self.name!r} has the colour {self.color_hint!r}: give six hexadecimal digits, "
                f"such as FF8800"
            )


def classes_of(given: Iterable[str | ModelClass]) -> tuple[ModelClass, ...]:
    """Return classes from names, which get the values 0, 1, 2, ..., or as they are.

    >>> classes_of(["land", "water"])[1]
    ModelClass(value=1, name='water', color_hint=None)
    """
    return tuple(
        one if isinstance(one, ModelClass) else ModelClass(value, one) for value, one in enumerate(given)
    )


@dataclass(frozen=True)
class ModelInput:
    """One of several arrays that a model takes: of the raster of the same name.

    Parameters
    ----------
    name
        That of the raster, and of the input of the model where its inputs have names.
    bands, steps
        As of `ModelRecord`, of this raster.
    n_bands, size
        How many bands, and which height and width, where the model takes no others.
    dim_order
        Axes of the array; ``None`` for what the model itself says.

    Raises
    ------
    ValueError
        One of them cannot be; says which, and what can.

    Examples
    --------
    >>> ModelInput.of("dem", mean=400, std=200).steps[0][0].type
    'z-score'

    """

    name: str
    bands: tuple[int, ...] | tuple[str, ...] | None = None
    steps: tuple[Step, ...] = ()
    n_bands: int | None = None
    size: tuple[int, int] | None = None
    dim_order: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"an input of a model has the name {self.name!r}: give it that of a raster")
        _check_bands(self.bands, self.steps)
        _check_order("dim_order", self.dim_order, (CHANNELS_FIRST, CHANNELS_LAST))
        if self.bands is not None and self.n_bands not in (None, len(self.bands)):
            raise ValueError(f"input {self.name} names {len(self.bands)} bands, and takes {self.n_bands}")

    @classmethod
    def of(
        cls,
        name: str,
        *,
        bands: Sequence[int] | Sequence[str] | None = None,
        scale: PerBand = None,
        offset: PerBand = None,
        mean: PerBand = None,
        std: PerBand = None,
        clip: tuple[float, float] | None = None,
    ) -> Self:
        """Return an input whose bands are scaled as those of `Model` are.

        Parameters
        ----------
        name
            That of the raster.
        bands
            Those it takes, by name or by number from 1, in its order; all by default.
        scale, offset, mean, std
            A number for all bands, or one for each.
        clip
            Lowest and highest value after ``scale`` and ``offset``.

        Returns
        -------
        ModelInput
            For ``inputs=`` of `Model`.

        """
        steps = steps_from_numbers(scale=scale, offset=offset, clip=clip, mean=mean, std=std)
        return cls(name, bands_of(bands), steps)


def bands_of(given: Sequence[int] | Sequence[str] | None) -> tuple[int, ...] | tuple[str, ...] | None:
    """Return names of bands, or their numbers, as a record has them.

    Raises
    ------
    ValueError
        They are some of each.

    """
    if given is None:
        return None
    if isinstance(given, str):
        return (given,)
    names = tuple(band for band in given if isinstance(band, str))
    if names and len(names) != len(given):
        raise ValueError(f"bands are {list(given)}: give names, or numbers from 1")
    return names or tuple(int(band) for band in given)


@dataclass(frozen=True)
class ModelRecord:
    """What must be told of a model to run it.

    Parameters
    ----------
    bands
        Names of bands of the source, or their numbers from 1, in the order the model takes them; ``None``
        for all.
    steps
        Scaling, one step after the other; each is one `Scaling` for all bands, or one for each.
    activation
        What makes probabilities of the result: ``"softmax"``, ``"sigmoid"``, or ``None`` for nothing.
    classes
        One for each band of the result. Two classes and a result of one band go together: that is the
        probability of the second.
    margin
        Pixels at each edge of a patch whose result is not to be used.
    multiple
        What height and width of a patch must be multiples of.
    size, batch
        Height and width, and number of patches, where the model takes no others.
    nodata
        What the model is given in pixels without data, in units of the source; 0 after scaling by default.
    output_scale
        Pixels of the result per pixel of the input, along each axis: 4 for a model that makes an image four
        times finer, ``Fraction(1, 16)`` for one value per 16 x 16 pixels.
    dim_order, result_order
        Axes of the input and of the result; ``None`` for what the model itself says, and else the order
        batch, channel, height, width.
    sha256
        Digest of the file of weights, in hexadecimal.
    part
        Name or number of the part that is the result, of a model that returns several.
    inputs
        Of a model that takes several arrays: each of them, in its order. Bands and scaling are theirs.
    channels
        How many bands it takes, where ``bands`` and ``steps`` do not say it.

    Raises
    ------
    ValueError
        One of them cannot be; says which, and what can.

    Examples
    --------
    >>> ModelRecord(bands=("B04", "B08"), multiple=32).multiple
    32
    >>> ModelRecord(margin=-1)
    Traceback (most recent call last):
    ValueError: margin is -1: give a whole number from 0

    """

    bands: tuple[int, ...] | tuple[str, ...] | None = None
    steps: tuple[Step, ...] = ()
    activation: str | None = None
    classes: tuple[ModelClass, ...] = ()
    margin: int = 0
    multiple: int = 1
    size: tuple[int, int] | None = None
    batch: int | None = None
    nodata: float | None = None
    output_scale: Fraction = Fraction(1)
    dim_order: tuple[str, ...] | None = None
    result_order: tuple[str, ...] | None = None
    sha256: str | None = None
    part: str | None = None
    inputs: tuple[ModelInput, ...] = ()
    channels: int | None = None

    def __post_init__(self) -> None:
        _check_bands(self.bands, self.steps)
        names = [one.name for one in self.inputs]
        if len(set(names)) < len(names):
            raise ValueError(f"inputs {', '.join(names)} have one name twice: each is that of a raster")
        if self.inputs and (self.bands is not None or self.steps):
            raise ValueError(f"bands and scaling are those of each input, {', '.join(names)}: say them there")
        self._check_classes()
        self._check_numbers()
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is {self.activation!r}: give softmax, sigmoid, or None")
        _check_order("dim_order", self.dim_order, (CHANNELS_FIRST, CHANNELS_LAST, PIXELS))
        results = (CHANNELS_FIRST, CHANNELS_LAST, PIXELS, PLANES)
        _check_order("the dim_order of the result", self.result_order, results)
        if self.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 is {self.sha256!r}: give 64 hexadecimal digits")

    def _check_classes(self) -> None:
        for what, given in (
            ("value", [str(one.value) for one in self.classes]),
            ("name", [one.name for one in self.classes]),
        ):
            twice = sorted({one for one in given if given.count(one) > 1})
            if twice:
                raise ValueError(f"classes have the same {what} more than once: {', '.join(twice)}")

    def _check_numbers(self) -> None:
        least = (("margin", self.margin, 0), ("multiple", self.multiple, 1), ("batch", self.batch, 1))
        for name, number, smallest in (*least, ("channels", self.channels, 1)):
            if number is not None and (not isinstance(number, int) or number < smallest):
                raise ValueError(f"{name} is {number!r}: give a whole number from {smallest}")
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise ValueError(f"size is {self.size}: give height and width in pixels")
        if self.nodata is not None and not abs(self.nodata) <= LARGEST:  # which NaN is not either
            raise ValueError(f"nodata is {self.nodata}: give a number that a float32 can be")
        if self.output_scale <= 0 or 1 not in self.output_scale.as_integer_ratio():
            raise ValueError(f"output_scale is {self.output_scale}: give a whole number, or 1 divided by one")

    @property
    def n_bands(self) -> int | None:
        """How many bands the model takes, where that is told."""
        if self.bands is not None:
            return len(self.bands)
        return next((len(step) for step in self.steps if len(step) > 1), self.channels)


def _check_bands(bands: tuple[int, ...] | tuple[str, ...] | None, steps: tuple[Step, ...]) -> None:
    if bands is None:
        return
    numbers = [band for band in bands if isinstance(band, int)]
    names = [band for band in bands if isinstance(band, str)]
    if not bands or len(bands) not in (len(numbers), len(names)):
        raise ValueError(f"bands are {bands}: give names, or numbers from 1")
    if any(number < 1 for number in numbers):
        raise ValueError(f"bands are {bands}: the first band has the number 1")
    for step in steps:
        if len(step) not in (1, len(bands)):
            raise ValueError(f"scaling is for {len(step)} bands, and the model takes {len(bands)}: {bands}")


def _check_order(name: str, order: tuple[str, ...] | None, known: tuple[tuple[str, ...], ...]) -> None:
    if order is not None and order not in known:
        wanted = " or ".join(", ".join(one) for one in known)
        raise ValueError(f"{name} is {', '.join(order)}: give {wanted}")
