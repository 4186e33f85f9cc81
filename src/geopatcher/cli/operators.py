"""From what a shell user types to a field and an operator."""

from __future__ import annotations

import json
import pkgutil
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import click

from geopatcher.api.subset import bands_of_each, pick_bands
from geopatcher.core.containment import contained, told
from geopatcher.core.protocols import BandSelectable
from geopatcher.errors import OperatorError
from geopatcher.fields.open import as_field
from geopatcher.fields.raster import RasterField
from geopatcher.operators.expression import Expression
from geopatcher.operators.files import found_by, is_reference, module_of
from geopatcher.operators.models.model import Model
from geopatcher.operators.named import NamedOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geopatcher.core.protocols import Array, SourceField
    from geopatcher.fields.open import Source, Sources

F_co = TypeVar("F_co", covariant=True)

#: nodata of a condition over a raster that has nodata: 0 and 1 are its results.
CONDITION_NODATA = 255
#: Functions of a module that are listed where another one was meant.
LISTED = 24


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
    return field if bands is None else _picked(field, bands, "--bands")


def _picked(field: SourceField[object], bands: tuple[int | str, ...], option: str) -> SourceField[object]:
    """Return a field of some bands, which an option names."""
    try:
        return RasterField(pick_bands(field.source, bands))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=f"'{option}'") from error


def expression_task(
    source: Source, text: str, bands: tuple[int | str, ...] | None
) -> Task[SourceField[object]]:
    """Return arithmetic over a raster; only the bands it names are read."""
    if bands is not None:
        raise click.UsageError("--bands is for --operator: an --expr names its bands itself, such as b4")
    field = as_field(source)
    try:
        expression = expression_of(text, bands_of_each(field.source.domain))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--expr'") from error
    given: tuple[int, ...] | None = None
    if isinstance(field.source, BandSelectable):
        field, given = _picked(field, expression.bands, "--expr"), expression.bands
    nodata = CONDITION_NODATA if expression.is_condition and field.source.has_nodata else None
    return Task(field, replace(expression, given=given), nodata, out_bands=1)


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
    arguments: Mapping[str, object] | None = None,
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
    return Task(field_of(source, bands), asked_operator(operator or "", "--operator", arguments))


def task_over(
    sources: Sources,
    operator: str | None,
    expression: str | None,
    bands: tuple[int | str, ...] | None,
    model: str | None = None,
    arguments: Mapping[str, object] | None = None,
) -> Task[Sources]:
    """Return what was asked for of one raster, or of several by name; ``model`` is the path of one."""
    loaded = None if model is None else model_from(model)
    if not isinstance(sources, Mapping):
        return task_of(sources, operator, expression, bands, loaded, arguments)
    for option, given in (("--expr", expression), ("--bands", bands)):
        if given is not None:
            raise click.UsageError(f"{option} is for one raster, and there are {', '.join(sources)}")
    if (operator is None) == (loaded is None):
        raise click.UsageError("give what to run: either --operator module:function or --model FILE")
    return Task(
        sources, asked_operator(operator or "", "--operator", arguments) if loaded is None else loaded
    )


def asked_operator(
    reference: str, option: str, arguments: Mapping[str, object] | None = None
) -> Callable[[Array], Array]:
    """Return what an option names, see `load_operator`; a name of nothing is told as wrong use."""
    try:
        return load_operator(reference, arguments)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=f"'{option}'") from error


