"""Values as digests: numbers, containers, arrays, and the state of objects, never an address of memory."""

from __future__ import annotations

import copyreg
import functools
import threading
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np

from geopatcher.core.digests import array_digest, digest_of, file_digest
from geopatcher.identity.capabilities import Adjustable, Fingerprinted, Jitted, Stateful, Tensor, Wrapping
from geopatcher.identity.homes import home_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.generic]

#: Values within values within values, up to here.
DEEPEST = 100
#: Endings of files that hold models, or numbers and settings in text: where a value names such a file, its
#: content counts.
MODEL_FILES = frozenset(
    {
        *(".bin", ".cbm", ".ckpt", ".engine", ".gguf", ".h5", ".hdf5", ".joblib", ".keras", ".mat", ".model"),
        *(
            ".msgpack",
            ".npy",
            ".npz",
            ".onnx",
            ".pb",
            ".pickle",
            ".pkl",
            ".pt",
            ".pt2",
            ".pth",
            ".safetensors",
        ),
        *(".sav", ".skops", ".tflite", ".ts", ".ubj", ".weights", ".xgb"),
        *(".cfg", ".csv", ".ini", ".json", ".toml", ".tsv", ".xml", ".yaml", ".yml"),
    }
)
#: What ONNX calls the files it keeps large weights in, after the name of the network.
WEIGHTS_BESIDE = (".data", "_data")
#: Objects that hold nothing a result could follow from.
STATELESS = (type(threading.Lock()), type(threading.RLock()))
#: What `functools.update_wrapper` leaves on a wrapper, which says nothing of what it does.
LABELS = frozenset(functools.WRAPPER_ASSIGNMENTS)

_CONTAINERS = (list, tuple, dict, set, frozenset, bytearray, MappingProxyType)
#: Parts of classes that are written in C.
COMPILED = (
    ClassMethodDescriptorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodWrapperType,
    WrapperDescriptorType,
)
#: What `object.__reduce_ex__` makes an object with.
_NEW = object().__reduce_ex__(4)[0]
_PLAIN = (int, float, complex, str, bytes, bool, type(None), type(...), type(NotImplemented))


class Names(Protocol):
    """Knows functions, classes and modules by name, and looks into them by itself."""

    def refer(self, named: object, /) -> str:
        """Return the label of a function, class or module; it will be looked into."""
        ...

    def note_unknown(self, what: str, /) -> None:
        """Take down that something cannot be known."""
        ...


@runtime_checkable
class _Located(Protocol):
    """Something that says which module it is from."""

    __module__: str


