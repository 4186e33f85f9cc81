"""What models that are used together have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from geopatcher.core.protocols import Named
from geopatcher.operators.models.protocol import ModelLike, TakesTogether
from geopatcher.operators.wrappers import wants_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.operators import Shown
    from geopatcher.core.packing import Member
    from geopatcher.operators.models.record import ModelClass, ModelRecord


class Combined(ABC):
    """What models that are used together have in common: the needs of all of them."""

    def __init__(self, models: Sequence[ModelLike]) -> None:
        for model in models:
            if not isinstance(model, ModelLike):
                raise TypeError(f"{type(model).__name__} is no model: make it one with geopatcher.Model")
        if not models:
            raise ValueError("there is no model: give one or more")
        self.models = tuple(models)

    @property
    def record(self) -> ModelRecord:
        """That of the first."""
        return self.models[0].record

    @property
    def classes(self) -> tuple[ModelClass, ...]:
        """Those of the first."""
        return self.models[0].classes

    @property
    def bands(self) -> tuple[int, ...] | tuple[str, ...] | None:
        """Those that all take; ``None`` where they take different ones, each its own of all bands."""
        first = self.models[0].bands
        return first if all(model.bands == first for model in self.models) else None

    @property
    def margin(self) -> int:
        """The widest."""
        return max(model.margin for model in self.models)

    @property
    def multiple(self) -> int:
        """The least that is a multiple for all."""
        return math.lcm(*(model.multiple for model in self.models))

    @property
    def per_pixel(self) -> bool:
        """Whether neighbours matter to none."""
        return all(model.per_pixel for model in self.models)

    @property
    def wants_mask(self) -> bool:
        """Whether one of them is to be shown which pixels are missing."""
        return any(wants_mask(model) for model in self.models)

    @property
    def fixed_batch(self) -> int | None:
        """That of the first that has one."""
        return next((model.fixed_batch for model in self.models if model.fixed_batch), None)

    @property
    def n_outputs(self) -> int | None:
        """Bands of the result, where one knows."""
        return next((model.n_outputs for model in self.models if model.n_outputs), None)

    def check(self, n_bands: int, band_names: Sequence[str], size: tuple[int, int]) -> None:
        """Refuse what one of them cannot take.

        Parameters
        ----------
        n_bands, band_names
            Bands of the source; no names where it has none.
        size
            Height and width of a patch, with its margin, in pixels.

        Raises
        ------
        ValueError
            Says which, and why.

        """
        self.check_size(size)
        for model in self.models:
            model.check(n_bands, band_names, size)

    def check_size(self, size: tuple[int, int]) -> None:
        """Refuse patches that it cannot take itself, whatever its models can; most take all.

        Parameters
        ----------
        size
            Height and width in pixels.

        """
        _ = size

    def bound_to(self, n_bands: int, band_names: Sequence[str] | None) -> Self:
        """Return it for patches that hold all bands of a source.

        Parameters
        ----------
        n_bands, band_names
            Bands of the source; no names where it has none. ``None`` says that patches hold just the bands
            that all models take, in their order.

        Returns
        -------
        Self
            The same, of which each model takes its own bands.

        """
        return self._like([model.bound_to(n_bands, band_names) for model in self.models])

    def bound_together(self, members: Sequence[Member], size: tuple[int, int]) -> Self:
        """Return it for patches of several rasters, each of which is one of the inputs of all models.

        Parameters
        ----------
        members
            The rasters.
        size
            Height and width of a patch, with its margin, in pixels of the first.

        Returns
        -------
        Self
            The same, of which each model takes its own bands.

        Raises
        ------
        ValueError
            Names, bands or sizes do not match.
        TypeError
            One of the models takes one raster only.

        """
        self.check_size(size)
        alone = [name_of_model(model) for model in self.models if not isinstance(model, TakesTogether)]
        if alone:
            raise TypeError(f"{alone[0]}, of {name_of_model(self)}, takes one raster: stack them (BandStack)")
        together = [model for model in self.models if isinstance(model, TakesTogether)]
        return self._like([model.bound_together(members, size) for model in together])

    def on(self, device: str | None = None, precision: str | None = None) -> Self:
        """Return it with all models on another device, or in another precision.

        Parameters
        ----------
        device, precision
            As of `Model`; ``None`` leaves them as they are.

        Returns
        -------
        Self
            Of models that are loaded anew when they are needed.

        """
        return self._like([model.on(device, precision) for model in self.models])

    def giving(self, wanted: Sequence[str]) -> Self:
        """Return it with other results than its own, each the mean of those of all.

        Parameters
        ----------
        wanted
            As of `Model.giving`.

        Returns
        -------
        Self
            Of the same models.

        """
        return self._like([model.giving(wanted) for model in self.models])

    @property
    def sees_bands(self) -> bool:
        """Yes: dates and bands of a series are bands to a model."""
        return True

    @property
    def gives_several(self) -> bool:
        """Yes, as each of them does."""
        return True

    def places(self, patch: Shown) -> Sequence[tuple[int, int]]:
        """Return where the bands of each result lie, ``[first, stop)``, by trying all models on a patch.

        Parameters
        ----------
        patch
            ``(bands, h, w)`` with its margin; any numbers will do.

        Returns
        -------
        tuple
            First and stop of each, in their order.

        Raises
        ------
        ValueError
            They are not the same for all models.

        """
        found = {tuple(model.places(patch)) for model in self.models}
        if len(found) > 1:
            raise ValueError(
                f"models of {name_of_model(self)} return other numbers of bands, so that there is no mean: "
                f"{' and '.join(map(str, sorted(found)))}"
            )
        return found.pop()

    @abstractmethod
    def _like(self, models: Sequence[ModelLike]) -> Self:
        """Return the same of other models."""


def name_of_model(model: object) -> str:
    """Return the name of a model, for people."""
    return model.__name__ if isinstance(model, Named) else type(model).__name__
