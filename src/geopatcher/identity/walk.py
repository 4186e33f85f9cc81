"""The walk from an operator through all it refers to: functions, classes, modules and values."""

from __future__ import annotations

import builtins
import functools
import importlib
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher.core.digests import digest_of, file_digest
from geopatcher.identity.code import Facts
from geopatcher.identity.homes import Home, file_of, home_of, record_of
from geopatcher.identity.values import COMPILED, Values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geopatcher.identity.code import Import

#: What a class or module has that says nothing of what it does.
_SILENT = frozenset(
    {
        *(
            "__abstractmethods__",
            "__annotate__",
            "__annotate_func__",
            "__annotations__",
            "__annotations_cache__",
        ),
        *("__builtins__", "__cached__", "__conditional_annotations__", "__dataclass_fields__"),
        *("__dataclass_params__", "__dict__", "__doc__", "__file__", "__firstlineno__", "__loader__"),
        *("__match_args__", "__module__", "__name__", "__orig_bases__", "__package__", "__parameters__"),
        *(
            "__path__",
            "__qualname__",
            "__slotnames__",
            "__spec__",
            "__static_attributes__",
            "__type_params__",
            "__weakref__",
        ),
        "_abc_impl",
    }
)
#: Functions that may look up any name of their module.
_LOOK_ANYWHERE = frozenset({"eval", "exec", "globals"})
#: Functions that run code which nothing here names, by the module they are from.
_RUNNING = {
    "importlib": frozenset({"import_module", "reload"}),
    "importlib.machinery": frozenset({"SourceFileLoader"}),
    "importlib.util": frozenset({"spec_from_file_location"}),
    "runpy": frozenset({"run_module", "run_path"}),
    "sys": frozenset({"modules"}),
}
#: Longest number that is told as it is, for people to see what changed.
_SHOWN = 24


@runtime_checkable
class _Placed(Protocol):
    """Something that says which module it is from."""

    __module__: str


@runtime_checkable
class _Qualified(Protocol):
    """Something that says what it is called there."""

    __qualname__: str


