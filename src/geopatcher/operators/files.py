"""Functions by their name in a module or in a file: ``mymodels:predict``, ``scripts/model.py:predict``."""

from __future__ import annotations

import importlib.util
import sys
from operator import attrgetter
from pathlib import Path

from geopatcher._optional import import_quickly
from geopatcher.core.digests import digest_of

#: How a file of Python ends.
PYTHON = ".py"


def is_reference(reference: str) -> bool:
    """Whether a text is ``module:function`` or ``file.py:function``.

    >>> [is_reference(text) for text in ("a.b:f", "my models/x.py:f", "a b:f", "x.py", "x.py:")]
    [True, True, False, False, False]
    """
    module, _, name = reference.rpartition(":")
    parts = name.split(".") if module.endswith(PYTHON) else f"{module}.{name}".split(".")
    return bool(module) and all(part.isidentifier() for part in parts)


def found_by(reference: str) -> object:
    """Import a module, or run a file as one, and return the object of it that is named.

    A file is run once in a process, as a module of a name of its own; what lies beside it can be imported by
    it.

    Raises
    ------
    ImportError
        There is no such module or file.
    AttributeError
        There is no such object in it.

    Examples
    --------
    >>> found_by("math:sqrt")(9)
    3.0

    """
    module, _, name = reference.rpartition(":")
    loaded = _run(Path(module)) if module.endswith(PYTHON) else import_quickly(module)
    found: object = attrgetter(name)(loaded)
    return found


def absolute(reference: str) -> str:
    """Return a reference that means the same in every folder.

    >>> absolute("math:sqrt")
    'math:sqrt'
    """
    module, _, name = reference.rpartition(":")
    return f"{Path(module).resolve()}:{name}" if module.endswith(PYTHON) else reference


def module_of(reference: str) -> str:
    """Return the name that the module of a reference has once it was imported.

    >>> module_of("a.b:f.g")
    'a.b'
    """
    module = reference.rpartition(":")[0]
    return _name_of(Path(module).resolve()) if module.endswith(PYTHON) else module


def _name_of(place: Path) -> str:
    return f"{place.stem}_{digest_of(str(place))}"


def _run(place: Path) -> object:
    whole = place.resolve()
    name = _name_of(whole)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, whole)
    if not whole.is_file() or spec is None or spec.loader is None:
        message = f"there is no file {place} (working directory: {Path.cwd()})"
        raise ModuleNotFoundError(message, name=place.name)
    if str(whole.parent) not in sys.path:
        sys.path.append(str(whole.parent))  # last: a file beside it hides no library
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
