"""From what a shell user types to a field and an operator."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import click

from geopatcher.api.subset import pick_bands
from geopatcher.cli.lazy import import_reference
from geopatcher.core.containment import contained, told
from geopatcher.core.protocols import BandSelectable
from geopatcher.errors import OperatorError, SourceError
from geopatcher.fields.open import as_field
from geopatcher.fields.raster import RasterField
from geopatcher.operators.expression import Expression
from geopatcher.operators.models.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.core.protocols import Array, SourceField
    from geopatcher.fields.open import Source, Sources

F_co = TypeVar("F_co", covariant=True)

#: nodata of a condition over a raster that has nodata: 0 and 1 are its results.
CONDITION_NODATA = 255


@dataclass(frozen=True)
class Task(Generic[F_co]):
    """A field, or several by name, and what is done to patches; ``nodata`` is what goes with that, if any."""

    field: F_co
    operator: Callable[[Array], Array]
    nodata: int | None = None
    out_bands: int | None = None


def field_of(source: Source, bands: tuple[int | str, ...] | None) -> SourceField[object]:
    """Open a raster, or only ``bands`` of it, by number from 1 or by name."""
    field = as_field(source)
    return field if bands is None else _picked(field, bands)


def _picked(field: SourceField[object], bands: tuple[int | str, ...]) -> SourceField[object]:
    """Return a field of some bands."""
    try:
        return RasterField(pick_bands(field.source, bands))
    except ValueError as error:
        raise SourceError(str(error)) from error


def expression_task(
    source: Source, text: str, bands: tuple[int | str, ...] | None
) -> Task[SourceField[object]]:
    """Return arithmetic over a raster; only the bands it names are read."""
    if bands is not None:
        raise click.UsageError("--bands is for --operator: an --expr names its bands itself, such as b4")
    expression = Expression(text)
    field = as_field(source)
    given: tuple[int, ...] | None = None
    if isinstance(field.source, BandSelectable):
        field, given = _picked(field, expression.bands), expression.bands
    nodata = CONDITION_NODATA if expression.is_condition and field.source.has_nodata else None
    return Task(field, Expression(text, given), nodata, out_bands=1)


def model_from(path: str) -> Model:
    """Return the model of a file.

    Raises
    ------
    ValueError, TypeError
        It is no model, or its record says what cannot be.

    """
    return Model(path)


def task_of(
    source: Source,
    operator: str | None,
    expression: str | None,
    bands: tuple[int | str, ...] | None,
    model: Callable[[Array], Array] | None = None,
) -> Task[SourceField[object]]:
    """Return what was asked for, by ``--operator``, by ``--expr`` or by ``--model``."""
    if sum(given is not None for given in (operator, expression, model)) != 1:
        raise click.UsageError(
            "give what to run: either --operator module:function, --expr TEXT or --model FILE"
        )
    if model is not None:
        return Task(field_of(source, bands), model)
    if expression is not None:
        return expression_task(source, expression, bands)
    return Task(field_of(source, bands), load_operator(operator or ""))


def task_over(
    sources: Sources,
    operator: str | None,
    expression: str | None,
    bands: tuple[int | str, ...] | None,
    model: Callable[[Array], Array] | None = None,
) -> Task[Sources]:
    """Return what was asked for of one raster, or of several by name."""
    if not isinstance(sources, Mapping):
        return task_of(sources, operator, expression, bands, model)
    for option, given in (("--expr", expression), ("--bands", bands)):
        if given is not None:
            raise click.UsageError(f"{option} is for one raster, and there are {', '.join(sources)}")
    if (operator is None) == (model is None):
        raise click.UsageError("give what to run: either --operator module:function or --model FILE")
    return Task(sources, load_operator(operator or "") if model is None else model)


def load_operator(reference: str) -> Callable[[Array], Array]:
    """Import ``module:function``; modules are looked up in the working directory, too.

    Raises
    ------
    ValueError
        There is no such module or function, or it cannot be called.
    OperatorError
        The module raised while it was imported.

    """
    module, _, name = reference.partition(":")
    if not all(part.isidentifier() for part in f"{module}.{name}".split(".")):
        raise ValueError(f"operator {reference!r} is not module:function, such as mypackage.models:predict")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = contained(lambda: import_reference(reference))
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise OperatorError(f"module {module} cannot be imported: {error}") from error
        raise ValueError(
            f"operator {reference!r}: there is no module {error.name}, neither installed nor in {here}"
        ) from error
    except AttributeError as error:
        raise _missing(reference, module, error) from error
    except Exception as error:  # the module is not ours
        raise OperatorError(f"module {module} cannot be imported: {told(error)}") from error
    if isinstance(found, type) or not callable(found):
        kind = "class" if isinstance(found, type) else type(found).__name__
        what = f"operator {reference!r} is a {kind}"
        raise ValueError(f"{what}: name a function, or a callable instance")  # noqa: TRY004 - text is wrong
    return cast("Callable[[Array], Array]", found)


def _missing(reference: str, module: str, error: AttributeError) -> Exception:
    """Return what to say of a name that is missing: in the module, or while it was imported."""
    loaded = sys.modules.get(module)
    if loaded is None:
        return OperatorError(f"module {module} cannot be imported: {type(error).__name__}: {error}")
    known = [name for name, value in vars(loaded).items() if callable(value) and not name.startswith("_")]
    return ValueError(f"operator {reference!r}: module {module} has {', '.join(sorted(known)) or 'nothing'}")
