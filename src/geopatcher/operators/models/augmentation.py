"""Several views or several models in the place of one: means over flips, and ensembles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import numpy as np

from geopatcher.core.config import Configured
from geopatcher.operators.models.combined import Combined, name_of_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.operators import Shown
    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.protocol import ModelLike
    from geopatcher.operators.models.scaling import Batch

#: name -> views: quarter turns, and whether rows are mirrored before them
VIEWS: dict[str, tuple[tuple[int, bool], ...]] = {
    "flips": ((0, False), (2, False), (0, True), (2, True)),
    "d4": tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4)),
}


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
        self.__name__ = f"{views} of {name_of_model(model)}"

    def __call__(self, patch: Shown) -> Batch:
        """Return the mean over all views of ``(bands, h, w)`` or ``(n, bands, h, w)``, or of several by name.

        Raises
        ------
        ValueError
            The patch is not square, and views are turned.

        """
        rasters = [*patch.values()] if isinstance(patch, Mapping) else [np.asanyarray(patch)]
        for pixels in rasters:
            self.check_size((pixels.shape[-2], pixels.shape[-1]))
        model = self.models[0]
        total: Batch = np.zeros((), np.float32)
        for turns, mirrored in VIEWS[self.views]:
            made = np.rot90(model(_seen(patch, turns, mirrored=mirrored)), -turns, axes=(-2, -1))
            made = made[..., ::-1, :] if mirrored else made
            total = total + made
        return np.asarray(total / np.float32(len(VIEWS[self.views])), np.float32)

    def check_size(self, size: tuple[int, int]) -> None:
        """Refuse patches that cannot be turned.

        Parameters
        ----------
        size
            Height and width in pixels.

        Raises
        ------
        ValueError
            They are not square, and views are turned.

        """
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

    def __call__(self, patch: Shown) -> Batch:
        """Return the mean of ``(bands, h, w)`` or ``(n, bands, h, w)``, or of several by name.

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


def _seen(patch: Shown, turns: int, *, mirrored: bool) -> Shown:
    """Return a view of a patch, or the same view of each of several rasters.

    >>> _seen(np.array([[[1, 2], [3, 4]]]), 1, mirrored=False).tolist()
    [[[2, 4], [1, 3]]]
    """
    if isinstance(patch, Mapping):
        return {name: _view(pixels, turns, mirrored=mirrored) for name, pixels in patch.items()}
    return _view(np.asanyarray(patch), turns, mirrored=mirrored)


def _view(pixels: Array, turns: int, *, mirrored: bool) -> Array:
    return np.rot90(pixels[..., ::-1, :] if mirrored else pixels, turns, axes=(-2, -1))
