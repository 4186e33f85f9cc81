"""What people can reach is documented: parameters, what is returned, and which errors are raised."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import textwrap
from typing import TYPE_CHECKING, NamedTuple

import pytest

from geopatcher import errors

numpydoc = pytest.importorskip("numpydoc", reason="docstrings are read with numpydoc")
from numpydoc.docscrape import NumpyDocString  # noqa: E402 - it may be missing
from numpydoc.validate import validate  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

MODULES = (
    "geopatcher",
    "geopatcher.fields",
    "geopatcher.executors",
    "geopatcher.runners",
    "geopatcher.spatial",
    "geopatcher.dask",
    "geopatcher.jax",
    "geopatcher.torch",
    "geopatcher.xarray",
    "geopatcher.training",
    "geopatcher.hooks",
    "geopatcher.errors",
    "geopatcher.samplers",
    "geopatcher.samplers.coords",
    "geopatcher.domain",
    "geopatcher.matched",
    "geopatcher.time",
    "geotoolz",
    "geotoolz.patch_ops",
    "geostack",
)
#: Modules whose docstrings are still to be written.
WAITING: tuple[str, ...] = ()
#: What numpydoc itself says: no docstring, an unknown section, sections in another order, unknown parameters.
CODES = {"GL06", "GL07", "GL08", "PR02"}
#: What is raised where a method is to be written, says nothing to whoever calls.
UNSAID = {"NotImplementedError"}


class Public(NamedTuple):
    """A name people can reach, the function or class behind it, and the class it is a part of."""

    name: str
    value: object
    owner: type | None = None
    is_property: bool = False

    @property
    def home(self) -> str:
        return f"{self.value.__module__}.{self.value.__qualname__}"


def public() -> list[Public]:
    found: dict[str, Public] = {}
    for module in map(importlib.import_module, MODULES):
        for name in names_of(module):
            value = getattr(module, name)
            if not (inspect.isclass(value) or inspect.isfunction(value)) or not is_ours(value):
                continue
            one = Public(f"{module.__name__}.{name}", value)
            found.setdefault(one.home, one)
            for part in parts_of(value, one.name) if inspect.isclass(value) else ():
                found.setdefault(part.home, part)
    return [one for one in found.values() if one.value.__module__ not in WAITING]


def names_of(module: ModuleType) -> list[str]:
    own = [n for n, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return getattr(module, "__all__", None) or [name for name in own if name[0] != "_"]


def is_ours(value: object) -> bool:
    return value.__module__.split(".")[0] in ("geopatcher", "geotoolz", "geostack")


def parts_of(owner: type, name: str) -> Iterator[Public]:
    for key in dir(owner):
        kept = inspect.getattr_static(owner, key)
        value = kept.fget if isinstance(kept, property) else getattr(kept, "__func__", kept)
        if key[0] != "_" and inspect.isfunction(value) and is_ours(value):
            yield Public(f"{name}.{key}", value, owner, isinstance(kept, property))


def sections(one: Public) -> list[NumpyDocString]:
    """Return the docstring, and those it builds on: a method that overrides one says only what differs."""
    if one.owner is None:
        chain = one.value.__mro__ if inspect.isclass(one.value) else (one.value,)
        return [NumpyDocString(inspect.cleandoc(cls.__doc__ or "")) for cls in chain if is_ours(cls)]
    key = one.value.__name__
    at = [cls for cls in one.owner.__mro__ if key in vars(cls)]
    defined = next(index for index, cls in enumerate(at) if getattr(vars(cls)[key], "__doc__", None))
    return [NumpyDocString(inspect.cleandoc(vars(cls)[key].__doc__ or "")) for cls in at[defined:]]


def names_in(docs: list[NumpyDocString]) -> set[str]:
    given = [entry.name for doc in docs for part in ("Parameters", "Attributes") for entry in doc[part]]
    return {name.strip().lstrip("*") for entry in given for name in entry.split(",")}


def parameters_of(value: object) -> set[str]:
    if inspect.isclass(value) and issubclass(value, BaseException):
        return set()  # of a message
    if inspect.isclass(value) and not dataclasses.is_dataclass(value) and value.__init__ is object.__init__:
        return set()
    if inspect.isclass(value) and getattr(value, "_is_protocol", False):
        return set()
    found = inspect.signature(value).parameters
    return {name for name in found if name not in ("self", "cls") and name[0] != "_"}


def returns_something(value: object) -> bool:
    if inspect.isclass(value):
        return False
    said = inspect.signature(value).return_annotation
    return said not in (None, "None", "Never", inspect.Signature.empty)


def raised_by(value: object) -> set[str]:
    """Return the exceptions that a function, or making an object of a class, raises in its own lines."""
    if getattr(value, "_is_protocol", False):
        return set()
    if inspect.isclass(value):
        own = [vars(value).get(name) for name in ("__init__", "__post_init__")]
        written = [made for made in own if inspect.isfunction(made) and is_written(made)]
        return {name for made in written for name in raised_by(made)}
    tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    names = {call.func.id for call in calls if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}
    return names - UNSAID


def is_written(function: object) -> bool:
    return not function.__code__.co_filename.startswith("<")  # as what a dataclass makes is


@pytest.mark.parametrize("one", public(), ids=lambda one: one.name)
def test_what_is_public_is_documented(one):
    docs = sections(one)
    wrong = [f"{code}: {text}" for code, text in validate(one.home)["errors"] if code in CODES]
    assert not wrong
    if one.is_property:
        return
    missing = parameters_of(one.value) - names_in(docs)
    assert not missing, f"{one.home}: parameters {sorted(missing)} are not documented"
    if returns_something(one.value):
        said = any(doc["Returns"] or doc["Yields"] for doc in docs)
        assert said, f"{one.home}: what it returns is not documented"
    told = {name.strip() for doc in docs for entry in doc["Raises"] for name in entry.type.split(",")}
    assert raised_by(one.value) <= told, f"{one.home}: raises {raised_by(one.value)}, and says {told}"


def test_the_walk_finds_what_it_should():
    names = {one.name for one in public()}
    assert {"geopatcher.SpatialOverlapAdd", "geopatcher.Box.intersect", "geotoolz.patch_ops.Stitch"} <= names


def test_what_is_not_documented_is_found():
    def undocumented(size: int) -> int:
        """Return a number.

        Parameters
        ----------
        step
            Another one.

        """
        if size < 0:
            raise errors_of_ours("negative")
        return size

    errors_of_ours = errors.SourceError
    one = Public("undocumented", undocumented)
    assert parameters_of(undocumented) - names_in(sections(one)) == {"size"}
    assert returns_something(undocumented)
    assert not any(doc["Returns"] for doc in sections(one))
    assert raised_by(undocumented) == {"errors_of_ours"}