@dataclass
class Values:
    """Makes digests of values; `Names` is who looks into functions and classes.

    Objects that hold themselves are cut off where they come again. ``_kept`` keeps alive what is known by
    its address meanwhile.
    """

    names: Names
    _known: dict[int, str] = field(default_factory=dict)
    _open: dict[int, int] = field(default_factory=dict)
    _kept: list[object] = field(default_factory=list)

    def digest(self, value: object) -> str:
        """Return the digest of a value."""
        if type(value) in _PLAIN:
            return _plain(value)
        key = id(value)
        if key in self._known:
            return self._known[key]
        if key in self._open:
            return f"again {len(self._open) - self._open[key]}"
        if len(self._open) >= DEEPEST:
            return self._unknown(value, f"it is nested deeper than {DEEPEST} levels")
        self._open[key] = len(self._open)
        self._kept.append(value)
        try:
            found = self._compound(value)
        finally:
            del self._open[key]
        self._known[key] = found
        return found

    def state(self, value: object) -> Mapping[str, object] | None:
        """Return the attributes of an object, by name; ``None`` where its state is something else."""
        if isinstance(value, (np.vectorize, Jitted, Wrapping, Tensor, *STATELESS)):
            return None
        reduced = self._reduced(value)
        if (
            not isinstance(reduced, tuple)
            or reduced[:2] != (_NEW, (type(value),))
            or any(part is not None for part in reduced[3:])
        ):
            return None
        return _attributes(type(value), reduced[2])

    def _compound(self, value: object) -> str:
        match value:
            case FunctionType() | type() | ModuleType():
                return digest_of("name", self.names.refer(value))
            case MethodType():
                return digest_of("method", self.digest(value.__func__), self.digest(value.__self__))
            case BuiltinFunctionType():
                return self._builtin(value)
            case np.ndarray() | np.generic() | np.dtype() | np.ufunc() | np.vectorize():
                return self._of_numpy(value)
            case _:
                return self._other(value)

    def _other(self, value: object) -> str:
        if isinstance(value, COMPILED):
            return digest_of("part", value.__name__, self.digest(value.__objclass__))
        if type(value) in _CONTAINERS:
            return self._container(value)
        if isinstance(value, PurePath):
            return digest_of("path", _file(str(value)))
        return self._object(value)

    def _builtin(self, value: BuiltinFunctionType) -> str:
        owner = value.__self__
        if owner is None or isinstance(owner, ModuleType):
            return digest_of("builtin", self.names.refer(value))
        return digest_of("builtin", value.__qualname__, self.digest(owner))

    def _of_numpy(self, value: Array | np.generic | np.dtype | np.ufunc | np.vectorize) -> str:
        match value:
            case np.dtype():
                return digest_of("dtype", str(np.lib.format.dtype_to_descr(value)))
            case np.ufunc():
                return digest_of("ufunc", self.names.refer(value))
            case np.vectorize():  # its cache is none of its business
                parts = (value.pyfunc, value.otypes, value.signature, value.excluded)
                return digest_of("vectorize", *map(self.digest, parts))
            case np.generic():
                return digest_of("scalar", self._array(np.asarray(value)))
            case _:
                return digest_of("array", self.names.refer(type(value)), self._array(value))

    def _array(self, value: Array) -> str:
        if value.dtype.hasobject:
            return digest_of(str(value.dtype), str(value.shape), self.digest(value.tolist()))
        if isinstance(value, np.ma.MaskedArray):
            mask, fill = np.ma.getmaskarray(value), np.asarray(value.fill_value)
            return digest_of(*map(array_digest, (np.ma.getdata(value), mask, fill)))
        extra = {} if type(value) in (np.ndarray, np.memmap) else attributes_of(value)
        return digest_of(array_digest(value), *self._items(extra.items()))

    def _container(self, value: object) -> str:
        kind = type(value).__name__
        if isinstance(value, bytearray):
            return digest_of(kind, bytes(value))
        if isinstance(value, dict | MappingProxyType):  # in their order, which a loop would see
            return digest_of(kind, *self._items(value.items()))
        if isinstance(value, set | frozenset):  # whose order differs from process to process
            return digest_of(kind, *sorted(map(self.digest, value)))
        items = cast("list[object]", value)
        if items and all(type(item) is int or type(item) is float for item in items):
            return digest_of(kind, repr(items))
        return digest_of(kind, *map(self.digest, items))

    def _items(self, items: Iterable[tuple[object, object]]) -> Iterator[str]:
        for key, value in items:
            yield self.digest(key)
            yield self.digest(value)

    def _object(self, value: object) -> str:
        kind = self.names.refer(type(value))
        if isinstance(value, Fingerprinted):
            return digest_of("fingerprint", kind, said(value))
        if isinstance(value, STATELESS):
            return digest_of("stateless", kind)
        if isinstance(value, Jitted):
            return digest_of("jitted", kind, self.digest(value.py_func), self.digest(value.targetoptions))
        if isinstance(value, Wrapping) and home_of(type(value).__module__).kind == "library":
            return digest_of("wrapper", kind, self.digest(value.__wrapped__), *self._settings(value))
        if isinstance(value, Tensor):
            return digest_of("tensor", kind, self._tensor(value))
        return digest_of("object", kind, self._reduction(value))

    def _tensor(self, value: Tensor) -> str:
        here = value.detach().cpu()
        kind = str(here.dtype)
        for cells in (here.numpy, lambda: here.float().numpy()):  # bfloat16 has no match in NumPy
            try:
                return digest_of(kind, array_digest(np.asarray(cells())))
            except (TypeError, RuntimeError):
                continue
        return self._unknown(value, f"a tensor of {kind} has no cells NumPy can hold")

    def _reduction(self, value: object) -> str:
        """Return a digest of what an object is made of again when it is copied or pickled."""
        reduced = self._reduced(value)
        if isinstance(reduced, Exception):
            return self._irreducible(value, reduced)
        if isinstance(reduced, str):  # the name of a global
            return self._singleton(value, reduced)
        make, given, state, items, pairs = (*reduced, None, None, None)[:5]
        by_name = _attributes(type(value), state)
        return digest_of(
            self.digest(make),
            self.digest(given),
            *(self._items(by_name.items()) if by_name is not None else (self.digest(state),)),
            "items",
            *map(self.digest, cast("Iterable[object]", items or ())),
            *self._items(cast("Iterable[tuple[object, object]]", pairs or ())),
        )

    def _singleton(self, value: object, name: str) -> str:
        module = value.__module__ if isinstance(value, _Located) else type(value).__module__
        inner = self.digest(value.__wrapped__) if isinstance(value, Wrapping) else ""
        if home_of(module).kind != "own" or inner:
            return digest_of("named", str(module), name, inner, *self._settings(value))
        return digest_of("named", name, *self._items(attributes_of(value).items()))

    def _settings(self, value: object) -> Iterator[str]:
        """Yield what a wrapper of our own adds to what it wraps."""
        if isinstance(value, Adjustable):
            yield from self._items(value.wrapper_settings().items())

    def _irreducible(self, value: object, why: Exception) -> str:
        if isinstance(value, Wrapping):
            return digest_of("wrapper", self.digest(value.__wrapped__))
        if isinstance(value, Stateful) and home_of(type(value).__module__).kind == "own":
            return digest_of("state", self.digest(dict(value.state_dict())))
        return self._unknown(value, str(why))

    def _reduced(self, value: object) -> str | tuple[object, ...] | Exception:
        reduce = copyreg.dispatch_table.get(type(value))
        try:
            found = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception as error:  # noqa: BLE001 - what other people's objects raise says that they cannot
            return error
        self._kept.append(found)
        return found

    def _unknown(self, value: object, why: str) -> str:
        kind = type(value)
        self.names.note_unknown(f"{kind.__module__}.{kind.__qualname__} ({' '.join(why.split())[:200]})")
        return digest_of("unknown", kind.__module__, kind.__qualname__)


