"""Models in the place of operators: what follows from what they say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from geopatcher.core.leading import BAND, at_each_place, named_by
from geopatcher.core.protocols import BandSelectable, OverDims, OverLabels, Shareable, UsesBands
from geopatcher.core.sources import packing_of
from geopatcher.engine.prepare import name_of
from geopatcher.fields.declared import outline_of
from geopatcher.operators.models.augmentation import Augmented
from geopatcher.operators.models.inputs import positions_of
from geopatcher.operators.models.protocol import ModelLike, TakesTogether
from geopatcher.operators.models.wrap import as_operator
from geopatcher.operators.wrappers import dims_of, margin_of, scale_of
from geopatcher.planning.reading import Reading

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from geopatcher.api.axes import PatcherLike, Scale, Size
    from geopatcher.core.leading import Leading, OutputDims
    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.engine.batching import BatchSize


class Predicting(Protocol):
    """An estimator or a booster: what predicts rows of pixels."""

    def predict(self, rows: Array, /) -> object:
        """Return a value, or several, for each row."""
        ...


#: What `reconstruct` runs: a callable, an estimator, or the path of a model. A callable is given an array,
#: or a dict of them: of both in a union type checkers take the argument of a lambda for the wrong one.
Runnable: TypeAlias = "Callable[..., Array] | Predicting | str | os.PathLike[str]"


def as_run(
    given: object, tta: str | None, device: str | None = None, precision: str | None = None
) -> Callable[..., Array]:
    """Return the operator somebody hands in: a bare model wrapped, and a model as it is asked for.

    Raises
    ------
    TypeError
        It is no operator, or something is asked for that only models have.
    ValueError
        There are no such views, no such device, or no such precision.

    """
    operator = as_operator(given)
    asked = {"tta": tta, "device": device, "precision": precision}
    said = [f"{name}={value!r}" for name, value in asked.items() if value is not None]
    if not said:
        return operator
    if not isinstance(operator, ModelLike):
        name = name_of(operator)
        raise TypeError(f"{said[0]} is for models: wrap {name} with geopatcher.Model, or leave it out")
    model = operator if device is None and precision is None else operator.on(device, precision)
    return model if tta is None else Augmented(model, tta)


def reading_for(operator: object, margin: Size | None, output_scale: Scale | None) -> Reading:
    """Return what is read for each patch: as asked for, or else as the operator says.

    >>> str(reading_for(abs, 8, "1/2"))
    'margin 8, scale 1/2'
    """
    return Reading.of(
        margin_of(operator) if margin is None else margin,
        scale_of(operator) if output_scale is None else output_scale,
    )


def dims_for(operator: object, output_dims: OutputDims | None) -> Leading | None:
    """Return the leading dimensions of results: as asked for, or else as the operator says, if it does.

    Raises
    ------
    TypeError, ValueError
        They are no names.

    """
    said = dims_of(operator) if output_dims is None else output_dims
    return None if said is None else named_by(said)


def usual_step(
    operator: object, step: Size | None, size: Size, patcher: PatcherLike | None = None
) -> Size | None:
    """Return the step of an operator for which none is given: that of pixels alone needs no overlap.

    A patcher has its own.
    """
    alone = step is None and isinstance(operator, ModelLike) and operator.per_pixel
    return size if alone and patcher is None else step


def usual_batch(operator: object, batch_size: BatchSize) -> BatchSize:
    """Return the batch of a model that takes no other, where no number above one is asked for."""
    fixed = operator.fixed_batch if isinstance(operator, ModelLike) else None
    return fixed if fixed is not None and batch_size in (1, "auto") else batch_size


def result_bands(operator: object) -> int | None:
    """Return how many bands an operator returns, where it says so before a call."""
    return operator.n_outputs if isinstance(operator, ModelLike) else None


def matched(
    operator: Callable[[Array], Array], source: PixelSource, size: tuple[int, int], margin: tuple[int, int]
) -> tuple[Callable[[Array], Array], PixelSource]:
    """Return an operator that takes its bands of a source, and a source of which no others are read.

    These are a model, and what else says which it uses, such as an expression. One that has to know leading
    dimensions is told. Other operators, and their source, are returned as they are. The model sees patches
    of ``size``, in pixels, with their margin.

    Raises
    ------
    ValueError
        The source lacks bands of the model, or a dimension of an operator; or patches of this size are
        none for it; before anything is read.

    """
    if isinstance(operator, OverDims):
        domain = outline_of(source)
        operator = operator.over([one.name for one in domain.leading] or [BAND] * len(domain.shape[:-2]))
        if isinstance(operator, OverLabels):
            operator = operator.along(domain.leading)
    if isinstance(operator, UsesBands):
        return _of_its_bands(operator, source)
    if not isinstance(operator, ModelLike):
        return operator, source
    packing = packing_of(source)
    if packing is not None:
        if not isinstance(operator, TakesTogether):
            whose = name_of(operator)
            raise TypeError(
                f"{whose} takes one raster: give a Model alone several, or stack them (BandStack)"
            )
        return operator.bound_together(packing.members, shown_size(size, margin)), source
    names = source.domain.band_names
    operator.check(source.domain.n_bands, names, shown_size(size, margin))
    places = positions_of(operator.bands, None, source.domain.n_bands, names)
    picked = None if places is None else _picked(source, places)
    if picked is None:
        return operator.bound_to(source.domain.n_bands, names), source
    return operator.bound_to(picked.domain.n_bands, None), picked


def _of_its_bands(operator: UsesBands, source: PixelSource) -> tuple[UsesBands, PixelSource]:
    """Return an operator for the bands it uses, and a source of these alone."""
    domain, places = outline_of(source), operator.places
    leading = domain.leading
    n_bands = leading[-1].length if leading else domain.n_bands
    if packing_of(source) is not None or max(places) >= n_bands or len(places) == n_bands:
        return operator, source
    picked = _picked(source, at_each_place(leading, places) if leading else places)
    return (operator, source) if picked is None else (operator.of_places(), picked)


def _picked(source: PixelSource, bands: Sequence[int]) -> PixelSource | None:
    """Return a source of some bands, from 0; ``None`` where choosing them brings nothing, or cannot be done.

    Of an array in memory all are read anyway; but of integers a band that is not used may say that a cell is
    missing.
    """
    in_memory = isinstance(source, Shareable) and source.held() is not None
    marked = source.has_nodata and source.domain.dtype.kind != "f"
    if len(source.domain.shape) == 2 or (in_memory and not marked) or not isinstance(source, BandSelectable):
        return None
    return source.select_bands(bands)


def shown_size(size: tuple[int, int], margin: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of what an operator is shown of a patch, in pixels.

    >>> shown_size((256, 512), (16, 0))
    (288, 512)
    """
    return (size[0] + 2 * margin[0], size[1] + 2 * margin[1])
