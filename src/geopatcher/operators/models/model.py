"""`Model`: a network, an estimator or a booster as an operator."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from geopatcher.core.digests import digest_of
from geopatcher.core.operators import RESULT
from geopatcher.operators.models.checking import check_size, expected_outputs
from geopatcher.operators.models.configured import ConfiguredModel
from geopatcher.operators.models.giving import Giving, finished
from geopatcher.operators.models.inputs import Inputs
from geopatcher.operators.models.loading import Holder
from geopatcher.operators.models.protocol import Settings
from geopatcher.operators.models.record import ModelRecord
from geopatcher.operators.models.record_json import given_record, record_to_json
from geopatcher.operators.models.recorded import Recorded
from geopatcher.operators.models.running import run_parts
from geopatcher.operators.models.runtimes import checked
from geopatcher.operators.models.several import fed, places_among, require_one, run_several
from geopatcher.operators.models.telling import Told, known_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from fractions import Fraction

    from geopatcher.core.operators import Shown
    from geopatcher.core.packing import Member
    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.inputs import Missing
    from geopatcher.operators.models.protocol import Described
    from geopatcher.operators.models.record import ModelClass, ModelInput
    from geopatcher.operators.models.scaling import Batch, PerBand


class Model(Recorded, ConfiguredModel):
    """A model as an operator: from ``(bands, h, w)`` to ``(out_bands, h, w)`` in float32.

    What must be told of it is looked for in this order: in these arguments, in ``record``, in
    ``NAME.mlm.json`` beside the weights ``NAME.onnx``, and inside the ONNX file. Bands are scaled as
    ``x * scale + offset``, then held inside ``clip``, then ``(x - mean) / std``.

    A pixel that is missing (NaN or masked) in any of its bands is NaN in all bands of the result.

    Parameters
    ----------
    model
        Path of a model: ``.onnx``, TorchScript ``.pt`` or ``.ts``, ``.pt2`` of ``torch.export``, ``.skops``,
        LightGBM's ``.txt``, XGBoost's ``.json`` or ``.ubj``. Or an object: a ``torch.nn.Module``, which is
        put into the state after training, a booster, or what has ``predict_proba`` or ``predict`` for rows
        of pixels, ``(n, bands)``.
    bands
        Bands it takes, by name or by number from 1, in its order; all by default.
    scale, offset, mean, std
        A number for all bands, or one for each.
    clip
        Lowest and highest value after ``scale`` and ``offset``.
    activation
        ``"softmax"`` or ``"sigmoid"``: what makes probabilities of the result.
    classes
        Names of classes, or `ModelClass`, one for each band of the result.
    margin
        Pixels at each edge of a patch whose result is not to be used.
    multiple
        What height and width of a patch must be multiples of.
    output_scale
        Pixels of the result per pixel of a patch, along each axis.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; ``"auto"`` is a GPU where there is one.
    precision
        ``"fp32"``, ``"fp16"`` or ``"bf16"`` of PyTorch; ``"auto"`` is fp32, or that of the file.
    parts
        Name or number of the part that is the result, of a model that returns a dict or a tuple: activation
        and classes are of this one. All of them are there for ``outputs=``.
    inputs
        Of a model that takes several arrays: a `ModelInput` or a name for each, those of rasters, in its
        order. A torch network with parameters of these names is called by name, of one alone with a dict.
    record
        A `ModelRecord`, its path, or its properties as a dict.

    Raises
    ------
    ValueError
        Something that was told cannot be, or the ending of the file is of no model.
    OperatorError
        There is no such file, it is a pickle, or not the one that the record has the digest of.
    TypeError
        The object is no model.

    Examples
    --------
    >>> import numpy as np
    >>> class Wet:
    ...     classes_ = ("land", "water")
    ...     def predict_proba(self, rows):
    ...         return np.stack([1 - rows[:, 0], rows[:, 0]], axis=1)
    >>> model = Model(Wet(), bands=[2], scale=1e-4)
    >>> patch = np.array([[[7, 7]], [[2500, 10000]]], dtype="uint16")
    >>> model(patch).tolist()
    [[[0.75, 0.0]], [[0.25, 1.0]]]
    >>> [one.name for one in model.classes], model.per_pixel
    (['land', 'water'], True)

    """

    def __init__(
        self,
        model: object,
        *,
        bands: Sequence[int] | Sequence[str] | None = None,
        scale: PerBand = None,
        offset: PerBand = None,
        mean: PerBand = None,
        std: PerBand = None,
        clip: tuple[float, float] | None = None,
        activation: str | None = None,
        classes: Iterable[str | ModelClass] | None = None,
        margin: int | None = None,
        multiple: int | None = None,
        output_scale: Fraction | float | None = None,
        device: str = "auto",
        precision: str = "auto",
        parts: str | int | None = None,
        inputs: Iterable[ModelInput | str] | None = None,
        record: ModelRecord | Mapping[str, object] | str | os.PathLike[str] | None = None,
    ) -> None:
        classes = None if classes is None else tuple(classes)
        self._told = Told.of(
            bands=bands,
            scale=scale,
            offset=offset,
            mean=mean,
            std=std,
            clip=clip,
            activation=activation,
            classes=classes,
            margin=margin,
            multiple=multiple,
            output_scale=output_scale,
            part=parts,
            inputs=inputs,
        )
        source = checked(model)
        self._given = record
        self._holder = Holder(source, Settings(device, precision))
        self._base = given_record(record, source)
        self._wanted: tuple[str, ...] = (RESULT,)
        self._positions: tuple[int, ...] | None = None
        self._bound: int | None = None
        self._places: dict[str, tuple[int, ...] | None] | None = None
        self.border: int | None = None
        self.__name__ = self._holder.name
        self._holder.require(self._told.over(self._base or ModelRecord()).sha256)

    @property
    def record(self) -> ModelRecord:
        """What is told of the model, completed by what it says itself; loads it."""
        return self._known[0]

    @property
    def described(self) -> Described:
        """What the library that runs the model knows of it; loads it."""
        return self._known[1]

    @cached_property
    def _known(self) -> tuple[ModelRecord, Described]:
        return known_of(self._told, self._base, self._holder.runtime().described, self.__name__)

    def check(self, n_bands: int, band_names: Sequence[str], size: tuple[int, int]) -> None:
        """Refuse, before a pixel is read, what the model cannot take.

        Parameters
        ----------
        n_bands, band_names
            Bands of the source; no names where it has none.
        size
            Height and width of a patch, with its margin, in pixels.

        Raises
        ------
        ValueError
            Bands are missing or too many, the size does not fit, or classes do not match the result.

        """
        record = self.record  # whose errors name the model
        try:
            require_one(record.inputs)
            self.positions(n_bands, band_names)
            check_size(size, record, self.per_pixel)
            expected_outputs(record, self.described)
            if self.part_names and self._giving.is_plain:  # names of parts are looked at when it is tried
                self._giving.sources(self.part_names, "the model")
        except ValueError as error:
            raise ValueError(f"{self.__name__}: {error}") from error

    def bound_to(self, n_bands: int, band_names: Sequence[str] | None) -> Self:
        """Return the model for patches that hold all bands of a source, of which it takes its own.

        Parameters
        ----------
        n_bands, band_names
            Bands of the source; no names where it has none. ``None`` says that patches hold just the bands
            of the model, in its order.

        Returns
        -------
        Self
            The same model, without its bands being asked for again.

        Raises
        ------
        ValueError
            A band is missing; names it, and those there are.

        """
        bound = copy.copy(self)
        places = None if band_names is None else self.positions(n_bands, band_names)
        vars(bound).update(_positions=places, _bound=n_bands)
        return bound

    def bound_together(self, members: Sequence[Member], size: tuple[int, int]) -> Self:
        """Return the model for patches of several rasters, each of which is one of its inputs.

        Parameters
        ----------
        members
            The rasters.
        size
            Height and width of a patch, with its margin, in pixels of the first.

        Returns
        -------
        Self
            The same model, without bands being asked for again.

        Raises
        ------
        ValueError
            Names, bands or sizes do not match, or classes do not match the result.

        """
        bound = copy.copy(self)
        places = places_among(self.record, self.described, members, size, self.__name__)
        vars(bound).update(_places=places)
        return bound

    def on(self, device: str | None = None, precision: str | None = None) -> Self:
        """Return the model on another device, or in another precision.

        Parameters
        ----------
        device, precision
            As of `Model`; ``None`` leaves them as they are.

        Returns
        -------
        Self
            Loaded anew when it is needed.

        """
        moved = copy.copy(self)
        vars(moved).update(_holder=self._holder.on(device, precision))
        vars(moved).pop("_known", None)
        return moved

    def fingerprint(self) -> str:
        """Return what decides the results: weights, record, and the library that runs the model.

        Weights are read anew each time: those of a file that has changed are another model.

        Returns
        -------
        str
            It differs whenever results would.

        """
        weights = self._holder.digest()
        vars(self).pop("_known", None)  # which may be of other weights
        record = digest_of(json.dumps(record_to_json(self.record), sort_keys=True))
        places = self._positions if self._places is None else self._places
        bands = "" if places is None else f" of bands {places}"
        return f"{weights}{bands}, record {record}, {self.described.identity}{self._giving}"

    def close(self) -> None:
        """Let go of the memory the model takes; the next call loads it again."""
        self._holder.close()

    def __call__(self, patch: Shown) -> Batch:
        """Return the result of ``(bands, h, w)`` or ``(n, bands, h, w)``, or of several by name.

        Raises
        ------
        OperatorError
            What the model returned cannot be placed; says what it is.
        ValueError
            The patch is none the model can take.

        """
        made = list(self._each(patch).values())
        return made[0] if len(made) == 1 else np.concatenate(made, axis=-3)

    def giving(self, wanted: Sequence[str]) -> Self:
        """Return the model with other results than its own, one behind the other along the bands.

        Parameters
        ----------
        wanted
            ``""`` is the result it has by itself, ``"raw"`` the same before activation and classes; all
            else are names of parts, as the model returns them, or their numbers from 0.

        Returns
        -------
        Self
            Of the same weights.

        Examples
        --------
        >>> import numpy as np
        >>> class Two:
        ...     def predict(self, rows):
        ...         return {"sum": rows.sum(axis=1), "bands": rows}
        >>> Model(Two()).giving(["bands", "sum"])(np.array([[[1.0]], [[4.0]]])).ravel().tolist()
        [1.0, 4.0, 5.0]

        """
        other = copy.copy(self)
        vars(other).update(_wanted=tuple(wanted))
        return other

    def places(self, patch: Shown) -> tuple[tuple[int, int], ...]:
        """Return where the bands of each result it gives lie, ``[first, stop)``, by trying it on a patch.

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
            There is no part of that name; names those there are.
        OperatorError
            What the model returned cannot be placed; says what it is.

        """
        shown = patch[:, :1, :1] if self.per_pixel and not isinstance(patch, Mapping) else patch
        return self._giving.places({name: len(made) for name, made in self._each(shown).items()})

    @property
    def _giving(self) -> Giving:
        return Giving(self._wanted, self.record.part)

    def _each(self, patch: Shown) -> dict[str, Batch]:
        """Return each of the results that are given."""
        if isinstance(patch, Mapping):
            return self._each_together(patch)
        pixels, record, giving = np.asanyarray(patch), self.record, self._giving
        stack = pixels if pixels.ndim == 4 else pixels.reshape(1, -1, *pixels.shape[-2:])
        size = (stack.shape[-2], stack.shape[-1])
        require_one(record.inputs)
        check_size(size, record, self.per_pixel)
        batch, missing = self._inputs(stack.shape[1])(stack)
        parts = run_parts(self._holder.runtime(), batch, record, self.__name__, giving)
        return self._finished(parts, missing, size, alone=pixels.ndim != 4)

    def _each_together(self, patch: Mapping[str, Array]) -> dict[str, Batch]:
        """Return the same of patches of several rasters."""
        feed = fed(patch, self.record, self._places)
        parts = run_several(self._holder.runtime(), feed, self.record, self.__name__, self._giving)
        return self._finished(parts, feed.missing, feed.size, alone=feed.alone)

    def _finished(
        self, parts: Sequence[Array], missing: Missing, size: tuple[int, int], *, alone: bool
    ) -> dict[str, Batch]:
        """Return the results of parts of what the model made, of one patch ``alone`` without its axis."""
        made = self._giving.made(parts, self.record, self.__name__)
        found, self.border = finished(made, missing, size, self.record, self.__name__)
        return {name: whole[0] for name, whole in found.items()} if alone else found

    def _inputs(self, n_bands: int) -> Inputs:
        if self._bound not in (None, n_bands):
            raise ValueError(f"{self.__name__} is for sources of {self._bound} bands, and is given {n_bands}")
        positions = self.positions(n_bands, ()) if self._bound is None else self._positions
        return Inputs(positions, self.record.steps, self.record.nodata)

    def __repr__(self) -> str:
        return f"Model({self.__name__})"
