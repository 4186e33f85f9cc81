"""What somebody tells of a model in a call, over what its record says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from geopatcher.operators.models.axes import in_order
from geopatcher.operators.models.record import ModelInput, ModelRecord, bands_of, classes_of
from geopatcher.operators.models.record_json import record_in_notes
from geopatcher.operators.models.scaling import PerBand, steps_from_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from geopatcher.operators.models.protocol import Described
    from geopatcher.operators.models.record import ModelClass
    from geopatcher.operators.models.scaling import Step


@dataclass(frozen=True)
class Told:
    """Fields of a record; ``None`` is what was not told."""

    bands: tuple[int, ...] | tuple[str, ...] | None = None
    steps: tuple[Step, ...] | None = None
    activation: str | None = None
    classes: tuple[ModelClass, ...] | None = None
    margin: int | None = None
    multiple: int | None = None
    output_scale: Fraction | None = None
    part: str | None = None
    inputs: tuple[ModelInput, ...] | None = None
    #: The same, by the names and in the form of the arguments of a call.
    arguments: Mapping[str, object] = field(default_factory=dict, compare=False)

    @classmethod
    def of(
        cls,
        *,
        bands: Sequence[int] | Sequence[str] | None,
        scale: PerBand,
        offset: PerBand,
        mean: PerBand,
        std: PerBand,
        clip: tuple[float, float] | None,
        activation: str | None,
        classes: Iterable[str | ModelClass] | None,
        margin: int | None,
        multiple: int | None,
        output_scale: Fraction | float | None,
        part: str | int | None,
        inputs: Iterable[ModelInput | str] | None = None,
    ) -> Told:
        """Return it from the arguments of a call."""
        scaled = any(given is not None for given in (scale, offset, mean, std, clip))
        steps = steps_from_numbers(scale=scale, offset=offset, clip=clip, mean=mean, std=std)
        arguments: dict[str, object] = {
            "bands": bands,
            "scale": scale,
            "offset": offset,
            "mean": mean,
            "std": std,
            "clip": clip,
        }
        arguments |= {"activation": activation, "classes": classes, "margin": margin, "multiple": multiple}
        arguments |= {"output_scale": output_scale, "parts": part, "inputs": inputs}
        ratio = None if output_scale is None else Fraction(output_scale).limit_denominator(1 << 16)
        return cls(
            bands=bands_of(bands),
            steps=steps if scaled else None,
            activation=activation,
            classes=None if classes is None else classes_of(classes),
            margin=margin,
            multiple=multiple,
            output_scale=ratio,
            part=None if part is None else str(part),
            inputs=None if inputs is None else tuple(map(_input, inputs)),
            arguments=arguments,
        )

    def over(self, record: ModelRecord) -> ModelRecord:
        """Return a record with what was told in the place of what it says.

        >>> record = Told(margin=4).over(ModelRecord(margin=2, multiple=8))
        >>> record.margin, record.multiple
        (4, 8)
        """
        return replace(
            record,
            bands=record.bands if self.bands is None else self.bands,
            steps=record.steps if self.steps is None else self.steps,
            activation=record.activation if self.activation is None else self.activation,
            classes=record.classes if self.classes is None else self.classes,
            margin=record.margin if self.margin is None else self.margin,
            multiple=record.multiple if self.multiple is None else self.multiple,
            output_scale=record.output_scale if self.output_scale is None else self.output_scale,
            part=record.part if self.part is None else self.part,
            inputs=record.inputs if self.inputs is None else self.inputs,
        )


def known_of(
    told: Told, base: ModelRecord | None, known: Described, whose: str
) -> tuple[ModelRecord, Described]:
    """Return the record of a model, and what it says of itself with its axes as the record has them.

    ``base`` is its record; ``None`` for that in its file, if there is one.

    Raises
    ------
    ValueError
        The record and the model contradict each other; names the model.

    """
    try:
        record = told.over(base or record_in_notes(known.notes) or ModelRecord())
        known = in_order(known, record)
        return completed(record, known), known
    except ValueError as error:
        raise ValueError(f"{whose}: {error}") from error


def completed(record: ModelRecord, known: Described) -> ModelRecord:
    """Return a record with what the model itself says in the place of what is not told.

    Raises
    ------
    ValueError
        Its inputs, or its fixed lengths, are not those of the model.

    """
    for what, told, fixed in (
        ("bands", record.n_bands, known.n_bands),
        ("patches at once", record.batch, known.batch),
    ):
        if None not in (told, fixed) and told != fixed:
            raise ValueError(f"the model takes {fixed} {what}, and its record, or the call, says {told}")
    return replace(
        record,
        inputs=_completed_inputs(record, known.inputs),
        bands=record.bands or known.band_names or None,
        classes=record.classes or known.classes,
        size=record.size or known.size,
        batch=record.batch or known.batch,
        dim_order=record.dim_order or known.dim_order,
    )


def _input(given: ModelInput | str) -> ModelInput:
    return given if isinstance(given, ModelInput) else ModelInput(given)


def _completed_inputs(record: ModelRecord, known: tuple[ModelInput, ...]) -> tuple[ModelInput, ...]:
    """Return the inputs in the order of the model, each with what the model says of it."""
    told = {one.name: one for one in record.inputs}
    if not told or not known:
        return record.inputs or known
    if {*told} != {one.name for one in known}:
        names = ", ".join(one.name for one in known)
        raise ValueError(f"the record has the inputs {', '.join(told)}, and the model has {names}")
    return tuple(
        replace(
            told[one.name],
            n_bands=told[one.name].n_bands or one.n_bands,
            size=told[one.name].size or one.size,
            dim_order=told[one.name].dim_order or one.dim_order,
        )
        for one in known
    )
