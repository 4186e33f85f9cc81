"""Where code comes from: what is installed is known by its version, all else by its code."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from geopatcher._optional import load
from geopatcher.core.digests import digest_of

if TYPE_CHECKING:
    from importlib.metadata import Distribution
    from types import ModuleType

#: This distribution: it has its own entry in every fingerprint.
LIBRARY = frozenset({"geopatcher", "geotoolz", "geostack"})
#: Folders whose content is put there by installers.
INSTALLED = frozenset({"site-packages", "dist-packages"})


class Home(NamedTuple):
    """Where a module is from.

    ``"own"``: somebody's source, which may be edited at any time; ``"installed"``: a ``distribution`` of
    a ``version``; ``"python"``: the standard library; ``"library"``: this one.
    """

    kind: Literal["own", "installed", "python", "library"]
    distribution: str = ""
    version: str = ""


OWN = Home("own")


def home_of(module: str | None) -> Home:
    """Return where a module is from, by its name; nothing is imported.

    >>> home_of("json.decoder").kind, home_of("__main__").kind, home_of("numpy.fft").distribution
    ('python', 'own', 'numpy')
    """
    top = (module or "").partition(".")[0]
    if top in LIBRARY:
        return Home("library")
    if top in ("", "__main__", "__mp_main__"):
        return OWN
    if top in sys.builtin_module_names:
        return Home("python")
    place = _place_of(top)
    if place is None:
        return Home("python") if top in sys.stdlib_module_names else OWN
    if INSTALLED & set(place.parts):
        return _installed(top, str(place.parent))
    is_python = top in sys.stdlib_module_names and place.is_relative_to(_stdlib())
    return Home("python") if is_python else OWN


def record_of(module: str) -> str:
    """Return a digest of the record an installer has made of the files of a module's package.

    One that is installed again with other code under the same version has another.
    """
    top = module.partition(".")[0]
    place = _place_of(top)
    found = None if place is None else _distribution_of(top, str(place.parent))
    record = "" if found is None else found.read_text("RECORD") or ""
    lines = (line for line in record.splitlines() if line.startswith((f"{top}/", f"{top}.")))
    return digest_of(*sorted(line for line in lines if "sha256=" in line))


def file_of(module: str) -> Path | None:
    """Return the file of an imported module, such as a compiled one."""
    loaded = sys.modules.get(module)
    name = None if loaded is None else vars(loaded).get("__file__")
    return Path(name) if isinstance(name, str) and Path(name).is_file() else None


def _place_of(top: str) -> Path | None:
    """Return the file or folder of a top-level module; ``None`` for one that has none, or is not there."""
    loaded = sys.modules.get(top)
    if loaded is not None:
        return _place_in(loaded)
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or ())
    return Path(folders[0]) if folders else _existing(spec.origin)


def _place_in(module: ModuleType) -> Path | None:
    known = vars(module)
    folders = list(known.get("__path__") or ())
    return Path(folders[0]) if folders else _existing(known.get("__file__"))


def _existing(name: object) -> Path | None:
    return Path(name).absolute() if isinstance(name, str) and Path(name).exists() else None


@lru_cache(maxsize=256)
def _installed(top: str, folder: str) -> Home:
    """Return the home of a module that an installer put into a folder: its metadata is parsed once."""
    found = _distribution_of(top, folder)
    return OWN if found is None else Home("installed", found.name, found.version)


@lru_cache(maxsize=1)
def _stdlib() -> str:
    return sysconfig.get_path("stdlib")


@lru_cache(maxsize=256)
def _distribution_of(top: str, folder: str) -> Distribution | None:
    """Return the distribution in a folder that brings a top-level module."""
    metadata = load("importlib.metadata")
    try:
        named: Distribution | None = metadata.distribution(top)
    except metadata.PackageNotFoundError:
        named = None
    if named is not None and _brings(named, top):
        return named
    beside: list[Distribution] = list(metadata.distributions(path=[folder]))
    for found in beside:  # such as opencv-python, which brings cv2
        if top in (found.read_text("top_level.txt") or "").split():
            return found
    return next((found for found in beside if _brings(found, top)), None)


def _brings(found: Distribution, top: str) -> bool:
    names = (found.read_text("top_level.txt") or "").split()
    record = f"\n{found.read_text('RECORD') or ''}"
    return top in names or f"\n{top}/" in record or f"\n{top}." in record