def said(value: Fingerprinted) -> str:
    """Return what an object says of itself.

    Raises
    ------
    TypeError
        It says something else than text.

    """
    text: object = value.fingerprint()
    if not isinstance(text, str):
        raise TypeError(f"{type(value).__qualname__}.fingerprint() returned {text!r}: it must return text")
    return text


def attributes_of(value: object) -> dict[str, object]:
    """Return the attributes an object holds, in its ``__dict__`` or in slots, by name.

    >>> import types
    >>> attributes_of(types.SimpleNamespace(b=1, a=2)), attributes_of(3)
    ({'a': 2, 'b': 1}, {})
    """
    return _attributes(type(value), object.__getstate__(value)) or {}


def _plain(value: object) -> str:
    if isinstance(value, str):
        return digest_of("str", _file(value))
    if isinstance(value, bytes):
        return digest_of("bytes", value)
    return digest_of(type(value).__name__, repr(value))


def _file(name: str) -> str:
    """Return a text; where it names the file of a model or of settings, with a digest of the content."""
    if len(name) > 4096 or "\0" in name or PurePath(name).suffix.lower() not in MODEL_FILES:
        return name
    try:
        return " ".join([name, *map(file_digest, _files(Path(name)))])
    except OSError:
        return name


def _files(place: Path) -> Iterator[Path]:
    """Yield a file that is there, and those of weights that belong to it."""
    if place.is_file():
        yield place
        beside = (place.with_name(place.name + ending) for ending in WEIGHTS_BESIDE)
        yield from filter(Path.is_file, beside)


def _attributes(kind: type, state: object) -> dict[str, object] | None:
    """Return attributes by name from a state as `object.__getstate__` gives it, ``None`` for another.

    Those that a class computes once from the others, and labels of wrappers, are left out.
    """
    if state is None:
        return {}
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
        plain, slots = state
        state = {**(plain if isinstance(plain, dict) else {}), **slots}
    if type(state) is not dict or not all(isinstance(name, str) for name in state):
        return None
    return {
        name: state[name] for name in sorted(state) if name not in LABELS and not _is_computed(kind, name)
    }


def _is_computed(kind: type, name: str) -> bool:
    return any(isinstance(vars(base).get(name), functools.cached_property) for base in kind.__mro__)