def load_operator(reference: str, arguments: Mapping[str, object] | None = None) -> Callable[[Array], Array]:
    """Import ``module:function``, or one of a file, ``file.py:function``.

    Modules are looked up in the working directory, too. With ``arguments`` the function is called with these
    keywords.

    Raises
    ------
    ValueError
        There is no such module or function, or it cannot be called.
    OperatorError
        The module raised while it was imported.

    """
    module = reference.rpartition(":")[0]
    if not is_reference(reference):
        raise ValueError(
            f"operator {reference!r} is not module:function, such as mypackage.models:predict, or "
            f"file.py:function{_meant(reference)}"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = contained(lambda: found_by(reference))
    except ModuleNotFoundError as error:
        name = error.name
        if name is None or not (f"{module}.".startswith(f"{name}.") or Path(module).name == name):
            raise OperatorError(f"module {module} cannot be imported: {error}") from error
        if module.endswith(".py"):
            what = f"{error}{_file_like(module)}"
        else:
            what = f"there is no module {name}, neither installed nor in {here}{_like(name)}"
        raise ValueError(f"operator {reference!r}: {what}") from error
    except AttributeError as error:
        raise _missing(reference, module, error) from error
    except Exception as error:  # the module is not ours
        raise OperatorError(f"module {module} cannot be imported: {told(error)}") from error
    if isinstance(found, type) or not callable(found):
        kind = "class" if isinstance(found, type) else type(found).__name__
        what = f"operator {reference!r} is a {kind}"
        raise ValueError(f"{what}: name a function, or a callable instance")  # noqa: TRY004 - text is wrong
    return NamedOperator(reference, arguments) if arguments else cast("Callable[[Array], Array]", found)


def _meant(reference: str) -> str:
    """Return what a text without a colon may have meant.

    >>> _meant("mymodels.predict"), _meant("ops.py"), _meant("a b")
    ('; did you mean mymodels:predict?', '; did you mean ops.py:FUNCTION?', '')
    """
    if reference.endswith(".py"):
        return f"; did you mean {reference}:FUNCTION?"
    module, _, name = reference.rpartition(".")
    wish = f"{module}:{name}"
    return f"; did you mean {wish}?" if module and is_reference(wish) else ""


def _like(module: str) -> str:
    """Return modules whose names are like one that is not there, for a message."""
    top = module.partition(".")[0]
    return _perhaps(get_close_matches(top, {each.name for each in pkgutil.iter_modules()}, 2))


def _file_like(file: str) -> str:
    """Return files beside one that is not there whose names are like its own, for a message."""
    path = Path(file)
    beside = [each.name for each in path.parent.glob("*.py")]
    return _perhaps([str(path.with_name(name)) for name in get_close_matches(path.name, beside, 2)])


def _perhaps(names: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(names)}?" if names else ""


def read_arguments(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, object]:
    """Read ``name=value`` of which values are JSON, such as ``0.5`` or ``true``, and texts otherwise."""
    found: dict[str, object] = {}
    for given in value:
        name, sign, text = given.partition("=")
        if not sign or not name.isidentifier() or name in found:
            raise click.BadParameter(f"{given!r} is not name=value, each name once", ctx, param)
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


def with_numbers(text: str, names: Sequence[str]) -> str:
    """Return arithmetic in which bands have their numbers in place of their names.

    A name that is none of Python, such as ``near infrared``, is written with underscores. ``b1`` is always
    the first band.

    >>> with_numbers("(nir - red) / sqrt(near_infrared)", ("red", "nir", "near infrared"))
    '(b2 - b1) / sqrt(b3)'

    Raises
    ------
    ValueError
        Two bands have a name that is used.

    """
    known: dict[str, list[int]] = {}
    for number, name in enumerate(names, start=1):
        for called in {name, re.sub(r"\W+", "_", name)}:
            known.setdefault(called, []).append(number)

    def numbered(match: re.Match[str]) -> str:
        bands = known.get(match[0], [])
        if re.fullmatch("b[0-9]+", match[0]) or not bands:
            return match[0]
        if len(bands) > 1:
            said = ", ".join(map(str, bands))
            raise ValueError(f"bands {said} are all called {match[0]}: write b{bands[0]}")
        return f"b{bands[0]}"

    return re.sub(r"(?<![\w.])[A-Za-z_]\w*\b(?!\s*\()", numbered, text)


def expression_of(text: str, names: Sequence[str]) -> Expression:
    """Return arithmetic over bands that have names.

    Raises
    ------
    ValueError
        It is none; tells the names that would have been near.

    """
    try:
        return Expression(with_numbers(text, names), called=text)
    except ValueError as error:
        written = [re.sub(r"\W+", "_", name) for name in names]
        words = [word for word in re.findall(r"[A-Za-z_]\w*", text) if word not in written]
        near = {word: _near(word, written) for word in words}
        meant = [f"{' or '.join(bands)} for {word}" for word, bands in near.items() if bands]
        told = f"; did you mean {', '.join(meant)}?" if meant else ""
        listed = [f"b{band} {name}" for band, name in enumerate(written, 1) if name != f"b{band}"]
        known = f"; bands are {', '.join(listed[:LISTED])}" if words and listed else ""
        raise ValueError(f"{error}{told}{known}") from error


def _near(word: str, names: Sequence[str]) -> list[str]:
    """Return names that are like a word, or have it as a part."""
    parts = [name for name in names if word.lower() in name.lower().split("_")]
    return parts or get_close_matches(word, names, 2)


def _missing(reference: str, module: str, error: AttributeError) -> Exception:
    """Return what to say of a name that is missing: in the module, or while it was imported."""
    loaded = sys.modules.get(module_of(reference))
    if loaded is None:
        return OperatorError(f"module {module} cannot be imported: {type(error).__name__}: {error}")
    known = sorted(
        name for name, value in vars(loaded).items() if callable(value) and not name.startswith("_")
    )
    near = get_close_matches(reference.rpartition(":")[2], known)
    there = ", ".join(near if len(known) > LISTED and near else known[:LISTED]) or "nothing"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return ValueError(f"operator {reference!r}: module {module} has {there}{more}")
