"""Several views or several models in the place of one: means over flips, and ensembles."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np

from geopatcher.core.config import Configured
from geopatcher.core.protocols import Named
from geopatcher.operators.models.protocol import ModelLike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.operators import Shown
    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.record import ModelClass, ModelRecord
    from geopatcher.operators.models.scaling import Batch

#: name -> views: quarter turns, and whether rows are mirrored before them
VIEWS: dict[str, tuple[tuple[int, bool], ...]] = {
    "flips": ((0, False), (2, False), (0, True), (2, True)),
    "d4": tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4)),
}


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
        for model in self.models:
            model.check(n_bands, band_names, size)

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
                f"models of {_name(self)} return other numbers of bands, so that there is no mean: "
                f"{' and '.join(map(str, sorted(found)))}"
            )
        return found.pop()

    @abstractmethod
    def _like(self, models: Sequence[ModelLike]) -> Self:
        """Return the same of other models."""


class Augmented(Combined):
    """A model that sees each patch in several views, and whose results are their mean.

    Parameters
    ----------
    model
        A `Model`, or an `Ensemble`.
    views
        ``"flips"``: as it is, mirrored up and down, left and right, and both. ``"d4"``: those and their
        quarter turns, eight views; patches must be square.

    Raises
    ------
    ValueError
        There are no such views.
    TypeError
        That is no model.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Model
    >>> class Copy:
    ...     def predict(self, rows):
    ...         return rows
    >>> Augmented(Model(Copy()), "d4")(np.array([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]

    """

    def __init__(self, model: ModelLike, views: str = "flips") -> None:
        super().__init__([model])
        if views not in VIEWS:
            raise ValueError(f"tta={views!r}: choose one of {', '.join(VIEWS)}")
        self.views = views
        self.__name__ = f"{views} of {_name(model)}"

    def __call__(self, patch: Array) -> Batch:
        """Return the mean over all views of ``(bands, h, w)`` or ``(n, bands, h, w)``.

        Raises
        ------
        ValueError
            The patch is not square, and views are turned.

        """
        pixels, model = np.asanyarray(patch), self.models[0]
        self._check_square((pixels.shape[-2], pixels.shape[-1]))
        total: Batch = np.zeros((), np.float32)
        for turns, mirrored in VIEWS[self.views]:
            seen = np.rot90(pixels[..., ::-1, :] if mirrored else pixels, turns, axes=(-2, -1))
            made = np.rot90(model(seen), -turns, axes=(-2, -1))
            made = made[..., ::-1, :] if mirrored else made
            total = total + made
        return np.asarray(total / np.float32(len(VIEWS[self.views])), np.float32)

    def check(self, n_bands: int, band_names: Sequence[str], size: tuple[int, int]) -> None:
        """Refuse what the model cannot take, and patches that cannot be turned.

        Parameters
        ----------
        n_bands, band_names
            Bands of the source; no names where it has none.
        size
            Height and width of a patch, with its margin, in pixels.

        Raises
        ------
        ValueError
            Says why.

        """
        super().check(n_bands, band_names, size)
        self._check_square(size)

    def _check_square(self, size: tuple[int, int]) -> None:
        if self.views == "d4" and size[0] != size[1]:
            raise ValueError(
                f"patches of {size[0]}x{size[1]} pixels cannot be turned: use square ones, or tta='flips'"
            )

    def _like(self, models: Sequence[ModelLike]) -> Self:
        return type(self)(models[0], self.views)

    def fingerprint(self) -> str:
        """Return what decides the results.

        Returns
        -------
        str
            It differs whenever results would.

        """
        return f"{self.views} of {self.models[0].fingerprint()}"


class Ensemble(Combined, Configured):
    """Models whose results are their mean, or their weighted mean.

    Parameters
    ----------
    models
        Two or more of the same classes.
    weights
        One for each, positive; they need not add up to 1. All the same by default.

    Raises
    ------
    ValueError
        Classes differ, or weights do not fit.
    TypeError
        One of them is no model.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Model
    >>> class Times:
    ...     def __init__(self, factor):
    ...         self.factor = factor
    ...     def predict(self, rows):
    ...         return rows * self.factor
    >>> both = Ensemble([Model(Times(1)), Model(Times(3))], weights=[3, 1])
    >>> both(np.ones((1, 1, 2))).tolist()
    [[[1.5, 1.5]]]

    """

    def __init__(self, models: Sequence[ModelLike], weights: Sequence[float] | None = None) -> None:
        super().__init__(models)
        given = [1.0] * len(self.models) if weights is None else [float(weight) for weight in weights]
        if len(given) != len(self.models) or not all(0 < weight < math.inf for weight in given):
            raise ValueError(
                f"weights are {given} for {len(self.models)} models: give a positive one to each"
            )
        self.weights = tuple(weight / sum(given) for weight in given)
        named = [tuple(one.name for one in model.classes) for model in self.models]
        if len(set(named)) > 1:
            raise ValueError(f"the models have different classes: {' and '.join(map(str, named))}")
        self.__name__ = f"ensemble of {len(self.models)}"

    def __call__(self, patch: Array) -> Batch:
        """Return the mean of ``(bands, h, w)`` or ``(n, bands, h, w)``.

        Raises
        ------
        ValueError
            Models returned arrays of different shapes.

        """
        total: Batch | None = None
        for model, weight in zip(self.models, self.weights, strict=True):
            made = np.asarray(model(patch), np.float32) * np.float32(weight)
            if total is not None and total.shape != made.shape:
                raise ValueError(f"models of the ensemble returned {total.shape} and {made.shape}")
            total = made if total is None else total + made
        return np.asarray(total)

    def _like(self, models: Sequence[ModelLike]) -> Self:
        return type(self)(models, self.weights)

    def fingerprint(self) -> str:
        """Return what decides the results.

        Returns
        -------
        str
            It differs whenever results would.

        """
        parts = [
            f"{weight!r} x {model.fingerprint()}"
            for weight, model in zip(self.weights, self.models, strict=True)
        ]
        return " + ".join(parts)


def _name(model: object) -> str:
    return model.__name__ if isinstance(model, Named) else type(model).__name__
