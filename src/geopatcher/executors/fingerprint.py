"""The fingerprint of a job: everything its result's bytes follow from, as far as it can be asked."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from dataclasses import fields, is_dataclass
from operator import attrgetter
from pathlib import PurePath
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher import __version__
from geopatcher.planning.anchors import Lattice, Listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed import DataclassInstance

    from geopatcher.engine.job import Job
    from geopatcher.ledger.book import Fingerprint
    from geopatcher.planning.plan import Plan
    from geopatcher.protocols import Array

#: Parameters of an aggregation that say where its result goes, not what it is.
PLACES = frozenset({"streaming", "target_path", "writer", "memory_limit", "scratch"})


@runtime_checkable
class Fingerprinted(Protocol):
    """An operator that can say which version of itself it is, such as a digest of a model's weights."""

    def fingerprint(self) -> str:
        """Return a text that differs whenever results would."""
        ...


@runtime_checkable
class Configured(Protocol):
    """An operator or aggregation that describes itself."""

    def get_config(self) -> Mapping[str, object]:
        """Return its type and parameters, as values JSON can hold."""
        ...


@runtime_checkable
class Wrapping(Protocol):
    """A callable around another one, as `functools.wraps` leaves it."""

    __wrapped__: object


def fingerprint_of(job: Job) -> Fingerprint:
    """Return what two runs must agree in for one to go on where the other stopped.

    How the run is carried out (memory limit, retries, threads) is not in it. Of a function the
    compiled code is, with its constants and defaults, but not what it refers to: an operator whose
    results depend on more, such as a model's weights, says so by a method ``fingerprint() -> str``.
    """
    return {
        "library": __version__,
        **source_identity(job),
        **_plan(job.plan),
        "operator": job.name,
        "operator.fingerprint": operator_fingerprint(job.operator),
        "window.weights": "ones" if job.weights is None else digest(job.weights),
        "aggregation": _config(job.aggregation),
        "layers": _json({name: _config(layer) for name, layer in job.layers.items()}),
        "batch_size": job.batch_size,
        "skip_empty": job.skip_empty,
        **{f"result.{name}": str(value) for name, value in _fields(job.output).items()},
    }


def source_identity(job: Job) -> Fingerprint:
    """Return which source this is, and which version of it.

    A local file is known by its name, size and time of change, not by its folder: it may have been
    mounted elsewhere since.
    """
    identity = dict(job.source.identity())
    path = identity.get("path")
    if isinstance(path, str) and "size" in identity:
        identity["path"] = PurePath(path).name
    domain = job.source.domain
    grid = {
        "transform": " ".join(repr(float(value)) for value in domain.transform[:6]),
        "crs": domain.crs or "none",
        "nodata": str(domain.nodata),
    }
    return {
        f"source.{key}": str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in (identity | grid).items()
    }


def _plan(plan: Plan) -> Fingerprint:
    known: dict[str, str | int | float] = {
        "plan.size": _by(plan.anchors.patch_shape),
        "plan.boundary": plan.boundary,
        "plan.pad_value": str(plan.pad_value),
        "plan.chunks": _by(plan.chunks),
        "plan.region": str(plan.region),
    }
    if isinstance(plan.anchors, Lattice):
        known["plan.step"] = _by((plan.anchors.rows.step, plan.anchors.cols.step))
    elif isinstance(plan.anchors, Listed):
        known["plan.anchors"] = f"{plan.anchors.count} {digest(plan.anchors.boxes)}"
    return known


def operator_fingerprint(operator: object) -> str:
    """Return what an operator says of itself, or a digest of a function's code.

    >>> operator_fingerprint(lambda x: x * 2) == operator_fingerprint(lambda x: x * 2)
    True
    >>> operator_fingerprint(lambda x: x * 2) == operator_fingerprint(lambda x: x * 3)
    False
    """
    if isinstance(operator, Fingerprinted):
        return operator.fingerprint()
    if isinstance(operator, Configured):
        return _config(operator)
    if isinstance(operator, functools.partial):
        bound = _json([list(operator.args), dict(operator.keywords)])
        return f"{operator_fingerprint(operator.func)} {_hash([bound])}"
    inner = operator_fingerprint(operator.__wrapped__) if isinstance(operator, Wrapping) else ""
    if isinstance(operator, FunctionType):
        defaults = [_json(operator.__defaults__), _json(operator.__kwdefaults__)]
        return _hash([*_code(operator.__code__), *defaults, inner])
    if is_dataclass(operator) and not isinstance(operator, type):
        return _json(_fields(operator))
    return inner or "unknown"


def digest(array: Array) -> str:
    """Return a digest of an array's cells, dtype and shape.

    >>> digest(np.zeros(4)) == digest(np.zeros((2, 2)))
    False
    """
    whole = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()[:16]


def _code(code: CodeType) -> Iterable[str]:
    """Yield what decides what a function does: not its name, its file or its lines."""
    yield code.co_code.hex()
    yield " ".join(code.co_names)
    for constant in code.co_consts:
        yield from _constant(constant)


def _constant(constant: object) -> Iterable[str]:
    if isinstance(constant, CodeType):
        yield from _code(constant)
    elif isinstance(constant, tuple):
        for item in constant:
            yield from _constant(item)
    elif isinstance(constant, frozenset):  # whose order differs from process to process
        yield repr(sorted(map(repr, constant)))
    else:
        yield repr(constant)


def _fields(instance: DataclassInstance) -> dict[str, object]:
    return {one.name: attrgetter(one.name)(instance) for one in fields(instance) if one.compare}


def _config(configured: Configured) -> str:
    return _json({key: value for key, value in configured.get_config().items() if key not in PLACES})


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=_described)


def _described(value: object) -> str:
    """Stand for what JSON cannot hold: never by an address, which differs from run to run."""
    if isinstance(value, np.ndarray):
        return digest(value)
    if isinstance(value, FunctionType):
        return operator_fingerprint(value)
    if isinstance(value, np.dtype | np.generic | PurePath):
        return str(value)
    return type(value).__qualname__


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _by(pair: tuple[int, int]) -> str:
    return f"{pair[0]}x{pair[1]}"