@dataclass
class Walk:
    """One look at an object; ``parts`` is what was found, by name, and ``unknown`` what cannot be known.

    Code that is installed counts by the version of its distribution; ``home`` is the top-level module the
    operator itself is from, of which a digest of the installed files counts, too.
    """

    home: str = ""
    parts: dict[str, str | int | float] = field(default_factory=dict)
    unknown: dict[str, None] = field(default_factory=dict)
    has_code: bool = False
    _values: Values = field(init=False)
    _labels: dict[int, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _seen: list[object] = field(default_factory=list)
    _todo: deque[Callable[[], None]] = field(default_factory=deque)
    _at: str = ""

    def __post_init__(self) -> None:
        self._values = Values(self)

    def finish(self) -> None:
        """Look into everything that was referred to."""
        while self._todo:
            self._todo.popleft()()

    def part(self, label: str, value: object) -> None:
        """Add a value as a part; a number is told as it is, all else by a digest."""
        if label in self.parts:
            return
        before, self._at = self._at, label
        try:
            plain = type(value) in (int, float, bool, type(None)) and len(repr(value)) <= _SHOWN
            self.parts[label] = repr(value) if plain else self._values.digest(value)
        finally:
            self._at = before

    def attributes(self, value: object) -> Mapping[str, object] | None:
        """Return the attributes that are the state of an object, if attributes are."""
        return self._values.state(value)

    def note_unknown(self, what: str) -> None:
        """Take down that something cannot be known, and where it was met."""
        self.unknown[f"{self._at}: {what}" if self._at else what] = None

    def refer(self, named: object, *, root: bool = False) -> str:
        """Return the label of a function, class or module, and look into it later if its code is at hand.

        Of what is installed only the ``root`` is looked into, whose names may have been given other values,
        and functions that were made when something ran: a version does not say with what values.
        """
        known = self._labels.get(id(named))
        if known is not None:
            return known
        module, name = self._name(named)
        home = home_of(module)
        label = self._label(named, module, name)
        if home.kind == "installed":
            self._version(home, module)
        made = isinstance(named, FunctionType) and (
            (root and home.kind == "installed") or not _has_name(named, module)
        )
        if home.kind == "own" or made:
            self._see(named, label, module)
        self._labels[id(named)] = label
        self._seen.append(named)
        return label

    def _name(self, named: object) -> tuple[str, str]:
        if isinstance(named, ModuleType):
            return named.__name__, ""
        if isinstance(named, np.ufunc):
            return self._home_of_ufunc(named), named.__name__
        placed: object = named.__module__ if isinstance(named, _Placed) else None
        module = (
            placed if isinstance(placed, str) else None
        )  # classes that Cython makes have a part of a class
        name = named.__qualname__ if isinstance(named, _Qualified) else str(named)
        return (module or "builtins" if not isinstance(named, FunctionType | type) else module or ""), name

    def _home_of_ufunc(self, ufunc: np.ufunc) -> str:
        """Return the top-level module a ufunc is found in: it does not say."""
        for module in ("numpy", *sorted(name for name in sys.modules if name.startswith("scipy.special"))):
            if vars(sys.modules[module]).get(ufunc.__name__) is ufunc:
                return module
        self.note_unknown(f"the ufunc {ufunc.__name__} (it does not say what it was made of)")
        return "numpy"

    def _label(self, named: object, module: str, name: str) -> str:
        kind = (
            "module" if isinstance(named, ModuleType) else "class" if isinstance(named, type) else "function"
        )
        label = f"{kind} {name} of {module}" if name else f"{kind} {module}"
        unique, count = label, 2
        while unique in self._taken:
            unique, count = f"{label} ({count})", count + 1
        self._taken.add(unique)
        return unique

    def _version(self, home: Home, module: str) -> None:
        record = f" {record_of(module)}" if module.partition(".")[0] == self.home else ""
        self.parts[f"version of {home.distribution}"] = f"{home.version}{record}"

    def _see(self, named: object, label: str, module: str) -> None:
        """Have something looked into."""
        if isinstance(named, FunctionType):
            self._todo.append(functools.partial(self._function, named, label))
        elif isinstance(named, type):
            self._todo.append(functools.partial(self._class, named, label))
        elif isinstance(named, ModuleType):
            self._todo.append(functools.partial(self._module, named))
        else:
            self._compiled(label, module)

    def _compiled(self, label: str, module: str) -> None:
        file = file_of(module)
        if file is None:
            self.note_unknown(f"{label} (its code is compiled, and in no file)")
        else:
            self.parts[f"file of {module}"] = file_digest(file)

    # -- functions --------------------------------------------------------------------------------

    def _function(self, function: FunctionType, label: str) -> None:
        self.has_code = True
        facts = Facts.of(function.__code__)
        self._at = label
        constants = map(self._values.digest, facts.constants)
        given = (function.__defaults__, function.__kwdefaults__)
        self.parts[label] = digest_of(*facts.tokens, *constants, *map(self._values.digest, given))
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                self.part(f"variable {name} in {label}", cell.cell_contents)
            except ValueError:  # not given a value yet
                continue
        for name, value in sorted(vars(function).items()):
            self.part(f"attribute {name} of {label}", value)
        self._references(facts, function.__globals__, function.__module__ or "")

    def _references(self, facts: Facts, namespace: Mapping[str, object], module: str) -> None:
        for name, attributes in facts.references:
            if name in namespace:
                self._follow(namespace[name], attributes, name, module)
            elif name in _LOOK_ANYWHERE:
                self._whole(namespace, module)
            elif name == "__import__":
                self.note_unknown("__import__ (what is imported by a name made at run time)")
            elif name in vars(builtins):
                continue
        for one in facts.imports:
            self._import(one, str(namespace.get("__package__") or ""))

    def _follow(self, found: object, attributes: tuple[str, ...], name: str, module: str) -> None:
        """Look into what a name stands for; of a module, only into what is taken of it."""
        if isinstance(found, ModuleType):
            self._in_module(found, attributes)
            return
        for running, names in _RUNNING.items():
            if any(found is vars(sys.modules[running]).get(one) for one in names if running in sys.modules):
                self._note_running(running, name)
        if isinstance(found, FunctionType | type):
            self.refer(found)
        elif name not in _SILENT and self._counts(found, module):
            self.part(f"global {name} of {module}", found)

    def _note_running(self, module: str, name: str) -> None:
        self.note_unknown(f"{module}.{name} (what is imported by a name made at run time)")

    def _in_module(self, found: ModuleType, attributes: tuple[str, ...]) -> None:
        if attributes and attributes[0] in _RUNNING.get(found.__name__, ()):
            self._note_running(found.__name__, attributes[0])
        inner = vars(found).get(attributes[0]) if attributes else None
        if inner is None and attributes:
            inner = sys.modules.get(f"{found.__name__}.{attributes[0]}")
        is_own = home_of(found.__name__).kind == "own"
        if inner is None or not (is_own or isinstance(inner, ModuleType | FunctionType | type)):
            self.refer(found)
        else:
            self._follow(inner, attributes[1:], attributes[0], found.__name__)

    def _counts(self, value: object, module: str) -> bool:
        """Whether a value counts: of installed modules, which keep caches and locks, plain data does."""
        return home_of(module).kind == "own" or _is_data(value)

    def _import(self, one: Import, package: str) -> None:
        """Look into what a function imports when it runs; it is imported now."""
        name = one.module
        if one.level:
            parents = package.split(".")[: len(package.split(".")) - one.level + 1]
            name = ".".join([*parents, *filter(None, [one.module])])
        if home_of(name).kind != "own":
            if home_of(name).kind == "installed":
                self._version(home_of(name), name)
            return
        try:
            loaded = importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - the module is not ours, and may be meant to be missing
            self.parts[f"module {name}"] = f"cannot be imported: {type(error).__name__}"
            return
        for wanted in one.names or ("*",):
            if wanted == "*":
                self.refer(loaded)
                self.refer(sys.modules[name.partition(".")[0]])
            else:
                self._taken_of(loaded, wanted)

    def _taken_of(self, loaded: ModuleType, wanted: str) -> None:
        """Look into what an import takes of a module, which may be a module within it nobody has imported."""
        if wanted not in vars(loaded):
            with suppress(ImportError):
                importlib.import_module(f"{loaded.__name__}.{wanted}")
        self._in_module(loaded, (wanted,))

    # -- classes and modules ----------------------------------------------------------------------

    def _class(self, kind: type, label: str) -> None:
        members = []
        for name, value in sorted(vars(kind).items()):
            if name in _SILENT:
                continue
            members.append(name)
            for role, inner in _pieces(value):
                if isinstance(inner, FunctionType | type):
                    members.append(f"{role} {self.refer(inner)}")
                elif isinstance(inner, COMPILED):
                    members.append("compiled")
                else:
                    self.part(f"attribute {name} of {label}", inner)
        bases = [self.refer(base) for base in kind.__bases__]
        self.parts[label] = digest_of(*members, "bases", *bases, self.refer(type(kind)))

    def _module(self, module: ModuleType) -> None:
        self._whole(vars(module), module.__name__)

    def _whole(self, namespace: Mapping[str, object], module: str) -> None:
        for name, value in sorted(namespace.items()):
            if isinstance(value, ModuleType):
                self.refer(value)
            else:
                self._follow(value, (), name, module)


def _has_name(function: FunctionType, module: str) -> bool:
    """Whether a function is what its module has under its name: its code says all about it."""
    found: object = sys.modules.get(module)
    for part in function.__qualname__.split("."):
        if not isinstance(found, ModuleType | type):
            return False
        member = vars(found).get(part)
        found = member.__func__ if isinstance(member, staticmethod | classmethod) else member
    return found is function


def _pieces(value: object) -> list[tuple[str, object]]:
    """Return the functions a member of a class is made of, or the member itself."""
    if isinstance(value, property):
        return [("property", piece) for piece in (value.fget, value.fset, value.fdel) if piece is not None]
    if isinstance(value, staticmethod | classmethod):
        return [(type(value).__name__, value.__func__)]
    if isinstance(value, functools.cached_property):
        return [("cached", value.func)]
    return [("", value)]


def _is_data(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_data, value))
    return isinstance(value, bool | int | float | complex | str | bytes | np.ndarray | np.generic)
