"""What is known of a model, for people, and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geopatcher.operators.models.record import ModelInput
from geopatcher.operators.models.record_json import record_beside, record_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.operators.models.model import Model
    from geopatcher.operators.models.scaling import Step


@dataclass(frozen=True)
class ModelDescription:
    """A model in lines; ``lacking`` is what nobody has told, and may matter."""

    lines: tuple[tuple[str, str], ...]
    lacking: tuple[str, ...]
    properties: dict[str, object]

    def __str__(self) -> str:
        told = "\n".join(f"{name:<10} {text}" for name, text in self.lines)
        if not self.lacking:
            return told
        said = f"{told}\n{'not told':<11}{', '.join(self.lacking)}"
        if "margin" in self.lacking:
            said += f"\n{'':<11}the margin it needs is measured by: geopatcher tune SCENE --model FILE"
        return said


def describe_model(model: Model, path: Path) -> ModelDescription:
    """Return what is known of a model in a file; loads it.

    >>> from geopatcher import Model
    >>> class Wet:
    ...     classes_ = ("land", "water")
    ...     def predict_proba(self, rows): ...
    >>> print(describe_model(Model(Wet(), bands=[2], scale=2), Path("wet.skops")))
    model      Wet, one pixel at a time
    record     none beside it
    bands      2
    scaling    scale (value 0.5)
    result     2 bands
    classes    0 land, 1 water
    """
    record, known = model.record, model.described
    beside = record_beside(path)
    height, width = record.size or ("any", "any")
    sizes = f"{height} x {width}" if record.size else f"multiples of {record.multiple}"
    classes = ", ".join(f"{one.value} {one.name}" for one in record.classes)
    bands = ", ".join(map(str, record.bands or ())) or f"{model.n_bands or 'unknown number'}, as they come"
    lines = [
        ("model", f"{model.__name__}, {'one pixel at a time' if known.per_pixel else known.identity}"),
        ("record", str(beside) if beside.is_file() else "none beside it"),
        *(
            [(f"input {one.name}", _input(one)) for one in record.inputs]
            or [("bands", bands), ("scaling", _scaling(record.steps))]
        ),
        ("result", f"{model.n_outputs or 'unknown number of'} bands"),
        ("classes", classes or "none"),
    ]
    if not known.per_pixel:
        lines += [
            ("activation", record.activation or "none"),
            ("patches", f"{sizes}, {record.batch or 'any number'} at once"),
            ("margin", f"{record.margin} pixels"),
        ]
    if len(known.parts) > 1:
        lines.append(("parts", ", ".join(known.parts)))
        lines.append(("part", f"{record.part or 'none'} is the result"))
    properties = record_to_json(record, Path(model.__name__).stem, model.n_bands, model.n_outputs)
    return ModelDescription(tuple(lines), tuple(_lacking(model)), properties)


def _lacking(model: Model) -> list[str]:
    record = model.record
    told: dict[str, object] = {}
    for one in record.inputs or (record,):
        of = f" of {one.name}" if isinstance(one, ModelInput) else ""
        told |= {f"bands{of}": one.bands, f"scaling{of}": one.steps}
    told["classes"] = record.classes
    if len(model.part_names) > 1:
        told["part"] = record.part
    of_patches = {"activation": record.activation, "margin": record.margin}
    lacking = [name for name, value in told.items() if not value]
    return lacking + [name for name, value in of_patches.items() if not value and not model.per_pixel]


def _input(one: ModelInput) -> str:
    bands = ", ".join(map(str, one.bands or ())) or f"{one.n_bands or 'unknown number'}, as they come"
    return f"bands {bands}; scaling {_scaling(one.steps)}"


def _scaling(steps: Sequence[Step]) -> str:
    return "; then ".join(map(_step, steps)) or "none"


def _step(step: Step) -> str:
    numbers = [" ".join(f"{name} {number:g}" for name, number in one.numbers.items()) for one in step]
    return f"{step[0].type} ({', '.join(numbers)})"
